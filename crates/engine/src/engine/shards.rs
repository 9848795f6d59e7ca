//! What this node does for all nodes that share the store.
//!
//! A node that makes calls or posts joins those that live; shards follow from that (see
//! [`crate::lease`]). Work that is done once for the whole store is its first shard's.

use super::Engine;
use crate::chain;
use crate::lease::{BEATS, Beat};
use crate::sweep::Mine;
use std::sync::Arc;
use std::time::Duration;

/// The shard whose owner sweeps.
const SWEEP_SHARD: u64 = 0;

/// Whether a node joins those that live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beats {
    Yes,
    No,
}

impl Engine {
    /// Whose the sweep is: the owner's of its shard. A node that has no lease at all knows of no
    /// other, and sweeps.
    pub(super) fn sweeps(&self, beats: Beats) -> Mine {
        let shared = Arc::clone(&self.shared);
        match beats {
            Beats::No => Box::new(|| true),
            Beats::Yes => Box::new(move || {
                let right = shared
                    .held
                    .right(SWEEP_SHARD, shared.clock.mono(), Duration::ZERO);
                right.is_some()
            }),
        }
    }

    /// Starts the heartbeat, if this node does anything that needs a lease.
    pub(super) fn run_beat(&self) -> Beats {
        let shared = &self.shared;
        let calls = shared.gateway.is_some() && shared.options.saga;
        let posts = shared.outlet.is_some() && shared.options.relay;
        let options = &shared.options;
        if !calls && !posts {
            return Beats::No;
        }
        // A post need not end under the lease that it began under: its successor repeats it.
        let longest = match calls {
            true => options.call_timeout.max(options.delivery_timeout),
            false => Duration::ZERO,
        };
        let named = shared.options.node.clone();
        let beat = Beat {
            shared: Arc::clone(shared),
            node: named.unwrap_or_else(|| chain::hex(&shared.workers.ids().random())),
            ttl: longest + shared.options.beat_every * BEATS,
        };
        shared.workers.run(
            beat,
            shared.options.beat_every,
            Arc::clone(&shared.held.nudge),
        );
        Beats::Yes
    }
}
