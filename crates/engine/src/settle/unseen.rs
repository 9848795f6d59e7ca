//! Names that were taken for new without a look.
//!
//! Who is accepted writes them, and a store refuses a batch that writes a name which exists: that
//! proves the belief. Whoever is not accepted has proven nothing, and a no might be wrong: its key
//! may have been used, its hold may exist. It is judged again, with a look.

use super::{Judge, Stop};
use crate::commit::{Command, Commit, Name, hold_name, hold_of, order_name};
use evenkeel_rules::ids::{HoldId, OrderId};

/// What a command makes under ids that are new: a hold, and the order that it is for.
#[derive(Default)]
pub(crate) struct Made {
    hold: Option<HoldId>,
    order: Option<OrderId>,
}

impl Made {
    /// What a command makes; nothing of one whose ids are of things that stand.
    pub(crate) fn by(command: &Command) -> Option<Self> {
        match command {
            Command::Place(place) => Some(Self {
                hold: Some(place.id.clone()),
                order: None,
            }),
            Command::TakeOrder { ask, .. } if ask.hold.is_none() => Some(Self {
                hold: Some(hold_of(&ask.id)),
                order: Some(ask.id.clone()),
            }),
            _ => None,
        }
    }

    /// The names that it takes.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> {
        let hold = self.hold.as_ref().map(hold_name);
        let order = self.order.as_ref().map(order_name);
        hold.into_iter().chain(order)
    }
}

/// What the view says only because a commit believed it.
#[derive(Default)]
pub(super) struct Believed {
    key: Option<Name>,
    made: Made,
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
        let Made { hold, order } = Made::by(&commit.command).unwrap_or_default();
        let key = (!view.keys.contains_key(&key.name)).then_some(key.name);
        view.keys.extend(key.map(|name| (name, None)));
        let hold = hold.filter(|id| !view.holds.contains_key(id));
        view.holds.extend(hold.clone().map(|id| (id, None)));
        let order = order.filter(|id| !view.orders.contains_key(id));
        view.orders.extend(order.clone().map(|id| (id, None)));
        let made = Made { hold, order };
        Believed { key, made }
    }

    /// Why judging stopped, of a commit that believed something: never a no. What it believed is
    /// unknown again.
    pub(super) fn unproven(&mut self, believed: Believed, stop: Stop) -> Stop {
        let Believed { key, made } = believed;
        let is_any = key.is_some() || made.hold.is_some() || made.order.is_some();
        if let Some(name) = key {
            self.view.keys.remove(&name);
        }
        if let Some(id) = made.hold {
            self.view.holds.remove(&id);
        }
        if let Some(id) = made.order {
            self.view.orders.remove(&id);
        }
        match stop {
            Stop::Refused(_) if is_any => Stop::Widen(Box::default()),
            stop => stop,
        }
    }
}
