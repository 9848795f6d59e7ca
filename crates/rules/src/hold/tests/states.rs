//! The state machine, pair by pair.

use super::*;

#[test]
fn only_a_live_hold_ends_and_each_ending_has_its_state() {
    let endings = [
        (Ending::Confirm, State::Confirmed),
        (Ending::Release, State::Released),
        (Ending::Expire, State::Expired),
    ];
    for state in State::ALL {
        for (ending, next) in endings {
            let expected = match state {
                State::Held => Ok(next),
                State::Confirming if ending != Ending::Expire => Ok(next),
                State::Confirming | State::Confirmed | State::Released | State::Expired => {
                    Err(Illegal)
                }
            };
            assert_eq!(state.next(ending), expected, "{state:?} {ending:?}");
        }
    }
}

#[test]
fn a_state_is_found_by_its_name_and_by_no_other() {
    for state in State::ALL {
        assert_eq!(State::from_name(state.name()), Some(state));
        let text = serde_json::to_string(&state).expect("a state is a string");
        assert_eq!(text, format!("\"{}\"", state.name()));
    }
    for unknown in ["Held", "confirm", ""] {
        assert_eq!(State::from_name(unknown), None);
    }
}

#[test]
fn a_hold_is_overdue_while_it_lives_from_its_deadline_on() {
    for state in State::ALL {
        for (now, past) in [(LAST_MOMENT, false), (DEADLINE, true), (LATE, true)] {
            let expected = past && state == State::Held;
            assert_eq!(hold(state).is_overdue(now), expected, "{state:?} {now:?}");
        }
    }
}

#[test]
fn whoever_comes_second_is_told_who_won() {
    let told = |state: State| {
        let ended = LIVE.in_state(state);
        [
            ended.judge(|known, asker, now| {
                let other = [wanted("lamp", "main", 1)];
                super::super::confirm(known, asker, Some(&other), now).err()
            }),
            ended.judge(super::super::release).err(),
            ended.judge(|known, asker, now| {
                let lives = (Millis(1), Millis(1));
                super::super::extend(known, asker, lives, now).err()
            }),
            ended.judge(|known, _, now| {
                super::super::expire(known.map(|known| known.hold), now).err()
            }),
        ]
    };
    let confirmed = Some(Rejection::Confirmed { ended_at: ENDED });
    let released = Some(Rejection::Released { ended_at: ENDED });
    let expired = Some(Rejection::Expired { ended_at: ENDED });
    assert!(
        told(State::Confirmed)
            .iter()
            .all(|refusal| *refusal == confirmed)
    );
    let [confirm, release, extend, expire] = told(State::Released);
    assert_eq!(release, None, "the same ending again is no refusal");
    assert!(
        [confirm, extend, expire]
            .iter()
            .all(|refusal| *refusal == released)
    );
    assert!(
        told(State::Expired)
            .iter()
            .all(|refusal| *refusal == expired)
    );
}
