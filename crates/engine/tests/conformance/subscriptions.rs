//! Subscriptions: rows that many small steps change, and few facts.

use super::Fixture;
use super::world::{Shop, ask};
use evenkeel_engine::commit::{Command, Effect, Step, Subscribing};
use evenkeel_engine::port::{Store, SubscriptionRow};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, Filter, Progress, Rejection, State};
use std::sync::Arc;

fn id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("a well-formed id")
}

fn create(name: &str) -> Command {
    let ask = Box::new(Ask {
        id: id(name),
        url: Some("http://example.com/hook".to_owned()),
        types: vec![Filter::new("sku.*").expect("a filter")],
        from: None,
    });
    let secret = format!("the secret of {name}");
    Command::Subscription(Subscribing::Create { ask, secret })
}

fn change(name: &str, act: Act) -> Command {
    Command::Subscription(Subscribing::Change {
        id: id(name),
        act,
        private: "because".to_owned(),
        lease: None,
    })
}

fn step(row: &SubscriptionRow, to: u64, effect: Option<Command>) -> Command {
    Command::Subscription(Subscribing::Advance {
        id: row.body.id.clone(),
        step: Box::new(Step {
            seen: row.version,
            from: row.progress.checkpoint,
            next: Progress::at(to),
            effect,
        }),
        lease: None,
    })
}

async fn row(store: &Arc<dyn Store>, name: &str) -> Option<SubscriptionRow> {
    let at = store.subscription(&id(name)).await;
    at.expect("readable").rows
}

pub(crate) async fn a_subscription_is_made_changed_and_found_again<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    let made = shop.ok(ask(create("s-1"))).await;
    let Effect::Subscription(left) = made.effect else {
        panic!("not a subscription");
    };
    let store = fixture.store().await;
    assert_eq!(row(&store, "s-1").await, Some(*left.clone()));
    assert_eq!(row(&store, "S-1").await, None);
    let secret = store
        .private((left.created, 0))
        .await
        .expect("readable")
        .rows;
    assert_eq!(secret.expect("it is kept").text, "the secret of s-1");
    shop.ok(ask(change("s-1", Act::Pause))).await;
    shop.ok(ask(change("s-1", Act::Replay { from: 1 }))).await;
    let taken = shop.no(ask(create("s-1"))).await;
    assert_eq!(taken, Rejection::AlreadyExists.into());
    shop.close().await;
    let store = fixture.reopen().await;
    let found = row(&store, "s-1").await.expect("it is there");
    assert_eq!((found.version, found.body.state), (3, State::Paused));
    assert_eq!(
        (found.created, found.progress.checkpoint),
        (left.created, 0)
    );
}

pub(crate) async fn a_step_counts_from_the_checkpoint_that_was_read_or_not_at_all<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    shop.ok(ask(create("s-1"))).await;
    let store = fixture.store().await;
    shop.ok(ask(create("s-2"))).await;
    let before = row(&store, "s-1").await.expect("it is there");
    let head = shop.head().await;
    shop.ok(ask(step(&before, head, None))).await;
    assert_eq!(shop.head().await, head, "progress takes no position");
    let after = row(&store, "s-1").await.expect("it is there");
    assert_eq!(after.progress.checkpoint, head);
    assert_eq!((after.version, after.last), (before.version, before.last));

    // From where it no longer stands, nothing takes effect.
    let late = step(&before, head, Some(create("s-3")));
    assert!(shop.engine.execute(ask(late)).await.is_err());
    assert_eq!(row(&store, "s-3").await, None);
    let beyond = step(&after, head + 1, Some(create("s-3")));
    assert!(shop.engine.execute(ask(beyond)).await.is_err());
    assert_eq!((shop.head().await, row(&store, "s-3").await), (head, None));

    // An effect and its step are one commit.
    let both = step(&after, head, Some(create("s-3")));
    shop.ok(ask(both)).await;
    assert!(row(&store, "s-3").await.is_some());
    assert_eq!(shop.head().await, head + 1);
    shop.close().await;
}

pub(crate) async fn pages_of_subscriptions_are_newest_first_and_ids_are_bytes<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    for name in ["a", "A", "b"] {
        shop.ok(ask(create(name))).await;
    }
    let store = fixture.store().await;
    let page = async |before, limit| {
        let rows = store
            .subscriptions(before, limit)
            .await
            .expect("readable")
            .rows;
        let names = rows.iter().map(|row| row.body.id.to_string());
        (
            names.collect::<Vec<_>>(),
            rows.last().map_or(0, |row| row.created),
        )
    };
    let (first, last) = page(u64::MAX, 2).await;
    assert_eq!(first, ["b", "A"]);
    assert_eq!(page(last, 2).await.0, ["a"]);
    shop.close().await;
}
