//! Which names may be known: a filter of all of them, so that a refusal of the gate need not ask.
//!
//! The truth is the table `name`. This is a set of names that errs on one side: who is not in it is
//! not in the table, as of the position up to which it has heard. Names of a fixed range of
//! positions (of refusals: of numbers) are a set while the range fills, and a filter of bits once
//! it is full; full ones are kept in a table, so a start reads them and the names since, however
//! large the store is. Every node makes the same filter of a range, so it does not matter who
//! keeps it.

use crate::commit::Name;
use crate::port::Writes;
use foldhash::fast::FixedState;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashSet};

/// Positions of one range.
pub(super) const RANGE: u64 = 1 << 15;
/// Bits for each name: 0.3 % of the unknown are taken for known.
const BITS: usize = 12;
/// Full ranges in which a name is looked for that may be new.
const LAST: usize = 16;
/// Bits that a name sets.
const HASHES: u64 = 8;

/// How far names were heard of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Upto {
    /// The position.
    pub(super) position: u64,
    /// The number of final refusals.
    pub(super) refusals: u64,
}

impl Upto {
    /// Whether everything of another is heard of here.
    pub(super) const fn reaches(self, other: Self) -> bool {
        self.position >= other.position && self.refusals >= other.refusals
    }
}

/// A range: whether of refusals, and its number.
pub(super) type Range = (bool, u64);

/// The range of what a name stands for: a position, or a refusal's number below zero.
fn range(at: i64) -> Range {
    (at < 0, at.unsigned_abs().saturating_sub(1) / RANGE)
}

/// A full range's names as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(pub(super) Vec<u8>);

impl Bits {
    fn of(names: &HashSet<Name, FixedState>) -> Self {
        let mut bits = Self(vec![0; (names.len() * BITS).div_ceil(8).max(8)]);
        for name in names {
            for at in bits.places(name) {
                bits.0[at / 8] |= 1 << (at % 8);
            }
        }
        bits
    }

    /// A name is a hash already: its halves say all places.
    fn places(&self, name: &Name) -> impl Iterator<Item = usize> + use<> {
        let (first, second) = name.split_at(8);
        let half = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("half of sixteen"));
        let (first, second) = (half(first), half(second) | 1);
        let all = (self.0.len() as u64 * 8).max(1);
        (0..HASHES)
            .map(move |number| (first.wrapping_add(second.wrapping_mul(number)) % all) as usize)
    }

    fn may_know(&self, name: &Name) -> bool {
        let mut places = self.places(name);
        places.all(|at| {
            self.0
                .get(at / 8)
                .is_some_and(|byte| byte & (1 << (at % 8)) != 0)
        })
    }
}

#[derive(Debug, Default)]
struct Known {
    full: BTreeMap<Range, Bits>,
    open: BTreeMap<Range, HashSet<Name, FixedState>>,
    upto: Upto,
}

/// The filter.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<Known>);

impl Names {
    /// Whether a name may be known.
    pub(super) fn may_know(&self, name: &Name) -> bool {
        self.knows(name, usize::MAX)
    }

    /// Whether a name is none of the last that were heard of. Older ones are not looked through: it
    /// would take as long as asking the table, whose unique index has the last word.
    pub(super) fn seems_new(&self, name: &Name) -> bool {
        !self.knows(name, LAST)
    }

    /// Whether a name may be in the last so many full ranges, or in one that fills.
    fn knows(&self, name: &Name, last: usize) -> bool {
        let known = self.0.read();
        let mut full = [false, true].into_iter().flat_map(|refusals| {
            let all = known.full.range((refusals, 0)..=(refusals, u64::MAX));
            all.rev().take(last)
        });
        known.open.values().any(|names| names.contains(name))
            || full.any(|(_, bits)| bits.may_know(name))
    }

    /// How far names were heard of.
    pub(super) fn upto(&self) -> Upto {
        self.0.read().upto
    }

    /// Takes over a filter that was kept; it counts while no range before it is missing.
    pub(super) fn adopt(&self, of: Range, bits: Bits) {
        let known = &mut *self.0.write();
        let upto = match of.0 {
            false => &mut known.upto.position,
            true => &mut known.upto.refusals,
        };
        if *upto == of.1 * RANGE {
            *upto += RANGE;
            known.full.insert(of, bits);
        }
    }

    /// Takes in names that stand between what was heard and `upto`; ranges that are full now, to
    /// be kept.
    pub(super) fn heard(
        &self,
        names: impl Iterator<Item = (Name, i64)>,
        upto: Upto,
    ) -> Vec<(Range, Bits)> {
        let known = &mut *self.0.write();
        for (name, at) in names {
            let range = range(at);
            if !known.full.contains_key(&range) {
                let open = known.open.entry(range).or_default();
                open.insert(name);
            }
        }
        known.upto.position = known.upto.position.max(upto.position);
        known.upto.refusals = known.upto.refusals.max(upto.refusals);
        known.fill()
    }

    /// Takes in a name that a reader found, whoever wrote it.
    pub(super) fn found(&self, name: Name, at: i64) {
        if !self.may_know(&name) {
            self.heard(std::iter::once((name, at)), self.upto());
        }
    }

    /// Takes in the names of a batch of one's own. It counts as heard if nothing of others came
    /// before it that was not; its names are known in any case.
    pub(super) fn wrote(&self, writes: &Writes) -> Vec<(Range, Bits)> {
        let refused = writes.refusals.len() as u64;
        let was = Upto {
            position: writes.was,
            refusals: writes.head.refusals - refused,
        };
        let now = Upto {
            position: writes.head.position,
            refusals: writes.head.refusals,
        };
        let of_log = writes.names.iter();
        let of_log = of_log.map(|it| (it.name, it.position.cast_signed()));
        let of_refusals = writes.refusals.iter();
        let of_refusals = of_refusals.map(|it| (it.name, -it.number.cast_signed()));
        let stands = self.upto();
        let upto = if stands == was { now } else { stands };
        self.heard(of_log.chain(of_refusals), upto)
    }
}

impl Known {
    /// Makes filters of ranges that will not grow any more.
    fn fill(&mut self) -> Vec<(Range, Bits)> {
        let mut filled = Vec::new();
        for (refusals, upto) in [(false, self.upto.position), (true, self.upto.refusals)] {
            let end = upto / RANGE;
            let from = self.full.range((refusals, 0)..(refusals, u64::MAX));
            let from = from.last().map_or(0, |((_, number), _)| number + 1);
            for number in from..end {
                let range = (refusals, number);
                let names = self.open.remove(&range).unwrap_or_default();
                let bits = Bits::of(&names);
                self.full.insert(range, bits.clone());
                filled.push((range, bits));
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests;
