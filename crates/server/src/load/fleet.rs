//! Those who send requests: one a connection, one request at a time.

use super::ask::{Ask, Patience, until_decided};
use super::encode_hold;
use super::stage::Stage;
use super::tally::Recorder;
use crate::client::{Target, Wire, outside};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one request may stay without a decision before the run counts it as such.
pub(super) const PATIENCE: Patience = Patience {
    limit: Duration::from_secs(20),
    pause: Duration::from_millis(5),
};

/// Works until a moment, and comes back with what it found.
pub(super) trait Work: Sized + Send + 'static {
    fn work(self, until: Instant) -> impl Future<Output = Self> + Send + 'static;
}

/// The buyers of one connection: every so many-th of all, so that no two share one.
pub(super) fn share(buyers: usize, connections: u32, number: u32) -> impl Iterator<Item = usize> {
    (0..buyers)
        .skip(number as usize)
        .step_by(connections as usize)
}

/// Asks for one unit, and again, as one buyer after the other, each time under a new key.
#[derive(Debug)]
pub(super) struct Hammer {
    wire: Wire,
    stage: Arc<Stage>,
    recorder: Arc<Recorder>,
    number: u32,
    turn: u64,
    pub(super) wins: Vec<Win>,
    pub(super) undecided: u64,
}

/// A hold that was given.
#[derive(Debug, Clone)]
pub(super) struct Win {
    /// Place among the buyers.
    pub(super) buyer: usize,
    pub(super) key: String,
    pub(super) id: Box<str>,
    pub(super) granted: Instant,
}

impl Hammer {
    pub(super) fn new(
        target: &Target,
        stage: &Arc<Stage>,
        recorder: &Arc<Recorder>,
        number: u32,
    ) -> Self {
        Self {
            wire: Wire::new(target, stage.limits),
            stage: Arc::clone(stage),
            recorder: Arc::clone(recorder),
            number,
            turn: 0,
            wins: Vec::new(),
            undecided: 0,
        }
    }
}

impl Work for Hammer {
    async fn work(mut self, until: Instant) -> Self {
        let stage = Arc::clone(&self.stage);
        let mine: Vec<(usize, String)> = share(stage.buyers.len(), stage.connections, self.number)
            .map(|buyer| {
                (
                    buyer,
                    encode_hold(&stage.buyers[buyer], &stage.sku, 1, stage.ttl_ms),
                )
            })
            .collect();
        let mut key = String::new();
        for (buyer, body) in mine.iter().cycle() {
            if outside::now() >= until {
                break;
            }
            self.turn += 1;
            key.clear();
            let _ = write!(key, "{}-{}-{}", stage.run, self.number, self.turn);
            let ask = Ask {
                caller: &stage.buyers[*buyer],
                route: "/v1/holds",
                key: &key,
                body,
                id: None,
                lines: Some((&stage.sku, 1)),
            };
            match until_decided(&mut self.wire, &self.recorder, &ask, PATIENCE).await {
                Ok(decided) => self.wins.extend(decided.id.map(|id| Win {
                    buyer: *buyer,
                    key: key.clone(),
                    id,
                    granted: outside::now(),
                })),
                Err(_) => self.undecided += 1,
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_connections_share_a_buyer_and_none_is_left_out() {
        let mut all: Vec<usize> = (0..7).flat_map(|number| share(100, 7, number)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
