//! SKUs: their entries, and their units by hand.

use super::{EXACT_MAX, EXACT_MAX_SIGNED, IdText, Life, Money};
use schemars::JsonSchema;
use serde::Serialize;

/// When a SKU is sold; a missing end is open.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Sale {
    /// First moment of the sale.
    #[schemars(extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opens_at: Option<String>,
    /// First moment after the sale.
    #[schemars(extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closes_at: Option<String>,
}

/// How many units there are, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Availability {
    /// Enough.
    InStock,
    /// Some.
    Low,
    /// None.
    SoldOut,
}

/// Units of one location, by account.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Balances {
    pub(crate) location: String,
    /// Units ever received or found, less those transferred away.
    pub(crate) received: i64,
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) sold: i64,
    pub(crate) shipped: i64,
    pub(crate) returned: i64,
    pub(crate) written_off: i64,
}

/// A catalogue entry.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Sku {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price: Money,
    /// Most units in one hold or order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_per_order: Option<u64>,
    /// Most units that one customer may have, held and sold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_per_customer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sale: Option<Sale>,
    pub(crate) availability: Availability,
    /// For staff, operators and auditors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock: Option<Vec<Balances>>,
    #[serde(flatten)]
    pub(crate) life: Life,
}

/// A new catalogue entry, or the whole of one that is replaced.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct PutSku {
    #[schemars(length(min = 1, max = 200))]
    name: String,
    price: Money,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    max_per_order: Option<u64>,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    max_per_customer: Option<u64>,
    sale: Option<Sale>,
}

/// Units that came in.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Receive {
    #[schemars(range(min = 1, max = EXACT_MAX))]
    quantity: u64,
    /// `main` if missing.
    location: Option<IdText>,
    /// A purchase order or the like.
    reference: IdText,
}

/// Units found (positive) or written off (negative).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Adjust {
    /// Not 0.
    #[schemars(range(min = -EXACT_MAX_SIGNED, max = EXACT_MAX), extend("not" = { "const": 0 }))]
    quantity: i64,
    /// `main` if missing.
    location: Option<IdText>,
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// Units that go to another location.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Transfer {
    #[schemars(range(min = 1, max = EXACT_MAX))]
    quantity: u64,
    from: IdText,
    /// Another one; it begins with its first units.
    to: IdText,
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// All balances of a SKU after a change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Stock {
    pub(crate) sku: String,
    pub(crate) position: u64,
    pub(crate) stock: Vec<Balances>,
}
