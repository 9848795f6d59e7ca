//! The one value that changes anything, and what can come of it.
//!
//! A [`Commit`] is a command with everything its judge needs to know about the asker: key and
//! fingerprint, actor, expectations, and the rows that the command touches. It is a plain value:
//! [`crate::settle`] turns it into facts (events and moves, which get the next position) and
//! bookkeeping (keys, refusals, timers, which take none), or refuses it on its own.

use crate::callback::Sender;
use crate::port::{PrivateId, Touch};
use evenkeel_rules::cart;
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{
    CartId, CustomerId, HoldId, LocationId, OrderId, Reference, RefundId, SagaId, SkuId, TokenId,
};
use evenkeel_rules::money::Money;
use evenkeel_rules::order::{self, Ask, ReturnLine, Task, Told};
use evenkeel_rules::saga::journey;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock;
use evenkeel_rules::time::{LogTime, Millis};
use evenkeel_rules::token::Role;

mod key;
mod outcome;
mod rejection;
mod subscribing;
mod upkeep;
pub use key::{Key, Name, cart_name, hold_name, hold_of, name_of, order_name, saga_name};
pub use outcome::{Effect, Outcome};
pub use rejection::Rejection;
pub use subscribing::{Step, Subscribing};
pub use upkeep::KeepUp;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// List a SKU or replace its entry.
    PutSku {
        /// The whole entry.
        terms: Terms,
    },
    /// Receive, find or write off units by hand.
    ChangeStock {
        /// Of which SKU.
        sku: SkuId,
        /// Where.
        location: LocationId,
        /// What and how many.
        change: stock::Change,
        /// A purchase order or the like; the moves refer to it.
        reference: Option<Reference>,
        /// Why, in words.
        reason: Option<String>,
    },
    /// Set units aside.
    Place(Place),
    /// Sell held units.
    Confirm {
        /// Which hold.
        id: HoldId,
        /// All lines if missing.
        lines: Option<Vec<Wanted>>,
    },
    /// Give a hold back.
    Release {
        /// Which hold.
        id: HoldId,
    },
    /// Move a hold's deadline.
    Extend {
        /// Which hold.
        id: HoldId,
        /// From log time on, in ms.
        ttl: Millis,
    },
    /// End an overdue hold: only the sweep asks this.
    Expire {
        /// Which hold.
        id: HoldId,
    },
    /// Make a bearer token.
    CreateToken {
        /// Its public name.
        id: TokenId,
        /// What it may do.
        role: Role,
        /// Whose holds, for a buyer.
        customer: Option<CustomerId>,
        /// SHA-256 of the secret; the secret itself is never handed to the engine.
        secret: [u8; 32],
    },
    /// Revoke a bearer token.
    RevokeToken {
        /// Which token.
        id: TokenId,
    },
    /// Take an order: hold its units, intend its charge.
    TakeOrder {
        /// What is wanted.
        ask: Box<Ask>,
        /// What only providers may see: payment token and address, as JSON. It is kept as a
        /// private text and never logged.
        private: String,
    },
    /// Begin a cart.
    BeginCart {
        /// Its id, the client's or made from the key.
        id: CartId,
        /// Whose it is to be.
        customer: CustomerId,
    },
    /// Set a line of a cart, or take it out, with its hold.
    SetLine {
        /// Which cart.
        id: CartId,
        /// Which line, and how many units.
        line: cart::Set,
    },
    /// Make an order of a cart.
    CheckOut {
        /// Which cart.
        id: CartId,
        /// The order's id, the client's or made from the key.
        order: OrderId,
        /// How the customer pays.
        method: String,
        /// How long the money may take, in ms.
        confirming: Millis,
        /// As that of [`Command::TakeOrder`].
        private: String,
    },
    /// Call an order off.
    CancelOrder {
        /// Which order.
        id: OrderId,
        /// Why, in words; kept as a private text.
        reason: Option<String>,
    },
    /// Give money back.
    RefundOrder {
        /// Which order.
        id: OrderId,
        /// The refund's id, the client's or made from the key.
        refund: RefundId,
        /// All that is left if missing.
        amount: Option<Money>,
        /// Why, in words; kept as a private text.
        reason: Option<String>,
    },
    /// Take shipped units back.
    ReturnOrder {
        /// Which order.
        id: OrderId,
        /// Which units.
        lines: Vec<ReturnLine>,
        /// Whether they go on sale again.
        restock: bool,
    },
    /// A person's word on an order that waits for one.
    ResolveOrder {
        /// Which order.
        id: OrderId,
        /// Whether it is to wait and try on.
        go_on: bool,
        /// How long the money may take from now on, in ms.
        confirming: Millis,
        /// Why, in words; kept as a private text.
        reason: Option<String>,
    },
    /// What came of a call to a provider: only the runner reports.
    Report {
        /// Which order.
        id: OrderId,
        /// Which call.
        task: Task,
        /// What the provider said.
        told: Told,
        /// The version of the order that needed the call.
        seen: u64,
        /// Spreads the next try.
        random: u64,
        /// The token under which the call was made; nothing where nobody shares the store.
        lease: Option<u64>,
    },
    /// Tell an order's customer that its time runs out: only the runner asks.
    WarnOrder {
        /// Which order.
        id: OrderId,
        /// Spreads the next try of what was tried already.
        random: u64,
        /// The token under which it is told; nothing where nobody shares the store.
        lease: Option<u64>,
    },
    /// Begin a saga over anybody's services.
    StartSaga {
        /// What is wanted.
        ask: Box<journey::Ask>,
        /// What the steps are sent, as a JSON array of one body per step; empty if no step has
        /// one. It is kept as a private text and never logged.
        bodies: String,
    },
    /// Let a stuck saga over anybody's services try on.
    RetrySaga {
        /// Which saga.
        id: SagaId,
        /// Why, in words; kept as a private text.
        reason: Option<String>,
    },
    /// Have a saga over anybody's services undone.
    CompensateSaga {
        /// Which saga.
        id: SagaId,
        /// Why, in words; kept as a private text.
        reason: Option<String>,
    },
    /// What came of a step's call: only the runner reports.
    ReportStep {
        /// Which saga.
        id: SagaId,
        /// Which call.
        turn: journey::Turn,
        /// What the service said.
        told: journey::Told,
        /// The version of the saga that needed the call.
        seen: u64,
        /// Spreads the next try.
        random: u64,
        /// The token under which the call was made; nothing where nobody shares the store.
        lease: Option<u64>,
    },
    /// Keep a callback. Its key is the provider's id for it.
    StoreCallback(Box<Received>),
    /// Take a stored callback in: only the inbox asks.
    ApplyCallback {
        /// The position that stored it.
        created: u64,
        /// The token under which it is taken in; nothing where nobody shares the store.
        lease: Option<u64>,
    },
    /// Join the live nodes, or stay among them.
    Beat {
        /// The node's name.
        node: String,
        /// The number it joined under; a node that joins has none.
        joined: Option<u64>,
        /// How long the lease lasts from now on.
        ttl: Millis,
    },
    /// Let writers use the newest format of log rows that this build knows.
    RaiseFormat,
    /// Give the log a new name: its store is a restored backup.
    Restored,
    /// Do something with the log's old part: only the engine asks.
    Upkeep(Box<KeepUp>),
    /// Erase private texts of a customer.
    Erase {
        /// Whose.
        customer: CustomerId,
        /// Which.
        texts: Vec<PrivateId>,
        /// Why, in words; kept as a private text of nobody's.
        reason: String,
    },
    /// Make or change a subscription, or note how far it has come.
    Subscription(Subscribing),
}

/// A callback as it came, its signature checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Which kind of provider sent it.
    pub sender: Sender,
    /// Which provider of that kind.
    pub provider: String,
    /// The provider's own id for it.
    pub event: String,
    /// Which order it is about.
    pub order: OrderId,
    /// What it says.
    pub news: order::News,
    /// The raw body.
    pub raw: String,
}

/// Which queue a commit waits in. Each lane has at least an eighth of every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Confirms, releases, extends: what frees units or ends work that was begun.
    Ending,
    /// New work.
    Place,
    /// The engine's own.
    Background,
}

impl Lane {
    /// Every lane, in the order in which they are served.
    pub const ALL: [Self; 3] = [Self::Ending, Self::Place, Self::Background];

    /// The lane's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ending => "ending",
            Self::Place => "place",
            Self::Background => "background",
        }
    }
}

impl Command {
    /// The command's name in the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PutSku { .. } => "put_sku",
            Self::ChangeStock { change, .. } => change.command(),
            Self::Place(_) => "place_hold",
            Self::Confirm { .. } => "confirm_hold",
            Self::Release { .. } => "release_hold",
            Self::Extend { .. } => "extend_hold",
            Self::Expire { .. } => "sweep",
            Self::CreateToken { .. } => "create_token",
            Self::RevokeToken { .. } => "revoke_token",
            Self::TakeOrder { .. } => "take_order",
            Self::BeginCart { .. } => "begin_cart",
            Self::SetLine { .. } => "set_line",
            Self::CheckOut { .. } => "check_out",
            Self::CancelOrder { .. } => "cancel_order",
            Self::RefundOrder { .. } => "refund_order",
            Self::ReturnOrder { .. } => "return_order",
            Self::ResolveOrder { .. } => "resolve_order",
            Self::Report { .. } => "saga",
            Self::WarnOrder { .. } => "warn",
            Self::StartSaga { .. } => "start_saga",
            Self::RetrySaga { .. } => "retry_saga",
            Self::CompensateSaga { .. } => "compensate_saga",
            Self::ReportStep { .. } => "step",
            Self::StoreCallback(_) => "callback",
            Self::ApplyCallback { .. } => "inbox",
            Self::Erase { .. } => "erase",
            Self::Subscription(asked) => asked.name(),
            Self::Beat { .. } => "beat",
            Self::RaiseFormat => "raise_format",
            Self::Restored => "restored",
            Self::Upkeep(_) => "upkeep",
        }
    }

    /// The token under which the engine asks for one of its own changes.
    #[must_use]
    pub const fn lease(&self) -> Option<u64> {
        match self {
            Self::Report { lease, .. }
            | Self::WarnOrder { lease, .. }
            | Self::ReportStep { lease, .. }
            | Self::ApplyCallback { lease, .. } => *lease,
            Self::Subscription(asked) => asked.lease(),
            _ => None,
        }
    }

    /// The lane that the command waits in.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Confirm { .. }
            | Self::Release { .. }
            | Self::Extend { .. }
            | Self::CancelOrder { .. }
            | Self::RefundOrder { .. }
            | Self::ReturnOrder { .. }
            | Self::ResolveOrder { .. }
            | Self::Report { .. }
            | Self::RetrySaga { .. }
            | Self::CompensateSaga { .. }
            | Self::ReportStep { .. }
            | Self::StoreCallback(_)
            | Self::Beat { .. }
            | Self::ApplyCallback { .. } => Lane::Ending,
            Self::Expire { .. }
            | Self::WarnOrder { .. }
            | Self::Erase { .. }
            | Self::Upkeep(_)
            | Self::RaiseFormat
            | Self::Restored => Lane::Background,
            Self::Subscription(asked) => asked.lane(),
            Self::PutSku { .. }
            | Self::ChangeStock { .. }
            | Self::Place(_)
            | Self::TakeOrder { .. }
            | Self::BeginCart { .. }
            | Self::SetLine { .. }
            | Self::CheckOut { .. }
            | Self::StartSaga { .. }
            | Self::CreateToken { .. }
            | Self::RevokeToken { .. } => Lane::Place,
        }
    }
}

/// A command on its way to the judge.
#[derive(Debug, Clone)]
pub struct Commit {
    /// What is asked.
    pub command: Command,
    /// The caller's name for it; the engine's own commands have none.
    pub key: Option<Key>,
    /// The token that asks, or `engine`.
    pub actor: TokenId,
    /// The customer whose holds the asker may see; nothing means every customer's.
    pub owner: Option<CustomerId>,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
    /// The rows that the judge will want.
    pub touch: Touch,
}

impl Commit {
    /// About how many bytes of log it will make; bounds a batch before it is judged.
    #[must_use]
    pub fn size(&self) -> usize {
        let lines = match &self.command {
            Command::Place(place) => place.lines.len(),
            Command::Confirm { lines, .. } => lines.as_ref().map_or(1, Vec::len),
            Command::PutSku { terms } => terms.name.len() / 128 + 1,
            Command::ChangeStock { reason, .. } => reason.as_ref().map_or(0, String::len) / 128 + 1,
            Command::TakeOrder { ask, private } => ask.lines.len() + private.len() / 384 + 2,
            // How many lines the cart has is not known here.
            Command::SetLine { .. } => 16,
            Command::CheckOut { private, .. } => private.len() / 384 + 32,
            Command::ReturnOrder { lines, .. } => lines.len() + 1,
            Command::StartSaga { ask, bodies } => ask.steps.len() + bodies.len() / 384 + 2,
            Command::StoreCallback(received) => received.raw.len() / 384 + 2,
            Command::Erase { texts, .. } => texts.len() / 16 + 1,
            Command::Upkeep(asked) => asked.size() / 384 + 1,
            Command::Release { .. }
            | Command::Extend { .. }
            | Command::Expire { .. }
            | Command::CreateToken { .. }
            | Command::RevokeToken { .. }
            | Command::BeginCart { .. }
            | Command::CancelOrder { .. }
            | Command::RefundOrder { .. }
            | Command::ResolveOrder { .. }
            | Command::Report { .. }
            | Command::WarnOrder { .. }
            | Command::RetrySaga { .. }
            | Command::CompensateSaga { .. }
            | Command::ReportStep { .. }
            | Command::Beat { .. }
            | Command::RaiseFormat
            | Command::Restored
            | Command::Subscription(_)
            | Command::ApplyCallback { .. } => 2,
        };
        512 + lines * 384
    }
}

/// When a row's timer is due, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// When its rule is to be asked.
    pub due: LogTime,
    /// The position that created the row.
    pub created: u64,
}
