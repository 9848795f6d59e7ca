//! Judging commands on holds.

use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Outcome, Timer};
use crate::port::{HoldRow, Rows, SkuRow, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{self, Asker, Change, Hold, Known, Rejection, State, Supply};
use evenkeel_rules::ids::{HoldId, SkuId};
use evenkeel_rules::stock::Move;
use std::collections::BTreeSet;

impl Judge<'_> {
    pub(super) fn place(&mut self, commit: &Commit, place: &hold::Place) -> Result<Outcome, Stop> {
        let taken = self.hold(&place.id)?.is_some();
        let asked = hold::place(place, taken, &self.supply(place, &[])?, self.now);
        let (pulled, (placed, moves)) = match asked {
            Ok(decided) => (Vec::new(), decided),
            Err(Rejection::SoldOut { .. }) => self.pull_and_place(place)?,
            Err(rejection) => return Err(rejection.into()),
        };

        let position = self.next_position();
        let mut drafts = Vec::with_capacity(pulled.len() + 1);
        let mut all_moves = Vec::with_capacity(moves.len() + pulled.len());
        let mut rows = Vec::with_capacity(pulled.len() + 1);
        for row in pulled {
            let (after, freed) = hold::expire(Some(&row.hold), self.now)
                .map_err(|no| Stop::Corrupt(format!("an overdue hold did not expire: {no}")))?;
            all_moves.extend(freed);
            let was = Some(row.version);
            rows.push(self.draft(&mut drafts, row, after, (Kind::Expired, was)));
        }
        all_moves.extend(moves);
        let row = HoldRow {
            created: position,
            last: 0,
            version: 0,
            hold: placed.clone(),
        };
        rows.push(self.draft(&mut drafts, row, placed, (Kind::Held, None)));
        self.accept(commit, &drafts, &all_moves)?;
        for ((row, was), draft) in rows.iter().zip(drafts) {
            self.write_hold(row, draft.data, *was);
            self.tell_gate(&row.hold, was.is_none());
        }
        let (row, _) = rows.pop().expect("the placed hold is the last row");
        self.writes.timers.push(Timer {
            due: row.hold.deadline,
            created: position,
        });
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Hold(row),
        })
    }

    /// What the ledger says about each line; `pulled` holds count as ended.
    fn supply(&self, place: &hold::Place, pulled: &[&Hold]) -> Result<Vec<Supply<'_>>, Stop> {
        let mut supply = Vec::with_capacity(place.lines.len());
        for line in &place.lines {
            let terms = self.listed(&line.sku)?.map(|row| &row.sku.terms);
            let at = (line.sku.clone(), line.location.clone());
            let stands = match terms {
                Some(_) => self
                    .balances(&at)?
                    .map_or(0, |balances| balances.available()),
                None => 0,
            };
            let freed = pulled.iter().flat_map(|hold| &hold.lines);
            let here = freed.filter(|held| held.sku == line.sku && held.location == line.location);
            let available = here.fold(stands, |sum, held| sum.saturating_add(held.quantity.get()));
            supply.push(Supply { terms, available });
        }
        Ok(supply)
    }

    /// Ends overdue holds of the short SKUs for the sake of this place, if that is enough.
    fn pull_and_place(
        &mut self,
        place: &hold::Place,
    ) -> Result<(Vec<HoldRow>, (Hold, Vec<Move>)), Stop> {
        let Some(front) = &self.front else {
            let touch = Touch {
                front: Some(self.now),
                ..Touch::default()
            };
            return Err(Stop::Widen(Box::new(touch)));
        };
        let rows = front
            .iter()
            .filter_map(|id| self.view.holds.get(id)?.as_ref());
        let overdue: Vec<&HoldRow> = rows.filter(|row| row.hold.is_overdue(self.now)).collect();
        let holds: Vec<&Hold> = overdue.iter().map(|row| &row.hold).collect();
        let mut chosen: Vec<usize> = Vec::new();
        for (number, line) in place.lines.iter().enumerate() {
            let pulled: Vec<&Hold> = chosen.iter().map(|&index| holds[index]).collect();
            let available = self.supply(place, &pulled)?[number].available;
            let rest: Vec<usize> = (0..holds.len())
                .filter(|index| !chosen.contains(index))
                .collect();
            let front: Vec<&Hold> = rest.iter().map(|&index| holds[index]).collect();
            let more = hold::pull(line, available, &front, self.now);
            chosen.extend(more.into_iter().map(|index| rest[index]));
            if chosen.len() > hold::PULL_MAX {
                chosen.truncate(hold::PULL_MAX);
            }
        }
        let pulled: Vec<&Hold> = chosen.iter().map(|&index| holds[index]).collect();
        let decided = hold::place(place, false, &self.supply(place, &pulled)?, self.now);
        let pulled: Vec<HoldRow> = chosen.iter().map(|&index| overdue[index].clone()).collect();
        match decided {
            Ok(decided) => Ok((pulled, decided)),
            Err(rejection) => {
                // The gate may believe a no only where nothing overdue is left: a smaller place
                // could still pull what was too little for this one.
                let held = overdue.iter().flat_map(|row| &row.hold.lines);
                let due: BTreeSet<_> = held.map(|line| (&line.sku, &line.location)).collect();
                let lines = place.lines.iter();
                let clean = lines.filter(|line| !due.contains(&(&line.sku, &line.location)));
                let places: Vec<_> = clean
                    .map(|line| (line.sku.clone(), line.location.clone()))
                    .collect();
                self.news.searched.extend(places);
                Err(rejection.into())
            }
        }
    }

    pub(super) fn change_hold(&mut self, commit: &Commit, id: &HoldId) -> Result<Outcome, Stop> {
        let row = self.hold(id)?.cloned();
        let known = row.as_ref().map(|row| Known {
            hold: &row.hold,
            version: row.version,
        });
        let asker = Asker {
            customer: commit.owner.as_ref(),
            expected: commit.expected,
        };
        let (kind, change) = match &commit.command {
            Command::Confirm { lines, .. } => (
                Kind::Confirmed,
                hold::confirm(known, asker, lines.as_deref(), self.now)?,
            ),
            Command::Release { .. } => (Kind::Released, hold::release(known, asker, self.now)?),
            Command::Extend { ttl, .. } => {
                let span = (*ttl, self.context.max_life);
                let after = hold::extend(known, asker, span, self.now)?;
                (Kind::Extended, Change::Changed(after, Vec::new()))
            }
            other => unreachable!("{} does not change a hold", other.name()),
        };
        let row = row.expect("a rule accepts only a hold that exists");
        match change {
            Change::Unchanged => {
                let position = self.head().position;
                Ok(Outcome::Unchanged {
                    position,
                    effect: Effect::Hold(row),
                })
            }
            Change::Changed(after, moves) => self.write_change(commit, row, after, (kind, moves)),
        }
    }

    pub(super) fn expire(&mut self, commit: &Commit, id: &HoldId) -> Result<Outcome, Stop> {
        let row = self.hold(id)?.cloned();
        let (after, moves) = hold::expire(row.as_ref().map(|row| &row.hold), self.now)?;
        let row = row.expect("a rule accepts only a hold that exists");
        self.write_change(commit, row, after, (Kind::Expired, moves))
    }

    fn write_change(
        &mut self,
        commit: &Commit,
        row: HoldRow,
        after: Hold,
        (kind, moves): (Kind, Vec<Move>),
    ) -> Result<Outcome, Stop> {
        let before = row.hold.clone();
        let was = Some(row.version);
        let mut drafts = Vec::with_capacity(1);
        let (row, was) = self.draft(&mut drafts, row, after, (kind, was));
        let position = self.accept(commit, &drafts, &moves)?;
        let data = drafts.pop().expect("one event was drafted").data;
        self.write_hold(&row, data, was);
        self.tell_gate(&before, false);
        if row.hold.state == State::Held {
            self.tell_gate(&row.hold, true);
            self.writes.timers.push(Timer {
                due: row.hold.deadline,
                created: row.created,
            });
        }
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Hold(row),
        })
    }

    /// Drafts a hold's next event; the row as it stands after it, and the version before it.
    fn draft(
        &self,
        drafts: &mut Vec<Draft>,
        row: HoldRow,
        after: Hold,
        (kind, was): (Kind, Option<u64>),
    ) -> (HoldRow, Option<u64>) {
        let version = row.version + 1;
        let data = serde_json::to_vec(&after).expect("a hold is plain JSON");
        let id = after.id.to_string();
        drafts.push(Draft {
            kind,
            id,
            version,
            previous: row.last,
            data,
        });
        let last = self.next_position();
        (
            HoldRow {
                last,
                version,
                hold: after,
                ..row
            },
            was,
        )
    }

    /// Notes for the gate that a deadline was set, or counts no more.
    fn tell_gate(&mut self, hold: &Hold, set: bool) {
        let list = if set {
            &mut self.news.placed
        } else {
            &mut self.news.ended
        };
        for line in &hold.lines {
            list.push(((line.sku.clone(), line.location.clone()), hold.deadline));
        }
    }

    pub(super) fn listed(&self, sku: &SkuId) -> Result<Option<&SkuRow>, Stop> {
        let rows = || Rows {
            skus: vec![sku.clone()],
            ..Rows::default()
        };
        let widen = || {
            Stop::Widen(Box::new(Touch {
                rows: rows(),
                ..Touch::default()
            }))
        };
        self.ledger
            .skus
            .get(sku)
            .map(Option::as_ref)
            .ok_or_else(widen)
    }
}
