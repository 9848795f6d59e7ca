//! The log's old part: seals and segments are remembered, and rows leave only as they are told to.

use super::Fixture;
use super::hand::{batch, finish};
use super::world::{Shop, ask, keyed, options, place, put, receive};
use evenkeel_engine::port::{LogRow, SealRow, SegmentRow, Store, Upkeep};
use std::sync::Arc;

fn seal(position: u64, text: &[u8]) -> SealRow {
    let text = text.to_vec();
    SealRow { position, text }
}

fn segment(first: u64, last: u64) -> SegmentRow {
    SegmentRow {
        first,
        last,
        before: [1; 32],
        hash: [2; 32],
        index: [3; 32],
        bytes: 1 << 40,
    }
}

async fn keep(store: &dyn Store, floor: u64, upkeep: Upkeep) {
    let mut writes = batch(store).await;
    (writes.head.floor, writes.upkeep) = (floor, upkeep);
    finish(store, &writes).await.expect("written");
}

async fn log(store: &dyn Store) -> Vec<LogRow> {
    store.log(1, 999).await.expect("readable").rows
}

/// A store with a log of some rows; the engine that wrote them has stopped.
async fn written<F: Fixture>(fixture: &F) -> Arc<dyn Store> {
    let store = fixture.store().await;
    let clock = super::world::TestClock::new();
    let shop = Shop::open_with(Arc::clone(&store), clock, options()).await;
    shop.ok(ask(put("lamp"))).await;
    shop.ok(ask(receive("lamp", 100))).await;
    for number in 0..10 {
        let id = format!("h-{number}");
        shop.ok(keyed(&id, place(&id, &[("lamp", 1)]))).await;
    }
    drop(shop);
    store
}

pub(crate) async fn seals_are_kept_replaced_and_forgotten<F: Fixture>() {
    let fixture = F::empty().await;
    let store = written(&fixture).await;
    let all = [seal(3, b"three"), seal(7, &[0, 255, 0]), seal(9, b"nine")];
    let seals = all.to_vec();
    keep(
        &*store,
        1,
        Upkeep {
            seals,
            ..Upkeep::default()
        },
    )
    .await;
    let newest = store.seals(8, 9).await.expect("readable").rows;
    assert_eq!(newest, [all[1].clone(), all[0].clone()]);
    assert_eq!(
        store.seals(u64::MAX, 1).await.expect("readable").rows,
        [all[2].clone()]
    );
    let upkeep = Upkeep {
        seals: vec![seal(7, b"other")],
        forget_seals: vec![9, 4],
        ..Upkeep::default()
    };
    keep(&*store, 1, upkeep).await;
    drop(store);
    let store = fixture.reopen().await;
    let left = store.seals(u64::MAX, 9).await.expect("readable").rows;
    assert_eq!(left, [seal(7, b"other"), all[0].clone()]);
}

pub(crate) async fn rows_leave_with_the_floor_and_come_back<F: Fixture>() {
    let fixture = F::empty().await;
    let store = written(&fixture).await;
    let before = log(&*store).await;
    assert_eq!(store.head().await.expect("readable").floor, 1);
    let upkeep = Upkeep {
        segments: vec![segment(1, 5)],
        ..Upkeep::default()
    };
    keep(&*store, 6, upkeep).await;
    assert_eq!(
        log(&*store).await,
        before,
        "a floor alone takes nothing out"
    );
    for (first, last) in [(1, 3), (1, 5)] {
        let taken_out = Some((first, last));
        keep(
            &*store,
            6,
            Upkeep {
                taken_out,
                ..Upkeep::default()
            },
        )
        .await;
    }
    let position = store.head().await.expect("readable").position;
    assert_eq!(position, before.len() as u64, "it is bookkeeping");
    drop(store);
    let store = fixture.reopen().await;
    assert_eq!(log(&*store).await, before[5..]);
    assert_eq!(store.head().await.expect("readable").floor, 6);
    assert_eq!(
        store.segments().await.expect("readable").rows,
        [segment(1, 5)]
    );
    // Some of them are there still: they are the same.
    for from in [2, 0] {
        let upkeep = Upkeep {
            brought_back: before[from..6].to_vec(),
            forget_segments: vec![1],
            ..Upkeep::default()
        };
        keep(&*store, from as u64 + 1, upkeep).await;
    }
    assert_eq!(log(&*store).await, before);
    assert_eq!(store.segments().await.expect("readable").rows, []);
}

pub(crate) async fn what_a_start_reads_of_the_log_never_falls<F: Fixture>() {
    let fixture = F::empty().await;
    let store = written(&fixture).await;
    let first = store.reads_from().await.expect("readable");
    assert!(first >= 1);
    drop(store);
    let store = fixture.reopen().await;
    assert!(store.reads_from().await.expect("readable") >= first);
}
