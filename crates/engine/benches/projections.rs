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

mod common;

use common::{argument, ask, hold_and_end, list, ports, sku, start, store, take, word};
use evenkeel_engine::chain::Entry;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::port::{OrderRow, Projection, Standing, Store, Views};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::sqlite::views::{SqliteViews, VIEWS_FILE};
use evenkeel_engine::worker::Work;
use evenkeel_engine::{Engine, Ports};
use evenkeel_rules::event::Aggregate;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 512;

async fn all_taken_on(engine: &Engine) {
    let mut before = u64::MAX;
    loop {
        let rows = engine
            .store()
            .orders(before, 2_000)
            .await
            .expect("readable")
            .rows;
        let done = |row: &OrderRow| {
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
    let engine = start(Ports {
        gateway: Some(Arc::new(InstantGateway::new())),
        ..ports(Arc::clone(store))
    })
    .await;
    for number in 0..SKUS {
        list(&engine, number).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let engine = engine.clone();
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(caller);
            for _ in 0..holds / CALLERS {
                hold_and_end(&engine, &mut dice, SKUS).await;
            }
            for _ in 0..orders / CALLERS {
                let number = dice.u128(..);
                let taken = take(number, sku(dice.u64(..SKUS)));
                ask(&engine, taken, &format!("k-{number:032x}")).await;
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

/// Where the store is: in a directory that is kept with its log, or in one that goes.
fn place() -> (Option<tempfile::TempDir>, PathBuf) {
    if let Some(dir) = word("--dir") {
        return (None, dir.into());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_owned();
    (Some(dir), path)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (_kept, dir) = place();
    let store = store(&dir);
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
