//! What keeps a node from writing, as readiness tells it.

use crate::clock::ClockWatch;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Why a process must end and start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The disk did not confirm a write.
    Disk,
    /// The log was restored under this node.
    Log,
}

impl Broken {
    /// Its name, as readiness tells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Log => "log",
        }
    }
}

/// What is wrong with the committer, if anything; read by readiness.
#[derive(Debug, Default)]
pub struct Health {
    /// The last batch could not reach the store.
    pub store_down: AtomicBool,
    /// The wall clock jumped.
    pub clock_off: AtomicBool,
    /// The disk did not confirm a write: the process must end.
    pub broken: AtomicBool,
    /// The log was restored under this node: the process must end.
    pub restored: AtomicBool,
    /// The committer has ended.
    pub stopped: AtomicBool,
    watch: Mutex<ClockWatch>,
}

impl Health {
    /// Why the process must end and start again, if it must.
    pub fn broken(&self) -> Option<Broken> {
        let disk = self.broken.load(Ordering::Acquire).then_some(Broken::Disk);
        disk.or_else(|| self.restored.load(Ordering::Acquire).then_some(Broken::Log))
    }

    /// Whether wall clock and monotonic clock agree, so that the node may write. Asked by each
    /// batch, and by readiness: a node without work must notice when its clocks agree again.
    pub fn clocks_agree(&self, now: LogTime, mono: Duration) -> bool {
        let mut watch = self.watch.lock();
        let agree = watch.check(now, mono);
        self.clock_off.store(!agree, Ordering::Release);
        agree
    }

    /// Whether the store's clock, read between two readings of the node's, lets it write. The
    /// second one is of both clocks.
    pub fn store_agrees(
        &self,
        theirs: LogTime,
        asked: LogTime,
        (told, mono): (LogTime, Duration),
    ) -> bool {
        let agree = self.watch.lock().compare(theirs, (asked, told), mono);
        if !agree {
            let ahead_ms = (told.micros() - theirs.micros()) / 1_000;
            tracing::warn!(ahead_ms, "this node's clock is off the store's");
            self.clock_off.store(true, Ordering::Release);
        }
        agree
    }
}
