//! What customers may have of a SKU that limits them.

use super::Fixture;
use super::hand::{batch, finish};
use super::world::{
    Shop, ask, confirm, customer, keyed, options, place, place_for, put, receive, release, sku,
    units,
};
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_engine::port::{Fault, Share, ShareWrite, Store, Touch};
use evenkeel_engine::{Options, Refusal};
use evenkeel_rules::hold;
use evenkeel_rules::ids::CustomerId;

/// An entry that allows one customer so many.
fn most(id: &str, most: u64) -> Command {
    let Command::PutSku { mut terms } = put(id) else {
        unreachable!("an entry is put");
    };
    terms.max_per_customer = Some(units(most));
    Command::PutSku { terms }
}

fn place_by(who: &CustomerId, id: &str, count: u64) -> Command {
    let Command::Place(mut asked) = place(id, &[("lamp", count)]) else {
        unreachable!("a place was made");
    };
    asked.customer = who.clone();
    Command::Place(asked)
}

fn beyond(has: u64) -> Rejection {
    hold::Rejection::LimitCustomer {
        sku: sku("lamp"),
        most: units(10),
        has,
    }
    .into()
}

fn lamps(who: &str) -> Share {
    (sku("lamp"), customer(who))
}

async fn shares(store: &dyn Store) -> Vec<(Share, u64)> {
    store.shares(None, 999).await.expect("readable").rows
}

pub(crate) async fn fifty_places_of_one_customer_win_as_many_as_it_may_have<F: Fixture>() {
    for cache in [true, false] {
        let fixture = F::empty().await;
        let store = fixture.store().await;
        let options = Options { cache, ..options() };
        let shop = Shop::open_with(store, super::world::TestClock::new(), options).await;
        shop.ok(ask(most("lamp", 10))).await;
        shop.ok(ask(receive("lamp", 100))).await;
        let asked = |number: usize| {
            let id = format!("h-{number}");
            keyed(&id, place_by(&customer("c-1"), &id, 1))
        };
        let told = shop.in_one_batch((0..50).map(asked).collect()).await;
        for (number, answer) in told.iter().enumerate() {
            match answer {
                Ok(_) => assert!(number < 10, "{number}"),
                Err(Refusal::Rejected { rejection, .. }) => {
                    assert!(number >= 10, "{number}");
                    assert_eq!(*rejection, beyond(10));
                }
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        assert_eq!(shares(&*shop.store).await, [(lamps("c-1"), 10)]);
        // A winner's retry is told that it won, and the refusal left its key free.
        assert!(shop.ok(asked(3)).await.replayed);
        shop.ok(ask(release("h-3"))).await;
        assert!(!shop.ok(asked(30)).await.replayed);
        assert_eq!(shop.no(asked(31)).await, beyond(10));
        // Another customer is not concerned.
        shop.ok(ask(place_by(&customer("c-2"), "h-99", 10))).await;
        shop.close().await;
    }
}

pub(crate) async fn the_sweep_gives_shares_back<F: Fixture>() {
    let fixture = F::empty().await;
    let options = Options {
        sweep: true,
        ..options()
    };
    let clock = super::world::TestClock::new();
    let shop = Shop::open_with(fixture.store().await, clock, options).await;
    shop.ok(ask(most("lamp", 10))).await;
    shop.ok(ask(receive("lamp", 100))).await;
    for number in 0..10 {
        let place = place_for(&format!("h-{number}"), &[("lamp", 1)], 1_000);
        shop.ok(ask(place)).await;
    }
    shop.ok(ask(confirm("h-0"))).await;
    let more = || ask(place("h-10", &[("lamp", 9)]));
    assert_eq!(shop.no(more()).await, beyond(10));
    shop.tick(1_100).await;
    shop.tick(100).await;
    shop.ok(more()).await;
    assert_eq!(shares(&*shop.store).await, [(lamps("c-1"), 10)]);
    shop.close().await;
}

pub(crate) async fn two_engines_keep_one_share<F: Fixture>() {
    let fixture = F::empty().await;
    let clock = super::world::TestClock::new();
    let one = Shop::open_with(fixture.store().await, clock.clone(), options()).await;
    let other = Shop::open_with(fixture.store().await, clock, options()).await;
    one.ok(ask(most("lamp", 10))).await;
    one.ok(ask(receive("lamp", 100))).await;
    for number in 0..10 {
        let shop = if number % 2 == 0 { &one } else { &other };
        shop.ok(ask(place(&format!("h-{number}"), &[("lamp", 1)])))
            .await;
    }
    for shop in [&one, &other] {
        let no = shop.no(ask(place("h-10", &[("lamp", 1)]))).await;
        assert_eq!(no, beyond(10));
    }
    other.engine.stop().await;
    one.close().await;
}

pub(crate) async fn a_share_is_guarded_listed_and_there_after_reopening<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let all: Vec<Share> = ["Lamp", "lamp", "lamp-2"]
        .iter()
        .flat_map(|id| ["C-1", "c-1", "c-10", "c-2"].map(|who| (sku(id), customer(who))))
        .collect();
    let row = |share: &Share, was, now| ShareWrite {
        share: share.clone(),
        was,
        now,
    };
    let mut writes = batch(&*store).await;
    writes.shares = all.iter().rev().map(|it| row(it, None, 2)).collect();
    finish(&*store, &writes).await.expect("it fits");
    let wrongs = [
        ("a share that exists", row(&all[0], None, 1)),
        ("other units", row(&all[0], Some(3), 1)),
        ("one that does not exist", row(&lamps("c-9"), Some(2), 1)),
    ];
    for (what, wrong) in wrongs {
        let mut writes = batch(&*store).await;
        writes.shares = vec![row(&all[1], Some(2), 7), wrong];
        let said = finish(&*store, &writes).await;
        assert!(matches!(said, Err(Fault::Corrupt(_))), "{what}: {said:?}");
    }
    let mut writes = batch(&*store).await;
    writes.shares = vec![row(&all[4], Some(2), 0), row(&all[5], Some(2), 1 << 53)];
    finish(&*store, &writes).await.expect("it fits");

    let touch = Touch {
        shares: vec![all[4].clone(), lamps("c-9")],
        ..Touch::default()
    };
    let (locked, view) = store.lock(&touch).await.expect("lockable");
    drop(locked);
    assert_eq!(view.shares.len(), 2);
    assert_eq!(view.shares[&all[4]], Some(0), "a row stays at nothing");
    assert_eq!(view.shares[&lamps("c-9")], None);

    let mut expected: Vec<(Share, u64)> = all.iter().map(|share| (share.clone(), 2)).collect();
    (expected[4].1, expected[5].1) = (0, 1 << 53);
    assert_eq!(shares(&*store).await, expected, "all, in order");
    let mut paged = Vec::new();
    while let Some(more) = {
        let after = paged.last().map(|(share, _): &(Share, u64)| share);
        let page = store.shares(after, 5).await.expect("readable").rows;
        (!page.is_empty()).then_some(page)
    } {
        assert!(more.len() <= 5);
        paged.extend(more);
    }
    assert_eq!(paged, expected, "page by page");
    drop(store);
    let store = fixture.reopen().await;
    assert_eq!(shares(&*store).await, expected);
}
