//! Customers' shares: each way in which they come and go, and what is damaged about them.

use super::shop::{Shop, confirm, hold, place, put, receive, release, sku, units};
use super::site::{History, Memory, Named, findings, look, named, plant_in};
use super::trade::{LIMIT_MS, PRICE, Trade, ask, back, cancel, charged, money_news, parcel};
use evenkeel_engine::commit::{Command, Outcome, Rejection};
use evenkeel_engine::port::{Share, Store};
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::hold as rule;
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::order::{Ask, Task, Told, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;

fn most(id: &str, most: Option<u64>) -> Command {
    let Command::PutSku { mut terms } = put(id, id) else {
        unreachable!("an entry is put");
    };
    terms.max_per_customer = most.map(units);
    Command::PutSku { terms }
}

fn share(id: &str) -> Share {
    (sku(id), CustomerId::new("c-1").expect("a well-formed id"))
}

/// One lamp that counts, a stool that came back, a desk that nobody limits.
pub(crate) async fn history(store: &dyn Store) {
    let mut shop = Shop::new(store);
    for (id, limit) in [("lamp", Some(5)), ("stool", Some(2)), ("desk", None)] {
        shop.run(&format!("put-{id}"), most(id, limit)).await;
        shop.run(&format!("rec-{id}"), receive(id, 20)).await;
    }
    shop.run("p-1", place("h-1", &[("lamp", 3)], 600_000)).await;
    shop.run("c-1", confirm("h-1", Some(&[("lamp", 1)]))).await;
    shop.run("p-2", place("h-2", &[("lamp", 4)], 600_000)).await;
    shop.run("r-2", release("h-2")).await;
    let both = [("stool", 2), ("desk", 9)];
    shop.run("p-3", place("h-3", &both, 2_000)).await;
    shop.wait(2_000);
    shop.sweep().await.expect("the store answers");
    shop.run("p-4", place("h-4", &[("desk", 9)], 600_000)).await;
}

async fn damaged(id: &str, units: Option<u64>) {
    plant_in(History::Shares, |site| {
        site.set_share(&share(id), units);
        let subject = format!("sku {id}");
        let found: Vec<Named> = vec![named(Invariant::I8, Kind::BalanceEdited, &subject)];
        found
    })
    .await;
}

#[tokio::test]
async fn an_edited_share_is_named() {
    damaged("lamp", Some(0)).await;
    damaged("lamp", Some(2)).await;
    damaged("stool", Some(1)).await;
}

#[tokio::test]
async fn a_removed_share_is_named_even_if_it_was_nothing() {
    damaged("lamp", None).await;
    damaged("stool", None).await;
}

#[tokio::test]
async fn a_share_that_the_log_does_not_know_is_named() {
    damaged("desk", Some(0)).await;
}

/// A trade in lamps of which one customer may have five.
async fn limited(site: &Memory) -> Trade<'_> {
    let mut trade = Trade::new(&site.0);
    trade.shop.run("put-1", most("lamp", Some(5))).await;
    trade.shop.run("rec-1", receive("lamp", 20)).await;
    trade
}

/// What the customer has, by the row; and that `verify` agrees.
async fn has(site: &Memory) -> u64 {
    let report = look(site).await;
    assert!(report.ok, "{:#?}", findings(&report));
    let rows = site.0.shares(None, 9).await.expect("readable").rows;
    rows.into_iter().map(|(_, units)| units).sum()
}

fn beyond(has: u64) -> Rejection {
    rule::Rejection::LimitCustomer {
        sku: sku("lamp"),
        most: units(5),
        has,
    }
    .into()
}

async fn refused(trade: &mut Trade<'_>, ask: Ask) -> Rejection {
    match trade.take(ask).await {
        Outcome::Refused { rejection, .. } => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_order_is_judged_by_its_customers_share() {
    let site = Memory::new();
    let mut trade = limited(&site).await;
    assert_eq!(refused(&mut trade, ask("o-1", 6)).await, beyond(0));
    trade.take(ask("o-2", 2)).await;
    assert_eq!(has(&site).await, 2);
    let place = place("h-1", &[("lamp", 3)], 600_000);
    trade.shop.run("p-1", place).await;
    assert_eq!(refused(&mut trade, ask("o-3", 1)).await, beyond(5));
    // What a given hold has was counted when it was placed, and is not counted again.
    let held = Ask {
        hold: Some(hold("h-1")),
        ..ask("o-4", 3)
    };
    assert!(matches!(trade.take(held).await, Outcome::Accepted { .. }));
    assert_eq!(has(&site).await, 5);
    // The units of a hold are its customer's, whoever orders.
    let other = Ask {
        hold: Some(hold("h-1")),
        customer: CustomerId::new("c-2").expect("a well-formed id"),
        ..ask("o-5", 3)
    };
    let not_found: Rejection = rule::Rejection::NotFound.into();
    assert_eq!(refused(&mut trade, other).await, not_found);
}

#[tokio::test]
async fn an_order_that_is_not_paid_gives_its_share_back() {
    let site = Memory::new();
    let mut trade = limited(&site).await;
    trade.take(ask("o-1", 5)).await;
    trade.told("o-1", Task::Charge, Told::Refused).await;
    assert_eq!(has(&site).await, 0);
    trade.take(ask("o-2", 5)).await;
    trade.shop.run("can-2", cancel("o-2")).await;
    assert_eq!(has(&site).await, 0);
}

#[tokio::test]
async fn a_cancel_that_unsells_gives_the_share_back() {
    let site = Memory::new();
    let mut trade = limited(&site).await;
    trade.sold("o-1", 5).await;
    assert_eq!(has(&site).await, 5);
    trade.shop.run("can-1", cancel("o-1")).await;
    trade
        .told("o-1", Task::Recall, parcel("o-1", Parcel::Cancelled))
        .await;
    assert_eq!(has(&site).await, 0);
}

#[tokio::test]
async fn what_is_returned_is_given_back_and_what_is_kept_is_not() {
    let site = Memory::new();
    let mut trade = limited(&site).await;
    trade.delivered("o-1", 5).await;
    assert_eq!(refused(&mut trade, ask("o-2", 1)).await, beyond(5));
    trade.shop.run("ret-1", back("o-1", 2, true)).await;
    assert_eq!(has(&site).await, 3);
    trade.shop.run("ret-2", back("o-1", 1, false)).await;
    assert_eq!(has(&site).await, 2);
    assert_eq!(refused(&mut trade, ask("o-3", 4)).await, beyond(2));
    trade.take(ask("o-4", 3)).await;
    assert_eq!(has(&site).await, 5);
}

/// An order whose money did not come until its limit.
async fn expired(trade: &mut Trade<'_>) {
    trade.take(ask("o-1", 3)).await;
    let pending = || charged("o-1", Settled::Pending, 3 * PRICE);
    trade.told("o-1", Task::Charge, pending()).await;
    trade.shop.wait(LIMIT_MS);
    trade.told("o-1", Task::AskCharge, pending()).await;
}

#[tokio::test]
async fn money_that_comes_late_buys_within_the_limit_or_goes_back() {
    for (meanwhile, after) in [(0, 3), (2, 5), (3, 3)] {
        let site = Memory::new();
        let mut trade = limited(&site).await;
        expired(&mut trade).await;
        assert_eq!(has(&site).await, 0);
        if meanwhile > 0 {
            trade.take(ask("o-2", meanwhile)).await;
        }
        let news = money_news("o-1", Word::Completed, 3 * PRICE);
        trade.heard("e-1", "o-1", news).await;
        assert_eq!(has(&site).await, after, "{meanwhile} were bought meanwhile");
        let refunds = trade.row("o-1").await.body.refunds.len();
        assert_eq!(refunds, usize::from(meanwhile == 3));
    }
}
