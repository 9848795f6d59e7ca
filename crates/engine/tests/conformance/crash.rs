//! What a crash, a poisoned commit or a broken disk leaves.

use super::faulty::Act;
use super::world::{
    Shop, TestClock, ask, hold, hold_of, keyed, options, place, put, release, until,
};
use super::{Fixture, audit};
use evenkeel_engine::port::{Fault, Store, Touch};
use evenkeel_engine::{Refusal, Request};

pub(crate) async fn a_dropped_lock_leaves_no_trace<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let before = shop.engine.head().await.expect("readable");
    let (locked, view) = shop.store.lock(&Touch::default()).await.expect("lockable");
    assert_eq!(view.head, before);
    drop(locked);
    assert_eq!(shop.engine.head().await.expect("readable"), before);
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    shop.close().await;
}

/// Asks for a hold, and kills the engine when the store hangs in its batch.
async fn killed<F: Fixture>(fixture: &F, act: Act) -> (u64, Request) {
    let shop = Shop::with_lamps(fixture, 1).await;
    let before = shop.head().await;
    let request = keyed("k-1", place("h-1", &[("lamp", 1)]));
    shop.store.script.next(act);
    let caller = shop.send(request.clone());
    until("the store hangs", || shop.store.script.hung()).await;
    assert!(!caller.is_finished(), "nobody is told before the end");
    shop.engine.kill();
    let told = caller.await.expect("no panic");
    assert_eq!(told, Err(Refusal::Failed(Fault::TimedOut)), "nobody knows");
    (before, request)
}

pub(crate) async fn a_crash_between_lock_and_finish_leaves_no_trace<F: Fixture>() {
    let fixture = F::empty().await;
    let (before, request) = killed(&fixture, Act::HangBefore).await;
    let shop = Shop::open_with(fixture.reopen().await, TestClock::new(), options()).await;
    assert_eq!(shop.head().await, before);
    let absent = shop.store.hold(&hold("h-1")).await.expect("readable");
    assert_eq!(absent.rows, None);
    let done = shop.ok(request).await;
    assert!(!done.replayed, "it takes effect now");
    assert_eq!(done.position, before + 1);
    shop.close().await;
}

pub(crate) async fn a_crash_before_the_answer_is_replayed_to_the_retry<F: Fixture>() {
    let fixture = F::empty().await;
    let (before, request) = killed(&fixture, Act::HangAfter).await;
    let shop = Shop::open_with(fixture.reopen().await, TestClock::new(), options()).await;
    assert_eq!(shop.head().await, before + 1);
    let done = shop.ok(request).await;
    assert!(done.replayed, "it took effect before");
    assert_eq!(done.position, before + 1);
    assert_eq!(shop.balances("lamp").await.raw()[1..3], [0, 1]);
    shop.close().await;
}

pub(crate) async fn one_unwritable_commit_of_512_fails_alone<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1_000).await;
    shop.store.script.poison(hold("h-300"));
    let buyer = |number: usize| {
        let id = format!("h-{number}");
        keyed(&id, place(&id, &[("lamp", 1)]))
    };
    let told = shop.in_one_batch((0..512).map(buyer).collect()).await;
    for (number, told) in told.into_iter().enumerate() {
        if number == 300 {
            let is_refused = matches!(told, Err(Refusal::Failed(Fault::Corrupt(_))));
            assert!(is_refused, "{told:?}");
        } else {
            let row = hold_of(told.unwrap_or_else(|no| panic!("buyer {number}: {no:?}")));
            assert_eq!(row.hold.id, hold(&format!("h-{number}")));
        }
    }
    assert!(shop.store.script.finishes() > 10, "the batch was split");
    assert_eq!(shop.balances("lamp").await.raw()[1..3], [489, 511]);
    shop.close().await;
}

pub(crate) async fn a_disk_that_fails_ends_the_writing_for_good<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 100).await;
    let (before, tried) = (shop.head().await, shop.store.script.finishes());
    // The batch is found unwritable, split, and then the disk fails in its first half.
    shop.store.script.shut_door();
    let first = shop.send(ask(put("decoy")));
    until("a batch stands before the door", || {
        shop.store.script.at_door()
    })
    .await;
    let buyer = |number: usize| shop.send(ask(place(&format!("h-{number}"), &[("lamp", 1)])));
    let answers: Vec<_> = (0..8).map(buyer).collect();
    until("they wait", || shop.engine.waiting() == 8).await;
    shop.store.script.next(Act::Refuse(Fault::DiskFull));
    shop.store
        .script
        .next(Act::Refuse(Fault::Corrupt("too large".to_owned())));
    shop.store
        .script
        .next(Act::Refuse(Fault::Sync("no answer".to_owned())));
    shop.store.script.open_door();
    let told = first.await.expect("no panic");
    assert_eq!(told, Err(Refusal::Failed(Fault::DiskFull)));
    for (number, answer) in answers.into_iter().enumerate() {
        match answer.await.expect("no panic") {
            Err(Refusal::Failed(Fault::TimedOut)) => assert!(number < 4, "{number}"),
            Err(Refusal::Failed(Fault::Unavailable(_))) => assert!(number >= 4, "{number}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(shop.engine.broken().is_some());
    assert_eq!(
        shop.store.script.finishes(),
        tried + 3,
        "nothing was tried after it"
    );
    let late = shop.fault(ask(release("h-1"))).await;
    assert!(matches!(late, Fault::Unavailable(_)), "{late:?}");
    assert!(shop.engine.failing().contains(&"committer"));
    assert_eq!(shop.head().await, before);
    shop.engine.stop().await;
    audit::whole(&*shop.store).await;
}

pub(crate) async fn a_full_disk_is_a_definite_no<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let before = shop.head().await;
    let request = keyed("k-1", place("h-1", &[("lamp", 1)]));
    shop.store.script.next(Act::Refuse(Fault::DiskFull));
    assert_eq!(shop.fault(request.clone()).await, Fault::DiskFull);
    assert_eq!(shop.head().await, before);
    assert_eq!(shop.engine.failing(), ["store"]);
    assert!(!shop.ok(request).await.replayed);
    assert!(shop.engine.failing().is_empty(), "it serves again");
    shop.close().await;
}
