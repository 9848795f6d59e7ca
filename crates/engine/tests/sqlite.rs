//! The SQLite store keeps every promise, with names in runs small enough that all kinds are met.

use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::Store;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use std::sync::Arc;
use tempfile::TempDir;

#[macro_use]
mod conformance;

struct Sqlite(TempDir);

const NAMES: NamesOptions = NamesOptions {
    run_names: 64,
    tier: 2,
    background: false,
};

impl conformance::Fixture for Sqlite {
    async fn empty() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    async fn store(&self) -> Arc<dyn Store> {
        let store = SqliteStore::open(self.0.path(), &SystemIds, NAMES);
        Arc::new(store.expect("the directory can be opened"))
    }

    async fn reopen(&self) -> Arc<dyn Store> {
        self.store().await
    }
}

conformance!(Sqlite);
