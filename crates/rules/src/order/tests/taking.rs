//! Taking an order: what it costs before the units, and the units last.

use super::*;
use crate::hold::{self, Hold, Known, Supply};
use crate::sku::Terms;
use crate::stock::Operation;

/// What stands when an order comes in.
#[derive(Clone)]
struct Given {
    /// Terms of the lamp and of the chair.
    terms: [Option<Terms>; 2],
    /// Units of each that are available.
    available: u64,
    /// Whether the id is in use.
    taken: bool,
    /// The hold that the order names.
    hold: Option<Hold>,
}

fn priced(id: &str, amount: i64, currency: &str) -> Option<Terms> {
    Some(Terms {
        price: money(amount, currency),
        ..terms(id)
    })
}

fn sound() -> Given {
    Given {
        terms: [priced("lamp", 1_999, "EUR"), priced("chair", 1_999, "EUR")],
        available: 5,
        taken: false,
        hold: None,
    }
}

fn judge(given: &Given, ask: &Ask) -> Result<Take, Refused> {
    let supply = given.terms.each_ref().map(|terms| Supply {
        terms: terms.as_ref(),
        available: given.available,
        has: 0,
    });
    let known = given.hold.as_ref().map(|hold| Known { hold, version: 1 });
    let made = hold_of(&ask.id, "00");
    take(ask, given.taken, &supply, (known, &made), NOW)
}

/// A hold of three lamps and so many chairs.
fn held(chairs: u64) -> Hold {
    let place = hold::Place {
        id: hold_id("h-1"),
        customer: customer("c-1"),
        lines: vec![wanted("chair", "east", chairs), wanted("lamp", "main", 3)],
        ttl: Millis(60_000),
    };
    let (lamp, chair) = (terms("lamp"), terms("chair"));
    let supply = [&chair, &lamp].map(|terms| Supply {
        terms: Some(terms),
        available: 9,
        has: 0,
    });
    hold::place(&place, false, &supply, NOW)
        .expect("units are there")
        .0
}

/// Too dear, with a hold of other lines, and with another total expected than it comes to.
fn worst() -> (Given, Ask) {
    let given = Given {
        terms: [
            priced("lamp", crate::money::AMOUNT_MAX, "EUR"),
            priced("chair", 1_999, "JPY"),
        ],
        available: 0,
        taken: true,
        hold: Some(held(1)),
    };
    let ask = Ask {
        hold: Some(hold_id("h-1")),
        expected_total: Some(money(1, "USD")),
        ..ask()
    };
    (given, ask)
}

/// Each row has less that is wrong than the one before.
fn table() -> Vec<(&'static str, Given, Ask, Rejection)> {
    let (worst, ask) = worst();
    let free = Given {
        taken: false,
        ..worst.clone()
    };
    let euros = Given {
        terms: [worst.terms[0].clone(), priced("chair", 1_999, "EUR")],
        ..free.clone()
    };
    let cheap = Given {
        terms: sound().terms,
        ..euros.clone()
    };
    let expects = |amount| Ask {
        expected_total: Some(money(amount, "EUR")),
        ..ask.clone()
    };
    let discount = Ask {
        adjustments: vec![Adjustment {
            kind: AdjustmentKind::Discount,
            amount: -PRICES - 1,
        }],
        ..expects(1)
    };
    let total = money(PRICES, "EUR");
    let (chair, changed) = (sku("chair"), Rejection::PriceChanged { total });
    let row = |case, given: &Given, ask, then| (case, given.clone(), ask, then);
    let currency = Rejection::Currency { sku: chair };
    vec![
        row("in use", &worst, ask.clone(), Rejection::AlreadyExists),
        row("two currencies", &free, ask.clone(), currency),
        row("a third", &euros, ask.clone(), Rejection::AmountCurrency),
        row("too dear", &euros, expects(1), Rejection::Total),
        row("too cheap", &cheap, discount, Rejection::Total),
        row("another total", &cheap, expects(PRICES - 1), changed),
        row(
            "one chair held",
            &cheap,
            expects(PRICES),
            Rejection::LinesDiffer,
        ),
    ]
}

pub(super) fn refusals() -> Vec<Rejection> {
    let run = |(case, given, ask, then): (&str, Given, Ask, Rejection)| {
        let refused = judge(&given, &ask).expect_err(case);
        assert_eq!(refused, Refused::Order(then.clone()), "{case}");
        then
    };
    let produced: Vec<Rejection> = table().into_iter().map(run).collect();
    assert_declared_order(&produced);
    produced
}

#[test]
fn an_order_is_refused_in_declared_order() {
    refusals();
}

#[test]
fn the_units_are_judged_last_and_an_unknown_sku_first() {
    let (worst, ask) = worst();
    let unlisted = Given {
        terms: [worst.terms[0].clone(), None],
        ..worst
    };
    let chair = || sku("chair");
    let refused = |refusal| Err(Refused::Hold(refusal));
    let unknown = hold::Rejection::SkuUnknown { sku: chair() };
    assert_eq!(judge(&unlisted, &ask), refused(unknown));
    let short = Given {
        available: 2,
        ..sound()
    };
    let sold_out = hold::Rejection::SoldOut { sku: sku("lamp") };
    assert_eq!(judge(&short, &super::ask()), refused(sold_out));
}

#[test]
fn an_order_on_a_hold_is_refused_as_the_hold_says() {
    let ask = Ask {
        hold: Some(hold_id("h-1")),
        ..ask()
    };
    let other = Ask {
        customer: customer("c-2"),
        ..ask.clone()
    };
    let with = |hold| Given { hold, ..sound() };
    let late = Hold {
        deadline: NOW,
        ..held(2)
    };
    let expired = hold::Rejection::Expired { ended_at: NOW };
    let busy = hold::begin(
        Some(Known {
            hold: &held(2),
            version: 1,
        }),
        hold::Asker::default(),
        &order_id("o-2"),
        NOW,
    );
    let table = [
        (with(None), &ask, hold::Rejection::NotFound),
        (with(Some(held(2))), &other, hold::Rejection::NotFound),
        (with(Some(late)), &ask, expired),
        (with(busy.ok()), &ask, hold::Rejection::Confirming),
    ];
    for (given, ask, then) in table {
        assert_eq!(judge(&given, ask), Err(Refused::Hold(then)));
    }
}

#[test]
fn an_order_without_a_hold_sets_its_units_aside_for_itself() {
    let taken = judge(&sound(), &ask()).expect("units are there");
    let order = &taken.created;
    assert_eq!((order.status, order.units), (Status::Pending, Units::Held));
    assert_eq!(order.total, money(PRICES, "EUR"));
    assert_eq!(order.limit, NOW.plus(CONFIRMING));
    assert_eq!(order.holds, [hold_id("order:o-1")]);
    assert_eq!(taken.then, None);
    assert_eq!(taken.hold.state, hold::State::Confirming);
    assert_eq!(taken.hold.order, Some(order_id("o-1")));
    let moves = taken.moves.iter().map(|it| (it.operation, it.quantity));
    let expected = [(Operation::Hold, units(3)), (Operation::Hold, units(2))];
    assert!(moves.eq(expected));
    let due = order.due(Tries::default(), 0).expect("the charge");
    assert_eq!((due.task, due.at), (Task::Charge, NOW));
}

#[test]
fn an_order_on_a_hold_takes_it_as_it_is_whatever_is_available() {
    let given = Given {
        hold: Some(held(2)),
        available: 0,
        ..sound()
    };
    let ask = Ask {
        hold: Some(hold_id("h-1")),
        ..ask()
    };
    let taken = judge(&given, &ask).expect("the hold has the units");
    assert!(taken.moves.is_empty());
    assert_eq!(taken.hold.state, hold::State::Confirming);
    assert_eq!(taken.created.holds, [hold_id("h-1")]);
}

#[test]
fn an_order_that_costs_nothing_is_confirmed_at_once_and_never_charged() {
    let (taken, _) = taken(0);
    let then = taken.then.expect("more happens in the same commit");
    assert_eq!(then.units, UnitsChange::Confirm);
    assert_eq!(then.order.status, Status::Confirmed);
    assert_eq!(
        taken.created.units,
        Units::Held,
        "the first event is the taking"
    );
    let mut world = super::world::World::new(0, 0);
    world.heal();
    assert_eq!(world.order.status, Status::Delivered);
    assert!(world.bank.charge.is_none() && world.order.refunds.is_empty());
}

#[test]
fn the_hold_of_an_order_with_a_long_id_is_named_by_a_hash() {
    let long = order_id(&"o".repeat(128));
    assert_eq!(hold_of(&long, "0a1b"), hold_id("0a1b"));
    assert_eq!(hold_of(&order_id("o-1"), "0a1b"), hold_id("order:o-1"));
}
