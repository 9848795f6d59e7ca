//! How fast the lanes are worked off, measured while there is more than fits a batch.
//!
//! A batch that leaves nothing behind says little of how long a queue would take, so what makes a
//! wait longer is learnt only from those that left commits waiting. That it became shorter is
//! learnt from every batch: who is refused for an old estimate leaves no queue that could correct
//! it. What fits the next batch never waits, however slow the disk is: an estimate can refuse what
//! is too much, and never all there is.
//!
//! It reads no clock: who writes batches says how long they took.

use super::BATCH_MAX;
use std::time::Duration;

/// What the last batches tell.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long a batch takes while others wait; zero until one was seen.
    batch: Duration,
    /// How much of it each lane has.
    each: [usize; 3],
    /// What the batch on its way has of each lane, and which lanes it left waiting.
    last: ([usize; 3], [bool; 3]),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch: Duration::ZERO,
            each: [BATCH_MAX; 3],
            last: ([0; 3], [false; 3]),
        }
    }
}

impl Pace {
    /// A batch was taken: so much of each lane; these lanes have more.
    pub(super) const fn taken(&mut self, counts: [usize; 3], left: [bool; 3]) {
        self.last = (counts, left);
    }

    /// So much more of a lane was taken into that batch; who came after it was taken and did not
    /// join it was not left behind.
    pub(super) const fn took_more(&mut self, place: usize, count: usize, left: bool) {
        self.last.0[place] += count;
        self.last.1[place] &= left;
    }

    /// That batch took so long.
    pub(super) fn took(&mut self, took: Duration) {
        let (counts, left) = std::mem::take(&mut self.last);
        for place in 0..3 {
            self.each[place] = if left[place] {
                (self.each[place] + counts[place]).div_ceil(2).max(1)
            } else {
                // Who is admitted by a small share only could never fill a larger one.
                let seen = self.each[place].max(counts[place]);
                seen + BATCH_MAX.saturating_sub(seen).div_ceil(16)
            };
        }
        let waited = left.contains(&true);
        if waited && self.batch.is_zero() {
            self.batch = took;
        } else if waited || took < self.batch {
            // Quick to see that a disk became slow, and no slower to see that it is well again.
            self.batch = (self.batch * 3 + took) / 4;
        }
    }

    /// How long a commit waits behind so many of its lane, its own batch not counted.
    pub(super) fn wait(&self, place: usize, before: usize) -> Duration {
        let batches = before / self.each[place];
        self.batch * u32::try_from(batches).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn batch(pace: &mut Pace, counts: [usize; 3], left: [bool; 3], took: Duration) {
        pace.taken(counts, left);
        pace.took(took);
    }

    #[test]
    fn who_waits_waits_for_the_batches_before_his_own() {
        let mut pace = Pace::default();
        batch(&mut pace, [0, BATCH_MAX, 0], [false, true, false], SECOND);
        let waits = |before| pace.wait(1, before).as_secs();
        assert_eq!(
            [0, BATCH_MAX - 1, BATCH_MAX, 5 * BATCH_MAX + 1].map(waits),
            [0, 0, 1, 5]
        );
    }

    #[test]
    fn a_batch_that_leaves_nothing_behind_says_nothing_of_queues() {
        let mut pace = Pace::default();
        batch(&mut pace, [3, 4, 5], [false; 3], SECOND);
        assert_eq!(pace.wait(1, 100 * BATCH_MAX), Duration::ZERO);
    }

    #[test]
    fn who_came_later_and_does_not_join_a_batch_was_not_left_behind() {
        let mut pace = Pace::default();
        for _ in 0..16 {
            pace.taken([0, 3, 0], [false; 3]);
            pace.took_more(1, 4, true);
            pace.took(SECOND);
        }
        assert_eq!(pace.wait(1, BATCH_MAX - 1), Duration::ZERO, "{pace:?}");
        // Left behind, until all of it joined.
        pace.taken([0, BATCH_MAX - 9, 0], [false, true, false]);
        pace.took_more(1, 9, true);
        assert_eq!(pace.last, ([0, BATCH_MAX, 0], [false, true, false]));
        pace.took_more(1, 0, false);
        assert_eq!(pace.last.1, [false; 3]);
    }

    #[test]
    fn a_lane_that_gets_little_of_each_batch_waits_longer() {
        let mut pace = Pace::default();
        for _ in 0..16 {
            let counts = [BATCH_MAX - 128, 128, 0];
            batch(&mut pace, counts, [true, true, false], SECOND);
        }
        assert!(pace.wait(1, 1_024) >= SECOND * 7, "{pace:?}");
        assert!(pace.wait(0, 1_024) <= SECOND * 2, "{pace:?}");
        // It is worked off in one go: it has a whole batch again.
        batch(&mut pace, [0, BATCH_MAX, 0], [false; 3], SECOND);
        assert_eq!(pace.wait(1, BATCH_MAX - 1), Duration::ZERO);
    }

    #[test]
    fn what_was_slow_once_is_forgotten_though_nothing_waits_any_more() {
        let mut pace = Pace::default();
        for _ in 0..16 {
            let counts = [BATCH_MAX - 128, 128, 0];
            batch(&mut pace, counts, [true, true, false], SECOND * 30);
        }
        assert!(pace.wait(1, 512) > SECOND * 30, "{pace:?}");
        for _ in 0..40 {
            batch(&mut pace, [0, 3, 0], [false; 3], SECOND / 500);
        }
        assert!(pace.wait(1, 10 * BATCH_MAX) < SECOND, "{pace:?}");
        for _ in 0..160 {
            batch(&mut pace, [0, 3, 0], [false; 3], SECOND / 500);
        }
        assert_eq!(pace.wait(1, BATCH_MAX - 1), Duration::ZERO, "{pace:?}");
    }

    #[test]
    fn a_disk_that_became_slow_is_seen_within_a_few_batches() {
        let mut pace = Pace::default();
        let full = [0, BATCH_MAX, 0];
        batch(&mut pace, full, [false, true, false], SECOND / 100);
        for _ in 0..8 {
            batch(&mut pace, full, [false, true, false], SECOND);
        }
        assert!(pace.wait(1, BATCH_MAX) > SECOND * 8 / 10, "{pace:?}");
    }
}
