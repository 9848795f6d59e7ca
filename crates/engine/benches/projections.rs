//! How fast projections are folded from a log with holds and orders.
//!
//! Fills a SQLite store (holds that end, 1,000 SKUs, random ids; orders whose provider says yes at
//! once), then folds all projections together from the first row, as a start without `views.db`
//! does, and rebuilds each alone beside the live one. Figures are events of the log a second: all
//! that were passed, and in brackets those that the projection has rows of.
//!
//! `cargo bench -p evenkeel-engine --bench projections -- [--holds N] [--orders N] [--runs N]
//! [--dir DIR]`: of so many rebuilds of each the median; a directory keeps the log for the next
//! run. On a machine that others use, the seconds of processors are what can be compared.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers and a stopwatch of its own"
)]

use evenkeel_engine::chain::Entry;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::port::{Projection, Standing, Store, Views};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::store::sqlite::views::{SqliteViews, VIEWS_FILE};
use evenkeel_engine::worker::Work;
use evenkeel_engine::{Engine, Options, Ports, Request};
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, OrderId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::Ask;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 512;

fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number}")).expect("an id")
}

async fn ask(engine: &Engine, command: Command, key: &str) {
    let request = Request {
        command,
        key: Some(Key::new(None, key, &[key.as_bytes()])),
        actor: TokenId::new("t-bench").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    };
    engine.execute(request).await.expect("accepted");
}

async fn list(engine: &Engine, number: u64) {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: sku(number),
        name: "Lamp".to_owned(),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    ask(engine, Command::PutSku { terms }, &format!("put-{number}")).await;
    let command = Command::ChangeStock {
        sku: sku(number),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(1 << 40).expect("units")),
        reference: None,
        reason: None,
    };
    ask(engine, command, &format!("receive-{number}")).await;
}

fn line(dice: &mut fastrand::Rng) -> Vec<Wanted> {
    vec![Wanted {
        sku: sku(dice.u64(..SKUS)),
        location: LocationId::main(),
        quantity: Quantity::ONE,
    }]
}

async fn hold(engine: &Engine, dice: &mut fastrand::Rng) {
    let number = dice.u128(..);
    let id = HoldId::new(&format!("h-{number:032x}")).expect("an id");
    let place = Place {
        id: id.clone(),
        customer: CustomerId::new(&format!("c-{}", number % 100_000)).expect("an id"),
        lines: line(dice),
        ttl: Millis(900_000),
    };
    ask(engine, Command::Place(place), &format!("p-{number:032x}")).await;
    let end = match number % 2 {
        0 => Command::Confirm { id, lines: None },
        _ => Command::Release { id },
    };
    ask(engine, end, &format!("e-{number:032x}")).await;
}

async fn order(engine: &Engine, dice: &mut fastrand::Rng) {
    let number = dice.u128(..);
    let order = Ask {
        id: OrderId::new(&format!("o-{number:032x}")).expect("an id"),
        customer: CustomerId::new(&format!("c-{}", number % 100_000)).expect("an id"),
        lines: line(dice),
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: Millis(900_000),
    };
    let private = r#"{"token":"tok_ok"}"#.to_owned();
    let take = Command::TakeOrder {
        ask: Box::new(order),
        private,
    };
    ask(engine, take, &format!("k-{number:032x}")).await;
}

async fn all_taken_on(engine: &Engine) {
    let mut before = u64::MAX;
    loop {
        let rows = engine
            .store()
            .orders(before, 2_000)
            .await
            .expect("readable")
            .rows;
        let done = |row: &evenkeel_engine::port::OrderRow| {
            row.body
                .shipment
                .as_ref()
                .is_some_and(|it| it.delivery.is_some())
        };
        let Some(last) = rows.last() else { return };
        if rows.iter().all(done) {
            before = last.created;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn fill(store: &Arc<dyn Store>, holds: u64, orders: u64) {
    let ports = Ports {
        store: Arc::clone(store),
        gate: None,
        gateway: Some(Arc::new(InstantGateway::new())),
        outlet: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let engine = Engine::start(ports, Options::default()).await;
    let engine = engine.expect("the store answers");
    for number in 0..SKUS {
        list(&engine, number).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let engine = engine.clone();
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(caller);
            for _ in 0..holds / CALLERS {
                hold(&engine, &mut dice).await;
            }
            for _ in 0..orders / CALLERS {
                order(&engine, &mut dice).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    all_taken_on(&engine).await;
    engine.stop().await;
}

/// Events of the log: all, and those of each projection.
async fn count(store: &dyn Store) -> (u64, [u64; Projection::ALL.len()]) {
    let (mut all, mut own, mut from) = (0, [0; Projection::ALL.len()], 1);
    loop {
        let rows = store.log(from, 10_000).await.expect("readable").rows;
        let Some(last) = rows.last() else {
            return (all, own);
        };
        from = last.position + 1;
        for row in &rows {
            let entry = Entry::read(&row.text).expect("a row of ours");
            for event in &entry.events {
                all += 1;
                match event.kind.aggregate() {
                    Aggregate::Order => own[Projection::Orders as usize] += 1,
                    Aggregate::Hold => own[Projection::Holds as usize] += 1,
                    _ => {}
                }
            }
            own[Projection::Stock as usize] += entry.moves.len() as u64;
            own[Projection::Audit as usize] += entry.moves.len() as u64;
        }
        own[Projection::Outbox as usize] = all;
    }
}

/// Seconds of processors that this process has used.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs the loop until nothing is left to do: seconds of the clock, and of processors.
async fn settle(project: &mut Project) -> (f64, f64) {
    let (begin, before) = (Instant::now(), used());
    while project.run_once().await.expect("folded").more {}
    (begin.elapsed().as_secs_f64(), used() - before)
}

fn argument(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let value = arguments.nth(1).and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

/// Where the store is: in a directory that is kept with its log, or in one that goes.
fn place() -> (Option<tempfile::TempDir>, std::path::PathBuf) {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--dir");
    if let Some(dir) = arguments.nth(1) {
        return (None, dir.into());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_owned();
    (Some(dir), path)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (_kept, dir) = place();
    let store = SqliteStore::open(&dir, &SystemIds, NamesOptions::default());
    let store: Arc<dyn Store> = Arc::new(store.expect("the directory can be opened"));
    if store.head().await.expect("readable").position == 0 {
        let (holds, orders) = (argument("--holds", 200_000), argument("--orders", 20_000));
        fill(&store, holds, orders).await;
    }
    let (all, own) = count(&*store).await;
    let head = store.head().await.expect("readable");
    println!("{} rows, {all} events", head.position);
    for file in ["", "-wal", "-shm"] {
        let _was_not_there = std::fs::remove_file(dir.join(format!("{VIEWS_FILE}{file}")));
    }
    let views = SqliteViews::open(&dir, &head).expect("the directory can be written");
    let views: Arc<dyn Views> = Arc::new(views);
    let projector = Projector::new(Arc::clone(&views), Arc::new(SystemClock::new()));
    let mut project = Project::new(Arc::clone(&store), Arc::clone(&projector), Inline::No);
    let (seconds, busy) = settle(&mut project).await;
    println!(
        "  all from nothing: {:>9.0} events/s ({busy:.2} s of processors)",
        all as f64 / seconds
    );
    let runs = argument("--runs", 1);
    for projection in Projection::ALL {
        let mut times = Vec::new();
        for _ in 0..runs {
            projector.rebuild(projection).await.expect("begun");
            times.push(settle(&mut project).await);
            let standing = views.standing().await.expect("readable");
            assert!(standing.iter().all(|one| one.checkpoint == head.position));
            let whole = |one: &Standing| one.building.is_none() && one.failed == 0;
            assert!(standing.iter().all(whole));
        }
        times.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (seconds, busy) = times[times.len() / 2];
        println!(
            "  {:>16}: {:>9.0} events/s ({:.0} own; {busy:.2} s of processors)",
            projection.name(),
            all as f64 / seconds,
            own[projection as usize] as f64 / seconds
        );
    }
}
