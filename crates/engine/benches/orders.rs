//! Orders a second, in process, on the SQLite store: taken, and completed to delivery.
//!
//! *Taken*: a closed loop in which each caller takes an order with a random id and key and waits
//! until it is on disk with its hold, its intent to charge and its due time; no provider is there.
//! *Completed*: providers in the process say yes at once and send news of the parcel as callbacks
//! (in transit, delivered); an order counts when it is DELIVERED. Bytes are those of the database
//! file, write-ahead log copied, over the orders made.
//!
//! `cargo bench -p evenkeel-engine --bench orders -- [--seconds S] [--rounds N] [--callers N]
//! [--only taken|completed] [--tables]`
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers and a stopwatch of its own"
)]

mod common;

use async_trait::async_trait;
use common::{argument, list, ports, request, sku, spread, start, store, take};
use evenkeel_engine::callback::Sender;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::{Command, Received};
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use evenkeel_engine::port::{Ids, OrderRow};
use evenkeel_engine::{Engine, Ports, Request};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::{News, Status};
use evenkeel_rules::shipment;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn order(dice: &mut fastrand::Rng) -> Request {
    let number = dice.u128(..);
    request(take(number, sku(0)), &format!("k-{number:032x}"))
}

async fn open(dir: &Path, gateway: Option<Arc<Provider>>) -> Engine {
    let engine = start(Ports {
        gateway: gateway.map(|gateway| gateway as _),
        ..ports(store(dir))
    })
    .await;
    list(&engine, 0).await;
    engine
}

fn parcel(order: &OrderId, delivery: &str, status: shipment::Status) -> Request {
    let received = Received {
        sender: Sender::Delivery,
        provider: "bench".to_owned(),
        event: format!("{order}-{}", status.name()),
        order: order.clone(),
        news: News::Parcel {
            delivery: delivery.to_owned(),
            status,
        },
        raw: format!("{{\"type\":\"delivery\",\"order\":\"{order}\"}}"),
    };
    request(Command::StoreCallback(Box::new(received)), "")
}

/// A provider in the process that says yes at once and tells who carries its news of each parcel.
struct Provider {
    instant: InstantGateway,
    parcels: mpsc::UnboundedSender<(OrderId, String)>,
}

#[async_trait]
impl Gateway for Provider {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        let reply = self.instant.call(call, timeout).await;
        if let (Call::Deliver { order, .. }, Reply::Delivery { delivery, .. }) = (call, &reply) {
            drop(self.parcels.send((order.clone(), delivery.clone())));
        }
        reply
    }
}

/// Carries a provider's news: two callbacks a parcel, a moment after it was asked for.
async fn carry(engine: Engine, mut parcels: mpsc::UnboundedReceiver<(OrderId, String)>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Some((order, delivery)) = parcels.recv().await {
        let engine = engine.clone();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            for status in [shipment::Status::InTransit, shipment::Status::Delivered] {
                let news = parcel(&order, &delivery, status);
                engine.execute(news).await.expect("stored");
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}

/// Waits until every order is delivered. Those that are not yet are looked at again one by one, so
/// that looking takes as little of the machine as it can.
async fn all_delivered(engine: &Engine) {
    let delivered = |row: &OrderRow| row.body.status == Status::Delivered;
    let (mut before, mut open) = (u64::MAX, Vec::new());
    loop {
        let rows = engine.store().orders(before, 2_000).await;
        let rows = rows.expect("readable").rows;
        let Some(last) = rows.last() else { break };
        before = last.created;
        let late = rows.iter().filter(|row| !delivered(row));
        open.extend(late.map(|row| row.body.id.clone()));
    }
    // The oldest is the last: it is over first.
    while let Some(id) = open.last() {
        let row = engine.store().order(id).await.expect("readable").rows;
        if delivered(&row.expect("it was taken")) {
            open.pop();
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn round(engine: &Engine, callers: u64, length: Duration, whole: bool) -> (f64, u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    let begin = Instant::now();
    for _ in 0..callers {
        let (engine, stop) = (engine.clone(), Arc::clone(&stop));
        let done = Arc::clone(&done);
        let seed = u128::from_le_bytes(SystemIds.random()) as u64;
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(seed);
            while !stop.load(Ordering::Relaxed) {
                engine.execute(order(&mut dice)).await.expect("taken");
                if whole {
                    // As many orders at once as callers would have, and no more.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(length).await;
    stop.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    if whole {
        all_delivered(engine).await;
    }
    let (count, took) = (done.load(Ordering::Relaxed), begin.elapsed());
    (count as f64 / took.as_secs_f64(), count)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let length = Duration::from_secs(argument("--seconds", 5));
    let rounds = argument("--rounds", 3);
    let only = std::env::args().skip_while(|it| it != "--only").nth(1);
    let callers = argument("--callers", 0);
    let table = [
        ("taken", 64, false),
        ("taken", 512, false),
        ("completed", 512, true),
    ];
    let one = [("taken", callers, false)];
    let table = if callers > 0 { &one[..] } else { &table[..] };
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    for (name, callers, whole) in table.iter().copied().filter(|row| wanted(row.0)) {
        let dir = tempfile::tempdir().expect("a directory");
        let (parcels, carried) = mpsc::unbounded_channel();
        let instant = InstantGateway::new();
        let gateway = whole.then(|| Arc::new(Provider { instant, parcels }));
        let engine = open(dir.path(), gateway).await;
        let carrier = tokio::spawn(carry(engine.clone(), carried));
        let mut figures = Vec::new();
        let mut made = 0;
        for _ in 0..rounds {
            let (figure, count) = round(&engine, callers, length, whole).await;
            figures.push(figure);
            made += count;
        }
        let log = engine.head().await.expect("readable").position;
        engine.stop().await;
        carrier.abort();
        drop(engine);
        let [median, least, most] = spread(figures);
        let bytes = size(dir.path());
        println!(
            "{name:>9}, {callers:>3} callers: {median:>7.0} orders/s ({least:.0}-{most:.0}), \
             {:.1} log rows and {:.0} bytes an order",
            log as f64 / made as f64,
            bytes as f64 / made as f64,
        );
    }
}

/// Bytes of the database file once the write-ahead log is copied into it, per table with
/// `--tables`.
fn size(dir: &Path) -> u64 {
    let file = dir.join("evenkeel.db");
    let conn = rusqlite::Connection::open(&file).expect("the file can be opened");
    let copied: Result<(), _> = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    copied.expect("nobody else has it open");
    if std::env::args().any(|argument| argument == "--tables") {
        let query = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC";
        let mut tables = conn.prepare(query).expect("dbstat is compiled in");
        let mut rows = tables.query([]).expect("it can be read");
        while let Some(row) = rows.next().expect("it can be read") {
            let (name, bytes): (String, i64) =
                (row.get(0).expect("a name"), row.get(1).expect("bytes"));
            println!("  {name}: {bytes}");
        }
    }
    std::fs::metadata(&file).expect("it is there").len()
}
