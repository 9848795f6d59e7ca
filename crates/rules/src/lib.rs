//! What is allowed: the pure rules of Evenkeel.
//!
//! A rule is `(state, command, log time) -> events or a named rejection`. Nothing in this crate
//! reads a clock, draws a random number, waits, logs or touches the outside world, so every rule
//! can be tested with thousands of cases in milliseconds and replayed in the simulator.
//!
//! Each aggregate has one `Rejection` enum. Its variants stand in the order in which they are
//! checked: the declared order *is* the precedence, and the tests walk it.

pub mod cart;
pub mod event;
pub mod hold;
pub mod idempotency;
pub mod ids;
pub mod lease;
pub mod limits;
pub mod money;
pub mod order;
pub mod payment;
pub mod quantity;
pub mod retry;
pub mod saga;
pub mod shipment;
pub mod sku;
pub mod stock;
pub mod subscription;
pub mod time;
pub mod token;

#[cfg(test)]
mod tests;
