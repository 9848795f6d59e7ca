//! Expiring: at or after the deadline, and once.

use super::*;

fn rule(given: Given, (): ()) -> Result<(Hold, Vec<Move>), Rejection> {
    given.judge(|known, _, now| super::super::expire(known.map(|known| known.hold), now))
}

pub(super) fn refusals() -> Vec<Rejection> {
    let early = Given {
        exists: true,
        now: LAST_MOMENT,
        ..WORST
    };
    let table = vec![
        Refusal {
            case: "no hold",
            given: Given {
                exists: false,
                ..early
            },
            when: (),
            then: Rejection::NotFound,
        },
        Refusal {
            case: "confirmed, early",
            given: early,
            when: (),
            then: Rejection::Confirmed { ended_at: ENDED },
        },
        Refusal {
            case: "released, early",
            given: early.in_state(State::Released),
            when: (),
            then: Rejection::Released { ended_at: ENDED },
        },
        Refusal {
            case: "for its order: only that ends it",
            given: early.in_state(State::Confirming),
            when: (),
            then: Rejection::Confirming,
        },
        Refusal {
            case: "expired before, early",
            given: early.in_state(State::Expired),
            when: (),
            then: Rejection::Expired { ended_at: ENDED },
        },
        Refusal {
            case: "live, one moment early",
            given: early.in_state(State::Held),
            when: (),
            then: Rejection::NotDue,
        },
    ];
    walk(table, rule)
}

#[test]
fn an_expiry_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn a_hold_expires_at_its_deadline_and_gives_every_unit_back() {
    for now in [DEADLINE, LATE] {
        let due = LIVE.at(now);
        let (after, moves) = rule(due, ()).expect("it is due");
        let expected = Hold {
            changed_at: Some(now),
            ended_at: Some(now),
            ..hold(State::Expired)
        };
        assert_eq!(after, expected);
        let expected = [
            moved(Operation::Expire, wanted("lamp", "main", 3)),
            moved(Operation::Expire, wanted("chair", "east", 2)),
        ];
        assert_eq!(moves, expected);
    }
}

#[test]
fn an_ended_hold_never_expires_however_late_it_is() {
    let table = [
        (State::Confirmed, Rejection::Confirmed { ended_at: ENDED }),
        (State::Released, Rejection::Released { ended_at: ENDED }),
        (State::Expired, Rejection::Expired { ended_at: ENDED }),
    ];
    for (state, then) in table {
        let late = LIVE.in_state(state).at(LATE);
        assert_eq!(rule(late, ()), Err(then));
    }
}
