//! Judging what becomes of the log's old part: bookkeeping about the floor.
//!
//! The floor rises only over a segment that begins at it, rows leave the database only below it,
//! and come back only where they join it; so whatever two archives do at once, every position has
//! its row in the database or in a segment. One such change a batch: the next is judged by the head
//! that this one leaves.

use super::{Judge, Stop};
use crate::chain::link;
use crate::commit::{KeepUp, Outcome};
use crate::port::{LogRow, Upkeep};

impl Judge<'_> {
    /// Whoever finds the floor elsewhere than it was read is told that another was quicker.
    pub(super) fn keep_up(&mut self, asked: &KeepUp) -> Result<Outcome, Stop> {
        if !self.writes.upkeep.is_empty() {
            return Err(Stop::Fenced);
        }
        let (was, floor) = (self.was, self.head().floor);
        let mut upkeep = Upkeep::default();
        let floor = match asked {
            KeepUp::Seal { seals, forget } => {
                if seals.iter().any(|seal| seal.position > was) {
                    return Err(Stop::Fenced);
                }
                upkeep.seals.clone_from(seals);
                upkeep.forget_seals.clone_from(forget);
                floor
            }
            KeepUp::Raise(segment) => {
                let joins = segment.first == floor && segment.last >= segment.first;
                // The newest row stays: what comes next points to it.
                if !joins || segment.last >= was {
                    return Err(Stop::Fenced);
                }
                upkeep.segments.push(segment.clone());
                segment.last + 1
            }
            KeepUp::TakeOut { first, last } => {
                if *last >= floor || last < first {
                    return Err(Stop::Fenced);
                }
                upkeep.taken_out = Some((*first, *last));
                floor
            }
            KeepUp::BringBack { rows, forget } => {
                let first = joined(rows, floor).ok_or(Stop::Fenced)?;
                upkeep.brought_back.clone_from(rows);
                upkeep.forget_segments.extend(forget);
                first
            }
        };
        self.writes.upkeep = upkeep;
        self.writes.head.floor = floor;
        Ok(self.nothing_told())
    }
}

/// The first position of rows that follow each other, by position and by hash, up to the floor.
fn joined(rows: &[LogRow], floor: u64) -> Option<u64> {
    let follows = |pair: &[LogRow]| {
        pair[0].position + 1 == pair[1].position
            && link(&pair[0].hash, &pair[1].text) == pair[1].hash
    };
    let ends = rows.last()?.position + 1 == floor;
    (ends && rows.windows(2).all(follows)).then(|| rows[0].position)
}
