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
#[path = "../common/run.rs"]
mod run;

mod buyers;
mod clock;
mod disk;
mod full;
mod handles;
mod kills;
#[expect(dead_code, reason = "the suite of several nodes uses more of it")]
mod layer;
mod pause;
mod power;
mod server;
mod sync;
mod term;
#[expect(dead_code, reason = "the suite of several nodes uses more of it")]
mod wire;

use run::{choices, pass, times, until};

/// The one line of a test: what was done to the server, what it had promised, what was gone.
fn tell(fault: &str, injected: u64, acknowledged: u64, lost: u64) {
    println!("{fault}: {injected} injected, {acknowledged} acknowledged, {lost} lost");
    assert!(injected > 0, "{fault}: nothing was injected");
    assert!(acknowledged > 0, "{fault}: nothing was acknowledged");
    assert_eq!(lost, 0, "{fault}");
}
