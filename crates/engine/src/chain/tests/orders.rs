//! A history of orders that writes every kind of event that the first history does not.

use crate::callback::Sender;
use crate::chain::{Entry, hex};
use crate::commit::{Command, Commit, Received};
use crate::port::Store;
use crate::store::memory::MemoryStore;
use crate::testing::{self, NOW, ask, change, hold_id, keyed, place, put, sku, units, wanted};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{CustomerId, OrderId, RefundId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{Ask, News, Receipt, ReturnLine, Task, Told, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};

pub(super) fn id(number: u32) -> OrderId {
    OrderId::new(&format!("o-{number}")).expect("a well-formed id")
}

fn customer() -> CustomerId {
    CustomerId::new("c-1").expect("a well-formed id")
}

pub(super) fn take(number: u32, hold: Option<&str>) -> Command {
    Command::TakeOrder {
        ask: Box::new(Ask {
            id: id(number),
            customer: customer(),
            lines: wanted(&[("lamp", 2)]),
            hold: hold.map(hold_id),
            method: "card".to_owned(),
            expected_total: None,
            adjustments: Vec::new(),
            confirming: Millis(900_000),
        }),
        private: "{\"address\":\"12 Some Street\"}".to_owned(),
    }
}

fn money(status: Settled, amount: i64) -> Told {
    Told::Money(Receipt {
        transaction: "t-1".to_owned(),
        status,
        amount: Some(amount),
    })
}

fn parcel(status: Parcel) -> Told {
    let delivery = "d-1".to_owned();
    Told::Parcel { delivery, status }
}

/// Whoever writes the history.
pub(super) struct Scribe {
    store: MemoryStore,
    clock: LogTime,
    /// The rows: hash and text.
    pub(super) shown: String,
    /// What happened.
    pub(super) kinds: Vec<Kind>,
}

impl Scribe {
    async fn write(&mut self, asked: Commit) -> u64 {
        self.clock = self.clock.plus(Millis(1));
        let (told, writes) = testing::commit(&self.store, self.clock, &asked).await;
        let row = writes
            .unwrap_or_else(|| panic!("{told:?}"))
            .log
            .pop()
            .unwrap_or_else(|| panic!("{asked:?} says nothing new: {told:?}"));
        let entry = Entry::read(&row.text).expect("it is readable");
        self.kinds
            .extend(entry.events.iter().map(|event| event.kind));
        let text = String::from_utf8(row.text).expect("a text is text");
        self.shown.push_str(&format!("{} {text}\n", hex(&row.hash)));
        row.position
    }

    async fn report(&mut self, number: u32, task: Task, told: Told) {
        let row = self.store.order(&id(number)).await.expect("readable").rows;
        let report = Command::Report {
            id: id(number),
            task,
            told,
            seen: row.expect("it exists").version,
            random: 1,
            lease: None,
        };
        self.write(ask(report)).await;
    }

    /// News of a charge; what has to wait for something is looked at again after a while.
    async fn callback(&mut self, about: u32, event: &str, patience: Option<Millis>) {
        let currency = Currency::new("EUR").expect("a code");
        let amount = 3_998;
        let received = Received {
            sender: Sender::Payment,
            provider: "sandbox".to_owned(),
            event: event.to_owned(),
            order: id(about),
            news: News::Money {
                word: Word::Completed,
                transaction: "t-1".to_owned(),
                amount: Money { amount, currency },
            },
            raw: format!("{{\"event\":\"{event}\"}}"),
        };
        let stored = ask(Command::StoreCallback(Box::new(received)));
        let created = self.write(stored).await;
        let Some(patience) = patience else {
            return;
        };
        self.clock = self.clock.plus(patience);
        let lease = None;
        let apply = Command::ApplyCallback { created, lease };
        self.write(ask(apply)).await;
    }

    /// An order that is paid, and whose parcel was asked for.
    async fn confirmed(&mut self, number: u32) {
        let key = format!("k-{number}");
        self.write(keyed(&key, take(number, None))).await;
        let told = money(Settled::Completed, 3_998);
        self.report(number, Task::Charge, told).await;
    }

    /// From click to delivery, and everything back.
    async fn whole_life(&mut self) {
        self.write(keyed("k-1", take(1, None))).await;
        self.report(1, Task::Charge, Told::Unknown).await;
        let task = Task::AskCharge;
        self.report(1, task, money(Settled::Pending, 3_998)).await;
        self.report(1, task, money(Settled::Completed, 3_998)).await;
        self.report(1, Task::Deliver, parcel(Parcel::Initiated))
            .await;
        let task = Task::AskDelivery;
        self.report(1, task, parcel(Parcel::InTransit)).await;
        self.report(1, task, parcel(Parcel::Delivered)).await;
        self.callback(1, "e-1", None).await;
        let quantity = units(1);
        let lines = vec![ReturnLine {
            sku: sku("lamp"),
            quantity,
        }];
        self.write(ask(Command::ReturnOrder {
            id: id(1),
            lines,
            restock: true,
        }))
        .await;
        let refund = |name: &str| Command::RefundOrder {
            id: id(1),
            refund: RefundId::new(name).expect("a well-formed id"),
            amount: None,
            reason: Some("it was broken".to_owned()),
        };
        self.write(keyed("k-r-1", refund("r-1"))).await;
        self.report(1, Task::Refund(0), Told::Refused).await;
        self.write(keyed("k-r-2", refund("r-2"))).await;
        let told = money(Settled::Completed, 3_998);
        self.report(1, Task::Refund(1), told).await;
    }

    /// Charges that did not come to anything.
    async fn never_paid(&mut self) {
        self.write(ask(place("h-1", &[("lamp", 2)]))).await;
        self.write(keyed("k-2", take(2, Some("h-1")))).await;
        self.report(2, Task::Charge, Told::Refused).await;
        for number in [3, 4] {
            self.write(ask(take(number, None))).await;
        }
        self.report(3, Task::Charge, money(Settled::Pending, 3_998))
            .await;
        self.clock = self.clock.plus(Millis(900_000));
        let pending = money(Settled::Pending, 3_998);
        self.report(3, Task::AskCharge, pending).await;
        self.report(4, Task::AskCharge, Told::Unknown).await;
        self.write(ask(Command::ResolveOrder {
            id: id(4),
            go_on: true,
            confirming: Millis(60_000),
            reason: Some("it will come".to_owned()),
        }))
        .await;
        self.clock = self.clock.plus(Millis(86_400_000));
        self.report(3, Task::AskCharge, Told::NeverSeen).await;
        // The provider never names the transaction that it sent news of.
        let patience = Some(Millis(86_400_000));
        self.callback(4, "e-2", patience).await;
    }

    /// Parcels that did not arrive.
    async fn never_delivered(&mut self) {
        self.confirmed(5).await;
        self.report(5, Task::Deliver, Told::Refused).await;
        self.confirmed(6).await;
        self.report(6, Task::Deliver, parcel(Parcel::Requested))
            .await;
        self.report(6, Task::AskDelivery, parcel(Parcel::Failed))
            .await;
        for (number, said) in [(7, parcel(Parcel::Cancelled)), (8, Told::Refused)] {
            self.confirmed(number).await;
            self.report(number, Task::Deliver, parcel(Parcel::Initiated))
                .await;
            let (id, reason) = (id(number), None);
            self.write(ask(Command::CancelOrder { id, reason })).await;
            self.report(number, Task::Recall, said).await;
        }
        let (id, reason) = (id(9), None);
        self.write(ask(Command::CancelOrder { id, reason })).await;
    }
}

/// The whole history.
pub(super) async fn history() -> Scribe {
    let mut scribe = Scribe {
        store: super::released(6),
        clock: NOW,
        shown: String::new(),
        kinds: Vec::new(),
    };
    scribe.write(ask(put("lamp"))).await;
    let received = change("lamp", Change::Receive(units(50)));
    scribe.write(ask(received)).await;
    scribe.whole_life().await;
    scribe.never_paid().await;
    scribe.never_delivered().await;
    let (customer, texts) = (customer(), vec![(3, 0)]);
    let erase = Command::Erase {
        customer,
        texts,
        reason: "she asked".to_owned(),
    };
    scribe.write(keyed("k-erase", erase)).await;
    scribe
}
