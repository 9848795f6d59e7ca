//! What an event changed of an order, and the fold of such changes.

use super::{Cancel, Line, Order, Reason, Refund, Review, Status, Units};
use crate::ids::HoldId;
use crate::payment::Payment;
use crate::saga::Run;
use crate::shipment::Shipment;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// The parts of an order that an event changed, each as it stands after it.
///
/// A reason, a parcel, a cancel saga, a review and the limit that was warned of are replaced and
/// never taken away, so that a part that is missing is one that did not change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patch {
    /// Where the order is, since when and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When it entered its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<LogTime>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Its lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
    /// Its holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<HoldId>>,
    /// Where its units stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
    /// Whether a person should look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_review: Option<bool>,
    /// Its money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// Its parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
    /// The order saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga: Option<Run>,
    /// The cancel saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// Money on its way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunds: Option<Vec<Refund>>,
    /// Whether its charge is asked after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched: Option<bool>,
    /// Its review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Until when the money has to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LogTime>,
    /// The limit of which its customer was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warned_of: Option<LogTime>,
}

/// Something that changed; what stands once and is never taken back needs no other form.
fn changed<T: PartialEq + Clone>(was: &T, now: &T) -> Option<T> {
    (was != now).then(|| now.clone())
}

impl Patch {
    /// What changed from one to the other. Id, customer, adjustments and total never do.
    #[must_use]
    pub fn between(was: &Order, now: &Order) -> Self {
        Self {
            status: changed(&was.status, &now.status),
            since: changed(&was.since, &now.since),
            reason: changed(&was.reason, &now.reason).flatten(),
            lines: changed(&was.lines, &now.lines),
            holds: changed(&was.holds, &now.holds),
            units: changed(&was.units, &now.units),
            requires_review: changed(&was.requires_review, &now.requires_review),
            payment: changed(&was.payment, &now.payment),
            shipment: changed(&was.shipment, &now.shipment).flatten(),
            saga: changed(&was.saga, &now.saga),
            cancel: changed(&was.cancel, &now.cancel).flatten(),
            refunds: changed(&was.refunds, &now.refunds),
            watched: changed(&was.watched, &now.watched),
            review: changed(&was.review, &now.review).flatten(),
            limit: changed(&was.limit, &now.limit),
            warned_of: changed(&was.warned_of, &now.warned_of).flatten(),
        }
    }

    /// The order after this change.
    #[must_use]
    pub fn apply(self, order: Order) -> Order {
        Order {
            status: self.status.unwrap_or(order.status),
            since: self.since.unwrap_or(order.since),
            reason: self.reason.or(order.reason),
            lines: self.lines.unwrap_or(order.lines),
            holds: self.holds.unwrap_or(order.holds),
            units: self.units.unwrap_or(order.units),
            requires_review: self.requires_review.unwrap_or(order.requires_review),
            payment: self.payment.unwrap_or(order.payment),
            shipment: self.shipment.or(order.shipment),
            saga: self.saga.unwrap_or(order.saga),
            cancel: self.cancel.or(order.cancel),
            refunds: self.refunds.unwrap_or(order.refunds),
            watched: self.watched.unwrap_or(order.watched),
            review: self.review.or(order.review),
            limit: self.limit.unwrap_or(order.limit),
            warned_of: self.warned_of.or(order.warned_of),
            ..order
        }
    }
}
