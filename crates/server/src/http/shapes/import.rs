//! Stock in bulk.

use super::{EXACT_MAX, EXACT_MAX_SIGNED, IdText, KeyText, REASON_MAX, SkuText};
use schemars::JsonSchema;
use serde::Serialize;

/// Changes of stock, each a commit of its own: applied, replayed or refused apart from the others.
/// The same lines may come as `application/x-ndjson`, one object a line, or as `text/csv` with the
/// members as columns.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Import {
    #[schemars(length(min = 1, max = 1000))]
    lines: Vec<ImportLine>,
}

/// Units that came in (with a reference), or a correction (with a reason).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct ImportLine {
    /// The line's own idempotency key; made from the request's and the line's number if missing.
    key: Option<KeyText>,
    sku: SkuText,
    /// Not 0; below 0 only with a reason.
    #[schemars(range(min = -EXACT_MAX_SIGNED, max = EXACT_MAX), extend("not" = { "const": 0 }))]
    quantity: i64,
    /// `main` if missing.
    location: Option<IdText>,
    /// A purchase order or the like: the units are received.
    reference: Option<IdText>,
    /// Why the count is corrected: the units are found, or written off.
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: Option<String>,
}

/// What came of an import.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Imported {
    /// Lines that were read.
    pub(crate) lines: u64,
    /// Lines that took effect now.
    pub(crate) applied: u64,
    /// Lines that had taken effect before, under the same key.
    pub(crate) replayed: u64,
    /// Lines that took none, in order.
    pub(crate) failed: Vec<FailedLine>,
    /// The last place in the log of what took effect; 0 if nothing did.
    pub(crate) position: u64,
}

/// A line that took no effect.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct FailedLine {
    /// Which, the first being 0.
    pub(crate) line: u64,
    /// As in a problem document.
    pub(crate) code: &'static str,
    /// Whether sending the very same line again may end otherwise.
    pub(crate) retryable: bool,
}
