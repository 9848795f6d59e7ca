//! Main.
mod config;
fn main() {}
