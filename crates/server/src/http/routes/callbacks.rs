//! Callbacks: what providers say of their own accord.
//!
//! By the time that a handler here is asked, the body's bytes are known to be signed by the
//! provider. It is read strictly, stored under the provider's own id for it, and then answered:
//! 2xx means stored, and no more. What it says is taken in by a loop of the engine.

use crate::http::Api;
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::Fields;
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::route::{Doc, Route, Who};
use crate::http::shapes::{self, CallbackStatus};
use crate::webhook::verify::Verdict;
use bytes::Bytes;
use evenkeel_engine::Request;
use evenkeel_engine::callback::{Sender, State};
use evenkeel_engine::commit::{Command, Effect, Received};
use evenkeel_rules::ids::{OrderId, Reference, TokenId};
use evenkeel_rules::order::{News, Word};
use evenkeel_rules::shipment;
use http::{HeaderMap, Method, StatusCode};
use schemars::SchemaGenerator;

/// Most bytes of a callback.
const SIZE_MAX: usize = 256 * 1024;
/// Longest name that a provider gives to a transaction or a delivery.
const NAME_MAX: usize = 128;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/callbacks/payment/{provider}",
        who: Who::Signed(Sender::Payment),
        prepare: payment,
        doc: doc(
            "Stores what the payment provider says of a transaction.",
            SchemaGenerator::subschema_for::<shapes::PaymentCallback>,
        ),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/callbacks/delivery/{provider}",
        who: Who::Signed(Sender::Delivery),
        prepare: delivery,
        doc: doc(
            "Stores what the delivery provider says of a parcel.",
            SchemaGenerator::subschema_for::<shapes::DeliveryCallback>,
        ),
    },
];

const fn doc(summary: &'static str, request: crate::http::route::Shape) -> Doc {
    Doc {
        summary,
        request: Some(request),
        answers: &[
            (
                200,
                Some(SchemaGenerator::subschema_for::<shapes::CallbackStored>),
            ),
            (
                202,
                Some(SchemaGenerator::subschema_for::<shapes::CallbackStored>),
            ),
        ],
        query: &[],
        problems: &[Code::Stale, Code::NotFound],
    }
}

impl Api {
    /// Makes sure that a provider signed a body; the id that it gave to what it says.
    ///
    /// # Errors
    /// 413 for a body beyond the cap, then 401.
    pub(in crate::http) fn signed(
        &self,
        sender: Sender,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<String, Problem> {
        if body.len() > SIZE_MAX {
            return Err(Problem::new(Code::TooLarge).detail("A callback has at most 256 KiB."));
        }
        let refused = |detail| Problem::new(Code::Unauthenticated).detail(detail);
        let webhooks = &self.settings.webhooks;
        let ring = match sender {
            Sender::Payment => &webhooks.payment,
            Sender::Delivery => &webhooks.delivery,
        };
        let ring = ring.as_ref();
        let ring = ring.ok_or_else(|| refused("No secret is configured for this provider."))?;
        match ring.verify(headers, body, self.now()) {
            Verdict::Ok(event) => Ok(event),
            Verdict::Missing => Err(refused(
                "A callback has the headers webhook-id, webhook-timestamp and webhook-signature.",
            )),
            Verdict::Malformed => Err(refused("A header of the signature is malformed.")),
            Verdict::BadSignature => Err(refused("The signature is not of this body.")),
            Verdict::Stale => Err(Problem::new(Code::Stale)),
        }
    }
}

fn payment<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(money)?;
    Ok(store(api, &call, Sender::Payment, read.value))
}

/// Reads what a payment provider says of an order's money.
pub(in crate::http) fn money(fields: &mut Fields<'_, '_>) -> Option<(OrderId, News)> {
    let word = fields.name("type", |name| match name {
        "payment.completed" => Some(Word::Completed),
        "payment.failed" => Some(Word::Failed),
        "payment.refunded" => Some(Word::Refunded),
        _ => None,
    });
    let order = fields.id("order", OrderId::new);
    let transaction = name(fields, "transaction");
    let amount = fields.price("amount");
    let at = fields.time("occurred_at");
    let news = News::Money {
        word: word?,
        transaction: transaction?,
        amount: amount?,
    };
    at.and(Some((order?, news)))
}

fn delivery<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(parcel)?;
    Ok(store(api, &call, Sender::Delivery, read.value))
}

/// Reads what a delivery provider says of an order's parcel.
pub(in crate::http) fn parcel(fields: &mut Fields<'_, '_>) -> Option<(OrderId, News)> {
    let status = fields.name("type", |name| match name {
        "delivery.initiated" => Some(shipment::Status::Initiated),
        "delivery.in_transit" => Some(shipment::Status::InTransit),
        "delivery.delivered" => Some(shipment::Status::Delivered),
        "delivery.failed" => Some(shipment::Status::Failed),
        "delivery.cancelled" => Some(shipment::Status::Cancelled),
        _ => None,
    });
    let order = fields.id("order", OrderId::new);
    let delivery = name(fields, "delivery");
    let at = fields.time("occurred_at");
    let news = News::Parcel {
        delivery: delivery?,
        status: status?,
    };
    at.and(Some((order?, news)))
}

/// A provider's name for something: visible ASCII.
fn name(fields: &mut Fields<'_, '_>, member: &'static str) -> Option<String> {
    let name = fields.text(member, NAME_MAX)?;
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(name.to_owned());
    }
    fields.wrong(member, "text");
    None
}

fn store<'a>(
    api: &'a Api,
    call: &Call<'_>,
    sender: Sender,
    (order, news): (OrderId, News),
) -> Act<'a> {
    let provider = call.known_id(Reference::new);
    let event = call.event.clone().unwrap_or_default();
    let raw = String::from_utf8(call.body.to_vec());
    Box::pin(async move {
        let received = Received {
            sender,
            provider: provider?.as_str().to_owned(),
            event,
            order,
            news,
            raw: raw.map_err(|_| Problem::new(Code::BadText))?,
        };
        let request = Request {
            command: Command::StoreCallback(Box::new(received)),
            key: None,
            actor: TokenId::new("provider").expect("a word is an id"),
            owner: None,
            expected: None,
            deadline: None,
        };
        let done = api.engine.execute(request).await;
        let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
        let Effect::Callback { row, parked } = &done.effect else {
            return Err(Problem::new(Code::Internal));
        };
        let (code, status) = if done.replayed {
            (StatusCode::OK, CallbackStatus::Duplicate)
        } else if row.body.state == State::Quarantined {
            (StatusCode::ACCEPTED, CallbackStatus::Quarantined)
        } else if *parked {
            (StatusCode::ACCEPTED, CallbackStatus::Parked)
        } else {
            (StatusCode::OK, CallbackStatus::Stored)
        };
        let answer = Answer::json(&shapes::CallbackStored { status });
        Ok(api.at(answer.status(code), done.position))
    })
}
