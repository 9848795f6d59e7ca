//! Sagas over anybody's services: steps that a client names, each a call to a URL.
//!
//! A saga's steps never change; where it stands is its [`Run`], and a mark beside each step says
//! what is known of it. There is nobody to ask what became of a call, so an unknown outcome is
//! resolved by making the same call under the same key again. A step that may have run is undone
//! if it can be; one that cannot be undone is passed over. What the services are sent is not in
//! here: see [`Journey::bodies`].
//!
//! Nothing goes forward once it went backward, and only a person gets a stuck saga going again.

use super::{Nature, Plan, Run, State};
use crate::ids::{SagaId, StepName};
use crate::order::Tries;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod turn;
pub use turn::{Due, Report, Told, Turn};

/// Most steps of a saga.
pub const STEPS_MAX: usize = 32;
/// How long a step that can be undone is tried, unless the saga says otherwise.
pub const GIVE_UP_AFTER: Millis = Millis(120_000);
/// How long a step behind which there is only forward is tried, and how long an undoing is.
pub const PATIENCE: Millis = Millis(86_400_000);

/// A step: one call, and the call that undoes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, one of its saga's.
    pub name: StepName,
    /// What is called.
    pub url: String,
    /// What is called to undo it; without it there is nothing to undo.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo_url: Option<String>,
    /// What its refusal means.
    pub nature: Nature,
    /// How long a call may take.
    pub timeout: Millis,
}

impl Plan for [Step] {
    fn length(&self) -> u8 {
        u8::try_from(self.len()).expect("a saga has at most 32 steps")
    }
    fn nature(&self, step: u8) -> Nature {
        self[usize::from(step)].nature
    }
    fn is_undoable(&self, step: u8) -> bool {
        self[usize::from(step)].undo_url.is_some()
    }
}

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing came of it yet.
    Open,
    /// It may have run.
    Unknown,
    /// It ran.
    Done,
    /// It did not run and will not.
    Refused,
    /// Whatever it did is undone.
    Undone,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Unknown,
        Self::Done,
        Self::Refused,
        Self::Undone,
    ];

    /// Whether an undoing may follow it.
    #[must_use]
    pub const fn may_have_run(self) -> bool {
        match self {
            Self::Unknown | Self::Done => true,
            Self::Open | Self::Refused | Self::Undone => false,
        }
    }
}

/// A saga over anybody's services, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journey {
    /// Its id.
    pub id: SagaId,
    /// Its steps; they never change, so copies share them.
    pub steps: Arc<[Step]>,
    /// How long a step that can be undone is tried.
    pub give_up_after: Millis,
    /// SHA-256 of the bodies that its steps are sent, in hexadecimal, if any step has one. The
    /// bodies themselves are a private text beside it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bodies: Option<String>,
    /// Where it stands.
    pub run: Run,
    /// What is known of each step.
    pub marks: Vec<Mark>,
    /// When it was begun.
    pub created_at: LogTime,
}

/// The parts of a saga that an event changed, each as it stands after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Where it stands.
    pub run: Run,
    /// The step whose mark changed, and its mark.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mark: Option<(u8, Mark)>,
}

impl Patch {
    /// The saga after the change; nothing if it names a step that the saga does not have.
    #[must_use]
    pub fn apply(self, mut journey: Journey) -> Option<Journey> {
        if usize::from(self.run.step) >= journey.steps.len() {
            return None;
        }
        if let Some((step, mark)) = self.mark {
            *journey.marks.get_mut(usize::from(step))? = mark;
        }
        journey.run = self.run;
        Some(journey)
    }
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The saga's id.
    pub id: SagaId,
    /// Its steps, at least one and at most [`STEPS_MAX`], in an order that [`misplaced`] accepts.
    pub steps: Vec<Step>,
    /// How long a step that can be undone is tried.
    pub give_up_after: Millis,
    /// See [`Journey::bodies`].
    pub bodies: Option<String>,
}

/// What is asked of a saga, as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The saga, if there is one.
    pub journey: Option<&'a Journey>,
    /// Events in its stream.
    pub version: u64,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
}

/// A change, and the event that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The saga after it.
    pub journey: Journey,
    /// What happened.
    pub kind: crate::event::Kind,
    /// What the event carries.
    pub patch: Patch,
}

/// Why a command on a saga was refused, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code")]
pub enum Rejection {
    /// There is no such saga; momentary.
    #[error("there is no such saga")]
    #[serde(rename = "saga.not_found")]
    NotFound,
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the saga has another version than expected")]
    #[serde(rename = "saga.version")]
    Version,
    /// The id belongs to a saga that another key made; final.
    #[error("the id is in use")]
    #[serde(rename = "saga.already_exists")]
    AlreadyExists,
    /// The saga is not where this can be done; momentary, since it moves on by itself.
    #[error("a saga that is {from:?} cannot become {to:?}")]
    #[serde(rename = "saga.illegal_transition")]
    IllegalTransition {
        /// Where it is.
        from: State,
        /// Where it was to go.
        to: State,
    },
}

impl Rejection {
    /// Whether the decision can never change.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::AlreadyExists => true,
            Self::NotFound | Self::Version | Self::IllegalTransition { .. } => false,
        }
    }
}

/// Whether an id is one of the engine's own sagas'.
#[must_use]
pub fn is_reserved(id: &str) -> bool {
    let mut own = super::REGISTRY.iter();
    own.any(|(name, _)| id.strip_prefix(name).is_some_and(|it| it.starts_with(':')))
}

/// The first step whose nature does not make sense where it stands: what can be undone comes
/// first, then at most one pivot, then what is tried until it succeeds.
#[must_use]
pub fn misplaced(natures: &[Nature]) -> Option<usize> {
    let rank = |nature: Nature| match nature {
        Nature::Compensatable => 0,
        Nature::Pivot => 1,
        Nature::Retriable => 2,
    };
    let wrong = |pair: &[Nature]| match pair {
        [Nature::Pivot, Nature::Pivot] => true,
        [before, next] => rank(*next) < rank(*before),
        _ => false,
    };
    let at = natures.windows(2).position(wrong)?;
    Some(at + 1)
}

/// Begins a saga: its first step is intended.
///
/// # Errors
/// [`Rejection::AlreadyExists`] if the id is taken.
pub fn start(ask: &Ask, taken: bool, now: LogTime) -> Result<Journey, Rejection> {
    if taken {
        return Err(Rejection::AlreadyExists);
    }
    let natures: Vec<Nature> = ask.steps.iter().map(|step| step.nature).collect();
    let lawful = (1..=STEPS_MAX).contains(&natures.len()) && misplaced(&natures).is_none();
    assert!(lawful, "the door lets no other saga in");
    Ok(Journey {
        id: ask.id.clone(),
        marks: vec![Mark::Open; ask.steps.len()],
        steps: ask.steps.as_slice().into(),
        give_up_after: ask.give_up_after,
        bodies: ask.bodies.clone(),
        run: Run::begin(0, now),
        created_at: now,
    })
}

/// Lets a stuck saga try on where it stood.
///
/// # Errors
/// A [`Rejection`], in declared order.
pub fn retry(asked: Asked<'_>, now: LogTime) -> Result<Decision, Rejection> {
    let journey = asked.admit()?;
    let run = journey.run.retry(now);
    let run = run.map_err(|_| journey.illegal(State::Running))?;
    // What was refused is asked again: from now on it may run.
    let again = !run.back && run.state == State::Running;
    let mark = again.then_some((run.step, Mark::Open));
    let mark = mark.filter(|(step, _)| journey.mark(*step) == Mark::Refused);
    Ok(journey.decided(crate::event::Kind::SagaRetried, run, mark))
}

/// Has a running or stuck saga undone: all of it that may have run. Not possible behind the pivot,
/// nor at one that cannot be undone, since it may run at this moment.
///
/// # Errors
/// A [`Rejection`], in declared order.
pub fn compensate(asked: Asked<'_>, now: LogTime) -> Result<Decision, Rejection> {
    let journey = asked.admit()?;
    let (run, plan) = (journey.run, &journey.steps[..]);
    let goes = match run.state {
        State::Running => true,
        State::Stuck => !run.back,
        State::Compensating | State::Completed | State::Compensated => false,
    };
    let refused = journey.mark(run.step) == Mark::Refused;
    let top = run.step + u8::from(!refused);
    let is_pivot = |step: &u8| plan.nature(*step) == Nature::Pivot;
    let passed = (0..top)
        .filter(is_pivot)
        .any(|step| step < run.step || !plan.is_undoable(step));
    if !goes || passed {
        return Err(journey.illegal(State::Compensating));
    }
    let after = Run::undo_below(plan, top, now);
    // A call may be under way at this moment.
    let mark = (!refused).then_some((run.step, Mark::Unknown));
    Ok(journey.decided(crate::event::Kind::SagaTurned, after, mark))
}

impl<'a> Asked<'a> {
    fn admit(self) -> Result<&'a Journey, Rejection> {
        let journey = self.journey.ok_or(Rejection::NotFound)?;
        match self.expected {
            Some(expected) if expected != self.version => Err(Rejection::Version),
            Some(_) | None => Ok(journey),
        }
    }
}

impl Journey {
    /// What is known of a step.
    #[must_use]
    pub fn mark(&self, step: u8) -> Mark {
        self.marks[usize::from(step)]
    }

    /// Whether it waits for a person.
    #[must_use]
    pub fn is_flagged(&self) -> bool {
        self.run.state == State::Stuck
    }

    /// What it needs next when nothing was tried yet.
    #[must_use]
    pub fn first_due(&self) -> Option<Due> {
        self.due(Tries::default(), 0)
    }

    fn illegal(&self, to: State) -> Rejection {
        let from = self.run.state;
        Rejection::IllegalTransition { from, to }
    }

    fn decided(&self, kind: crate::event::Kind, run: Run, mark: Option<(u8, Mark)>) -> Decision {
        let mark = mark.filter(|(step, mark)| self.mark(*step) != *mark);
        let patch = Patch { run, mark };
        let after = patch.clone().apply(self.clone());
        let journey = after.expect("a run stays within its saga's steps");
        Decision {
            journey,
            kind,
            patch,
        }
    }
}

#[cfg(test)]
mod tests;
