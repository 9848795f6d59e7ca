//! From an answer to a reply: yes, no or unknown.
//!
//! A yes is a 2xx that can be read in full; a no is a 4xx; everything else is unknown. To a
//! question, 404 is "never seen" and no other status says anything. To a step, 408, 425 and 429 are
//! no answer: it is sent again.

use crate::gateway::{Call, DeliveryStatus, Receipt, Reply, Settled};
use evenkeel_rules::money::Money;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Most characters of a provider's names and codes.
pub const NAME_MAX: usize = 128;

/// What was answered; `body` is nothing if it could not be received in full.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) body: Option<&'a [u8]>,
    /// Whether this answers a second copy, the first of which may have arrived as well.
    pub(super) again: bool,
}

#[derive(Deserialize)]
struct MoneyTold {
    transaction: String,
    status: String,
    amount: Money,
    #[serde(default)]
    code: Value,
}

#[derive(Deserialize)]
struct DeliveryTold {
    delivery: String,
    status: String,
}

#[derive(Deserialize)]
struct RefusalTold {
    #[serde(default)]
    code: Value,
}

pub(super) fn read(call: &Call, answer: &Answer<'_>) -> Reply {
    if answer.status.is_success() {
        return yes(call, answer.body).unwrap_or(Reply::Unknown);
    }
    match call {
        Call::AskCharge { .. } | Call::AskRefund { .. } | Call::AskDelivery { .. } => {
            match answer.status {
                StatusCode::NOT_FOUND => Reply::NeverSeen,
                _ => Reply::Unknown,
            }
        }
        Call::Charge { .. }
        | Call::Refund { .. }
        | Call::Deliver { .. }
        | Call::CancelDelivery { .. } => no(answer),
        // Too slow, too early, too many: no word on what was asked.
        Call::Step { .. } if matches!(answer.status.as_u16(), 408 | 425 | 429) => Reply::Unknown,
        Call::Step { .. } => no(answer),
    }
}

fn yes(call: &Call, body: Option<&[u8]>) -> Option<Reply> {
    match call {
        Call::Charge { .. }
        | Call::AskCharge { .. }
        | Call::Refund { .. }
        | Call::AskRefund { .. } => receipt(body?).map(Reply::Money),
        Call::Deliver { .. } | Call::AskDelivery { .. } => delivery(body?),
        Call::CancelDelivery { delivery, .. } => cancelled(delivery, body?),
        Call::Step { .. } => Some(Reply::Done),
    }
}

fn no(answer: &Answer<'_>) -> Reply {
    let no = if answer.again {
        // Another refusal of the second copy may mean no more than that the first is being worked
        // on (409), or came too soon before it (425, 429).
        answer.status == StatusCode::PAYMENT_REQUIRED
    } else {
        answer.status.is_client_error()
    };
    if !no {
        return Reply::Unknown;
    }
    let told: Option<RefusalTold> = answer.body.and_then(told);
    let code = told.and_then(|told| code(&told.code));
    Reply::Refused { code }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A reason is for people: one that is not a name is left out, and the rest of the answer stands.
fn code(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| is_name(text))?;
    Some(text.to_owned())
}

/// What a body says, if all of it is JSON: the library would pass over bytes that are no text in a
/// member that nobody reads.
fn told<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str(text).ok()
}

fn receipt(body: &[u8]) -> Option<Receipt> {
    let told: MoneyTold = told(body)?;
    let status = match told.status.as_str() {
        "completed" => Settled::Completed,
        "pending" => Settled::Pending,
        "failed" => Settled::Failed,
        _ => return None,
    };
    let amount = Money::price(told.amount.amount, told.amount.currency).ok()?;
    is_name(&told.transaction).then(|| Receipt {
        code: code(&told.code),
        transaction: told.transaction,
        status,
        amount,
    })
}

fn status_of(text: &str) -> Option<DeliveryStatus> {
    Some(match text {
        "requested" => DeliveryStatus::Requested,
        "initiated" => DeliveryStatus::Initiated,
        "in_transit" => DeliveryStatus::InTransit,
        "delivered" => DeliveryStatus::Delivered,
        "failed" => DeliveryStatus::Failed,
        "cancelled" => DeliveryStatus::Cancelled,
        _ => return None,
    })
}

fn delivery(body: &[u8]) -> Option<Reply> {
    let told: DeliveryTold = told(body)?;
    let status = status_of(&told.status)?;
    is_name(&told.delivery).then_some(Reply::Delivery {
        delivery: told.delivery,
        status,
    })
}

/// A 2xx is the yes; a body is not needed, but one that speaks of something else is not believed.
fn cancelled(asked: &str, body: &[u8]) -> Option<Reply> {
    if body.is_empty() {
        return Some(Reply::Delivery {
            delivery: asked.to_owned(),
            status: DeliveryStatus::Cancelled,
        });
    }
    let reply = delivery(body)?;
    let same = matches!(&reply, Reply::Delivery { delivery, .. } if delivery == asked);
    same.then_some(reply)
}
