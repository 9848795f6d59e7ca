//! How the deployment is.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

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
