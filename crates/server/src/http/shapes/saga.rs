//! Sagas.

use super::{IdText, Life, REASON_MAX, StepText, UrlText};
use schemars::JsonSchema;
use serde::Serialize;

/// A person's word on something that waits for one.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Word {
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: String,
}

/// Bounds of how long a step that can be undone is tried, in ms.
pub(crate) const GIVE_UP_MIN: i64 = 1_000;
pub(crate) const GIVE_UP_MAX: i64 = 86_400_000;
/// Bounds of how long a step's call may take, in ms.
pub(crate) const TIMEOUT_MIN: i64 = 100;
pub(crate) const TIMEOUT_MAX: i64 = 60_000;

/// A saga over anybody's services, to be begun; at most 64 KiB.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct StartSaga {
    /// The saga's id; made from the key if missing. It does not begin with `order:`, `cancel:` or
    /// `refund:`.
    id: Option<IdText>,
    /// What can be undone comes first, then at most one pivot, then what is tried until it
    /// succeeds.
    #[schemars(length(min = 1, max = 32))]
    steps: Vec<StartStep>,
    /// How long a step that can be undone is tried; 120000 if missing.
    #[schemars(range(min = GIVE_UP_MIN, max = GIVE_UP_MAX))]
    give_up_after_ms: Option<i64>,
}

/// A step of a saga to be begun.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct StartStep {
    /// One of the saga's own; an id of at most 64 characters.
    name: StepText,
    /// What is posted to, under the key `<saga>/<step>`.
    url: UrlText,
    /// What is posted to, with the same body, to undo it, under the key `<saga>/<step>/undo`.
    undo_url: Option<UrlText>,
    /// What is sent: any JSON; an empty object if missing. It is kept apart and never shown.
    body: Option<serde_json::Value>,
    /// `compensatable` if missing.
    nature: Option<StepKind>,
    /// How long a call may take; 2000 if missing.
    #[schemars(range(min = TIMEOUT_MIN, max = TIMEOUT_MAX))]
    timeout_ms: Option<i64>,
}

/// Where a saga is in its life.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum SagaState {
    Running,
    Compensating,
    Completed,
    Compensated,
    Stuck,
}

/// What the refusal of a step means.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepKind {
    /// It can be undone: a refusal undoes what was done before.
    Compensatable,
    /// The point of no return.
    Pivot,
    /// It is tried until it succeeds.
    Retriable,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    /// Its turn has not come.
    Waiting,
    /// Its intent is logged.
    Intended,
    /// It may have happened: the provider is asked.
    Unknown,
    Done,
    /// It did not happen, or must not any more.
    Dropped,
    /// Its undoing is intended.
    Undoing,
    /// Whatever of it had happened was undone.
    Undone,
    /// It needs a person.
    Stuck,
}

/// A step of a saga.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SagaStep {
    /// With the saga's id it is the key of its effect: `<saga>/<step>`.
    pub(crate) name: String,
    pub(crate) kind: StepKind,
    pub(crate) state: StepState,
    /// Of a saga over anybody's services.
    #[serde(flatten)]
    pub(crate) service: Option<StepService>,
}

/// What a step calls.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StepService {
    pub(crate) url: String,
    /// What undoes it; without one there is nothing to undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undo_url: Option<String>,
    pub(crate) timeout_ms: u64,
}

/// A journey of several steps that ends whole or is undone.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Saga {
    pub(crate) id: String,
    /// `order`, `cancel` or `refund`; `services` for one over anybody's services.
    pub(crate) name: &'static str,
    /// The order whose saga it is; nothing for one over anybody's services.
    pub(crate) order: Option<String>,
    #[schemars(with = "SagaState")]
    pub(crate) state: &'static str,
    /// The step that it stands at; nothing once it has ended.
    pub(crate) step: Option<String>,
    pub(crate) steps: Vec<SagaStep>,
    #[serde(flatten)]
    pub(crate) life: Life,
}
