//! What came of a call that an order needed.
//!
//! A call ends in a yes, a no, or unknown; "never seen" is the answer to being asked. Only what a
//! provider said is taken for a fact. An unknown outcome is noted once and asked after by key for
//! as long as it stays so; it is never taken for a no.

use super::{
    Cancel, Decision, Order, Pen, Reason, Refund, Status, Task, Tries, Units, UnitsChange,
    WATCH_MS, Why,
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
/// How long a step that can only go forward is tried before a person is needed.
const STUCK_AFTER: Millis = Millis(86_400_000);

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

impl Receipt {
    /// The amount, if it can be compared with the order's.
    fn known(&self) -> Option<i64> {
        self.amount.filter(|amount| *amount >= 0)
    }

    /// Whether just this amount has moved.
    fn is_back(&self, amount: i64) -> bool {
        self.status == Settled::Completed && self.amount == Some(amount)
    }
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
        Task::Charge | Task::AskCharge => charge(&mut pen, tries, told, spare),
        Task::Deliver | Task::AskDelivery => deliver(&mut pen, told),
        Task::Recall => recall(&mut pen, told),
        Task::Refund(number) | Task::AskRefund(number) => refund(&mut pen, number, told),
    }
    if let Some(decision) = pen.end() {
        return Report::Changed(Box::new(decision));
    }
    let sends = match task {
        Task::Charge | Task::Deliver | Task::Refund(_) => *told != Told::NotSent,
        Task::AskCharge | Task::AskDelivery | Task::Recall | Task::AskRefund(_) => false,
    };
    Report::Tried(Tries {
        calls: tries.calls.saturating_add(1),
        sent: tries.sent.saturating_add(u32::from(sends)),
        sent_at: if sends { now } else { tries.sent_at },
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

fn charge(pen: &mut Pen, tries: Tries, told: &Told, spare: bool) {
    let running = pen.order.status == Status::Pending;
    // "Never seen" is no answer yet while an attempt may still be on its way.
    let noted = pen.order.saga.unknown.then_some(pen.order.saga.since);
    let sent_at = noted.map_or(tries.sent_at, |noted| noted.max(tries.sent_at));
    let settled = sent_at.plus(SETTLED_AFTER) <= pen.now;
    match told {
        Told::Money(receipt) => learn(pen, receipt, spare),
        Told::Refused if running && pen.order.payment.captured() == 0 => {
            pen.order.payment.failed = true;
            pen.write(Kind::PaymentFailed);
            // A refusal of one attempt says nothing of an earlier one whose outcome is unknown.
            let watched = pen.order.payment.is_pending() || noted.is_some();
            pen.fail(Status::Cancelled, Reason::Declined, watched);
        }
        Told::Refused => pen.order.watched &= pen.order.payment.is_pending(),
        Told::NeverSeen if running && settled && tries.sent >= SENDS_MAX => {
            pen.fail(Status::Cancelled, Reason::NotDone, true);
        }
        Told::Unknown if running && !pen.order.saga.unknown => note_unknown(pen),
        Told::NeverSeen | Told::Unknown | Told::NotSent | Told::Parcel { .. } => {}
    }
    if pen.order.status == Status::Pending {
        if pen.order.limit <= pen.now {
            at_the_limit(pen, (told, settled), spare);
        }
    } else if pen.order.watched {
        watch_over(pen, told);
    }
}

fn note_unknown(pen: &mut Pen) {
    let run = pen.order.saga.after(saga::ORDER, Outcome::Unknown, pen.now);
    pen.order.saga = run.expect("the caller saw that it is running");
    pen.write(Kind::SagaUnknown);
}

/// Ends the watch when its last question was answered. What is not known is asked for again.
fn watch_over(pen: &mut Pen, told: &Told) {
    if pen.now < pen.order.since.plus(Millis(WATCH_MS[WATCH_MS.len() - 1])) {
        return;
    }
    match told {
        Told::NeverSeen => pen.order.watched = false,
        // The provider had a day: a person has to ask it what it is doing.
        Told::Money(_) | Told::Refused => {
            pen.order.watched = false;
            pen.open_review();
        }
        Told::Unknown | Told::NotSent | Told::Parcel { .. } => {}
    }
}

/// Takes in what the provider said of a transaction, and what follows.
fn learn(pen: &mut Pen, receipt: &Receipt, spare: bool) {
    let Some(amount) = receipt.known() else {
        // Money of another currency cannot be compared: a person has to look, once.
        if pen.order.review.is_none() || pen.order.watched {
            pen.open_review();
        }
        pen.order.watched = false;
        return;
    };
    let (transaction, status) = (&receipt.transaction, receipt.status);
    let news = pen.order.payment.learn(transaction, status, amount);
    pen.order.watched &= status == Settled::Pending;
    if news {
        // The order saga's next step may be unknown for its own sake.
        pen.order.saga.unknown &= pen.order.status != Status::Pending;
        pen.write_money(transaction, status);
    }
    let over = !pen.order.payment.is_named();
    if pen.order.status == Status::Pending && status == Settled::Failed && over {
        pen.fail(Status::Cancelled, Reason::Declined, false);
    } else if news {
        pen.settle_up(spare);
    }
}

/// The money had to be there by now: whatever is known decides.
fn at_the_limit(pen: &mut Pen, (told, settled): (&Told, bool), spare: bool) {
    if pen.order.payment.captured() > 0 {
        let pending = pen.order.payment.is_pending();
        pen.fail(Status::Cancelled, Reason::Partial, pending);
        pen.settle_up(spare);
        return;
    }
    match told {
        Told::Money(receipt) if receipt.known().is_some() => {
            pen.fail(Status::Expired, Reason::Unpaid, true);
        }
        Told::NeverSeen | Told::Refused if settled => {
            pen.fail(Status::Expired, Reason::Unpaid, true);
        }
        // An attempt may still be on its way: it is asked after once more.
        Told::NeverSeen | Told::Refused => {}
        Told::NotSent if !pen.order.saga.unknown && pen.order.payment.charges.is_empty() => {
            pen.fail(Status::Expired, Reason::Unpaid, true);
        }
        // Only unknown keeps the units, and a person decides.
        Told::Money(_) | Told::NotSent | Told::Unknown | Told::Parcel { .. } => pen.open_review(),
    }
}

/// Whether a step was tried for as long as it may be without a person.
fn is_stale(run: Run, now: LogTime) -> bool {
    run.since.plus(STUCK_AFTER) <= now
}

fn deliver(pen: &mut Pen, told: &Told) {
    let asking = pen.order.saga.state == State::Running && pen.order.saga.step == at::DELIVER;
    match told {
        Told::Parcel { delivery, status } => found(pen, delivery, *status, asking),
        Told::Refused if asking => not_delivered(pen, Outcome::Refused),
        Told::Unknown if asking && !pen.order.saga.unknown => note_unknown(pen),
        Told::Unknown | Told::NotSent if asking && is_stale(pen.order.saga, pen.now) => {
            not_delivered(pen, Outcome::GivenUp);
        }
        Told::Refused | Told::Unknown | Told::NeverSeen | Told::NotSent | Told::Money(_) => {}
    }
}

/// The provider told of a parcel.
fn found(pen: &mut Pen, delivery: &str, status: Parcel, asking: bool) {
    let now = pen.now;
    let Some(parcel) = &mut pen.order.shipment else {
        return;
    };
    let over = |status| matches!(status, Parcel::Cancelled | Parcel::Failed);
    let other = parcel.delivery.as_deref().is_some_and(|it| it != delivery);
    match (asking && over(parcel.status), other) {
        // It was dropped, asked for again, and taken on anew.
        (true, true) => (parcel.status, parcel.since) = (Parcel::Requested, now),
        // It is still the parcel that was dropped; anything else is an answer of before.
        (true, false) if over(status) => {
            dropped(pen);
            return pen.settle_up(false);
        }
        (true, false) | (false, true) => return,
        (false, false) => {}
    }
    let unknown_till_now = parcel.delivery.is_none();
    parcel.delivery = Some(delivery.to_owned());
    let was_over = over(parcel.status);
    if asking && over(status) {
        return moved(pen, status);
    }
    if asking {
        let run = pen.order.saga.after(saga::ORDER, Outcome::Done, now);
        let run = run.expect("the caller saw that it is running");
        // Its last step is to note its end.
        let run = run.after(saga::ORDER, Outcome::Done, now);
        pen.order.saga = run.expect("it was running a moment ago");
    } else if was_over && (status.has_left() || unknown_till_now && !over(status)) {
        // Its units are on sale again, and yet somebody has them.
        pen.open_review();
    }
    moved(pen, status);
    if asking {
        // Where the parcel is was known already.
        pen.note(Kind::SagaCompleted);
    }
}

/// There will be no parcel by itself.
fn not_delivered(pen: &mut Pen, outcome: Outcome) {
    let run = pen.order.saga.after(saga::ORDER, outcome, pen.now);
    let run = run.expect("the caller saw that it is running");
    let may_be = run.unknown && outcome == Outcome::GivenUp;
    if pen.recalling().is_some() && !may_be {
        pen.never_asked();
        pen.settle_up(false);
    } else {
        pen.order.saga = Run {
            unknown: may_be,
            ..run
        };
        pen.write(Kind::SagaStuck);
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
        pen.settle_up(false);
    }
}

/// The units have left: a cancel that was not decided yet comes too late.
fn left(pen: &mut Pen) {
    if pen.order.units != Units::Sold {
        return;
    }
    pen.refuse_cancel();
    if pen.order.status == Status::Confirmed {
        pen.units(UnitsChange::Ship);
        pen.enter(Status::Shipped, None);
    }
}

/// The provider called the delivery off: by our wish the cancel goes on, by its own a person looks.
fn dropped(pen: &mut Pen) {
    if pen.order.status != Status::Confirmed || pen.order.units != Units::Sold {
        return;
    }
    if pen.recalling().is_some() {
        if pen.order.saga.state != State::Completed {
            pen.order.saga.state = State::Compensated;
        }
        pen.called_off();
    } else {
        pen.order.saga = Run {
            state: State::Stuck,
            ..Run::begin(at::DELIVER, pen.now)
        };
        pen.write(Kind::SagaStuck);
    }
}

fn recall(pen: &mut Pen, told: &Told) {
    match told {
        Told::Parcel { status, .. } => moved(pen, *status),
        Told::Refused => pen.refuse_cancel(),
        Told::Unknown | Told::NeverSeen | Told::NotSent | Told::Money(_) => {}
    }
    let Some(cancel) = pen.recalling() else {
        return;
    };
    let run = cancel.run;
    let (outcome, kind) = if is_stale(run, pen.now) {
        (Outcome::GivenUp, Kind::SagaStuck)
    } else if *told == Told::Unknown && !run.unknown {
        (Outcome::Unknown, Kind::SagaUnknown)
    } else {
        return;
    };
    if let Ok(run) = run.after(saga::CANCEL, outcome, pen.now) {
        pen.order.cancel = Some(Cancel { run, ..cancel });
        pen.write(kind);
    }
}

fn refund(pen: &mut Pen, number: usize, told: &Told) {
    let now = pen.now;
    let overtaken = pen.order.refunds.get(number);
    let overtaken = overtaken.is_some_and(|refund| pen.order.is_overtaken(refund));
    let Some(refund) = pen.order.refunds.get_mut(number) else {
        return;
    };
    let back = matches!(told, Told::Money(receipt) if receipt.is_back(refund.amount));
    match (refund.run.state, back) {
        (State::Running, _) => {}
        // It came after all.
        (State::Stuck, true) => refund.run = refund.run.retry(now).unwrap_or(refund.run),
        // It was refused before, and what it would have taken back may be promised again.
        (State::Compensated, true) => return pen.open_review(),
        (State::Stuck | State::Compensated, false)
        | (State::Completed | State::Compensating, _) => return,
    }
    let Some(outcome) = outcome(refund, told, now) else {
        return;
    };
    let run = refund.run.after(saga::REFUND, outcome, now);
    refund.run = run.expect("it is running, or was made so");
    let state = if outcome == Outcome::Refused && (refund.why == Why::Asked || overtaken) {
        // Nothing moved. The shop asked: the order stands as it was. Or less is left than we knew.
        State::Compensated
    } else {
        refund.run.state
    };
    refund.run.state = state;
    pen.write(match state {
        State::Completed => Kind::PaymentRefunded,
        State::Running | State::Compensating => Kind::SagaUnknown,
        State::Compensated => Kind::RefundFailed,
        State::Stuck => Kind::SagaStuck,
    });
    pen.settle_up(false);
}

/// What an answer means for a refund; nothing if it is no news.
fn outcome(refund: &mut Refund, told: &Told, now: LogTime) -> Option<Outcome> {
    if let Told::Money(receipt) = told {
        refund.transaction = Some(receipt.transaction.clone());
    }
    let waited = is_stale(refund.run, now).then_some(Outcome::GivenUp);
    let outcome = match told {
        Told::Money(receipt) if receipt.amount == Some(refund.amount) => match receipt.status {
            Settled::Completed => Some(Outcome::Done),
            Settled::Failed => Some(Outcome::Refused),
            Settled::Pending => waited,
        },
        // Another amount went back than was asked for: a person has to look.
        Told::Money(_) => Some(Outcome::GivenUp),
        Told::Refused => Some(Outcome::Refused),
        Told::Unknown if !refund.run.unknown => Some(Outcome::Unknown),
        Told::Unknown | Told::NotSent => waited,
        // It is sent again.
        Told::NeverSeen | Told::Parcel { .. } => None,
    };
    // What the provider named may still be done, or was done otherwise.
    let may_be = outcome == Some(Outcome::GivenUp) && refund.transaction.is_some();
    refund.run.unknown |= may_be;
    outcome
}
