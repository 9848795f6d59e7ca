//! A hold on its way through an order.

use super::*;

fn rule(given: Given, (): ()) -> Result<Hold, Rejection> {
    let order = order_id("o-1");
    given.judge(|known, asker, now| super::super::begin(known, asker, &order, now))
}

pub(super) fn refusals() -> Vec<Rejection> {
    let refused = |case, given, then| Refusal {
        case,
        given,
        when: (),
        then,
    };
    let expired = |ended_at| Rejection::Expired { ended_at };
    let of = |state| ENDED_LATE.in_state(state);
    let table = vec![
        refused("no hold, and all else wrong", WORST, Rejection::NotFound),
        refused("another customer's", FOREIGN, Rejection::NotFound),
        refused("another version", STALE, Rejection::Version),
        refused(
            "confirmed",
            ENDED_LATE,
            Rejection::Confirmed { ended_at: ENDED },
        ),
        refused(
            "released",
            of(State::Released),
            Rejection::Released { ended_at: ENDED },
        ),
        refused(
            "another order's",
            of(State::Confirming),
            Rejection::Confirming,
        ),
        refused("expired and swept", of(State::Expired), expired(ENDED)),
        refused(
            "at the deadline",
            of(State::Held).at(DEADLINE),
            expired(DEADLINE),
        ),
    ];
    walk(table, rule)
}

#[test]
fn an_order_on_a_hold_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn a_live_hold_begins_confirming_for_one_order_and_moves_no_unit() {
    let began = rule(LIVE, ()).expect("a live hold");
    let expected = Hold {
        changed_at: Some(LAST_MOMENT),
        ..hold(State::Confirming)
    };
    assert_eq!(began, expected);
    assert!(!began.is_overdue(LATE), "its deadline counts no more");
}

#[test]
fn only_a_confirming_hold_is_closed_by_its_order_and_at_any_time() {
    let lines = || [wanted("lamp", "main", 3), wanted("chair", "east", 2)];
    let table = [
        (Ending::Confirm, State::Confirmed, Operation::Confirm),
        (Ending::Release, State::Released, Operation::Release),
    ];
    for (ending, state, operation) in table {
        let (after, moves) = close(&hold(State::Confirming), ending, LATE).expect("confirming");
        let expected = Hold {
            changed_at: Some(LATE),
            ended_at: Some(LATE),
            order: Some(order_id("o-1")),
            ..hold(state)
        };
        assert_eq!(after, expected);
        assert_eq!(moves, lines().map(|line| moved(operation, line)));
        for other in State::ALL {
            let closed = close(&hold(other), ending, LATE).is_some();
            assert_eq!(closed, other == State::Confirming, "{other:?}");
        }
    }
    for state in State::ALL {
        assert_eq!(close(&hold(state), Ending::Expire, LATE), None, "{state:?}");
    }
}
