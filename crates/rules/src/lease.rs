//! Leases: who may act for which shard, until when, under which number.
//!
//! Each live node has one lease with a token; tokens only rise and are never given twice. Work is
//! cut into shards, and each shard belongs to one live node, by a rule that every node computes
//! alike. What is written for a shard carries the token of who wrote it and is refused (*fenced*)
//! unless that is the token of the shard's present owner. So a node that was paused, or was taken
//! for dead, finds itself refused when it wakes; correctness never rests on its noticing in time.
//!
//! Whenever a node joins or a lease runs out, shards change hands, and so everybody gets a new
//! token, greater than all before: of what is accepted for a shard the tokens never fall, whoever
//! takes it over, and once a shard was taken over nobody writes under an earlier token any more. A
//! node proves who it is by the number it joined under. Time is log time, an argument.

use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// Into how many shards work is cut.
pub const SHARDS: u64 = 64;

/// One node's right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The node's name.
    pub node: String,
    /// The first token that it got: a renewal shows it. Nothing else is judged by it.
    #[serde(default)]
    pub joined: u64,
    /// What it writes under; greater than every token given before these nodes lived together.
    pub token: u64,
    /// Until when it lasts unless it is renewed.
    pub until: LogTime,
    /// The newest format of log rows that the node knows.
    #[serde(default = "first_format")]
    pub format: u32,
}

/// What a node knows that does not say: the first format that was released.
const fn first_format() -> u32 {
    1
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
    /// The least format of log rows that all nodes alive know; nothing if none is alive.
    #[must_use]
    pub fn least_format(&self, now: LogTime) -> Option<u32> {
        let alive = self.live.iter().filter(|lease| lease.until > now);
        alive.map(|lease| lease.format).min()
    }

    /// Judges a renewal of a node that knows a format of log rows, or without `joined` a node that
    /// joins: it gets a number to renew with, and
    /// a lease of the same name ends. Leases that ran out are gone afterwards; if that or the join
    /// changed who lives, every lease has a new token.
    ///
    /// # Errors
    /// [`Fenced`] when the node's lease is gone or began under another number: it must join again.
    pub fn renew(
        &self,
        (node, format): (&str, u32),
        joined: Option<u64>,
        (now, ttl): (LogTime, Millis),
    ) -> Result<(Self, u64), Fenced> {
        let lasts = |lease: &&Lease| lease.until > now;
        let mine = self.live.iter().filter(lasts).find(|it| it.node == node);
        if joined.is_some() && joined != mine.map(|lease| lease.joined) {
            return Err(Fenced);
        }

        // From here on it succeeds.
        let others = self.live.iter().filter(lasts).filter(|it| it.node != node);
        let mut live: Vec<Lease> = others.cloned().collect();
        live.push(Lease {
            node: node.to_owned(),
            joined: joined.unwrap_or(0),
            token: mine.map_or(0, |lease| lease.token),
            until: now.plus(ttl),
            format,
        });
        live.sort_by(|a, b| a.node.cmp(&b.node));
        let mut last = self.last;
        let numbers = |live: &[Lease]| live.iter().map(|it| it.joined).collect::<Vec<_>>();
        if numbers(&live) != numbers(&self.live) {
            for lease in &mut live {
                last += 1;
                lease.token = last;
                if lease.joined == 0 {
                    lease.joined = last;
                }
            }
        }
        let number = live.iter().find(|it| it.node == node);
        let number = number.expect("it was put in").joined;
        Ok((Self { last, live }, number))
    }

    /// The same where everybody's lease is lost, and so many tokens may have been given that nobody
    /// here knows of.
    #[must_use]
    pub fn lost(&self, tokens: u64) -> Self {
        Self {
            last: self.last.saturating_add(tokens),
            live: Vec::new(),
        }
    }

    /// Whose a shard is; nobody's while no lease lasts.
    #[must_use]
    pub fn owner(&self, shard: u64) -> Option<&Lease> {
        let count = u64::try_from(self.live.len()).ok().filter(|it| *it > 0)?;
        self.live.get(usize::try_from(shard % count).ok()?)
    }

    /// What the node that joined under a number writes for a shard under; nothing if the shard is
    /// another's.
    #[must_use]
    pub fn right(&self, shard: u64, joined: u64) -> Option<u64> {
        let owner = self.owner(shard).filter(|lease| lease.joined == joined);
        owner.map(|lease| lease.token)
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
            .renew((node, 1), None, (at(ms), TTL))
            .expect("joining is never refused")
    }

    #[test]
    fn tokens_only_rise_and_a_node_that_joins_again_ends_its_old_lease() {
        let (first, one) = joined(&Leases::default(), "a", 0);
        let (second, two) = joined(&first, "a", 10);
        assert_eq!((one, two, second.live.len()), (1, 2, 1));
        assert_eq!(
            second.renew(("a", 1), Some(one), (at(20), TTL)),
            Err(Fenced)
        );
        let (third, again) = second
            .renew(("a", 1), Some(two), (at(20), TTL))
            .expect("it is the newest");
        assert_eq!((again, third.live[0].until), (two, at(5_020)));
    }

    fn token(leases: &Leases, node: &str) -> u64 {
        let lease = leases.live.iter().find(|lease| lease.node == node);
        lease.expect("it lives").token
    }

    #[test]
    fn a_lease_that_ran_out_is_gone_and_its_holder_is_fenced() {
        let (leases, a) = joined(&Leases::default(), "a", 0);
        let (leases, b) = joined(&leases, "b", 4_000);
        let (old_a, old_b) = (token(&leases, "a"), token(&leases, "b"));
        let (leases, _) = leases
            .renew(("b", 1), Some(b), (at(5_000), TTL))
            .expect("b lives");
        assert_eq!(leases.live.len(), 1, "a ran out at this very moment");
        assert_eq!(
            leases.renew(("a", 1), Some(a), (at(5_001), TTL)),
            Err(Fenced)
        );
        let new = token(&leases, "b");
        assert!(
            new > old_b.max(old_a),
            "b writes for a's shards from now on"
        );
        let others = |shard| leases.holds(shard, old_a) || leases.holds(shard, old_b);
        assert!((0..SHARDS).all(|shard| leases.holds(shard, new) && !others(shard)));
    }

    #[test]
    fn every_shard_has_one_owner_and_all_live_nodes_have_a_share() {
        let (leases, a) = joined(&Leases::default(), "a", 0);
        let (leases, b) = joined(&leases, "b", 1);
        let (leases, c) = joined(&leases, "c", 2);
        let count = |joined| {
            let rights = (0..SHARDS).filter_map(|shard| leases.right(shard, joined));
            rights.count()
        };
        assert_eq!((count(a), count(b), count(c)), (22, 21, 21));
        assert_eq!(Leases::default().owner(0), None);
        let tokens = ["a", "b", "c"].map(|node| token(&leases, node));
        assert!(tokens.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn what_all_nodes_alive_know_is_what_the_oldest_of_them_knows() {
        let (leases, _) = joined(&Leases::default(), "a", 0);
        let newer = leases.renew(("b", 2), None, (at(1_000), TTL));
        let (leases, _) = newer.expect("joining is never refused");
        assert_eq!(leases.least_format(at(4_999)), Some(1));
        assert_eq!(leases.least_format(at(5_000)), Some(2), "a is gone");
        assert_eq!(leases.least_format(at(6_000)), None);
    }

    #[test]
    fn a_beat_that_changes_nobodys_life_leaves_every_token() {
        let (leases, a) = joined(&Leases::default(), "a", 0);
        let (leases, _) = joined(&leases, "b", 1);
        let (after, number) = leases
            .renew(("a", 1), Some(a), (at(900), TTL))
            .expect("it lives");
        assert_eq!((after.last, number), (leases.last, a));
        assert_eq!(token(&after, "a"), token(&leases, "a"));
        assert_eq!(after.live[0].until, at(5_900));
    }

    /// Whatever joins, stays away or comes back: per shard the tokens never fall, one token is one
    /// node's, and a token under which a shard was lost is nobody's ever after.
    #[test]
    fn tokens_of_a_shard_never_fall_and_a_shard_that_was_lost_ends_its_token() {
        let mut state: u64 = 12;
        let mut dice = |sides: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % sides
        };
        let nodes = ["a", "b", "c", "d"];
        let (mut leases, mut now) = (Leases::default(), 0);
        let mut numbers = [None; 4];
        let mut seen = vec![0; usize::try_from(SHARDS).expect("few")];
        let mut of = std::collections::BTreeMap::new();
        let mut dead = 0;
        for _ in 0..4_000 {
            now += dice(2_000);
            let which = usize::try_from(dice(4)).expect("four");
            let again = numbers[which].filter(|_| dice(20) > 0);
            match leases.renew((nodes[which], 1), again, (at(now), TTL)) {
                Ok((next, number)) => (leases, numbers[which]) = (next, Some(number)),
                Err(Fenced) => numbers[which] = None,
            }
            for (shard, highest) in (0..SHARDS).zip(&mut seen) {
                let Some(owner) = leases.owner(shard) else {
                    continue;
                };
                let first = of.entry(owner.token).or_insert_with(|| owner.node.clone());
                assert_eq!(*first, owner.node, "a token is one node's");
                assert!(owner.token >= *highest, "shard {shard}: it falls");
                if owner.token > *highest {
                    dead = dead.max(*highest);
                    *highest = owner.token;
                }
            }
            assert!(leases.live.iter().all(|lease| lease.token > dead));
        }
        assert!(of.len() > 1_000, "{} tokens", of.len());
    }
}
