//! What people ask of an order: cancel, refund, return, and the ends of reviews.

use super::{
    Decision, Goal, Order, Pen, Reason, Rejection, ReviewState, Status, Units, UnitsChange, Why,
};
use crate::event::Kind;
use crate::ids::{CustomerId, RefundId, SkuId};
use crate::money::Money;
use crate::quantity::Quantity;
use crate::saga::{Run, State};
use crate::time::{LogTime, Millis};

/// An order, the version of its stream, and who asks for which.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The order, if there is one.
    pub order: Option<&'a Order>,
    /// Events in its stream.
    pub version: u64,
    /// The customer whose orders the asker may see; nothing means every customer's.
    pub customer: Option<&'a CustomerId>,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
}

impl<'a> Asked<'a> {
    fn admit(self) -> Result<&'a Order, Rejection> {
        let order = self.order.filter(|it| it.status != Status::Rejected);
        let order = order.ok_or(Rejection::NotFound)?;
        if self
            .customer
            .is_some_and(|customer| *customer != order.customer)
        {
            return Err(Rejection::NotFound);
        }
        if self
            .expected
            .is_some_and(|expected| expected != self.version)
        {
            return Err(Rejection::Version);
        }
        Ok(order)
    }
}

/// Judges a cancel. Nothing means that it is cancelled, or being cancelled, already.
///
/// Before any money is known the order ends at once; a charge that turns up later goes back in
/// full. Behind that it is a saga of its own, and a delivery that can no longer be called off
/// refuses it.
///
/// # Errors
/// The first [`Rejection`] that holds.
pub fn cancel(asked: Asked<'_>, now: LogTime) -> Result<Option<Decision>, Rejection> {
    let order = asked.admit()?;
    let (from, to) = (order.status, Status::Cancelled);
    match order.status {
        Status::Cancelled => return Ok(None),
        Status::Pending => {}
        Status::Paid | Status::Confirmed if order.is_cancelling() => return Ok(None),
        Status::Paid | Status::Confirmed if order.units == Units::Sold => {}
        Status::Paid
        | Status::Confirmed
        | Status::Shipped
        | Status::Delivered
        | Status::Refunded
        | Status::Expired
        | Status::Rejected => return Err(Rejection::IllegalTransition { from, to }),
    }

    // From here on it succeeds.
    let mut pen = Pen::new(order, now);
    if order.status == Status::Pending {
        pen.fail(Status::Cancelled, Reason::Requested, true);
        pen.settle_up(false);
    } else {
        pen.start_cancel(Goal::Cancel);
        pen.settle_up(false);
    }
    Ok(pen.end())
}

/// Judges a refund of `amount`, or of all that is left of what was captured.
///
/// # Errors
/// The first [`Rejection`] that holds.
pub fn refund(
    asked: Asked<'_>,
    (id, amount): (&RefundId, Option<Money>),
    now: LogTime,
) -> Result<Decision, Rejection> {
    let order = asked.admit()?;
    if amount.is_some_and(|amount| amount.currency != order.currency()) {
        return Err(Rejection::AmountCurrency);
    }
    let (from, to) = (order.status, Status::Refunded);
    let captured = order.payment.captured();
    if captured == 0 {
        return Err(Rejection::IllegalTransition { from, to });
    }
    if order.refunds.iter().any(|refund| refund.id == *id) {
        return Err(Rejection::RefundExists);
    }
    let left = captured - order.refund_requested();
    let amount = amount.map_or(left, |amount| amount.amount);
    if amount < 1 || amount > left {
        return Err(Rejection::ExceedsRefundable);
    }

    // From here on it succeeds.
    let mut pen = Pen::new(order, now);
    pen.add_refund(Some(id.clone()), amount, Why::Asked);
    pen.settle_up(false);
    Ok(pen.end().expect("a refund was written"))
}

/// Units of an order that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnLine {
    /// Which SKU.
    pub sku: SkuId,
    /// How many units.
    pub quantity: Quantity,
}

/// Judges a return of shipped units. Money is another matter: see [`refund`].
///
/// # Errors
/// The first [`Rejection`] that holds.
pub fn return_units(
    asked: Asked<'_>,
    lines: &[ReturnLine],
    restock: bool,
    now: LogTime,
) -> Result<Decision, Rejection> {
    let order = asked.admit()?;
    if order.units != Units::Left {
        return Err(Rejection::IllegalTransition {
            from: order.status,
            to: Status::Refunded,
        });
    }
    let mut pen = Pen::new(order, now);
    let mut back: Vec<(usize, Quantity)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let beyond = Rejection::MoreThanShipped { line: number };
        let mut left = line.quantity.get();
        for (place, ordered) in pen.order.lines.iter_mut().enumerate() {
            let open = ordered.quantity.get() - ordered.returned;
            if ordered.sku != line.sku || open == 0 || left == 0 {
                continue;
            }
            let part = open.min(left);
            ordered.returned += part;
            left -= part;
            let part = Quantity::new(part).expect("at least one unit is open and wanted");
            back.push((place, part));
        }
        if left > 0 {
            return Err(beyond);
        }
    }

    // From here on it succeeds.
    pen.units(UnitsChange::Return {
        lines: back,
        restock,
    });
    pen.write(Kind::OrderReturned);
    Ok(pen.end().expect("a return was written"))
}

/// Judges the end of a review, or a person's word on a stuck saga: `go_on` lets the order wait and
/// try on, otherwise it is ended, and what turns up of its money goes back.
///
/// # Errors
/// [`Rejection::NotFound`] or [`Rejection::NoReview`].
pub fn resolve(
    asked: Asked<'_>,
    go_on: bool,
    confirming: Millis,
    now: LogTime,
) -> Result<Decision, Rejection> {
    let order = asked.admit()?;
    if !order.is_flagged() {
        return Err(Rejection::NoReview);
    }

    // From here on it succeeds.
    let mut pen = Pen::new(order, now);
    if order.review.is_some_and(|it| it.state == ReviewState::Open) {
        let closed = if go_on {
            ReviewState::Approved
        } else {
            ReviewState::Rejected
        };
        pen.close_review(closed);
        match order.status {
            Status::Pending if go_on => pen.order.wait_on(confirming, now),
            Status::Pending => pen.fail(Status::Cancelled, Reason::ReviewRejected, true),
            Status::Paid
            | Status::Confirmed
            | Status::Shipped
            | Status::Delivered
            | Status::Refunded
            | Status::Cancelled
            | Status::Expired
            | Status::Rejected => {}
        }
    }
    if go_on {
        try_on(&mut pen);
    } else {
        give_up(&mut pen);
    }
    pen.write(Kind::OrderResolved);
    Ok(pen.end().expect("a resolution was written"))
}

/// Whatever is stuck is tried again.
fn try_on(pen: &mut Pen) {
    let now = pen.now;
    let retried = |run: Run| run.retry(now).unwrap_or(run);
    pen.order.saga = retried(pen.order.saga);
    if let Some(cancel) = &mut pen.order.cancel {
        cancel.run = retried(cancel.run);
    }
    for refund in &mut pen.order.refunds {
        refund.run = retried(refund.run);
    }
}

/// Whatever is stuck is ended: an order without a parcel is cancelled, a parcel that could not be
/// called off goes its way, and money that could not go back went back by another way, a person
/// says.
fn give_up(pen: &mut Pen) {
    let stuck = |run: Run| run.state == State::Stuck;
    if stuck(pen.order.saga) {
        let cancel = pen.recalling();
        pen.start_cancel(cancel.map_or(Goal::Cancel, |cancel| cancel.goal));
    } else if pen.order.cancel.is_some_and(|cancel| stuck(cancel.run)) {
        pen.refuse_cancel();
    }
    for refund in &mut pen.order.refunds {
        if stuck(refund.run) {
            refund.run.state = State::Completed;
        }
    }
    pen.settle_up(false);
}

/// Whether a cancel of an order that nobody placed refuses its id for ever: a shop's or operator's
/// does, a buyer's writes nothing.
#[must_use]
pub const fn tombstone(order: Option<&Order>, owner: Option<&CustomerId>) -> bool {
    order.is_none() && owner.is_none()
}
