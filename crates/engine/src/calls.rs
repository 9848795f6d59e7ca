//! An order's calls: under which key, with what, for how long, and what an answer is told as.
//!
//! Whoever makes a call for an order, on its due time or on an event, makes it from here, so that
//! one task has one key and one text whoever asks for it: a provider that hears it twice knows it.
//! An answer is passed on as it is; what it means is the judge's to say, under the lock.
//!
//! Nothing here waits for a provider, looks at a lease or commits anything.

use crate::engine::{Options, Shared};
use crate::gateway::{Call, Reply};
use crate::port::{Fault, OrderRow};
use evenkeel_rules::order::{self, Order, Task, Told};
use std::time::Duration;

/// How long a call for a task may take.
pub(crate) fn timeout(options: &Options, task: Task) -> Duration {
    match task {
        Task::Deliver | Task::AskDelivery | Task::Recall => options.delivery_timeout,
        Task::Charge | Task::AskCharge | Task::Refund(_) | Task::AskRefund(_) => {
            options.call_timeout
        }
    }
}

/// Where a retry's delay falls.
pub(crate) fn random(shared: &Shared) -> u64 {
    let random = shared.workers_ids().random();
    u64::from_le_bytes(*random.first_chunk().expect("eight of sixteen bytes"))
}

/// Counts a call; whether it was answered.
pub(crate) fn count(call: &Call, reply: &Reply) -> bool {
    let (reply, answered) = match reply {
        Reply::Money(_) | Reply::Delivery { .. } | Reply::Done => ("yes", true),
        Reply::Refused { .. } => ("refused", true),
        Reply::NeverSeen => ("never_seen", true),
        Reply::Unknown => ("unknown", false),
        Reply::NotSent { .. } => ("not_sent", false),
    };
    let call = call.name();
    metrics::counter!("evenkeel_provider_calls_total", "call" => call, "reply" => reply)
        .increment(1);
    answered
}

/// What providers may see of an order beside what it says.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Secret {
    /// What the payment provider gave the buyer for the card.
    pub token: String,
    /// Where the goods go, as the client sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<serde_json::Value>,
}

/// The key of an order's effect: its saga and step.
#[must_use]
pub fn effect_key(order: &Order, task: Task) -> String {
    let id = &order.id;
    match task {
        Task::Charge | Task::AskCharge => format!("order:{id}/charge"),
        Task::Deliver | Task::AskDelivery => format!("order:{id}/deliver"),
        Task::Recall => format!("cancel:{id}/recall"),
        Task::Refund(number) | Task::AskRefund(number) => {
            format!("refund:{id}/{}", number + 1)
        }
    }
}

/// The call for a task; nothing if there is nothing to be asked for.
///
/// # Errors
/// A [`Fault`] of the store: the private text could not be read.
pub(crate) async fn call_of(
    shared: &Shared,
    row: &OrderRow,
    task: Task,
    private: Option<String>,
) -> Result<Option<Call>, Fault> {
    let order = &row.body;
    let key = effect_key(order, task);
    Ok(Some(match task {
        Task::Charge => {
            let text = match private {
                Some(text) => text,
                None => {
                    let text = shared.store.private((row.created, 0)).await?.rows;
                    text.map_or_else(String::new, |row| row.text)
                }
            };
            // An erased token is none: the provider refuses it.
            let secret: Secret = serde_json::from_str(&text).unwrap_or_default();
            Call::Charge {
                key,
                order: order.id.clone(),
                amount: order.total,
                token: secret.token,
            }
        }
        Task::AskCharge => Call::AskCharge { key },
        Task::Deliver => {
            let lines = order.lines.iter();
            Call::Deliver {
                key,
                order: order.id.clone(),
                lines: lines
                    .map(|line| (line.sku.clone(), line.quantity.get()))
                    .collect(),
                address_ref: Some(order.id.to_string()),
            }
        }
        Task::AskDelivery => Call::AskDelivery { key },
        Task::Recall => {
            let shipment = order.shipment.as_ref();
            let Some(delivery) = shipment.and_then(|it| it.delivery.clone()) else {
                return Ok(None);
            };
            Call::CancelDelivery { key, delivery }
        }
        Task::Refund(number) => {
            let Some(refund) = order.refunds.get(number) else {
                return Ok(None);
            };
            Call::Refund {
                key,
                order: order.id.clone(),
                transaction: refund.charge.clone(),
                amount: order.money(refund.amount),
            }
        }
        Task::AskRefund(_) => Call::AskRefund { key },
    }))
}

/// An answer as the judge is told it.
pub(crate) fn told(order: &Order, reply: Reply) -> Told {
    match reply {
        Reply::Money(receipt) => Told::Money(order::Receipt {
            amount: (receipt.amount.currency == order.currency()).then_some(receipt.amount.amount),
            transaction: receipt.transaction,
            status: receipt.status,
        }),
        Reply::Delivery { delivery, status } => Told::Parcel { delivery, status },
        Reply::Refused { .. } => Told::Refused,
        Reply::NeverSeen => Told::NeverSeen,
        // A step's yes to an order's call is no answer to it.
        Reply::Unknown | Reply::Done => Told::Unknown,
        Reply::NotSent { why } => {
            tracing::debug!(why, order = %order.id, "a call was not sent");
            Told::NotSent
        }
    }
}
