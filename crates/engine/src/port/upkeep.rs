//! The log's old part: what a batch does with it, and what a store remembers of it.
//!
//! All of it is bookkeeping. It stands in the same transaction as the floor in the head row, so
//! that a store never has neither row nor segment of a position.

use super::{Head, LogRow, Writes};

/// A seal as a store keeps it: opaque bytes, which say themselves whether they are whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealRow {
    /// The position that it is of.
    pub position: u64,
    /// What it says; see [`crate::verify`].
    pub text: Vec<u8>,
}

/// A segment: rows of the log that stand in a file of their own, see [`crate::archive`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its first position.
    pub first: u64,
    /// Its last position.
    pub last: u64,
    /// The chain's hash before its first row.
    pub before: [u8; 32],
    /// The chain's hash at its last row.
    pub hash: [u8; 32],
    /// SHA-256 of the file's index, which has the hashes of all the rest.
    pub index: [u8; 32],
    /// Bytes of the file.
    pub bytes: u64,
}

/// What a batch does with the log's old part. The order is that of the members: an adapter writes
/// seals and segments, then takes rows out, then brings rows back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Seals to keep, each in place of one of the same position.
    pub seals: Vec<SealRow>,
    /// Positions of seals to forget.
    pub forget_seals: Vec<u64>,
    /// Segments to remember, each in place of one with the same first position.
    pub segments: Vec<SegmentRow>,
    /// First positions of segments to forget.
    pub forget_segments: Vec<u64>,
    /// Log rows to take out of the database: from the first to the last, both included, all below
    /// the new floor. Some or all of them may be gone already.
    pub taken_out: Option<(u64, u64)>,
    /// Log rows to put into the database, ascending. Some or all of them may be there still, and
    /// are the same then.
    pub brought_back: Vec<LogRow>,
}

impl Upkeep {
    /// Whether it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Writes {
    /// Writes that change nothing of a store with this head.
    #[must_use]
    pub fn onto(head: Head) -> Self {
        Self {
            was: head.position,
            head,
            log: Vec::new(),
            names: Vec::new(),
            refusals: Vec::new(),
            holds: Vec::new(),
            skus: Vec::new(),
            balances: Vec::new(),
            shares: Vec::new(),
            tokens: Vec::new(),
            timers: Vec::new(),
            orders: Vec::new(),
            sagas: Vec::new(),
            carts: Vec::new(),
            callbacks: Vec::new(),
            subscriptions: Vec::new(),
            dues: Vec::new(),
            private: Vec::new(),
            erased: Vec::new(),
            upkeep: Upkeep::default(),
        }
    }
}
