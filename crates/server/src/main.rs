//! The binary.
mod http;
fn main() {}
