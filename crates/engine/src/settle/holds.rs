//! Judging commands on holds.

use super::units::Facts;
use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Outcome, Timer};
use crate::port::{HoldRow, Rows, SkuRow, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{self, Asker, Change, Hold, Known, Rejection, State, Supply, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, SkuId};
use evenkeel_rules::stock::Move;
use evenkeel_rules::time::LogTime;

/// A hold's row as it will stand, and the version that it has now.
pub(super) type Drafted = (HoldRow, Option<u64>);

fn is_sold_out(rejection: &crate::commit::Rejection) -> bool {
    matches!(
        rejection,
        crate::commit::Rejection::Hold(Rejection::SoldOut { .. })
    )
}

/// Confirms a hold, lines that name no location selling its own lines of their SKU in order.
fn confirm(
    known: Option<Known<'_>>,
    asker: Asker<'_>,
    lines: Option<&[Wanted]>,
    now: LogTime,
) -> Result<Change, Rejection> {
    let open = lines.filter(|lines| lines.iter().any(Wanted::is_anywhere));
    let located = open.zip(known).map(|(lines, it)| it.hold.allocate(lines));
    let said = hold::confirm(known, asker, located.as_deref().or(lines), now);
    said.map_err(|rejection| match (rejection, &located, lines) {
        (Rejection::MoreThanHeld { line }, Some(located), Some(lines)) => {
            // The line as the request counts it.
            let of_sku = |it: &Wanted| it.sku == located[line].sku;
            let line = lines.iter().position(of_sku).unwrap_or_default();
            Rejection::MoreThanHeld { line }
        }
        (rejection, ..) => rejection,
    })
}

impl Judge<'_> {
    pub(super) fn place(&mut self, commit: &Commit, place: &hold::Place) -> Result<Outcome, Stop> {
        let taken = self.hold(&place.id)?.is_some();
        let now = self.now;
        let rule = |lines: Option<&[Wanted]>, supply: &[Supply<'_>]| {
            let located = lines.map(|lines| hold::Place {
                lines: lines.to_vec(),
                ..place.clone()
            });
            hold::place(located.as_ref().unwrap_or(place), taken, supply, now)
        };
        let who = Some(&place.customer);
        let (pulled, (placed, moves)) = self.decide((&place.lines, who), rule)?;

        let position = self.next_position();
        let mut facts = Facts {
            moves,
            ..Facts::default()
        };
        self.expire_pulled(pulled, &mut facts)?;
        let placed = self.draft_new(&mut facts.drafts, placed);
        facts.holds.push(placed);
        self.accept_facts(commit.key.as_ref(), commit, &facts)?;
        self.write_holds(&facts.holds, facts.drafts);
        let (row, _) = facts.holds.pop().expect("the placed hold is the last row");
        self.writes.timers.push(Timer {
            due: row.hold.deadline,
            created: position,
        });
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Hold(row),
        })
    }

    /// Asks a rule that needs units, and once more after overdue holds were ended for its sake if
    /// it found too few. The rule is given the lines as they were allocated, if some of them left
    /// their location open. Its answer, and the holds that it takes to end.
    pub(super) fn decide<T, R: Into<crate::commit::Rejection>>(
        &mut self,
        wanted: (&[Wanted], Option<&CustomerId>),
        rule: impl Fn(Option<&[Wanted]>, &[Supply<'_>]) -> Result<T, R>,
    ) -> Result<(Vec<HoldRow>, T), Stop> {
        self.decide_with(wanted, None, rule)
    }

    /// The same where a hold gives its units to the very lines that are asked for.
    pub(super) fn decide_with<T, R: Into<crate::commit::Rejection>>(
        &mut self,
        (lines, customer): (&[Wanted], Option<&CustomerId>),
        own: Option<&Hold>,
        rule: impl Fn(Option<&[Wanted]>, &[Supply<'_>]) -> Result<T, R>,
    ) -> Result<(Vec<HoldRow>, T), Stop> {
        let own: Vec<&Hold> = own.into_iter().collect();
        let said = match self.asked((lines, customer), &own, &rule)? {
            Ok(decided) => return Ok((Vec::new(), decided)),
            Err(rejection) => rejection.into(),
        };
        if !is_sold_out(&said) {
            return Err(Stop::Refused(said));
        }
        let pulled = self.pull(lines, &own)?;
        let freed = pulled.iter().map(|row| &row.hold);
        let holds: Vec<&Hold> = own.into_iter().chain(freed).collect();
        match self.asked((lines, customer), &holds, &rule)? {
            Ok(decided) => Ok((pulled, decided)),
            Err(rejection) => {
                self.searched(lines)?;
                Err(Stop::Refused(rejection.into()))
            }
        }
    }

    /// Allocates the lines and asks the rule, the units of `freed` holds counting as available.
    fn asked<T, R>(
        &self,
        (lines, customer): (&[Wanted], Option<&CustomerId>),
        freed: &[&Hold],
        rule: &impl Fn(Option<&[Wanted]>, &[Supply<'_>]) -> Result<T, R>,
    ) -> Result<Result<T, R>, Stop> {
        let located = self.allocated(lines, freed)?;
        let all = located.as_deref().unwrap_or(lines);
        let supply = self.supply((all, customer), freed)?;
        Ok(rule(located.as_deref(), &supply))
    }

    /// Drafts the expiry of pulled holds, their moves before all others.
    pub(super) fn expire_pulled(
        &self,
        pulled: Vec<HoldRow>,
        facts: &mut Facts,
    ) -> Result<(), Stop> {
        let mut all = Vec::with_capacity(pulled.len() + facts.moves.len());
        facts.drafts.reserve(pulled.len() + 1);
        facts.holds.reserve(pulled.len() + 1);
        for row in pulled {
            let (after, freed) = hold::expire(Some(&row.hold), self.now)
                .map_err(|no| Stop::Corrupt(format!("an overdue hold did not expire: {no}")))?;
            all.extend(freed);
            let was = Some(row.version);
            let drafted = self.draft(&mut facts.drafts, row, after, (Kind::Expired, was));
            facts.holds.push(drafted);
        }
        all.append(&mut facts.moves);
        facts.moves = all;
        Ok(())
    }

    /// Drafts the first event of a hold.
    pub(super) fn draft_new(&self, drafts: &mut Vec<Draft>, placed: Hold) -> Drafted {
        let row = HoldRow {
            created: self.next_position(),
            last: 0,
            version: 0,
            hold: placed.clone(),
        };
        self.draft(drafts, row, placed, (Kind::Held, None))
    }

    /// Writes drafted holds, the first drafts being theirs, and tells the gate.
    fn write_holds(&mut self, rows: &[Drafted], drafts: Vec<Draft>) {
        for ((row, was), draft) in rows.iter().zip(drafts) {
            self.write_hold(row, draft.data, *was);
            self.tell_gate(&row.hold, was.is_none());
        }
    }

    /// What the ledger says about each line, and what the customer for whom they are to be placed
    /// has of limited SKUs; the units of `pulled` holds count as available.
    pub(super) fn supply(
        &self,
        (lines, customer): (&[Wanted], Option<&CustomerId>),
        pulled: &[&Hold],
    ) -> Result<Vec<Supply<'_>>, Stop> {
        let mut supply = Vec::with_capacity(lines.len());
        for line in lines {
            let terms = self.listed(&line.sku)?.map(|row| &row.sku.terms);
            let available = self.units_at((&line.sku, &line.location), pulled)?;
            let limited = terms.is_some_and(|terms| terms.max_per_customer.is_some());
            let has = match customer.filter(|_| limited) {
                Some(customer) => self.share(&(line.sku.clone(), customer.clone()))?,
                None => 0,
            };
            supply.push(Supply {
                terms,
                available,
                has,
            });
        }
        Ok(supply)
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
            Command::Confirm { lines, .. } => {
                let lines = lines.as_deref();
                (Kind::Confirmed, confirm(known, asker, lines, self.now)?)
            }
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
        let mut facts = Facts {
            moves,
            ..Facts::default()
        };
        let drafted = self.draft(&mut facts.drafts, row, after, (kind, was));
        facts.holds.push(drafted);
        let position = self.accept_facts(commit.key.as_ref(), commit, &facts)?;
        let data = facts.drafts.pop().expect("one event was drafted").data;
        let (row, was) = facts.holds.pop().expect("one hold was drafted");
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
    pub(super) fn draft(
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
    pub(super) fn tell_gate(&mut self, hold: &Hold, set: bool) {
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
