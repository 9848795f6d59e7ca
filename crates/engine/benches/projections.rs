//! How fast projections are folded from a log with holds and orders.
//!
//! Fills a SQLite store (holds that end, 1,000 SKUs, random ids; orders whose provider says yes at
//! once), then folds all projections together from the first row, as a start without `views.db`
//! does, and rebuilds each alone beside the live one. Figures are events of the log a second: all
//! that were passed, and in brackets those that the projection has rows of.
//!
//! `cargo bench -p evenkeel-engine --bench projections -- [--holds N] [--orders N]`
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers and a stopwatch of its own"
)]

mod common;

use common::{argument, ask, list, ports, sku, start, store, unit};
use evenkeel_engine::chain::Entry;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::commit::Command;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::port::{Projection, Store, Views};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::worker::Work;
use evenkeel_engine::{Engine, Ports};
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::hold::Place;
use evenkeel_rules::ids::{CustomerId, HoldId, OrderId};
use evenkeel_rules::order::Ask;
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 512;

async fn hold(engine: &Engine, dice: &mut fastrand::Rng) {
    let number = dice.u128(..);
    let id = HoldId::new(&format!("h-{number:032x}")).expect("an id");
    let place = Place {
        id: id.clone(),
        customer: CustomerId::new(&format!("c-{}", number % 100_000)).expect("an id"),
        lines: vec![unit(sku(dice.u64(..SKUS)))],
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
        lines: vec![unit(sku(dice.u64(..SKUS)))],
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

/// Runs the loop until nothing is left to do.
async fn settle(project: &mut Project) -> f64 {
    let begin = Instant::now();
    while project.run_once().await.expect("folded").more {}
    begin.elapsed().as_secs_f64()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = store(dir.path());
    fill(
        &store,
        argument("--holds", 200_000),
        argument("--orders", 20_000),
    )
    .await;
    let (all, own) = count(&*store).await;
    let head = store.head().await.expect("readable");
    println!("{} rows, {all} events", head.position);
    let views = SqliteViews::open(dir.path(), &head).expect("the directory can be written");
    let views: Arc<dyn Views> = Arc::new(views);
    let projector = Projector::new(Arc::clone(&views), Arc::new(SystemClock::new()));
    let mut project = Project::new(Arc::clone(&store), Arc::clone(&projector), Inline::No);
    let seconds = settle(&mut project).await;
    println!("  all from nothing: {:>9.0} events/s", all as f64 / seconds);
    for projection in Projection::ALL {
        projector.rebuild(projection).await.expect("begun");
        let seconds = settle(&mut project).await;
        let standing = views.standing().await.expect("readable");
        assert!(standing.iter().all(|one| one.checkpoint == head.position));
        assert!(
            standing
                .iter()
                .all(|one| one.building.is_none() && one.failed == 0)
        );
        println!(
            "  {:>16}: {:>9.0} events/s ({:.0} own)",
            projection.name(),
            all as f64 / seconds,
            own[projection as usize] as f64 / seconds
        );
    }
}
