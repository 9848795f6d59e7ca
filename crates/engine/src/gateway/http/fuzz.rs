//! What is fuzzed of the adapter: what providers answer.
//!
//! The first line says what was called and how it was answered, as in `charge 200` or `cancel 409
//! again`; what follows is the body. Compiled for tests and for `fuzz/` only.

use super::answer::{Answer, NAME_MAX, read};
use crate::gateway::{Call, Reply};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::money::{Currency, Money};
use http::StatusCode;
use serde_json::Value;

fn call(word: &str) -> Option<Call> {
    let key = "key-1".to_owned();
    let order = OrderId::new("o-1").expect("a well-formed id");
    let euro = Currency::new("EUR").expect("the euro is listed");
    let amount = Money::price(100, euro).expect("a price");
    let name = "name-1".to_owned();
    Some(match word {
        "charge" => Call::Charge {
            key,
            order,
            amount,
            token: name,
        },
        "ask-charge" => Call::AskCharge { key },
        "refund" => Call::Refund {
            key,
            order,
            transaction: name,
            amount,
        },
        "ask-refund" => Call::AskRefund { key },
        "deliver" => Call::Deliver {
            key,
            order,
            lines: Vec::new(),
            address_ref: None,
        },
        "ask-delivery" => Call::AskDelivery { key },
        "cancel" => Call::CancelDelivery {
            key,
            delivery: name,
        },
        "step" => Call::Step {
            key,
            url: "http://127.0.0.1/".to_owned(),
            body: "{}".to_owned(),
        },
        _ => return None,
    })
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A yes is a 2xx and says what its body says; a no is a 4xx to what can be refused; the rest is
/// unknown.
///
/// # Panics
/// If an answer is believed that must not be.
pub fn answers(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let line = String::from_utf8_lossy(&bytes[..end]);
    let mut words = line.split(' ');
    let Some(call) = words.next().and_then(call) else {
        return;
    };
    let status = words.next().and_then(|word| word.parse().ok());
    let Some(status) = status.and_then(|word: u16| StatusCode::from_u16(word).ok()) else {
        return;
    };
    let again = words.next() == Some("again");
    let body = &bytes[end + 1..];
    let answer = Answer {
        status,
        body: Some(body),
        again,
    };
    judge(&call, &answer, &read(&call, &answer));
    let cut = Answer {
        body: None,
        ..answer
    };
    let told = read(&call, &cut);
    let believed = matches!(told, Reply::Money(_) | Reply::Delivery { .. });
    assert!(!believed, "nothing was received and {told:?} is believed");
    judge(&call, &cut, &told);
}

fn judge(call: &Call, answer: &Answer<'_>, reply: &Reply) {
    let (status, body) = (answer.status, answer.body.unwrap_or_default());
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let asks = matches!(
        call,
        Call::AskCharge { .. } | Call::AskRefund { .. } | Call::AskDelivery { .. }
    );
    match reply {
        Reply::Money(receipt) => {
            assert!(status.is_success() && is_name(&receipt.transaction));
            assert_eq!(told["transaction"], receipt.transaction.as_str());
            assert_eq!(told["amount"]["amount"], receipt.amount.amount);
            assert!(receipt.amount.amount >= 0);
            assert!(receipt.code.as_deref().is_none_or(is_name));
        }
        Reply::Delivery { delivery, .. } => {
            assert!(status.is_success() && is_name(delivery));
            let same = told["delivery"] == delivery.as_str();
            let asked = matches!(call, Call::CancelDelivery { delivery: asked, .. }
                if asked == delivery && (body.is_empty() || same));
            assert!(asked || same && !matches!(call, Call::CancelDelivery { .. }));
        }
        Reply::Done => assert!(status.is_success() && matches!(call, Call::Step { .. })),
        Reply::Refused { code } => {
            assert!(status.is_client_error() && !asks, "{status} is no refusal");
            assert!(!answer.again || status == StatusCode::PAYMENT_REQUIRED);
            assert!(code.as_deref().is_none_or(is_name));
        }
        Reply::NeverSeen => assert!(asks && status == StatusCode::NOT_FOUND),
        Reply::Unknown => {}
        Reply::NotSent { .. } => unreachable!("it was answered, so it was sent"),
    }
}

#[cfg(test)]
mod tests;
