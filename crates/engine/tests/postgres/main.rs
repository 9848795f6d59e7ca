//! The PostgreSQL store keeps every promise, over a real server that the tests start themselves.

use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::Store;
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
use std::sync::Arc;

#[macro_use]
#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../asked/mod.rs"]
mod asked;
mod check;
mod faults;
mod folding;
mod moving;
mod proxy;
mod replicas;
#[path = "../servers/mod.rs"]
#[expect(dead_code, reason = "the suite of several nodes uses more of it")]
mod servers;
mod sql;
mod tls;
#[path = "../trading/mod.rs"]
mod trading;
mod views;

/// A database of the server that all tests share.
struct Postgres(String);

impl conformance::Fixture for Postgres {
    async fn empty() -> Self {
        Self(sql::database().await)
    }

    async fn store(&self) -> Arc<dyn Store> {
        let store = PostgresStore::open(&PostgresOptions::new(&self.0), &SystemIds).await;
        Arc::new(store.expect("the database can be opened"))
    }

    async fn reopen(&self) -> Arc<dyn Store> {
        self.store().await
    }
}

conformance!(Postgres);
