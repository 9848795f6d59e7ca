//! From an order's state row to its sagas.
//!
//! An order has one saga that takes it from its hold to its parcel, one that calls it off if
//! somebody asked, and one for all money on its way back, each refund a step of it.

use super::order::life;
use crate::http::shapes::{self, StepKind, StepState};
use crate::http::time::text;
use evenkeel_engine::port::{OrderRow, SagaRow};
use evenkeel_rules::order::Refund;
use evenkeel_rules::saga::journey::{Journey, Mark};
use evenkeel_rules::saga::{CANCEL, Nature, ORDER, Run, State, Step};
use evenkeel_rules::time::LogTime;

/// Which of an order's sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Which {
    /// From the hold to the parcel.
    Order,
    /// The customer's change of mind.
    Cancel,
    /// Money on its way back.
    Refund,
}

impl Which {
    /// Every saga that an order may have.
    pub(in crate::http) const ALL: [Self; 3] = [Self::Order, Self::Cancel, Self::Refund];

    /// The saga's name, and what its id begins with.
    pub(in crate::http) const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }

    /// Splits a saga's id into its name and the order's id.
    pub(in crate::http) fn split(id: &str) -> Option<(Self, &str)> {
        let (name, order) = id.split_once(':')?;
        let mut all = Self::ALL.into_iter();
        Some((all.find(|which| which.name() == name)?, order))
    }

    /// How far it is; nothing if the order has no such saga.
    pub(in crate::http) fn run(self, row: &OrderRow) -> Option<Run> {
        let order = &row.body;
        match self {
            Self::Order => Some(order.saga),
            Self::Cancel => order.cancel.map(|cancel| cancel.run),
            Self::Refund => whole(&order.refunds),
        }
    }
}

/// How far all refunds are together: the one that needs somebody or something stands for them.
fn whole(refunds: &[Refund]) -> Option<Run> {
    let order = [
        State::Stuck,
        State::Running,
        State::Compensating,
        State::Completed,
        State::Compensated,
    ];
    let at = |state: State| refunds.iter().rposition(|refund| refund.run.state == state);
    let place = order.into_iter().find_map(at)?;
    let step = u8::try_from(place).unwrap_or(u8::MAX);
    Some(Run {
        step,
        ..refunds[place].run
    })
}

/// A saga of an order; nothing if it has no such saga.
pub(in crate::http) fn saga(
    row: &OrderRow,
    which: Which,
    updated: LogTime,
) -> Option<shapes::Saga> {
    let run = which.run(row)?;
    let id = row.body.id.as_str();
    let steps = match which {
        Which::Order => steps(ORDER, run),
        Which::Cancel => steps(CANCEL, run),
        Which::Refund => (1_usize..).zip(&row.body.refunds).map(refund).collect(),
    };
    let live = !run.state.is_ended();
    let step = steps.get(usize::from(run.step)).filter(|_| live);
    let life = life(row, updated);
    Some(shapes::Saga {
        id: format!("{}:{id}", which.name()),
        name: which.name(),
        order: Some(id.to_owned()),
        state: run.state.name(),
        step: step.map(|step| step.name.clone()),
        life: shapes::Life {
            since: text(run.since),
            next_due: life.next_due.filter(|_| live && run.state != State::Stuck),
            ..life
        },
        steps,
    })
}

fn kind(nature: Nature) -> StepKind {
    match nature {
        Nature::Compensatable => StepKind::Compensatable,
        Nature::Pivot => StepKind::Pivot,
        Nature::Retriable => StepKind::Retriable,
    }
}

fn steps(plan: &[Step], run: Run) -> Vec<shapes::SagaStep> {
    let at = usize::from(run.step);
    let step = |(place, step): (usize, &Step)| shapes::SagaStep {
        name: step.name.to_owned(),
        kind: kind(step.nature),
        state: state(run, (place, at), step.compensation.is_some()),
        service: None,
    };
    plan.iter().enumerate().map(step).collect()
}

/// Where the step at `place` is, of a saga that stands at another.
fn state(run: Run, (place, at): (usize, usize), undoable: bool) -> StepState {
    let undone = if undoable {
        StepState::Undone
    } else {
        StepState::Dropped
    };
    match run.state {
        State::Completed => StepState::Done,
        State::Compensated => undone,
        State::Running | State::Stuck if place < at => StepState::Done,
        State::Running if place > at => StepState::Waiting,
        State::Running if run.unknown => StepState::Unknown,
        State::Running => StepState::Intended,
        State::Stuck if place > at && !run.back => StepState::Waiting,
        State::Compensating if place < at => StepState::Done,
        State::Compensating | State::Stuck if place > at => undone,
        State::Compensating => StepState::Undoing,
        State::Stuck => StepState::Stuck,
    }
}

/// A refund as a step: its number is its name.
fn refund((number, refund): (usize, &Refund)) -> shapes::SagaStep {
    shapes::SagaStep {
        name: number.to_string(),
        kind: StepKind::Retriable,
        state: match refund.run.state {
            State::Running | State::Compensating if refund.run.unknown => StepState::Unknown,
            State::Running | State::Compensating => StepState::Intended,
            State::Completed => StepState::Done,
            State::Compensated => StepState::Dropped,
            State::Stuck => StepState::Stuck,
        },
        service: None,
    }
}

/// A saga over anybody's services.
pub(in crate::http) fn journey(row: &SagaRow, updated: LogTime) -> shapes::Saga {
    let Journey {
        id,
        steps,
        run,
        created_at,
        ..
    } = &row.body;
    let live = !run.state.is_ended();
    let step = steps.get(usize::from(run.step)).filter(|_| live);
    let due = row.due.filter(|_| row.body.turn().is_some());
    let numbered = (0_u8..).zip(steps.iter());
    let shown = numbered.map(|(place, step)| shapes::SagaStep {
        name: step.name.to_string(),
        kind: kind(step.nature),
        state: standing(&row.body, place),
        service: Some(shapes::StepService {
            url: step.url.clone(),
            undo_url: step.undo_url.clone(),
            timeout_ms: step.timeout.0,
        }),
    });
    shapes::Saga {
        id: id.to_string(),
        name: "services",
        order: None,
        state: run.state.name(),
        step: step.map(|step| step.name.to_string()),
        steps: shown.collect(),
        life: shapes::Life {
            version: row.version,
            since: text(run.since),
            next_due: due.map(text),
            reason: None,
            created_at: text(*created_at),
            updated_at: text(updated),
            position: row.last,
        },
    }
}

/// Where a step is, of a saga over anybody's services.
fn standing(journey: &Journey, place: u8) -> StepState {
    let run = journey.run;
    if place == run.step {
        match run.state {
            State::Running if run.unknown => return StepState::Unknown,
            State::Running => return StepState::Intended,
            State::Compensating => return StepState::Undoing,
            State::Stuck => return StepState::Stuck,
            State::Completed | State::Compensated => {}
        }
    }
    match journey.mark(place) {
        Mark::Open if matches!(run.state, State::Running | State::Stuck) => StepState::Waiting,
        Mark::Open | Mark::Refused => StepState::Dropped,
        Mark::Unknown => StepState::Unknown,
        Mark::Done => StepState::Done,
        Mark::Undone => StepState::Undone,
    }
}
