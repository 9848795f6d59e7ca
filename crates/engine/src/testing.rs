//! What the unit tests ask for, and a store to ask it of.
//!
//! Compiled for tests only. Each helper says the ordinary case in one word, so that a test shows
//! only what is particular to it; none decides anything that a rule decides.

use crate::commit::{Command, Commit, Key, Outcome};
use crate::ledger::Ledger;
use crate::port::{Place, Store, Touch, Writes};
use crate::settle::{Context, Verdict, settle};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, OrderId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::Ask;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};
use evenkeel_rules::token::Role;

/// The clock of most tests.
pub(crate) const NOW: LogTime = LogTime::from_micros(1_800_000_000_000_000);

pub(crate) fn sku(id: &str) -> SkuId {
    SkuId::new(id).expect("a well-formed id")
}

pub(crate) fn hold_id(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed id")
}

pub(crate) fn token_id(id: &str) -> TokenId {
    TokenId::new(id).expect("a well-formed id")
}

pub(crate) fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

pub(crate) fn at(id: &str) -> Place {
    (sku(id), LocationId::main())
}

pub(crate) fn wanted(lines: &[(&str, u64)]) -> Vec<Wanted> {
    let line = |(id, count): &(&str, u64)| Wanted {
        sku: sku(id),
        location: LocationId::main(),
        quantity: units(*count),
    };
    lines.iter().map(line).collect()
}

pub(crate) fn put(id: &str) -> Command {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    let terms = Terms {
        sku: sku(id),
        name: id.to_owned(),
        price: Money::price(1999, currency).expect("a price"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

pub(crate) fn change(id: &str, change: Change) -> Command {
    Command::ChangeStock {
        sku: sku(id),
        location: LocationId::main(),
        change,
        reference: None,
        reason: None,
    }
}

pub(crate) fn place_for(id: &str, lines: &[(&str, u64)], ttl_ms: u64) -> Command {
    Command::Place(hold::Place {
        id: hold_id(id),
        customer: CustomerId::new("c-1").expect("a well-formed id"),
        lines: wanted(lines),
        ttl: Millis(ttl_ms),
    })
}

pub(crate) fn place(id: &str, lines: &[(&str, u64)]) -> Command {
    place_for(id, lines, 60_000)
}

/// An order without a hold of its own.
pub(crate) fn take(id: &str, lines: &[(&str, u64)]) -> Command {
    let ask = Ask {
        id: OrderId::new(id).expect("a well-formed id"),
        customer: CustomerId::new("c-1").expect("a well-formed id"),
        lines: wanted(lines),
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: Millis(900_000),
    };
    Command::TakeOrder {
        ask: Box::new(ask),
        private: String::new(),
    }
}

pub(crate) fn confirm(id: &str) -> Command {
    let (id, lines) = (hold_id(id), None);
    Command::Confirm { id, lines }
}

pub(crate) fn release(id: &str) -> Command {
    Command::Release { id: hold_id(id) }
}

pub(crate) fn extend(id: &str) -> Command {
    let (id, ttl) = (hold_id(id), Millis(90_000));
    Command::Extend { id, ttl }
}

pub(crate) fn expire(id: &str) -> Command {
    Command::Expire { id: hold_id(id) }
}

pub(crate) fn make_token(id: &str) -> Command {
    Command::CreateToken {
        id: token_id(id),
        role: Role::Shop,
        customer: None,
        secret: crate::token::hash(id),
    }
}

pub(crate) fn revoke(id: &str) -> Command {
    Command::RevokeToken { id: token_id(id) }
}

pub(crate) fn ask(command: Command) -> Commit {
    Commit {
        command,
        key: None,
        actor: token_id("t-shop"),
        owner: None,
        expected: None,
        touch: Touch::default(),
    }
}

pub(crate) fn keyed(key: &str, command: Command) -> Commit {
    let intent = format!("{command:?}");
    Commit {
        key: Some(Key::new(None, key, &[intent.as_bytes()])),
        ..ask(command)
    }
}

/// Commits one command on a store, as another node would; nothing if it wrote nothing.
pub(crate) async fn commit(
    store: &dyn Store,
    clock: LogTime,
    commit: &Commit,
) -> (Outcome, Option<Writes>) {
    commit_warning(store, clock, commit, Millis(0)).await
}

/// The same where customers are told so long before the limits of their orders.
pub(crate) async fn commit_warning(
    store: &dyn Store,
    clock: LogTime,
    commit: &Commit,
    warn: Millis,
) -> (Outcome, Option<Writes>) {
    let mut touch = Touch {
        front: Some(clock),
        ..Touch::default()
    };
    touch.keys.extend(commit.key.map(|key| key.name));
    loop {
        let (locked, view) = store.lock(&touch).await.expect("lockable");
        let context = Context {
            clock,
            batch: [1; 16],
            max_life: Millis(3_600_000),
            warn,
            allocation: &[],
        };
        let mut settled = settle(&mut Ledger::default(), view, &[commit], context);
        match settled.verdicts.pop().expect("one verdict") {
            Verdict::Widen(more) => touch.widen(*more),
            Verdict::Failed(fault) => panic!("{fault}"),
            Verdict::Told(told) => {
                if let Some(writes) = &settled.writes {
                    locked.finish(writes).await.expect("it fits");
                }
                return (told, settled.writes);
            }
        }
    }
}
