//! The log's old part: segments, and what archiving did.

use schemars::JsonSchema;
use serde::Serialize;

/// How a segment's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SegmentState {
    /// It is there, with its index.
    Whole,
    /// It is missing, or not the one that was archived.
    Damaged,
}

/// A segment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Segment {
    /// Its first position, which names it.
    pub(crate) first: u64,
    /// Its last position.
    pub(crate) last: u64,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// SHA-256 of the file's index, in hexadecimal.
    pub(crate) index: String,
    /// Its file, in the data directory.
    pub(crate) file: String,
    pub(crate) state: SegmentState,
    /// What is wrong with it; null if nothing is.
    pub(crate) detail: Option<String>,
}

/// Every segment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Segments {
    /// The lowest position in the database.
    pub(crate) floor: u64,
    /// The head's position.
    pub(crate) head: u64,
    /// Lowest first.
    pub(crate) items: Vec<Segment>,
    /// Always null: all of them are on one page.
    pub(crate) next_cursor: Option<String>,
}

/// What to archive.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Archive {
    /// Only rows below this position; without it all that nobody needs in the database.
    #[schemars(range(min = 1))]
    before: Option<u64>,
    /// Positions of a segment; a million without it.
    #[schemars(range(min = 1))]
    rows: Option<u64>,
}

/// What archiving, or bringing back, did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Archived {
    /// Whether it was done, or there was nothing to do.
    pub(crate) ok: bool,
    /// The lowest position in the database now.
    pub(crate) floor: u64,
    /// The head's position.
    pub(crate) head: u64,
    /// The first position that may not be archived yet; null where that was not asked.
    pub(crate) limit: Option<u64>,
    /// Who needs it.
    pub(crate) needed_by: Option<String>,
    /// The new segments.
    pub(crate) segments: Vec<Segment>,
    /// Why it was not done; null if it was.
    pub(crate) detail: Option<String>,
}
