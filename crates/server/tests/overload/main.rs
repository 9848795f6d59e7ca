//! More than it can take, asked of the real binary: too many requests, too slow clients, too many
//! connections. `docs/survives.md` says what each test shows.
//!
//! Each test counts what it asked and what it was answered, and prints it. What the machine can do
//! is measured in the same run: bounds are ratios of that, or the server's own time-outs.
//!
//! `EVENKEEL_LONG=1` (set by `./test --long`) asks for the full times and numbers.

#![cfg(target_os = "linux")]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/run.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod run;

mod flood;
mod idle;
mod rates;
mod server;
mod slow;
mod wire;

use parking_lot::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// For tests that measure what they also load: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured here is how long the server takes"
)]
fn now() -> Instant {
    Instant::now()
}

/// The value that so many per cent do not exceed; zero of nothing.
fn percentile(times: &mut [Duration], per_cent: usize) -> Duration {
    times.sort_unstable();
    let place = (times.len() * per_cent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}
