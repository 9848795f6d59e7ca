//! Things that the log made, in the order in which it made them, small enough for millions.
//!
//! Each is known by the name of its id. They stand in the order of their creation, so that a page
//! of state rows finds its own by position too.

use crate::commit::Name;
use crate::port::Map;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Things of one block of memory: growing never copies what is there.
const BLOCK: usize = 1 << 15;

/// Something that a position created.
pub(super) trait Made {
    /// That position.
    fn created(&self) -> u64;
}

/// Marks the index of something that was made before a seal.
const OLD: u32 = 1 << 31;

/// Many of them.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    blocks: Vec<Vec<T>>,
    count: u32,
    /// Those that a seal had let rest, in the order in which they were woken.
    old: Vec<T>,
    old_at: BTreeMap<u64, u32>,
    by_name: Map<Name, u32>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            count: 0,
            old: Vec::new(),
            old_at: BTreeMap::new(),
            by_name: Map::default(),
        }
    }
}

impl<T: Made> Shelf<T> {
    pub(super) fn index(&self, name: &Name) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, index: u32) -> &T {
        let at = (index & !OLD) as usize;
        match index & OLD {
            0 => &self.blocks[at / BLOCK][at % BLOCK],
            _ => &self.old[at],
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        let at = (index & !OLD) as usize;
        match index & OLD {
            0 => &mut self.blocks[at / BLOCK][at % BLOCK],
            _ => &mut self.old[at],
        }
    }

    pub(super) fn by_name(&self, name: &Name) -> Option<&T> {
        self.index(name).map(|index| self.get(index))
    }

    pub(super) fn push(&mut self, name: Name, thing: T) -> u32 {
        let index = self.count;
        assert!(index < OLD - 1, "fewer things than 2^31");
        self.count += 1;
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made");
        block.push(thing);
        self.by_name.insert(name, index);
        index
    }

    /// Takes one back that was made before all others.
    pub(super) fn wake(&mut self, name: Name, thing: T) {
        let index = u32::try_from(self.old.len()).expect("fewer things than 2^31") | OLD;
        self.old_at.insert(thing.created(), index);
        self.old.push(thing);
        self.by_name.insert(name, index);
    }

    /// The one that a position created, if it created one and only one.
    pub(super) fn created_at(&self, position: u64) -> Option<u32> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).created() < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let exists = low < self.count && self.get(low).created() == position;
        let old = || self.old_at.get(&position).copied();
        exists.then_some(low).or_else(old)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.old.iter().chain(self.blocks.iter().flatten())
    }

    /// All of them, each with its index.
    pub(super) fn indexed(&self) -> impl Iterator<Item = (u32, &T)> {
        let old = (OLD..).zip(&self.old);
        old.chain((0..).zip(self.blocks.iter().flatten()))
    }
}

/// What is kept of a text that is too long to be kept by the million.
pub(super) fn digest(text: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(text).into();
    *whole
        .first_chunk()
        .expect("a SHA-256 is longer than 16 bytes")
}
