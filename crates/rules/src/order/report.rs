//! What came of a call that an order needed.
//!
//! A call ends in a yes, a no, or unknown; "never seen" is the answer to being asked. Only what a
//! provider said is taken for a fact. An unknown outcome is noted once and asked after by key for
//! as long as it stays so; it is never taken for a no.

use super::{
    Decision, Order, Pen, Reason, ReviewState, Status, Task, Tries, UnitsChange, WATCH_MS, Why,
};
use crate::event::Kind;
use crate::payment::Settled;
use crate::saga::{self, Outcome, Run, State, at};
use crate::shipment::Status as Parcel;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// How often a charge is sent under its key before "never seen" is believed.
const SENDS_MAX: u32 = 3;
/// How long after the last attempt "never seen" is a no.
const SETTLED_AFTER: Millis = Millis(60_000);

/// What a payment provider says of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The provider's name for it.
    pub transaction: String,
    /// Whether the money has moved.
    pub status: Settled,
    /// Minor units; nothing if the currency is not the order's.
    pub amount: Option<i64>,
}

/// What a provider said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Of money.
    Money(Receipt),
    /// Of a parcel.
    Parcel {
        /// The provider's name for it.
        delivery: String,
        /// Where it is.
        status: Parcel,
    },
    /// No, and nothing was done.
    Refused,
    /// It was asked, and never saw it.
    NeverSeen,
    /// Nothing that can be believed: it may have been done.
    Unknown,
    /// The call was not made: nothing was done now.
    NotSent,
}

/// What a report does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The order changes.
    Changed(Box<Decision>),
    /// Only the number of tries does.
    Tried(Tries),
}

/// Judges what came of a task. `spare` says whether units for an expired order can be had again.
///
/// A report of a task that the order no longer needs is still believed as far as it says facts.
#[must_use]
pub fn report(
    order: &Order,
    tries: Tries,
    (task, told): (Task, &Told),
    spare: bool,
    now: LogTime,
) -> Report {
    let mut pen = Pen::new(order, now);
    match task {
        Task::Charge | Task::AskCharge => charge(&mut pen, tries, (task, told), spare),
        Task::Deliver | Task::AskDelivery => deliver(&mut pen, told),
        Task::Recall => recall(&mut pen, told),
        Task::Refund(number) | Task::AskRefund(number) => refund(&mut pen, number, told),
    }
    if let Some(decision) = pen.end() {
        return Report::Changed(Box::new(decision));
    }
    let sent =
        matches!(task, Task::Charge | Task::Deliver | Task::Refund(_)) && *told != Told::NotSent;
    Report::Tried(Tries {
        calls: tries.calls.saturating_add(1),
        sent: tries.sent.saturating_add(u32::from(sent)),
        again: *told == Told::NeverSeen && (tries.sent < SENDS_MAX || is_patient(task)),
        last: now,
    })
}

/// Whether an effect may be sent again without end: what comes after the pivot, and refunds.
const fn is_patient(task: Task) -> bool {
    match task {
        Task::Deliver | Task::AskDelivery | Task::Recall | Task::Refund(_) | Task::AskRefund(_) => {
            true
        }
        Task::Charge | Task::AskCharge => false,
    }
}

fn charge(pen: &mut Pen, tries: Tries, (task, told): (Task, &Told), spare: bool) {
    let running = pen.order.status == Status::Pending;
    let watch_over = usize::try_from(tries.calls).is_ok_and(|calls| calls + 1 >= WATCH_MS.len());
    match told {
        Told::Money(receipt) => learn(pen, receipt, spare),
        Told::Refused if running && pen.order.payment.captured() == 0 => {
            pen.order.payment.failed = true;
            pen.write(Kind::PaymentFailed);
            pen.fail(Status::Cancelled, Reason::Declined, false);
        }
        Told::Refused => pen.order.watched = false,
        Told::NeverSeen if running => {
            let settled = tries.last.plus(SETTLED_AFTER) <= pen.now;
            if task == Task::AskCharge && tries.sent >= SENDS_MAX && settled {
                pen.fail(Status::Cancelled, Reason::NotDone, true);
            }
        }
        Told::NeverSeen if watch_over => pen.order.watched = false,
        Told::Unknown if running && !pen.order.saga.unknown => {
            note_unknown(pen);
        }
        Told::NeverSeen | Told::Unknown | Told::NotSent | Told::Parcel { .. } => {}
    }
    if pen.order.status == Status::Pending && pen.order.limit <= pen.now {
        at_the_limit(pen, told, spare);
    }
}

fn note_unknown(pen: &mut Pen) {
    let run = pen.order.saga.after(saga::ORDER, Outcome::Unknown, pen.now);
    pen.order.saga = run.expect("the caller saw that it is running");
    pen.write(Kind::SagaUnknown);
}

/// Takes in what the provider said of a transaction, and what follows.
fn learn(pen: &mut Pen, receipt: &Receipt, spare: bool) {
    let Some(amount) = receipt.amount else {
        // Money of another currency cannot be compared: a person has to look.
        pen.open_review();
        return;
    };
    let news = pen
        .order
        .payment
        .learn(&receipt.transaction, receipt.status, amount);
    if !news {
        pen.order.watched &= receipt.status == Settled::Pending;
        return;
    }
    pen.order.saga.unknown = false;
    pen.write(match receipt.status {
        Settled::Completed => Kind::PaymentCompleted,
        Settled::Pending => Kind::PaymentPending,
        Settled::Failed => Kind::PaymentFailed,
    });
    let declined = receipt.status == Settled::Failed && pen.order.payment.captured() == 0;
    if declined && pen.order.status == Status::Pending {
        pen.fail(Status::Cancelled, Reason::Declined, false);
        return;
    }
    pen.order.watched &= receipt.status == Settled::Pending;
    pen.settle_up(spare);
}

/// The money had to be there by now: whatever is known decides.
fn at_the_limit(pen: &mut Pen, told: &Told, spare: bool) {
    if pen.order.payment.captured() > 0 {
        pen.fail(Status::Cancelled, Reason::Partial, false);
        pen.settle_up(spare);
        return;
    }
    match told {
        Told::Money(_) | Told::NeverSeen | Told::Refused => {
            pen.fail(Status::Expired, Reason::Unpaid, true);
        }
        Told::NotSent if !pen.order.saga.unknown && pen.order.payment.charges.is_empty() => {
            pen.fail(Status::Expired, Reason::Unpaid, true);
        }
        // Only unknown keeps the units, and a person decides.
        Told::NotSent | Told::Unknown | Told::Parcel { .. } => pen.open_review(),
    }
}

fn deliver(pen: &mut Pen, told: &Told) {
    let asking = pen.order.saga.state == State::Running && pen.order.saga.step == at::DELIVER;
    match told {
        Told::Parcel { delivery, status } => {
            let Some(shipment) = &mut pen.order.shipment else {
                return;
            };
            if shipment.delivery.is_none() {
                shipment.delivery = Some(delivery.clone());
            }
            if asking {
                let run = pen.order.saga.after(saga::ORDER, Outcome::Done, pen.now);
                let run = run.expect("the caller saw that it is running");
                // Its last step is to note its end.
                let run = run.after(saga::ORDER, Outcome::Done, pen.now);
                pen.order.saga = run.expect("it was running a moment ago");
            }
            moved(pen, *status);
        }
        Told::Refused if asking => {
            let run = pen.order.saga.after(saga::ORDER, Outcome::Refused, pen.now);
            pen.order.saga = run.expect("the caller saw that it is running");
            pen.write(Kind::SagaStuck);
        }
        Told::Unknown if asking && !pen.order.saga.unknown => note_unknown(pen),
        Told::Refused | Told::Unknown | Told::NeverSeen | Told::NotSent | Told::Money(_) => {}
    }
}

/// Takes in where the parcel is: every state that it passed is an event of its own.
pub(super) fn moved(pen: &mut Pen, said: Parcel) {
    let Some(shipment) = pen.order.shipment.clone() else {
        return;
    };
    for status in shipment.status.steps_to(said) {
        if let Some(shipment) = &mut pen.order.shipment {
            (shipment.status, shipment.since) = (status, pen.now);
        }
        pen.write(match status {
            Parcel::Requested => unreachable!("a parcel begins there"),
            Parcel::Initiated => Kind::DeliveryInitiated,
            Parcel::InTransit => Kind::DeliveryInTransit,
            Parcel::Delivered => Kind::DeliveryDelivered,
            Parcel::Failed => Kind::DeliveryFailed,
            Parcel::Cancelled => Kind::DeliveryCancelled,
        });
        match status {
            Parcel::InTransit => left(pen),
            Parcel::Delivered if pen.order.status == Status::Shipped => {
                pen.enter(Status::Delivered, None);
            }
            Parcel::Failed | Parcel::Cancelled => dropped(pen),
            Parcel::Requested | Parcel::Initiated | Parcel::Delivered => {}
        }
    }
}

/// The units have left: a cancel that was not decided yet comes too late.
fn left(pen: &mut Pen) {
    if pen.order.is_cancelling() && pen.order.units == super::Units::Sold {
        refuse_cancel(pen);
    }
    if pen.order.status == Status::Confirmed && pen.order.units == super::Units::Sold {
        pen.units(UnitsChange::Ship);
        pen.enter(Status::Shipped, None);
    }
}

/// The provider called the delivery off: by our wish the cancel goes on, by its own a person looks.
fn dropped(pen: &mut Pen) {
    let recalling = pen
        .order
        .cancel
        .is_some_and(|cancel| cancel.run.state == State::Running && cancel.run.step == at::RECALL);
    if recalling {
        pen.called_off();
        pen.settle_up(false);
    } else if pen.order.status == Status::Confirmed && pen.order.units == super::Units::Sold {
        pen.order.saga = Run {
            state: State::Stuck,
            ..Run::begin(at::DELIVER, pen.now)
        };
        pen.write(Kind::SagaStuck);
    }
}

fn refuse_cancel(pen: &mut Pen) {
    if let Some(cancel) = &mut pen.order.cancel {
        let run = cancel.run.after(saga::CANCEL, Outcome::Refused, pen.now);
        if let Ok(run) = run {
            cancel.run = run;
            pen.write(Kind::CancelRefused);
        }
    }
}

fn recall(pen: &mut Pen, told: &Told) {
    let recalling = pen
        .order
        .cancel
        .is_some_and(|cancel| cancel.run.state == State::Running && cancel.run.step == at::RECALL);
    match told {
        Told::Parcel { status, .. } => moved(pen, *status),
        Told::Refused if recalling => refuse_cancel(pen),
        Told::Unknown if recalling => {
            if let Some(cancel) = &mut pen.order.cancel
                && !cancel.run.unknown
            {
                cancel.run.unknown = true;
                pen.write(Kind::SagaUnknown);
            }
        }
        Told::Refused | Told::Unknown | Told::NeverSeen | Told::NotSent | Told::Money(_) => {}
    }
}

fn refund(pen: &mut Pen, number: usize, told: &Told) {
    let now = pen.now;
    let Some(refund) = pen.order.refunds.get_mut(number) else {
        return;
    };
    if refund.run.state != State::Running {
        return;
    }
    let outcome = match told {
        Told::Money(receipt) if receipt.amount == Some(refund.amount) => {
            refund.transaction = Some(receipt.transaction.clone());
            match receipt.status {
                Settled::Completed => Outcome::Done,
                Settled::Failed => Outcome::Refused,
                Settled::Pending => return,
            }
        }
        // Another amount went back than was asked for: a person has to look.
        Told::Money(_) => Outcome::GivenUp,
        Told::Refused => Outcome::Refused,
        Told::Unknown if !refund.run.unknown => Outcome::Unknown,
        Told::Unknown | Told::NeverSeen | Told::NotSent | Told::Parcel { .. } => return,
    };
    let run = refund.run.after(saga::REFUND, outcome, now);
    refund.run = run.expect("the caller saw that it is running");
    if refund.run.state == State::Stuck && refund.why == Why::Asked && outcome == Outcome::Refused {
        // The shop asked, the provider said no, nothing moved: the order stands as it was.
        refund.run.state = State::Compensated;
    }
    let state = refund.run.state;
    pen.write(match state {
        State::Completed => Kind::PaymentRefunded,
        State::Running | State::Compensating => Kind::SagaUnknown,
        State::Compensated => Kind::RefundFailed,
        State::Stuck => Kind::SagaStuck,
    });
    pen.settle_up(false);
}

/// A review's end is an event of its own; see [`super::resolve`].
pub(super) fn reject_review(pen: &mut Pen) {
    pen.close_review(ReviewState::Rejected);
    pen.fail(Status::Cancelled, Reason::ReviewRejected, true);
}
