//! The stand-in payment service: charges and refunds.
//!
//! Kept: a charge or refund is done once for its key, and what was refunded of a charge never
//! exceeds what was charged. Whatever an answer says of an amount is what was moved, not what was
//! asked for.

use super::address::Address;
use super::book::{Book, Print, Row, Seen, room};
use super::knobs::{Knobs, Service};
use super::mail::{Letter, Mail};
use super::outcome::{Ending, Now, Outcome};
use super::plan::{Course, First, Plan, REFUSED};
use crate::http::fields;
use crate::http::json::Value;
use crate::http::problem::{Code, Problem};
use crate::http::time::text;
use bytes::Bytes;
use evenkeel_rules::money::Money;
use evenkeel_rules::time::{LogTime, Millis};
use http::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest id of an order or transaction, and longest card token.
const TEXT_MAX: usize = 128;
/// A callback leaves this long after the answer.
const CALLBACK_AFTER: Duration = Duration::from_millis(100);
/// Copies of a callback that is sent twice leave this long after one another.
const COPY_AFTER: Duration = Duration::from_millis(250);

/// A charge as it was asked for.
struct NewCharge {
    order: Arc<str>,
    amount: Money,
    token: String,
    callback: Option<Address>,
}

/// A refund as it was asked for.
struct NewRefund {
    order: Arc<str>,
    amount: Money,
    transaction: String,
}

/// Money that was moved, or was not.
#[derive(Debug)]
struct Movement {
    order: Arc<str>,
    amount: Money,
    at: Now,
    course: Course,
    callback: Option<Address>,
    /// Of a charge: minor units that were given back.
    refunded: i64,
}

impl Movement {
    fn status(&self, now: Duration) -> &'static str {
        match self.course {
            Course::Completes(after) if now >= self.at.mono + after => "completed",
            Course::Completes(_) => "pending",
            Course::Fails(_) => "failed",
        }
    }
}

/// All that the payment service knows.
#[derive(Debug)]
pub(super) struct Payments {
    charges: Book<Movement>,
    refunds: Book<Movement>,
    /// Keys of first attempts that got lost before they came to the bank.
    unseen: BTreeSet<String>,
}

/// What a request is answered with besides the service's own books.
pub(super) struct Desk<'a> {
    pub(super) knobs: &'a Knobs,
    pub(super) mail: &'a mut Mail,
    pub(super) now: Now,
}

/// Which of the two books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Charge,
    Refund,
}

impl Payments {
    pub(super) fn new() -> Self {
        Self {
            charges: Book::new("tx"),
            refunds: Book::new("rf"),
            unseen: BTreeSet::new(),
        }
    }

    fn book(&self, kind: Kind) -> &Book<Movement> {
        match kind {
            Kind::Charge => &self.charges,
            Kind::Refund => &self.refunds,
        }
    }

    /// Charges a card.
    ///
    /// # Errors
    /// The problem of a body that does not fit or of a key that was used for another one; nothing
    /// was done then.
    pub(super) fn charge(
        &mut self,
        desk: &mut Desk<'_>,
        key: &str,
        body: &Value<'_>,
    ) -> Result<Outcome, Problem> {
        let new = NewCharge::read(body)?;
        let print = Print::of(body);
        if let Seen::Same(at) = self.charges.seen(key, print)? {
            return Ok(answer(self.charges.at(at), desk));
        }
        self.charges.room()?;
        let refused = desk.knobs.draw(&["refuse", key]) < desk.knobs.refuse_rate;
        let plan = if refused {
            REFUSED
        } else {
            Plan::of(&new.token)
        };
        if plan.first == First::Unseen && !self.unseen.remove(key) {
            room(self.unseen.len())?;
            self.unseen.insert(key.to_owned());
            return Ok(Outcome::silence(Ending::Held));
        }
        let amount = Money {
            amount: (new.amount.amount - plan.short).max(0),
            ..new.amount
        };
        let entry = Movement {
            order: new.order,
            amount,
            at: desk.now,
            course: plan.course,
            callback: new.callback,
            refunded: 0,
        };
        let at = self.charges.add((key, print), entry);
        let row = self.charges.at(at);
        announce(row, plan, desk);
        let outcome = answer(row, desk);
        Ok(match plan.first {
            First::After(after) => Outcome { after, ..outcome },
            First::Lost => Outcome {
                ending: Ending::Held,
                ..outcome
            },
            First::Unseen => outcome,
        })
    }

    /// Gives money of a charge back.
    ///
    /// # Errors
    /// As for a charge; and 422 for a transaction that is none of the order's, or is not completed,
    /// or has less left than is asked for. Such a refusal is not kept: the key stays free.
    pub(super) fn refund(
        &mut self,
        desk: &mut Desk<'_>,
        key: &str,
        body: &Value<'_>,
    ) -> Result<Outcome, Problem> {
        let new = NewRefund::read(body)?;
        let print = Print::of(body);
        if let Seen::Same(at) = self.refunds.seen(key, print)? {
            return Ok(answer(self.refunds.at(at), desk));
        }
        self.refunds.room()?;
        let charged = self.charges.find(&new.transaction);
        let charged = charged.ok_or_else(|| Problem::violation("/transaction", "unknown"))?;
        let charge = &mut self.charges.at_mut(charged).entry;
        if charge.order != new.order {
            return Err(Problem::violation("/order", "mismatch"));
        }
        if charge.amount.currency != new.amount.currency {
            return Err(Problem::violation("/amount/currency", "mismatch"));
        }
        let completed = charge.status(desk.now.mono) == "completed";
        let left = charge.amount.amount - charge.refunded;
        if !completed || new.amount.amount > left {
            return Err(Problem::violation("/amount/amount", "max"));
        }
        let refused = desk.knobs.draw(&["refuse", key]) < desk.knobs.refuse_rate;
        let plan = if refused {
            REFUSED
        } else {
            charge.refunded += new.amount.amount;
            Plan::of("tok_ok")
        };
        let entry = Movement {
            order: new.order,
            amount: new.amount,
            at: desk.now,
            course: plan.course,
            callback: charge.callback.clone(),
            refunded: 0,
        };
        let at = self.refunds.add((key, print), entry);
        let row = self.refunds.at(at);
        tell(row, "payment.refunded", plan, desk);
        Ok(answer(row, desk))
    }

    /// What came of the intent with a key.
    ///
    /// # Errors
    /// `not_found` for a key that was never seen.
    pub(super) fn of_key(&self, kind: Kind, key: &str, now: Now) -> Result<Outcome, Problem> {
        let row = self.book(kind).of_key(key);
        let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Outcome::json(StatusCode::OK, &shown(row, now)))
    }

    /// All charges or refunds, for the ledger.
    pub(super) fn ledger(&self, kind: Kind, now: Now) -> Vec<serde_json::Value> {
        let line = |row: &Row<Movement>| {
            json!({
                "key": &*row.key,
                "order": &*row.entry.order,
                "transaction": &*row.id,
                "amount": row.entry.amount,
                "status": row.entry.status(now.mono),
                "at": text(row.entry.at.wall),
            })
        };
        self.book(kind).rows().map(line).collect()
    }
}

fn shown(row: &Row<Movement>, now: Now) -> serde_json::Value {
    let mut body = json!({
        "transaction": &*row.id,
        "status": row.entry.status(now.mono),
        "amount": row.entry.amount,
    });
    if let Course::Fails(code) = row.entry.course {
        body["code"] = json!(code);
    }
    body
}

/// The answer to an intent, the first time and each time after.
fn answer(row: &Row<Movement>, desk: &Desk<'_>) -> Outcome {
    let status = match row.entry.status(desk.now.mono) {
        "completed" => StatusCode::OK,
        "pending" => StatusCode::ACCEPTED,
        _ => StatusCode::PAYMENT_REQUIRED,
    };
    let outcome = Outcome::json(status, &shown(row, desk.now));
    outcome.uncertain(desk.knobs, [&row.key, &row.asked.to_string()])
}

/// Calls back about the end of a charge.
fn announce(row: &Row<Movement>, plan: Plan, desk: &mut Desk<'_>) {
    let kind = match plan.course {
        Course::Completes(_) => "payment.completed",
        Course::Fails(_) => "payment.failed",
    };
    tell(row, kind, plan, desk);
}

fn tell(row: &Row<Movement>, kind: &'static str, plan: Plan, desk: &mut Desk<'_>) {
    let Some(to) = &row.entry.callback else {
        return;
    };
    let Now { wall, mono } = desk.now;
    let (ends_after, leaves_after) = match (plan.course, plan.first) {
        (Course::Completes(pending), _) if !pending.is_zero() => (pending, pending),
        (_, First::After(answer)) => {
            let leaves_after = desk.knobs.latency + answer + CALLBACK_AFTER;
            (Duration::ZERO, leaves_after)
        }
        (_, First::Lost | First::Unseen) => (Duration::ZERO, CALLBACK_AFTER),
    };
    let body = json!({
        "type": kind,
        "order": &*row.entry.order,
        "transaction": &*row.id,
        "amount": row.entry.amount,
        "occurred_at": text(later(wall, ends_after)),
    });
    let letter = Letter {
        service: Service::Payment,
        to: to.clone(),
        order: Arc::clone(&row.entry.order),
        subject: Arc::clone(&row.id),
        kind,
        body: Bytes::from(body.to_string()),
        moment: mono + ends_after,
        tries: 0,
    };
    for copy in 0..plan.callbacks {
        let due = mono + leaves_after + COPY_AFTER * u32::from(copy);
        desk.mail.post(letter.clone(), due, desk.knobs);
    }
}

/// The moment some time later.
pub(super) fn later(moment: LogTime, after: Duration) -> LogTime {
    moment.plus(Millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
}

impl NewCharge {
    fn read(body: &Value<'_>) -> Result<Self, Problem> {
        fields::read(body, |fields| {
            let order = fields.text("order", TEXT_MAX);
            let amount = fields.price("amount");
            let token = fields.text("token", TEXT_MAX);
            let callback = Address::read(fields);
            Some(Self {
                order: Arc::from(order?),
                amount: amount?,
                token: token?.to_owned(),
                callback: callback?,
            })
        })
    }
}

impl NewRefund {
    fn read(body: &Value<'_>) -> Result<Self, Problem> {
        fields::read(body, |fields| {
            let transaction = fields.text("transaction", TEXT_MAX);
            let order = fields.text("order", TEXT_MAX);
            let amount = fields.price("amount");
            if amount.is_some_and(|amount| amount.amount == 0) {
                fields.wrong("amount", "min");
            }
            Some(Self {
                order: Arc::from(order?),
                amount: amount?,
                transaction: transaction?.to_owned(),
            })
        })
    }
}
