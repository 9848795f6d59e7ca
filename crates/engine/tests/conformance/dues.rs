//! Due times of orders and callbacks: nothing is missed, nothing stale is shown.

use super::Fixture;
use super::hand::{arm, at, batch, call, due, finish, moved, order, take, taken};
use super::world::START;
use evenkeel_engine::port::{RowWrite, Store};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;

const NONE: [&str; 0] = [];

pub(crate) async fn rows_are_due_oldest_first_and_at_the_heads_time<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    for (number, ms) in [90_000, 5_000, 61_000, 1_000, 600_000, 5_000]
        .into_iter()
        .enumerate()
    {
        take(&mut writes, &format!("o-{number}")).due = Some(at(ms));
    }
    take(&mut writes, "never");
    call(&mut writes, "o-1").due = Some(at(60_000));
    arm(&mut writes);
    finish(&*store, &writes).await.expect("it fits");
    let due = async |ms, limit| due(&*store, at(ms), limit).await;
    assert_eq!(due(999, 9).await, NONE);
    assert_eq!(due(1_000, 9).await, ["o-3"]);
    let upto = ["o-3", "o-1", "o-5", "#8", "o-2", "o-0"];
    assert_eq!(due(90_000, 9).await, upto);
    assert_eq!(due(90_000, 3).await, upto[..3]);
    assert_eq!(due(999_000, 9).await.len(), 7);
    // A clock that was set back asks for what the log's own time has passed.
    let mut writes = batch(&*store).await;
    writes.head.time = at(61_000);
    finish(&*store, &writes).await.expect("it fits");
    assert_eq!(due(0, 9).await, upto[..5]);
}

pub(crate) async fn a_due_time_that_moved_is_due_then_and_only_then<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let store: &dyn Store = &*store;
    taken(store, "o-1", Some(at(1_000))).await;
    taken(store, "o-2", Some(at(2_000))).await;
    assert_eq!(due(store, at(2_000), 9).await, ["o-1", "o-2"]);
    moved(store, "o-1", Some(at(70_000))).await;
    assert_eq!(due(store, at(69_999), 9).await, ["o-2"]);
    assert_eq!(due(store, at(70_000), 9).await, ["o-2", "o-1"]);
    moved(store, "o-1", Some(at(500))).await;
    assert_eq!(due(store, at(999), 9).await, ["o-1"]);
    moved(store, "o-1", None).await;
    assert_eq!(due(store, at(999_000), 9).await, ["o-2"]);
    // The same time again, after its timer was seen to be stale.
    moved(store, "o-1", Some(at(1_000))).await;
    assert_eq!(due(store, at(2_000), 9).await, ["o-1", "o-2"]);
    assert_eq!(due(store, at(999_000), 9).await, ["o-1", "o-2"]);
}

/// Due times as they should be, by id.
type Model = BTreeMap<String, Option<LogTime>>;

/// What is due in the model.
fn expected(model: &Model, until: LogTime) -> Vec<String> {
    let due = model
        .iter()
        .filter_map(|(id, due)| Some((due.as_ref()?, id)));
    let mut due: Vec<_> = due.filter(|(due, _)| **due <= until).collect();
    due.sort_unstable();
    due.into_iter().map(|(_, id)| id.clone()).collect()
}

async fn check(store: &dyn Store, model: &Model, now: LogTime) {
    let mut found = due(store, now, 10_000).await;
    let mut expected = expected(model, now);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// One batch of whichever kind the dice choose: new orders, moved ones, ended ones.
async fn step(store: &dyn Store, model: &mut Model, dice: &mut fastrand::Rng, now: LogTime) {
    let mut writes = batch(store).await;
    writes.head.time = now;
    let some_time = |dice: &mut fastrand::Rng| {
        let ms = if dice.bool() { 3_000 } else { 300_000 };
        let micros = dice.i64(-1_000..ms) * 1_000;
        Some(LogTime::from_micros(now.micros() + micros))
    };
    let most = if dice.u8(..) < 30 { 300 } else { 6 };
    for _ in 0..dice.usize(0..most) {
        let id = format!("o-{:05}", model.len());
        let due = some_time(dice).filter(|_| dice.u8(..) < 230);
        take(&mut writes, &id).due = due;
        model.insert(id, due);
    }
    for id in expected(model, now).into_iter().take(40) {
        let old = !writes.orders.iter().any(|it| it.row.body.id.as_str() == id);
        if old && dice.u8(..) < 200 {
            let row = store.order(&order(&id)).await.expect("readable").rows;
            let mut row = row.expect("it exists");
            row.due = some_time(dice).filter(|_| dice.u8(..) < 128);
            model.insert(id, row.due);
            let was = Some(row.version);
            writes.orders.push(RowWrite { row, was });
        }
    }
    arm(&mut writes);
    finish(store, &writes).await.expect("it fits");
}

pub(crate) async fn no_due_row_is_missed_by_any_handle_after_any_history<F: Fixture>() {
    for seed in 0..4 {
        let fixture = F::empty().await;
        let mut stores = [fixture.store().await, fixture.store().await];
        let (mut model, mut now) = (Model::new(), START);
        let mut dice = fastrand::Rng::with_seed(seed);
        let killed_at = dice.usize(40..80);
        for turn in 0..120 {
            let who = usize::from(dice.u8(..) < 60);
            step(&*stores[who], &mut model, &mut dice, now).await;
            now = LogTime::from_micros(now.micros() + dice.i64(0..10_000_000));
            for (who, store) in stores.iter().enumerate() {
                if dice.u8(..) < [120, 60][who] {
                    check(&**store, &model, now).await;
                }
            }
            if turn == killed_at {
                // Both processes are killed; the next one knows nothing but the rows.
                let next = fixture.reopen().await;
                stores = [Arc::clone(&next), next];
            }
        }
        check(&*stores[0], &model, now).await;
    }
}

pub(crate) async fn a_try_that_another_handle_noted_without_a_fact_is_seen<F: Fixture>() {
    let fixture = F::empty().await;
    let (one, two) = (fixture.store().await, fixture.store().await);
    taken(&*one, "o-1", Some(at(1_000))).await;
    assert_eq!(due(&*two, at(1_000), 9).await, ["o-1"]);
    assert_eq!(due(&*one, at(1_000), 9).await, ["o-1"]);
    for (ms, (by, other)) in [
        (3_000, (&one, &two)),
        (2_000, (&two, &one)),
        (1_000, (&one, &two)),
    ] {
        let head = one.head().await.expect("readable").position;
        moved(&**by, "o-1", Some(at(ms))).await;
        assert_eq!(one.head().await.expect("readable").position, head);
        for store in [other, by] {
            assert_eq!(due(&**store, at(ms - 1), 9).await, NONE, "{ms}");
            assert_eq!(due(&**store, at(ms), 9).await, ["o-1"], "{ms}");
        }
    }
}

pub(crate) async fn dues_are_there_after_reopening<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    for number in 0..40_u64 {
        let mut writes = batch(&*store).await;
        for part in 0..30 {
            let ms = number * 7_000 + part * 61_000;
            take(&mut writes, &format!("o-{number}-{part}")).due = Some(at(ms));
        }
        arm(&mut writes);
        finish(&*store, &writes).await.expect("it fits");
    }
    moved(&*store, "o-3-4", None).await;
    moved(&*store, "o-3-5", Some(at(1))).await;
    let all = due(&*store, at(9_000_000), 9_999).await;
    assert_eq!((all.len(), all[0].as_str()), (1_199, "o-0-0"));
    assert_eq!(all[1], "o-3-5");
    drop(store);
    let store = fixture.reopen().await;
    assert_eq!(due(&*store, at(9_000_000), 9_999).await, all);
    moved(&*store, "o-39-29", Some(at(2))).await;
    assert_eq!(due(&*store, at(2), 9).await, ["o-0-0", "o-3-5", "o-39-29"]);
}
