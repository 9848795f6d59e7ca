//! Units of several locations: whole from the first that has all of a line, else split in order.

use super::Fixture;
use super::engines::sold_out;
use super::hand::order;
use super::orders::take;
use super::world::{
    Shop, TestClock, ask, customer, hold, hold_of, keyed, options, place_for, put, sku, units,
    wanted,
};
use evenkeel_engine::Options;
use evenkeel_engine::commit::{Command, Effect, Rejection};
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_rules::hold::{self, Hold, Place, State, Wanted};
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;

const ORDER: [&str; 3] = ["main", "east", "west"];

fn location(id: &str) -> LocationId {
    LocationId::new(id).expect("a well-formed id")
}

/// Lines that leave their location open.
fn open(lines: &[(&str, u64)]) -> Vec<Wanted> {
    let open = |line| Wanted {
        location: LocationId::anywhere(),
        ..line
    };
    wanted(lines).into_iter().map(open).collect()
}

fn place_open(id: &str, lines: &[(&str, u64)], ttl_ms: u64) -> Command {
    Command::Place(Place {
        id: hold(id),
        customer: customer("c-1"),
        lines: open(lines),
        ttl: Millis(ttl_ms),
    })
}

/// A shop that allocates, with so many lamps at `main`, `east`, `west` and, not in the order, at
/// `safety`. Without the cache, every row has to be asked for.
async fn shop<F: Fixture>(fixture: &F, lamps: [u64; 4], cache: bool) -> Shop {
    let options = Options {
        cache,
        allocation: ORDER.map(location).to_vec(),
        ..options()
    };
    let shop = Shop::open_with(fixture.store().await, TestClock::new(), options).await;
    shop.ok(ask(put("lamp"))).await;
    for (at, count) in ORDER.into_iter().chain(["safety"]).zip(lamps) {
        if count > 0 {
            shop.ok(ask(Command::ChangeStock {
                sku: sku("lamp"),
                location: location(at),
                change: Change::Receive(units(count)),
                reference: None,
                reason: None,
            }))
            .await;
        }
    }
    shop
}

/// Where a hold's units are.
fn places(hold: &Hold) -> Vec<(&str, u64)> {
    let lines = hold.lines.iter();
    lines
        .map(|line| (line.location.as_str(), line.quantity.get()))
        .collect()
}

async fn is_sound(shop: Shop) {
    let report = verify(&*shop.store, Inputs::default()).await;
    let report = report.expect("the store answers");
    let found: Vec<_> = report.checks.iter().flat_map(|it| &it.findings).collect();
    assert!(found.is_empty(), "{found:#?}");
    shop.close().await;
}

pub(crate) async fn a_line_is_taken_whole_from_one_location_or_split_in_order<F: Fixture>() {
    for cache in [true, false] {
        let fixture = F::empty().await;
        let shop = shop(&fixture, [2, 3, 4, 9], cache).await;
        let placed = async |id: &str, units| {
            let command = place_open(id, &[("lamp", units)], 600_000);
            hold_of(shop.ok(keyed(id, command)).await).hold
        };
        assert_eq!(places(&placed("h-1", 2).await), [("main", 2)]);
        assert_eq!(places(&placed("h-2", 4).await), [("west", 4)]);
        assert_eq!(places(&placed("h-3", 2).await), [("east", 2)]);
        // One unit is left, and what the order does not name is not there for anybody.
        let two = ask(place_open("h-4", &[("lamp", 2)], 600_000));
        assert_eq!(shop.no(two).await, sold_out("lamp"));
        shop.ok(ask(Command::Release { id: hold("h-1") })).await;
        let split = placed("h-4", 3).await;
        assert_eq!(places(&split), [("main", 2), ("east", 1)]);
        // The same key again is told the same, whatever there is by now.
        let again = shop.ok(keyed("h-4", place_open("h-4", &[("lamp", 3)], 600_000)));
        let again = again.await;
        assert!(again.replayed);
        assert_eq!(places(&hold_of(again).hold), [("main", 2), ("east", 1)]);
        is_sound(shop).await;
    }
}

pub(crate) async fn a_split_hold_is_confirmed_by_sku_in_the_order_of_its_lines<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = shop(&fixture, [2, 3, 0, 0], true).await;
    shop.ok(ask(place_open("h-1", &[("lamp", 5)], 600_000)))
        .await;
    let part = |count| {
        ask(Command::Confirm {
            id: hold("h-1"),
            lines: Some(open(&[("lamp", count)])),
        })
    };
    let beyond = Rejection::from(hold::Rejection::MoreThanHeld { line: 0 });
    assert_eq!(shop.no(part(6)).await, beyond);
    let row = shop.hold(part(4)).await;
    let sold: Vec<_> = row.hold.lines.iter().map(|line| line.confirmed).collect();
    assert_eq!(sold, [Some(2), Some(2)]);
    let head = shop.head().await;
    shop.ok(part(4)).await;
    assert_eq!(shop.head().await, head, "the same again changes nothing");
    is_sound(shop).await;
}

pub(crate) async fn an_order_is_split_and_follows_the_hold_that_it_names<F: Fixture>() {
    for cache in [true, false] {
        let fixture = F::empty().await;
        let shop = shop(&fixture, [2, 3, 2, 0], cache).await;
        let order_open = |id: &str, count, given: Option<&str>| {
            let Command::TakeOrder { mut ask, private } = take(id, &[("lamp", count)], given)
            else {
                unreachable!("it takes an order");
            };
            ask.lines = open(&[("lamp", count)]);
            Command::TakeOrder { ask, private }
        };
        let lines = async |command| match shop.ok(ask(command)).await.effect {
            Effect::Order(row) => {
                let lines = row.body.lines.iter();
                let lines = lines.map(|it| (it.location.to_string(), it.quantity.get()));
                (row.body.total.amount, lines.collect::<Vec<_>>())
            }
            other => panic!("not an order: {other:?}"),
        };
        let split = vec![("main".to_owned(), 2), ("east".to_owned(), 2)];
        let taken = lines(order_open("o-1", 4, None)).await;
        assert_eq!(taken, (4 * 1999, split));
        // A hold has its units where it has them, wherever they would come from now.
        let there = hold_of(
            shop.ok(ask(place_open("h-1", &[("lamp", 2)], 600_000)))
                .await,
        );
        assert_eq!(places(&there.hold), [("west", 2)]);
        for count in [1, 3] {
            let no = shop.no(ask(order_open("o-2", count, Some("h-1")))).await;
            assert_eq!(no, evenkeel_rules::order::Rejection::LinesDiffer.into());
        }
        let taken = lines(order_open("o-2", 2, Some("h-1"))).await;
        assert_eq!(taken, (2 * 1999, vec![("west".to_owned(), 2)]));
        assert_eq!(shop.state("h-1").await, State::Confirming);
        let made = evenkeel_engine::commit::hold_of(&order("o-1"));
        assert_eq!(shop.state(made.as_str()).await, State::Confirming);
        is_sound(shop).await;
    }
}

pub(crate) async fn a_line_pulls_overdue_holds_of_all_its_locations<F: Fixture>() {
    for cache in [true, false] {
        let fixture = F::empty().await;
        let shop = shop(&fixture, [2, 3, 0, 9], cache).await;
        let at = |id: &str, place: &str, count, ttl_ms| {
            let Command::Place(mut command) = place_for(id, &[("lamp", count)], ttl_ms) else {
                unreachable!("it places");
            };
            command.lines[0].location = location(place);
            ask(Command::Place(command))
        };
        shop.ok(at("h-1", "main", 2, 1_000)).await;
        shop.ok(at("h-2", "east", 3, 2_000)).await;
        shop.ok(at("h-3", "safety", 9, 1_000)).await;
        shop.clock.advance(5_000);
        let six = ask(place_open("h-4", &[("lamp", 6)], 600_000));
        assert_eq!(shop.no(six).await, sold_out("lamp"));
        let all = hold_of(
            shop.ok(ask(place_open("h-5", &[("lamp", 5)], 600_000)))
                .await,
        );
        assert_eq!(places(&all.hold), [("main", 2), ("east", 3)]);
        let states = [
            ("h-1", State::Expired),
            ("h-2", State::Expired),
            ("h-3", State::Held),
        ];
        for (id, state) in states {
            assert_eq!(shop.state(id).await, state, "{id}");
        }
        is_sound(shop).await;
    }
}

pub(crate) async fn the_gate_refuses_an_open_line_only_where_every_location_is_empty<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = shop(&fixture, [1, 1, 1, 5], true).await;
    shop.ok(ask(place_open("h-1", &[("lamp", 2)], 600_000)))
        .await;
    let ask_for = |id: &str, count| ask(place_open(id, &[("lamp", count)], 600_000));
    assert_eq!(shop.no(ask_for("h-2", 2)).await, sold_out("lamp"));
    let locks = shop.store.script.locks();
    assert_eq!(shop.no(ask_for("h-2", 2)).await, sold_out("lamp"));
    assert!(shop.store.script.locks() > locks, "a unit is left: it asks");
    shop.ok(ask_for("h-3", 1)).await;
    assert_eq!(shop.no(ask_for("h-2", 1)).await, sold_out("lamp"));
    let locks = shop.store.script.locks();
    assert_eq!(shop.no(ask_for("h-2", 1)).await, sold_out("lamp"));
    assert_eq!(shop.store.script.locks(), locks, "the gate said so");
    is_sound(shop).await;
}
