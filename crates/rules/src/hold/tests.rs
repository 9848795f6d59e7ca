//! Given / when / then, one module per command. Each table of refusals walks the [`Rejection`]s of
//! its command in declared order: in every case all the later ones would apply too, so the table
//! proves precedence and not only presence.

use super::*;
use crate::tests::{
    assert_all_produced, assert_declared_order, at, customer, hold_id, location, order_id, sku,
    terms, units, variants, wanted,
};

mod allocate;
mod confirm;
mod expire;
mod extend;
mod order;
mod place;
mod pull;
mod release;
mod share;
mod states;
mod sum;

variants!(
    NotFound,
    SkuUnknown,
    Version,
    AlreadyExists,
    LimitExceeded,
    SaleNotOpen,
    LimitCustomer,
    SoldOut,
    Confirmed,
    Released,
    Confirming,
    Expired,
    MoreThanHeld,
    NotDue,
);

const PLACED: LogTime = at(1_000);
const ENDED: LogTime = at(5_000);
const DEADLINE: LogTime = at(11_000);
const LAST_MOMENT: LogTime = LogTime::from_micros(DEADLINE.micros() - 1);
const LATE: LogTime = at(20_000);
/// Events in the stream of [`hold`].
const VERSION: u64 = 2;

/// Three lamps at `main` and two chairs at `east` for the customer `c-1`.
fn hold(state: State) -> Hold {
    let live = matches!(state, State::Held | State::Confirming);
    let ended_at = (!live).then_some(ENDED);
    let order = (state == State::Confirming).then(|| order_id("o-1"));
    let line = |wanted: Wanted| {
        let all = wanted.quantity.get();
        Line {
            sku: wanted.sku,
            location: wanted.location,
            quantity: wanted.quantity,
            confirmed: (state == State::Confirmed).then_some(all),
            released: (state == State::Confirmed).then_some(0),
            counted: false,
        }
    };
    Hold {
        id: hold_id("h-1"),
        customer: customer("c-1"),
        state,
        lines: [wanted("lamp", "main", 3), wanted("chair", "east", 2)]
            .map(line)
            .to_vec(),
        placed_at: PLACED,
        deadline: DEADLINE,
        changed_at: ended_at,
        ended_at,
        order,
    }
}

/// What stands when a command on an existing hold comes in, and who sends it.
#[derive(Debug, Clone, Copy)]
struct Given {
    /// Whether there is a hold at all.
    exists: bool,
    /// Its state; it is always that of [`hold`] otherwise.
    state: State,
    /// The customer whose holds the asker may see; nothing for a shop.
    asker: Option<&'static str>,
    /// The version that the asker expects.
    if_match: Option<u64>,
    now: LogTime,
}

/// Everything is wrong at once.
const WORST: Given = Given {
    exists: false,
    state: State::Confirmed,
    asker: Some("c-2"),
    if_match: Some(9),
    now: LATE,
};

/// There is a hold, of another customer, and all else is wrong.
const FOREIGN: Given = Given {
    exists: true,
    ..WORST
};

/// The asker's own, in another version than expected, ended and late.
const STALE: Given = Given {
    asker: Some("c-1"),
    ..FOREIGN
};

/// The asker's own, in the version expected, ended and late.
const ENDED_LATE: Given = Given {
    if_match: Some(VERSION),
    ..STALE
};

/// A live hold, asked for by its own customer in time.
const LIVE: Given = Given {
    exists: true,
    state: State::Held,
    asker: Some("c-1"),
    if_match: Some(VERSION),
    now: LAST_MOMENT,
};

impl Given {
    const fn in_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    const fn at(self, now: LogTime) -> Self {
        Self { now, ..self }
    }

    fn judge<T>(self, command: impl FnOnce(Option<Known<'_>>, Asker<'_>, LogTime) -> T) -> T {
        let hold = hold(self.state);
        let known = Known {
            hold: &hold,
            version: VERSION,
        };
        let owner = self.asker.map(customer);
        let asker = Asker {
            customer: owner.as_ref(),
            expected: self.if_match,
        };
        command(self.exists.then_some(known), asker, self.now)
    }
}

/// One row of a table of refusals.
struct Refusal<When> {
    case: &'static str,
    given: Given,
    when: When,
    then: Rejection,
}

/// Runs a table against a rule; returns what was produced, which is what the table says.
fn walk<When, Done: std::fmt::Debug>(
    table: Vec<Refusal<When>>,
    rule: impl Fn(Given, When) -> Result<Done, Rejection>,
) -> Vec<Rejection> {
    let run = |row: Refusal<When>| {
        let refused = rule(row.given, row.when).expect_err(row.case);
        assert_eq!(refused, row.then, "{}", row.case);
        refused
    };
    let produced: Vec<Rejection> = table.into_iter().map(run).collect();
    assert_declared_order(&produced);
    produced
}

/// A move as tables write it.
fn moved(operation: Operation, wanted: Wanted) -> Move {
    Move {
        operation,
        sku: wanted.sku,
        location: wanted.location,
        quantity: wanted.quantity,
        reference: Reference::new("h-1").expect("a well-formed reference"),
    }
}

/// Everything that the tables of all commands produced.
fn all_produced() -> Vec<Rejection> {
    [
        place::refusals(),
        confirm::refusals(),
        release::refusals(),
        extend::refusals(),
        expire::refusals(),
        order::refusals(),
    ]
    .concat()
}

#[test]
fn every_rejection_of_a_hold_is_produced_by_a_table() {
    let produced: Vec<&str> = all_produced().iter().map(name).collect();
    assert_all_produced(ALL, &produced);
}

#[test]
fn a_refusal_keeps_its_code_and_comes_back_from_its_text() {
    let codes = [
        ("NotFound", "not_found"),
        ("SkuUnknown", "sku_unknown"),
        ("Version", "version"),
        ("AlreadyExists", "already_exists"),
        ("LimitExceeded", "limit_exceeded"),
        ("SaleNotOpen", "sale.not_open"),
        ("LimitCustomer", "limit.customer"),
        ("SoldOut", "stock.sold_out"),
        ("Confirmed", "hold.confirmed"),
        ("Released", "hold.released"),
        ("Confirming", "hold.confirming"),
        ("Expired", "hold.expired"),
        ("MoreThanHeld", "more_than_held"),
        ("NotDue", "not_due"),
    ];
    assert_eq!(codes.map(|(name, _)| name), *ALL);
    for rejection in all_produced() {
        let text = serde_json::to_string(&rejection).expect("a rejection is data");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let (_, code) = codes
            .iter()
            .find(|(variant, _)| *variant == name(&rejection))
            .expect("every variant has a code");
        assert_eq!(value["code"], *code);
        let back: Rejection = serde_json::from_str(&text).expect("it was written by us");
        assert_eq!(back, rejection);
    }
}

#[test]
fn only_decisions_that_can_never_change_are_final() {
    let last_words = ["AlreadyExists", "Confirmed", "Released", "Expired"];
    for rejection in all_produced() {
        let expected = last_words.contains(&name(&rejection));
        assert_eq!(rejection.is_final(), expected, "{rejection:?}");
    }
}

#[test]
fn a_hold_comes_back_from_its_text() {
    for state in State::ALL {
        let hold = hold(state);
        let text = serde_json::to_string(&hold).expect("a hold is data");
        let back: Hold = serde_json::from_str(&text).expect("it was written by us");
        assert_eq!(back, hold);
    }
}
