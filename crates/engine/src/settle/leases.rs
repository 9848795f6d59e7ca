//! Judging who works on what: the beat of a node, and the fence around the rows of its shards.
//!
//! Leases stand in the head row, so a beat and whatever is written under a lease are judged in one
//! order. A lease whose time is up can be lost to another node; what its old owner then writes
//! carries an old token, and is refused as fenced. A lease also says which format of log rows its
//! node knows, so that writers never use one that somebody alive cannot read.

use super::{Judge, Stop};
use crate::commit::{Commit, Effect, Outcome};
use crate::lineage::{self, Ended};
use evenkeel_rules::event::FORMAT;
use evenkeel_rules::lease;
use evenkeel_rules::time::Millis;

/// More tokens than a future that was lost can have given: 136 years of one a second.
const TOKENS_LOST: u64 = 1 << 32;

impl Judge<'_> {
    /// A node joins or stays: bookkeeping.
    pub(super) fn beat(
        &mut self,
        node: &str,
        joined: Option<u64>,
        ttl: Millis,
    ) -> Result<Outcome, Stop> {
        let leases = &self.writes.head.leases;
        let renewed = leases.renew((node, FORMAT), joined, (self.now, ttl));
        let (leases, joined) = renewed.map_err(|_| Stop::Fenced)?;
        self.writes.head.leases = leases.clone();
        Ok(Outcome::Unchanged {
            position: self.head().position,
            effect: Effect::Lease { joined, leases },
        })
    }

    /// Writers may use this build's format from the next commit on, unless a node is alive that
    /// knows less: bookkeeping. One that shows no lease is kept out by every batch that it judges.
    pub(super) fn raise_format(&mut self) -> Result<Outcome, Stop> {
        let head = &mut self.writes.head;
        let least = head.leases.least_format(self.now);
        if least.is_some_and(|least| least < FORMAT) {
            return Err(Stop::Fenced);
        }
        head.format = FORMAT;
        Ok(self.nothing_told())
    }

    /// The store is a restored backup: from here on the log has another name, and whatever was
    /// written, given or begun in the future that was lost is taken for what it is. Nobody's lease
    /// lasts, and no token is given again that may have been given there: bookkeeping.
    pub(super) fn restored(&mut self) -> Outcome {
        let now = self.now;
        let head = &mut self.writes.head;
        let incarnation = lineage::next(head.incarnation, now);
        head.ended.push(Ended {
            incarnation: std::mem::replace(&mut head.incarnation, incarnation),
            last: head.position,
        });
        head.leases = head.leases.lost(TOKENS_LOST);
        self.nothing_told()
    }

    /// Refuses what is written for a row under another token than that of its shard's owner.
    pub(super) fn fence(&self, commit: &Commit, created: u64) -> Result<(), Stop> {
        let Some(token) = commit.command.lease() else {
            return Ok(());
        };
        let shard = lease::shard_of(created);
        if self.head().leases.holds(shard, token) {
            Ok(())
        } else {
            Err(Stop::Fenced)
        }
    }
}
