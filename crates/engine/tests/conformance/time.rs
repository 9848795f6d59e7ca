//! Log time, clocks that jump, and an engine that has nothing to do.

use super::Fixture;
use super::world::{Shop, TestClock, ask, confirm, keyed, options, place, place_for, until};
use evenkeel_engine::port::{Clock, Fault, Store};
use evenkeel_engine::{Options, Refusal, Request};
use evenkeel_rules::time::Millis;

pub(crate) async fn log_time_never_falls_and_a_clock_set_back_shortens_no_hold<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.clock.advance(10_000);
    let first = shop
        .hold(ask(place_for("h-1", &[("lamp", 1)], 60_000)))
        .await
        .hold;
    let before = shop.clock.now();
    assert_eq!(first.placed_at, before);
    shop.clock.step(-4_000);
    let second = shop
        .hold(ask(place_for("h-2", &[("lamp", 1)], 60_000)))
        .await
        .hold;
    assert_eq!(second.placed_at, before, "log time stands still");
    assert_eq!(second.deadline, first.deadline);
    // 62 s later by the monotonic clock, the wall clock says 58: the hold lives on.
    shop.clock.advance(62_000);
    shop.ok(ask(confirm("h-1"))).await;
    shop.clock.advance(2_000);
    let late = shop.no(ask(confirm("h-2"))).await;
    let ended_at = second.deadline;
    assert_eq!(
        late,
        evenkeel_rules::hold::Rejection::Expired { ended_at }.into()
    );
    // What is due is due by log time, too, while the clock stands before it.
    shop.clock.step(-4_500);
    let due = shop
        .store
        .due(shop.clock.now(), 10)
        .await
        .expect("readable")
        .rows;
    assert!(due.is_empty(), "log time did not move by a refusal");
    shop.close().await;
}

pub(crate) async fn a_clock_that_jumps_stops_writing_until_it_agrees_again<F: Fixture>() {
    for jump in [6_000, -6_000, 3_600_000] {
        let fixture = F::empty().await;
        let shop = Shop::with_lamps(&fixture, 5).await;
        let before = shop.engine.head().await.expect("readable");
        shop.clock.advance(1_000);
        shop.clock.step(jump);
        let request = keyed("k-1", place("h-1", &[("lamp", 1)]));
        let fault = shop.fault(request.clone()).await;
        assert!(matches!(fault, Fault::Unavailable(_)), "{jump}: {fault:?}");
        assert_eq!(shop.engine.failing(), ["clock"], "{jump}");
        shop.clock.advance(60_000);
        assert_eq!(
            shop.engine.failing(),
            ["clock"],
            "{jump}: it still disagrees"
        );
        assert_eq!(shop.engine.head().await.expect("readable"), before);

        shop.clock.step(-jump);
        assert_eq!(shop.engine.failing(), ["clock"], "{jump}: not for long");
        shop.clock.advance(9_999);
        assert_eq!(shop.engine.failing(), ["clock"], "{jump}");
        shop.clock.advance(1);
        assert!(
            shop.engine.failing().is_empty(),
            "{jump}: nobody had to write for it"
        );
        assert!(!shop.ok(request).await.replayed);
        shop.close().await;
    }
}

pub(crate) async fn an_idle_engine_leaves_the_head_where_it_was<F: Fixture>() {
    let options = Options {
        sweep: true,
        ..options()
    };
    let fixture = F::empty().await;
    let shop = Shop::open_with(fixture.store().await, TestClock::new(), options).await;
    shop.stock("lamp", 5).await;
    shop.ok(ask(place_for("h-1", &[("lamp", 1)], 10_000))).await;
    shop.ok(ask(confirm("h-1"))).await;
    let (before, written) = (shop.engine.head().await, shop.store.script.finishes());
    // 3,600 rounds of every loop in an hour.
    for _ in 0..3_600 {
        shop.tick(1_000).await;
    }
    assert_eq!(
        shop.engine.head().await,
        before,
        "not even log time or a batch id"
    );
    assert_eq!(shop.store.script.finishes(), written);
    for pulse in shop.engine.pulses() {
        assert!(
            pulse.age_ms(shop.clock.mono()) <= 1_000,
            "{} ran",
            pulse.name
        );
    }
    shop.close().await;
}

pub(crate) async fn work_past_its_deadline_is_not_begun<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let by = |ms: u64, id: &str| Request {
        deadline: Some(shop.clock.now().plus(Millis(ms))),
        ..keyed(id, place(id, &[("lamp", 1)]))
    };
    assert_eq!(shop.fault(by(0, "h-0")).await, Fault::DeadlinePassed);
    shop.ok(by(1, "h-1")).await;
    // The batch before it takes two seconds.
    shop.store.script.shut_door();
    let slow = shop.send(by(60_000, "h-2"));
    until("it is in a batch", || shop.store.script.at_door()).await;
    let (late, patient) = (shop.send(by(1_999, "h-3")), shop.send(by(2_001, "h-4")));
    until("they wait", || shop.engine.waiting() == 2).await;
    shop.clock.advance(2_000);
    shop.store.script.open_door();
    assert!(slow.await.expect("no panic").is_ok());
    let told = late.await.expect("no panic");
    assert_eq!(told, Err(Refusal::Failed(Fault::DeadlinePassed)));
    assert!(patient.await.expect("no panic").is_ok());
    // Its key is free.
    let again = keyed("h-3", place("h-3", &[("lamp", 1)]));
    assert!(!shop.ok(again).await.replayed);
    shop.close().await;
}

pub(crate) async fn what_waited_too_long_is_told_no_and_not_begun<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let hold = |id: &str| keyed(id, place(id, &[("lamp", 1)]));
    shop.store.script.shut_door();
    let slow = shop.send(hold("h-1"));
    until("it is in a batch", || shop.store.script.at_door()).await;
    let patient = Request {
        deadline: Some(shop.clock.now().plus(Millis(60_000))),
        ..hold("h-2")
    };
    let late = [shop.send(hold("h-3")), shop.send(patient)];
    until("they wait", || shop.engine.waiting() == 2).await;
    shop.clock.advance(5_000);
    shop.store.script.open_door();
    assert!(slow.await.expect("no panic").is_ok(), "it was begun");
    for late in late {
        // A deadline of its own that has not come is no reason to tell it that it has.
        let told = late.await.expect("no panic");
        let no = matches!(told, Err(Refusal::Failed(Fault::Unavailable(_))));
        assert!(no, "{told:?}");
    }
    assert!(!shop.ok(hold("h-3")).await.replayed, "its key is free");
    shop.close().await;
}
