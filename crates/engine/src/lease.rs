//! The heartbeat: joins this node to the live ones, and renews its lease.
//!
//! Who runs which shard follows from the leases that live, which every beat brings back; the judge
//! looks at them again, under the lock, when something is written. A node whose beat is fenced
//! joins anew. Between two beats a node may believe in a token that is gone; that costs a refused
//! commit, upon which it beats at once and begins nothing until it knows better.

use crate::commit::{Command, Effect};
use crate::engine::Shared;
use crate::execute::{Refusal, engine_asks};
use crate::port::Fault;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::lease::{Leases, shard_of};
use evenkeel_rules::time::Millis;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How many beats a lease lasts beyond the longest call, so that a call that begins under one ends
/// under it.
pub(crate) const BEATS: u32 = 2;

/// What a node believes of its lease.
#[derive(Debug, Default)]
pub(crate) struct Held {
    right: Mutex<Option<Right>>,
    /// Makes the node beat at once.
    pub(crate) nudge: Arc<Notify>,
}

#[derive(Debug, Clone)]
struct Right {
    joined: u64,
    leases: Leases,
    /// Monotonic time at which it runs out unless it is renewed.
    until: Duration,
}

impl Held {
    /// The token under which a row's call may be made now, if this node is the row's owner and its
    /// lease outlives the call.
    pub(crate) fn right(&self, created: u64, mono: Duration, call: Duration) -> Option<u64> {
        let held = self.right.lock();
        let right = held.as_ref().filter(|right| mono + call < right.until)?;
        right.leases.right(shard_of(created), right.joined)
    }

    /// Whether this node has a lease at all.
    pub(crate) fn is_any(&self, mono: Duration) -> bool {
        let held = self.right.lock();
        held.as_ref().is_some_and(|right| mono < right.until)
    }

    /// Nodes alive, as of this one's last beat; itself alone while it has no lease.
    pub(crate) fn nodes(&self) -> usize {
        let held = self.right.lock();
        held.as_ref().map_or(1, |right| right.leases.live.len())
    }

    /// Notes that what was written for a row under a token was refused.
    pub(crate) fn refused(&self, (created, token): (u64, u64), refusal: &Refusal) {
        let mut held = self.right.lock();
        let fenced = *refusal == Refusal::Failed(Fault::Fenced);
        let Some(right) = held.as_mut().filter(|_| fenced) else {
            return;
        };
        // What was begun under an earlier token says nothing of the present one.
        if right.leases.right(shard_of(created), right.joined) == Some(token) {
            right.until = Duration::ZERO;
            self.nudge.notify_one();
        }
    }

    fn joined(&self) -> Option<u64> {
        self.right.lock().as_ref().map(|right| right.joined)
    }
}

/// The loop.
pub(crate) struct Beat {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: String,
    pub(crate) ttl: Duration,
}

#[async_trait]
impl Work for Beat {
    fn name(&self) -> &'static str {
        "beat"
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        let shared = &self.shared;
        let joined = shared.held.joined();
        // From before the commit: the lease never seems longer than it is.
        let mono = shared.clock.mono();
        let ttl = Millis(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        let node = self.node.clone();
        let command = Command::Beat { node, joined, ttl };
        match engine_asks(shared, command).await {
            Ok(Effect::Lease { joined, leases }) => {
                let until = mono + self.ttl;
                *shared.held.right.lock() = Some(Right {
                    joined,
                    leases,
                    until,
                });
                Ok(Round {
                    done: 1,
                    ..Round::default()
                })
            }
            Err(Refusal::Failed(Fault::Fenced)) => {
                tracing::warn!(node = self.node, "fenced: joining again");
                *shared.held.right.lock() = None;
                Ok(Round {
                    more: true,
                    ..Round::default()
                })
            }
            Err(Refusal::Failed(fault)) => Err(fault),
            Ok(_) | Err(Refusal::Rejected { .. }) => Err(Fault::Corrupt("a beat's answer".into())),
        }
    }
}
