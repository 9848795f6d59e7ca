//! A rolling upgrade: builds that know another format of log rows, one after the other and side by
//! side on one store.
//!
//! Here one build plays both: the other one is what it leaves, which is the head's format, and a
//! lease that says what its node knows. [`two`] has two builds.

mod builds;
mod ground;
#[cfg(feature = "postgres")]
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "the suites of PostgreSQL use more of it")]
mod servers;
#[cfg(feature = "postgres")]
#[path = "../postgres/sql.rs"]
#[expect(dead_code, reason = "the suites of PostgreSQL use more of it")]
mod sql;
mod two;

use evenkeel_engine::chain::Entry;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Fault, Ids, Store};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::store::sqlite::{FILE, SqliteStore};
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_engine::{Engine, Options, Ports, Refusal, Request};
use evenkeel_rules::event::FORMAT;
use evenkeel_rules::ids::{SkuId, TokenId};
use evenkeel_rules::lease::Lease;
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::sku::Terms;
use evenkeel_rules::time::{LogTime, Millis};
use std::path::Path;
use std::sync::Arc;

async fn start(store: Arc<dyn Store>) -> Result<Engine, Fault> {
    let ports = Ports {
        outlet: None,
        store,
        gate: None,
        gateway: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds) as Arc<dyn Ids>,
    };
    Engine::start(ports, Options::default()).await
}

fn put(id: &str) -> Request {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: SkuId::new(id).expect("an id"),
        name: id.to_owned(),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Request {
        command: Command::PutSku { terms },
        key: None,
        actor: TokenId::new("t-1").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    }
}

/// The format of each row of the log.
async fn formats(store: &dyn Store) -> Vec<u32> {
    let rows = store.log(1, 100).await.expect("readable").rows;
    let read = |text: &[u8]| Entry::read(text).expect("readable").format;
    rows.iter().map(|row| read(&row.text)).collect()
}

/// A node of an older build lives until a moment.
fn older_until(store: &MemoryStore, until: LogTime) {
    store.edit(|tables| {
        tables.head.leases.last = 1;
        tables.head.leases.live = vec![Lease {
            node: "older".to_owned(),
            joined: 1,
            token: 1,
            until,
            format: FORMAT - 1,
        }];
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_build_writes_what_the_older_one_reads_until_that_one_is_gone() {
    let store = MemoryStore::new("main", [7; 16]);
    store.edit(|tables| tables.head.format = FORMAT - 1);
    let engine = start(Arc::new(store.clone())).await.expect("it starts");
    engine.execute(put("lamp")).await.expect("listed");
    let now = engine.clock().now();
    older_until(&store, now.plus(Millis(3_600_000)));
    let refused = engine.raise_format().await;
    assert_eq!(refused, Err(Refusal::Failed(Fault::Fenced)));
    engine.execute(put("chair")).await.expect("listed");
    older_until(&store, now);
    assert_eq!(engine.raise_format().await, Ok(FORMAT));
    engine.execute(put("sofa")).await.expect("listed");
    assert_eq!(formats(&store).await, [FORMAT - 1, FORMAT - 1, FORMAT]);
    engine.stop().await;
    let report = verify(&store, Inputs::default()).await;
    let report = report.expect("the store answers");
    assert!(report.ok, "{:#?}", report.findings().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_build_beside_a_newer_one_stops_writing_and_does_not_start_again() {
    let store = MemoryStore::new("main", [7; 16]);
    let older = start(Arc::new(store.clone())).await.expect("it starts");
    older.execute(put("lamp")).await.expect("listed");
    // The newer build has raised it.
    store.edit(|tables| tables.head.format = FORMAT + 1);
    let refused = older.execute(put("chair")).await;
    assert!(matches!(refused, Err(Refusal::Failed(Fault::Corrupt(_)))));
    assert_eq!(store.head().await.expect("readable").position, 1);
    older.stop().await;
    let again = start(Arc::new(store)).await;
    assert!(matches!(again, Err(Fault::Corrupt(_))));
}

fn opened(dir: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    Arc::new(store.expect("it can be opened"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raised_format_is_on_the_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(opened(dir.path()));
    let conn = rusqlite::Connection::open(dir.path().join(FILE)).expect("it opens");
    let older = conn.execute("UPDATE head SET format = ?1", [FORMAT - 1]);
    older.expect("updated");
    drop(conn);
    let engine = start(opened(dir.path())).await.expect("it starts");
    engine.execute(put("lamp")).await.expect("listed");
    assert_eq!(engine.raise_format().await, Ok(FORMAT));
    engine.stop().await;
    drop(engine);
    let store = opened(dir.path());
    let head = store.head().await.expect("readable");
    assert_eq!(head.format, FORMAT);
    assert_eq!(formats(&*store).await, [FORMAT - 1]);
}
