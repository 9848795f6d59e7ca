//! Leases: who may act for which shard, until when, under which number.
//!
//! Each live node has one lease with a token; tokens only rise and are never given twice. Work is
//! cut into shards, and each shard belongs to one live node, by a rule that every node computes
//! alike. What is written for a shard carries the token of who wrote it and is refused (*fenced*)
//! unless that is the token of the shard's present owner. So a node that was paused, or was taken
//! for dead, finds itself refused when it wakes; correctness never rests on its noticing in time.
//! Time is log time, an argument.

use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// Into how many shards work is cut.
pub const SHARDS: u64 = 64;

/// One node's right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The node's name.
    pub node: String,
    /// Its number; greater than every number given before it.
    pub token: u64,
    /// Until when it lasts unless it is renewed.
    pub until: LogTime,
}

/// All leases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases {
    /// The highest token ever given.
    pub last: u64,
    /// Those that last, by node.
    pub live: Vec<Lease>,
}

/// The lease is not what the node believes: a newer one exists, or it ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a newer lease exists")]
pub struct Fenced;

/// Which shard the row that a position created belongs to.
#[must_use]
pub const fn shard_of(created: u64) -> u64 {
    created % SHARDS
}

impl Leases {
    /// Judges a renewal, or without `token` a node that joins: it gets a new token, and a lease of
    /// the same name ends. Leases that ran out are gone afterwards.
    ///
    /// # Errors
    /// [`Fenced`] when the node's lease is gone or has another token: it has to join again.
    pub fn renew(
        &self,
        node: &str,
        token: Option<u64>,
        (now, ttl): (LogTime, Millis),
    ) -> Result<(Self, u64), Fenced> {
        let lasts = |lease: &&Lease| lease.until > now;
        let mine = self.live.iter().filter(lasts).find(|it| it.node == node);
        let known = mine.map(|lease| lease.token);
        if token.is_some() && token != known {
            return Err(Fenced);
        }

        // From here on it succeeds.
        let number = token.unwrap_or(self.last + 1);
        let others = self.live.iter().filter(lasts).filter(|it| it.node != node);
        let mut live: Vec<Lease> = others.cloned().collect();
        live.push(Lease {
            node: node.to_owned(),
            token: number,
            until: now.plus(ttl),
        });
        live.sort_by(|a, b| a.node.cmp(&b.node));
        let last = self.last.max(number);
        Ok((Self { last, live }, number))
    }

    /// Whose a shard is; nobody's while no lease lasts.
    #[must_use]
    pub fn owner(&self, shard: u64) -> Option<&Lease> {
        let count = u64::try_from(self.live.len()).ok().filter(|it| *it > 0)?;
        self.live.get(usize::try_from(shard % count).ok()?)
    }

    /// Whether a token is that of a shard's owner.
    #[must_use]
    pub fn holds(&self, shard: u64, token: u64) -> bool {
        self.owner(shard).is_some_and(|lease| lease.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Millis = Millis(5_000);

    fn at(ms: u64) -> LogTime {
        LogTime::default().plus(Millis(ms))
    }

    fn joined(leases: &Leases, node: &str, ms: u64) -> (Leases, u64) {
        leases
            .renew(node, None, (at(ms), TTL))
            .expect("joining is never refused")
    }

    #[test]
    fn tokens_only_rise_and_a_node_that_joins_again_ends_its_old_lease() {
        let (first, one) = joined(&Leases::default(), "a", 0);
        let (second, two) = joined(&first, "a", 10);
        assert_eq!((one, two, second.live.len()), (1, 2, 1));
        assert_eq!(second.renew("a", Some(one), (at(20), TTL)), Err(Fenced));
        let (third, again) = second
            .renew("a", Some(two), (at(20), TTL))
            .expect("it is the newest");
        assert_eq!((again, third.live[0].until), (two, at(5_020)));
    }

    #[test]
    fn a_lease_that_ran_out_is_gone_and_its_holder_is_fenced() {
        let (leases, a) = joined(&Leases::default(), "a", 0);
        let (leases, b) = joined(&leases, "b", 4_000);
        assert_eq!(leases.live.len(), 2);
        let (leases, _) = leases
            .renew("b", Some(b), (at(5_000), TTL))
            .expect("b lives");
        assert_eq!(leases.live.len(), 1, "a ran out at this very moment");
        assert_eq!(leases.renew("a", Some(a), (at(5_001), TTL)), Err(Fenced));
        assert!((0..SHARDS).all(|shard| leases.holds(shard, b) && !leases.holds(shard, a)));
    }

    #[test]
    fn every_shard_has_one_owner_and_all_live_nodes_have_a_share() {
        let (leases, a) = joined(&Leases::default(), "a", 0);
        let (leases, b) = joined(&leases, "b", 1);
        let (leases, c) = joined(&leases, "c", 2);
        let count = |token| {
            (0..SHARDS)
                .filter(|shard| leases.holds(*shard, token))
                .count()
        };
        assert_eq!((count(a), count(b), count(c)), (22, 21, 21));
        assert_eq!(Leases::default().owner(0), None);
    }
}
