//! Names that were taken for new without a look.
//!
//! Who is accepted writes them, and a store refuses a batch that writes a name which exists: that
//! proves the belief. Whoever is not accepted has proven nothing, and a no might be wrong: its key
//! may have been used, its hold may exist. It is judged again, with a look.

use super::{Judge, Stop};
use crate::commit::{Commit, Name};
use evenkeel_rules::ids::{HoldId, OrderId};

/// What the view says only because a commit believed it.
#[derive(Default)]
pub(super) struct Believed {
    key: Option<Name>,
    holds: Vec<HoldId>,
    orders: Vec<OrderId>,
}

impl Believed {
    fn is_any(&self) -> bool {
        self.key.is_some() || !self.holds.is_empty() || !self.orders.is_empty()
    }
}

impl Judge<'_> {
    /// Takes a commit's names for new, unless the view knows better.
    pub(super) fn believe(&mut self, commit: &Commit) -> Believed {
        let (Some(key), true) = (&commit.key, commit.touch.unseen) else {
            return Believed::default();
        };
        let view = &mut self.view;
        if matches!(view.keys.get(&key.name), Some(Some(_))) {
            // It is answered as before, whatever its ids are.
            return Believed::default();
        }
        let key = (!view.keys.contains_key(&key.name)).then_some(key.name);
        view.keys.extend(key.map(|name| (name, None)));
        let mut holds = commit.touch.holds.clone();
        holds.retain(|id| !view.holds.contains_key(id));
        view.holds.extend(holds.iter().map(|id| (id.clone(), None)));
        let mut orders = commit.touch.orders.clone();
        orders.retain(|id| !view.orders.contains_key(id));
        let absent = orders.iter().map(|id| (id.clone(), None));
        view.orders.extend(absent);
        Believed { key, holds, orders }
    }

    /// Why judging stopped, of a commit that believed something: never a no. What it believed is
    /// unknown again.
    pub(super) fn unproven(&mut self, believed: Believed, stop: Stop) -> Stop {
        if let Some(name) = &believed.key {
            self.view.keys.remove(name);
        }
        for id in &believed.holds {
            self.view.holds.remove(id);
        }
        for id in &believed.orders {
            self.view.orders.remove(id);
        }
        match stop {
            Stop::Refused(_) if believed.is_any() => Stop::Widen(Box::default()),
            stop => stop,
        }
    }
}
