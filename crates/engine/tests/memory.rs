//! The store in memory keeps every promise but durability.

use evenkeel_engine::port::Store;
use evenkeel_engine::store::memory::MemoryStore;
use std::sync::Arc;

#[macro_use]
mod conformance;

struct Memory(MemoryStore);

impl conformance::Fixture for Memory {
    async fn empty() -> Self {
        Self(MemoryStore::new("main", [5; 16]))
    }

    async fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn reopen(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::from_tables(self.0.tables()))
    }
}

conformance!(Memory);
