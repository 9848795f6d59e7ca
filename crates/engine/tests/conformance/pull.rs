//! Overdue holds: pulled by a place, ended by the sweep, refused to a late confirm.

use super::Fixture;
use super::engines::sold_out;
use super::world::{
    START, Shop, TestClock, ask, confirm, extend, hold_of, options, place, place_for, release, sku,
};
use evenkeel_engine::Options;
use evenkeel_engine::chain::Entry;
use evenkeel_engine::port::{Clock as _, FRONT_NEAR, Store, Touch};
use evenkeel_rules::hold::{self, State};
use evenkeel_rules::time::Millis;

pub(crate) async fn a_place_ends_overdue_holds_itself_oldest_first<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 4).await;
    // Deadlines are not in the order of the places.
    for (id, ttl_ms) in [
        ("h-1", 4_000),
        ("h-2", 2_000),
        ("h-3", 3_000),
        ("h-4", 60_000),
    ] {
        shop.ok(ask(place_for(id, &[("lamp", 1)], ttl_ms))).await;
    }
    let early = ask(place("h-5", &[("lamp", 1)]));
    assert_eq!(shop.no(early).await, sold_out("lamp"));
    shop.clock.advance(10_000);
    let head = shop.head().await;
    let done = shop.ok(ask(place("h-6", &[("lamp", 2)]))).await;
    assert_eq!(done.position, head + 1, "one commit");
    let row = shop
        .store
        .log(done.position, 1)
        .await
        .expect("readable")
        .rows;
    let entry = Entry::read(&row[0].text).expect("readable");
    let streams: Vec<&str> = entry.events.iter().map(|event| &*event.stream).collect();
    assert_eq!(streams, ["hold:h-2", "hold:h-3", "hold:h-6"]);
    assert_eq!(hold_of(done).hold.state, State::Held);
    for (id, state) in [
        ("h-1", State::Held),
        ("h-2", State::Expired),
        ("h-3", State::Expired),
    ] {
        assert_eq!(shop.state(id).await, state, "{id}");
    }
    assert_eq!(shop.balances("lamp").await.raw(), [-4, 0, 4, 0, 0, 0, 0]);
    // The front was searched before this no: there is one overdue unit, and no more.
    assert_eq!(
        shop.no(ask(place("h-7", &[("lamp", 2)]))).await,
        sold_out("lamp")
    );
    shop.ok(ask(place("h-7", &[("lamp", 1)]))).await;
    shop.close().await;
}

pub(crate) async fn a_place_ends_at_most_64_overdue_holds<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 100).await;
    for number in 0..100 {
        shop.ok(ask(place_for(
            &format!("h-{number}"),
            &[("lamp", 1)],
            1_000,
        )))
        .await;
    }
    shop.clock.advance(1_000);
    assert_eq!(
        shop.no(ask(place("big", &[("lamp", 65)]))).await,
        sold_out("lamp")
    );
    let done = shop.ok(ask(place("fits", &[("lamp", 64)]))).await;
    let row = shop
        .store
        .log(done.position, 1)
        .await
        .expect("readable")
        .rows;
    assert_eq!(
        Entry::read(&row[0].text).expect("readable").events.len(),
        65
    );
    shop.close().await;
}

pub(crate) async fn a_place_finds_its_units_behind_many_of_others_in_the_front<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let others = FRONT_NEAR as u64 + 10;
    shop.stock("chair", others).await;
    for number in 0..others {
        let id = format!("c-{number}");
        shop.ok(ask(place_for(&id, &[("chair", 1)], 1_000))).await;
    }
    shop.ok(ask(place_for("h-1", &[("lamp", 1)], 2_000))).await;
    shop.clock.advance(2_000);
    let front = |whole_front| Touch {
        front: Some(shop.clock.now()),
        whole_front,
        ..Touch::default()
    };
    for (whole, expected) in [(false, FRONT_NEAR as u64), (true, others + 1)] {
        let (locked, view) = shop.store.lock(&front(whole)).await.expect("lockable");
        drop(locked);
        let front = view.front.expect("it was asked for");
        assert_eq!(front.len() as u64, expected);
        assert!(front.is_sorted_by_key(|row| row.hold.deadline));
    }
    shop.ok(ask(place("h-2", &[("lamp", 1)]))).await;
    assert_eq!(shop.state("h-1").await, State::Expired);
    shop.close().await;
}

pub(crate) async fn a_pull_gives_back_all_lines_of_the_holds_it_ends<F: Fixture>() {
    let options = Options {
        cache: false,
        ..options()
    };
    let fixture = F::empty().await;
    let shop = Shop::open_with(fixture.store().await, TestClock::new(), options).await;
    shop.stock("lamp", 8).await;
    // Eight holds, each with a unit of a SKU that the pulling place never heard of.
    for number in 0..8 {
        let other = format!("sku-{number}");
        shop.stock(&other, 1).await;
        let lines = [("lamp", 1), (other.as_str(), 1)];
        shop.ok(ask(place_for(&format!("h-{number}"), &lines, 1_000)))
            .await;
    }
    shop.clock.advance(1_000);
    shop.ok(ask(place("all", &[("lamp", 8)]))).await;
    for number in 0..8 {
        let other = shop.balances(&format!("sku-{number}")).await;
        assert_eq!(other.raw()[1..3], [1, 0], "{number}");
    }
    shop.close().await;
}

pub(crate) async fn a_smaller_place_pulls_what_was_too_little_for_a_larger<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 3).await;
    shop.ok(ask(place_for("h-1", &[("lamp", 1)], 1_000))).await;
    shop.ok(ask(place("h-2", &[("lamp", 2)]))).await;
    shop.clock.advance(1_000);
    for _ in 0..3 {
        assert_eq!(
            shop.no(ask(place("big", &[("lamp", 2)]))).await,
            sold_out("lamp")
        );
    }
    shop.ok(ask(place("small", &[("lamp", 1)]))).await;
    shop.close().await;
}

pub(crate) async fn a_deadline_that_was_set_twice_counts_once<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 2).await;
    shop.ok(ask(place_for("h-1", &[("lamp", 1)], 5_000))).await;
    for _ in 0..3 {
        // Never earlier than it was, so the deadline stays.
        let row = shop.hold(ask(extend("h-1", 1_000))).await;
        assert_eq!(row.hold.deadline, START.plus(Millis(5_000)));
    }
    shop.ok(ask(place("h-2", &[("lamp", 1)]))).await;
    shop.clock.advance(5_000);
    let now = START.plus(Millis(5_000));
    let due = shop.store.due(now, 10).await.expect("readable").rows;
    assert_eq!(due.len(), 1, "named once");
    assert_eq!(
        shop.no(ask(place("big", &[("lamp", 2)]))).await,
        sold_out("lamp")
    );
    shop.ok(ask(place("h-3", &[("lamp", 1)]))).await;
    shop.close().await;
}

pub(crate) async fn the_sweep_ends_what_is_overdue_and_nothing_else<F: Fixture>() {
    let options = Options {
        sweep: true,
        ..options()
    };
    let fixture = F::empty().await;
    let shop = Shop::open_with(fixture.store().await, TestClock::new(), options).await;
    shop.stock("lamp", 1_000).await;
    for number in 0..600 {
        shop.ok(ask(place_for(
            &format!("h-{number}"),
            &[("lamp", 1)],
            10_000,
        )))
        .await;
    }
    shop.ok(ask(place_for("longer", &[("lamp", 1)], 10_000)))
        .await;
    shop.ok(ask(extend("longer", 20_000))).await;
    shop.ok(ask(place_for("given-back", &[("lamp", 1)], 10_000)))
        .await;
    shop.ok(ask(release("given-back"))).await;
    let head = shop.head().await;
    shop.tick(9_999).await;
    assert_eq!(
        shop.head().await,
        head,
        "nothing is due one ms before the deadline"
    );
    shop.tick(1).await;
    shop.tick(50).await;
    // 600 are more than one round may end: it goes on at once.
    assert_eq!(shop.head().await, head + 600);
    assert_eq!(shop.state("h-599").await, State::Expired);
    assert_eq!(shop.state("longer").await, State::Held);
    assert_eq!(shop.state("given-back").await, State::Released);
    assert_eq!(shop.balances("lamp").await.raw()[1..3], [999, 1]);
    shop.tick(10_000).await;
    assert_eq!(shop.state("longer").await, State::Expired);
    shop.tick(60_000).await;
    assert_eq!(shop.head().await, head + 601, "once each");
    shop.close().await;
}

pub(crate) async fn a_late_confirm_is_refused_swept_or_not<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 3).await;
    let placed = shop
        .hold(ask(place_for("h-1", &[("lamp", 1)], 1_000)))
        .await
        .hold;
    shop.ok(ask(place_for("in-time", &[("lamp", 1)], 1_000)))
        .await;
    shop.clock.advance(999);
    shop.ok(ask(confirm("in-time"))).await;
    shop.clock.advance(1);
    let expired: evenkeel_engine::commit::Rejection = hold::Rejection::Expired {
        ended_at: placed.deadline,
    }
    .into();
    for late in [confirm("h-1"), release("h-1"), extend("h-1", 5_000)] {
        assert_eq!(shop.no(ask(late.clone())).await, expired, "{late:?}");
    }
    assert_eq!(shop.state("h-1").await, State::Held, "nobody swept");
    assert_eq!(sku("lamp"), placed.lines[0].sku);
    shop.close().await;
}
