//! Pulling: a place ends overdue holds of its SKU, oldest first, or none.

use super::*;
use proptest::prelude::*;

const NOW: LogTime = at(100);

/// A live hold of `quantity` lamps at `main`.
fn lamps(id: usize, deadline_ms: i64, quantity: u64) -> Hold {
    let line = Line {
        sku: sku("lamp"),
        location: location("main"),
        quantity: units(quantity),
        confirmed: None,
        released: None,
        counted: false,
    };
    Hold {
        id: hold_id(&format!("h-{id:03}")),
        lines: vec![line],
        deadline: at(deadline_ms),
        ..hold(State::Held)
    }
}

fn pulled(demand: u64, available: u64, front: &[Hold]) -> Vec<usize> {
    let front: Vec<&Hold> = front.iter().collect();
    let line = wanted("lamp", "main", demand);
    let at = (std::slice::from_ref(&line.location), available);
    super::super::pull(&line, at, &front, NOW)
}

#[test]
fn a_pull_ends_the_oldest_holds_until_there_is_enough() {
    // Deadlines 30, 10, 20, 10: in order of age 1, 3 (the same deadline, a later id), 2, 0.
    let front = [
        lamps(0, 30, 1),
        lamps(1, 10, 2),
        lamps(2, 20, 1),
        lamps(3, 10, 1),
    ];
    struct Row {
        demand: u64,
        available: u64,
        then: &'static [usize],
    }
    let table = [
        Row {
            demand: 1,
            available: 1,
            then: &[],
        },
        Row {
            demand: 1,
            available: 0,
            then: &[1],
        },
        Row {
            demand: 2,
            available: 0,
            then: &[1],
        },
        Row {
            demand: 3,
            available: 0,
            then: &[1, 3],
        },
        Row {
            demand: 3,
            available: 2,
            then: &[1],
        },
        Row {
            demand: 4,
            available: 0,
            then: &[1, 3, 2],
        },
        Row {
            demand: 5,
            available: 0,
            then: &[1, 3, 2, 0],
        },
        Row {
            demand: 6,
            available: 0,
            then: &[],
        },
        Row {
            demand: 6,
            available: 1,
            then: &[1, 3, 2, 0],
        },
    ];
    for row in table {
        let chosen = pulled(row.demand, row.available, &front);
        assert_eq!(chosen, row.then, "{} of {}", row.demand, row.available);
    }
}

#[test]
fn a_pull_passes_over_what_is_not_overdue_and_what_holds_nothing_of_the_line() {
    let mut elsewhere = lamps(0, 1, 9);
    elsewhere.lines[0].location = location("east");
    let mut other = lamps(1, 1, 9);
    other.lines[0].sku = sku("chair");
    let ended = |state| Hold {
        state,
        ..lamps(2, 1, 9)
    };
    let early = lamps(3, 101, 9);
    let due = lamps(4, 100, 1);
    let front = [
        elsewhere,
        other,
        ended(State::Confirmed),
        ended(State::Released),
        ended(State::Expired),
        early,
        due,
    ];
    assert_eq!(pulled(1, 0, &front), [6]);
    assert_eq!(pulled(2, 0, &front), Vec::<usize>::new());
}

#[test]
fn a_pull_finds_the_line_in_a_hold_of_many() {
    let mut many = hold(State::Held);
    many.deadline = NOW;
    let line = wanted("chair", "east", 2);
    let at = (std::slice::from_ref(&line.location), 0);
    assert_eq!(super::super::pull(&line, at, &[&many], NOW), [0]);
}

#[test]
fn a_pull_may_find_its_units_at_several_places_and_nowhere_else() {
    let there = |id, place: &str| {
        let mut hold = lamps(id, 10, 2);
        hold.lines[0].location = location(place);
        hold
    };
    let (main, east, west) = (there(0, "main"), there(1, "east"), there(2, "west"));
    let front = [&main, &east, &west];
    let line = Wanted {
        location: LocationId::anywhere(),
        ..wanted("lamp", "main", 4)
    };
    let places = [location("main"), location("west")];
    assert_eq!(super::super::pull(&line, (&places, 0), &front, NOW), [0, 2]);
    let five = Wanted {
        quantity: units(5),
        ..line
    };
    let none: [usize; 0] = [];
    assert_eq!(super::super::pull(&five, (&places, 0), &front, NOW), none);
}

#[test]
fn a_pull_ends_at_most_sixty_four_holds() {
    let front: Vec<Hold> = (0..PULL_MAX + 6).map(|id| lamps(id, 1, 1)).collect();
    let all: Vec<usize> = (0..PULL_MAX).collect();
    assert_eq!(PULL_MAX, 64);
    assert_eq!(pulled(64, 0, &front), all);
    assert_eq!(pulled(65, 1, &front), all);
    assert_eq!(pulled(65, 0, &front), Vec::<usize>::new());
}

#[test]
fn holds_in_the_way_do_not_use_up_the_limit() {
    let mut front: Vec<Hold> = (0..PULL_MAX).map(|id| lamps(id, 1, 1)).collect();
    for hold in &mut front {
        hold.lines[0].sku = sku("chair");
    }
    front.push(lamps(PULL_MAX, 50, 1));
    assert_eq!(pulled(1, 0, &front), [PULL_MAX]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The choice is the shortest run of the oldest overdue holds that suffices; it is empty when
    /// none does or none is needed.
    #[test]
    fn a_pull_is_the_shortest_run_of_the_oldest_that_suffices(
        front in prop::collection::vec((0..130_i64, 1..4_u64), 0..90),
        available in 0..6_u64,
        demand in 1..100_u64,
    ) {
        let lamps = |(id, (deadline, quantity))| lamps(id, deadline, quantity);
        let front: Vec<Hold> = front.into_iter().enumerate().map(lamps).collect();
        let units_of = |index: &usize| front[*index].lines[0].quantity.get();
        let mut oldest: Vec<usize> = (0..front.len()).collect();
        oldest.retain(|&index| front[index].deadline <= NOW);
        oldest.sort_by_key(|&index| (front[index].deadline, index));
        oldest.truncate(64);
        let total = |run: &[usize]| available + run.iter().map(units_of).sum::<u64>();
        let shortest = (0..=oldest.len()).find(|&length| total(&oldest[..length]) >= demand);
        let expected = shortest.map_or(&[][..], |length| &oldest[..length]);
        prop_assert_eq!(pulled(demand, available, &front), expected);
    }
}
