//! Being told that an order runs out: said too early, of another limit, or by another event.

use super::orders::forged;
use super::shop::{put, receive};
use super::site::{History, Named, named, plant_in};
use super::trade::{LIMIT_MS, PRICE, Trade, ask, charged, order};
use evenkeel_engine::commit::{Command, Outcome};
use evenkeel_engine::port::Store;
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::order::Task;
use evenkeel_rules::payment::Settled;
use evenkeel_rules::time::Millis;

/// An order whose customer is told four seconds before its limit, and two others.
pub(crate) async fn history(store: &dyn Store) {
    let mut trade = Trade::new(store);
    trade.shop.warn = Millis(5_000);
    trade.shop.run("put", put("lamp", "Lamp")).await;
    trade.shop.run("rec", receive("lamp", 9)).await;
    for id in ["o-1", "o-2"] {
        trade.take(ask(id, 1)).await;
    }
    let pending = charged("o-1", Settled::Pending, PRICE);
    trade.told("o-1", Task::Charge, pending).await;
    trade.sold("o-3", 1).await;
    trade.shop.wait(LIMIT_MS - 4_000);
    let warned = trade.warn("o-1").await;
    assert!(matches!(warned, Outcome::Accepted { .. }), "{warned:?}");
    for id in ["o-1", "o-3"] {
        let again = trade.warn(id).await;
        assert!(matches!(again, Outcome::Unchanged { .. }), "{again:?}");
    }
}

impl Trade<'_> {
    async fn warn(&mut self, id: &str) -> Outcome {
        let lease = self.lease(self.row(id).await.created).await;
        let warn = Command::WarnOrder {
            id: order(id),
            random: 0,
            lease,
        };
        self.shop.run("", warn).await
    }
}

fn illegal() -> Named {
    named(Invariant::I7, Kind::IllegalTransition, "order o-1")
}

fn edited() -> Named {
    named(Invariant::I15, Kind::StateEdited, "order o-1")
}

#[tokio::test]
async fn a_limit_that_is_not_the_orders_is_named() {
    plant_in(History::Warnings, |site| {
        let other = ("\"warned_of\":1", "\"warned_of\":2");
        forged(site, &["order.expiring"], other);
        vec![illegal(), edited()]
    })
    .await;
}

#[tokio::test]
async fn one_that_is_told_too_early_is_named() {
    plant_in(History::Warnings, |site| {
        let taken = ["order.created", "\"stream\":\"order:o-1\""];
        forged(site, &taken, ("\"warn\":5000", "\"warn\":3000"));
        vec![illegal(), edited()]
    })
    .await;
}

#[tokio::test]
async fn one_that_another_event_tells_is_named() {
    plant_in(History::Warnings, |site| {
        let other = ("\"order.expiring\"", "\"order.updated\"");
        forged(site, &["order.expiring"], other);
        vec![illegal()]
    })
    .await;
}
