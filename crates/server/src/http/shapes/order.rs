//! Orders, their payments, shipments and refunds.

use super::{
    EXACT_MAX, EXACT_MAX_SIGNED, IdText, Life, MethodText, Money, SkuText, SomeMoney, Wanted,
};
use schemars::JsonSchema;
use serde::Serialize;

/// Longest way to pay, in characters.
pub(crate) const METHOD_MAX: u32 = 40;
/// Longest card token, in characters.
pub(crate) const TOKEN_MAX: u32 = 1_000;
/// Longest reason, in characters.
pub(crate) const REASON_MAX: u32 = 200;
/// Most adjustments of an order.
pub(crate) const ADJUSTMENTS_MAX: u32 = 20;

/// How an order is paid for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct PayBy {
    /// How, in one word of `a-z 0-9 _ . -`.
    method: MethodText,
    /// What the payment provider gave the buyer; kept apart and never shown.
    #[schemars(length(min = 1, max = TOKEN_MAX))]
    token: String,
}

/// What an adjustment is for.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum AdjustmentKind {
    Shipping,
    Tax,
    Discount,
}

/// What is added to the sum of the lines, or taken off it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Adjustment {
    #[schemars(with = "AdjustmentKind")]
    pub(crate) kind: &'static str,
    /// Minor units; below zero takes off.
    #[schemars(range(min = -EXACT_MAX_SIGNED, max = EXACT_MAX))]
    pub(crate) amount: i64,
}

/// An order to be taken.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct TakeOrder {
    /// The order's id; made from the key if missing.
    id: Option<IdText>,
    /// Whose; a buyer's token says it, every other role must.
    customer: Option<IdText>,
    #[schemars(length(min = 1, max = 100))]
    lines: Vec<Wanted>,
    /// A hold that has just these lines; one is placed if missing.
    hold: Option<IdText>,
    payment: PayBy,
    /// Where to; any object of at most 8 KiB, kept apart and never shown.
    address: Option<serde_json::Map<String, serde_json::Value>>,
    /// What the client believes it costs; another total is refused.
    expected_total: Option<Money>,
    /// Not from buyers.
    #[schemars(length(min = 1, max = ADJUSTMENTS_MAX))]
    adjustments: Option<Vec<Adjustment>>,
}

/// Why an order is called off.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct CancelOrder {
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: Option<String>,
}

/// Money to be given back.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct RefundOrder {
    /// The refund's id; made from the key if missing.
    id: Option<IdText>,
    /// All that is left if missing.
    amount: Option<SomeMoney>,
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: String,
}

/// Units of one SKU that came back.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct ReturnLine {
    sku: SkuText,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    quantity: u64,
}

/// Units that came back.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct ReturnOrder {
    #[schemars(length(min = 1, max = 100))]
    lines: Vec<ReturnLine>,
    /// Whether they go on sale again; otherwise they are written off.
    restock: bool,
}

/// Where an order is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum OrderStatus {
    Pending,
    Paid,
    Confirmed,
    Shipped,
    Delivered,
    Refunded,
    Cancelled,
    Expired,
}

/// Where a payment is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum PaymentStatus {
    Pending,
    Completed,
    Failed,
    Refunded,
}

/// Where a shipment is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum ShipmentStatus {
    Requested,
    Initiated,
    InTransit,
    Delivered,
    Cancelled,
    Failed,
}

/// An order's money in short.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct OrderPayment {
    pub(crate) id: String,
    #[schemars(with = "PaymentStatus")]
    pub(crate) status: &'static str,
    pub(crate) captured: Money,
    pub(crate) refunded: Money,
}

/// An order's parcel in short.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct OrderShipment {
    pub(crate) id: String,
    #[schemars(with = "ShipmentStatus")]
    pub(crate) status: &'static str,
}

/// Units of one SKU and location that were ordered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct OrderLine {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
    /// Of one unit.
    pub(crate) price: Money,
    pub(crate) location: String,
    /// Units that came back.
    pub(crate) returned: u64,
}

/// An order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) customer: String,
    #[schemars(with = "OrderStatus")]
    pub(crate) status: &'static str,
    pub(crate) payment: OrderPayment,
    pub(crate) shipment: Option<OrderShipment>,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) adjustments: Vec<Adjustment>,
    pub(crate) total: Money,
    pub(crate) holds: Vec<String>,
    pub(crate) saga: String,
    pub(crate) requires_review: bool,
    /// Whether somebody asked for its end and that is not decided yet.
    pub(crate) cancelling: bool,
    #[serde(flatten)]
    pub(crate) life: Life,
}

/// Where a refund is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum RefundStatus {
    Requested,
    Completed,
    Failed,
    Stuck,
}

/// Money on its way back, or back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) amount: Money,
    #[schemars(with = "RefundStatus")]
    pub(crate) status: &'static str,
}

/// How far a provider is with a transaction.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum TransactionStatus {
    Completed,
    Pending,
    Failed,
}

/// Money that a provider moved, or may move.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Transaction {
    /// The provider's name for it.
    pub(crate) transaction: String,
    #[schemars(with = "TransactionStatus")]
    pub(crate) status: &'static str,
    pub(crate) amount: Money,
}

/// An order's payment; `since` is the order's.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) customer: String,
    #[schemars(with = "PaymentStatus")]
    pub(crate) status: &'static str,
    pub(crate) method: String,
    /// What the provider has taken or may still take.
    pub(crate) authorised: Money,
    /// What it has taken.
    pub(crate) captured: Money,
    /// What is on its way back or back.
    pub(crate) refund_requested: Money,
    /// What is back.
    pub(crate) refunded: Money,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) refunds: Vec<Refund>,
    #[serde(flatten)]
    pub(crate) life: Life,
}

/// An order's shipment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Shipment {
    pub(crate) id: String,
    pub(crate) order: String,
    pub(crate) customer: String,
    #[schemars(with = "ShipmentStatus")]
    pub(crate) status: &'static str,
    /// The provider's name for it, once it gave one.
    pub(crate) delivery: Option<String>,
    #[serde(flatten)]
    pub(crate) life: Life,
}
