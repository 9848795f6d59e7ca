//! What memory keeps of the runs: for each block its first name, for each part a filter.
//!
//! A run is a list of blocks in the order of its names; a part is a stretch of them that has a
//! filter of its own. So what a merge holds in memory, and what it writes in one piece, is bounded
//! by the size of a part and not by that of the run. A filter says *absent* for 99.6 % of the names
//! that a part does not hold, and never for one that it holds: `Part::build` asks it for each.
//!
//! The filter takes 64 bits of a name, mixed with a salt drawn from all names of the part. Without
//! the salt, somebody who chooses keys could aim many at one slot of the filter, which breaks its
//! construction. Two names with equal 64 bits share a place in the filter; the block tells them
//! apart.

use super::block::{block_id, number_of, run_of};
use super::check::{CHECK_LEN, Kind, seal, sum, unseal};
use super::{Name, corrupt};
use std::sync::Arc;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

const SALT_LEN: usize = 8;
const HEAD_LEN: usize = SALT_LEN + BinaryFuse8::DESCRIPTOR_LEN;

/// A run of the database, as memory knows it.
pub(super) struct Run {
    /// Its number; a later run has a higher one.
    pub(super) id: i64,
    /// The table its blocks are in; a run of a higher level was merged more often.
    pub(super) level: usize,
    /// How many names it holds.
    pub(super) names: u64,
    /// In the order of their names.
    parts: Vec<Arc<Part>>,
    /// The first name of each part, side by side so that a search stays in few cache lines.
    starts: Vec<u128>,
}

/// A stretch of a run's blocks.
pub(super) struct Part {
    /// The id of its first block, and of its own row.
    pub(super) id: i64,
    /// How many names its blocks hold.
    pub(super) names: u64,
    /// The first name of each block, as a number.
    first_keys: Box<[u128]>,
    /// Salt, descriptor and fingerprints, as stored.
    filter: Box<[u8]>,
}

impl Run {
    /// A run of these parts, which ascend by name and leave out no block.
    pub(super) fn new(id: i64, level: usize, parts: Vec<Arc<Part>>) -> Run {
        let names = parts.iter().map(|part| part.names).sum();
        let starts = parts.iter().map(|part| part.first_keys[0]).collect();
        Run {
            id,
            level,
            names,
            parts,
            starts,
        }
    }

    /// How many blocks the run has.
    pub(super) fn blocks(&self) -> u32 {
        self.parts.iter().map(|part| part.blocks()).sum()
    }

    /// The id of the one block that can hold this name; `None` when none does.
    pub(super) fn block_of(&self, name: &Name) -> Option<i64> {
        let key = u128::from_be_bytes(*name);
        let after = self.starts.partition_point(|start| *start <= key);
        let part = &self.parts[after.checked_sub(1)?];
        part.may_know(key).then(|| part.block_of(key))
    }
}

impl Part {
    /// Makes the part that begins at block `id` from all its names and the first of each block,
    /// both ascending.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when no filter can be built, which distinct names do not bring about.
    pub(super) fn build(id: i64, names: &[u128], first_keys: Vec<u128>) -> rusqlite::Result<Part> {
        let mut prefixes: Vec<u64> = names.iter().copied().map(prefix).collect();
        prefixes.dedup();
        let bytes: Vec<u8> = prefixes
            .iter()
            .flat_map(|prefix| prefix.to_be_bytes())
            .collect();
        let salt = sum(0, 0, &bytes);
        prefixes.iter_mut().for_each(|prefix| *prefix ^= salt);
        let fuse = BinaryFuse8::try_from(&prefixes)
            .map_err(|reason| corrupt(format!("the filter of run {}: {reason}", run_of(id))))?;
        let mut filter = vec![0; HEAD_LEN];
        filter[..SALT_LEN].copy_from_slice(&salt.to_be_bytes());
        fuse.dma_copy_descriptor_to(&mut filter[SALT_LEN..]);
        filter.extend_from_slice(fuse.dma_fingerprints());
        let part = Part {
            id,
            names: names.len() as u64,
            first_keys: first_keys.into_boxed_slice(),
            filter: filter.into_boxed_slice(),
        };
        assert!(
            names.iter().all(|name| part.may_know(*name)),
            "a filter knows every name that it was built from"
        );
        Ok(part)
    }

    /// Reads a part back from its two blobs.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when they are not the blobs that were written for this id.
    pub(super) fn load(id: i64, names: u64, keys: &[u8], filter: &[u8]) -> rusqlite::Result<Part> {
        let broken = |what: &str| {
            let (run, number) = (run_of(id), number_of(id));
            corrupt(format!(
                "{what} of run {run} from block {number} are not what was written"
            ))
        };
        let keys = unseal(Kind::Keys, id, keys).ok_or_else(|| broken("the first names"))?;
        let first_keys: Box<[u128]> = keys
            .as_chunks()
            .0
            .iter()
            .map(|key| u128::from_be_bytes(*key))
            .collect();
        let filter = unseal(Kind::Filter, id, filter).ok_or_else(|| broken("the filter bits"))?;
        if first_keys.is_empty() || !well_formed(filter) {
            return Err(broken("the measures"));
        }
        Ok(Part {
            id,
            names,
            first_keys,
            filter: filter.into(),
        })
    }

    /// The blobs that `load` reads: first names, filter.
    pub(super) fn blobs(&self) -> (Vec<u8>, Vec<u8>) {
        let mut keys = Vec::with_capacity(self.first_keys.len() * 16 + CHECK_LEN);
        keys.extend(self.first_keys.iter().flat_map(|key| key.to_be_bytes()));
        seal(Kind::Keys, self.id, &mut keys);
        let mut filter = Vec::with_capacity(self.filter.len() + CHECK_LEN);
        filter.extend_from_slice(&self.filter);
        seal(Kind::Filter, self.id, &mut filter);
        (keys, filter)
    }

    /// How many blocks the part has.
    pub(super) fn blocks(&self) -> u32 {
        u32::try_from(self.first_keys.len()).expect("a run has fewer blocks than 2^24")
    }

    /// False when the part certainly does not hold this name.
    fn may_know(&self, key: u128) -> bool {
        let (salt, rest) = self
            .filter
            .split_first_chunk()
            .expect("a filter begins with its salt");
        let (descriptor, fingerprints) = rest.split_at(BinaryFuse8::DESCRIPTOR_LEN);
        let salt = u64::from_be_bytes(*salt);
        BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&(prefix(key) ^ salt))
    }

    fn block_of(&self, key: u128) -> i64 {
        let after = self.first_keys.partition_point(|first| *first <= key);
        let index = u32::try_from(after.saturating_sub(1)).expect("a run has fewer than 2^24");
        block_id(run_of(self.id), number_of(self.id) + index)
    }
}

fn prefix(key: u128) -> u64 {
    u64::try_from(key >> 64).expect("a shift by 64 leaves 64 bits")
}

/// Whether the filter's measures fit its length, so that asking it never reads outside of it.
fn well_formed(filter: &[u8]) -> bool {
    let Some(fingerprints) = filter.len().checked_sub(HEAD_LEN) else {
        return false;
    };
    let (numbers, _) = filter[SALT_LEN + 8..HEAD_LEN].as_chunks::<4>();
    let [segment, mask, segments] =
        [0, 1, 2].map(|index| u64::from(u32::from_le_bytes(numbers[index])));
    segment.is_power_of_two()
        && mask == segment - 1
        && segments.is_multiple_of(segment)
        && fingerprints as u64 >= segments + 2 * segment
}
