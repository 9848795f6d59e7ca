//! The store in memory keeps every promise but durability.

use conformance::faulty::Act;
use conformance::world::{Shop, keyed, place};
use evenkeel_engine::Refusal;
use evenkeel_engine::committer::Broken;
use evenkeel_engine::port::{Fault, Store};
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

#[tokio::test]
async fn a_batch_that_was_looked_up_and_found_is_missed_where_the_store_comes_back_without_it() {
    let memory = Memory(MemoryStore::new("main", [5; 16]));
    let shop = Shop::with_lamps(&memory, 5).await;
    let before = memory.0.tables();
    shop.store.script.next(Act::ApplyUnknown);
    shop.ok(keyed("h-1", place("h-1", &[("lamp", 1)]))).await;
    memory.0.edit(|tables| *tables = before);
    let next = keyed("h-2", place("h-2", &[("lamp", 1)]));
    let refused = shop.engine.execute(next).await;
    let is_refused = matches!(refused, Err(Refusal::Failed(Fault::Unavailable(_))));
    assert!(is_refused, "{refused:?}");
    assert_eq!(shop.engine.broken(), Some(Broken::Log));
    assert!(memory.0.tables().holds.is_empty());
    shop.engine.stop().await;
}
