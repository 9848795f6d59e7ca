//! How suites that take the real binary run: how often, by what chance, for how long.

use fastrand::Rng;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Whether the full counts are asked for (`EVENKEEL_LONG=1`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("EVENKEEL_LONG").is_some_and(|value| !value.is_empty())
}

/// How often: the second number when the full counts are asked for.
pub(crate) fn times(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}

/// The choices of this run, told so that they can be repeated.
pub(crate) fn choices(test: &str) -> Rng {
    let given = std::env::var("FAULTS_SEED").ok();
    let seed = given.map_or_else(
        || fastrand::u64(..),
        |text| text.parse().expect("FAULTS_SEED is a whole number"),
    );
    println!("{test}: FAULTS_SEED={seed}");
    Rng::with_seed(seed)
}

/// Lets time pass: when a fault comes is chance, and load is a matter of time.
pub(crate) fn pass(time: Duration) {
    let (keep, never) = channel::<()>();
    let told = never.recv_timeout(time);
    drop((keep, told));
}

/// Waits until something is so; panics with `what` after two minutes.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const STEP: Duration = Duration::from_millis(10);
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        pass(STEP);
    }
    panic!("waited in vain until {what}");
}
