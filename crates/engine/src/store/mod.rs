//! The store adapters: one file or folder each, all behind [`crate::port::Store`].
//!
//! An adapter keeps rows and says what it kept; it decides nothing. Each passes the same
//! conformance suite. SQL lives below this folder and nowhere else.

pub mod dir;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod head;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod reports;
pub mod segments;
#[cfg(feature = "sqlite")]
pub mod sqlite;
