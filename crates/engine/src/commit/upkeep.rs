//! What is asked about the log's old part, by the archive and by a green `verify`.

use crate::port::{LogRow, SealRow, SegmentRow};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepUp {
    /// Keep seals, and forget others.
    Seal {
        /// To keep.
        seals: Vec<SealRow>,
        /// Positions of those to forget.
        forget: Vec<u64>,
    },
    /// Raise the floor: a segment is durable that begins at it.
    Raise(SegmentRow),
    /// Take rows below the floor out of the database.
    TakeOut {
        /// The first position.
        first: u64,
        /// The last position.
        last: u64,
    },
    /// Bring back the rows just below the floor, and lower it to the first of them.
    BringBack {
        /// The rows, ascending.
        rows: Vec<LogRow>,
        /// The first position of a segment all of whose rows are back then.
        forget: Option<u64>,
    },
}

impl KeepUp {
    /// About how many bytes it writes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Seal { seals, .. } => seals.iter().map(|seal| seal.text.len()).sum(),
            Self::BringBack { rows, .. } => rows.iter().map(|row| row.text.len() + 40).sum(),
            Self::Raise(_) | Self::TakeOut { .. } => 0,
        }
    }
}
