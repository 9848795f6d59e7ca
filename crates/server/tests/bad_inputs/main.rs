//! Whatever a client sends: the right problem document, nothing written, no 5xx.
//!
//! Each test takes rows of one kind to the real binary over TCP, byte by byte. [`Shop::refuses`]
//! is the rule that all rows are examples of: the status and code that the contract names, a whole
//! problem document, and a head that stands where it stood.

#[path = "../common/process.rs"]
mod process;

mod bodies;
mod carts;
mod heads;
mod holds;
mod orders;
mod shop;
mod store;
mod subscriptions;
mod webhooks;
