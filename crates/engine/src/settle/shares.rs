//! What customers have of SKUs that limit them.
//!
//! A share is a row of its own, read and written only where a SKU sets `max_per_customer` or a hold
//! says that its units count. It changes with the moves of a commit, in that commit, whoever makes
//! them: a place, an expiry by the sweep or for another's sake, a cancel, a return. So it equals
//! the fold of the log at every position, and `verify` folds it again.

use super::units::Facts;
use super::{Judge, Stop};
use crate::commit::{Commit, Key};
use crate::port::{HoldRow, Share, ShareWrite, Touch};
use evenkeel_rules::hold::{Hold, Line, moves_share, share_after};
use evenkeel_rules::ids::HoldId;
use evenkeel_rules::order::Order;
use evenkeel_rules::stock::{Move, Operation};

impl Judge<'_> {
    /// Accepts a commit that holds' units move in: customers' shares follow the moves.
    pub(super) fn accept_facts(
        &mut self,
        key: Option<&Key>,
        commit: &Commit,
        facts: &Facts,
    ) -> Result<u64, Stop> {
        let shares = self.shares_after(facts)?;
        let position = self.accept_under(key, commit, &facts.drafts, &facts.moves)?;
        self.put_shares(shares);
        Ok(position)
    }

    /// Counted units that a customer has of a SKU.
    pub(super) fn share(&self, share: &Share) -> Result<u64, Stop> {
        let touch = || Touch {
            shares: vec![share.clone()],
            ..Touch::default()
        };
        let row = self.view.shares.get(share).copied();
        let row = row.ok_or_else(|| Stop::Widen(Box::new(touch())))?;
        Ok(row.unwrap_or(0))
    }

    /// The shares that these facts change, as they leave them.
    pub(super) fn shares_after(&self, facts: &Facts) -> Result<Vec<(Share, u64)>, Stop> {
        let mut after: Vec<(Share, u64)> = Vec::new();
        let mut unknown = Touch::default();
        for made in &facts.moves {
            let Some(share) = self.counted(facts, made)? else {
                continue;
            };
            let known = after.iter().position(|(seen, _)| *seen == share);
            let at = match (known, self.share(&share)) {
                (Some(at), _) => at,
                (None, Ok(units)) => {
                    after.push((share.clone(), units));
                    after.len() - 1
                }
                // All that are missing are asked for at once.
                (None, Err(_)) => {
                    unknown.shares.push(share);
                    continue;
                }
            };
            let units = share_after(after[at].1, made.operation, made.quantity);
            after[at].1 = units.ok_or_else(|| {
                let (sku, customer) = &share;
                Stop::Corrupt(format!("{customer} has fewer {sku} than come back"))
            })?;
        }
        if unknown.shares.is_empty() {
            return Ok(after);
        }
        Err(self.with_places(Stop::Widen(Box::new(unknown)), &facts.moves))
    }

    /// The share that a move changes, if its units count.
    fn counted(&self, facts: &Facts, made: &Move) -> Result<Option<Share>, Stop> {
        if !moves_share(made.operation) {
            return Ok(None);
        }
        let own = |(row, _): &&(HoldRow, _)| row.hold.id.as_str() == made.reference.as_str();
        // A cart's line may end and be placed again in one commit: its end is that of the hold
        // which stood before.
        let ends = matches!(made.operation, Operation::Release | Operation::Expire);
        let hold = match facts.holds.iter().find(own) {
            Some((row, was)) if !(ends && was.is_some()) => Some(&row.hold),
            Some(_) | None => {
                let id = HoldId::new(made.reference.as_str());
                let id = id.map_err(|_| Stop::Corrupt("units of no hold came back".to_owned()))?;
                self.hold(&id)?.map(|row| &row.hold)
            }
        };
        let line = |line: &&Line| line.sku == made.sku && line.location == made.location;
        let counts = |hold: &&Hold| hold.lines.iter().find(line).is_some_and(|it| it.counted);
        Ok(hold
            .filter(counts)
            .map(|hold| (made.sku.clone(), hold.customer.clone())))
    }

    /// Puts shares into the view and among the writes, once per share and batch.
    pub(super) fn put_shares(&mut self, after: Vec<(Share, u64)>) {
        for (share, now) in after {
            let was = self.view.shares.insert(share.clone(), Some(now)).flatten();
            match self.dirty_shares.get(&share) {
                Some(&at) => self.writes.shares[at].now = now,
                None => {
                    let at = self.writes.shares.len();
                    self.dirty_shares.insert(share.clone(), at);
                    self.writes.shares.push(ShareWrite { share, was, now });
                }
            }
        }
    }

    /// The shares that an end of a hold may change, as far as the view tells.
    pub(super) fn shares_of_hold(&self, id: &HoldId) -> Vec<Share> {
        let row = self.view.holds.get(id).and_then(Option::as_ref);
        row.map_or_else(Vec::new, |row| counted_shares(&row.hold))
    }

    /// The shares that anything which may happen to an order may change, as far as view and ledger
    /// tell.
    pub(super) fn shares_of_order(&self, order: &Order) -> Vec<Share> {
        let holds = order.holds.last().into_iter();
        let mut shares: Vec<Share> = holds.flat_map(|id| self.shares_of_hold(id)).collect();
        let limited = order.lines.iter().map(|line| &line.sku);
        let limited = limited.filter(|sku| self.ledger.is_limited(sku));
        shares.extend(limited.map(|sku| (sku.clone(), order.customer.clone())));
        shares
    }
}

/// The shares in which a hold's units count.
pub(crate) fn counted_shares(hold: &Hold) -> Vec<Share> {
    let counted = hold.lines.iter().filter(|line| line.counted);
    counted
        .map(|line| (line.sku.clone(), hold.customer.clone()))
        .collect()
}
