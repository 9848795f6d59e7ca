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
    /// The provider was not asked yet: its answer has to come first.
    Early,
    /// It contradicts what the provider said, or names what it never named: it is set aside, a
    /// person is told, and the provider is asked.
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

fn money(
    pen: &mut Pen,
    word: Word,
    (transaction, amount): (&str, Money),
    spare: bool,
) -> Option<Heard> {
    if word == Word::Refunded {
        return refunded(pen, (transaction, amount), spare);
    }
    let asking = pen.order.saga.state == State::Running && pen.order.saga.step == at::CHARGE;
    let Some(charge) = pen.order.payment.charge(transaction).cloned() else {
        let open = asking && pen.order.payment.charges.is_empty() || pen.order.watched;
        return Some(if open {
            Heard::Early
        } else {
            Heard::Contradicts
        });
    };
    if pen.order.money(charge.amount) != amount {
        return Some(Heard::Contradicts);
    }
    let (status, kind) = match word {
        Word::Completed => (Settled::Completed, Kind::PaymentCompleted),
        Word::Failed | Word::Refunded => (Settled::Failed, Kind::PaymentFailed),
    };
    if pen.order.payment.learn(transaction, status, charge.amount) {
        // A failure ends an attempt, not the payment: the provider is asked before it counts.
        pen.write(kind);
        pen.settle_up(spare);
    }
    None
}

fn refunded(pen: &mut Pen, (transaction, amount): (&str, Money), spare: bool) -> Option<Heard> {
    if amount.currency != pen.order.currency() {
        return Some(Heard::Contradicts);
    }
    let mine = |refund: &super::Refund| refund.transaction.as_deref() == Some(transaction);
    if let Some(refund) = pen.order.refunds.iter_mut().find(|refund| mine(refund)) {
        if refund.amount != amount.amount {
            return Some(Heard::Contradicts);
        }
        if refund.run.state == State::Running {
            let run = refund.run.after(saga::REFUND, Outcome::Done, pen.now);
            refund.run = run.expect("the caller saw that it is running");
            pen.write(Kind::PaymentRefunded);
            pen.settle_up(spare);
        }
        return None;
    }
    let unnamed = |refund: &&super::Refund| {
        refund.run.state == State::Running && refund.transaction.is_none()
    };
    if pen.order.refunds.iter().any(|refund| unnamed(&refund)) {
        return Some(Heard::Early);
    }
    let back = pen.order.payment.returned.iter();
    if let Some(known) = back.clone().find(|it| it.transaction == transaction) {
        return (known.amount != amount.amount).then_some(Heard::Contradicts);
    }
    let charge = pen.order.payment.charge(transaction)?.clone();
    if amount.amount > charge.amount {
        return Some(Heard::Contradicts);
    }
    pen.order.payment.returned.push(Returned {
        transaction: transaction.to_owned(),
        amount: amount.amount,
    });
    pen.write(Kind::PaymentRefunded);
    pen.settle_up(spare);
    None
}

fn parcel(pen: &mut Pen, delivery: &str, status: Parcel) -> Option<Heard> {
    let Some(shipment) = &pen.order.shipment else {
        return Some(Heard::Contradicts);
    };
    match &shipment.delivery {
        None => Some(Heard::Early),
        Some(known) if known != delivery => Some(Heard::Contradicts),
        Some(_) => {
            moved(pen, status);
            None
        }
    }
}
