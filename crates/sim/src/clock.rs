//! Simulated time and dice; the one home of time, waiting and tasks in the simulator.
//!
//! Time is the paused clock of a current-thread runtime: it stands still while anything can run
//! and then jumps to the next timer, so an hour costs nothing and every run of a seed is the same.
//! Each node's wall clock is this time plus a skew of its own; its monotonic clock is never skewed.
//! A node that is frozen wakes from no sleep until it is thawed. Nothing here reads real time or
//! draws real randomness.

use async_trait::async_trait;
use evenkeel_engine::port::{Clock, Ids};
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The wall clock's reading when a simulation begins: 2026-01-01T00:00:00Z in microseconds.
pub(crate) const BASE_MICROS: i64 = 1_767_225_600_000_000;

/// The moment that simulated time stands at.
#[expect(clippy::disallowed_methods, reason = "the one home of simulated time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits in simulated time; a whole number of milliseconds passes.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of simulated waiting"
)]
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs a task of the simulation.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of spawning simulated tasks"
)]
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work)
}

/// Whether a node is stopped in its tracks, as by SIGSTOP.
#[derive(Debug, Default)]
pub(crate) struct Freezer {
    frozen: AtomicBool,
    thaw: Notify,
}

impl Freezer {
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.store(false, Ordering::Relaxed);
        self.thaw.notify_waiters();
    }

    /// Returns once the node is not frozen.
    pub(crate) async fn awake(&self) {
        while self.frozen.load(Ordering::Relaxed) {
            self.thaw.notified().await;
        }
    }
}

/// A node's clocks.
#[derive(Debug)]
pub(crate) struct SimClock {
    start: Instant,
    skew_micros: AtomicI64,
    jumped_micros: AtomicI64,
    /// The latest time that was shown, jumps left out.
    latest: AtomicI64,
    freezer: Arc<Freezer>,
}

impl SimClock {
    pub(crate) fn new(start: Instant, freezer: Arc<Freezer>) -> Self {
        Self {
            start,
            skew_micros: AtomicI64::new(0),
            jumped_micros: AtomicI64::new(0),
            latest: AtomicI64::new(0),
            freezer,
        }
    }

    /// Moves the wall clock.
    pub(crate) fn step(&self, micros: i64) {
        self.skew_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Moves the wall clock so far that its node must not write by it.
    pub(crate) fn jump(&self, micros: i64) {
        self.jumped_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How far the wall clock is ahead of simulated time, in microseconds.
    pub(crate) fn skew(&self) -> i64 {
        self.skew_micros.load(Ordering::Relaxed) + self.jumped_micros.load(Ordering::Relaxed)
    }

    /// The latest time that it has shown and that its node would write at, in microseconds.
    pub(crate) fn latest(&self) -> i64 {
        self.latest.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> LogTime {
        let elapsed = i64::try_from(self.mono().as_micros()).unwrap_or(i64::MAX);
        let unjumped = BASE_MICROS + elapsed + self.skew_micros.load(Ordering::Relaxed);
        self.latest.fetch_max(unjumped, Ordering::Relaxed);
        LogTime::from_micros(unjumped + self.jumped_micros.load(Ordering::Relaxed))
    }

    fn mono(&self) -> Duration {
        now().duration_since(self.start)
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
        self.freezer.awake().await;
    }
}

/// A node's dice, thrown from the seed.
#[derive(Debug)]
pub(crate) struct SimIds(Mutex<fastrand::Rng>);

impl SimIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Ids for SimIds {
    fn random(&self) -> [u8; 16] {
        self.0.lock().u128(..).to_le_bytes()
    }
}
