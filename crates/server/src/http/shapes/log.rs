//! The log, and the moves of stock that it audits.

use schemars::JsonSchema;
use serde::Serialize;

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
