//! A COMMIT whose outcome nobody knows.

use super::Fixture;
use super::faulty::Act;
use super::world::{Shop, ask, keyed, place, until};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Rejection;
use evenkeel_engine::port::Fault;
use evenkeel_rules::idempotency;

pub(crate) async fn an_unknown_commit_ends_right_whether_it_was_applied_or_not<F: Fixture>() {
    for act in [Act::ApplyUnknown, Act::LoseUnknown] {
        let fixture = F::empty().await;
        let shop = Shop::with_lamps(&fixture, 5).await;
        let before = shop.head().await;
        let request = keyed("k-1", place("h-1", &[("lamp", 1)]));
        shop.store.script.blind(true);
        shop.store.script.next(act.clone());
        let caller = shop.send(request.clone());
        until("the outcome is unknown", || {
            shop.engine.failing() == ["store"]
        })
        .await;
        let again = shop.no(request.clone()).await;
        assert_eq!(again, Rejection::Key(idempotency::Rejection::InFlight));
        let other = shop.send(keyed("k-2", place("h-2", &[("lamp", 1)])));
        for _ in 0..20 {
            shop.clock.advance(100);
            tokio::task::yield_now().await;
        }
        assert!(!caller.is_finished(), "{act:?}: the caller waits");
        assert!(!other.is_finished(), "{act:?}: so does the next batch");

        shop.store.script.blind(false);
        shop.clock.advance(100);
        let done = caller.await.expect("no panic").expect("there was a unit");
        assert_eq!(
            (done.position, done.replayed),
            (before + 1, false),
            "{act:?}"
        );
        let other = other.await.expect("no panic").expect("there was a unit");
        assert_eq!(other.position, before + 2, "{act:?}");
        let replay = shop.ok(request).await;
        assert_eq!(
            (replay.position, replay.replayed),
            (before + 1, true),
            "{act:?}"
        );
        assert_eq!(replay.effect, done.effect, "{act:?}");
        assert_eq!(shop.balances("lamp").await.raw()[1..3], [3, 2], "{act:?}");
        shop.close().await;
    }
}

pub(crate) async fn a_caller_that_waited_too_long_learns_the_end_with_its_key<F: Fixture>() {
    for act in [Act::ApplyUnknown, Act::LoseUnknown] {
        let fixture = F::empty().await;
        let shop = Shop::with_lamps(&fixture, 1).await;
        let before = shop.head().await;
        let request = keyed("k-1", place("h-1", &[("lamp", 1)]));
        shop.store.script.blind(true);
        shop.store.script.next(act);
        let caller = shop.send(request.clone());
        until("the outcome is unknown", || {
            shop.engine.failing() == ["store"]
        })
        .await;
        shop.clock.advance(10_001);
        let told = caller.await.expect("no panic");
        assert_eq!(told, Err(Refusal::Failed(Fault::TimedOut)));
        let again = shop.no(request.clone()).await;
        assert_eq!(again, Rejection::Key(idempotency::Rejection::InFlight));

        shop.store.script.blind(false);
        shop.clock.advance(100);
        until("the store is back", || shop.engine.failing().is_empty()).await;
        let done = shop.ok(request).await;
        assert_eq!((done.position, done.replayed), (before + 1, true));
        assert_eq!(shop.balances("lamp").await.raw()[1..3], [0, 1]);
        shop.close().await;
    }
}

pub(crate) async fn an_engine_stops_while_an_outcome_cannot_be_learnt<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 2).await;
    let before = shop.head().await;
    shop.store.script.blind(true);
    shop.store.script.next(Act::ApplyUnknown);
    let caller = shop.send(keyed("k-1", place("h-1", &[("lamp", 1)])));
    until("the outcome is unknown", || {
        shop.engine.failing() == ["store"]
    })
    .await;
    let engine = shop.engine.clone();
    let stopping = super::world::spawn(async move { engine.stop().await });
    for _ in 0..100 {
        shop.clock.advance(50);
        tokio::task::yield_now().await;
    }
    stopping.await.expect("it ends");
    let told = caller.await.expect("no panic");
    assert_eq!(told, Err(Refusal::Failed(Fault::TimedOut)), "never a guess");
    let late = shop.fault(ask(place("h-2", &[("lamp", 1)]))).await;
    assert!(matches!(late, Fault::Unavailable(_)), "{late:?}");
    assert_eq!(shop.head().await, before + 1);
}
