//! The heartbeat: joins this node to the live ones, and renews its lease.
//!
//! Who runs which shard follows from the leases that live, which every beat brings back; the judge
//! looks at them again, under the lock, when something is written. A node that finds itself fenced
//! joins anew under a higher token. Between two beats a node may believe in a lease that is gone;
//! that costs a refused commit and nothing else.

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

/// How many beats a lease lasts beyond the longest call, so that a call that begins under one ends
/// under it.
pub(crate) const BEATS: u32 = 3;

/// What a node believes of its lease.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Option<Right>>);

#[derive(Debug, Clone)]
struct Right {
    token: u64,
    leases: Leases,
    /// Monotonic time at which it runs out unless it is renewed.
    until: Duration,
}

impl Held {
    /// The token under which a row's call may be made now, if this node is the row's owner and its
    /// lease outlives the call.
    pub(crate) fn right(&self, created: u64, mono: Duration, call: Duration) -> Option<u64> {
        let held = self.0.lock();
        let right = held.as_ref()?;
        let mine = right.leases.holds(shard_of(created), right.token);
        (mine && mono + call < right.until).then_some(right.token)
    }

    fn token(&self) -> Option<u64> {
        self.0.lock().as_ref().map(|right| right.token)
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
        let token = shared.held.token();
        // From before the commit: the lease never seems longer than it is.
        let mono = shared.clock.mono();
        let ttl = Millis(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        let node = self.node.clone();
        let command = Command::Beat { node, token, ttl };
        match engine_asks(shared, command).await {
            Ok(Effect::Lease { token, leases }) => {
                let until = mono + self.ttl;
                *shared.held.0.lock() = Some(Right {
                    token,
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
                *shared.held.0.lock() = None;
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
