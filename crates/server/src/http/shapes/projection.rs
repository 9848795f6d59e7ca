//! What is folded from the log, as its list shows it.

use schemars::JsonSchema;
use serde::Serialize;

/// How a projection is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProjectionState {
    /// It follows the log.
    Live,
    /// It follows the log, and is folded again beside it.
    Rebuilding,
    /// It has read further than the log goes: the log was cut. A rebuild mends it.
    Ahead,
}

/// A projection.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Projection {
    /// `orders`, `holds`, `stock`, `audit` or `outbox`.
    pub(crate) name: &'static str,
    /// The position that it has reached.
    pub(crate) checkpoint: u64,
    /// How far that is behind the log's head.
    pub(crate) lag_positions: u64,
    pub(crate) state: ProjectionState,
    /// The position that a rebuild has reached; null without one.
    pub(crate) building: Option<u64>,
    /// Events that could not be folded and are kept aside.
    pub(crate) failed_events: u64,
}
