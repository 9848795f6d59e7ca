//! Allocation: whole from the first location that has all of it, else split in order.

use super::*;
use proptest::prelude::*;

/// A line that leaves its location open.
fn open(sku_id: &str, quantity: u64) -> Wanted {
    Wanted {
        location: LocationId::anywhere(),
        ..wanted(sku_id, "main", quantity)
    }
}

/// Allocates over `main`, `east` and `west`, which have so many lamps and nothing else.
fn allocated(lines: &[Wanted], lamps: [u64; 3]) -> Vec<Wanted> {
    let order = ["main", "east", "west"].map(location);
    let has = |of: &SkuId, at: &LocationId| {
        let place = order.iter().position(|known| known == at);
        place
            .filter(|_| *of == sku("lamp"))
            .map_or(0, |place| lamps[place])
    };
    allocate(lines, &order, has)
}

#[test]
fn a_line_is_taken_whole_where_it_can_be_and_split_in_order_where_not() {
    struct Row {
        lamps: [u64; 3],
        when: Vec<Wanted>,
        then: Vec<Wanted>,
    }
    let table = [
        Row {
            lamps: [9, 9, 9],
            when: vec![open("lamp", 3)],
            then: vec![wanted("lamp", "main", 3)],
        },
        Row {
            lamps: [2, 3, 9],
            when: vec![open("lamp", 3)],
            then: vec![wanted("lamp", "east", 3)],
        },
        Row {
            lamps: [2, 0, 1],
            when: vec![open("lamp", 3)],
            then: vec![wanted("lamp", "main", 2), wanted("lamp", "west", 1)],
        },
        // What nobody has stays with the first, and is found short there.
        Row {
            lamps: [0, 1, 0],
            when: vec![open("lamp", 3)],
            then: vec![wanted("lamp", "main", 2), wanted("lamp", "east", 1)],
        },
        Row {
            lamps: [0, 0, 0],
            when: vec![open("lamp", 3), open("chair", 1)],
            then: vec![wanted("lamp", "main", 3), wanted("chair", "main", 1)],
        },
        // Lines that say where come first, wherever they stand.
        Row {
            lamps: [3, 2, 0],
            when: vec![open("lamp", 2), wanted("lamp", "main", 2)],
            then: vec![wanted("lamp", "east", 2), wanted("lamp", "main", 2)],
        },
        Row {
            lamps: [3, 0, 0],
            when: vec![wanted("lamp", "main", 1), open("lamp", 2)],
            then: vec![wanted("lamp", "main", 3)],
        },
    ];
    for Row { lamps, when, then } in table {
        assert_eq!(allocated(&when, lamps), then, "{when:?} of {lamps:?}");
    }
}

#[test]
fn without_an_order_everything_is_at_main() {
    let there = allocate(&[open("lamp", 2)], &[], |_, _| 9);
    assert_eq!(there, [wanted("lamp", "main", 2)]);
}

#[test]
fn a_hold_allocates_from_its_own_lines() {
    let mut hold = hold(State::Held);
    let west = Line {
        location: location("west"),
        ..hold.lines[0].clone()
    };
    hold.lines.push(west);
    let table = [
        (open("lamp", 3), vec![wanted("lamp", "main", 3)]),
        (
            open("lamp", 4),
            vec![wanted("lamp", "main", 3), wanted("lamp", "west", 1)],
        ),
        (open("chair", 2), vec![wanted("chair", "east", 2)]),
        (
            open("lamp", 7),
            vec![wanted("lamp", "main", 4), wanted("lamp", "west", 3)],
        ),
        (open("sofa", 1), vec![wanted("sofa", "main", 1)]),
    ];
    for (when, then) in table {
        assert_eq!(hold.allocate(std::slice::from_ref(&when)), then, "{when:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No unit is asked for twice or forgotten, and no location is overdrawn that need not be.
    #[test]
    fn an_allocation_asks_for_every_unit_once_and_for_what_there_is(
        lamps in prop::array::uniform3(0..6_u64),
        named in prop::collection::vec(1..3_u64, 0..2),
        demands in prop::collection::vec(1..8_u64, 1..3),
    ) {
        let mut lines: Vec<Wanted> = demands.iter().map(|units| open("lamp", *units)).collect();
        lines.extend(named.iter().map(|units| wanted("lamp", "east", *units)));
        let demand: u64 = lines.iter().map(|line| line.quantity.get()).sum();
        let parts = allocated(&lines, lamps);
        prop_assert_eq!(parts.iter().map(|part| part.quantity.get()).sum::<u64>(), demand);
        prop_assert!(parts.iter().all(|part| !part.is_anywhere()));
        let east: u64 = named.iter().sum();
        if demand <= lamps.iter().sum() && east <= lamps[1] {
            for part in &parts {
                let places = ["main", "east", "west"];
                let at = places.iter().position(|place| *place == part.location.as_str());
                let has = at.map_or(0, |at| lamps[at]);
                prop_assert!(part.quantity.get() <= has, "{:?} of {:?}", parts, lamps);
            }
        }
    }
}
