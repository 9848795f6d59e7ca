//! The stand-in delivery service: a parcel is on its way within half a second and there in one.

use super::address::Address;
use super::book::{Book, Print, Row, Seen};
use super::knobs::Service;
use super::mail::Letter;
use super::outcome::{Now, Outcome};
use super::payment::{Desk, later};
use crate::http::fields::{self, Fields};
use crate::http::json::Value;
use crate::http::problem::{Code, Problem};
use crate::http::time::text;
use bytes::Bytes;
use evenkeel_rules::ids::{LocationId, SkuId};
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Longest id of an order, and longest reference of an address.
const TEXT_MAX: usize = 128;
/// Most lines of one delivery.
const LINES_MAX: usize = 100;

/// What happens to a parcel, how long after it was asked for, and what is told of it.
const STAGES: [(Duration, &str, &str); 3] = [
    (
        Duration::from_millis(200),
        "initiated",
        "delivery.initiated",
    ),
    (
        Duration::from_millis(500),
        "in_transit",
        "delivery.in_transit",
    ),
    (
        Duration::from_millis(800),
        "delivered",
        "delivery.delivered",
    ),
];

/// What becomes of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It goes through the stages.
    Goes,
    /// It was cancelled before it was on its way.
    Cancelled,
    /// It was refused.
    Refused,
}

/// A parcel.
#[derive(Debug)]
struct Parcel {
    order: Arc<str>,
    at: Now,
    way: Way,
    callback: Option<Address>,
}

impl Parcel {
    fn status(&self, now: Duration) -> &'static str {
        match self.way {
            Way::Cancelled => "cancelled",
            Way::Refused => "failed",
            Way::Goes => {
                let since = now.saturating_sub(self.at.mono);
                let passed = STAGES.iter().rev().find(|(after, ..)| since >= *after);
                passed.map_or("requested", |(_, status, _)| status)
            }
        }
    }
}

/// All that the delivery service knows.
#[derive(Debug)]
pub(super) struct Deliveries(Book<Parcel>);

impl Deliveries {
    pub(super) fn new() -> Self {
        Self(Book::new("dl"))
    }

    /// Takes a parcel.
    ///
    /// # Errors
    /// The problem of a body that does not fit or of a key that was used for another one; nothing
    /// was done then.
    pub(super) fn deliver(
        &mut self,
        desk: &mut Desk<'_>,
        key: &str,
        body: &Value<'_>,
    ) -> Result<Outcome, Problem> {
        let (order, callback) = fields::read(body, new)?;
        let print = Print::of(body);
        let at = match self.0.seen(key, print)? {
            Seen::Same(at) => at,
            Seen::New => {
                self.0.room()?;
                let refused = desk.knobs.draw(&["refuse", key]) < desk.knobs.refuse_rate;
                let parcel = Parcel {
                    order,
                    at: desk.now,
                    way: if refused { Way::Refused } else { Way::Goes },
                    callback,
                };
                let at = self.0.add((key, print), parcel);
                for (after, _, kind) in STAGES.iter().filter(|_| !refused) {
                    tell(self.0.at(at), kind, *after, desk);
                }
                at
            }
        };
        let row = self.0.at(at);
        let outcome = if row.entry.way == Way::Refused {
            Outcome::json(StatusCode::CONFLICT, &with_code(row, desk.now, "refused"))
        } else {
            Outcome::json(StatusCode::CREATED, &shown(row, desk.now))
        };
        Ok(outcome.uncertain(desk.knobs, [&row.key, &row.asked.to_string()]))
    }

    /// Calls a parcel back, as long as it is not on its way; `attempt` names this try.
    ///
    /// # Errors
    /// `not_found` for an id that was not given out.
    pub(super) fn cancel(
        &mut self,
        desk: &mut Desk<'_>,
        id: &str,
        attempt: &str,
    ) -> Result<Outcome, Problem> {
        let at = self
            .0
            .find(id)
            .ok_or_else(|| Problem::new(Code::NotFound))?;
        let now = desk.now;
        let row = self.0.at_mut(at);
        let status = row.entry.status(now.mono);
        let goes = matches!(status, "requested" | "initiated");
        if !goes && status != "cancelled" {
            let body = with_code(row, now, "too_late");
            return Ok(Outcome::json(StatusCode::CONFLICT, &body));
        }
        if goes {
            let refused = desk.knobs.draw(&["refuse", id, "cancel"]) < desk.knobs.refuse_rate;
            if refused {
                let body = with_code(row, now, "refused");
                return Ok(Outcome::json(StatusCode::CONFLICT, &body));
            }
            row.entry.way = Way::Cancelled;
            desk.mail.retract(id, now.mono);
            let after = desk.knobs.latency;
            tell(self.0.at(at), "delivery.cancelled", after, desk);
        }
        let outcome = Outcome::json(StatusCode::OK, &shown(self.0.at(at), now));
        Ok(outcome.uncertain(desk.knobs, [id, attempt]))
    }

    /// A parcel by the key under which it was asked for.
    ///
    /// # Errors
    /// `not_found` for a key that was never seen.
    pub(super) fn of_key(&self, key: &str, now: Now) -> Result<Outcome, Problem> {
        let row = self.0.of_key(key);
        let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Outcome::json(StatusCode::OK, &shown(row, now)))
    }

    /// A parcel by its id.
    ///
    /// # Errors
    /// `not_found` for an id that was not given out.
    pub(super) fn of_id(&self, id: &str, now: Now) -> Result<Outcome, Problem> {
        let at = self
            .0
            .find(id)
            .ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Outcome::json(StatusCode::OK, &shown(self.0.at(at), now)))
    }

    /// All parcels, for the ledger.
    pub(super) fn ledger(&self, now: Now) -> Vec<serde_json::Value> {
        let line = |row: &Row<Parcel>| {
            json!({
                "key": &*row.key,
                "order": &*row.entry.order,
                "delivery": &*row.id,
                "status": row.entry.status(now.mono),
            })
        };
        self.0.rows().map(line).collect()
    }
}

fn shown(row: &Row<Parcel>, now: Now) -> serde_json::Value {
    json!({"delivery": &*row.id, "status": row.entry.status(now.mono)})
}

fn with_code(row: &Row<Parcel>, now: Now, code: &str) -> serde_json::Value {
    let mut body = shown(row, now);
    body["code"] = json!(code);
    body
}

fn tell(row: &Row<Parcel>, kind: &'static str, after: Duration, desk: &mut Desk<'_>) {
    let Some(to) = &row.entry.callback else {
        return;
    };
    let Now { wall, mono } = desk.now;
    let body = json!({
        "type": kind,
        "order": &*row.entry.order,
        "delivery": &*row.id,
        "occurred_at": text(later(wall, after)),
    });
    let letter = Letter {
        service: Service::Delivery,
        to: to.clone(),
        order: Arc::clone(&row.entry.order),
        subject: Arc::clone(&row.id),
        kind,
        body: Bytes::from(body.to_string()),
        moment: mono + after,
        tries: 0,
    };
    desk.mail.post(letter, mono + after, desk.knobs);
}

/// Reads a new delivery: whose it is and where to call; what is in it is checked and not kept.
fn new(fields: &mut Fields<'_, '_>) -> Option<(Arc<str>, Option<Address>)> {
    let order = fields.text("order", TEXT_MAX);
    let lines = fields.list("lines", LINES_MAX, line);
    let address = fields.optional("address_ref", |value| match value {
        Value::Null => Ok(()),
        _ => match fields::text(value)?.chars().count() {
            0 => Err("min"),
            1..=TEXT_MAX => Ok(()),
            _ => Err("max"),
        },
    });
    let callback = Address::read(fields);
    let _checked = (lines?, address?);
    Some((Arc::from(order?), callback?))
}

/// A line of a body: a SKU and a number of units, at some location or none.
pub(super) fn line(fields: &mut Fields<'_, '_>) -> Option<String> {
    let sku = fields.id("sku", SkuId::new);
    let quantity = fields.quantity("quantity");
    let location = fields.id_or_none("location", LocationId::new);
    let _checked = (quantity?, location?);
    Some(sku?.as_str().to_owned())
}
