//! Subscribers are told of everything, in order per key, whoever fails or dies (I9).

mod consumer;
mod warnings;
mod world;

use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Rejection;
use evenkeel_engine::port::Store;
use evenkeel_engine::relay::sign::secret_of;
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::verify::{Inputs, Outcome, verify};
use evenkeel_rules::subscription::{self, Act, PARKED_MAX, State};
use std::sync::Arc;
use world::*;

async fn is_sound(store: &MemoryStore) {
    let report = verify(store, Inputs::default()).await.expect("readable");
    let wrong = report
        .checks
        .iter()
        .filter(|it| it.result == Outcome::Violated);
    assert_eq!(wrong.count(), 0, "{report:?}");
}

#[tokio::test]
async fn everything_that_is_wanted_comes_once_in_order_and_nothing_else() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    puts(&engine, 2, 0..1).await;
    subscribe(&engine, "all", "sku.*").await;
    puts(&engine, 5, 1..9).await;
    drained(&engine, "all").await;
    for sku in 0..5 {
        let first = if sku < 2 { 2 } else { 1 };
        let wanted: Vec<u64> = (first..first + 8).collect();
        assert_eq!(sink.first(&format!("s-{sku}")), wanted);
    }
    assert_eq!(sink.doubles(), 0);
    let all = sink.accepted();
    let came = all.iter().find(|it| it.subject() == "s-0").expect("one");
    assert_eq!(came.event["specversion"], "1.0");
    assert_eq!(came.event["source"], "/evenkeel/main.1");
    assert_eq!(came.event["id"], came.id.as_str());
    assert_eq!(came.event["type"], "sku.updated", "the SKU was there");
    assert!(came.event["data"]["terms"].is_object() || came.event["data"].is_object());
    assert!(came.url.starts_with("http://sink.example/"), "{}", came.url);
    is_sound(&store).await;
    engine.stop().await;
}

/// Who puts a backup back tells again what it told after the copy was made: subscribers that pass
/// over ids they have seen take nothing twice, and nothing new for something old.
#[tokio::test]
async fn after_a_restore_events_of_before_keep_their_ids_and_new_ones_have_others() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    let backup = store.tables().clone();
    puts(&engine, 3, 0..2).await;
    drained(&engine, "all").await;
    let mut kept = store.tables().clone();
    puts(&engine, 1, 2..4).await;
    drained(&engine, "all").await;
    engine.stop().await;
    let ids = |sink: &Sink| sink.accepted().into_iter().map(|it| it.id);
    let before: Vec<String> = ids(&sink).collect();
    assert_eq!(before.len(), 8);

    // The copy had the first six, of which nobody had been told.
    kept.subscriptions = backup.subscriptions;
    let restored = MemoryStore::from_tables(kept);
    let operator = open(&restored, "operator", &Arc::new(Sink::default())).await;
    let from = operator.restored().await.expect("it is written");
    operator.stop().await;
    let sink = Arc::new(Sink::default());
    let engine = open(&restored, "a", &sink).await;
    puts(&engine, 2, 2..3).await;
    drained(&engine, "all").await;
    let after: Vec<String> = ids(&sink).collect();
    assert_eq!(after.len(), 8);
    assert!(
        after[..6].iter().all(|id| before[..6].contains(id)),
        "{after:?}"
    );
    assert!(
        after[6..].iter().all(|id| !before.contains(id)),
        "{after:?}"
    );
    let name = format!("{}:", from.of());
    assert!(
        after[6..].iter().all(|id| id.starts_with(&name)),
        "{after:?}"
    );
    is_sound(&restored).await;
    engine.stop().await;
}

#[tokio::test]
async fn an_idle_relay_leaves_the_head_where_it_was() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "order.*").await;
    puts(&engine, 1, 0..3).await;
    drained(&engine, "all").await;
    let head = engine.head().await.expect("readable");
    until("some seconds have passed", async || {
        engine.clock().now() > head.time.plus(evenkeel_rules::time::Millis(10_000))
    })
    .await;
    assert_eq!(
        engine.head().await.expect("readable").position,
        head.position
    );
    assert!(sink.came.lock().is_empty(), "nobody asked for SKUs");
    assert_eq!(engine.outbox().await.expect("readable").pending, 0);
    engine.stop().await;
}

#[tokio::test]
async fn a_subscriber_in_trouble_is_tried_for_as_long_as_it_takes_and_nothing_is_parked() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    sink.answer("*", &[0, 1, 503, 429, 500, 502, 408]);
    subscribe(&engine, "all", "sku.*").await;
    puts(&engine, 3, 0..3).await;
    until("it failed", async || {
        row(&engine, "all").await.progress.tries > 2
    })
    .await;
    let failing = row(&engine, "all").await;
    assert!(failing.progress.again.is_some() && failing.progress.error.is_some());
    assert!(engine.outbox().await.expect("readable").pending > 0);
    drained(&engine, "all").await;
    let healed = row(&engine, "all").await;
    assert_eq!(healed.body.parked, []);
    assert_eq!((healed.progress.tries, healed.progress.error), (0, None));
    sink.is_in_order();
    assert_eq!(sink.doubles(), 0, "what was accepted is not sent again");
    assert_eq!(sink.accepted().len(), 9);
    engine.stop().await;
}

#[tokio::test]
async fn a_refused_event_parks_its_stream_with_its_successors_and_others_go_on() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    puts(&engine, 3, 0..1).await;
    drained(&engine, "all").await;
    sink.always("s-1", 422);
    puts(&engine, 3, 1..4).await;
    drained(&engine, "all").await;
    assert_eq!(sink.first("s-0"), [1, 2, 3, 4]);
    assert_eq!(sink.first("s-1"), [1]);
    assert_eq!(sink.first("s-2"), [1, 2, 3, 4]);
    let parked = row(&engine, "all").await;
    assert_eq!(parked.body.parked.len(), 1);
    assert_eq!(parked.body.parked[0].stream, "sku:s-1");
    assert_eq!(parked.body.parked[0].cause, "answered 422");
    assert_eq!(parked.progress.waiting[0].count, 3);
    assert_eq!(engine.outbox().await.expect("readable").parked, 1);
    let tried = sink.came.lock().len();
    puts(&engine, 3, 4..5).await;
    drained(&engine, "all").await;
    assert_eq!(
        sink.came.lock().len(),
        tried + 2,
        "what is parked is not tried"
    );
    assert_eq!(row(&engine, "all").await.progress.waiting[0].count, 4);
    is_sound(&store).await;

    let parked = parked.body.parked[0].id;
    act(&engine, "all", Act::Retry { parked }, "mended?").await;
    until("it is refused again", async || {
        sink.came.lock().len() > tried + 2 && !row(&engine, "all").await.body.parked[0].retrying
    })
    .await;
    sink.heal();
    act(&engine, "all", Act::Retry { parked }, "mended").await;
    until("nothing is parked", async || {
        row(&engine, "all").await.body.parked.is_empty()
    })
    .await;
    assert_eq!(sink.first("s-1"), [1, 2, 3, 4, 5]);
    sink.is_in_order();
    puts(&engine, 3, 5..6).await;
    drained(&engine, "all").await;
    assert_eq!(sink.first("s-1"), [1, 2, 3, 4, 5, 6]);
    is_sound(&store).await;
    engine.stop().await;
}

#[tokio::test]
async fn what_is_dropped_is_not_sent_and_later_events_are() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    sink.always("s-0", 400);
    puts(&engine, 2, 0..2).await;
    drained(&engine, "all").await;
    let parked = row(&engine, "all").await.body.parked[0].id;
    sink.heal();
    act(&engine, "all", Act::Drop { parked }, "never mind").await;
    puts(&engine, 2, 2..3).await;
    drained(&engine, "all").await;
    assert_eq!(sink.first("s-0"), [3]);
    assert_eq!(sink.first("s-1"), [1, 2, 3]);
    let none = try_act(&engine, "all", Act::Drop { parked }, "again").await;
    let gone = Rejection::from(subscription::Rejection::NotParked);
    assert!(matches!(none, Err(Refusal::Rejected { rejection, .. }) if rejection == gone));
    is_sound(&store).await;
    engine.stop().await;
}

#[tokio::test]
async fn one_that_refuses_everything_is_paused_and_goes_on_when_it_is_resumed() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    sink.always("*", 400);
    subscribe(&engine, "all", "sku.*").await;
    let skus = PARKED_MAX as u64 + 20;
    puts(&engine, skus, 0..1).await;
    until("it is paused", async || {
        row(&engine, "all").await.body.state == State::Paused
    })
    .await;
    assert_eq!(row(&engine, "all").await.body.parked.len(), PARKED_MAX);
    sink.heal();
    act(&engine, "all", Act::Resume, "").await;
    drained(&engine, "all").await;
    let parked = row(&engine, "all").await.body.parked;
    for parked in parked {
        act(&engine, "all", Act::Retry { parked: parked.id }, "").await;
    }
    until("nothing is parked", async || {
        row(&engine, "all").await.body.parked.is_empty()
    })
    .await;
    assert_eq!(sink.accepted().len() as u64, skus);
    assert_eq!(sink.doubles(), 0);
    engine.stop().await;
}

#[tokio::test]
async fn one_poisonous_event_that_breaks_its_reader_is_parked_while_others_pass() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    sink.always("s-0", 500);
    puts(&engine, 3, 0..2).await;
    until("it is parked", async || {
        !row(&engine, "all").await.body.parked.is_empty()
    })
    .await;
    drained(&engine, "all").await;
    assert_eq!(sink.first("s-1"), [1, 2]);
    assert_eq!(sink.doubles(), 0, "those that passed are not sent again");
    engine.stop().await;
}

#[tokio::test]
async fn a_killed_relay_is_followed_by_one_that_leaves_nothing_out() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let mut engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    for round in 0..6 {
        puts(&engine, 7, round * 5..round * 5 + 5).await;
        let seen = sink.came.lock().len();
        until("something came", async || sink.came.lock().len() > seen + 3).await;
        engine.kill();
        engine = open(&store, "a", &sink).await;
    }
    drained(&engine, "all").await;
    for sku in 0..7 {
        let wanted: Vec<u64> = (1..=30).collect();
        assert_eq!(sink.first(&format!("s-{sku}")), wanted);
    }
    sink.is_in_order();
    is_sound(&store).await;
    engine.stop().await;
}

#[tokio::test]
async fn two_relays_on_one_store_keep_the_order_and_leave_nothing_out() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let one = open(&store, "a", &sink).await;
    subscribe(&one, "all", "sku.*").await;
    subscribe(&one, "more", "sku.updated").await;
    let two = open(&store, "b", &sink).await;
    for round in 0..10 {
        puts(
            if round % 2 == 0 { &one } else { &two },
            4,
            round * 3..round * 3 + 3,
        )
        .await;
    }
    drained(&one, "all").await;
    drained(&two, "more").await;
    sink.is_in_order();
    one.stop().await;
    puts(&two, 4, 30..31).await;
    drained(&two, "all").await;
    drained(&two, "more").await;
    for sku in 0..4 {
        let wanted: Vec<u64> = (1..=31).collect();
        let subject = format!("s-{sku}");
        assert_eq!(sink.first_at("/all", &subject), wanted);
        assert_eq!(sink.first_at("/more", &subject), wanted[1..]);
    }
    sink.is_in_order();
    is_sound(&store).await;
    two.stop().await;
}

#[tokio::test]
async fn a_replay_tells_everything_from_its_position_on_again() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    puts(&engine, 2, 0..3).await;
    subscribe(&engine, "all", "sku.*").await;
    drained(&engine, "all").await;
    assert_eq!(sink.accepted().len(), 0, "it begins with what comes");
    act(&engine, "all", Act::Replay { from: 3 }, "lost some").await;
    drained(&engine, "all").await;
    assert_eq!(sink.first("s-0"), [2, 3]);
    assert_eq!(sink.first("s-1"), [2, 3]);
    act(&engine, "all", Act::Replay { from: 1 }, "all of it").await;
    drained(&engine, "all").await;
    assert_eq!(sink.accepted().len(), 4 + 6);
    engine.stop().await;
}

#[tokio::test]
async fn a_paused_subscription_waits_and_a_deleted_one_is_told_nothing_more() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    subscribe(&engine, "witness", "sku.*").await;
    act(&engine, "all", Act::Pause, "").await;
    puts(&engine, 1, 0..3).await;
    drained(&engine, "witness").await;
    assert_eq!(sink.accepted().len(), 3);
    act(&engine, "all", Act::Resume, "").await;
    drained(&engine, "all").await;
    assert_eq!(sink.accepted().len(), 6);
    act(&engine, "all", Act::Delete, "").await;
    puts(&engine, 1, 3..4).await;
    drained(&engine, "witness").await;
    assert_eq!(sink.accepted().len(), 7);
    let again = try_act(&engine, "all", Act::Resume, "").await;
    assert!(matches!(again, Err(Refusal::Rejected { .. })));
    assert!(
        engine
            .execute(request(create("all", "*", None)))
            .await
            .is_err()
    );
    is_sound(&store).await;
    engine.stop().await;
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign_and_neither_stands_in_the_log() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    puts(&engine, 1, 0..1).await;
    drained(&engine, "all").await;
    let next = secret_of(&[7; 32]);
    act(&engine, "all", Act::Rotate, &next).await;
    puts(&engine, 1, 1..2).await;
    drained(&engine, "all").await;
    let came = sink.accepted();
    assert_eq!(came[0].signature.split(' ').count(), 1);
    assert_eq!(came[1].signature.split(' ').count(), 2);
    for came in &came {
        let old = signed(SECRET, came);
        assert!(came.signature.split(' ').any(|it| it == old));
    }
    assert_eq!(
        came[1].signature.split(' ').next(),
        Some(&*signed(&next, &came[1]))
    );
    for row in store.log(0, 100).await.expect("readable").rows {
        let text = String::from_utf8(row.text).expect("text");
        assert!(!text.contains("whsec_"), "{text}");
    }
    is_sound(&store).await;
    engine.stop().await;
}

fn signed(secret: &str, came: &Came) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let key = STANDARD.decode(&secret["whsec_".len()..]).expect("base64");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("any length");
    mac.update(format!("{}.{}.", came.id, came.timestamp).as_bytes());
    mac.update(&came.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_checkpoint_beyond_the_log_is_found() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = open(&store, "a", &sink).await;
    subscribe(&engine, "all", "sku.*").await;
    engine.stop().await;
    store.edit(|tables| {
        let row = tables.subscriptions.values_mut().next().expect("one");
        row.progress.checkpoint = 99;
    });
    let report = verify(&store, Inputs::default()).await.expect("readable");
    let row = report
        .checks
        .iter()
        .find(|check| check.id == "I9")
        .expect("a row");
    assert_eq!(row.result, Outcome::Violated);
    assert_eq!(format!("{:?}", row.findings[0].kind), "CheckpointAhead");
}
