//! The ports: what the engine asks of the outside.
//!
//! Ports are cut by transaction, not by pattern. One [`Store`] takes and gives whole batches:
//! [`Store::lock`] locks the head row and reads what the batch touches, [`Locked::finish`] writes
//! all of it and commits. There is no other way to write. An adapter holds no decision: if a method
//! branches on a business rule, the rule belongs in `rules` or in `settle`.
//!
//! Time, randomness and waiting come in through [`Clock`] and [`Ids`], so that the whole engine
//! runs deterministically in the simulator.

use crate::callback::Callback;
use crate::commit::{Name, Rejection, Timer};
use crate::lineage::Ended;
use async_trait::async_trait;
use evenkeel_rules::cart::Cart;
use evenkeel_rules::idempotency::Fingerprint;
use evenkeel_rules::ids::{
    CartId, CustomerId, HoldId, LocationId, OrderId, SagaId, SkuId, SubscriptionId, TokenId,
};
use evenkeel_rules::lease::Leases;
use evenkeel_rules::order::Order;
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::collections::{HashMap, VecDeque};

mod around;
mod broker;
mod head;
mod outlet;
mod rows;
mod segments;
mod touch;
mod upkeep;
mod views;
pub use around::{Clock, Ids, News, StockGate};
pub use broker::{
    BadName, Broker, Group, HighWater, Message, Published, Publisher, ROOM, Receipt, Received,
    Receiver, Topic, UNACKED_MAX, Unserved,
};
pub use outlet::{Outlet, Post, Posted};
pub use rows::{
    BalanceWrite, CallbackRow, CartRow, DueRow, HoldRow, HoldWrite, OrderRow, PrivateId,
    PrivateRow, Row, RowWrite, SagaRow, ShareWrite, SkuRow, SkuWrite, SubscriptionRow,
    SubscriptionWrite, TokenRow, TokenWrite,
};
pub use segments::{SegmentFile, SegmentFiles, SegmentName};
pub use touch::{FRONT_MAX, FRONT_NEAR, Rows, Touch};
pub use upkeep::{SealRow, SegmentRow, Upkeep};
pub use views::{
    AuditFilter, AuditRow, FoldInto, HoldFilter, HoldView, OrderFilter, OrderView, OutboxRow,
    ParkedView, Projection, Relayed, SetAside, Side, Standing, Step, Tables, Views,
};

/// A map whose order depends on nothing random.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// A random name for one batch; it resolves an unknown COMMIT.
pub type BatchId = [u8; 16];

/// How many of the last batches the head remembers.
pub const BATCHES_KEPT: usize = 64;

/// Why the machinery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another writer was in the way; nothing was written.
    #[error("another writer was in the way")]
    Conflict,
    /// A newer holder of the lease exists; nothing was written.
    #[error("a newer holder of the lease exists")]
    Fenced,
    /// A definite no: nothing was written. The text is for operators only.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A definite no: the disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The time until which the caller wanted it has passed; nothing was written.
    #[error("the caller's deadline passed before the work began")]
    DeadlinePassed,
    /// The outcome is not known: it may have been written.
    #[error("the outcome is not known")]
    TimedOut,
    /// The store holds or was asked to hold what cannot be; nothing was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The disk did not confirm a write; the process must end and read its log again.
    #[error("the disk failed to confirm a write: {0}")]
    Sync(String),
}

impl Fault {
    /// Whether the very same batch may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Conflict | Self::Unavailable(_) | Self::DiskFull | Self::TimedOut => true,
            Self::Fenced | Self::DeadlinePassed | Self::Corrupt(_) | Self::Sync(_) => false,
        }
    }
}

/// The log's end, as its one row says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The log's id, as in `main`.
    pub log: String,
    /// Random bytes that make hash 0 of this log unlike any other's.
    pub salt: [u8; 16],
    /// Rises with every restore of a backup.
    pub incarnation: u32,
    /// The incarnations before it, in order, and where each ended.
    pub ended: Vec<Ended>,
    /// The last position; 0 for an empty log.
    pub position: u64,
    /// The chain's hash at that position.
    pub hash: [u8; 32],
    /// Log time of the last batch that wrote anything.
    pub time: LogTime,
    /// The shape of log rows that writers may use.
    pub format: u32,
    /// Final refusals written so far; their rows are numbered 1 to this.
    pub refusals: u64,
    /// The lowest position whose log row is in the database; 1 if none was ever archived. The rows
    /// below it stand in segments.
    pub floor: u64,
    /// Who may act for which shard.
    pub leases: Leases,
    /// The last batches' ids, newest last, at most [`BATCHES_KEPT`].
    pub batches: VecDeque<BatchId>,
}

/// One row of the log: the exact bytes that were hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Dense, from 1.
    pub position: u64,
    /// SHA-256 over the previous hash and the text.
    pub hash: [u8; 32],
    /// One JSON object.
    pub text: Vec<u8>,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// It took effect at this position.
    Position(u64),
    /// It was refused for good; the refusal's number and what was said.
    Refusal(u64, Rejection),
}

/// A key as the name index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// What it stands for.
    pub mark: Mark,
    /// Hash of what was asked with it.
    pub fingerprint: Fingerprint,
}

/// A final refusal on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// Its number, dense from 1.
    pub number: u64,
    /// The key's name.
    pub name: Name,
    /// Hash of what was asked.
    pub fingerprint: Fingerprint,
    /// What was said, as JSON text of at most 512 bytes.
    pub text: String,
}

/// One (SKU, location).
pub type Place = (SkuId, LocationId);

/// A customer's share of a SKU that limits it.
pub type Share = (SkuId, CustomerId);

/// What the locked store says: the head, and for each row that was asked for, the row or absent.
/// A row that is not in the view is *unknown*, never absent.
#[derive(Debug, Clone)]
pub struct View {
    /// The locked head.
    pub head: Head,
    /// What the store's own clock said in the meantime; nothing where it has none.
    pub clock: Option<LogTime>,
    /// Keys.
    pub keys: Map<Name, Option<KeyRow>>,
    /// Holds.
    pub holds: Map<HoldId, Option<HoldRow>>,
    /// Tokens.
    pub tokens: Map<TokenId, Option<TokenRow>>,
    /// Orders.
    pub orders: Map<OrderId, Option<OrderRow>>,
    /// Sagas over anybody's services.
    pub sagas: Map<SagaId, Option<SagaRow>>,
    /// Carts.
    pub carts: Map<CartId, Option<CartRow>>,
    /// Callbacks.
    pub callbacks: Map<u64, Option<CallbackRow>>,
    /// Counted units of each share; absent means that the customer never had any.
    pub shares: Map<Share, Option<u64>>,
    /// Subscriptions.
    pub subscriptions: Map<SubscriptionId, Option<SubscriptionRow>>,
    /// Catalogue entries.
    pub skus: Map<SkuId, Option<SkuRow>>,
    /// Balances; absent means that the place never had units.
    pub balances: Map<Place, Option<Balances>>,
    /// The overdue front, oldest first, as many as [`Touch::front_max`]; absent if not asked for.
    pub front: Option<Vec<HoldRow>>,
}

/// A name to write: a key or an id, and the position that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameWrite {
    /// The name.
    pub name: Name,
    /// The position.
    pub position: u64,
    /// For a key: hash of what was asked; zeros for an id.
    pub fingerprint: Fingerprint,
}

/// Everything that one batch changes, written in one transaction.
#[derive(Debug, Clone)]
pub struct Writes {
    /// The head after the batch; its last batch id is this batch's.
    pub head: Head,
    /// The position that the head must have now.
    pub was: u64,
    /// New log rows, ascending.
    pub log: Vec<LogRow>,
    /// New names.
    pub names: Vec<NameWrite>,
    /// New final refusals.
    pub refusals: Vec<RefusalRow>,
    /// Holds.
    pub holds: Vec<HoldWrite>,
    /// SKUs.
    pub skus: Vec<SkuWrite>,
    /// Balances.
    pub balances: Vec<BalanceWrite>,
    /// Customers' shares; only of SKUs that limit them.
    pub shares: Vec<ShareWrite>,
    /// Tokens.
    pub tokens: Vec<TokenWrite>,
    /// New timers of holds.
    pub timers: Vec<Timer>,
    /// Orders.
    pub orders: Vec<RowWrite<Order>>,
    /// Sagas over anybody's services.
    pub sagas: Vec<RowWrite<Journey>>,
    /// Carts.
    pub carts: Vec<RowWrite<Cart>>,
    /// Callbacks.
    pub callbacks: Vec<RowWrite<Callback>>,
    /// Subscriptions.
    pub subscriptions: Vec<SubscriptionWrite>,
    /// New timers of orders, sagas and callbacks: when each row with a [`Row::due`] is due.
    pub dues: Vec<Timer>,
    /// New private texts.
    pub private: Vec<PrivateRow>,
    /// Private texts to erase, at the head's log time.
    pub erased: Vec<PrivateId>,
    /// What becomes of the log's old part.
    pub upkeep: Upkeep,
}

/// Rows read from one snapshot, and the head of that snapshot.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The position that the rows are exact at.
    pub position: u64,
    /// The rows.
    pub rows: T,
}

/// A SKU and its balances, in the order of its locations.
pub type Listed = (SkuRow, Vec<(LocationId, Balances)>);

/// Where the truth is kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Locks the head row, then reads what `touch` names. Dropping the lock rolls back.
    ///
    /// # Errors
    /// A [`Fault`] other than [`Fault::TimedOut`]: nothing was written.
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault>;

    /// Resolves an unknown COMMIT on a new connection: locks the head, which waits for the old
    /// transaction to end, and says whether the batch is among the head's.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] while nothing can be learnt.
    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault>;

    /// The head, unlocked.
    ///
    /// # Errors
    /// A [`Fault`]; so for all reads below.
    async fn head(&self) -> Result<Head, Fault>;

    /// Log rows from a position on, ascending, at most `limit` of them. An adapter gives those
    /// that are in the database, rows below the floor among them until they are taken out.
    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault>;

    /// One hold.
    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault>;

    /// Holds created before a position, newest first, at most `limit` of them.
    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault>;

    /// One SKU with its balances.
    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault>;

    /// SKUs created before a position, newest first, at most `limit` of them.
    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault>;

    /// Tokens created before a position, newest first, at most `limit` of them.
    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault>;

    /// The token whose secret has this SHA-256, revoked or not.
    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault>;

    /// Live holds due at or before a moment, oldest deadline first, at most `limit` of them.
    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault>;

    /// One order.
    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault>;

    /// Orders created before a position, newest first, at most `limit` of them.
    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault>;

    /// One saga over anybody's services.
    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault>;

    /// Sagas over anybody's services created before a position, newest first, at most `limit` of
    /// them.
    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault>;

    /// One cart.
    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault>;

    /// Carts created before a position, newest first, at most `limit` of them.
    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault>;

    /// The callback that a position stored.
    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault>;

    /// Callbacks stored before a position, newest first, at most `limit` of them.
    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault>;

    /// Orders, sagas and callbacks that wait for a person, created before a position, newest first,
    /// at most `limit` of them.
    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault>;

    /// Orders, sagas and callbacks whose [`Row::due`] is at or before a moment or before the head's
    /// log time, oldest first, at most `limit` of them.
    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault>;

    /// One subscription.
    async fn subscription(&self, id: &SubscriptionId)
    -> Result<At<Option<SubscriptionRow>>, Fault>;

    /// Subscriptions created before a position, newest first, at most `limit` of them.
    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault>;

    /// One private text.
    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault>;

    /// Private texts of a customer that are not erased, from an id on, ascending, at most `limit`
    /// of them. It looks through all texts: for the rare wish to be forgotten.
    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault>;

    /// What the name index says of each name.
    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault>;

    /// Final refusals from a number on, ascending, at most `limit` of them.
    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault>;

    /// Customers' shares behind one of them, in the order of SKU and customer, at most `limit` of
    /// them, for `verify`.
    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault>;

    /// Balances whose SKU or location is not listed with it, for `verify`.
    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault>;

    /// Seals up to and with a position, newest first, at most `limit` of them.
    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault>;

    /// Every segment, lowest first.
    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault>;

    /// The lowest position whose log row this adapter itself has yet to read, as when it starts:
    /// none from here on may be taken out of the database. It never falls.
    async fn reads_from(&self) -> Result<u64, Fault>;

    /// Whether a name may be known. `false` is certain for every name up to the position that
    /// [`Store::known_to`] gives; `true` is a reason to ask the ledger, no more.
    fn may_know(&self, name: &Name) -> bool;

    /// Whether a name may be taken for new without a look. Nothing is certain: who takes it for new
    /// writes it, and [`Locked::finish`] refuses a batch that writes a name which exists. `false`
    /// where looking costs no more than that.
    fn seems_new(&self, _name: &Name) -> bool {
        false
    }

    /// The position up to which [`Store::may_know`] has heard of every name.
    fn known_to(&self) -> u64;

    /// Hears of every name up to this head that others wrote. An adapter that hears of them with
    /// whatever it reads has nothing to do.
    ///
    /// # Errors
    /// A [`Fault`]; what was heard of until then is known.
    async fn hear_names(&self, _head: &Head) -> Result<(), Fault> {
        Ok(())
    }
}

/// A locked head. Dropped without [`Locked::finish`], it leaves no trace.
#[async_trait]
pub trait Locked: Send {
    /// Writes everything and commits.
    ///
    /// # Errors
    /// [`Fault::TimedOut`]: the outcome is unknown. [`Fault::Corrupt`]: a guard found another value
    /// than expected. Every other fault is a definite no.
    async fn finish(self: Box<Self>, writes: &Writes) -> Result<(), Fault>;
}
