//! The fold of every hold, small enough for millions of them.
//!
//! A hold costs about 90 bytes here: its body is kept as a hash, its id as the name under which
//! the name index knows it. Holds stand in the order in which the log created them, so that a
//! page of state rows finds its own by position too.

use crate::commit::Name;
use crate::port::Map;
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::stock::{Move, Operation};
use evenkeel_rules::time::LogTime;
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, Hash, Hasher};

/// Holds of one block of memory: growing never copies what is there.
const BLOCK: usize = 1 << 15;

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
    /// Its last event.
    pub(super) kind: Kind,
    /// Its first events are on log rows that are lost: where it was created is not known.
    pub(super) adopted: bool,
    /// Its versions are not dense: said once, and not compared any more.
    pub(super) gapped: bool,
    /// A state row was found for it.
    pub(super) seen: bool,
}

impl HoldFold {
    /// Whether it is live.
    pub(super) fn is_live(&self) -> bool {
        state_after(self.kind) == Some(State::Held)
    }
}

/// All holds.
#[derive(Debug, Default)]
pub(super) struct Holds {
    blocks: Vec<Vec<HoldFold>>,
    by_name: Map<Name, u32>,
}

impl Holds {
    pub(super) fn index(&self, name: &Name) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, index: u32) -> &HoldFold {
        let index = index as usize;
        &self.blocks[index / BLOCK][index % BLOCK]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut HoldFold {
        let index = index as usize;
        &mut self.blocks[index / BLOCK][index % BLOCK]
    }

    pub(super) fn by_name(&self, name: &Name) -> Option<&HoldFold> {
        self.index(name).map(|index| self.get(index))
    }

    pub(super) fn push(&mut self, name: Name, fold: HoldFold) {
        let index = u32::try_from(self.by_name.len()).expect("fewer holds than 2^32");
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made");
        block.push(fold);
        self.by_name.insert(name, index);
    }

    /// The hold that a position created, if one did and only one.
    pub(super) fn created_at(&self, position: u64) -> Option<u32> {
        let (mut low, mut high) = (0, u32::try_from(self.by_name.len()).ok()?);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).created < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let exists = (low as usize) < self.by_name.len();
        (exists && self.get(low).created == position).then_some(low)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &HoldFold> {
        self.blocks.iter().flatten()
    }
}

/// Hash of a body as it would be written.
pub(super) fn body_hash(hold: &Hold) -> [u8; 16] {
    let text = serde_json::to_vec(hold).expect("a hold is plain JSON");
    let whole: [u8; 32] = Sha256::digest(text).into();
    *whole
        .first_chunk()
        .expect("a SHA-256 is longer than 16 bytes")
}

/// Hash of what no event of a hold may change.
pub(super) fn core_hash(hold: &Hold) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    (&hold.customer, hold.placed_at, hold.lines.len()).hash(&mut hasher);
    for line in &hold.lines {
        (&line.sku, &line.location, line.quantity).hash(&mut hasher);
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

/// Whether a body is what its event leaves, as far as the body alone can tell.
pub(super) fn body_fits(kind: Kind, hold: &Hold, at: LogTime) -> bool {
    let ended = hold.state != State::Held;
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
    state_after(kind) == Some(hold.state) && times && hold.ended_at == ended.then_some(at) && shared
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
        Kind::Extended => true,
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
