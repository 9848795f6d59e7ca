//! A subscriber is told that an order's time runs out: once, whoever dies, and before it ends.

use super::world::*;
use async_trait::async_trait;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::Command;
use evenkeel_engine::gateway::{Call, Gateway, Receipt, Reply, Settled};
use evenkeel_engine::port::OrderRow;
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::{Engine, Options, OrderMode, Ports, Threads};
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{CustomerId, LocationId, OrderId, SkuId};
use evenkeel_rules::money::Money;
use evenkeel_rules::order::{Ask, Status};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How long an order waits for its money, and how long before that is over it is told.
const CONFIRMING: Millis = Millis(40_000);
const WARN: Millis = Millis(20_000);

/// A bank at which charges stay pending, but for those of some orders.
#[derive(Default)]
struct Slow {
    charged: Mutex<Option<Money>>,
}

#[async_trait]
impl Gateway for Slow {
    async fn call(&self, call: &Call, _timeout: Duration) -> Reply {
        let (key, amount) = match call {
            Call::Charge { key, amount, .. } => {
                *self.charged.lock() = Some(*amount);
                (key, *amount)
            }
            Call::AskCharge { key } => match *self.charged.lock() {
                Some(amount) => (key, amount),
                None => return Reply::NeverSeen,
            },
            _ => {
                let why = "nobody delivers".to_owned();
                return Reply::NotSent { why };
            }
        };
        let status = if key.contains("quick") {
            Settled::Completed
        } else {
            Settled::Pending
        };
        Reply::Money(Receipt {
            transaction: format!("t-{}", key.len()),
            status,
            amount,
            code: None,
        })
    }
}

async fn start(store: &MemoryStore, sink: &Arc<Sink>, warn: Millis, mode: OrderMode) -> Engine {
    let ports = Ports {
        outlet: Some(Arc::clone(sink) as _),
        store: Arc::new(store.clone()),
        gate: None,
        gateway: Some(Arc::new(Slow::default())),
        clock: Arc::new(Fast(SystemClock::new())),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        node: Some("a".to_owned()),
        threads: Threads::Shared,
        warn,
        order_mode: mode,
        ..Options::default()
    };
    Engine::start(ports, options).await.expect("it starts")
}

async fn stock(engine: &Engine) {
    let sku = SkuId::new("lamp").expect("an id");
    let done = engine.execute(request(put("lamp", 1))).await;
    done.expect("listed");
    let receive = Command::ChangeStock {
        sku,
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(9).expect("nine")),
        reference: None,
        reason: None,
    };
    let done = engine.execute(request(receive)).await;
    done.expect("received");
}

fn order(id: &str) -> OrderId {
    OrderId::new(id).expect("an id")
}

async fn take(engine: &Engine, id: &str) {
    let ask = Ask {
        id: order(id),
        customer: CustomerId::new("c-1").expect("an id"),
        lines: vec![Wanted {
            sku: SkuId::new("lamp").expect("an id"),
            location: LocationId::main(),
            quantity: Quantity::new(1).expect("one"),
        }],
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: CONFIRMING,
    };
    let private = r#"{"token":"tok_ok"}"#.to_owned();
    let ask = Box::new(ask);
    let taken = engine.execute(request(Command::TakeOrder { ask, private }));
    taken.await.expect("taken");
}

async fn order_row(engine: &Engine, id: &str) -> OrderRow {
    let row = engine.store().order(&order(id)).await.expect("readable");
    row.rows.expect("it was taken")
}

/// The limits that were told of, with when, and when orders expired, as the subscriber heard it.
fn heard(sink: &Sink, id: &str, kind: &str) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for came in sink.accepted() {
        let is_it = came.event["type"] == kind && came.subject() == id;
        if is_it && !seen.contains(&came.id) {
            let limit = came.event["data"]["warned_of"].as_i64().unwrap_or(0);
            all.push((limit, came.event["time"].to_string()));
            seen.push(came.id);
        }
    }
    all
}

async fn until_expired(engine: &Engine, id: &str) {
    until("it expires", async || {
        order_row(engine, id).await.body.status == Status::Expired
    })
    .await;
    drained(engine, "all").await;
}

#[tokio::test]
async fn an_order_that_waits_is_told_of_once_before_it_ends_and_others_are_not() {
    for mode in OrderMode::ALL {
        let (store, sink) = (store(), Arc::new(Sink::default()));
        let engine = start(&store, &sink, WARN, mode).await;
        subscribe(&engine, "all", "order.*").await;
        stock(&engine).await;
        take(&engine, "slow").await;
        take(&engine, "quick").await;
        let limit = order_row(&engine, "slow").await.body.limit;
        until_expired(&engine, "slow").await;
        let told = heard(&sink, "slow", "order.expiring");
        assert_eq!(told.len(), 1, "{mode:?}: {told:?}");
        assert_eq!(told[0].0, limit.micros(), "{mode:?}");
        let ended = heard(&sink, "slow", "order.expired");
        assert!(told[0].1 < ended[0].1, "{mode:?}: {told:?} {ended:?}");
        assert_eq!(heard(&sink, "quick", "order.expiring"), [], "{mode:?}");
        super::is_sound(&store).await;
        engine.stop().await;
    }
}

#[tokio::test]
async fn one_that_was_told_is_not_told_again_by_who_comes_after_and_one_that_was_not_is() {
    let (store, sink) = (store(), Arc::new(Sink::default()));
    let engine = start(&store, &sink, WARN, OrderMode::Orchestrated).await;
    subscribe(&engine, "all", "order.*").await;
    stock(&engine).await;
    take(&engine, "slow").await;
    until("it is told", async || {
        order_row(&engine, "slow").await.body.warned_of.is_some()
    })
    .await;
    take(&engine, "later").await;
    until("it was charged", async || {
        order_row(&engine, "later").await.version > 1
    })
    .await;
    engine.kill();
    // How long before it is told stands in the order: this one would tell of none that it takes.
    let engine = start(&store, &sink, Millis(0), OrderMode::Orchestrated).await;
    take(&engine, "silent").await;
    until_expired(&engine, "slow").await;
    until_expired(&engine, "later").await;
    until_expired(&engine, "silent").await;
    assert_eq!(heard(&sink, "slow", "order.expiring").len(), 1);
    assert_eq!(heard(&sink, "later", "order.expiring").len(), 1);
    assert_eq!(heard(&sink, "silent", "order.expiring"), []);
    let row = order_row(&engine, "later").await;
    assert!(row.body.warned_of > Some(LogTime::default()));
    super::is_sound(&store).await;
    engine.stop().await;
}
