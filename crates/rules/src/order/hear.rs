//! What a provider's callback says of an order.
//!
//! A callback says that something became so; which transaction, and of which amount, the provider
//! has said before, when it was asked. What a callback says beside that is not believed: it is set
//! aside, and the provider is asked by key. Facts are sums over distinct (transaction, kind), so
//! callbacks may come in any order and any number of times.

use super::report::moved;
use super::{Decision, Order, Pen};
use crate::event::Kind;
use crate::money::Money;
use crate::payment::{Returned, Settled};
use crate::saga::{self, Outcome, State, at};
use crate::shipment::Status as Parcel;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// What a callback says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// Of a transaction.
    Money {
        /// What became of it.
        word: Word,
        /// The provider's name for it.
        transaction: String,
        /// How much, as the callback says.
        amount: Money,
    },
    /// Of a parcel.
    Parcel {
        /// The provider's name for it.
        delivery: String,
        /// Where it is.
        status: Parcel,
    },
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The money was taken.
    Completed,
    /// It was not.
    Failed,
    /// It was given back.
    Refunded,
}

/// What a callback does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The order changes.
    Changed(Box<Decision>),
    /// It was known already.
    Known,
    /// It names what the provider has not named yet: the provider is asked, and its answer has to
    /// come first. One that stays early contradicts.
    Early,
    /// It contradicts what the provider said: it is set aside, a person is told, and the provider
    /// is asked.
    Contradicts,
}

/// Judges a callback. `spare` says whether units for an expired order can be had again.
#[must_use]
pub fn hear(order: &Order, news: &News, spare: bool, now: LogTime) -> Heard {
    let mut pen = Pen::new(order, now);
    let known = match news {
        News::Money {
            word,
            transaction,
            amount,
        } => money(&mut pen, *word, (transaction, *amount), spare),
        News::Parcel { delivery, status } => parcel(&mut pen, delivery, *status),
    };
    match known {
        Some(heard) => heard,
        None => pen
            .end()
            .map_or(Heard::Known, |decision| Heard::Changed(Box::new(decision))),
    }
}

/// What news of money that are early, or contradict, do to the order: the provider is asked by key
/// what it knows of the charge, even if the order has ended. Nothing if it is being asked already.
#[must_use]
pub fn watch(order: &Order, now: LogTime) -> Option<Decision> {
    let mut pen = Pen::new(order, now);
    pen.order.watched |= !is_asked(order) && !order.lines.is_empty();
    pen.end()
}

/// Whether the payment provider still has to answer what became of a charge or a refund: until
/// then, news of what it has not named say nothing against it.
#[must_use]
pub fn is_asked(order: &Order) -> bool {
    order.status == super::Status::Pending
        || order.watched
        || order.refunds.iter().any(super::Refund::is_unnamed)
}

fn money(
    pen: &mut Pen,
    word: Word,
    (transaction, amount): (&str, Money),
    spare: bool,
) -> Option<Heard> {
    if amount.currency != pen.order.currency() {
        return Some(Heard::Contradicts);
    }
    let status = match word {
        Word::Refunded => return refunded(pen, (transaction, amount.amount), spare),
        Word::Completed => Settled::Completed,
        Word::Failed => Settled::Failed,
    };
    let Some(charge) = pen.order.payment.charge(transaction) else {
        // The provider has named its transactions, and nobody waits for another one.
        let over = pen.order.payment.is_named() && !is_asked(&pen.order);
        return match unnamed(pen, status) {
            Some(Heard::Early) if over => Some(Heard::Contradicts),
            heard => heard,
        };
    };
    if charge.amount != amount.amount {
        return Some(Heard::Contradicts);
    }
    if pen.order.payment.learn(transaction, status, amount.amount) {
        // A failure ends an attempt, not the payment: the provider is asked before it counts.
        pen.order.watched &= status == Settled::Failed || pen.order.payment.is_pending();
        pen.write_money(transaction, status);
        pen.settle_up(spare);
    }
    None
}

/// News of a transaction that the provider has not named when it was asked.
fn unnamed(pen: &Pen, status: Settled) -> Option<Heard> {
    let order = &pen.order;
    let told = order.payment.failed || order.reason == Some(super::Reason::Declined);
    if status == Settled::Failed && told {
        // A definite no came without a name; that it is a no is known.
        return None;
    }
    let never_charged = order.lines.is_empty();
    Some(if never_charged {
        Heard::Contradicts
    } else {
        Heard::Early
    })
}

fn refunded(pen: &mut Pen, (transaction, amount): (&str, i64), spare: bool) -> Option<Heard> {
    let now = pen.now;
    let mine = |refund: &super::Refund| refund.transaction.as_deref() == Some(transaction);
    if let Some(refund) = pen.order.refunds.iter_mut().find(|refund| mine(refund)) {
        if refund.amount != amount {
            return Some(Heard::Contradicts);
        }
        match refund.run.state {
            State::Running | State::Stuck => {
                let run = refund.run.retry(now).unwrap_or(refund.run);
                let run = run.after(saga::REFUND, Outcome::Done, now);
                refund.run = run.expect("it is running, or was made so");
                pen.write(Kind::PaymentRefunded);
                pen.settle_up(spare);
            }
            State::Completed => {}
            // The provider said that nothing moved.
            State::Compensated | State::Compensating => return Some(Heard::Contradicts),
        }
        return None;
    }
    if pen.order.refunds.iter().any(super::Refund::is_unnamed) {
        return Some(Heard::Early);
    }
    returned(pen, (transaction, amount), spare)
}

/// Money that the provider gave back without being asked.
fn returned(pen: &mut Pen, (transaction, amount): (&str, i64), spare: bool) -> Option<Heard> {
    let back = &pen.order.payment.returned;
    if let Some(known) = back.iter().find(|it| it.transaction == transaction) {
        return (known.amount != amount).then_some(Heard::Contradicts);
    }
    let Some(charge) = pen.order.payment.charge(transaction) else {
        return unnamed(pen, Settled::Completed);
    };
    if !(1..=charge.amount).contains(&amount) {
        return Some(Heard::Contradicts);
    }
    pen.order.payment.returned.push(Returned {
        transaction: transaction.to_owned(),
        amount,
    });
    // A refund that was refused because this money had gone back already is made anew, smaller.
    for refund in &mut pen.order.refunds {
        if refund.charge == transaction && refund.was_refused() {
            refund.run.state = State::Compensated;
        }
    }
    pen.write(Kind::PaymentRefunded);
    pen.settle_up(spare);
    None
}

fn parcel(pen: &mut Pen, delivery: &str, status: Parcel) -> Option<Heard> {
    let saga = pen.order.saga;
    let asking = saga.state == State::Running && saga.step == at::DELIVER;
    let Some(shipment) = &pen.order.shipment else {
        return Some(Heard::Contradicts);
    };
    let dropped = matches!(shipment.status, Parcel::Cancelled | Parcel::Failed);
    match &shipment.delivery {
        None if asking => Some(Heard::Early),
        None => Some(Heard::Contradicts),
        Some(known) if known != delivery => Some(Heard::Contradicts),
        // Its units are on sale again, or about to be.
        Some(_) if dropped && status.has_left() => Some(Heard::Contradicts),
        Some(_) => {
            moved(pen, status);
            None
        }
    }
}
