//! What waits for a person: reviews and findings; and what is told of an erasure.

use super::{Money, REASON_MAX, Refund, Transaction};
use schemars::JsonSchema;
use serde::Serialize;

/// Where a review is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum ReviewState {
    Open,
    Approved,
    Rejected,
    Expired,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReviewAction {
    /// Let it wait and try on.
    Approve,
    /// End it; what turns up of its money goes back.
    Reject,
}

/// What a thing is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Subject {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

/// What is known of an order that waits for a person.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ReviewEvidence {
    pub(crate) status: &'static str,
    pub(crate) total: Money,
    pub(crate) captured: Money,
    pub(crate) refund_requested: Money,
    pub(crate) refunded: Money,
    /// Where its units stand.
    pub(crate) units: &'static str,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) refunds: Vec<Refund>,
    /// Its sagas that are stuck.
    pub(crate) stuck: Vec<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) since: String,
    /// Its last place in the log.
    pub(crate) position: u64,
}

/// A case that waits for a person.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Review {
    pub(crate) id: String,
    pub(crate) subject: Subject,
    #[schemars(with = "ReviewState")]
    pub(crate) state: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) evidence: ReviewEvidence,
    /// None once it is closed.
    pub(crate) actions: Vec<ReviewAction>,
    /// When a provider is asked next, which may close it.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) due_at: Option<String>,
}

/// How bad a difference is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OpenClass")]
pub(crate) enum OpenClass {
    Lagging,
    Divergent,
}

/// Something that does not end by itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct OpenFinding {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: Subject,
    pub(crate) class: OpenClass,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) position: u64,
    pub(crate) detail: String,
}

/// Why somebody's texts are erased.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Erase {
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: String,
}

/// What was erased.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Erased {
    pub(crate) customer: String,
    /// How many texts.
    pub(crate) erased: usize,
}
