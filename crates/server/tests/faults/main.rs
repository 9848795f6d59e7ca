//! What operations do to it, done to the real binary: killed, cut off the power, out of space, out
//! of handles, with a disk that does not confirm, with a clock that jumps, stopped for a while,
//! asked to end. `docs/survives.md` says what each test shows.
//!
//! Each fault is counted, and so is every answer that was acknowledged: what an answer promised
//! must be found afterwards by `verify --acks`. What the disk and the clock do wrong is done by a
//! small library (`layer.c`) that is compiled here and preloaded into the server; `disk.rs` keeps
//! the journal that it writes and says what a power cut could have left.
//!
//! `EVENKEEL_LONG=1` (set by `./test --long`) injects the full numbers; `FAULTS_SEED` repeats the
//! choices of a run.

#![cfg(target_os = "linux")]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/process.rs"]
mod process;

mod buyers;
mod clock;
mod disk;
mod full;
mod handles;
mod kills;
mod layer;
mod pause;
mod power;
mod server;
mod sync;
mod term;
mod wire;

use fastrand::Rng;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How often: the second number when the full counts are asked for.
fn times(short: u64, long: u64) -> u64 {
    let asked = std::env::var_os("EVENKEEL_LONG").is_some_and(|value| !value.is_empty());
    if asked { long } else { short }
}

/// The choices of this run, told so that they can be repeated.
fn choices(test: &str) -> Rng {
    let given = std::env::var("FAULTS_SEED").ok();
    let seed = given.map_or_else(
        || fastrand::u64(..),
        |text| text.parse().expect("FAULTS_SEED is a whole number"),
    );
    println!("{test}: FAULTS_SEED={seed}");
    Rng::with_seed(seed)
}

/// Lets time pass: when a fault comes is chance, and load is a matter of time.
fn pass(time: Duration) {
    let (keep, never) = channel::<()>();
    let told = never.recv_timeout(time);
    drop((keep, told));
}

/// Waits until something is so; panics with `what` after two minutes.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const STEP: Duration = Duration::from_millis(10);
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        pass(STEP);
    }
    panic!("waited in vain until {what}");
}

/// The one line of a test: what was done to the server, what it had promised, what was gone.
fn tell(fault: &str, injected: u64, acknowledged: u64, lost: u64) {
    println!("{fault}: {injected} injected, {acknowledged} acknowledged, {lost} lost");
    assert!(injected > 0, "{fault}: nothing was injected");
    assert!(acknowledged > 0, "{fault}: nothing was acknowledged");
    assert_eq!(lost, 0, "{fault}");
}
