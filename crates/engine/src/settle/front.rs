//! The overdue front: holds whose deadline has passed, and what a place that is short takes of it.
//!
//! Nobody waits for the sweep: a place that finds too few units ends due holds of its SKUs in its
//! own commit, and is refused only when the front was searched. Its first entries are read at
//! first, and all of it only for a place that they do not help.

use super::allocation::places;
use super::{Judge, Stop};
use crate::commit::Commit;
use crate::port::{FRONT_NEAR, HoldRow, Touch, View};
use evenkeel_rules::hold::{self, Hold, Wanted};
use evenkeel_rules::ids::HoldId;
use std::collections::BTreeSet;

/// What was read of it.
#[derive(Debug)]
pub(super) struct Front {
    holds: Vec<HoldId>,
    /// Whether there may be more of it.
    is_cut: bool,
}

impl Front {
    /// Takes it out of a batch's view, whose holds then have it.
    pub(super) fn of(view: &mut View, commits: &[&Commit]) -> Option<Self> {
        let mut rows = view.front.take()?;
        let whole = commits.iter().any(|commit| commit.touch.whole_front);
        let is_cut = !whole && rows.len() >= FRONT_NEAR;
        // A hold that an adapter names twice must not be ended, and its units counted, twice.
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        rows.retain(|row| seen.insert(row.created));
        let holds = rows.iter().map(|row| row.hold.id.clone()).collect();
        for row in rows {
            view.holds.entry(row.hold.id.clone()).or_insert(Some(row));
        }
        Some(Self { holds, is_cut })
    }
}

impl Judge<'_> {
    /// Asks for the front, and for all of it if its first entries did not help.
    fn wider(&self, whole_front: bool) -> Stop {
        Stop::Widen(Box::new(Touch {
            front: Some(self.now),
            whole_front,
            ..Touch::default()
        }))
    }

    fn overdue(&self) -> Result<Vec<&HoldRow>, Stop> {
        let Some(front) = &self.front else {
            return Err(self.wider(false));
        };
        let rows = front
            .holds
            .iter()
            .filter_map(|id| self.view.holds.get(id)?.as_ref());
        Ok(rows.filter(|row| row.hold.is_overdue(self.now)).collect())
    }

    /// Overdue holds of the short SKUs whose end would be enough for these lines.
    pub(super) fn pull(&self, lines: &[Wanted], own: &[&Hold]) -> Result<Vec<HoldRow>, Stop> {
        let overdue = self.overdue()?;
        let holds: Vec<&Hold> = overdue.iter().map(|row| &row.hold).collect();
        let mut chosen: Vec<usize> = Vec::new();
        // Lines that say where their units are come first: the others take what those leave.
        let (open, named): (Vec<&Wanted>, Vec<&Wanted>) =
            lines.iter().partition(|line| line.is_anywhere());
        for line in named.iter().chain(&open).copied() {
            let pulled = chosen.iter().map(|&index| holds[index]);
            let pulled: Vec<&Hold> = own.iter().copied().chain(pulled).collect();
            let places = self.locations(line);
            let mut available = 0_u64;
            for location in &places {
                let units = self.units_at((&line.sku, location), &pulled)?;
                available = available.saturating_add(units);
            }
            if line.is_anywhere() {
                let there = |it: &&&Wanted| it.sku == line.sku && places.contains(&it.location);
                let taken = named.iter().filter(there).map(|it| it.quantity.get());
                available = taken.fold(available, u64::saturating_sub);
            }
            let rest: Vec<usize> = (0..holds.len())
                .filter(|index| !chosen.contains(index))
                .filter(|index| own.iter().all(|own| own.id != holds[*index].id))
                .collect();
            let front: Vec<&Hold> = rest.iter().map(|&index| holds[index]).collect();
            let more = hold::pull(line, (&places, available), &front, self.now);
            chosen.extend(more.into_iter().map(|index| rest[index]));
            if chosen.len() > hold::PULL_MAX {
                chosen.truncate(hold::PULL_MAX);
            }
        }
        Ok(chosen.iter().map(|&index| overdue[index].clone()).collect())
    }

    /// Notes that the front was searched for lines that found too few, once all of it was. The
    /// gate may believe a no only where nothing overdue is left: a smaller place could still pull
    /// what was too little for this one.
    pub(super) fn searched(&mut self, lines: &[Wanted]) -> Result<(), Stop> {
        if self.front.as_ref().is_some_and(|front| front.is_cut) {
            return Err(self.wider(true));
        }
        let overdue = self.overdue()?;
        let held = overdue.iter().flat_map(|row| &row.hold.lines);
        let due: BTreeSet<_> = held.map(|line| (&line.sku, &line.location)).collect();
        let mut clean = places(lines, self.context.allocation);
        clean.retain(|(sku, location)| !due.contains(&(sku, location)));
        self.news.searched.extend(clean);
        Ok(())
    }
}
