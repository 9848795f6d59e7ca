//! The bodies, as types: what is written into answers, and what the API document says of both.
//!
//! Answers are serialised from these very types, so the document cannot say another thing than the
//! answers do. Request bodies stand here for the document; they are read by
//! [`super::fields`], and a test holds the two together member by member.

mod callback;
mod cart;
mod import;
mod order;
mod projection;
mod review;
mod saga;
mod story;
mod subscription;
mod verify;

pub(crate) use callback::*;
pub(crate) use cart::*;
pub(crate) use import::*;
pub(crate) use order::*;
pub(crate) use projection::*;
pub(crate) use review::*;
pub(crate) use saga::*;
pub(crate) use story::{Story, StoryCause, StoryEntry, StoryFinding, StoryNext};
pub(crate) use subscription::*;
pub(crate) use verify::Verify;

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Largest exact whole number in JSON.
const EXACT_MAX: u64 = evenkeel_rules::quantity::MAX;

/// What every aggregate shows of its life.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Life {
    /// Events in its history; what `If-Match` names.
    pub(crate) version: u64,
    /// When it entered its state.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) since: String,
    /// When something will happen to it by itself.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) next_due: Option<String>,
    /// Why it is in its state, if there is more to say.
    pub(crate) reason: Option<String>,
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    /// When it was changed last.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) updated_at: String,
    /// Its last place in the log.
    pub(crate) position: u64,
}

/// An amount in minor units of a currency.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Money {
    /// Minor units.
    #[schemars(range(min = 0, max = EXACT_MAX))]
    pub(crate) amount: i64,
    /// A code of ISO 4217.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub(crate) currency: String,
}

/// When a SKU is sold; a missing end is open.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
    location: Option<String>,
    /// A purchase order or the like.
    reference: String,
}

/// Units found (positive) or written off (negative).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Adjust {
    /// Not 0.
    quantity: i64,
    /// `main` if missing.
    location: Option<String>,
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
    from: String,
    /// Another one; it begins with its first units.
    to: String,
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

/// Units of one SKU and location that are asked for.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Wanted {
    sku: String,
    #[schemars(range(min = 1, max = EXACT_MAX))]
    quantity: u64,
    /// `main` if missing.
    location: Option<String>,
}

/// Units to be set aside.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Place {
    /// The hold's id; made from the key if missing.
    id: Option<String>,
    /// For whom; a buyer's token says it, every other role must.
    customer: Option<String>,
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

/// Nothing more to say.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Nothing {}

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

/// A page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the list goes on; null at its end.
    pub(crate) next_cursor: Option<String>,
}

/// One audited change of stock.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct AuditEntry {
    pub(crate) position: u64,
    /// Its place among the moves of its position.
    pub(crate) index: usize,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) at: String,
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) operation: &'static str,
    /// The account that gave.
    pub(crate) from: &'static str,
    /// The account that took.
    pub(crate) to: &'static str,
    pub(crate) quantity: u64,
    #[serde(rename = "ref")]
    pub(crate) reference: String,
}

/// Why something was done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Cause {
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// A fact about one aggregate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct LogEvent {
    pub(crate) index: usize,
    pub(crate) stream: String,
    pub(crate) version: u64,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// What the aggregate shows after it, as it was written.
    #[schemars(with = "serde_json::Value")]
    pub(crate) data: Box<serde_json::value::RawValue>,
}

/// Units that moved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct LogMove {
    pub(crate) operation: &'static str,
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) quantity: u64,
    #[serde(rename = "ref")]
    pub(crate) reference: String,
}

/// What one commit made true.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct LogRow {
    pub(crate) position: u64,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) at: String,
    /// SHA-256 over the hash before it and its text, in hexadecimal.
    pub(crate) hash: String,
    /// The hash before it, with `proof=true`; before the first entry that of the log's origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous_hash: Option<String>,
    /// The text that was hashed, byte for byte, with `proof=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    pub(crate) cause: Cause,
    /// The token that asked, or `engine`.
    pub(crate) actor: String,
    pub(crate) events: Vec<LogEvent>,
    pub(crate) moves: Vec<LogMove>,
}

/// A part of the log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct LogPage {
    /// The log's end, as a token.
    pub(crate) head: String,
    pub(crate) items: Vec<LogRow>,
    pub(crate) next_cursor: Option<String>,
}

/// A new token's role, and for a buyer its customer.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct CreateToken {
    role: TokenRole,
    customer: Option<String>,
}

/// What a token may do.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum TokenRole {
    Buyer,
    Shop,
    Staff,
    Operator,
    Admin,
    Auditor,
}

/// A token; its secret is shown once, in the answer that makes it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Token {
    pub(crate) id: String,
    #[schemars(with = "TokenRole")]
    pub(crate) role: &'static str,
    /// Whose holds, for a buyer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    /// When it was revoked.
    #[schemars(extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<String>,
}

/// Whether requests are served, and if not, what is missing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Ready {
    pub(crate) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failing: Option<Vec<String>>,
}

/// How a loop is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoopState {
    Healthy,
    Degraded,
    Failed,
}

/// A loop and how far it is behind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Loop {
    pub(crate) name: &'static str,
    pub(crate) lag_positions: u64,
    /// Since its last good round.
    pub(crate) lag_ms: u64,
    pub(crate) state: LoopState,
}

/// How sure the gate is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Gate {
    pub(crate) unsure_skus: u64,
}

/// Something that an operator should look at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) since: String,
}

/// How the deployment is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Status {
    pub(crate) version: &'static str,
    /// The log's end, as a token.
    pub(crate) head: String,
    pub(crate) uptime_s: u64,
    pub(crate) nodes: u64,
    pub(crate) loops: Vec<Loop>,
    pub(crate) outbox_pending: u64,
    pub(crate) outbox_oldest_ms: u64,
    pub(crate) parked: u64,
    pub(crate) reviews_open: u64,
    pub(crate) failed_events: u64,
    /// State of each breaker by name.
    pub(crate) breakers: BTreeMap<String, String>,
    /// When stores were compared last.
    pub(crate) reconciliation: Option<String>,
    pub(crate) gate: Gate,
    pub(crate) alerts: Vec<Alert>,
}
