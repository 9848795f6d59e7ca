//! How fast a subscriber is told of what it has missed while clients work.
//!
//! Who waits for an answer goes first. A subscriber that is a million events behind would keep all
//! processors busy, and everybody's commands would wait for one; so while clients ask for anything,
//! posts are begun a few at a time, at a rate that all turns share, and in between the processors
//! are anybody's. With nobody asking there is no bound. It delays posts and never reorders or drops
//! one; the lease is looked at after the wait.

use crate::port::Clock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Posts that begin together.
const BURST: u32 = 8;
/// How long the next ones wait; the rate is [`BURST`] by this: 8,000 a second.
const SLICE: Duration = Duration::from_millis(1);

/// The pace of one turn.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the turn began, and how long each slice of it is; nothing without a bound.
    slices: Option<(Duration, Duration)>,
    begun: AtomicU32,
}

impl Pace {
    /// No bound.
    pub(super) const fn free() -> Self {
        Self {
            slices: None,
            begun: AtomicU32::new(0),
        }
    }

    /// The pace of a turn that begins now, one of so many.
    pub(super) fn shared(mono: Duration, turns: usize) -> Self {
        let turns = u32::try_from(turns.max(1)).unwrap_or(u32::MAX);
        Self {
            slices: Some((mono, SLICE.saturating_mul(turns))),
            begun: AtomicU32::new(0),
        }
    }

    /// When the next post may begin; nothing if at once.
    fn next(&self) -> Option<Duration> {
        let (begin, slice) = self.slices?;
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        Some(begin + slice.saturating_mul(before / BURST))
    }

    /// Waits until the next post may begin.
    pub(super) async fn wait(&self, clock: &dyn Clock) {
        let Some(next) = self.next() else { return };
        let left = next.saturating_sub(clock.mono());
        if !left.is_zero() {
            clock.sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_of_all_turns_together_keep_to_one_rate() {
        let begin = Duration::from_secs(7);
        let pace = Pace::shared(begin, 3);
        let nexts: Vec<_> = (0..=2 * BURST).filter_map(|_| pace.next()).collect();
        let burst = BURST as usize;
        assert!(nexts[..burst].iter().all(|next| *next == begin));
        assert!(
            nexts[burst..2 * burst]
                .iter()
                .all(|next| *next == begin + SLICE * 3)
        );
        assert_eq!(nexts[2 * burst], begin + SLICE * 6);
        assert_eq!(Pace::free().next(), None);
    }
}
