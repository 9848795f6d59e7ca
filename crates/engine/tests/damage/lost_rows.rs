//! A row of the log that is lost hides no other damage of what it made: a subscription whose first
//! row is gone must still be there.

use super::shop::{Shop, put};
use super::site::{Memory, Named, findings, look, named};
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, Filter};

fn id() -> SubscriptionId {
    SubscriptionId::new("s-1").expect("a well-formed id")
}

/// A subscription that was made at 2 and paused at 3.
async fn paused() -> Memory {
    let site = Memory::new();
    let mut shop = Shop::new(&site.0);
    let ask = Box::new(Ask {
        id: id(),
        url: Some("http://example.com/hook".to_owned()),
        types: vec![Filter::new("sku.*").expect("a filter")],
        from: None,
    });
    let secret = "the secret of s-1".to_owned();
    let pause = Subscribing::Change {
        id: id(),
        act: Act::Pause,
        private: "because".to_owned(),
        lease: None,
    };
    for command in [
        put("lamp", "Lamp"),
        Command::Subscription(Subscribing::Create { ask, secret }),
        Command::Subscription(pause),
        put("desk", "Desk"),
    ] {
        shop.run("", command).await;
    }
    site
}

fn edited(invariant: Invariant) -> Vec<Named> {
    vec![named(invariant, Kind::StateEdited, "subscription s-1")]
}

#[tokio::test]
async fn a_lost_row_of_the_log_hides_no_other_damage_of_what_it_made() {
    let site = paused().await;
    site.0.edit(|tables| drop(tables.log.remove(1)));
    let lost = named(Invariant::I16, Kind::EntryRemoved, "log 2");
    assert_eq!(findings(&look(&site).await), std::slice::from_ref(&lost));
    // The row of the log behind the lost one says that it must be there.
    site.0.edit(|tables| tables.subscriptions.clear());
    let expected = [edited(Invariant::I15), vec![lost]].concat();
    assert_eq!(findings(&look(&site).await), expected);
}
