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

mod flood;
mod idle;
mod rates;
mod server;
mod slow;
mod wire;

use parking_lot::{Mutex, MutexGuard};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How much: the second number when the full counts are asked for.
fn sized(short: u64, long: u64) -> u64 {
    let asked = std::env::var_os("EVENKEEL_LONG").is_some_and(|value| !value.is_empty());
    if asked { long } else { short }
}

/// For tests that measure what they also load: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// Lets time pass: load is a matter of time.
fn pass(time: Duration) {
    let (keep, never) = channel::<()>();
    let told = never.recv_timeout(time);
    drop((keep, told));
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
