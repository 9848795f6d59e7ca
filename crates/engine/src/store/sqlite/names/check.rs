//! The check value at the end of every blob of the index, against rot and misplaced rows.
//!
//! A blob that was changed, cut, or stored under another id must be an error: read as *absent*, it
//! would let a key be used twice. Each step of the sum is one-to-one in the word it takes in, so a
//! change confined to one word of eight bytes is always noticed, others but for one in 2^64. It is
//! no defence against who can write to the file: such a one can write a check value as well.

/// Bytes that a check value adds to a blob.
pub(super) const CHECK_LEN: usize = 8;

/// Odd, so that multiplying by it loses nothing; with bits in all places, so that each one spreads.
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

/// What a blob is, so that one kind is never taken for another stored under the same id.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A block of entries.
    Block = 1,
    /// The first names of a part's blocks.
    Keys = 2,
    /// A part's filter.
    Filter = 3,
}

/// Appends to `blob` its check value as the blob of this kind under `id`.
pub(super) fn seal(kind: Kind, id: i64, blob: &mut Vec<u8>) {
    let sum = sum(kind as u64, id.cast_unsigned(), blob);
    blob.extend_from_slice(&sum.to_be_bytes());
}

/// The content in front of the check value, or `None` when the two do not belong together.
pub(super) fn unseal(kind: Kind, id: i64, blob: &[u8]) -> Option<&[u8]> {
    let (content, check) = blob.split_last_chunk::<CHECK_LEN>()?;
    let sum = sum(kind as u64, id.cast_unsigned(), content);
    (sum.to_be_bytes() == *check).then_some(content)
}

/// Four sums side by side, because one would wait for its own multiplication at every word.
pub(super) fn sum(kind: u64, id: u64, bytes: &[u8]) -> u64 {
    let mut lanes = [1u64, 2, 3, 4];
    let (rows, rest) = bytes.as_chunks::<32>();
    for row in rows {
        take(&mut lanes, row);
    }
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    take(&mut lanes, &last);
    let start = mix(mix(kind, id), bytes.len() as u64);
    lanes.iter().fold(start, |sum, lane| mix(sum, *lane))
}

fn take(lanes: &mut [u64; 4], row: &[u8; 32]) {
    let (words, _) = row.as_chunks::<8>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = mix(*lane, u64::from_be_bytes(*word));
    }
}

fn mix(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(FACTOR);
    product ^ (product >> 32)
}
