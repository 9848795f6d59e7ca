//! The binary: nothing but the list of its parts.
//!
//! `cli` reads the command line and starts the rest; `config` is what a command runs with; `lock`
//! says which process writes a data directory, `anchors` what was known of its log; `http` is the
//! API, `client` speaks to it from outside, `load` drives it, and `demo` shows it all in one
//! command; `sandbox` plays the services that it calls, and `webhook` signs what they call back;
//! `telemetry` is what it says of itself in logs and traces.
//! Main holds no logic: whatever could be wrong is where a test can reach it.
#![cfg_attr(
    feature = "fuzz",
    allow(dead_code, reason = "there only the fuzz targets are reached")
)]

mod anchors;
mod cli;
mod client;
mod columns;
mod config;
mod csv;
mod demo;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod http;
mod load;
mod lock;
#[cfg(test)]
mod reference;
mod sandbox;
#[cfg(test)]
mod states;
mod telemetry;
mod webhook;

/// Small things come and go by the million, on all cores: the system's allocator is slower at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
