//! Carts: damaged rows, and what a wrong judge would write of them.

use super::log::{at, forge, reword};
use super::shop::{START, Shop, put, receive, sku};
use super::site::{History, Memory, Named, Site, findings, look, look_with, named, plant_in};
use evenkeel_engine::commit::{Command, cart_name};
use evenkeel_engine::port::{CartRow, Store};
use evenkeel_engine::verify::{Acks, Inputs, Invariant, Kind};
use evenkeel_rules::cart::{Set, State};
use evenkeel_rules::ids::{CartId, CustomerId, OrderId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::{LogTime, Millis};
use std::collections::BTreeSet;

/// Where the cart is begun, where its line is set and set again, and where it is checked out.
const BEGUN: u64 = 3;
const SET: u64 = 4;
const AGAIN: u64 = 5;
const CHECKED_OUT: u64 = 6;

/// Where two more are begun and the first of them has a line, in the history of all adapters.
const OTHER: u64 = 7;
const LAST: u64 = 9;

fn cart(id: &str) -> CartId {
    CartId::new(id).expect("a well-formed id")
}

fn id() -> CartId {
    cart("c-1")
}

fn begin(id: CartId) -> Command {
    let customer = CustomerId::new("ann").expect("a well-formed id");
    Command::BeginCart { id, customer }
}

fn set(id: CartId, quantity: u64) -> Command {
    set_of("lamp", id, (quantity, Millis(60_000)))
}

fn set_of(of: &str, id: CartId, (quantity, ttl): (u64, Millis)) -> Command {
    let line = Set {
        sku: sku(of),
        quantity: Quantity::new(quantity).ok(),
        ttl,
    };
    Command::SetLine { id, line }
}

/// A cart that became an order.
async fn buy(shop: &mut Shop<'_>) {
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
        ("k-1", begin(id())),
        ("", set(id(), 2)),
        ("k-2", set(id(), 3)),
        ("k-3", check_out),
    ] {
        shop.run(key, command).await;
    }
}

async fn bought() -> Memory {
    let site = Memory::new();
    buy(&mut Shop::new(&site.0)).await;
    assert_eq!(site.head().0, CHECKED_OUT);
    site
}

/// A cart that became an order, one that is open and one that is empty.
pub(crate) async fn history(store: &dyn Store) {
    let mut shop = Shop::new(store);
    buy(&mut shop).await;
    shop.run("", begin(cart("c-2"))).await;
    shop.run("", set(cart("c-2"), 1)).await;
    shop.run("", begin(cart("c-3"))).await;
    let head = store.head().await.expect("readable");
    assert_eq!(head.position, LAST);
}

/// A cart of two lines, of which a row changes the one and lets the other be, whose time is longer.
pub(crate) async fn two_lines(store: &dyn Store) {
    let mut shop = Shop::new(store);
    let lamps = |units| set_of("lamp", id(), (units, Millis(60_000)));
    let desks = |units| set_of("desk", id(), (units, Millis(30_000)));
    for command in [
        put("lamp", "Lamp"),
        put("desk", "Desk"),
        receive("lamp", 10),
        receive("desk", 10),
        begin(id()),
        lamps(2),
        desks(1),
        lamps(3),
        desks(2),
        lamps(1),
        desks(0),
    ] {
        shop.run("", command).await;
    }
}

/// What `verify` finds once a cart was bought and then this was done.
async fn after(damage: impl FnOnce(&mut Memory)) -> Vec<Named> {
    let mut site = bought().await;
    let whole = look(&site).await;
    assert!(whole.ok, "{:#?}", findings(&whole));
    damage(&mut site);
    findings(&look(&site).await)
}

fn state(id: &str) -> Named {
    named(Invariant::I15, Kind::StateEdited, &format!("cart {id}"))
}

#[tokio::test]
async fn carts_that_nobody_damaged_are_held() {
    plant_in(History::Carts, |_| Vec::new()).await;
}

#[tokio::test]
async fn an_edited_row_is_named() {
    let edits: [fn(&mut CartRow); 12] = [
        |row| row.body.lines[0].quantity = Quantity::ONE,
        |row| row.body.lines[0].sku = sku("desk"),
        |row| row.body.lines[0].deadline = LogTime::from_micros(START),
        |row| row.body.lines[0].lost = true,
        |row| row.body.lines.clear(),
        |row| row.body.customer = CustomerId::new("bob").expect("a well-formed id"),
        |row| row.body.state = State::Open,
        |row| row.body.order = None,
        |row| row.body.created_at = LogTime::from_micros(START),
        |row| row.version += 1,
        |row| row.last = AGAIN,
        |row| row.flagged = true,
    ];
    for edit in edits {
        plant_in(History::Carts, |site| {
            site.edit_cart(BEGUN, &edit);
            vec![state("c-1")]
        })
        .await;
    }
}

#[tokio::test]
async fn a_cart_moved_to_another_birth_is_named() {
    plant_in(History::Carts, |site| {
        site.edit_cart(OTHER, &|row| row.created = SET);
        vec![state("c-2")]
    })
    .await;
}

#[tokio::test]
async fn a_cart_that_no_row_began_is_named() {
    plant_in(History::Carts, |site| {
        site.edit_cart(OTHER, &|row| row.body.id = cart("c-9"));
        vec![state("c-9"), state("c-2")]
    })
    .await;
}

fn removed(site: &mut dyn Site, (created, id): (u64, &str)) -> Vec<Named> {
    site.remove_life(created);
    vec![state(id)]
}

#[tokio::test]
async fn a_removed_row_is_named() {
    for which in [(BEGUN, "c-1"), (OTHER, "c-2"), (LAST, "c-3")] {
        plant_in(History::Carts, |site| removed(site, which)).await;
    }
}

#[tokio::test]
async fn a_lost_row_of_the_log_hides_no_other_damage_of_what_it_made() {
    let site = bought().await;
    site.0.edit(|tables| drop(tables.log.remove(at(BEGUN))));
    let lost = named(Invariant::I16, Kind::EntryRemoved, "log 3");
    assert_eq!(findings(&look(&site).await), std::slice::from_ref(&lost));
    site.0.edit(|tables| drop(tables.carts.remove(&BEGUN)));
    let expected = [state("c-1"), lost];
    assert_eq!(findings(&look(&site).await), expected);
}

#[tokio::test]
async fn an_id_that_is_not_known_any_more_is_named() {
    for id in ["c-1", "c-2"] {
        plant_in(History::Carts, |site| {
            site.remove_name(cart_name(&cart(id)));
            let subject = format!("cart {id}");
            vec![named(Invariant::I6, Kind::KeyMissing, &subject)]
        })
        .await;
    }
}

/// Log and head were cut together; the row of an empty cart alone was written since.
fn cut(site: &mut dyn Site) -> Vec<Named> {
    let mut log = site.log();
    log.truncate(at(LAST));
    site.set_head(LAST - 1, log[at(LAST - 1)].hash);
    site.set_log(log);
    let subject = format!("log {LAST}");
    vec![named(Invariant::I16, Kind::TailCut, &subject)]
}

#[tokio::test]
async fn a_tail_cut_together_with_its_head_is_told_by_a_cart() {
    plant_in(History::Carts, cut).await;
}

/// Rewrites of a row of the log, by which a cart would break its law.
const WITHOUT_HOLD: [(u64, &str, &str); 2] = [
    // It is kept for longer than its hold, or for other units.
    (
        SET,
        "\"price\":{\"amount\":1999,\"currency\":\"EUR\"},\"deadline\":1",
        "\"price\":{\"amount\":1999,\"currency\":\"EUR\"},\"deadline\":2",
    ),
    (
        SET,
        "\"state\":\"open\",\"lines\":[{\"sku\":\"lamp\"",
        "\"state\":\"open\",\"lines\":[{\"sku\":\"lump\"",
    ),
];
const NOT_ITS_ORDERS: [(u64, &str, &str); 3] = [
    (
        CHECKED_OUT,
        "\"order\":\"o-1\",\"created_at\"",
        "\"order\":\"o-2\",\"created_at\"",
    ),
    (
        CHECKED_OUT,
        "\"state\":\"checked_out\"",
        "\"state\":\"open\"",
    ),
    (
        CHECKED_OUT,
        "\"state\":\"checked_out\",\"lines\":[{\"sku\":\"lamp\"",
        "\"state\":\"checked_out\",\"lines\":[{\"sku\":\"lump\"",
    ),
];
const ILL_BEGUN: [(u64, &str, &str); 4] = [
    (
        BEGUN,
        "\"lines\":[],\"created_at\":1",
        "\"lines\":[],\"created_at\":2",
    ),
    (
        BEGUN,
        "\"type\":\"cart.updated\"",
        "\"type\":\"cart.checked_out\"",
    ),
    (
        BEGUN,
        "\"data\":{\"id\":\"c-1\"",
        "\"data\":{\"id\":\"c-9\"",
    ),
    (
        BEGUN,
        "\"data\":{\"id\":\"c-1\"",
        "\"data\":{\"mail\":\"1\",\"id\":\"c-1\"",
    ),
];

/// Rewrites a row of the log, its hashes fitting; what is then found, which must be that the cart
/// breaks the law, and how that is said.
async fn unlawful((position, from, to): (u64, &str, &str)) -> (Vec<Named>, BTreeSet<String>) {
    let mut site = bought().await;
    let mut log = site.log();
    reword(&mut log[at(position)], from, to);
    forge(&mut site, log, position);
    let report = look(&site).await;
    let found = findings(&report);
    let law = named(Invariant::I7, Kind::IllegalTransition, "cart c-1");
    assert!(found.contains(&law), "{to}: {found:?}");
    let said = report.findings().map(|one| one.detail.clone());
    (found, said.collect())
}

#[tokio::test]
async fn a_line_without_its_hold_breaks_the_law() {
    for change in WITHOUT_HOLD {
        unlawful(change).await;
    }
}

#[tokio::test]
async fn a_check_out_that_is_not_its_orders_breaks_the_law() {
    for change in NOT_ITS_ORDERS {
        unlawful(change).await;
    }
}

#[tokio::test]
async fn a_cart_that_does_not_begin_as_one_breaks_the_law() {
    for change in ILL_BEGUN {
        unlawful(change).await;
    }
}

#[tokio::test]
async fn a_member_that_no_cart_has_is_named() {
    let (found, _) = unlawful(ILL_BEGUN[3]).await;
    let leaked = named(Invariant::I21, Kind::TextLeaked, "cart c-1");
    assert!(found.contains(&leaked), "{found:?}");
}

#[tokio::test]
async fn a_cart_whose_versions_are_not_dense_is_named() {
    for (from, to, kind) in [
        ("\"version\":2", "\"version\":3", Kind::VersionGap),
        ("\"previous\":3", "\"previous\":2", Kind::IllegalTransition),
    ] {
        let found = after(|site| {
            let mut log = site.log();
            reword(&mut log[at(SET)], from, to);
            forge(site, log, SET);
        });
        assert_eq!(found.await, [named(Invariant::I7, kind, "cart c-1")]);
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

#[cfg(feature = "sqlite")]
mod of_a_file {
    use super::super::file::File;
    use super::super::site::{all_is_said, words};
    use super::*;

    /// What is found, in words, once a cart's body is no JSON any more.
    async fn garbled((created, id): (u64, &str)) -> BTreeSet<String> {
        let file = File::of(History::Carts).await;
        let change = format!("UPDATE cart SET body = x'7b' WHERE created = {created}");
        file.change(&change);
        let report = look(&file).await;
        assert_eq!(findings(&report), [state(id)]);
        report.findings().map(|one| one.detail.clone()).collect()
    }

    #[tokio::test]
    async fn a_cart_that_cannot_be_read_is_named_and_the_others_are_compared() {
        for which in [(BEGUN, "c-1"), (OTHER, "c-2"), (LAST, "c-3")] {
            garbled(which).await;
        }
    }

    #[tokio::test]
    async fn every_finding_about_carts_is_told_by_a_damage() {
        let damages: [fn(&mut dyn Site) -> Vec<Named>; 3] = [
            |site| {
                site.edit_cart(BEGUN, &|row| row.version += 1);
                vec![state("c-1")]
            },
            |site| removed(site, (BEGUN, "c-1")),
            cut,
        ];
        let mut said = garbled((BEGUN, "c-1")).await;
        for damage in damages {
            said.extend(words(History::Carts, damage).await);
        }
        let laws = WITHOUT_HOLD.into_iter().chain(NOT_ITS_ORDERS);
        for law in laws.chain(ILL_BEGUN) {
            said.extend(unlawful(law).await.1);
        }
        all_is_said(include_str!("../../src/verify/carts.rs"), &said);
    }
}
