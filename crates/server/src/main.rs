//! The one binary: wiring only.
mod client;
mod demo;
mod load;
fn main() {}
