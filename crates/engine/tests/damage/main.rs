//! `verify` names each planted damage, and nothing else, whatever the store; and on a store that
//! nobody damaged it finds nothing.

mod answers;
mod busy;
mod carts;
mod clean;
#[cfg(feature = "sqlite")]
mod file;
mod laws;
mod leases;
mod lives;
mod log;
mod lost_rows;
mod orders;
mod rows;
mod sagas;
mod seals;
mod shares;
mod shop;
mod site;
mod subscriptions;
mod trade;
mod warnings;
