//! What a saga over anybody's services needs next, and what an answer means for it.
//!
//! A call is made again under the same key until its outcome is known or its time is up. A refusal
//! is a definite no only if no earlier call of the step ended unknown: such a call may have run
//! meanwhile, so the step is then undone with those before it.

use super::{Decision, Journey, Mark, PATIENCE};
use crate::event::Kind;
use crate::order::Tries;
use crate::retry::CALLS;
use crate::saga::{Nature, Outcome, Plan, Run, State};
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// A call that a saga needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// Of which step.
    pub step: u8,
    /// Whether the step is undone.
    pub undo: bool,
}

/// When a call is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub turn: Turn,
    /// Not before this moment.
    pub at: LogTime,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It was done.
    Done,
    /// A definite no.
    Refused,
    /// It may have been done.
    Unknown,
    /// Nothing left this node.
    NotSent,
}

/// What a report comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The saga changed.
    Changed(Box<Decision>),
    /// It was tried, and is tried again.
    Tried(Tries),
    /// It is about a call that the saga no longer needs.
    Stale,
}

impl Journey {
    /// The call that it needs, unless it has ended or waits for a person.
    #[must_use]
    pub fn turn(&self) -> Option<Turn> {
        let step = self.run.step;
        match self.run.state {
            State::Running => Some(Turn { step, undo: false }),
            State::Compensating => Some(Turn { step, undo: true }),
            State::Completed | State::Compensated | State::Stuck => None,
        }
    }

    /// How long the present call is tried.
    fn patience(&self) -> Millis {
        let nature = self.steps[..].nature(self.run.step);
        match (self.run.state, nature) {
            (State::Running, Nature::Compensatable) => self.give_up_after,
            _ => PATIENCE,
        }
    }

    /// When the present call is made for the last time.
    #[must_use]
    pub fn limit(&self) -> LogTime {
        self.run.since.plus(self.patience())
    }

    /// What it needs next. `random` spreads retries: see [`crate::retry::Schedule::delay`].
    #[must_use]
    pub fn due(&self, tries: Tries, random: u64) -> Option<Due> {
        let turn = self.turn()?;
        let limit = self.limit();
        let at = match tries.calls {
            0 => self.run.since,
            calls => tries.last.plus(CALLS.delay(calls, random)),
        };
        // The limit is the last moment to try: whatever is known then decides.
        let at = if tries.last < limit {
            at.min(limit)
        } else {
            at
        };
        Some(Due { turn, at })
    }

    /// What is sent as the key of a call: the saga and the step, and that it is an undoing.
    #[must_use]
    pub fn key(&self, turn: Turn) -> String {
        let step = &self.steps[usize::from(turn.step)];
        let undo = if turn.undo { "/undo" } else { "" };
        format!("{}/{}{undo}", self.id, step.name)
    }

    /// What came of a call.
    #[must_use]
    pub fn report(&self, tries: Tries, (turn, told): (Turn, Told), now: LogTime) -> Report {
        if self.turn() != Some(turn) {
            return Report::Stale;
        }
        let Some(outcome) = self.outcome(told, now) else {
            return Report::Tried(Tries {
                calls: tries.calls.saturating_add(1),
                last: now,
                ..tries
            });
        };
        let after = self.run.after(&self.steps[..], outcome, now);
        let run = after.expect("a saga that needs a call has something intended");
        // Its time counts from the intent, however often it ends unknown.
        let since = if outcome == Outcome::Unknown {
            self.run.since
        } else {
            run.since
        };
        let (kind, mark) = self.meaning(outcome);
        let mark = mark.map(|mark| (turn.step, mark));
        let decision = self.decided(kind, Run { since, ..run }, mark);
        Report::Changed(Box::new(decision))
    }

    /// What an answer is to the machine; nothing if it only counts as a try.
    fn outcome(&self, told: Told, now: LogTime) -> Option<Outcome> {
        let is_over = now >= self.limit();
        let step = self.run.step;
        let may_have_run = self.run.unknown
            && self.run.state == State::Running
            && self.steps[..].nature(step) == Nature::Compensatable;
        match told {
            Told::Done => Some(Outcome::Done),
            Told::Refused if may_have_run => Some(Outcome::GivenUp),
            Told::Refused => Some(Outcome::Refused),
            Told::Unknown | Told::NotSent if is_over => Some(Outcome::GivenUp),
            Told::Unknown if !self.run.unknown => Some(Outcome::Unknown),
            Told::Unknown | Told::NotSent => None,
        }
    }

    /// The event of an outcome, and what is known of the step by it.
    fn meaning(&self, outcome: Outcome) -> (Kind, Option<Mark>) {
        let undoing = self.run.state == State::Compensating;
        match (outcome, undoing) {
            (Outcome::Done, false) => (Kind::StepDone, Some(Mark::Done)),
            (Outcome::Done, true) => (Kind::StepUndone, Some(Mark::Undone)),
            (Outcome::Unknown, false) => (Kind::StepUnknown, Some(Mark::Unknown)),
            (Outcome::Refused, false) => (Kind::StepRefused, Some(Mark::Refused)),
            (Outcome::GivenUp, false) => (Kind::StepGivenUp, Some(Mark::Unknown)),
            // What is known of the step itself stays: it is not undone yet.
            (Outcome::Unknown, true) => (Kind::StepUnknown, None),
            (Outcome::Refused, true) => (Kind::StepRefused, None),
            (Outcome::GivenUp, true) => (Kind::StepGivenUp, None),
        }
    }
}
