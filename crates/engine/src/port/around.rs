//! The ports around the store: the gate before it, time, waiting and randomness.
//!
//! The gate may say no and never yes; what it knows it is told after a batch is durable. Clock and
//! dice are ports so that a whole engine runs in the simulator, the same for one seed each time.

use super::Place;
use async_trait::async_trait;
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::time::LogTime;
use std::time::Duration;

/// A fast filter before the ledger: it may say no, it may never say yes.
pub trait StockGate: Send + Sync {
    /// Whether some line surely finds too few units: the position at which that is so.
    fn refuses(&self, lines: &[Wanted], now: LogTime, mono: Duration) -> Option<u64>;

    /// Takes in what a batch did, or what the log's tail told.
    fn absorb(&self, news: &News);

    /// The position that the gate has taken in.
    fn position(&self) -> u64;

    /// Notes that the head stood at `position` at this monotonic time.
    fn seen(&self, position: u64, mono: Duration);
}

/// What the gate is told.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The position before which the gate must stand; otherwise the log's tail has to come first.
    pub after: u64,
    /// The position after which this is so.
    pub position: u64,
    /// Log time.
    pub time: LogTime,
    /// Monotonic time at which the batch was judged.
    pub mono: Duration,
    /// Units available now, per place.
    pub available: Vec<(Place, u64)>,
    /// Changes of availability, for readers of the log that know no balances.
    pub deltas: Vec<(Place, i64)>,
    /// Deadlines that were set.
    pub placed: Vec<(Place, LogTime)>,
    /// Deadlines that no longer count.
    pub ended: Vec<(Place, LogTime)>,
    /// Places that the ledger refused after searching the overdue front.
    pub searched: Vec<Place>,
}

/// Time, and waiting for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> LogTime;

    /// Time since some fixed moment; never falls, never jumps.
    fn mono(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// Randomness.
pub trait Ids: Send + Sync {
    /// Sixteen random bytes.
    fn random(&self) -> [u8; 16];
}
