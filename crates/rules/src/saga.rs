//! Sagas: journeys of several steps that end whole or are undone.
//!
//! ```text
//! running -> completed      running -> compensating -> compensated | stuck
//! running -> stuck          stuck -> compensating | running | completed
//! ```
//!
//! A saga is a constant array of steps. The intent of a step is logged before its action, the
//! outcome after it; the intent of the next step is logged with the outcome of the one before. An
//! outcome is done, refused or *unknown*, and unknown is never assumed to be either: the provider
//! is asked by key. Undoing goes back over every step whose action *may* have run, never only over
//! those that were recorded as done. Before the pivot a refusal undoes; behind it there is only
//! forward, and a refusal there, or of a compensation, makes the saga *stuck*: a state with a
//! finding and safe actions, never an endless silent retry.

use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// What a refusal of a step means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// It can be undone: a refusal undoes what was done before.
    Compensatable,
    /// The point of no return: before it everything can be undone, behind it only forward.
    Pivot,
    /// It comes after the pivot and is tried until it succeeds.
    Retriable,
}

/// What a step of the engine's own sagas does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The order's hold begins confirming.
    BeginConfirming,
    /// The order's hold is released.
    ReleaseHold,
    /// The payment provider is asked for the money.
    Charge,
    /// The payment provider is asked to give it back.
    Refund,
    /// The held units are sold.
    ConfirmUnits,
    /// The delivery provider is asked to take the order on.
    RequestDelivery,
    /// The delivery provider is asked to call it off.
    CancelDelivery,
    /// The sold units go back on sale.
    ReturnUnits,
    /// The saga's end is noted.
    Complete,
}

impl Action {
    /// Whether it happens outside: its outcome can be unknown.
    #[must_use]
    pub const fn is_outside(self) -> bool {
        match self {
            Self::Charge | Self::Refund | Self::RequestDelivery | Self::CancelDelivery => true,
            Self::BeginConfirming
            | Self::ReleaseHold
            | Self::ConfirmUnits
            | Self::ReturnUnits
            | Self::Complete => false,
        }
    }
}

/// A step of one of the engine's own sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its name; with the saga's id it is the key of its action.
    pub name: &'static str,
    /// What its refusal means.
    pub nature: Nature,
    /// What it does.
    pub action: Action,
    /// What undoes it.
    pub compensation: Option<Action>,
}

const fn step(name: &'static str, nature: Nature, action: Action) -> Step {
    Step {
        name,
        nature,
        action,
        compensation: None,
    }
}

const fn undone_by(step: Step, compensation: Action) -> Step {
    Step {
        compensation: Some(compensation),
        ..step
    }
}

/// From the hold to the parcel.
pub const ORDER: &[Step] = &[
    undone_by(
        step("begin", Nature::Compensatable, Action::BeginConfirming),
        Action::ReleaseHold,
    ),
    undone_by(
        step("charge", Nature::Compensatable, Action::Charge),
        Action::Refund,
    ),
    step("confirm", Nature::Pivot, Action::ConfirmUnits),
    step("deliver", Nature::Retriable, Action::RequestDelivery),
    step("complete", Nature::Retriable, Action::Complete),
];

/// A customer's change of mind before shipping. A delivery that can no longer be called off
/// refuses the cancel.
pub const CANCEL: &[Step] = &[
    step("recall", Nature::Pivot, Action::CancelDelivery),
    step("return", Nature::Retriable, Action::ReturnUnits),
    step("refund", Nature::Retriable, Action::Refund),
];

/// Money on its way back.
pub const REFUND: &[Step] = &[step("refund", Nature::Retriable, Action::Refund)];

/// Every saga of the engine's own, by name. The battery runs over all of them.
pub const REGISTRY: &[(&str, &[Step])] =
    &[("order", ORDER), ("cancel", CANCEL), ("refund", REFUND)];

/// The place of a step in the order saga.
pub mod at {
    /// Asking for the money.
    pub const CHARGE: u8 = 1;
    /// Selling the units.
    pub const CONFIRM: u8 = 2;
    /// Asking for the delivery.
    pub const DELIVER: u8 = 3;
    /// Calling the delivery off, in the cancel saga.
    pub const RECALL: u8 = 0;
    /// Giving the units back, in the cancel saga.
    pub const RETURN: u8 = 1;
    /// Giving the money back, in the cancel saga.
    pub const REFUND: u8 = 2;
}

/// What the machine must know of a list of steps.
pub trait Plan {
    /// How many steps there are, at least one and at most 255.
    fn length(&self) -> u8;
    /// What the refusal of a step means.
    fn nature(&self, step: u8) -> Nature;
    /// Whether a step has something that undoes it.
    fn is_undoable(&self, step: u8) -> bool;
}

impl Plan for [Step] {
    fn length(&self) -> u8 {
        u8::try_from(self.len()).expect("a saga has at most 255 steps")
    }
    fn nature(&self, step: u8) -> Nature {
        self[usize::from(step)].nature
    }
    fn is_undoable(&self, step: u8) -> bool {
        self[usize::from(step)].compensation.is_some()
    }
}

/// Where a saga is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Going forward.
    Running,
    /// Going back.
    Compensating,
    /// Every step was done.
    Completed,
    /// Everything that may have run was undone.
    Compensated,
    /// It needs a person.
    Stuck,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
        Self::Stuck,
    ];

    /// The state's name in bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::Compensated => true,
            Self::Running | Self::Compensating | Self::Stuck => false,
        }
    }
}

/// Where one saga stands: everything before `step` was done (running) or may have to be undone
/// still (compensating).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// Where it is in its life.
    pub state: State,
    /// The step that is intended, or whose undoing is.
    pub step: u8,
    /// Whether an attempt at this step ended with an unknown outcome: the action may have run.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unknown: bool,
    /// Whether it was stuck on its way back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub back: bool,
    /// When the step was intended, or when an attempt at it first ended unknown.
    pub since: LogTime,
}

/// What came of the step that was intended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Done,
    /// A definite no: it did not happen.
    Refused,
    /// It may have happened; somebody must ask.
    Unknown,
    /// It was tried for as long as it may be, and is still not known or not done.
    GivenUp,
}

/// Why a saga cannot take this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the saga cannot take this turn")]
pub struct Illegal;

impl Run {
    /// A saga at a step, whose intent is logged at `now`.
    #[must_use]
    pub const fn begin(step: u8, now: LogTime) -> Self {
        Self {
            state: State::Running,
            step,
            unknown: false,
            back: false,
            since: now,
        }
    }

    const fn at(state: State, step: u8, now: LogTime) -> Self {
        Self {
            state,
            ..Self::begin(step, now)
        }
    }

    /// The saga after an outcome of its intended step.
    ///
    /// # Errors
    /// [`Illegal`] when nothing is intended: it has ended, or is stuck.
    pub fn after<P: Plan + ?Sized>(
        self,
        plan: &P,
        outcome: Outcome,
        now: LogTime,
    ) -> Result<Self, Illegal> {
        match self.state {
            State::Running => Ok(self.forward(plan, outcome, now)),
            State::Compensating => Ok(self.backward(plan, outcome, now)),
            State::Completed | State::Compensated | State::Stuck => Err(Illegal),
        }
    }

    fn forward<P: Plan + ?Sized>(self, plan: &P, outcome: Outcome, now: LogTime) -> Self {
        match outcome {
            Outcome::Done if self.step + 1 == plan.length() => {
                Self::at(State::Completed, self.step, now)
            }
            Outcome::Done => Self::begin(self.step + 1, now),
            Outcome::Unknown => self.noted(now),
            Outcome::Refused => match plan.nature(self.step) {
                // It did not run: undoing begins with the step before it.
                Nature::Compensatable | Nature::Pivot => Self::undo_below(plan, self.step, now),
                Nature::Retriable => Self::at(State::Stuck, self.step, now),
            },
            Outcome::GivenUp => match plan.nature(self.step) {
                // It may have run: undoing begins with it.
                Nature::Compensatable => Self::undo_below(plan, self.step + 1, now),
                // Whether it may have run is remembered: what a person may do depends on it.
                Nature::Pivot | Nature::Retriable => self.turned(State::Stuck, now),
            },
        }
    }

    fn backward<P: Plan + ?Sized>(self, plan: &P, outcome: Outcome, now: LogTime) -> Self {
        match outcome {
            Outcome::Done => Self::undo_below(plan, self.step, now),
            Outcome::Unknown => self.noted(now),
            Outcome::Refused | Outcome::GivenUp => Self {
                back: true,
                ..self.turned(State::Stuck, now)
            },
        }
    }

    /// The first unknown outcome of a step counts: from then on it is asked after.
    fn noted(self, now: LogTime) -> Self {
        let since = if self.unknown { self.since } else { now };
        Self {
            unknown: true,
            since,
            ..self
        }
    }

    /// The same step in another state; what is known of its action stays.
    const fn turned(self, state: State, now: LogTime) -> Self {
        Self {
            unknown: self.unknown,
            ..Self::at(state, self.step, now)
        }
    }

    /// The next undoing among the steps below one, or the end.
    fn undo_below<P: Plan + ?Sized>(plan: &P, step: u8, now: LogTime) -> Self {
        match (0..step).rev().find(|below| plan.is_undoable(*below)) {
            Some(below) => Self::at(State::Compensating, below, now),
            None => Self::at(State::Compensated, 0, now),
        }
    }

    /// A stuck saga goes on where it stood: an operator says so.
    ///
    /// # Errors
    /// [`Illegal`] when it is not stuck.
    pub fn retry(self, now: LogTime) -> Result<Self, Illegal> {
        let state = match (self.state, self.back) {
            (State::Stuck, true) => State::Compensating,
            (State::Stuck, false) => State::Running,
            (State::Running | State::Compensating | State::Completed | State::Compensated, _) => {
                return Err(Illegal);
            }
        };
        Ok(self.turned(state, now))
    }

    /// A running or stuck saga is undone from the step that it stands at, which may have run: an
    /// operator says so. Not possible once the pivot was passed, or may have been.
    ///
    /// # Errors
    /// [`Illegal`] when it has ended, is on its way back, or the pivot may have run.
    pub fn compensate<P: Plan + ?Sized>(self, plan: &P, now: LogTime) -> Result<Self, Illegal> {
        let may_have_run = self.step + u8::from(self.unknown);
        let passed = (0..may_have_run).any(|step| plan.nature(step) == Nature::Pivot);
        match self.state {
            State::Running | State::Stuck if !self.back && !passed => {
                Ok(Self::undo_below(plan, self.step + 1, now))
            }
            State::Running
            | State::Stuck
            | State::Compensating
            | State::Completed
            | State::Compensated => Err(Illegal),
        }
    }
}

pub mod journey;

#[cfg(test)]
mod tests;
