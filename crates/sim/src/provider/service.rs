//! Anybody's services: what steps of sagas lead to.
//!
//! They keep to what is asked of services: a key that took effect is answered as before, and so is
//! one that was refused, until a person there lifts the refusal. An undoing undoes what ran, is
//! done once, and behind it its step never runs any more, however late its request arrives.

use super::tell;
use crate::auditor::Fact;
use crate::faults::FaultKind;
use crate::world::World;
use evenkeel_engine::gateway::Reply;
use std::collections::{BTreeMap, BTreeSet};

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Done,
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: BTreeMap<String, Standing>,
    /// Keys of which a person has lifted a refusal: they are not refused again.
    lifted: BTreeSet<String>,
}

/// What an undoing's key undoes.
fn undone(key: &str) -> Option<&str> {
    key.strip_suffix("/undo")
}

fn refused() -> Reply {
    let code = Some("fully_booked".to_owned());
    Reply::Refused { code }
}

impl Ledger {
    pub(super) fn step(&mut self, world: &World, key: &str) -> Reply {
        let kind = match undone(key) {
            Some(_) => FaultKind::UndoRefused,
            None => FaultKind::StepRefused,
        };
        match self.keys.get(key) {
            Some(Standing::Done) => return Reply::Done,
            Some(Standing::Refused) => return refused(),
            None => {}
        }
        let over = self.keys.get(&format!("{key}/undo"));
        let no = over == Some(&Standing::Done) || !self.lifted.contains(key) && world.fires(kind);
        let stands = if no {
            Standing::Refused
        } else {
            Standing::Done
        };
        self.keys.insert(key.to_owned(), stands);
        if no {
            return refused();
        }
        let fact = match undone(key) {
            Some(step) => Fact::StepUndone {
                key: step.to_owned(),
            },
            None => Fact::StepRan {
                key: key.to_owned(),
            },
        };
        tell(world, &fact);
        Reply::Done
    }

    /// A person at the service lifts the refusal of a key.
    pub(super) fn lift(&mut self, key: &str) {
        self.lifted.insert(key.to_owned());
        if self.keys.get(key) == Some(&Standing::Refused) {
            self.keys.remove(key);
        }
    }
}
