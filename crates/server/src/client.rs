//! What the commands use to speak to a server over HTTP/1.1, from outside.
//!
//! Two ways on one wire. [`Api`] is the convenient one for commands: JSON in, an owned [`Answer`]
//! out, connections kept in a pool. [`Wire`] is the hot one for `load`: one connection, buffers
//! that are used again, an answer that borrows from them and is read only as far as needed.
//!
//! Kept: a connection that failed, timed out or was dropped in the middle of an exchange is never
//! used again, so an answer is never taken for that of another request. Only `http://host:port`
//! is spoken to. Never done here: retrying behind the caller's back, except once when a kept
//! connection turns out to have been closed (every request has a key or is idempotent).

mod api;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
pub(crate) mod outside;
mod reply;
mod request;
mod target;
mod wire;

pub(crate) use api::{Answer, Api, Failure, Pool};
pub(crate) use reply::{Reply, member};
pub(crate) use request::{Caller, Outgoing};
pub(crate) use target::Target;
pub(crate) use wire::{Broken, Limits, Wire};
