//! Growth has an owner: the log's old part, in files of its own.
//!
//! Below the *floor* rows of the log stand in [`segment`]s, files that prove themselves by the
//! chain; [`Archived`] reads on through them, so that nobody else knows where a row stands. What
//! moves rows out and back is [`Archive`]: it never has a position whose row is in neither.

mod run;
pub mod segment;
mod through;

pub use run::{Archivable, Archive, Ask, Kept, NotDone, SEGMENT_ROWS, keep_seals, read_back};
pub use through::{Archived, index_of};
