//! The stock gates: fast filters in front of the ledger, behind [`crate::port::StockGate`].

pub mod memory;
