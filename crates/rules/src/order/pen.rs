//! Writing a decision: event by event, and what follows from the amounts.
//!
//! [`Pen::settle_up`] is the heart of the money rules. It looks at amounts and states only, so it
//! does not matter which fact came first: what is captured pays for the order while its units can
//! be had; whatever is captured and not owed goes back, in full and by itself; what went back ends
//! the order.

use super::{
    Cancel, Decision, Goal, Order, Patch, Reason, Refund, Review, ReviewState, Status, Units,
    UnitsChange, Why,
};
use crate::event::Kind;
use crate::ids::RefundId;
use crate::payment::{Charge, Settled};
use crate::saga::{self, Outcome, Run, State, at};
use crate::shipment::{self, Shipment};
use crate::time::LogTime;

/// A decision that is being written.
pub(super) struct Pen {
    pub(super) order: Order,
    pub(super) now: LogTime,
    was: Order,
    events: Vec<(Kind, Patch)>,
    units: UnitsChange,
}

impl Pen {
    pub(super) fn new(order: &Order, now: LogTime) -> Self {
        Self {
            order: order.clone(),
            now,
            was: order.clone(),
            events: Vec::new(),
            units: UnitsChange::None,
        }
    }

    /// Writes an event that carries everything that changed since the last one.
    pub(super) fn write(&mut self, kind: Kind) {
        let patch = Patch::between(&self.was, &self.order);
        self.was = self.order.clone();
        self.events.push((kind, patch));
    }

    /// Writes an event if no other carries what changed.
    pub(super) fn note(&mut self, kind: Kind) {
        if self.was != self.order {
            self.write(kind);
        }
    }

    /// The decision; nothing if nothing was written. What changed after the last event is carried
    /// by one of its own.
    pub(super) fn end(mut self) -> Option<Decision> {
        self.note(Kind::OrderUpdated);
        (!self.events.is_empty()).then_some(Decision {
            order: self.order,
            events: self.events,
            units: self.units,
        })
    }

    /// The order enters a status.
    pub(super) fn enter(&mut self, status: Status, reason: Option<Reason>) {
        let next = self.order.status.next(status);
        self.order.status = next.expect("the caller looked at the status that the order is in");
        self.order.since = self.now;
        self.order.reason = reason.or(self.order.reason);
        self.write(match status {
            Status::Paid => Kind::OrderPaid,
            Status::Confirmed => Kind::OrderConfirmed,
            Status::Shipped => Kind::OrderShipped,
            Status::Delivered => Kind::OrderDelivered,
            Status::Refunded => Kind::OrderRefunded,
            Status::Cancelled => Kind::OrderCancelled,
            Status::Expired => Kind::OrderExpired,
            Status::Pending | Status::Rejected => unreachable!("an order begins there"),
        });
    }

    /// The units go somewhere else, in this very commit.
    pub(super) fn units(&mut self, change: UnitsChange) {
        let stand = match &change {
            UnitsChange::Confirm | UnitsChange::Reacquire => Units::Sold,
            UnitsChange::Release | UnitsChange::Unsell => Units::Free,
            UnitsChange::Ship => Units::Left,
            UnitsChange::None | UnitsChange::Return { .. } => self.order.units,
        };
        assert_eq!(self.units, UnitsChange::None, "units move once in a commit");
        self.order.units = stand;
        self.units = change;
    }

    /// Gives the held units back, if the order still has them.
    pub(super) fn let_go(&mut self) {
        if self.order.units == Units::Held {
            self.units(UnitsChange::Release);
        }
    }

    /// Ends an order that was never paid: its units go back, and whatever of its charge turns up
    /// goes back too.
    pub(super) fn fail(&mut self, status: Status, reason: Reason, watched: bool) {
        self.let_go();
        self.order.watched = watched;
        self.order.saga = Run {
            state: State::Compensated,
            ..Run::begin(0, self.now)
        };
        self.close_review(ReviewState::Expired);
        self.order.requires_review = false;
        self.enter(status, Some(reason));
    }

    /// Ends an open review.
    pub(super) fn close_review(&mut self, state: ReviewState) {
        if let Some(review) = &mut self.order.review
            && review.state == ReviewState::Open
        {
            review.state = state;
            self.order.requires_review = false;
        }
    }

    /// Opens a review, unless one is open.
    pub(super) fn open_review(&mut self) {
        let open = |review: &Review| review.state == ReviewState::Open;
        if !self.order.review.as_ref().is_some_and(open) {
            self.order.review = Some(Review {
                state: ReviewState::Open,
                opened_at: self.now,
            });
            self.order.requires_review = true;
            self.write(Kind::OrderReviewed);
        }
    }

    /// What follows from the amounts. `spare` says whether units for an expired order can be had
    /// again right now.
    pub(super) fn settle_up(&mut self, spare: bool) {
        let captured = self.order.payment.captured();
        if self.is_covered() {
            match self.order.status {
                Status::Pending => self.paid(UnitsChange::Confirm, None),
                // Money that was sent back once is not kept after all.
                Status::Expired if spare && self.order.refunds.is_empty() => {
                    self.paid(UnitsChange::Reacquire, Some(Reason::Late))
                }
                Status::Expired
                | Status::Paid
                | Status::Confirmed
                | Status::Shipped
                | Status::Delivered
                | Status::Refunded
                | Status::Cancelled
                | Status::Rejected => {}
            }
        } else if captured > 0 && self.order.status == Status::Pending {
            self.order.requires_review = true;
        }
        self.begin_recall();
        self.refund_what_is_not_owed();
        self.finish();
    }

    /// Whether the money that stays pays for the order. What the shop or the provider gave back by
    /// itself was given of the price; what goes back because it was not owed pays for nothing.
    fn is_covered(&self) -> bool {
        let (order, captured) = (&self.order, self.order.payment.captured());
        let back = order.refund_requested();
        let not_owed = back - order.granted();
        let kept = captured > back || order.total.amount == 0;
        kept && captured - not_owed >= order.total.amount
    }

    /// The money is there: the units are the customer's, and the parcel is asked for.
    fn paid(&mut self, units: UnitsChange, reason: Option<Reason>) {
        self.order.watched = false;
        self.close_review(ReviewState::Expired);
        self.order.requires_review = false;
        self.enter(Status::Paid, reason);
        self.units(units);
        self.order.saga = Run::begin(at::DELIVER, self.now);
        self.order.shipment = Some(Shipment {
            status: shipment::Status::Requested,
            delivery: None,
            since: self.now,
        });
        self.enter(Status::Confirmed, None);
        self.write(Kind::DeliveryRequested);
    }

    /// An order whose money is all granted back before its units left is called off.
    fn begin_recall(&mut self) {
        let order = &self.order;
        let live = matches!(order.status, Status::Paid | Status::Confirmed);
        let worthless = order.granted() > 0 && order.refund_requested() >= order.payment.captured();
        // One that was refused before is not asked for again by itself: the parcel has left.
        if live && worthless && order.units == Units::Sold && order.cancel.is_none() {
            self.start_cancel(Goal::Refund);
        }
    }

    /// Begins a cancel saga; the units are sold and have not left.
    pub(super) fn start_cancel(&mut self, goal: Goal) {
        self.order.cancel = Some(Cancel {
            goal,
            run: Run::begin(at::RECALL, self.now),
        });
        self.write(Kind::CancelRequested);
        match (self.order.saga.retry(self.now), self.order.saga.unknown) {
            // A delivery that may have been asked for has to be found before it is called off.
            (Ok(again), true) => self.order.saga = again,
            (Ok(_), false) => self.never_asked(),
            (Err(_), _) => {}
        }
    }

    /// There is no delivery that could be called off.
    pub(super) fn never_asked(&mut self) {
        self.order.saga.state = State::Compensated;
        self.called_off();
    }

    /// Whatever was captured and is not owed for units goes back.
    fn refund_what_is_not_owed(&mut self) {
        let order = &self.order;
        let captured = order.payment.captured();
        let waits = order.status == Status::Pending;
        let owed = if waits { captured } else { order.amount_due() };
        let too_much = captured - order.refund_requested() - owed;
        if too_much <= 0 {
            return;
        }
        let why = match (order.status, order.reason) {
            (_, Some(Reason::Partial)) => Why::Partial,
            (Status::Expired | Status::Cancelled, _) => Why::Late,
            (Status::Paid | Status::Confirmed, _) if order.units == Units::Free => Why::Cancelled,
            (
                Status::Pending
                | Status::Paid
                | Status::Confirmed
                | Status::Shipped
                | Status::Delivered
                | Status::Refunded
                | Status::Rejected,
                _,
            ) => Why::Excess,
        };
        self.add_refund(None, too_much, why);
    }

    /// Money is to go back: one refund per transaction that still has some of it.
    pub(super) fn add_refund(&mut self, id: Option<RefundId>, amount: i64, why: Why) {
        let mut left = amount;
        let mut id = id;
        let charges: Vec<Charge> = self.order.payment.completed().cloned().collect();
        for charge in charges {
            let part = left.min(self.order.left_of(&charge));
            if part <= 0 {
                continue;
            }
            left -= part;
            let id = id.take().unwrap_or_else(|| self.made_id());
            self.order.refunds.push(Refund {
                id,
                amount: part,
                why,
                charge: charge.transaction,
                transaction: None,
                run: Run::begin(0, self.now),
            });
            self.write(Kind::RefundRequested);
        }
    }

    /// An id that no refund of the order has; a client may have chosen one that looks made.
    fn made_id(&self) -> RefundId {
        let refunds = &self.order.refunds;
        let made = |number| RefundId::new(&format!("auto-{number}")).expect("a well-formed id");
        let free = |id: &RefundId| refunds.iter().all(|refund| refund.id != *id);
        let mut ids = (refunds.len() + 1..).map(made);
        ids.find(free).expect("there are more numbers than refunds")
    }

    /// Writes what was learned of a transaction. Money that was given back before it was known to
    /// have come is given back by an event of its own, behind the one that says that it came.
    pub(super) fn write_money(&mut self, transaction: &str, status: Settled) {
        let kind = match status {
            Settled::Completed => Kind::PaymentCompleted,
            Settled::Pending => Kind::PaymentPending,
            Settled::Failed => Kind::PaymentFailed,
        };
        if status != Settled::Completed || self.order.payment.returned_of(transaction) == 0 {
            self.write(kind);
            return;
        }
        let returned = self.order.payment.returned.clone();
        let others = returned.iter().filter(|it| it.transaction != transaction);
        self.order.payment.returned = others.cloned().collect();
        self.write(kind);
        self.order.payment.returned = returned;
        self.write(Kind::PaymentRefunded);
    }

    /// Ends what the amounts say has ended.
    fn finish(&mut self) {
        let order = &self.order;
        let captured = order.payment.captured();
        if captured == 0 || order.refunded() < captured {
            return;
        }
        match order.cancel.filter(|it| it.run.state == State::Running) {
            Some(cancel) if cancel.run.step == at::REFUND => self.end_cancel(cancel),
            Some(_) | None => {
                if matches!(order.status, Status::Shipped | Status::Delivered) {
                    self.enter(Status::Refunded, None);
                }
            }
        }
    }

    fn end_cancel(&mut self, cancel: Cancel) {
        let run = cancel.run.after(saga::CANCEL, Outcome::Done, self.now);
        let run = run.expect("the caller saw that it is running");
        self.order.cancel = Some(Cancel { run, ..cancel });
        match cancel.goal {
            Goal::Cancel => self.enter(Status::Cancelled, Some(Reason::Requested)),
            Goal::Refund => self.enter(Status::Refunded, None),
        }
    }

    /// The cancel saga, if it still waits for the delivery to be called off.
    pub(super) fn recalling(&self) -> Option<Cancel> {
        let waits = |cancel: &Cancel| {
            let ended = cancel.run.state.is_ended();
            !ended && cancel.run.step == at::RECALL
        };
        self.order.cancel.filter(waits)
    }

    /// The delivery was called off, or there was none: the units go back on sale.
    pub(super) fn called_off(&mut self) {
        let Some(cancel) = self.recalling() else {
            return;
        };
        let mut run = cancel.run.retry(self.now).unwrap_or(cancel.run);
        for _ in [at::RECALL, at::RETURN] {
            run = run
                .after(saga::CANCEL, Outcome::Done, self.now)
                .expect("it is running, or was made so");
        }
        let cancel = Cancel { run, ..cancel };
        self.order.cancel = Some(cancel);
        self.units(UnitsChange::Unsell);
        self.write(Kind::OrderCalledOff);
        if let Some(parcel) = &mut self.order.shipment
            && let Ok(status) = parcel.status.next(shipment::Status::Cancelled)
        {
            (parcel.status, parcel.since) = (status, self.now);
            self.write(Kind::DeliveryCancelled);
        }
        if self.order.payment.captured() == 0 {
            // Nothing was paid, as for an order that cost nothing.
            self.end_cancel(cancel);
        }
    }

    /// The parcel has left, or a person let it: the cancel comes too late.
    pub(super) fn refuse_cancel(&mut self) {
        let Some(cancel) = self.recalling() else {
            return;
        };
        let run = cancel.run.retry(self.now).unwrap_or(cancel.run);
        let run = run.after(saga::CANCEL, Outcome::Refused, self.now);
        let run = run.expect("it is running, or was made so");
        self.order.cancel = Some(Cancel { run, ..cancel });
        self.write(Kind::CancelRefused);
    }
}
