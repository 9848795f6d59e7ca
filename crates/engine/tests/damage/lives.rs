//! Random lives of orders, and lives that an engine leads: whatever happens, nothing is found.

use super::orders::JUDGED;
use super::shop::{put, receive};
use super::site::{Memory, findings, look};
use super::trade::{LIMIT_MS, PRICE, Trade, ask, back, cancel, charged, money_news, order, parcel};
use super::trade::{refund_of, resolve};
use evenkeel_engine::port::{DueRow, OrderRow, Store};
use evenkeel_engine::verify::{Inputs, Outcome, verify};
use evenkeel_rules::order::{News, Receipt, Task, Told, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;

fn settled(rng: &mut fastrand::Rng) -> Settled {
    [Settled::Completed, Settled::Pending, Settled::Failed][rng.usize(..3)]
}

/// What a provider may say of a charge.
fn of_charge(order: &OrderRow, rng: &mut fastrand::Rng) -> Told {
    let (id, total) = (order.body.id.as_str(), order.body.total.amount);
    match rng.u8(..14) {
        0..=5 => charged(id, Settled::Completed, total),
        6..=7 => charged(id, settled(rng), total),
        8 => charged(id, settled(rng), total - 1),
        9 => charged(id, settled(rng), total + 500),
        10 => Told::Unknown,
        11 => Told::NeverSeen,
        12 => Told::Refused,
        _ => Told::NotSent,
    }
}

fn of_parcel(order: &OrderRow, rng: &mut fastrand::Rng) -> Told {
    match rng.u8(..10) {
        0..=3 => parcel(order.body.id.as_str(), Parcel::Initiated),
        4..=6 => parcel(order.body.id.as_str(), Parcel::ALL[rng.usize(..6)]),
        7 => Told::Unknown,
        8 => Told::NeverSeen,
        _ => Told::Refused,
    }
}

fn of_refund(order: &OrderRow, number: usize, rng: &mut fastrand::Rng) -> Told {
    let amount = order.body.refunds.get(number).map_or(1, |it| it.amount);
    let (status, amount) = match rng.u8(..12) {
        0..=5 => (Settled::Completed, amount),
        6 => (settled(rng), amount),
        7 => (Settled::Completed, amount + 1),
        8 => return Told::Unknown,
        9 => return Told::NeverSeen,
        10 => return Told::Refused,
        _ => return Told::NotSent,
    };
    Told::Money(Receipt {
        transaction: format!("r-{}-{number}", order.body.id),
        status,
        amount: Some(amount),
    })
}

fn said(order: &OrderRow, task: Task, rng: &mut fastrand::Rng) -> Told {
    match task {
        Task::Charge | Task::AskCharge => of_charge(order, rng),
        Task::Deliver | Task::AskDelivery | Task::Recall => of_parcel(order, rng),
        Task::Refund(number) | Task::AskRefund(number) => of_refund(order, number, rng),
    }
}

fn news(id: &str, rng: &mut fastrand::Rng) -> News {
    let word = [Word::Completed, Word::Failed, Word::Refunded][rng.usize(..3)];
    let transaction = ["t", "r"][rng.usize(..2)];
    match rng.u8(..4) {
        0 => money_news(id, word, PRICE * rng.i64(1..3)),
        1 => News::Money {
            word,
            transaction: format!("{transaction}-{id}-0"),
            amount: super::trade::euro(rng.i64(1..2 * PRICE)),
        },
        _ => News::Parcel {
            delivery: format!("d-{id}"),
            status: Parcel::ALL[rng.usize(..6)],
        },
    }
}

async fn step(trade: &mut Trade<'_>, turn: u32, rng: &mut fastrand::Rng) {
    let id = format!("o-{}", rng.u32(..12));
    let key = format!("k-{turn}");
    let known = trade.shop.store.order(&order(&id)).await;
    let known = known.expect("readable").rows.is_some();
    let amount = rng.bool().then(|| rng.i64(1..2 * PRICE));
    match rng.u8(..24) {
        0..=4 if !known => drop(trade.take(ask(&id, rng.u64(1..3))).await),
        0..=13 => look_after(trade, rng).await,
        14 => drop(trade.shop.run(&key, cancel(&id)).await),
        15 => drop(trade.shop.run(&key, refund_of(&id, &key, amount)).await),
        16 => {
            let command = back(&id, rng.u64(1..3), rng.bool());
            trade.shop.run(&key, command).await;
        }
        17 => drop(trade.shop.run(&key, resolve(&id, rng.bool())).await),
        _ => {
            let news = news(&id, rng);
            let created = trade.hear(&format!("e-{turn}"), &id, news).await;
            if let Some(created) = created.filter(|_| rng.bool()) {
                trade.apply(created).await;
            }
        }
    }
    match rng.u8(..40) {
        0 => trade.shop.wait(LIMIT_MS),
        1 => trade.shop.wait(86_400_000),
        _ => trade.shop.wait(rng.i64(0..100)),
    }
}

/// Takes the next step of something that waits for one.
async fn look_after(trade: &mut Trade<'_>, rng: &mut fastrand::Rng) {
    let mut due = trade.due().await;
    if due.is_empty() {
        return;
    }
    match due.swap_remove(rng.usize(..due.len())) {
        DueRow::Callback(row) => trade.apply(row.created).await,
        DueRow::Saga(row) => unreachable!("nobody began the saga {}", row.body.id),
        DueRow::Order(row) => {
            if let Some(due) = row.body.due(row.tries, 0) {
                let told = said(&row, due.task, rng);
                trade.told(row.body.id.as_str(), due.task, told).await;
            }
        }
    }
}

pub(crate) async fn live(store: &dyn Store, seed: u64, turns: u32) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut trade = Trade::new(store);
    trade.shop.run("", put("lamp", "Lamp")).await;
    trade.shop.run("", receive("lamp", 15)).await;
    for turn in 0..turns {
        step(&mut trade, turn, &mut rng).await;
    }
}

#[tokio::test]
async fn random_lives_of_orders_are_held() {
    for seed in 0..60 {
        let site = Memory::new();
        live(&site.0, seed, 220).await;
        let report = look(&site).await;
        assert!(report.ok, "seed {seed}: {:#?}", findings(&report));
        for invariant in JUDGED {
            assert_eq!(report.check(invariant).result, Outcome::Held, "seed {seed}");
        }
    }
}

#[cfg(feature = "sqlite")]
mod engine {
    //! Orders that an engine and a provider in its process lead to their ends, on a file.

    use super::{JUDGED, Outcome, findings, verify};
    use crate::shop::{put, receive};
    use crate::trade::{ask, cancel, order};
    use evenkeel_engine::callback::Sender;
    use evenkeel_engine::clock::{SystemClock, SystemIds};
    use evenkeel_engine::commit::{Command, Key, Received};
    use evenkeel_engine::gateway::memory::InstantGateway;
    use evenkeel_engine::port::{LogRow, OrderRow};
    use evenkeel_engine::store::sqlite::SqliteStore;
    use evenkeel_engine::store::sqlite::names::NamesOptions;
    use evenkeel_engine::verify::{Inputs, Invariant, Report};
    use evenkeel_engine::{Engine, Options, Ports, Request};
    use evenkeel_rules::ids::{CustomerId, TokenId};
    use evenkeel_rules::order::{News, Status};
    use evenkeel_rules::shipment::Status as Parcel;
    use std::path::Path;
    use std::sync::Arc;

    async fn open(dir: &Path) -> Engine {
        let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
        let ports = Ports {
            outlet: None,
            store: Arc::new(store.expect("a fresh directory can be opened")),
            gate: None,
            gateway: Some(Arc::new(InstantGateway::new())),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
        };
        let engine = Engine::start(ports, Options::default()).await;
        engine.expect("the store answers")
    }

    async fn run(engine: &Engine, key: &str, command: Command) {
        let request = Request {
            command,
            key: (!key.is_empty()).then(|| Key::new(None, key, &[key.as_bytes()])),
            actor: TokenId::new("t-1").expect("an id"),
            owner: None,
            expected: None,
            deadline: None,
        };
        engine.execute(request).await.expect("accepted");
    }

    async fn until(engine: &Engine, id: &str, stands: impl Fn(&OrderRow) -> bool) {
        loop {
            let row = engine.store().order(&order(id)).await.expect("readable");
            if row.rows.is_some_and(|row| stands(&row)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn parcel(engine: &Engine, id: &str, status: Parcel) {
        let row = engine.store().order(&order(id)).await.expect("readable");
        let shipment = row.rows.and_then(|row| row.body.shipment);
        let received = Received {
            sender: Sender::Delivery,
            provider: "sandbox".to_owned(),
            event: format!("{id}-{}", status.name()),
            order: order(id),
            news: News::Parcel {
                delivery: shipment.and_then(|it| it.delivery).expect("named"),
                status,
            },
            raw: format!("a parcel that is {}", status.name()),
        };
        run(engine, "", Command::StoreCallback(Box::new(received))).await;
    }

    /// Orders that were delivered, cancelled and only confirmed.
    async fn sell(engine: &Engine) {
        run(engine, "put", put("lamp", "Lamp")).await;
        run(engine, "receive", receive("lamp", 20)).await;
        for id in ["o-1", "o-2", "o-3"] {
            let private = r#"{"token":"tok_secret","address":{"name":"Ada Lovelace"}}"#;
            let take = Command::TakeOrder {
                ask: Box::new(ask(id, 2)),
                private: private.to_owned(),
            };
            run(engine, id, take).await;
            until(engine, id, |row| {
                let parcel = row.body.shipment.as_ref();
                parcel.is_some_and(|it| it.delivery.is_some())
            })
            .await;
        }
        for status in [Parcel::InTransit, Parcel::Delivered] {
            parcel(engine, "o-1", status).await;
        }
        until(engine, "o-1", |row| row.body.is_quiet()).await;
        run(engine, "cancel", cancel("o-2")).await;
        until(engine, "o-2", |row| row.body.status == Status::Cancelled).await;
    }

    async fn verified(engine: &Engine) -> Report {
        let report = verify(&**engine.store(), Inputs::default()).await;
        let report = report.expect("the store answers");
        assert!(report.ok, "{:#?}", findings(&report));
        for invariant in JUDGED {
            let check = report.check(invariant);
            assert_eq!(check.result, Outcome::Held, "{check:?}");
        }
        report
    }

    async fn log(engine: &Engine) -> Vec<LogRow> {
        let rows = engine.store().log(1, 10_000).await;
        rows.expect("readable").rows
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn erasing_private_texts_leaves_every_hash_and_every_result_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = open(dir.path()).await;
        sell(&engine).await;
        let (before, rows) = (verified(&engine).await, log(&engine).await);
        let customer = CustomerId::new("c-1").expect("an id");
        let texts = engine.store().private_of(&customer, (0, 0), 1_000).await;
        let texts: Vec<_> = texts.expect("readable").rows;
        assert!(texts.len() > 4, "orders, reasons and callbacks have texts");
        let ids = texts.iter().map(|text| text.id).collect();
        let erase = Command::Erase {
            customer: customer.clone(),
            texts: ids,
            reason: "they asked for it".to_owned(),
        };
        run(&engine, "erase", erase).await;
        for text in texts {
            let row = engine.store().private(text.id).await.expect("readable");
            let row = row.rows.expect("its row stays");
            assert!(row.text.is_empty() && row.erased_at.is_some());
        }
        let (after, now) = (verified(&engine).await, log(&engine).await);
        assert_eq!(now.len(), rows.len() + 1);
        assert_eq!(now[..rows.len()], rows[..]);
        for invariant in Invariant::ALL {
            let (was, now) = (before.check(invariant), after.check(invariant));
            assert_eq!((was.result, &was.place), (now.result, &now.place));
        }
        engine.stop().await;
    }
}

#[tokio::test]
async fn orders_that_are_written_meanwhile_are_neither_missed_nor_blamed() {
    use super::busy::Busy;
    let site = Memory::new();
    Trade::new(&site.0).open().await;
    for every in 1..6 {
        let busy = Busy::new(site.0.clone(), every);
        let report = verify(&busy, Inputs::default()).await;
        let report = report.expect("the store answers");
        assert!(report.ok, "{:#?}", findings(&report));
    }
}
