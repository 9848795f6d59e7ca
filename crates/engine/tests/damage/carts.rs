//! Carts: damaged rows, and what a wrong judge would write of them.

use super::log::{at, forge, reword};
use super::shop::{Shop, put, receive, sku};
use super::site::{Memory, Named, Site, findings, look, look_with, named};
use evenkeel_engine::commit::{Command, cart_name};
use evenkeel_engine::port::CartRow;
use evenkeel_engine::verify::{Acks, Inputs, Invariant, Kind};
use evenkeel_rules::cart::{Set, State};
use evenkeel_rules::ids::{CartId, CustomerId, OrderId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::Millis;

/// Where the cart is begun, where its line is set and set again, and where it is checked out.
const BEGUN: u64 = 3;
const SET: u64 = 4;
const AGAIN: u64 = 5;
const CHECKED_OUT: u64 = 6;

fn id() -> CartId {
    CartId::new("c-1").expect("a well-formed id")
}

fn set(quantity: u64) -> Command {
    let line = Set {
        sku: sku("lamp"),
        quantity: Quantity::new(quantity).ok(),
        ttl: Millis(60_000),
    };
    Command::SetLine { id: id(), line }
}

/// A cart that became an order.
async fn bought() -> Memory {
    let site = Memory::new();
    let mut shop = Shop::new(&site.0);
    let customer = CustomerId::new("ann").expect("a well-formed id");
    let check_out = Command::CheckOut {
        id: id(),
        order: OrderId::new("o-1").expect("a well-formed id"),
        method: "card".to_owned(),
        confirming: Millis(900_000),
        private: "{}".to_owned(),
    };
    for (key, command) in [
        ("", put("lamp", "Lamp")),
        ("", receive("lamp", 10)),
        ("k-1", Command::BeginCart { id: id(), customer }),
        ("", set(2)),
        ("k-2", set(3)),
        ("k-3", check_out),
    ] {
        shop.run(key, command).await;
    }
    assert_eq!(site.head().0, CHECKED_OUT);
    site
}

/// What `verify` finds once a cart was bought and then this was done.
async fn after(damage: impl FnOnce(&mut Memory)) -> Vec<Named> {
    let mut site = bought().await;
    let whole = look(&site).await;
    assert!(whole.ok, "{:#?}", findings(&whole));
    damage(&mut site);
    findings(&look(&site).await)
}

fn edited() -> Vec<Named> {
    vec![named(Invariant::I15, Kind::StateEdited, "cart c-1")]
}

#[tokio::test]
async fn an_edited_or_removed_row_is_named() {
    let edits: [fn(&mut CartRow); 5] = [
        |row| row.body.lines[0].quantity = Quantity::ONE,
        |row| row.body.state = State::Open,
        |row| row.body.order = None,
        |row| row.version += 1,
        |row| row.last = AGAIN,
    ];
    for edit in edits {
        let found = after(|site| {
            site.0.edit(|tables| {
                edit(tables.carts.get_mut(&BEGUN).expect("the cart is there"));
            });
        });
        assert_eq!(found.await, edited());
    }
    let found = after(|site| {
        site.0.edit(|tables| drop(tables.carts.remove(&BEGUN)));
    });
    assert_eq!(found.await, edited());
}

#[tokio::test]
async fn a_lost_row_of_the_log_hides_no_other_damage_of_what_it_made() {
    let site = bought().await;
    site.0.edit(|tables| drop(tables.log.remove(at(BEGUN))));
    let lost = named(Invariant::I16, Kind::EntryRemoved, "log 3");
    assert_eq!(findings(&look(&site).await), std::slice::from_ref(&lost));
    site.0.edit(|tables| drop(tables.carts.remove(&BEGUN)));
    let expected = [edited(), vec![lost]].concat();
    assert_eq!(findings(&look(&site).await), expected);
}

#[tokio::test]
async fn an_id_that_is_not_known_any_more_is_named() {
    let found = after(|site| site.remove_name(cart_name(&id())));
    let expected = vec![named(Invariant::I6, Kind::KeyMissing, "cart c-1")];
    assert_eq!(found.await, expected);
}

/// Rewrites a row of the log, its hashes fitting, and says which laws of which subjects it breaks.
async fn forged(position: u64, from: &str, to: &str) -> Vec<(Invariant, String)> {
    let found = after(|site| {
        let mut log = site.log();
        reword(&mut log[at(position)], from, to);
        forge(site, log, position);
    });
    let of = |found: Named| (found.0, found.2);
    found.await.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_line_without_its_hold_breaks_the_law() {
    let law = (Invariant::I7, "cart c-1".to_owned());
    for (from, to) in [
        // It is kept for longer than its hold, or for other units.
        (
            "\"price\":{\"amount\":1999,\"currency\":\"EUR\"},\"deadline\":1",
            "\"price\":{\"amount\":1999,\"currency\":\"EUR\"},\"deadline\":2",
        ),
        (
            "\"state\":\"open\",\"lines\":[{\"sku\":\"lamp\"",
            "\"state\":\"open\",\"lines\":[{\"sku\":\"lump\"",
        ),
    ] {
        let found = forged(SET, from, to).await;
        assert!(found.contains(&law), "{to}: {found:?}");
    }
}

#[tokio::test]
async fn a_check_out_that_is_not_its_orders_breaks_the_law() {
    let law = (Invariant::I7, "cart c-1".to_owned());
    for (from, to) in [
        (
            "\"order\":\"o-1\",\"created_at\"",
            "\"order\":\"o-2\",\"created_at\"",
        ),
        ("\"state\":\"checked_out\"", "\"state\":\"open\""),
        (
            "\"state\":\"checked_out\",\"lines\":[{\"sku\":\"lamp\"",
            "\"state\":\"checked_out\",\"lines\":[{\"sku\":\"lump\"",
        ),
    ] {
        let found = forged(CHECKED_OUT, from, to).await;
        assert!(found.contains(&law), "{to}: {found:?}");
    }
}

#[tokio::test]
async fn only_the_line_of_a_cart_is_held_again() {
    let mut site = bought().await;
    let mut log = site.log();
    // The line's hold under an id that is no cart's, wherever it is named.
    for row in &mut log {
        let text = String::from_utf8(row.text.clone()).expect("text");
        row.text = text.replace("cart:c-1:lamp", "hold:c-1:lamp").into_bytes();
    }
    forge(&mut site, log, SET);
    let found = findings(&look(&site).await);
    let again = |it: &Named| it.0 == Invariant::I7 && it.2 == "hold hold:c-1:lamp";
    assert!(found.iter().any(again), "{found:?}");
}

#[tokio::test]
async fn a_sold_out_counts_the_units_that_the_line_has_already() {
    let site = bought().await;
    let sold_out = |wanted: u64| {
        let line = serde_json::json!({
            "id": "c-1", "method": "PUT", "route": "/v1/carts/c-1/lines/lamp", "status": 409,
            "code": "stock.sold_out", "token": format!("main.1:{AGAIN}"),
            "lines": [{"sku": "lamp", "quantity": wanted}],
        });
        Inputs {
            acks: Some(Acks::read(format!("{line}\n").as_bytes())),
            ..Inputs::default()
        }
    };
    // Seven are available, and three are its own.
    let right = look_with(&site, sold_out(11)).await;
    assert_eq!(findings(&right), []);
    let wrong = look_with(&site, sold_out(10)).await;
    let expected = [named(Invariant::I22, Kind::FalseSoldOut, "sku lamp")];
    assert_eq!(findings(&wrong), expected);
}
