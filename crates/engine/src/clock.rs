//! The real clock and the real dice, and the watch over the clock.
//!
//! [`SystemClock`] and [`SystemIds`] are the one home of wall time, monotonic time, sleeping and
//! randomness. [`ClockWatch`] compares the wall clock with the monotonic one: a jump of more than
//! five seconds makes the node write nothing until the clocks agree again for ten seconds (or the
//! process is restarted), so that no hold lives shorter than promised because somebody set a clock.
//! Where the store has a clock too, nodes that share it are compared with that: one that is off by
//! more than half a second writes nothing either, however steadily it goes.

use crate::port::{Clock, Ids};
use async_trait::async_trait;
use evenkeel_rules::time::LogTime;
use std::time::{Duration, Instant, SystemTime};

/// Largest disagreement of wall clock and monotonic clock that is borne.
pub const JUMP_MAX: Duration = Duration::from_secs(5);
/// How far the clock of a store that has one may be from this node's.
pub const APART_MAX: Duration = Duration::from_millis(500);
/// How long the clocks must agree again before the node writes.
pub const AGREE_FOR: Duration = Duration::from_secs(10);

/// How far a store's clock is from this node's, `asked` before and `told` after it was read.
#[must_use]
pub fn apart(theirs: LogTime, (asked, told): (LogTime, LogTime)) -> Duration {
    let apart = (asked.micros() - theirs.micros()).max(theirs.micros() - told.micros());
    Duration::from_micros(u64::try_from(apart).unwrap_or(0))
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The clocks, with the monotonic one counting from now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the monotonic clock"
    )]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    fn now(&self) -> LogTime {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        LogTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn mono(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of sleeping")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one home of randomness")]
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        bytes
    }
}

/// Compares the wall clock with the monotonic one.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// Wall time less monotonic time, in microseconds, when they last agreed.
    offset: Option<i64>,
    /// Monotonic time since which they agree again after a jump.
    agree_since: Option<Duration>,
    jumped: bool,
}

impl ClockWatch {
    /// Looks at both clocks; whether the node may write.
    pub fn check(&mut self, now: LogTime, mono: Duration) -> bool {
        let mono_micros = i64::try_from(mono.as_micros()).unwrap_or(i64::MAX);
        let offset = now.micros().saturating_sub(mono_micros);
        let before = *self.offset.get_or_insert(offset);
        let agree = u128::from(offset.abs_diff(before)) <= JUMP_MAX.as_micros();
        if agree && !self.jumped {
            self.offset = Some(offset);
            return true;
        }
        if !agree {
            (self.jumped, self.agree_since) = (true, None);
            return false;
        }
        let since = *self.agree_since.get_or_insert(mono);
        if mono.saturating_sub(since) >= AGREE_FOR {
            (self.jumped, self.agree_since) = (false, None);
        }
        !self.jumped
    }

    /// Compares this node's clock, `asked` before and `told` after it was read, with the store's;
    /// whether the node may write. From a store that says otherwise the node learns what its clock
    /// has to come back to.
    pub fn compare(
        &mut self,
        theirs: LogTime,
        (asked, told): (LogTime, LogTime),
        mono: Duration,
    ) -> bool {
        if apart(theirs, (asked, told)) <= APART_MAX {
            return true;
        }
        let mono_micros = i64::try_from(mono.as_micros()).unwrap_or(i64::MAX);
        self.offset = Some(theirs.micros().saturating_sub(mono_micros));
        (self.jumped, self.agree_since) = (true, None);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(watch: &mut ClockWatch, wall_s: i64, mono_s: u64) -> bool {
        watch.check(
            LogTime::from_micros(wall_s * 1_000_000),
            Duration::from_secs(mono_s),
        )
    }

    #[test]
    fn a_jump_stops_writing_until_the_clocks_agree_for_ten_seconds() {
        let mut watch = ClockWatch::default();
        assert!(at(&mut watch, 1_000, 0));
        assert!(at(&mut watch, 1_014, 10), "four seconds of drift are borne");
        assert!(!at(&mut watch, 1_034, 20), "a jump of ten is not");
        assert!(
            !at(&mut watch, 1_035, 31),
            "they agree again, but not for long"
        );
        assert!(!at(&mut watch, 1_044, 40));
        assert!(at(&mut watch, 1_045, 41));
    }

    #[test]
    fn a_clock_that_is_off_the_stores_has_to_come_back_to_it() {
        let mut watch = ClockWatch::default();
        let time = |wall_ms: i64| LogTime::from_micros(wall_ms * 1_000);
        let apart = |watch: &mut ClockWatch, ours: i64, theirs: i64| {
            let (asked, told) = (time(ours), time(ours + 100));
            watch.compare(time(theirs), (asked, told), Duration::from_secs(1))
        };
        for theirs in [9_500, 10_050, 10_600] {
            assert!(apart(&mut watch, 10_000, theirs), "{theirs}");
        }
        assert!(!apart(&mut watch, 10_000, 10_601), "it is behind");
        assert!(!apart(&mut watch, 10_000, 9_499), "it is ahead");

        let mut watch = ClockWatch::default();
        assert!(at(&mut watch, 5_000, 1), "its own clocks agree");
        assert!(!apart(&mut watch, 5_000_000, 1_000_000));
        assert!(!at(&mut watch, 5_001, 2), "as steadily as before");
        assert!(!at(&mut watch, 5_020, 21), "and however long");
        assert!(!at(&mut watch, 1_021, 22), "it was set right a moment ago");
        assert!(at(&mut watch, 1_031, 32));
    }

    #[test]
    fn a_second_jump_begins_the_wait_anew() {
        let mut watch = ClockWatch::default();
        assert!(at(&mut watch, 1_000, 0));
        assert!(!at(&mut watch, 900, 1));
        assert!(!at(&mut watch, 1_002, 2));
        assert!(!at(&mut watch, 900, 3));
        assert!(!at(&mut watch, 1_012, 12));
        assert!(at(&mut watch, 1_022, 22));
    }
}
