//! Carts.

use super::{EXACT_MAX, IdText, Life, Money, PayBy, SkuText};
use schemars::JsonSchema;
use serde::Serialize;

/// A cart to be begun.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct BeginCart {
    /// The cart's id, at most 60 characters; made from the key if missing.
    id: Option<SkuText>,
    /// Whose; a buyer's token says it, every other role must.
    customer: Option<IdText>,
}

/// A line of a cart.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct SetLine {
    /// How many units; 0 takes the line out.
    #[schemars(range(min = 0, max = EXACT_MAX))]
    quantity: u64,
}

/// A cart to be made an order.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct CheckOut {
    /// The order's id; made from the key if missing.
    id: Option<IdText>,
    payment: PayBy,
    /// Where it goes: any members, at most 8 KiB; kept apart and never shown.
    #[schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")]
    address: Option<serde_json::Value>,
}

/// Where a cart is in its life.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CartState {
    /// Lines may be set.
    Open,
    /// It became an order.
    CheckedOut,
    /// All its lines were lost to time; setting one opens it again.
    Expired,
}

/// A line of a cart as it stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct CartLine {
    pub(crate) sku: String,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    pub(crate) quantity: u64,
    /// What one unit costs, as of when the line was set.
    pub(crate) price: Money,
    /// Until when its units are set aside.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) deadline: String,
    /// Whether its units are no longer set aside.
    pub(crate) lost: bool,
}

/// A cart.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cart {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) state: CartState,
    pub(crate) lines: Vec<CartLine>,
    /// What the lines come to; null without any.
    pub(crate) total: Option<Money>,
    /// The order that it became.
    pub(crate) order: Option<String>,
    #[serde(flatten)]
    pub(crate) life: Life,
}
