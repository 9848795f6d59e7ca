//! Things that the log made, in the order in which it made them, small enough for millions.
//!
//! Each is known by the name of its id. They stand in the order of their creation, so that a page
//! of state rows finds its own by position too.

use crate::commit::Name;
use crate::port::Map;
use sha2::{Digest, Sha256};

/// Things of one block of memory: growing never copies what is there.
const BLOCK: usize = 1 << 15;

/// Something that a position created.
pub(super) trait Made {
    /// That position.
    fn created(&self) -> u64;
}

/// Many of them.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    blocks: Vec<Vec<T>>,
    by_name: Map<Name, u32>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        let (blocks, by_name) = (Vec::new(), Map::default());
        Self { blocks, by_name }
    }
}

impl<T: Made> Shelf<T> {
    pub(super) fn index(&self, name: &Name) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, index: u32) -> &T {
        let index = index as usize;
        &self.blocks[index / BLOCK][index % BLOCK]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        let index = index as usize;
        &mut self.blocks[index / BLOCK][index % BLOCK]
    }

    pub(super) fn by_name(&self, name: &Name) -> Option<&T> {
        self.index(name).map(|index| self.get(index))
    }

    pub(super) fn push(&mut self, name: Name, thing: T) -> u32 {
        let index = u32::try_from(self.by_name.len()).expect("fewer things than 2^32");
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made");
        block.push(thing);
        self.by_name.insert(name, index);
        index
    }

    /// The one that a position created, if it created one and only one.
    pub(super) fn created_at(&self, position: u64) -> Option<u32> {
        let (mut low, mut high) = (0, u32::try_from(self.by_name.len()).ok()?);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).created() < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let exists = (low as usize) < self.by_name.len();
        (exists && self.get(low).created() == position).then_some(low)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.blocks.iter().flatten()
    }
}

/// What is kept of a text that is too long to be kept by the million.
pub(super) fn digest(text: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(text).into();
    *whole
        .first_chunk()
        .expect("a SHA-256 is longer than 16 bytes")
}
