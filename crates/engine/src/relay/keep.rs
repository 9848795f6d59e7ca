//! What the relay remembers of a subscription between turns.
//!
//! All of it may be lost: then events are posted again that had been delivered, or tried sooner.
//! The checkpoint alone says what need not be posted, and that is in the store.

use super::sign::Ring;
use evenkeel_rules::retry::Schedule;
use evenkeel_rules::subscription::TRIES;
use evenkeel_rules::time::{LogTime, Millis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where an event stands: position, and which of its events.
pub(super) type Spot = (u64, u32);

/// A stream in trouble while others pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble {
    /// Tries in a row.
    pub(super) tries: u32,
    /// Posts of its first event that were not accepted.
    pub(super) posts: u32,
    /// Doubtful answers that came while others were accepted.
    pub(super) doubts: u32,
    /// How often others had passed when it failed first.
    pub(super) since: u64,
    /// When it is tried again.
    pub(super) again: LogTime,
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Keep {
    /// The secrets, and the version of the subscription that they are of.
    pub(super) ring: Option<(u64, Arc<Ring>)>,
    /// The checkpoint that was seen last.
    pub(super) checkpoint: u64,
    /// Delivered beyond the checkpoint.
    pub(super) done: BTreeSet<Spot>,
    /// Delivered of parked streams that are caught up, and not noted yet.
    pub(super) told: BTreeSet<Spot>,
    /// Events that were delivered so far.
    pub(super) passes: u64,
    /// Streams in trouble.
    pub(super) troubles: BTreeMap<String, Trouble>,
    /// Whether the last turn caught a parked stream up: the next one does not.
    pub(super) caught: bool,
    /// The head at which nothing was to be done, and until when.
    pub(super) quiet: Option<(u64, LogTime)>,
}

impl Keep {
    /// Whether there is nothing to be done at a head and a moment.
    pub(super) fn is_quiet(&self, head: u64, now: LogTime) -> bool {
        self.quiet
            .is_some_and(|(at, until)| at == head && now < until)
    }

    /// Whether one stream alone is in trouble, and others have passed since: then it is not the
    /// subscriber that is.
    pub(super) fn is_alone(&self) -> bool {
        let mut all = self.troubles.values();
        match (all.next(), all.next()) {
            (Some(only), None) => self.passes > only.since,
            _ => false,
        }
    }

    /// Whether a stream waits before it is tried again.
    pub(super) fn waits(&self, stream: &str, now: LogTime) -> bool {
        self.troubles.get(stream).is_some_and(|it| it.again > now)
    }
}

/// The delay before the try after `tries` tries: the second half of it by chance.
pub(super) fn delay(tries: u32, random: u64) -> Millis {
    let Millis(bound) = TRIES.bound(tries);
    let half = Schedule {
        base: Millis(bound / 2),
        cap: Millis(bound / 2),
    };
    Millis(bound - bound / 2 + half.delay(1, random).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_a_second_to_a_minute_less_at_most_half() {
        for (tries, bound) in [
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (7, 60_000),
            (99, 60_000),
        ] {
            assert_eq!(delay(tries, 0), Millis(bound / 2), "{tries}");
            assert_eq!(delay(tries, u64::MAX), Millis(bound), "{tries}");
        }
    }
}
