//! A history of subscriptions, and of a transfer, that writes every kind of event of theirs.

use crate::chain::{Entry, hex};
use crate::commit::{Command, Subscribing};
use crate::store::memory::MemoryStore;
use crate::testing::{self, NOW, ask, change, put, units};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{LocationId, SubscriptionId};
use evenkeel_rules::stock::Change;
use evenkeel_rules::subscription::{Act, Ask, Filter};
use evenkeel_rules::time::Millis;

fn id() -> SubscriptionId {
    SubscriptionId::new("s-1").expect("a well-formed id")
}

fn create() -> Command {
    let ask = Box::new(Ask {
        id: id(),
        url: Some("https://subscriber.example/hook".to_owned()),
        types: vec![Filter::new("sku.*").expect("a filter")],
        from: Some(1),
    });
    let secret = "whsec_c2VjcmV0".to_owned();
    Command::Subscription(Subscribing::Create { ask, secret })
}

fn acts(act: Act) -> Command {
    Command::Subscription(Subscribing::Change {
        id: id(),
        act,
        private: "why".to_owned(),
        lease: None,
    })
}

fn park() -> Command {
    acts(Act::Park {
        stream: "sku:lamp".to_owned(),
        from: 1,
        index: 0,
        cause: "410".to_owned(),
    })
}

/// The rows, hash and text, and what happened in them.
pub(super) async fn history() -> (String, Vec<Kind>) {
    let store = MemoryStore::new("main", [5; 16]);
    let north = LocationId::new("north").expect("a well-formed id");
    let asked = [
        put("lamp"),
        change("lamp", Change::Receive(units(9))),
        change("lamp", Change::Transfer(units(4), north)),
        create(),
        acts(Act::Pause),
        acts(Act::Resume),
        acts(Act::Replay { from: 2 }),
        acts(Act::Rotate),
        park(),
        acts(Act::Retry { parked: 9 }),
        acts(Act::Unpark { parked: 9 }),
        park(),
        acts(Act::Drop { parked: 12 }),
        acts(Act::Delete),
    ];
    let (mut clock, mut shown, mut kinds) = (NOW, String::new(), Vec::new());
    for command in asked {
        clock = clock.plus(Millis(1));
        let (told, writes) = testing::commit(&store, clock, &ask(command)).await;
        let row = writes.unwrap_or_else(|| panic!("{told:?}")).log.remove(0);
        let entry = Entry::read(&row.text).expect("it is readable");
        kinds.extend(entry.events.iter().map(|event| event.kind));
        let text = String::from_utf8(row.text).expect("a text is text");
        shown.push_str(&format!("{} {text}\n", hex(&row.hash)));
    }
    (shown, kinds)
}
