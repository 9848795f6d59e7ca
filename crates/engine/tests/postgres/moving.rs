//! A ledger in files, moved into a database: the same chain, the same rows, all invariants.

use super::sql;
use super::trading::{engine, quiet, stock, trade};
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::moving::fill;
use evenkeel_engine::port::{Fault, Store};
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, verify};
use std::path::Path;
use std::sync::Arc;

fn files(dir: &Path) -> Arc<dyn Store> {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    Arc::new(store.expect("a fresh directory can be opened"))
}

async fn open(url: &str) -> PostgresStore {
    let store = PostgresStore::open(&PostgresOptions::new(url), &SystemIds).await;
    store.expect("the database can be opened")
}

#[tokio::test]
async fn a_ledger_that_was_moved_is_the_same_and_goes_on() {
    let home = tempfile::tempdir().expect("a scratch directory");
    let old = files(home.path());
    let shop = engine(Arc::clone(&old)).await;
    stock(&shop).await;
    trade(&shop, 0, 30).await;
    quiet(&shop).await;
    shop.stop().await;
    let head = old.head().await.expect("readable");

    let url = sql::database().await;
    let new = open(&url).await;
    assert!(new.adopt(&head).await.expect("it answers"), "it was empty");
    let filled = fill(&*old, &new, &SystemIds).await.expect("all is copied");
    // Nobody sells from what is not whole.
    let format = new.head().await.expect("readable").format;
    assert_eq!(format, evenkeel_engine::moving::UNFINISHED);
    assert!(verify(&new, Inputs::default()).await.is_err());
    filled.finish(&new, &SystemIds).await.expect("it is whole");
    drop(new);

    let new = open(&url).await;
    let moved = new.head().await.expect("readable");
    assert_eq!(
        (moved.position, moved.hash, moved.salt, moved.refusals),
        (head.position, head.hash, head.salt, head.refusals)
    );
    let report = verify(&new, Inputs::default()).await.expect("readable");
    assert!(report.ok, "{:#?}", report.findings().collect::<Vec<_>>());
    for before in [u64::MAX, 40, 7] {
        let (one, other) = (old.holds(before, 9).await, new.holds(before, 9).await);
        assert_eq!(one.expect("readable").rows, other.expect("readable").rows);
        let (one, other) = (old.orders(before, 9).await, new.orders(before, 9).await);
        assert_eq!(one.expect("readable").rows, other.expect("readable").rows);
    }
    // Keys of before are known, and new work goes on behind the last row.
    let new: Arc<dyn Store> = Arc::new(new);
    let shop = engine(Arc::clone(&new)).await;
    trade(&shop, 0, 30).await;
    trade(&shop, 30, 33).await;
    shop.stop().await;
    let report = verify(&*new, Inputs::default()).await.expect("readable");
    assert!(report.ok && report.position > head.position);
}

#[tokio::test]
async fn a_store_that_has_something_is_not_written_over() {
    let home = tempfile::tempdir().expect("a scratch directory");
    let old = files(home.path());
    let url = sql::database().await;
    let new: Arc<dyn Store> = Arc::new(open(&url).await);
    let shop = engine(Arc::clone(&new)).await;
    stock(&shop).await;
    shop.stop().await;
    let head = old.head().await.expect("readable");
    let adopted = open(&url).await.adopt(&head).await;
    assert!(!adopted.expect("it answers"));
    let filled = fill(&*old, &*new, &SystemIds).await;
    assert_eq!(filled.map(drop), Err(Fault::Conflict));
}
