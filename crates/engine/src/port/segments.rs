//! Where segments are kept: files beside the store.

use super::{Fault, SegmentRow};
use crate::chain::Hash;
use async_trait::async_trait;

/// The name of a segment's file. Each file that is ever written has another one, since its index
/// has dice in it: what removes a file, or puts one in its place, never means another process's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The segment's first position.
    pub first: u64,
    /// The SHA-256 of its index.
    pub index: Hash,
}

impl SegmentRow {
    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> SegmentName {
        let Self { first, index, .. } = *self;
        SegmentName { first, index }
    }
}

/// The files of segments.
#[async_trait]
pub trait SegmentFiles: Send + Sync {
    /// Begins the file of a first position; by the dice it is nobody else's. It is not there until
    /// it is finished. What others have begun of that position and not finished is removed: of two
    /// that write at once the later one goes on, and one that was killed leaves nothing for long.
    ///
    /// # Errors
    /// A [`Fault`]; so for all below.
    async fn begin(&self, first: u64, dice: [u8; 16]) -> Result<Box<dyn SegmentFile>, Fault>;

    /// The bytes of a file; nothing if there is none.
    async fn size(&self, name: SegmentName) -> Result<Option<u64>, Fault>;

    /// A part of a file; fewer bytes only where it ends, nothing if there is no file.
    async fn read(
        &self,
        name: SegmentName,
        from: u64,
        length: u32,
    ) -> Result<Option<Vec<u8>>, Fault>;

    /// Removes a file, if it is there.
    async fn remove(&self, name: SegmentName) -> Result<(), Fault>;
}

/// A file that is being written.
#[async_trait]
pub trait SegmentFile: Send {
    /// Appends to it.
    ///
    /// # Errors
    /// A [`Fault`]: it is of no use any more.
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Fault>;

    /// Makes it durable, with its name, and only then lets it be found.
    ///
    /// # Errors
    /// A [`Fault`]: whether it can be found is not known.
    async fn finish(self: Box<Self>, name: SegmentName) -> Result<(), Fault>;
}
