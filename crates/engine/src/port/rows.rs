//! State rows: the present fold of each stream, with the positions that it was made at.
//!
//! A row is keyed by the position that created it, and names the position of its last event, so its
//! story can be walked back without an index. What a row has beside the fold (tries, due times) is
//! bookkeeping: it changes without an event.

use super::{Place, Share};
use crate::callback::Callback;
use evenkeel_rules::cart::Cart;
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{CustomerId, LocationId};
use evenkeel_rules::order::{Order, Tries};
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::subscription::{Progress, Subscription};
use evenkeel_rules::time::LogTime;
use evenkeel_rules::token::Token;

/// A hold's state row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The position that created it: the row's key.
    pub created: u64,
    /// The position of its last event.
    pub last: u64,
    /// Events in its stream.
    pub version: u64,
    /// The fold of its stream.
    pub hold: Hold,
}

/// The state row of something that has a life of its own: an order, a saga, a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<T> {
    /// The position that created it: the row's key.
    pub created: u64,
    /// The position of its last event.
    pub last: u64,
    /// Events in its stream.
    pub version: u64,
    /// The fold of its stream.
    pub body: T,
    /// How often its present task was tried: bookkeeping, not part of the fold.
    pub tries: Tries,
    /// When it is to be looked at next: bookkeeping.
    pub due: Option<LogTime>,
    /// Whether it waits for a person; listed by [`Store::flagged`](super::Store::flagged).
    pub flagged: bool,
}

/// An order's state row.
pub type OrderRow = Row<Order>;

/// The state row of a saga over anybody's services.
pub type SagaRow = Row<Journey>;

/// A cart's state row.
pub type CartRow = Row<Cart>;

/// A callback's state row.
pub type CallbackRow = Row<Callback>;

/// A row to write.
#[derive(Debug, Clone)]
pub struct RowWrite<T> {
    /// The row.
    pub row: Row<T>,
    /// The version that the row must have now; nothing for a new row.
    pub was: Option<u64>,
}

/// What a row that is due is a row of.
#[expect(
    clippy::large_enum_variant,
    reason = "most due rows are orders; a box would be an allocation for each"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueRow {
    /// An order.
    Order(OrderRow),
    /// A saga over anybody's services.
    Saga(SagaRow),
    /// A callback.
    Callback(CallbackRow),
}

impl DueRow {
    /// The position that created the row.
    #[must_use]
    pub const fn created(&self) -> u64 {
        match self {
            Self::Order(row) => row.created,
            Self::Saga(row) => row.created,
            Self::Callback(row) => row.created,
        }
    }
}

/// Where a private text stands: the position that made it, and its place there.
pub type PrivateId = (u64, u8);

/// A text that may be erased: an address, a payment token, a callback as it came. The log has at
/// most its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateRow {
    /// Where it stands.
    pub id: PrivateId,
    /// Whose it is, if anybody's.
    pub customer: Option<CustomerId>,
    /// The text; empty once erased.
    pub text: String,
    /// When it was erased.
    pub erased_at: Option<LogTime>,
}

/// A SKU's state row: two streams, the entry's and the stock's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuRow {
    /// The position that created it.
    pub created: u64,
    /// The position of the entry's last event.
    pub last: u64,
    /// Events in the entry's stream.
    pub version: u64,
    /// The entry.
    pub sku: Sku,
    /// The position of the last receive or adjust; 0 without one.
    pub stock_last: u64,
    /// Events in the stock's stream.
    pub stock_version: u64,
    /// Where it has or had units, in order of the first.
    pub locations: Vec<LocationId>,
}

/// A token's state row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The position that created it.
    pub created: u64,
    /// The position of its last event.
    pub last: u64,
    /// Events in its stream.
    pub version: u64,
    /// The token.
    pub token: Token,
    /// SHA-256 of its secret.
    pub secret: [u8; 32],
}

/// A hold's row to write.
#[derive(Debug, Clone)]
pub struct HoldWrite {
    /// The row.
    pub row: HoldRow,
    /// Its hold as JSON, as it stands in the event.
    pub body: Vec<u8>,
    /// The version that the row must have now; nothing for a new row.
    pub was: Option<u64>,
}

/// A SKU's row to write.
#[derive(Debug, Clone)]
pub struct SkuWrite {
    /// The row.
    pub row: SkuRow,
    /// The two versions that the row must have now; nothing for a new row.
    pub was: Option<(u64, u64)>,
}

/// Balances to write.
#[derive(Debug, Clone)]
pub struct BalanceWrite {
    /// Which.
    pub place: Place,
    /// What must stand there now; nothing for a new row.
    pub was: Option<Balances>,
    /// What is to stand there.
    pub now: Balances,
}

/// A share to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareWrite {
    /// Which.
    pub share: Share,
    /// What must stand there now; nothing for a new row.
    pub was: Option<u64>,
    /// Counted units that are to stand there; a row stays when it comes to 0.
    pub now: u64,
}

/// A token's row to write.
#[derive(Debug, Clone)]
pub struct TokenWrite {
    /// The row.
    pub row: TokenRow,
    /// The version that the row must have now; nothing for a new row.
    pub was: Option<u64>,
}

/// A subscription's state row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// The position that created it: the row's key.
    pub created: u64,
    /// The position of its last event.
    pub last: u64,
    /// Events in its stream.
    pub version: u64,
    /// The fold of its stream.
    pub body: Subscription,
    /// How far it has come: bookkeeping, not part of the fold.
    pub progress: Progress,
}

/// A subscription's row to write.
#[derive(Debug, Clone)]
pub struct SubscriptionWrite {
    /// The row.
    pub row: SubscriptionRow,
    /// The version that the row must have now; nothing for a new row.
    pub was: Option<u64>,
}
