//! A shop that sells orders: what providers say is played by the tests, one commit at a time.

use super::shop::{Shop, put, receive, sku, units};
use evenkeel_engine::callback::Sender;
use evenkeel_engine::commit::{Command, Outcome, Received};
use evenkeel_engine::port::{DueRow, OrderRow, Store};
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, OrderId, RefundId};
use evenkeel_rules::lease::shard_of;
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{
    Adjustment, AdjustmentKind, Ask, News, Receipt, ReturnLine, Task, Told, Word,
};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;
use evenkeel_rules::time::{LogTime, Millis};

/// What one lamp costs.
pub(crate) const PRICE: i64 = 1_999;
/// How long money may take.
pub(crate) const LIMIT_MS: i64 = 900_000;

pub(crate) struct Trade<'a> {
    pub(crate) shop: Shop<'a>,
}

pub(crate) fn order(id: &str) -> OrderId {
    OrderId::new(id).expect("a well-formed id")
}

pub(crate) fn euro(amount: i64) -> Money {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    Money { amount, currency }
}

pub(crate) fn ask(id: &str, count: u64) -> Ask {
    Ask {
        id: order(id),
        customer: CustomerId::new("c-1").expect("a well-formed id"),
        lines: vec![Wanted {
            sku: sku("lamp"),
            location: LocationId::main(),
            quantity: units(count),
        }],
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: Millis(LIMIT_MS.unsigned_abs()),
    }
}

/// A receipt of an order's charge.
pub(crate) fn charged(id: &str, status: Settled, amount: i64) -> Told {
    Told::Money(Receipt {
        transaction: format!("t-{id}"),
        status,
        amount: Some(amount),
    })
}

pub(crate) fn parcel(id: &str, status: Parcel) -> Told {
    let delivery = format!("d-{id}");
    Told::Parcel { delivery, status }
}

fn paid_back(id: &str, number: usize, amount: i64) -> Told {
    Told::Money(Receipt {
        transaction: format!("r-{id}-{number}"),
        status: Settled::Completed,
        amount: Some(amount),
    })
}

pub(crate) fn money_news(id: &str, word: Word, amount: i64) -> News {
    News::Money {
        word,
        transaction: format!("t-{id}"),
        amount: euro(amount),
    }
}

pub(crate) fn refund_of(id: &str, name: &str, amount: Option<i64>) -> Command {
    Command::RefundOrder {
        id: order(id),
        refund: RefundId::new(name).expect("a well-formed id"),
        amount: amount.map(euro),
        reason: Some("it was scratched".to_owned()),
    }
}

pub(crate) fn resolve(id: &str, go_on: bool) -> Command {
    Command::ResolveOrder {
        id: order(id),
        go_on,
        confirming: Millis(60_000),
        reason: Some("a word of mine".to_owned()),
    }
}

pub(crate) fn cancel(id: &str) -> Command {
    let reason = Some("another colour, please".to_owned());
    let id = order(id);
    Command::CancelOrder { id, reason }
}

pub(crate) fn back(id: &str, count: u64, restock: bool) -> Command {
    let line = ReturnLine {
        sku: sku("lamp"),
        quantity: units(count),
    };
    Command::ReturnOrder {
        id: order(id),
        lines: vec![line],
        restock,
    }
}

impl<'a> Trade<'a> {
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        let shop = Shop::new(store);
        Self { shop }
    }

    pub(crate) async fn take(&mut self, ask: Ask) -> Outcome {
        let private = r#"{"token":"tok_secret","address":{"name":"Ada Lovelace"}}"#.to_owned();
        let key = format!("take-{}", ask.id);
        let ask = Box::new(ask);
        let command = Command::TakeOrder { ask, private };
        self.shop.run(&key, command).await
    }

    pub(crate) async fn row(&self, id: &str) -> OrderRow {
        let row = self.shop.store.order(&order(id)).await;
        row.expect("readable").rows.expect("the order is there")
    }

    /// A node joins; those that were silent for long are gone then.
    pub(crate) async fn join(&mut self, node: &str) {
        let beat = Command::Beat {
            node: node.to_owned(),
            joined: None,
            ttl: Millis(5_000),
        };
        self.shop.run("", beat).await;
    }

    /// What is written under for a row; nothing while no node ever joined.
    pub(crate) async fn lease(&self, created: u64) -> Option<u64> {
        let head = self.shop.store.head().await.expect("readable");
        let owner = head.leases.owner(shard_of(created));
        owner.map(|lease| lease.token)
    }

    pub(crate) async fn told(&mut self, id: &str, task: Task, told: Told) {
        let seen = self.row(id).await.version;
        let report = Command::Report {
            id: order(id),
            task,
            told,
            seen,
            random: 0,
            lease: self.lease(self.row(id).await.created).await,
        };
        self.shop.run("", report).await;
    }

    /// Stores a callback; where it stands.
    pub(crate) async fn hear(&mut self, event: &str, id: &str, news: News) -> Option<u64> {
        let sender = match news {
            News::Money { .. } => Sender::Payment,
            News::Parcel { .. } => Sender::Delivery,
        };
        let raw = format!("{event} says {news:?}");
        let received = Received {
            sender,
            provider: "sandbox".to_owned(),
            event: event.to_owned(),
            order: order(id),
            news,
            raw,
        };
        let stored = Command::StoreCallback(Box::new(received));
        match self.shop.run("", stored).await {
            Outcome::Accepted { position, .. } => Some(position),
            _ => None,
        }
    }

    pub(crate) async fn apply(&mut self, created: u64) {
        let lease = self.lease(created).await;
        let apply = Command::ApplyCallback { created, lease };
        self.shop.run("", apply).await;
    }

    pub(crate) async fn heard(&mut self, event: &str, id: &str, news: News) {
        let created = self.hear(event, id, news).await;
        self.apply(created.expect("it is new")).await;
    }

    async fn moved(&mut self, id: &str, status: Parcel) {
        let delivery = format!("d-{id}");
        let news = News::Parcel { delivery, status };
        self.heard(&format!("{id}-{}", status.name()), id, news)
            .await;
    }

    async fn refunded(&mut self, id: &str, number: usize, amount: i64) {
        let told = paid_back(id, number, amount);
        self.told(id, Task::Refund(number), told).await;
    }

    /// Takes an order, with its money, and its parcel asked for.
    pub(crate) async fn sold(&mut self, id: &str, count: u64) {
        self.take(ask(id, count)).await;
        let total = PRICE * i64::try_from(count).expect("a few");
        let receipt = charged(id, Settled::Completed, total);
        self.told(id, Task::Charge, receipt).await;
        self.told(id, Task::Deliver, parcel(id, Parcel::Initiated))
            .await;
    }

    pub(crate) async fn delivered(&mut self, id: &str, count: u64) {
        self.sold(id, count).await;
        self.moved(id, Parcel::InTransit).await;
        self.moved(id, Parcel::Delivered).await;
    }

    /// Every state that an order can stand in, and every way to its end.
    pub(crate) async fn open(&mut self) {
        self.shop.run("put-1", put("lamp", "Lamp")).await;
        self.shop.run("rec-1", receive("lamp", 60)).await;
        self.join("node-a").await;
        self.went_well().await;
        self.went_back().await;
        self.join("node-b").await;
        self.was_never_paid().await;
        self.was_paid_late().await;
        self.join("node-c").await;
        self.needs_a_person().await;
        self.was_heard_of_oddly().await;
        for (id, at) in [("o-30", 0), ("o-31", 1), ("o-32", 2), ("o-33", 3)] {
            self.take(ask(id, 1)).await;
            if at > 0 {
                let receipt = charged(id, Settled::Completed, PRICE);
                self.told(id, Task::Charge, receipt).await;
            }
            if at > 1 {
                let parcel = parcel(id, Parcel::Initiated);
                self.told(id, Task::Deliver, parcel).await;
            }
            if at > 2 {
                self.moved(id, Parcel::InTransit).await;
            }
        }
    }

    async fn went_well(&mut self) {
        self.delivered("o-1", 2).await;
        let free = Adjustment {
            kind: AdjustmentKind::Discount,
            amount: -PRICE,
        };
        let gift = Ask {
            adjustments: vec![free],
            ..ask("o-2", 1)
        };
        self.take(gift).await;
        self.told("o-2", Task::Deliver, parcel("o-2", Parcel::Initiated))
            .await;
        let place = super::shop::place("h-3", &[("lamp", 1)], 600_000);
        self.shop.run("place-3", place).await;
        let held = Ask {
            hold: Some(HoldId::new("h-3").expect("a well-formed id")),
            ..ask("o-3", 1)
        };
        self.take(held).await;
        let pending = charged("o-3", Settled::Pending, PRICE);
        self.told("o-3", Task::Charge, pending).await;
        let news = money_news("o-3", Word::Completed, PRICE);
        self.heard("e-3", "o-3", news).await;
    }

    async fn went_back(&mut self) {
        self.delivered("o-4", 3).await;
        self.shop.run("ret-4", back("o-4", 2, true)).await;
        self.shop.run("ret-4b", back("o-4", 1, false)).await;
        self.shop
            .run("ref-4", refund_of("o-4", "rf-1", Some(500)))
            .await;
        self.refunded("o-4", 0, 500).await;
        self.delivered("o-5", 1).await;
        self.shop.run("ref-5", refund_of("o-5", "rf-1", None)).await;
        self.refunded("o-5", 0, PRICE).await;
        self.sold("o-6", 2).await;
        self.shop.run("can-6", cancel("o-6")).await;
        let recalled = parcel("o-6", Parcel::Cancelled);
        self.told("o-6", Task::Recall, recalled).await;
        self.refunded("o-6", 0, 2 * PRICE).await;
        self.sold("o-7", 1).await;
        self.shop.run("can-7", cancel("o-7")).await;
        self.told("o-7", Task::Recall, Told::Refused).await;
        self.moved("o-7", Parcel::InTransit).await;
        self.sold("o-8", 1).await;
        self.shop.run("ref-8", refund_of("o-8", "rf-1", None)).await;
        let recalled = parcel("o-8", Parcel::Cancelled);
        self.told("o-8", Task::Recall, recalled).await;
        self.told("o-8", Task::Refund(0), Told::Unknown).await;
    }

    async fn was_never_paid(&mut self) {
        self.take(ask("o-10", 1)).await;
        self.told("o-10", Task::Charge, Told::Refused).await;
        self.take(ask("o-11", 1)).await;
        self.shop.run("can-11", cancel("o-11")).await;
        self.shop.run("can-12", cancel("o-12")).await;
        self.take(ask("o-13", 1)).await;
        let pending = charged("o-13", Settled::Pending, PRICE);
        self.told("o-13", Task::Charge, pending).await;
        self.take(ask("o-15", 1)).await;
        self.take(ask("o-14", 2)).await;
        let short = charged("o-14", Settled::Completed, PRICE);
        self.told("o-14", Task::Charge, short).await;
        self.shop.wait(LIMIT_MS);
        let pending = charged("o-13", Settled::Pending, PRICE);
        self.told("o-13", Task::AskCharge, pending).await;
        self.told("o-15", Task::Charge, Told::NotSent).await;
        let short = charged("o-14", Settled::Completed, PRICE);
        self.told("o-14", Task::AskCharge, short).await;
        self.refunded("o-14", 0, PRICE).await;
    }

    async fn was_paid_late(&mut self) {
        let news = money_news("o-13", Word::Completed, PRICE);
        self.heard("e-13", "o-13", news).await;
        let late = charged("o-11", Settled::Completed, PRICE);
        self.told("o-11", Task::AskCharge, late).await;
        self.refunded("o-11", 0, PRICE).await;
    }

    async fn needs_a_person(&mut self) {
        for id in ["o-20", "o-21", "o-22"] {
            self.take(ask(id, 1)).await;
            self.told(id, Task::Charge, Told::Unknown).await;
        }
        self.shop.wait(LIMIT_MS);
        for id in ["o-20", "o-21", "o-22"] {
            self.told(id, Task::AskCharge, Told::Unknown).await;
        }
        self.shop.run("res-20", resolve("o-20", false)).await;
        self.shop.run("res-21", resolve("o-21", true)).await;
        for (id, go_on) in [("o-23", false), ("o-24", true)] {
            self.take(ask(id, 1)).await;
            let receipt = charged(id, Settled::Completed, PRICE);
            self.told(id, Task::Charge, receipt).await;
            self.told(id, Task::Deliver, Told::Refused).await;
            self.shop
                .run(&format!("res-{id}"), resolve(id, go_on))
                .await;
        }
        self.refunded("o-23", 0, PRICE).await;
    }

    async fn was_heard_of_oddly(&mut self) {
        self.sold("o-25", 1).await;
        let news = money_news("o-25", Word::Completed, PRICE);
        self.heard("e-25", "o-25", news.clone()).await;
        assert_eq!(self.hear("e-25", "o-25", news).await, None, "it was stored");
        let other = money_news("o-25", Word::Completed, 1);
        let kept = self.hear("e-25", "o-25", other.clone()).await;
        assert!(kept.is_some(), "another body is kept");
        self.heard("e-26", "o-25", other).await;
        let nobody = money_news("o-99", Word::Completed, PRICE);
        self.heard("e-99", "o-99", nobody).await;
    }

    /// What orders and callbacks wait for, whenever it is.
    pub(crate) async fn due(&self) -> Vec<DueRow> {
        let ever = LogTime::from_micros(i64::MAX);
        let due = self.shop.store.due_rows(ever, 1_000).await;
        due.expect("readable").rows
    }
}
