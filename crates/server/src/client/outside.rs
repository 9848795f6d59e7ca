//! The one home of clock, pause, chance and tasks for the commands that speak to a server.
//!
//! The engine takes time and randomness as arguments, so that it can be simulated. A client is
//! part of the outside world that the simulator replaces: it lives in real time, and what it
//! needs of it is named here and nowhere else. Nothing in this file decides anything.

use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// The monotonic clock, for latencies and time limits.
#[expect(
    clippy::disallowed_methods,
    reason = "a client measures the real time of its answers"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits; the caller loses nothing when it is dropped meanwhile.
#[expect(clippy::disallowed_methods, reason = "a client waits in real time")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What the future came to, or nothing when it took longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// A generator of chance; no secret is made from it.
pub(crate) fn chance() -> fastrand::Rng {
    fastrand::Rng::new()
}

/// A short random name that no other run has: lower-case hexadecimal, 12 characters.
pub(crate) fn run_name() -> String {
    let mut rng = chance();
    (0..12).fold(String::with_capacity(12), |mut name, _| {
        let _ = write!(name, "{:x}", rng.u8(0..16));
        name
    })
}

/// Turns instants into wall time: the wall clock is read once, so stamps of one run never step
/// back, whatever is done to the clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    instant: Instant,
    micros: i64,
}

impl WallClock {
    /// Reads both clocks now.
    pub(crate) fn start() -> Self {
        Self {
            instant: now(),
            micros: Timestamp::now().as_microsecond(),
        }
    }

    /// Milliseconds since 1970 of an instant, before this clock was read or after it.
    pub(crate) fn millis(&self, at: Instant) -> i64 {
        let micros = |later: Instant, earlier: Instant| {
            let between = later.saturating_duration_since(earlier).as_micros();
            i64::try_from(between).unwrap_or(0)
        };
        (self.micros + micros(at, self.instant) - micros(self.instant, at)).div_euclid(1000)
    }
}

/// Tasks that run side by side and are waited for together; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Crew<T>(JoinSet<T>);

impl<T: Send + 'static> Crew<T> {
    pub(crate) fn new() -> Self {
        Self(JoinSet::new())
    }

    /// Starts one more.
    #[expect(
        clippy::disallowed_methods,
        reason = "the clients' tasks: counted, joined at the end"
    )]
    pub(crate) fn add(&mut self, task: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(task);
    }

    /// What one of them came to, in the order of their ends; nothing when all have ended.
    ///
    /// # Panics
    /// With the task's own panic.
    pub(crate) async fn next(&mut self) -> Option<T> {
        match self.0.join_next().await? {
            Ok(value) => Some(value),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    /// Waits for all of them.
    pub(crate) async fn all(mut self) -> Vec<T> {
        let mut values = Vec::with_capacity(self.0.len());
        while let Some(value) = self.next().await {
            values.push(value);
        }
        values
    }
}

/// Runs what blocks on a thread of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "one writer of a file, or one generator, a command"
)]
pub(crate) fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
