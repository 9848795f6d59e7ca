//! Names that were taken for new without a look.
//!
//! Who is accepted writes them, and a store refuses a batch that writes a name which exists: that
//! proves the belief. Whoever is not accepted has proven nothing, and a no might be wrong: its key
//! may have been used, its hold may exist. It is judged again, with a look.

use super::{Judge, Stop};
use crate::commit::{Command, Commit, Name};
use evenkeel_rules::ids::HoldId;

/// What the view says only because a commit believed it.
#[derive(Default)]
pub(super) struct Believed {
    key: Option<Name>,
    hold: Option<HoldId>,
}

impl Judge<'_> {
    /// Takes a commit's names for new, unless the view knows better.
    pub(super) fn believe(&mut self, commit: &Commit) -> Believed {
        let (Some(key), Command::Place(place), true) =
            (&commit.key, &commit.command, commit.touch.unseen)
        else {
            return Believed::default();
        };
        let view = &mut self.view;
        if matches!(view.keys.get(&key.name), Some(Some(_))) {
            // It is answered as before, whatever its hold is.
            return Believed::default();
        }
        let key = (!view.keys.contains_key(&key.name)).then_some(key.name);
        view.keys.extend(key.map(|name| (name, None)));
        let hold = (!view.holds.contains_key(&place.id)).then(|| place.id.clone());
        view.holds.extend(hold.clone().map(|id| (id, None)));
        Believed { key, hold }
    }

    /// Why judging stopped, of a commit that believed something: never a no. What it believed is
    /// unknown again.
    pub(super) fn unproven(&mut self, believed: Believed, stop: Stop) -> Stop {
        let is_any = believed.key.is_some() || believed.hold.is_some();
        if let Some(name) = &believed.key {
            self.view.keys.remove(name);
        }
        if let Some(id) = &believed.hold {
            self.view.holds.remove(id);
        }
        match stop {
            Stop::Refused(_) if is_any => Stop::Widen(Box::default()),
            stop => stop,
        }
    }
}
