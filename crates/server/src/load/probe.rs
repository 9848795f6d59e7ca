//! The probe buyer: once all is quiet, every available unit can be bought, one by one.
//!
//! That is invariant I22 seen from outside: no unit is left that everybody is told to be sold
//! out. The probe buys up to 250 units, asks for one more than there are and must be
//! refused, and gives everything back: 250, or five a buyer if that is less. A refusal may be a
//! second old, so one is asked again for two seconds before it counts.

use super::ask::{Ask, Decided, Patience, Undecided, until_decided};
use super::encode_hold;
use super::tally::Recorder;
use crate::client::{Caller, Wire, outside};
use serde::Serialize;
use std::time::Duration;

const MOST: u64 = 250;
/// Most units that one buyer holds for it: the server lets a customer have ten live holds, and the
/// buyer may have some of its own.
const EACH: u64 = 5;
const STALE: Duration = Duration::from_secs(2);
const PATIENCE: Patience = Patience {
    limit: Duration::from_secs(20),
    pause: Duration::from_millis(10),
};

/// Who probes, and what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prober<'a> {
    /// They take turns, so that no limit a customer is reached.
    pub(crate) buyers: &'a [Caller],
    pub(crate) sku: &'a str,
    /// Begins each key.
    pub(crate) run: &'a str,
    pub(crate) recorder: &'a Recorder,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Probe {
    /// Units available before.
    pub(crate) available: u64,
    /// Units that were to be bought: all of them, or 250.
    pub(crate) asked: u64,
    /// Units bought, one by one.
    pub(crate) bought: u64,
    /// Units bought beyond those available.
    pub(crate) beyond: u64,
}

impl Probe {
    pub(crate) fn is_green(&self) -> bool {
        self.bought == self.asked && self.beyond == 0
    }
}

impl Prober<'_> {
    /// Buys what is available, one by one, and gives it back.
    ///
    /// # Errors
    /// The server did not come to a decision.
    pub(crate) async fn run(&self, wire: &mut Wire, available: u64) -> Result<Probe, Undecided> {
        let most = MOST.min(self.buyers.len() as u64 * EACH);
        let asked = available.min(most);
        let mut probe = Probe {
            available,
            asked,
            bought: 0,
            beyond: 0,
        };
        let mut bought = Vec::new();
        for turn in 0..=asked {
            // One more than there are only when all of them were bought.
            if turn == asked && available > most {
                break;
            }
            let patience = if turn < asked { STALE } else { Duration::ZERO };
            let decided = self.buy(wire, turn, patience).await?;
            let Some(id) = decided.id else { break };
            bought.push((turn, id));
            if turn < asked {
                probe.bought += 1;
            } else {
                probe.beyond += 1;
            }
        }
        for (turn, id) in bought {
            self.give_back(wire, turn, &id).await?;
        }
        Ok(probe)
    }

    fn buyer(&self, turn: u64) -> &Caller {
        let at = usize::try_from(turn).expect("turns are few") % self.buyers.len();
        &self.buyers[at]
    }

    async fn buy(&self, wire: &mut Wire, turn: u64, stale: Duration) -> Result<Decided, Undecided> {
        let caller = self.buyer(turn);
        let ask = Ask {
            caller,
            route: "/v1/holds",
            key: &format!("{}-probe-{turn}", self.run),
            body: &encode_hold(caller, self.sku, 1, Some(60_000)),
            id: None,
            lines: Some((self.sku, 1)),
        };
        let begun = outside::now();
        loop {
            let decided = until_decided(wire, self.recorder, &ask, PATIENCE).await?;
            if !decided.is_sold_out() || begun.elapsed() >= stale {
                return Ok(decided);
            }
            outside::pause(Duration::from_millis(50)).await;
        }
    }

    async fn give_back(&self, wire: &mut Wire, turn: u64, id: &str) -> Result<(), Undecided> {
        let ask = Ask {
            caller: self.buyer(turn),
            route: &format!("/v1/holds/{id}/release"),
            key: &format!("{}-probe-back-{turn}", self.run),
            body: "{}",
            id: Some(id),
            lines: Some((self.sku, 1)),
        };
        until_decided(wire, self.recorder, &ask, PATIENCE)
            .await
            .map(drop)
    }
}
