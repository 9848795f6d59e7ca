//! Moving a deadline: later or not at all.

use super::*;

/// A wished life and the longest one.
type Lives = (Millis, Millis);

const LIVES: Lives = (Millis(20_000), Millis(60_000));

fn rule(given: Given, lives: Lives) -> Result<Hold, Rejection> {
    given.judge(|known, asker, now| super::super::extend(known, asker, lives, now))
}

pub(super) fn refusals() -> Vec<Rejection> {
    let table = vec![
        Refusal {
            case: "no hold, and all else wrong",
            given: WORST,
            when: LIVES,
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another customer's, another version, confirmed, late",
            given: FOREIGN,
            when: LIVES,
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another version, confirmed, late",
            given: STALE,
            when: LIVES,
            then: Rejection::Version,
        },
        Refusal {
            case: "confirmed, late",
            given: ENDED_LATE,
            when: LIVES,
            then: Rejection::Confirmed { ended_at: ENDED },
        },
        Refusal {
            case: "released, late",
            given: ENDED_LATE.in_state(State::Released),
            when: LIVES,
            then: Rejection::Released { ended_at: ENDED },
        },
        Refusal {
            case: "for its order, past the deadline that counts no more",
            given: ENDED_LATE.in_state(State::Confirming),
            when: LIVES,
            then: Rejection::Confirming,
        },
        Refusal {
            case: "expired and swept",
            given: ENDED_LATE.in_state(State::Expired),
            when: LIVES,
            then: Rejection::Expired { ended_at: ENDED },
        },
        Refusal {
            case: "at the deadline and not swept: a dead hold is not brought back",
            given: ENDED_LATE.in_state(State::Held).at(DEADLINE),
            when: LIVES,
            then: Rejection::Expired { ended_at: DEADLINE },
        },
    ];
    walk(table, rule)
}

#[test]
fn an_extend_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn an_extend_moves_the_deadline_within_the_longest_life_and_never_backwards() {
    struct Row {
        case: &'static str,
        now: LogTime,
        ttl_ms: u64,
        max_life_ms: u64,
        deadline: LogTime,
    }
    let table = [
        Row {
            case: "from now, not from the old deadline",
            now: at(5_000),
            ttl_ms: 20_000,
            max_life_ms: 60_000,
            deadline: at(25_000),
        },
        Row {
            case: "cut at the longest life after the place",
            now: at(5_000),
            ttl_ms: 20_000,
            max_life_ms: 15_000,
            deadline: at(16_000),
        },
        Row {
            case: "a shorter wish changes nothing",
            now: at(5_000),
            ttl_ms: 1_000,
            max_life_ms: 60_000,
            deadline: DEADLINE,
        },
        Row {
            case: "a longest life that was made shorter since takes nothing away",
            now: at(5_000),
            ttl_ms: 20_000,
            max_life_ms: 2_000,
            deadline: DEADLINE,
        },
        Row {
            case: "a wish beyond all time is cut",
            now: LAST_MOMENT,
            ttl_ms: u64::MAX,
            max_life_ms: 60_000,
            deadline: at(61_000),
        },
    ];
    for row in table {
        let given = LIVE.at(row.now);
        let judged = rule(given, (Millis(row.ttl_ms), Millis(row.max_life_ms)));
        let expected = Hold {
            deadline: row.deadline,
            changed_at: Some(row.now),
            ..hold(State::Held)
        };
        assert_eq!(judged, Ok(expected), "{}", row.case);
    }
}
