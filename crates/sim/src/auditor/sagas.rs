//! Sagas over anybody's services, held against what the services say that they did.
//!
//! The folds are the auditor's own, from the log's text; what ran and what was undone, the services
//! told it when it happened. In the end a saga is completed and every step of it ran and none was
//! undone; or it is compensated, and of what ran everything was undone that can be, later steps
//! before earlier ones, and no pivot ran that cannot.

use super::Found;
use super::model::{Event, Model, text};
use evenkeel_engine::commit::Command;
use evenkeel_rules::saga::journey::Rejection;
use serde_json::Value;

/// A saga after each of its events: position, version and body.
pub(super) type History = Vec<(u64, u64, Value)>;

/// Whether a saga may go from one state to another.
fn may_become(from: &str, to: &str) -> bool {
    match from {
        "running" => !to.is_empty(),
        "compensating" => ["compensating", "compensated", "stuck"].contains(&to),
        "stuck" => ["running", "compensating", "compensated"].contains(&to),
        _ => false,
    }
}

/// A saga's body after an event.
pub(super) fn folded(before: Option<&Value>, event: &Event) -> Value {
    let Some(before) = before else {
        return event.data.clone();
    };
    let mut data = before.clone();
    data["run"] = event.data["run"].clone();
    if let Some([step, mark]) = event.data["mark"].as_array().map(Vec::as_slice) {
        let step = step.as_u64().and_then(|step| usize::try_from(step).ok());
        if let Some(at) = step.and_then(|step| data["marks"].get_mut(step)) {
            *at = mark.clone();
        }
    }
    data
}

fn state(data: &Value) -> &str {
    text(&data["run"], "state")
}

impl Model {
    /// Takes an event of a saga in.
    pub(super) fn saga(&mut self, (id, event): (&str, &Event), position: u64, found: &mut Found) {
        let history = self.sagas.entry(id.to_owned()).or_default();
        let before = history.last().map(|(.., data)| data);
        let data = folded(before, event);
        if let Some(before) = before {
            let back = state(before) == "compensating" || before["run"]["back"] == true;
            let forward = ["running", "completed"].contains(&state(&data));
            if back && forward || !may_become(state(before), state(&data)) {
                let what = format!("saga {id} goes from {} to {}", before["run"], data["run"]);
                found.push(("I7", what));
            }
        }
        history.push((position, event.version, data));
    }

    /// A saga as it stood at a position.
    pub(super) fn saga_at(&self, id: &str, position: u64) -> Option<&(u64, u64, Value)> {
        let history = self.sagas.get(id)?;
        let at = history.partition_point(|(at, ..)| *at <= position);
        history.get(at.checked_sub(1)?)
    }

    /// The first saga that is not over yet.
    pub(super) fn unfinished_saga(&self) -> Option<String> {
        let mut all = self.sagas.iter();
        all.find_map(|(id, history)| {
            let (.., data) = history.last()?;
            let ended = ["completed", "compensated"].contains(&state(data));
            (!ended).then(|| format!("saga {id} is {}", state(data)))
        })
    }

    /// Holds every saga against what its services did.
    pub(super) fn compare_services(&self, found: &mut Found) {
        let mut keys = std::collections::BTreeSet::new();
        for (id, history) in &self.sagas {
            let Some((.., data)) = history.last() else {
                continue;
            };
            let steps = data["steps"].as_array().map_or(&[][..], Vec::as_slice);
            let key = |step: &Value| format!("{id}/{}", text(step, "name"));
            keys.extend(steps.iter().map(key));
            let ran = |step: &Value| self.truth.ran(&key(step));
            let undone = |step: &Value| self.truth.undone(&key(step));
            let wrong = match state(data) {
                "completed" => steps
                    .iter()
                    .find(|step| !ran(step) || undone(step).is_some()),
                "compensated" => steps.iter().find(|step| {
                    let whole = ran(step) && undone(step).is_none();
                    let undoable = !step["undo_url"].is_null();
                    whole && (undoable || text(step, "nature") == "pivot")
                }),
                _ => steps.first(),
            };
            if let Some(step) = wrong {
                let what = format!(
                    "saga {id} is {}, its step {} ran: {}, was undone: {}",
                    state(data),
                    text(step, "name"),
                    ran(step),
                    undone(step).is_some()
                );
                found.push(("I13", what));
            }
            let order: Vec<u64> = steps.iter().rev().filter_map(undone).collect();
            if !order.is_sorted() {
                found.push(("I13", format!("saga {id} was undone out of order")));
            }
        }
        if let Some(key) = self.truth.steps().find(|key| !keys.contains(*key)) {
            found.push(("I13", format!("{key} ran, and is no saga's step")));
        }
    }
}

/// Whether a refusal of a command on a saga was true where it was given; nothing if it cannot be
/// judged.
pub(super) fn is_true(
    rejection: &Rejection,
    command: &Command,
    position: u64,
    model: &Model,
) -> Option<bool> {
    let id = match command {
        Command::StartSaga { ask, .. } => &ask.id,
        Command::RetrySaga { id, .. } | Command::CompensateSaga { id, .. } => id,
        _ => return None,
    };
    let data = model.saga_at(id.as_str(), position).map(|(.., data)| data);
    match rejection {
        Rejection::NotFound => Some(data.is_none()),
        Rejection::AlreadyExists => Some(data.is_some()),
        Rejection::IllegalTransition { from, .. } => {
            Some(data.is_some_and(|data| state(data) == from.name()))
        }
        Rejection::Version => None,
    }
}
