//! Given / when / then, one module per command, a small world in which orders live, and histories
//! in it. Each table of refusals walks the [`Rejection`]s of its command in declared order.

use super::*;
use crate::event::Kind;
use crate::tests::{
    assert_all_produced, assert_declared_order, at, customer, hold_id, order_id, sku, terms, units,
    variants, wanted,
};
use crate::time::Millis;

mod callbacks;
mod ends;
mod handlers;
mod histories;
mod permutations;
mod refusals;
mod scenes;
mod states;
mod taking;
mod warnings;
mod world;

variants!(
    NotFound,
    Version,
    AlreadyExists,
    Currency,
    AmountCurrency,
    Total,
    PriceChanged,
    LinesDiffer,
    IllegalTransition,
    RefundExists,
    ExceedsRefundable,
    MoreThanShipped,
    NoReview,
);

const NOW: LogTime = at(1_000_000);
const CONFIRMING: Millis = Millis(900_000);

fn money(amount: i64, currency: &str) -> Money {
    let currency = Currency::new(currency).expect("a listed currency");
    Money { amount, currency }
}

fn refund_id(id: &str) -> RefundId {
    RefundId::new(id).expect("a well-formed refund id")
}

/// What is asked for in most tests: three lamps and two chairs of 1,999 each.
fn ask() -> Ask {
    Ask {
        id: order_id("o-1"),
        customer: customer("c-1"),
        lines: vec![wanted("lamp", "main", 3), wanted("chair", "east", 2)],
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: CONFIRMING,
    }
}

/// The prices of its lines come to this.
const PRICES: i64 = 5 * 1_999;

/// The order that [`ask`] makes, brought to a total by a discount, and the units that it holds.
fn taken(total: i64) -> (Take, u64) {
    let ask = Ask {
        adjustments: vec![Adjustment {
            kind: AdjustmentKind::Discount,
            amount: total - PRICES,
        }],
        ..ask()
    };
    let (lamp, chair) = (terms("lamp"), terms("chair"));
    let supply = [&lamp, &chair].map(|terms| crate::hold::Supply {
        terms: Some(terms),
        available: 5,
        has: 0,
    });
    let made = hold_of(&ask.id, "00");
    let taken = take(&ask, false, &supply, (None, &made), NOW).expect("units are there");
    let held = taken.moves.iter().map(|it| it.quantity.get()).sum();
    (taken, held)
}
