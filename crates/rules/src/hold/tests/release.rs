//! Giving a hold back.

use super::*;

fn rule(given: Given, (): ()) -> Result<Change, Rejection> {
    given.judge(super::super::release)
}

pub(super) fn refusals() -> Vec<Rejection> {
    let table = vec![
        Refusal {
            case: "no hold, and all else wrong",
            given: WORST,
            when: (),
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another customer's, another version, confirmed, late",
            given: FOREIGN,
            when: (),
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another version, confirmed, late",
            given: STALE,
            when: (),
            then: Rejection::Version,
        },
        Refusal {
            case: "confirmed, late",
            given: ENDED_LATE,
            when: (),
            then: Rejection::Confirmed { ended_at: ENDED },
        },
        Refusal {
            case: "for its order, past the deadline that counts no more",
            given: ENDED_LATE.in_state(State::Confirming),
            when: (),
            then: Rejection::Confirming,
        },
        Refusal {
            case: "expired and swept",
            given: ENDED_LATE.in_state(State::Expired),
            when: (),
            then: Rejection::Expired { ended_at: ENDED },
        },
        Refusal {
            case: "at the deadline and not swept",
            given: ENDED_LATE.in_state(State::Held).at(DEADLINE),
            when: (),
            then: Rejection::Expired { ended_at: DEADLINE },
        },
    ];
    walk(table, rule)
}

#[test]
fn a_release_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn a_release_gives_every_unit_back() {
    let Ok(Change::Changed(after, moves)) = rule(LIVE, ()) else {
        panic!("a live hold is released");
    };
    let expected = Hold {
        changed_at: Some(LAST_MOMENT),
        ended_at: Some(LAST_MOMENT),
        ..hold(State::Released)
    };
    assert_eq!(after, expected);
    let expected = [
        moved(Operation::Release, wanted("lamp", "main", 3)),
        moved(Operation::Release, wanted("chair", "east", 2)),
    ];
    assert_eq!(moves, expected);
}

#[test]
fn a_release_sent_again_is_unchanged_even_past_the_deadline() {
    for now in [LAST_MOMENT, LATE] {
        let released = LIVE.in_state(State::Released).at(now);
        assert_eq!(rule(released, ()), Ok(Change::Unchanged));
    }
}

#[test]
fn a_released_hold_shows_itself_to_its_customer_and_its_version_only() {
    let released = LIVE.in_state(State::Released);
    let foreign = Given {
        asker: Some("c-2"),
        ..released
    };
    assert_eq!(rule(foreign, ()), Err(Rejection::NotFound));
    let stale = Given {
        if_match: Some(VERSION - 1),
        ..released
    };
    assert_eq!(rule(stale, ()), Err(Rejection::Version));
}
