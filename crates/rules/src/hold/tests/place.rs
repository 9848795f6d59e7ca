//! Placing: the id before the units, the sum before the line.

use super::*;
use crate::sku::Window;

/// What the ledger has when a place of two lamps at `main` comes in.
#[derive(Debug, Clone, Copy)]
struct Ledger {
    listed: bool,
    taken: bool,
    max_per_order: u64,
    window: (i64, i64),
    /// Lamps that the customer has; three are the most.
    has: u64,
    available: u64,
}

const NOW: LogTime = at(1_000);
const OPEN: (i64, i64) = (1_000, 1_001);
const OVER: (i64, i64) = (0, 1_000);

/// Everything is wrong at once.
const WORST: Ledger = Ledger {
    listed: false,
    taken: true,
    max_per_order: 1,
    window: OVER,
    has: 2,
    available: 1,
};

/// There is just enough of everything.
const ENOUGH: Ledger = Ledger {
    listed: true,
    taken: false,
    max_per_order: 2,
    window: OPEN,
    has: 1,
    available: 2,
};

fn command(lines: Vec<Wanted>) -> Place {
    Place {
        id: hold_id("h-1"),
        customer: customer("c-1"),
        lines,
        ttl: Millis(10_000),
    }
}

fn limited(sku: &str, max_per_order: Option<u64>) -> Terms {
    Terms {
        max_per_order: max_per_order.map(units),
        ..terms(sku)
    }
}

impl Ledger {
    fn place_two_lamps(self) -> Result<(Hold, Vec<Move>), Rejection> {
        let window = Window {
            opens_at: Some(at(self.window.0)),
            closes_at: Some(at(self.window.1)),
        };
        let terms = Terms {
            sale: Some(window),
            max_per_customer: Some(units(3)),
            ..limited("lamp", Some(self.max_per_order))
        };
        let supply = [Supply {
            terms: self.listed.then_some(&terms),
            available: self.available,
            has: self.has,
        }];
        let command = command(vec![wanted("lamp", "main", 2)]);
        super::super::place(&command, self.taken, &supply, NOW)
    }
}

struct Row {
    case: &'static str,
    given: Ledger,
    then: Rejection,
}

fn table() -> impl Iterator<Item = Row> {
    for_its_terms().into_iter().chain(for_too_few())
}

fn for_its_terms() -> [Row; 5] {
    let lamp = || sku("lamp");
    [
        Row {
            case: "unlisted, and all else wrong",
            given: WORST,
            then: Rejection::SkuUnknown { sku: lamp() },
        },
        Row {
            case: "a duplicate id before the limit, the window and the units",
            given: Ledger {
                listed: true,
                ..WORST
            },
            then: Rejection::AlreadyExists,
        },
        Row {
            case: "over the limit, out of the window, sold out",
            given: Ledger {
                listed: true,
                taken: false,
                ..WORST
            },
            then: Rejection::LimitExceeded { sku: lamp() },
        },
        Row {
            case: "after the window, sold out",
            given: Ledger {
                window: OVER,
                has: 2,
                available: 1,
                ..ENOUGH
            },
            then: Rejection::SaleNotOpen { sku: lamp() },
        },
        Row {
            case: "before the window, sold out",
            given: Ledger {
                window: (1_001, 2_000),
                has: 2,
                available: 1,
                ..ENOUGH
            },
            then: Rejection::SaleNotOpen { sku: lamp() },
        },
    ]
}

fn for_too_few() -> [Row; 4] {
    let lamp = || sku("lamp");
    [
        Row {
            case: "more than one customer may have, sold out",
            given: Ledger {
                has: 2,
                available: 1,
                ..ENOUGH
            },
            then: Rejection::LimitCustomer {
                sku: lamp(),
                most: units(3),
                has: 2,
            },
        },
        Row {
            case: "all that one customer may have, sold out",
            given: Ledger {
                has: 3,
                available: 1,
                ..ENOUGH
            },
            then: Rejection::LimitCustomer {
                sku: lamp(),
                most: units(3),
                has: 3,
            },
        },
        Row {
            case: "one unit too few",
            given: Ledger {
                available: 1,
                ..ENOUGH
            },
            then: Rejection::SoldOut { sku: lamp() },
        },
        Row {
            case: "no unit at all",
            given: Ledger {
                available: 0,
                ..ENOUGH
            },
            then: Rejection::SoldOut { sku: lamp() },
        },
    ]
}

pub(super) fn refusals() -> Vec<Rejection> {
    let run = |row: Row| {
        let refused = row.given.place_two_lamps().expect_err(row.case);
        assert_eq!(refused, row.then, "{}", row.case);
        refused
    };
    let produced: Vec<Rejection> = table().map(run).collect();
    assert_declared_order(&produced);
    produced
}

#[test]
fn a_place_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn a_place_of_just_what_there_is_sets_the_units_aside_until_its_deadline() {
    let (hold, moves) = ENOUGH.place_two_lamps().expect("there is enough");
    let line = Line {
        sku: sku("lamp"),
        location: location("main"),
        quantity: units(2),
        confirmed: None,
        released: None,
        counted: true,
    };
    let expected = Hold {
        id: hold_id("h-1"),
        customer: customer("c-1"),
        state: State::Held,
        lines: vec![line],
        placed_at: NOW,
        deadline: at(11_000),
        changed_at: None,
        ended_at: None,
        order: None,
    };
    assert_eq!(hold, expected);
    let expected = [moved(Operation::Hold, wanted("lamp", "main", 2))];
    assert_eq!(moves, expected);
}

#[test]
fn one_line_that_is_refused_refuses_all_and_is_named() {
    let (lamp, chair) = (terms("lamp"), limited("chair", Some(4)));
    let closed = Terms {
        sale: Some(Window {
            opens_at: None,
            closes_at: Some(NOW),
        }),
        ..terms("chair")
    };
    let of_chair = || sku("chair");
    struct Second<'a> {
        terms: Option<&'a Terms>,
        available: u64,
        then: Rejection,
    }
    let table = [
        Second {
            terms: None,
            available: 9,
            then: Rejection::SkuUnknown { sku: of_chair() },
        },
        Second {
            terms: Some(&chair),
            available: 9,
            then: Rejection::LimitExceeded { sku: of_chair() },
        },
        Second {
            terms: Some(&closed),
            available: 9,
            then: Rejection::SaleNotOpen { sku: of_chair() },
        },
        Second {
            terms: Some(&lamp),
            available: 4,
            then: Rejection::SoldOut { sku: of_chair() },
        },
    ];
    let command = command(vec![wanted("lamp", "main", 5), wanted("chair", "east", 5)]);
    for row in table {
        let first = Supply {
            terms: Some(&lamp),
            available: 5,
            has: 0,
        };
        let second = Supply {
            terms: row.terms,
            available: row.available,
            has: 0,
        };
        let judged = super::super::place(&command, false, &[first, second], NOW);
        assert_eq!(judged, Err(row.then));
    }
}

#[test]
fn a_limit_counts_the_units_of_all_locations_together() {
    let lines = vec![wanted("lamp", "main", 2), wanted("lamp", "east", 2)];
    for (most, refused) in [(Some(3), true), (Some(4), false), (None, false)] {
        let lamp = limited("lamp", most);
        let plenty = Supply {
            terms: Some(&lamp),
            available: 9,
            has: 0,
        };
        let judged = super::super::place(&command(lines.clone()), false, &[plenty; 2], NOW);
        let expected = refused.then(|| Rejection::LimitExceeded { sku: sku("lamp") });
        assert_eq!(judged.err(), expected, "{most:?}");
    }
}

#[test]
fn a_limit_is_passed_by_a_sum_that_no_number_holds() {
    let all = crate::quantity::MAX;
    let lines = vec![wanted("lamp", "main", all), wanted("lamp", "east", all)];
    let lamp = limited("lamp", Some(all));
    let plenty = Supply {
        terms: Some(&lamp),
        available: all,
        has: 0,
    };
    let judged = super::super::place(&command(lines), false, &[plenty; 2], NOW);
    let expected = Rejection::LimitExceeded { sku: sku("lamp") };
    assert_eq!(judged, Err(expected));
}

#[test]
fn a_limit_of_one_sku_does_not_count_another() {
    let (lamp, chair) = (limited("lamp", Some(1)), limited("chair", Some(9)));
    let supply = [&lamp, &chair].map(|terms| Supply {
        terms: Some(terms),
        available: 9,
        has: 0,
    });
    let lines = vec![wanted("lamp", "main", 1), wanted("chair", "main", 9)];
    let (hold, moves) =
        super::super::place(&command(lines), false, &supply, NOW).expect("each is within its own");
    assert_eq!((hold.lines.len(), moves.len()), (2, 2));
}

#[test]
#[should_panic(expected = "one entry of supply per line")]
fn a_line_without_supply_is_never_judged() {
    let lines = vec![wanted("lamp", "main", 1)];
    let _ = super::super::place(&command(lines), false, &[], NOW);
}

#[test]
fn two_lines_of_one_sku_and_location_are_judged_as_their_sum_and_answered_as_one() {
    let lamp = terms("lamp");
    let lines = vec![wanted("lamp", "main", 2), wanted("lamp", "main", 2)];
    for (available, enough) in [(3, false), (4, true)] {
        let supply = Supply {
            terms: Some(&lamp),
            available,
            has: 0,
        };
        let judged = super::super::place(&command(lines.clone()), false, &[supply; 2], NOW);
        if enough {
            let (hold, moves) = judged.expect("there are four");
            let expected = [moved(Operation::Hold, wanted("lamp", "main", 4))];
            assert_eq!((hold.lines.len(), moves), (1, expected.to_vec()));
        } else {
            assert_eq!(judged, Err(Rejection::SoldOut { sku: sku("lamp") }));
        }
    }
}

#[test]
fn each_location_needs_its_own_units_only() {
    let lamp = terms("lamp");
    let supply = Supply {
        terms: Some(&lamp),
        available: 2,
        has: 0,
    };
    let lines = vec![wanted("lamp", "main", 2), wanted("lamp", "east", 2)];
    let (hold, _) = super::super::place(&command(lines), false, &[supply; 2], NOW)
        .expect("there are two at each");
    assert_eq!(hold.lines.len(), 2);
}

#[test]
fn a_sum_that_no_number_holds_is_sold_out() {
    let all = crate::quantity::MAX;
    let lamp = terms("lamp");
    // The second balance is one that only a damaged store can show.
    for available in [all, u64::MAX] {
        let supply = Supply {
            terms: Some(&lamp),
            available,
            has: 0,
        };
        let lines = vec![wanted("lamp", "main", all); 2];
        let judged = super::super::place(&command(lines), false, &[supply; 2], NOW);
        assert_eq!(judged, Err(Rejection::SoldOut { sku: sku("lamp") }));
    }
}
