//! Puts of a catalogue entry, and the edges of a sale window.

use super::*;
use crate::tests::{assert_all_produced, at, terms, units, variants};

variants!(Version);

const MADE: LogTime = at(1_000);
const NOW: LogTime = at(2_000);

fn entry(terms: Terms) -> Sku {
    Sku {
        terms,
        created_at: MADE,
        updated_at: MADE,
    }
}

fn dearer() -> Terms {
    let mut dearer = terms("lamp");
    dearer.price.amount += 1;
    dearer
}

/// The version that stands, if any, and what a put says.
struct Row {
    case: &'static str,
    given: Option<u64>,
    if_match: Option<u64>,
    when: Terms,
    then: Result<Put, Rejection>,
}

fn judge(row: Row) -> Option<Rejection> {
    let stands = entry(terms("lamp"));
    let existing = row.given.map(|version| (&stands, version));
    let judged = put(existing, row.when, row.if_match, NOW);
    assert_eq!(judged, row.then, "{}", row.case);
    judged.err()
}

#[test]
fn a_put_for_another_version_is_refused_and_every_refusal_is_produced() {
    let table = [
        Row {
            case: "another version of a known SKU, new terms",
            given: Some(3),
            if_match: Some(2),
            when: dearer(),
            then: Err(Rejection::Version),
        },
        Row {
            case: "another version, though the terms stand",
            given: Some(3),
            if_match: Some(4),
            when: terms("lamp"),
            then: Err(Rejection::Version),
        },
        Row {
            case: "a version of an unknown SKU",
            given: None,
            if_match: Some(1),
            when: terms("lamp"),
            then: Err(Rejection::Version),
        },
        Row {
            case: "version 0 of a known SKU: it was to be new",
            given: Some(1),
            if_match: Some(0),
            when: dearer(),
            then: Err(Rejection::Version),
        },
    ];
    let refusals: Vec<Rejection> = table.into_iter().filter_map(judge).collect();
    let names: Vec<&str> = refusals.iter().map(name).collect();
    assert_all_produced(ALL, &names);
}

#[test]
fn a_put_creates_replaces_or_changes_nothing() {
    let created = || {
        Put::Created(Sku {
            terms: terms("lamp"),
            created_at: NOW,
            updated_at: NOW,
        })
    };
    let updated = || {
        Put::Updated(Sku {
            updated_at: NOW,
            ..entry(dearer())
        })
    };
    // Each with the version that stands expected, and without any expectation.
    for (given, if_match) in [(None, 0), (Some(3), 3)] {
        for if_match in [None, Some(if_match)] {
            let row = |case, when, then| Row {
                case,
                given,
                if_match,
                when,
                then: Ok(then),
            };
            let rows = match given {
                None => vec![row("unknown", terms("lamp"), created())],
                Some(_) => vec![
                    row("new terms", dearer(), updated()),
                    row("the very same terms", terms("lamp"), Put::Unchanged),
                ],
            };
            for row in rows {
                assert_eq!(judge(row), None);
            }
        }
    }
}

#[test]
fn any_term_that_differs_is_a_change() {
    let stands = entry(terms("lamp"));
    let changes: [fn(&mut Terms); 5] = [
        |terms| terms.name.push('!'),
        |terms| terms.price.amount += 1,
        |terms| terms.max_per_order = Some(units(5)),
        |terms| terms.max_per_customer = Some(units(2)),
        |terms| {
            terms.sale = Some(Window {
                opens_at: None,
                closes_at: None,
            });
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut terms = terms("lamp");
        change(&mut terms);
        let judged = put(Some((&stands, 1)), terms.clone(), None, NOW);
        let expected = Put::Updated(Sku {
            updated_at: NOW,
            ..entry(terms)
        });
        assert_eq!(judged, Ok(expected), "change {number}");
    }
}

#[test]
fn a_window_is_open_from_its_first_moment_until_just_before_its_last() {
    struct Row {
        opens_at: Option<LogTime>,
        closes_at: Option<LogTime>,
        open: [bool; 4],
    }
    let moments = [at(9), at(10), at(19), at(20)];
    let table = [
        Row {
            opens_at: Some(at(10)),
            closes_at: Some(at(20)),
            open: [false, true, true, false],
        },
        Row {
            opens_at: Some(at(10)),
            closes_at: None,
            open: [false, true, true, true],
        },
        Row {
            opens_at: None,
            closes_at: Some(at(20)),
            open: [true, true, true, false],
        },
        Row {
            opens_at: None,
            closes_at: None,
            open: [true; 4],
        },
        Row {
            opens_at: Some(at(20)),
            closes_at: Some(at(10)),
            open: [false; 4],
        },
    ];
    for row in table {
        let window = Window {
            opens_at: row.opens_at,
            closes_at: row.closes_at,
        };
        assert_eq!(
            moments.map(|now| window.is_open(now)),
            row.open,
            "{window:?}"
        );
    }
}

#[test]
fn an_entry_comes_back_from_its_text() {
    let full = Terms {
        max_per_order: Some(units(5)),
        max_per_customer: Some(units(2)),
        sale: Some(Window {
            opens_at: Some(at(10)),
            closes_at: None,
        }),
        ..terms("lamp")
    };
    for terms in [terms("lamp"), full] {
        let sku = entry(terms);
        let text = serde_json::to_string(&sku).expect("an entry is data");
        let back: Sku = serde_json::from_str(&text).expect("it was written by us");
        assert_eq!(back, sku);
    }
}

#[test]
fn a_stored_refusal_of_a_put_is_its_code() {
    let text = serde_json::to_string(&Rejection::Version).expect("a rejection is data");
    assert_eq!(text, "{\"code\":\"version\"}");
}
