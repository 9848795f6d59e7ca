//! What happens durably.
//!
//! Rules decide, the engine commits, workers deliver. This crate holds the ports, the one command
//! path ([`execute`]), the one judge ([`settle`]), the committer, the loops and the adapters behind
//! Cargo features. It can be embedded as a library: see [`Engine`].

pub mod archive;
pub mod body;
pub mod broker;
pub mod callback;
mod calls;
pub mod chain;
pub mod clock;
pub mod cloud;
pub mod commit;
pub mod committer;
pub mod consumer;
mod engine;
pub mod execute;
pub mod explain;
pub mod gate;
pub mod gateway;
mod handle;
mod lease;
pub mod ledger;
mod limits;
pub mod lineage;
pub mod meter;
pub mod moving;
pub mod port;
pub mod project;
pub mod queue;
pub mod relay;
pub mod saga;
pub mod settle;
pub mod store;
pub mod story;
pub mod sweep;
mod sync;
pub mod tail;
#[cfg(test)]
mod testing;
pub mod token;
pub mod verify;
pub mod worker;

pub use engine::{Engine, Options, OrderMode, Ports, Threads};
pub use execute::{Done, Refusal, Request};
