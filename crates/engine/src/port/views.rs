//! The port of the read models: rows that people list, search and report on, folded from the log.
//!
//! A projection's rows and its checkpoint change in one transaction ([`Views::write`]), so the rows
//! are the fold of the log up to the checkpoint at any moment, whenever the process dies. Each
//! projection has a live set of rows that readers see, and may have a second one that is being
//! built beside it and takes its place at once ([`Views::switch`]). Nothing here is the truth:
//! all of it can be deleted and is made again from the log. An adapter keeps rows; what they are is
//! decided by the fold that it is handed.

use super::{At, Fault, HoldRow, Listed, OrderRow, Place, SkuRow};
use async_trait::async_trait;
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::ids::{CustomerId, HoldId, OrderId, Reference, SkuId};
use evenkeel_rules::order::Status;
use evenkeel_rules::stock::{Balances, Move};
use evenkeel_rules::time::LogTime;
use evenkeel_rules::{payment, shipment};

/// A projection: something that is folded from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// Orders with their payments and shipments.
    Orders,
    /// Holds.
    Holds,
    /// SKUs with their balances at all locations.
    Stock,
    /// Every move of stock.
    Audit,
    /// Events on their way to subscribers.
    Outbox,
}

impl Projection {
    /// Every projection, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Orders,
        Self::Holds,
        Self::Stock,
        Self::Audit,
        Self::Outbox,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Holds => "holds",
            Self::Stock => "stock",
            Self::Audit => "audit",
            Self::Outbox => "outbox",
        }
    }

    /// The projection with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Which of a projection's sets of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that readers see.
    Live,
    /// The one that is being built beside it.
    Building,
}

/// Where a projection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub projection: Projection,
    /// The position that the live rows are the fold at.
    pub checkpoint: u64,
    /// The same of the rows that are being built, if any are.
    pub building: Option<u64>,
    /// Events that could not be folded into the live rows.
    pub failed: u64,
}

/// An order as its events left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The row; its tries are not in the log, and its due time is the one that its last event set.
    pub row: OrderRow,
    /// Log time of its last event.
    pub updated: LogTime,
    /// Log time of the last news of its money.
    pub paid_at: Option<LogTime>,
}

/// A hold as its events left it, on its way into its row.
#[derive(Debug, Clone, Copy)]
pub struct HoldView<'a> {
    /// The position that created it: the row's key.
    pub created: u64,
    /// The position of its last event.
    pub last: u64,
    /// Events in its stream.
    pub version: u64,
    /// The hold.
    pub hold: &'a Hold,
    /// The same as JSON, as the log has it.
    pub body: &'a str,
}

/// One move of stock, and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The position.
    pub position: u64,
    /// Its number among the moves of that position, from 0.
    pub index: u64,
    /// Log time.
    pub at: LogTime,
    /// The move.
    pub made: Move,
}

/// One event for subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow<'a> {
    /// The position.
    pub position: u64,
    /// Its number among the events of that position, from 0.
    pub index: u64,
    /// Log time.
    pub at: LogTime,
    /// The id of the aggregate.
    pub id: &'a str,
    /// The type's name.
    pub kind: &'a str,
    /// Its data, as JSON.
    pub payload: &'a str,
}

/// An event that could not be folded, kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// By which projection.
    pub projection: Projection,
    /// The position.
    pub position: u64,
    /// Its number among the events of that position, from 0.
    pub index: u64,
    /// Why, in words.
    pub why: String,
}

/// The rows of one transaction, as a fold sees them. It asks for rows first and puts what it
/// changed at its end, each row once; what was put is not asked for again.
///
/// Whoever asks for a row of a stream says near which position it may stand: at what created it, if
/// that is known, or at the stream's event before this one; 0 means that this event is the first.
/// Rows that are being built may take that for granted instead of looking: that it was not so comes
/// to light when they are made ready, and they are then built again with looking.
pub trait Tables {
    /// One order.
    ///
    /// # Errors
    /// A [`Fault`]; so for everything below: the whole transaction is rolled back.
    fn order(&mut self, id: &OrderId, near: u64) -> Result<Option<OrderView>, Fault>;

    /// Puts an order in its row, which is made if it was created within the step.
    fn put_order(&mut self, order: &OrderView) -> Result<(), Fault>;

    /// When a hold was created, and how many events it has.
    fn hold(&mut self, id: &HoldId, near: u64) -> Result<Option<(u64, u64)>, Fault>;

    /// Puts a hold in its row, which is made if it was created within the step.
    fn put_hold(&mut self, hold: &HoldView<'_>) -> Result<(), Fault>;

    /// One SKU.
    fn sku(&mut self, id: &SkuId) -> Result<Option<SkuRow>, Fault>;

    /// Puts a SKU in its row, which is made if it is missing.
    fn put_sku(&mut self, sku: &SkuRow) -> Result<(), Fault>;

    /// The balances of a place.
    fn balances(&mut self, place: &Place) -> Result<Option<Balances>, Fault>;

    /// Puts balances in their row, which is made if it is missing.
    fn put_balances(&mut self, place: &Place, balances: &Balances) -> Result<(), Fault>;

    /// Adds a move.
    fn add_audit(&mut self, row: &AuditRow) -> Result<(), Fault>;

    /// Adds an event.
    fn add_outbox(&mut self, row: &OutboxRow<'_>) -> Result<(), Fault>;

    /// Keeps an event aside that cannot be folded.
    fn set_aside(&mut self, row: &SetAside) -> Result<(), Fault>;
}

/// What is done with the rows of one transaction.
pub type FoldInto = Box<dyn FnOnce(&mut dyn Tables) -> Result<(), Fault> + Send>;

/// What a transaction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The projections whose checkpoint moves, each with rows on this side.
    pub projections: Vec<Projection>,
    /// The side.
    pub side: Side,
    /// Where the checkpoint of each must stand.
    pub after: u64,
    /// Where it then stands.
    pub to: u64,
}

/// Which orders are asked for. Nothing means any.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Whose.
    pub customer: Option<CustomerId>,
    /// In this status.
    pub status: Option<Status>,
    /// With a line of this SKU.
    pub sku: Option<SkuId>,
    /// Taken at or after.
    pub from: Option<LogTime>,
    /// Taken before.
    pub to: Option<LogTime>,
    /// With a payment in this status.
    pub payment: Option<payment::Status>,
    /// With a shipment.
    pub shipped: bool,
    /// With a shipment in this status.
    pub shipment: Option<shipment::Status>,
}

/// Which holds are asked for. Nothing means any.
#[derive(Debug, Clone, Default)]
pub struct HoldFilter {
    /// Whose.
    pub customer: Option<CustomerId>,
    /// In this state.
    pub state: Option<State>,
    /// With a line of this SKU.
    pub sku: Option<SkuId>,
}

/// Which moves are asked for. Nothing means any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this SKU.
    pub sku: Option<SkuId>,
    /// Done for one of these.
    pub references: Option<Vec<Reference>>,
}

/// How far subscribers are with the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relayed {
    /// The position that every live subscriber has passed; nothing if there is no subscriber, and
    /// so nobody whom an event has yet to reach.
    pub passed: Option<u64>,
    /// What was set aside for an operator.
    pub parked: Vec<ParkedView>,
}

/// An aggregate's events that a subscriber does not get until an operator says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedView {
    /// The id of the aggregate.
    pub id: String,
    /// From this position on.
    pub from: u64,
    /// How often the first was posted.
    pub attempts: u64,
    /// Why, in words.
    pub cause: String,
}

/// Where the read models are kept. The position of every answer is the checkpoint of the
/// projection that it was read from.
#[async_trait]
pub trait Views: Send + Sync {
    /// Where each projection stands, in the order of [`Projection::ALL`].
    ///
    /// # Errors
    /// A [`Fault`]; so for everything below.
    async fn standing(&self) -> Result<Vec<Standing>, Fault>;

    /// Whether a server does the work of writing rows, which no thread of this process can have
    /// give way to requests.
    fn is_on_a_server(&self) -> bool {
        false
    }

    /// Folds into rows and moves checkpoints, all or nothing.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if a checkpoint is not where the step says; nothing was written.
    async fn write(&self, step: Step, fold: FoldInto) -> Result<(), Fault>;

    /// Makes an empty second set of rows, in place of one that was being built.
    async fn begin(&self, projection: Projection) -> Result<(), Fault>;

    /// Lets the second set of rows take the place of the live one, which is deleted, if it stands
    /// at a position or behind it; whether it did. The first calls for a set may only get it ready,
    /// a bounded part each; or, where the log turns out to be damaged, begin it again.
    async fn switch(&self, projection: Projection, least: u64) -> Result<bool, Fault>;

    /// Orders that were created before a position, newest first, at most `limit` of them. Ids that
    /// were cancelled before anybody ordered under them are not shown.
    async fn orders(
        &self,
        filter: &OrderFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<OrderView>>, Fault>;

    /// Holds that were created before a position, newest first, at most `limit` of them.
    async fn holds(
        &self,
        filter: &HoldFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<HoldRow>>, Fault>;

    /// SKUs that were created before a position, newest first, at most `limit` of them.
    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault>;

    /// Moves from a place in the log on (position, index), ascending, at most `limit` of them.
    async fn audit(
        &self,
        filter: &AuditFilter,
        from: (u64, u64),
        limit: usize,
    ) -> Result<At<Vec<AuditRow>>, Fault>;

    /// Notes how far subscribers are, and that they were found there at this time, for the view
    /// `outbox`.
    async fn relayed(&self, relayed: Relayed, at: LogTime) -> Result<(), Fault>;

    /// Events of live rows that are kept aside, oldest first, at most `limit` of them.
    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, Fault>;
}
