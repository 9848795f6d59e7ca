//! Callbacks of providers.

use super::{IdText, Money};
use schemars::JsonSchema;
use serde::Serialize;

/// What became of a transaction.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
enum PaymentWord {
    #[serde(rename = "payment.completed")]
    Completed,
    #[serde(rename = "payment.failed")]
    Failed,
    #[serde(rename = "payment.refunded")]
    Refunded,
}

/// What the payment provider says of a transaction.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct PaymentCallback {
    #[serde(rename = "type")]
    kind: PaymentWord,
    order: IdText,
    /// The provider's name for it.
    #[schemars(length(min = 1, max = 128))]
    transaction: String,
    amount: Money,
    #[schemars(extend("format" = "date-time"))]
    occurred_at: String,
}

/// Where a parcel is.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
enum DeliveryWord {
    #[serde(rename = "delivery.initiated")]
    Initiated,
    #[serde(rename = "delivery.in_transit")]
    InTransit,
    #[serde(rename = "delivery.delivered")]
    Delivered,
    #[serde(rename = "delivery.failed")]
    Failed,
    #[serde(rename = "delivery.cancelled")]
    Cancelled,
}

/// What the delivery provider says of a parcel.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct DeliveryCallback {
    #[serde(rename = "type")]
    kind: DeliveryWord,
    order: IdText,
    /// The provider's name for it.
    #[schemars(length(min = 1, max = 128))]
    delivery: String,
    #[schemars(extend("format" = "date-time"))]
    occurred_at: String,
}

/// What came of storing a callback.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackStatus {
    /// It is stored.
    Stored,
    /// It was stored before.
    Duplicate,
    /// It is stored and set aside: it contradicts what is known.
    Quarantined,
    /// It is stored and waits: its order is not known, or has ended.
    Parked,
}

/// The answer to a callback: it is on disk.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct CallbackStored {
    pub(crate) status: CallbackStatus,
}
