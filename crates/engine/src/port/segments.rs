//! Where segments are kept: files beside the store.

use super::Fault;
use async_trait::async_trait;

/// The files of segments, each named by its first position.
#[async_trait]
pub trait SegmentFiles: Send + Sync {
    /// Begins a file. It is not there, and does not take the place of an older one, until it is
    /// finished; one that is never finished leaves nothing behind for long.
    ///
    /// # Errors
    /// A [`Fault`]; so for all below.
    async fn begin(&self, first: u64) -> Result<Box<dyn SegmentFile>, Fault>;

    /// The bytes of a file; nothing if there is none.
    async fn size(&self, first: u64) -> Result<Option<u64>, Fault>;

    /// A part of a file; fewer bytes only where it ends, nothing if there is no file.
    async fn read(&self, first: u64, from: u64, length: u32) -> Result<Option<Vec<u8>>, Fault>;

    /// Removes a file, if it is there.
    async fn remove(&self, first: u64) -> Result<(), Fault>;
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
    async fn finish(self: Box<Self>) -> Result<(), Fault>;
}
