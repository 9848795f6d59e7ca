//! Sagas.

use super::{Life, REASON_MAX};
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
}

/// A journey of several steps that ends whole or is undone.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Saga {
    pub(crate) id: String,
    /// `order`, `cancel` or `refund`.
    pub(crate) name: &'static str,
    pub(crate) order: String,
    #[schemars(with = "SagaState")]
    pub(crate) state: &'static str,
    /// The step that it stands at; nothing once it has ended.
    pub(crate) step: Option<String>,
    pub(crate) steps: Vec<SagaStep>,
    #[serde(flatten)]
    pub(crate) life: Life,
}
