//! What a view and a head say of themselves.

use super::{BatchId, Head, Map, View};

impl View {
    /// A view that has looked at nothing but the head.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            head,
            clock: None,
            keys: Map::default(),
            holds: Map::default(),
            tokens: Map::default(),
            orders: Map::default(),
            sagas: Map::default(),
            carts: Map::default(),
            callbacks: Map::default(),
            shares: Map::default(),
            subscriptions: Map::default(),
            skus: Map::default(),
            balances: Map::default(),
            front: None,
        }
    }

    /// Whether a cache that is exact at `exact_at` is exact at this head.
    #[must_use]
    pub fn confirms(&self, exact_at: Option<(u64, BatchId)>) -> bool {
        exact_at.is_some() && exact_at == self.head.stamp()
    }
}

impl Head {
    /// The position and the last batch: two heads with one stamp are one head.
    #[must_use]
    pub fn stamp(&self) -> Option<(u64, BatchId)> {
        self.batches.back().map(|batch| (self.position, *batch))
    }
}
