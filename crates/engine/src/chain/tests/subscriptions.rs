//! A history of subscriptions that writes every kind of event of theirs, over a SKU whose units go
//! from one location to another.

use crate::commit::{Command, Subscribing};
use crate::testing::{ask, change, put, units};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{LocationId, SubscriptionId};
use evenkeel_rules::stock::Change;
use evenkeel_rules::subscription::{Act, Ask, Filter};

fn id() -> SubscriptionId {
    SubscriptionId::new("s-1").expect("a well-formed id")
}

fn act(act: Act) -> Command {
    let private = match act {
        Act::Rotate => "whsec_bmV4dA==".to_owned(),
        _ => String::new(),
    };
    Command::Subscription(Subscribing::Change {
        id: id(),
        act,
        private,
        lease: None,
    })
}

fn park(from: u64) -> Command {
    act(Act::Park {
        stream: "stock:lamp".to_owned(),
        from,
        index: 0,
        cause: "422".to_owned(),
        tries: 1,
    })
}

/// The rows, hash and text, and what happened in them.
pub(super) async fn history() -> (String, Vec<Kind>) {
    let shop = LocationId::new("shop").expect("a well-formed id");
    let create = Command::Subscription(Subscribing::Create {
        ask: Box::new(Ask {
            id: id(),
            url: Some("https://shop.example/events".to_owned()),
            types: vec![Filter::new("stock.*").expect("it matches")],
            from: Some(1),
        }),
        secret: "whsec_Zmlyc3Q=".to_owned(),
    });
    let asked = [
        put("lamp"),
        change("lamp", Change::Receive(units(5))),
        change("lamp", Change::Transfer(units(2), shop)),
        create,
        act(Act::Pause),
        act(Act::Resume),
        act(Act::Replay { from: 2 }),
        act(Act::Rotate),
        park(2),
        act(Act::Retry { parked: 9 }),
        act(Act::Unpark { parked: 9 }),
        park(3),
        act(Act::Drop { parked: 12 }),
        act(Act::Delete),
    ];
    super::rows_of(asked.into_iter().map(ask)).await
}
