//! The fold of every hold, small enough for millions of them.
//!
//! A hold costs about 90 bytes here: its body is kept as a hash, its id as the name under which
//! the name index knows it.

use super::shelf::{Made, Shelf, digest};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::stock::{Move, Operation};
use evenkeel_rules::time::LogTime;
use std::hash::{BuildHasher, Hash, Hasher};

/// What is remembered of one hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldFold {
    /// The position that created it, or where it was first heard of (see `adopted`).
    pub(super) created: u64,
    /// The position of its last event.
    pub(super) last: u64,
    /// From when on it can only expire.
    pub(super) deadline: LogTime,
    /// Hash of its body.
    pub(super) body: [u8; 16],
    /// Hash of what never changes: customer, lines, when it was placed.
    pub(super) core: u64,
    /// Events in its stream.
    pub(super) version: u32,
    /// Its last event; the one that placed it for an order counts as the order's beginning on it.
    pub(super) kind: Kind,
    /// Its first events are on log rows that are lost: where it was created is not known.
    pub(super) adopted: bool,
    /// Its versions are not dense: said once, and not compared any more.
    pub(super) gapped: bool,
    /// A state row was found for it.
    pub(super) seen: bool,
}

impl HoldFold {
    /// Whether it is live, so that its deadline counts.
    pub(super) fn is_live(&self) -> bool {
        state_after(self.kind) == Some(State::Held)
    }

    /// Whether it came to an end: neither live nor confirming for an order.
    pub(super) fn has_ended(&self) -> bool {
        let state = state_after(self.kind);
        !matches!(state, Some(State::Held | State::Confirming))
    }
}

impl Made for HoldFold {
    fn created(&self) -> u64 {
        self.created
    }
}

/// All holds.
pub(super) type Holds = Shelf<HoldFold>;

/// Hash of a body as it would be written.
pub(super) fn body_hash(hold: &Hold) -> [u8; 16] {
    digest(&serde_json::to_vec(hold).expect("a hold is plain JSON"))
}

/// Hash of what no event of a hold may change, with the order that it is for.
pub(super) fn core_hash(hold: &Hold, order: Option<&OrderId>) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    (&hold.customer, hold.placed_at, hold.lines.len()).hash(&mut hasher);
    for line in &hold.lines {
        (&line.sku, &line.location, line.quantity, line.counted).hash(&mut hasher);
    }
    if let Some(order) = order {
        order.hash(&mut hasher);
    }
    hasher.finish()
}

/// The state that a hold's event leaves; nothing for another aggregate's.
pub(super) const fn state_after(kind: Kind) -> Option<State> {
    match kind {
        Kind::Held | Kind::Extended => Some(State::Held),
        Kind::Confirmed => Some(State::Confirmed),
        Kind::Released => Some(State::Released),
        Kind::Expired => Some(State::Expired),
        Kind::Confirming => Some(State::Confirming),
        _ => None,
    }
}

/// The event that a hold is remembered by: one that was placed for an order is confirming.
pub(super) fn kind_of(kind: Kind, hold: &Hold) -> Kind {
    match hold.state {
        State::Confirming => Kind::Confirming,
        _ => kind,
    }
}

/// Whether a body is what its event leaves, as far as the body alone can tell.
pub(super) fn body_fits(kind: Kind, hold: &Hold, at: LogTime) -> bool {
    let ended = !matches!(hold.state, State::Held | State::Confirming);
    let times = match kind {
        Kind::Held => hold.placed_at == at && hold.changed_at.is_none() && hold.deadline >= at,
        _ => hold.changed_at == Some(at),
    };
    let shared = hold
        .lines
        .iter()
        .all(|line| match (line.confirmed, line.released) {
            (None, None) => kind != Kind::Confirmed,
            (Some(sold), Some(rest)) => {
                kind == Kind::Confirmed && sold.checked_add(rest) == Some(line.quantity.get())
            }
            _ => false,
        });
    let for_order = match hold.state {
        State::Held | State::Expired => hold.order.is_none(),
        State::Confirming => hold.order.is_some(),
        State::Confirmed | State::Released => true,
    };
    state_after(kind_of(kind, hold)) == Some(hold.state)
        && (hold.state != State::Confirming || matches!(kind, Kind::Held | Kind::Confirming))
        && hold.ended_at == ended.then_some(at)
        && times
        && shared
        && for_order
}

/// Takes the moves that a hold's event must have made from the front of `moves`, in order.
pub(super) fn takes(kind: Kind, hold: &Hold, moves: &mut std::slice::Iter<'_, Move>) -> bool {
    let whole = match kind {
        Kind::Held => Operation::Hold,
        Kind::Released => Operation::Release,
        Kind::Expired => Operation::Expire,
        _ => Operation::Confirm,
    };
    let mut takes_one = |line: &evenkeel_rules::hold::Line, operation, units: u64| {
        units == 0
            || moves.next().is_some_and(|made| {
                made.operation == operation
                    && made.quantity.get() == units
                    && made.sku == line.sku
                    && made.location == line.location
                    && made.reference.as_str() == hold.id.as_str()
            })
    };
    match kind {
        Kind::Extended | Kind::Confirming => true,
        Kind::Confirmed => hold.lines.iter().all(|line| {
            takes_one(line, Operation::Confirm, line.confirmed.unwrap_or(0))
                && takes_one(line, Operation::Release, line.released.unwrap_or(0))
        }),
        _ => hold
            .lines
            .iter()
            .all(|line| takes_one(line, whole, line.quantity.get())),
    }
}
