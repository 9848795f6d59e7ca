//! A copy of the store and its projections, which may be behind.
//!
//! It answers only reads that say what they must have seen, and only where the snapshot that it
//! read has that: each answer of a store names its own position. Nothing is decided from it. A copy
//! that is behind, gone, slow or another shop's costs a read one attempt, and is then left alone
//! for a while; the primary answers.

use evenkeel_engine::port::{At, Clock, Fault, Store, Views};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take before the primary is asked.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a copy is left alone after it failed.
const REST: Duration = Duration::from_secs(5);

/// The copy.
pub(crate) struct Replica {
    pub(super) store: Arc<dyn Store>,
    pub(super) views: Arc<dyn Views>,
    /// Monotonic time until which it is left alone.
    rests: Mutex<Duration>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Replica")
    }
}

impl Replica {
    /// A copy that nobody asked yet.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn new(store: Arc<dyn Store>, views: Arc<dyn Views>) -> Self {
        Self {
            store,
            views,
            rests: Mutex::default(),
        }
    }

    /// What a read of it says, if its snapshot is at a position or behind it.
    pub(super) async fn at<T>(
        &self,
        clock: &dyn Clock,
        least: u64,
        read: impl Future<Output = Result<At<T>, Fault>>,
    ) -> Option<At<T>> {
        let at = self.tried(clock, read).await?;
        let reached = at.position >= least;
        count(if reached { "answered" } else { "behind" });
        reached.then_some(at)
    }

    /// What a read of something that never changes says, where it is there.
    pub(super) async fn tried<T>(
        &self,
        clock: &dyn Clock,
        read: impl Future<Output = Result<T, Fault>>,
    ) -> Option<T> {
        if clock.mono() < *self.rests.lock() {
            return None;
        }
        let read = tokio::select! {
            biased;
            read = read => read,
            () = clock.sleep(PATIENCE) => Err(Fault::TimedOut),
        };
        read.map_err(|fault| {
            tracing::debug!(%fault, "the replica does not answer");
            count("failed");
            // What it lacks is no failure of its server.
            if !matches!(fault, Fault::Corrupt(_)) {
                *self.rests.lock() = clock.mono() + REST;
            }
        })
        .ok()
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("evenkeel_replica_reads_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests;
