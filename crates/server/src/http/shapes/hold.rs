//! Holds.

use super::{EXACT_MAX, IdText, Life, SkuText};
use schemars::JsonSchema;
use serde::Serialize;

/// Units of one SKU and location that are asked for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Wanted {
    sku: SkuText,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    quantity: u64,
    /// `main` if missing.
    location: Option<IdText>,
}

/// Units to be set aside.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Place {
    /// The hold's id; made from the key if missing.
    id: Option<IdText>,
    /// For whom; a buyer's token says it, every other role must.
    customer: Option<IdText>,
    #[schemars(length(min = 1, max = 100))]
    lines: Vec<Wanted>,
    /// Until when, from now on; `holds.ttl_ms` if missing.
    #[schemars(range(min = 1000))]
    ttl_ms: Option<u64>,
}

/// What is to be sold of a hold; all of it if no lines are named.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Confirm {
    #[schemars(length(min = 1, max = 100))]
    lines: Option<Vec<Wanted>>,
}

/// A new deadline.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Extend {
    /// From now on; cut at the hold's longest life.
    #[schemars(range(min = 1000))]
    ttl_ms: u64,
}

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldState {
    Held,
    /// Money is being moved for its order.
    Confirming,
    Confirmed,
    Released,
    Expired,
}

/// Units of one SKU and location that are set aside.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct HoldLine {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
    pub(crate) location: String,
    /// Units that a confirm sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed: Option<u64>,
    /// Units that a partial confirm gave back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) released: Option<u64>,
}

/// Units set aside until a deadline.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) state: HoldState,
    pub(crate) lines: Vec<HoldLine>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) deadline: String,
    /// The order that it belongs to.
    pub(crate) order: Option<String>,
    #[serde(flatten)]
    pub(crate) life: Life,
}
