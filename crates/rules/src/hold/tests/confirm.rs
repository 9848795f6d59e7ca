//! Confirming, whole and partial.

use super::*;

/// The lines that a confirm names; nothing for a whole one.
type Named = Option<Vec<Wanted>>;

fn rule(given: Given, lines: Named) -> Result<Change, Rejection> {
    given.judge(|known, asker, now| super::super::confirm(known, asker, lines.as_deref(), now))
}

/// One lamp more than is held.
fn too_many() -> Named {
    Some(vec![wanted("lamp", "main", 4)])
}

pub(super) fn refusals() -> Vec<Rejection> {
    let table = vec![
        Refusal {
            case: "no hold, and all else wrong",
            given: WORST,
            when: too_many(),
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another customer's, another version, ended, late, too many",
            given: FOREIGN,
            when: too_many(),
            then: Rejection::NotFound,
        },
        Refusal {
            case: "another version, ended, late, too many",
            given: STALE,
            when: too_many(),
            then: Rejection::Version,
        },
        Refusal {
            case: "confirmed with other lines, late, too many",
            given: ENDED_LATE,
            when: too_many(),
            then: Rejection::Confirmed { ended_at: ENDED },
        },
        Refusal {
            case: "released, late, too many",
            given: ENDED_LATE.in_state(State::Released),
            when: too_many(),
            then: Rejection::Released { ended_at: ENDED },
        },
        Refusal {
            case: "for its order, past the deadline that counts no more",
            given: ENDED_LATE.in_state(State::Confirming),
            when: too_many(),
            then: Rejection::Confirming,
        },
        Refusal {
            case: "expired and swept, too many",
            given: ENDED_LATE.in_state(State::Expired),
            when: too_many(),
            then: Rejection::Expired { ended_at: ENDED },
        },
        Refusal {
            case: "late and not swept, too many",
            given: ENDED_LATE.in_state(State::Held),
            when: too_many(),
            then: Rejection::Expired { ended_at: DEADLINE },
        },
        Refusal {
            case: "in time, too many",
            given: LIVE,
            when: too_many(),
            then: Rejection::MoreThanHeld { line: 0 },
        },
    ];
    walk(table, rule)
}

#[test]
fn a_confirm_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn confirm_at_the_deadline_is_refused_as_expired_and_a_moment_before_it_is_not() {
    let on_time = rule(LIVE, None);
    assert!(matches!(on_time, Ok(Change::Changed(..))), "{on_time:?}");
    let late = LIVE.at(DEADLINE);
    let expired = Rejection::Expired { ended_at: DEADLINE };
    assert_eq!(rule(late, None), Err(expired.clone()));
    assert_eq!(
        rule(late, Some(vec![wanted("lamp", "main", 1)])),
        Err(expired)
    );
}

#[test]
fn a_shop_confirms_anybodys_hold_without_naming_a_version() {
    let shop = Given {
        asker: None,
        if_match: None,
        ..LIVE
    };
    assert!(matches!(rule(shop, None), Ok(Change::Changed(..))));
}

#[test]
fn a_whole_confirm_sells_every_unit() {
    let Ok(Change::Changed(after, moves)) = rule(LIVE, None) else {
        panic!("a live hold is confirmed");
    };
    let expected = Hold {
        changed_at: Some(LAST_MOMENT),
        ended_at: Some(LAST_MOMENT),
        ..hold(State::Confirmed)
    };
    assert_eq!(after, expected);
    let expected = [
        moved(Operation::Confirm, wanted("lamp", "main", 3)),
        moved(Operation::Confirm, wanted("chair", "east", 2)),
    ];
    assert_eq!(moves, expected);
}

/// A partial confirm of three lamps and two chairs: units sold and units given back.
struct Part {
    case: &'static str,
    when: Vec<Wanted>,
    lamps: (u64, u64),
    chairs: (u64, u64),
    then: Vec<Move>,
}

fn parts() -> [Part; 4] {
    [
        Part {
            case: "a part of one line",
            when: vec![wanted("lamp", "main", 2)],
            lamps: (2, 1),
            chairs: (0, 2),
            then: vec![
                moved(Operation::Confirm, wanted("lamp", "main", 2)),
                moved(Operation::Release, wanted("lamp", "main", 1)),
                moved(Operation::Release, wanted("chair", "east", 2)),
            ],
        },
        Part {
            case: "the second line whole",
            when: vec![wanted("chair", "east", 2)],
            lamps: (0, 3),
            chairs: (2, 0),
            then: vec![
                moved(Operation::Release, wanted("lamp", "main", 3)),
                moved(Operation::Confirm, wanted("chair", "east", 2)),
            ],
        },
        Part {
            case: "lines of one SKU are summed",
            when: vec![
                wanted("lamp", "main", 1),
                wanted("chair", "east", 1),
                wanted("lamp", "main", 1),
            ],
            lamps: (2, 1),
            chairs: (1, 1),
            then: vec![
                moved(Operation::Confirm, wanted("lamp", "main", 2)),
                moved(Operation::Release, wanted("lamp", "main", 1)),
                moved(Operation::Confirm, wanted("chair", "east", 1)),
                moved(Operation::Release, wanted("chair", "east", 1)),
            ],
        },
        Part {
            case: "all that is held, by name",
            when: vec![wanted("chair", "east", 2), wanted("lamp", "main", 3)],
            lamps: (3, 0),
            chairs: (2, 0),
            then: vec![
                moved(Operation::Confirm, wanted("lamp", "main", 3)),
                moved(Operation::Confirm, wanted("chair", "east", 2)),
            ],
        },
    ]
}

#[test]
fn a_partial_confirm_sells_what_is_named_and_releases_the_rest() {
    for row in parts() {
        let Ok(Change::Changed(after, moves)) = rule(LIVE, Some(row.when)) else {
            panic!("{} is confirmed", row.case);
        };
        assert_eq!(after.state, State::Confirmed, "{}", row.case);
        let shares: Vec<_> = after
            .lines
            .iter()
            .map(|line| (line.confirmed, line.released))
            .collect();
        let expected = [row.lamps, row.chairs].map(|(sold, rest)| (Some(sold), Some(rest)));
        assert_eq!(shares, expected, "{}", row.case);
        assert_eq!(moves, row.then, "{}", row.case);
    }
}

#[test]
fn a_partial_confirm_of_more_than_is_held_names_the_line_of_the_request() {
    struct Row {
        case: &'static str,
        when: Vec<Wanted>,
        line: usize,
    }
    let table = [
        Row {
            case: "one unit too many",
            when: vec![wanted("lamp", "main", 3), wanted("chair", "east", 3)],
            line: 1,
        },
        Row {
            case: "the same line twice, together too many",
            when: vec![
                wanted("lamp", "main", 2),
                wanted("chair", "east", 1),
                wanted("lamp", "main", 2),
            ],
            line: 2,
        },
        Row {
            case: "a SKU that is not held",
            when: vec![wanted("lamp", "main", 1), wanted("sofa", "main", 1)],
            line: 1,
        },
        Row {
            case: "a location that is not held",
            when: vec![wanted("lamp", "east", 1)],
            line: 0,
        },
    ];
    for row in table {
        let judged = rule(LIVE, Some(row.when));
        let expected = Rejection::MoreThanHeld { line: row.line };
        assert_eq!(judged, Err(expected), "{}", row.case);
    }
}

/// A confirm of a hold that is confirmed: with these units of each line, and asked for how.
struct Again {
    case: &'static str,
    given: [u64; 2],
    when: Named,
    unchanged: bool,
}

const WHOLE: [u64; 2] = [3, 2];
const PART: [u64; 2] = [2, 0];

fn agains() -> [Again; 8] {
    let lamps = |units| wanted("lamp", "main", units);
    let chairs = |units| wanted("chair", "east", units);
    [
        Again {
            case: "whole, then whole",
            given: WHOLE,
            when: None,
            unchanged: true,
        },
        Again {
            case: "whole, then all by name",
            given: WHOLE,
            when: Some(vec![chairs(2), lamps(3)]),
            unchanged: true,
        },
        Again {
            case: "whole, then a part",
            given: WHOLE,
            when: Some(vec![lamps(3)]),
            unchanged: false,
        },
        Again {
            case: "a part, then the same part",
            given: PART,
            when: Some(vec![lamps(2)]),
            unchanged: true,
        },
        Again {
            case: "a part, then the same part in two lines",
            given: PART,
            when: Some(vec![lamps(1), lamps(1)]),
            unchanged: true,
        },
        Again {
            case: "a part, then without lines: it names no other lines",
            given: PART,
            when: None,
            unchanged: true,
        },
        Again {
            case: "a part, then the rest",
            given: PART,
            when: Some(vec![lamps(1), chairs(2)]),
            unchanged: false,
        },
        Again {
            case: "a part, then what was never held",
            given: PART,
            when: Some(vec![wanted("sofa", "main", 1)]),
            unchanged: false,
        },
    ]
}

#[test]
fn a_confirm_sent_again_is_unchanged_only_with_the_same_lines() {
    for row in agains() {
        let mut hold = hold(State::Confirmed);
        for (line, sold) in hold.lines.iter_mut().zip(row.given) {
            line.confirmed = Some(sold);
            line.released = Some(line.quantity.get() - sold);
        }
        let known = Known {
            hold: &hold,
            version: VERSION,
        };
        let lines = row.when.as_deref();
        let judged = super::super::confirm(Some(known), Asker::default(), lines, LATE);
        let expected = if row.unchanged {
            Ok(Change::Unchanged)
        } else {
            Err(Rejection::Confirmed { ended_at: ENDED })
        };
        assert_eq!(judged, expected, "{}", row.case);
    }
}
