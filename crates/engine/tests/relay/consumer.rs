//! Reading in process: a checkpoint and an effect in one commit.

use super::world::*;
use evenkeel_engine::consumer::{Consumer, Reading};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::{Engine, Refusal};
use evenkeel_rules::subscription::Filter;
use std::sync::Arc;

fn reading(types: &str) -> Reading {
    Reading {
        id: id("reader"),
        types: vec![Filter::new(types).expect("a filter")],
        from: Some(1),
    }
}

async fn shop() -> (MemoryStore, Engine) {
    let store = store();
    let engine = open(&store, "a", &Arc::new(Sink::default())).await;
    (store, engine)
}

async fn seen(reader: &Consumer) -> Vec<(String, u64)> {
    let page = reader.page(1_000).await.expect("readable");
    let events = page.events.into_iter();
    events
        .map(|it| (it.event.stream.clone(), it.event.version))
        .collect()
}

#[tokio::test]
async fn a_reader_goes_on_from_its_checkpoint_also_in_the_next_process() {
    let (store, engine) = shop().await;
    puts(&engine, 2, 0..2).await;
    let mut reader = engine.subscribe(reading("sku.*")).await.expect("it opens");
    let page = reader.page(3).await.expect("readable");
    assert_eq!(page.upto, 3);
    assert_eq!(page.events.len(), 3);
    reader.commit(page.upto, None).await.expect("it is noted");
    engine.stop().await;
    let engine = open(&store, "a", &Arc::new(Sink::default())).await;
    let reader = engine.subscribe(reading("sku.*")).await.expect("it opens");
    assert_eq!(reader.checkpoint(), 3);
    assert_eq!(seen(&reader).await, [("sku:s-1".to_owned(), 2)]);
    assert!(
        engine.subscribe(reading("order.*")).await.is_err(),
        "other types"
    );
    engine.stop().await;
}

#[tokio::test]
async fn an_effect_and_its_checkpoint_are_one_commit() {
    let (_, engine) = shop().await;
    puts(&engine, 1, 0..1).await;
    let mut reader = engine
        .subscribe(reading("sku.created"))
        .await
        .expect("it opens");
    let page = reader.page(10).await.expect("readable");
    let before = engine.head().await.expect("readable").position;
    let left = reader.commit(page.upto, Some(put("answer", 0))).await;
    assert!(left.expect("it takes effect").is_some());
    let head = engine.head().await.expect("readable").position;
    assert_eq!(head, before + 1, "one commit");
    let next = seen(&reader).await;
    assert_eq!(next, [("sku:answer".to_owned(), 1)]);

    // A refused effect leaves the checkpoint where it was.
    let at = reader.checkpoint();
    let change = evenkeel_engine::commit::Command::Release {
        id: evenkeel_rules::ids::HoldId::new("nobody").expect("an id"),
    };
    assert!(reader.commit(head, Some(change)).await.is_err());
    reader.refresh().await.expect("readable");
    assert_eq!(reader.checkpoint(), at);
    engine.stop().await;
}

#[tokio::test]
async fn two_readers_of_one_subscription_never_both_pass_the_same_events() {
    let (_, engine) = shop().await;
    puts(&engine, 1, 0..1).await;
    let mut one = engine.subscribe(reading("sku.*")).await.expect("it opens");
    let mut two = engine.subscribe(reading("sku.*")).await.expect("it opens");
    let page = two.page(10).await.expect("readable");
    one.commit(page.upto, Some(put("answer", 0)))
        .await
        .expect("the first");
    let head = engine.head().await.expect("readable").position;
    let second = two.commit(page.upto, Some(put("answer", 1))).await;
    assert!(matches!(second, Err(Refusal::Failed(_))));
    assert_eq!(
        engine.head().await.expect("readable").position,
        head,
        "no effect"
    );
    two.refresh().await.expect("readable");
    assert_eq!(two.checkpoint(), one.checkpoint());
    engine.stop().await;
}

#[tokio::test]
async fn a_reader_passes_neither_the_head_nor_backwards() {
    let (_, engine) = shop().await;
    puts(&engine, 1, 0..3).await;
    let mut reader = engine.subscribe(reading("*")).await.expect("it opens");
    assert!(reader.commit(99, None).await.is_err());
    reader.commit(3, None).await.expect("it is noted");
    assert!(reader.commit(2, None).await.is_err());
    engine.stop().await;
}
