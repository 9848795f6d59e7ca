//! Orders: lines, money owed, and everything that became of them.
//!
//! ```text
//! PENDING -> PAID -> CONFIRMED -> SHIPPED -> DELIVERED -> REFUNDED
//! PENDING -> CANCELLED | EXPIRED      EXPIRED -> PAID (its units were taken again)
//! PAID | CONFIRMED -> CANCELLED (with refund)      PAID.. -> REFUNDED
//! ```
//!
//! An order, its payment, its shipment and its sagas are one aggregate: one stream, one version,
//! one row, so that units and money can never be changed apart. What came of a payment is a
//! function of the facts that are known, not of the order in which they came: `Pen::settle_up`
//! is asked after every fact and decides what is paid, what is owed and what goes back. Each event
//! carries what it changed ([`Patch`]); the first carries the whole order.

use crate::event::Kind;
use crate::ids::{CustomerId, HoldId, LocationId, OrderId, RefundId, SkuId};
use crate::money::{Currency, Money};
use crate::payment::Payment;
use crate::quantity::Quantity;
use crate::saga::{Run, State};
use crate::shipment::Shipment;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

mod amounts;
mod ask;
mod handler;
mod hear;
mod patch;
mod pen;
mod reject;
mod report;
mod status;
mod take;
mod task;
mod warn;

pub use ask::{Asked, ReturnLine, cancel, refund, resolve, return_units, tombstone};
pub use handler::Handler;
pub use hear::{Heard, News, Word, hear, is_asked, watch};
pub use patch::Patch;
pub use reject::Rejection;
pub use report::{Receipt, Report, Told, report};
pub use status::{Illegal, Status};
pub use take::{Ask, Refused, Take, hold_of, take};
pub use task::{Due, Task, Tries, WATCH_MS};
pub use warn::warn;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub sku: SkuId,
    /// Out of which stock.
    pub location: LocationId,
    /// How many.
    pub quantity: Quantity,
    /// Price of one unit, in minor units of the order's currency.
    pub price: i64,
    /// Units that came back.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub returned: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is added to or taken off the sum of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// What it is for.
    pub kind: AdjustmentKind,
    /// Minor units of the order's currency; below zero takes off.
    pub amount: i64,
}

/// What an adjustment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentKind {
    /// Bringing it.
    Shipping,
    /// The state's part.
    Tax,
    /// What the shop forgoes.
    Discount,
}

impl AdjustmentKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Shipping, Self::Tax, Self::Discount];

    /// The kind as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shipping => "shipping",
            Self::Tax => "tax",
            Self::Discount => "discount",
        }
    }
}

/// Where the order's units stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Units {
    /// Set aside by its hold.
    Held,
    /// Sold to it.
    Sold,
    /// On their way or with the customer.
    Left,
    /// Not its any more.
    Free,
}

/// Why an order is in its state, where there is more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The payment provider said no.
    #[serde(rename = "payment.declined")]
    Declined,
    /// The payment provider never saw the charge.
    #[serde(rename = "payment.not_done")]
    NotDone,
    /// Less than the total was captured until the limit.
    #[serde(rename = "payment.partial")]
    Partial,
    /// Nothing was captured until the limit.
    #[serde(rename = "payment.pending")]
    Unpaid,
    /// Somebody asked for it.
    #[serde(rename = "requested")]
    Requested,
    /// A reviewer said no.
    #[serde(rename = "review.rejected")]
    ReviewRejected,
    /// The money came after the limit, and the units were taken again.
    #[serde(rename = "payment.late")]
    Late,
    /// The id was cancelled before anybody ordered under it.
    #[serde(rename = "cancelled_before")]
    CancelledBefore,
}

impl Reason {
    /// The reason as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "payment.declined",
            Self::NotDone => "payment.not_done",
            Self::Partial => "payment.partial",
            Self::Unpaid => "payment.pending",
            Self::Requested => "requested",
            Self::ReviewRejected => "review.rejected",
            Self::Late => "payment.late",
            Self::CancelledBefore => "cancelled_before",
        }
    }
}

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The shop asked for it.
    Asked,
    /// The order was cancelled.
    Cancelled,
    /// It came when the order had ended.
    Late,
    /// More came than the order costs.
    Excess,
    /// Less came than the order costs.
    Partial,
}

/// Money on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its id, the client's or made.
    pub id: RefundId,
    /// Minor units of the order's currency.
    pub amount: i64,
    /// What for.
    pub why: Why,
    /// Out of which transaction.
    pub charge: String,
    /// The provider's name for it, once it gave one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction: Option<String>,
    /// How far it is.
    pub run: Run,
}

/// A refund as bodies spell its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// On its way.
    Requested,
    /// The customer has it.
    Completed,
    /// The provider refused it, and nothing moved.
    Failed,
    /// It needs a person.
    Stuck,
}

impl RefundStatus {
    /// The status as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
        }
    }
}

impl Refund {
    /// Whether it is on its way and the provider has not named it yet.
    const fn is_unnamed(&self) -> bool {
        matches!(self.run.state, State::Running) && self.transaction.is_none()
    }

    /// Whether it is stuck and the provider said that nothing moved.
    const fn was_refused(&self) -> bool {
        matches!(self.run.state, State::Stuck) && !self.run.unknown
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> RefundStatus {
        match self.run.state {
            State::Running | State::Compensating => RefundStatus::Requested,
            State::Completed => RefundStatus::Completed,
            State::Compensated => RefundStatus::Failed,
            State::Stuck => RefundStatus::Stuck,
        }
    }
}

/// What a cancel saga is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The order is to end CANCELLED.
    Cancel,
    /// The order is to end REFUNDED: all its money is on its way back.
    Refund,
}

/// A cancel saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// What for.
    pub goal: Goal,
    /// How far it is.
    pub run: Run,
}

/// A case that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Where it is.
    pub state: ReviewState,
    /// When it was opened.
    pub opened_at: LogTime,
}

/// Where a review is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// It waits.
    Open,
    /// A person let the order wait on.
    Approved,
    /// A person ended the order.
    Rejected,
    /// The answer came by itself.
    Expired,
}

impl ReviewState {
    /// The state as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id, the client's or made from the key.
    pub id: OrderId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Where it is in its life.
    pub status: Status,
    /// Why, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// What was ordered, one line per SKU and location.
    pub lines: Vec<Line>,
    /// What is added to or taken off the sum of the lines.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub adjustments: Vec<Adjustment>,
    /// What it costs.
    pub total: Money,
    /// The holds that had or have its units.
    pub holds: Vec<HoldId>,
    /// Where its units stand.
    pub units: Units,
    /// Whether a person should look at it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub requires_review: bool,
    /// What is known of its money.
    pub payment: Payment,
    /// Its parcel, once one was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shipment: Option<Shipment>,
    /// The order saga.
    pub saga: Run,
    /// The cancel saga, if somebody asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cancel: Option<Cancel>,
    /// Money that went back or is on its way.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refunds: Vec<Refund>,
    /// Whether the charge is asked after although the order has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub watched: bool,
    /// The case that waits or waited for a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub review: Option<Review>,
    /// Until when the money has to be there.
    pub limit: LogTime,
    /// How long before its limit its customer is told that it runs out; never, if zero.
    #[serde(skip_serializing_if = "Millis::is_zero", default)]
    pub warn: Millis,
    /// The limit of which the customer was told, or need not be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warned_of: Option<LogTime>,
    /// When it entered its status.
    pub since: LogTime,
    /// When it was taken.
    pub created_at: LogTime,
}

impl Order {
    /// The currency of all its amounts.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.total.currency
    }

    /// An amount in the order's currency.
    #[must_use]
    pub const fn money(&self, amount: i64) -> Money {
        Money {
            amount,
            currency: self.total.currency,
        }
    }

    /// Whether somebody asked for its end and that is not decided yet.
    #[must_use]
    pub fn is_cancelling(&self) -> bool {
        let running = |cancel: &Cancel| !cancel.run.state.is_ended();
        self.cancel.as_ref().is_some_and(running)
    }

    /// Whether a person is waited for.
    #[must_use]
    pub fn is_flagged(&self) -> bool {
        let open = |review: &Review| review.state == ReviewState::Open;
        let stuck = |run: &Run| run.state == State::Stuck;
        self.review.as_ref().is_some_and(open)
            || stuck(&self.saga)
            || self.cancel.as_ref().is_some_and(|it| stuck(&it.run))
            || self.refunds.iter().any(|refund| stuck(&refund.run))
    }

    /// Whether nothing more happens by itself: no saga runs, no money is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.status.is_ended()
            && self.saga.state.is_ended()
            && !self.is_cancelling()
            && self
                .refunds
                .iter()
                .all(|refund| refund.run.state.is_ended())
            && !self.watched
    }
}

/// What a rule about an order decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The order after it.
    pub order: Order,
    /// The events, each with what it changed.
    pub events: Vec<(Kind, Patch)>,
    /// What becomes of its units, in the same commit.
    pub units: UnitsChange,
}

/// What becomes of an order's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitsChange {
    /// Nothing.
    None,
    /// Its hold is confirmed.
    Confirm,
    /// Its hold is released.
    Release,
    /// Units are taken again under a hold of this id and sold at once.
    Reacquire,
    /// Sold units go back on sale.
    Unsell,
    /// Sold units leave.
    Ship,
    /// Shipped units come back, and go on sale again or are written off.
    Return {
        /// Which lines, by place in the order, and how many units.
        lines: Vec<(usize, Quantity)>,
        /// Whether they go on sale again.
        restock: bool,
    },
}

use pen::Pen;

#[cfg(test)]
mod tests;
