//! The lives of one log: which incarnation a position was written in.
//!
//! Who restores a backup goes back to an earlier position, and what follows there is another
//! future than the one that was lost. The incarnation tells the two apart: it rises with every
//! restore, and the head says where each one before it ended. So what was written before the copy
//! keeps its name, a position of the lost future is known as one, and an event's id stays the same
//! however often it is told.

use crate::port::Head;
use crate::token::Position;
use evenkeel_rules::time::LogTime;
use serde::{Deserialize, Serialize};

/// An incarnation that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub incarnation: u32,
    /// Its last position that is still there.
    pub last: u64,
}

/// A log's name and its incarnations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    log: String,
    incarnation: u32,
    ended: Vec<Ended>,
}

impl Lineage {
    /// What a head says.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        Self {
            log: head.log.clone(),
            incarnation: head.incarnation,
            ended: head.ended.clone(),
        }
    }

    /// The present incarnation.
    #[must_use]
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// A position as the present incarnation names it: what readers are told.
    #[must_use]
    pub fn position(&self, position: u64) -> Position {
        Position {
            log: self.log.clone(),
            incarnation: self.incarnation,
            position,
        }
    }

    /// A position as it was named when it was written: what an event's id says.
    #[must_use]
    pub fn written(&self, position: u64) -> Position {
        let ended = self.ended.iter().find(|ended| position <= ended.last);
        Position {
            incarnation: ended.map_or(self.incarnation, |ended| ended.incarnation),
            ..self.position(position)
        }
    }

    /// Whether a position is one of this log: of the present incarnation, or of the part of an
    /// earlier one that was not lost.
    #[must_use]
    pub fn knows(&self, position: &Position) -> bool {
        let Position {
            log,
            incarnation,
            position,
        } = position;
        let upto = self.upto((log, *incarnation));
        upto.is_some_and(|upto| *position <= upto)
    }

    /// The last position that a log's incarnation is known to have: any at all for the present one
    /// of this log. Nothing for a log or an incarnation that this one never was.
    #[must_use]
    pub fn upto(&self, (log, incarnation): (&str, u32)) -> Option<u64> {
        if log != self.log {
            return None;
        }
        if incarnation == self.incarnation {
            return Some(u64::MAX);
        }
        let mut ended = self.ended.iter();
        let ended = ended.find(|ended| ended.incarnation == incarnation)?;
        Some(ended.last)
    }
}

/// The incarnation that follows when a backup is restored. It is the second at which that was done,
/// so that the same backup restored twice does not make the same name for two futures.
#[must_use]
pub fn next(incarnation: u32, now: LogTime) -> u32 {
    let seconds = u32::try_from(now.micros() / 1_000_000).unwrap_or(0);
    seconds.max(incarnation.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        let ended = |incarnation, last| Ended { incarnation, last };
        Lineage {
            log: "main".to_owned(),
            incarnation: 9,
            // The second future was lost whole.
            ended: vec![ended(1, 15), ended(4, 15), ended(6, 20)],
        }
    }

    fn named(text: &str) -> Position {
        text.parse().expect("a position")
    }

    #[test]
    fn a_position_keeps_the_name_that_it_was_written_under() {
        let lineage = lineage();
        for (position, written) in [
            (1, "main.1:1"),
            (15, "main.1:15"),
            (16, "main.6:16"),
            (20, "main.6:20"),
            (21, "main.9:21"),
        ] {
            assert_eq!(lineage.written(position), named(written));
            assert!(lineage.knows(&lineage.written(position)));
        }
        assert_eq!(lineage.position(3), named("main.9:3"));
    }

    #[test]
    fn what_was_lost_is_not_known_and_what_was_not_is() {
        let lineage = lineage();
        for known in [
            "main.1:15",
            "main.4:15",
            "main.6:20",
            "main.9:3",
            "main.9:99",
        ] {
            assert!(lineage.knows(&named(known)), "{known}");
        }
        for lost in [
            "main.1:16",
            "main.4:16",
            "main.6:21",
            "main.2:1",
            "main.10:1",
            "other.9:3",
        ] {
            assert!(!lineage.knows(&named(lost)), "{lost}");
        }
    }

    #[test]
    fn the_same_backup_restored_twice_makes_two_names() {
        let second = |second: i64| LogTime::from_micros(second * 1_000_000 + 7);
        assert_eq!(next(1, second(1_800_000_000)), 1_800_000_000);
        assert_eq!(next(1, second(1_800_000_060)), 1_800_000_060);
        assert_eq!(next(1_800_000_000, second(1_800_000_000)), 1_800_000_001);
        assert_eq!(next(1, second(0)), 2, "a clock that tells nothing");
        assert_eq!(next(1, second(-5)), 2);
        assert_eq!(next(1, second(5_000_000_000)), 2, "beyond what fits");
    }
}
