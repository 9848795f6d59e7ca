//! What `verify` answers, for the API document: the engine writes the report itself, and a test
//! holds the two together.

use schemars::JsonSchema;
use serde_json::Value;

/// What `verify` found.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Verify {
    /// Whether no invariant is violated.
    ok: bool,
    /// Where the log ended when the reading began.
    position: u64,
    /// Every invariant, in its order.
    checks: Vec<Check>,
    /// The position of the seal that the log was folded from; 0 if it was folded from zero.
    folded_from: u64,
}

/// One invariant.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
struct Check {
    id: String,
    name: String,
    result: Outcome,
    /// For what is not checkable: where it is checked instead.
    #[serde(rename = "where", default)]
    place: Option<String>,
    /// What the result does not cover.
    #[serde(default)]
    note: Option<String>,
    /// How many things were looked at.
    checked: u64,
    findings: Vec<Finding>,
}

/// What came of one invariant.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
enum Outcome {
    Held,
    Violated,
    NotCheckable,
}

/// One exact difference.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
struct Finding {
    id: String,
    kind: String,
    subject: Subject,
    class: Class,
    /// What should stand there.
    expected: Value,
    /// What stands there.
    found: Value,
    position: u64,
    detail: String,
}

/// What a finding is about.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the API document")]
struct Subject {
    kind: String,
    id: String,
}

/// How bad a difference is.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
enum Class {
    InFlight,
    Lagging,
    Divergent,
}
