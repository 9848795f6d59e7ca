//! What a batch looks at under the lock.

use super::{BatchId, Place, Share};
use crate::commit::Name;
use evenkeel_rules::ids::{CartId, HoldId, OrderId, SagaId, SkuId, SubscriptionId, TokenId};
use evenkeel_rules::time::LogTime;

/// Rows that the warm ledger may hold already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Catalogue entries.
    pub skus: Vec<SkuId>,
    /// Balances.
    pub balances: Vec<Place>,
}

/// What a batch wants to look at. Duplicates are allowed and cost a second look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touch {
    /// Keys.
    pub keys: Vec<Name>,
    /// Holds by id, whether they exist or not.
    pub holds: Vec<HoldId>,
    /// Tokens by id.
    pub tokens: Vec<TokenId>,
    /// Orders by id, whether they exist or not.
    pub orders: Vec<OrderId>,
    /// Sagas over anybody's services by id, whether they exist or not.
    pub sagas: Vec<SagaId>,
    /// Carts by id, whether they exist or not.
    pub carts: Vec<CartId>,
    /// Callbacks by the position that stored them.
    pub callbacks: Vec<u64>,
    /// Shares, whether they exist or not.
    pub shares: Vec<Share>,
    /// Subscriptions by id, whether they exist or not.
    pub subscriptions: Vec<SubscriptionId>,
    /// Rows to read in any case.
    pub rows: Rows,
    /// Rows to read only if the head is not where `exact_at` says: the cache holds them.
    pub cached: Rows,
    /// The position and batch that the cache is exact at.
    pub exact_at: Option<(u64, BatchId)>,
    /// Whether to read the overdue front, and until which due time.
    pub front: Option<LogTime>,
    /// Whether all of the front is read: its first entries did not do.
    pub whole_front: bool,
    /// Whether the names that a commit would take are taken for new, and not looked for.
    pub unseen: bool,
}

impl Touch {
    /// Adds what another touch names.
    pub fn widen(&mut self, more: Self) {
        self.keys.extend(more.keys);
        self.holds.extend(more.holds);
        self.tokens.extend(more.tokens);
        self.orders.extend(more.orders);
        self.sagas.extend(more.sagas);
        self.carts.extend(more.carts);
        self.callbacks.extend(more.callbacks);
        self.shares.extend(more.shares);
        self.subscriptions.extend(more.subscriptions);
        self.rows.skus.extend(more.rows.skus);
        self.rows.balances.extend(more.rows.balances);
        self.front = self.front.max(more.front);
        self.whole_front |= more.whole_front;
        self.unseen &= more.unseen;
    }

    /// How many entries of the overdue front to read.
    #[must_use]
    pub const fn front_max(&self) -> usize {
        if self.whole_front {
            FRONT_MAX
        } else {
            FRONT_NEAR
        }
    }
}

/// Most entries of the overdue front.
pub const FRONT_MAX: usize = 4_096;
/// Entries of it that are read first, as many as one place may end: when a million holds of one
/// SKU are due, these do.
pub const FRONT_NEAR: usize = 64;
