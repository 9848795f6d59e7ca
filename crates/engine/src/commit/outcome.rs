//! What comes of a commit.
//!
//! An [`Outcome`] is what the judge says of a commit; it is told only once its batch is durable.
//! The [`Effect`] in it is what the command left, as rows: enough to render its answer without
//! reading the store again. A replay has none: its answer is rendered from the log row of the first
//! time, so that it is the same. Neither decides anything.

use super::Rejection;
use crate::port::{
    CallbackRow, CartRow, HoldRow, OrderRow, SagaRow, SkuRow, SubscriptionRow, TokenRow,
};
use evenkeel_rules::ids::{LocationId, SkuId};
use evenkeel_rules::lease::Leases;
use evenkeel_rules::stock::Balances;

/// What an accepted command left behind: enough to render its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The hold as it stands after it.
    Hold(HoldRow),
    /// The catalogue entry after it; `created` says that it was new.
    Sku {
        /// The entry.
        row: SkuRow,
        /// Whether the SKU was unknown before.
        created: bool,
    },
    /// All balances of the SKU after it.
    Stock {
        /// Of which SKU.
        sku: SkuId,
        /// Per location, in order of their first units.
        stock: Vec<(LocationId, Balances)>,
    },
    /// The token after it.
    Token(TokenRow),
    /// The order as it stands after it.
    Order(Box<OrderRow>),
    /// The saga over anybody's services as it stands after it.
    Saga(Box<SagaRow>),
    /// The cart as it stands after it.
    Cart(Box<CartRow>),
    /// The callback as it stands after it.
    Callback {
        /// The row.
        row: Box<CallbackRow>,
        /// Whether its order is not known yet.
        parked: bool,
    },
    /// The subscription as it stands after it.
    Subscription(Box<SubscriptionRow>),
    /// So many private texts were erased.
    Erased(usize),
    /// Nothing that anybody is told: a try was counted.
    Tried,
    /// The node lives; and who else does.
    Lease {
        /// The number it joined under.
        joined: u64,
        /// All leases.
        leases: Leases,
    },
}

/// What came of a commit, told only once its batch is durable.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It took effect now, at this position.
    Accepted {
        /// Where in the log.
        position: u64,
        /// What it left.
        effect: Effect,
    },
    /// It asked for what was so already: nothing was written.
    Unchanged {
        /// The position that the effect was read at.
        position: u64,
        /// What stands.
        effect: Effect,
    },
    /// Its key took effect before, at this position: read the log row and answer as then.
    Replay {
        /// Where in the log.
        position: u64,
    },
    /// Its key was refused for good before.
    ReplayRefused(Rejection),
    /// The rules said no. `position` is where the ledger stood: a momentary refusal's `as_of`.
    Refused {
        /// Why.
        rejection: Rejection,
        /// Where in the log.
        position: u64,
    },
}
