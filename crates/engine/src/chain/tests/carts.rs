//! A history of carts that writes every kind of event of theirs.

use crate::commit::Command;
use crate::testing::{change, keyed, put, units};
use evenkeel_rules::cart::Set;
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{CartId, CustomerId, OrderId, SkuId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;

fn id() -> CartId {
    CartId::new("c-1").expect("a well-formed id")
}

fn set(quantity: u64) -> Command {
    let line = Set {
        sku: SkuId::new("lamp").expect("a well-formed id"),
        quantity: Quantity::new(quantity).ok(),
        ttl: Millis(60_000),
    };
    Command::SetLine { id: id(), line }
}

/// The rows, hash and text, and what happened in them.
pub(super) async fn history() -> (String, Vec<Kind>) {
    let begin = Command::BeginCart {
        id: id(),
        customer: CustomerId::new("ann").expect("a well-formed id"),
    };
    let check_out = Command::CheckOut {
        id: id(),
        order: OrderId::new("o-1").expect("a well-formed id"),
        method: "card".to_owned(),
        confirming: Millis(900_000),
        private: String::new(),
    };
    let asked = [
        put("lamp"),
        change("lamp", Change::Receive(units(9))),
        begin,
        set(2),
        set(3),
        check_out,
    ];
    let keyed = |(number, command)| keyed(&format!("k-{number}"), command);
    super::rows_of(asked.into_iter().enumerate().map(keyed)).await
}
