//! The API against an engine on the store in memory, over real connections.

mod documents;
mod framing;
mod harness;
mod holds;
mod lists;
mod reference;
mod roles;
