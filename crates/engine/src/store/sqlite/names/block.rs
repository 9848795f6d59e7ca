//! A block: up to a hundred entries in the order of their names, with a check value.
//!
//! One block is one row, and its 4,008 bytes fill one leaf page of 4 KiB: looking a name up costs
//! one descent, writing a block costs one page. Nothing is read from a block whose check value is
//! wrong.

use super::check::{CHECK_LEN, Kind, seal, unseal};
use super::{Entry, Name, corrupt};

/// Entries in a full block. Every block of a run but its last is full.
pub(super) const BLOCK_NAMES: usize = 100;
/// Bytes of an entry: name, fingerprint, `at` with its highest byte first.
const ENTRY_LEN: usize = 40;
/// Bits of a block's id that hold its number in the run; those above hold the run.
const NUMBER_BITS: u32 = 24;
/// Blocks that a run can have.
pub(super) const RUN_BLOCKS: u32 = 1 << NUMBER_BITS;

/// The id of block `number` of a run, ascending in the order in which blocks are written.
pub(super) fn block_id(run: i64, number: u32) -> i64 {
    assert!(number <= RUN_BLOCKS, "a block's number fits its bits");
    assert!(
        run < 1 << (63 - NUMBER_BITS),
        "a run's number fits its bits"
    );
    (run << NUMBER_BITS) + i64::from(number)
}

/// The run that a block's id belongs to.
pub(super) fn run_of(id: i64) -> i64 {
    id >> NUMBER_BITS
}

/// The number in its run of the block with this id.
pub(super) fn number_of(id: i64) -> u32 {
    u32::try_from(id & i64::from(RUN_BLOCKS - 1)).expect("the mask leaves 24 bits")
}

/// The block's bytes. `entries` ascend by name.
pub(super) fn encode(id: i64, entries: &[(Name, Entry)]) -> Vec<u8> {
    assert!(
        !entries.is_empty() && entries.len() <= BLOCK_NAMES,
        "a block holds 1 to 100 entries"
    );
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_LEN + CHECK_LEN);
    for (name, entry) in entries {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&entry.fingerprint);
        bytes.extend_from_slice(&entry.at.to_be_bytes());
    }
    seal(Kind::Block, id, &mut bytes);
    bytes
}

/// All entries of a block.
///
/// # Errors
/// `DatabaseCorrupt` when the bytes are not the block with this id, as it was written.
pub(super) fn decode(id: i64, bytes: &[u8]) -> rusqlite::Result<Vec<(Name, Entry)>> {
    Ok(rows(id, bytes)?.iter().map(entry).collect())
}

/// The entry of one name, `None` when the block does not hold it.
///
/// # Errors
/// `DatabaseCorrupt` when the bytes are not the block with this id, as it was written.
pub(super) fn find(id: i64, bytes: &[u8], name: &Name) -> rusqlite::Result<Option<Entry>> {
    let rows = rows(id, bytes)?;
    let found = rows.binary_search_by(|row| row[..16].cmp(name));
    Ok(found.ok().map(|index| entry(&rows[index]).1))
}

fn rows(id: i64, bytes: &[u8]) -> rusqlite::Result<&[[u8; ENTRY_LEN]]> {
    let content = unseal(Kind::Block, id, bytes);
    content.map(|content| content.as_chunks().0).ok_or_else(|| {
        let (run, number) = (run_of(id), number_of(id));
        corrupt(format!(
            "block {number} of run {run} is not what was written"
        ))
    })
}

fn entry(row: &[u8; ENTRY_LEN]) -> (Name, Entry) {
    let part = |from: usize| row[from..from + 16].try_into().expect("a row has 40 bytes");
    let at = u64::from_be_bytes(row[32..].try_into().expect("a row has 40 bytes"));
    (
        part(0),
        Entry {
            at,
            fingerprint: part(16),
        },
    )
}
