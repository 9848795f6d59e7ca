//! The API against an engine on the store in memory, over real connections.

mod archive;
mod callbacks;
mod carts;
mod documents;
mod events;
mod framing;
mod harness;
mod holds;
mod imports;
mod lists;
mod orders;
mod outbox;
mod projections;
mod reference;
mod replica;
mod reviews;
mod roles;
mod sagas;
