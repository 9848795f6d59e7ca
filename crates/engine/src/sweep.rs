//! The sweep: ends holds whose deadline has passed.
//!
//! It takes at most a quarter of a batch at a time, oldest deadline first, and asks the judge to
//! expire each; the judge decides on log time, so a sweep that comes early or twice does nothing.
//! Nothing waits for it: a confirm after the deadline is refused and a place pulls overdue units
//! itself, swept or not. So while clients work it ends few at a time: their batches stay short.
//!
//! Of several nodes one sweeps, the owner of the first shard: two would do the same work twice. The
//! others end what is overdue for so long that the owner seems to be gone, whatever its lease says.

use crate::commit::{Command, Commit};
use crate::port::{Clock, Fault, HoldRow, Rows, Store, Touch};
use crate::queue::{BATCH_MAX, Full, Live, Queue, Told, Waiting};
use crate::settle::shares::counted_shares;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::ids::TokenId;
use evenkeel_rules::time::Millis;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Most holds that one round ends.
pub const SWEEP_MAX: usize = BATCH_MAX / 4;
/// Holds that one round ends while clients work.
const SWEEP_LIVE: usize = SWEEP_MAX / 16;

/// How long a hold is overdue before a node ends it whose work that is not.
const LATE: Millis = Millis(2_000);
/// How often such a node looks.
const LOOK: Duration = Duration::from_millis(500);

/// The loop.
pub struct Sweep {
    /// Where due holds are found.
    store: Arc<dyn Store>,
    /// What is due.
    clock: Arc<dyn Clock>,
    /// Where expiries are judged.
    queue: Arc<Queue>,
    live: Live,
    /// Due holds that were read and not asked for yet, oldest first.
    page: VecDeque<HoldRow>,
    /// Whether there were more of them.
    more: bool,
    /// Whether it is this node's to sweep.
    mine: Mine,
    /// Monotonic time at which a node looks again whose work it is not.
    looks: Duration,
}

/// Whether work that one node does for all is this node's now.
pub type Mine = Box<dyn Fn() -> bool + Send + Sync>;

impl Sweep {
    /// A sweep that has looked at nothing.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        queue: Arc<Queue>,
        mine: Mine,
    ) -> Self {
        Self {
            store,
            clock,
            queue,
            live: Live::default(),
            page: VecDeque::new(),
            more: false,
            mine,
            looks: Duration::ZERO,
        }
    }

    /// Reads what is due, unless there is still something of the last reading.
    async fn read(&mut self) -> Result<(), Fault> {
        if !self.page.is_empty() {
            return Ok(());
        }
        let (now, mono, mine) = (self.clock.now(), self.clock.mono(), (self.mine)());
        if !mine && !self.more && mono < self.looks {
            return Ok(());
        }
        self.looks = mono + LOOK;
        let due = self.store.due(now, SWEEP_MAX).await?.rows;
        let overdue = due.iter().map(|row| row.hold.deadline.until(now));
        let overdue = Duration::from_millis(overdue.max().map_or(0, |it| it.0));
        metrics::gauge!("evenkeel_sweep_overdue_seconds").set(overdue);
        self.more = due.len() == SWEEP_MAX;
        self.page = due.into();
        if !mine {
            let all = self.page.len();
            let is_late = |row: &HoldRow| row.hold.deadline.plus(LATE) <= now;
            self.page.retain(is_late);
            self.more &= self.page.len() == all;
        }
        Ok(())
    }
}

/// The commit that expires one hold.
#[must_use]
pub fn expire(row: &HoldRow) -> Commit {
    let place = |line: &evenkeel_rules::hold::Line| (line.sku.clone(), line.location.clone());
    let balances = row.hold.lines.iter().map(place).collect();
    let rows = Rows {
        balances,
        ..Rows::default()
    };
    let id = row.hold.id.clone();
    Commit {
        touch: Touch {
            holds: vec![id.clone()],
            shares: counted_shares(&row.hold),
            rows,
            ..Touch::default()
        },
        command: Command::Expire { id },
        key: None,
        actor: TokenId::new("engine").expect("a well-formed id"),
        owner: None,
        expected: None,
    }
}

#[async_trait]
impl Work for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        self.read().await?;
        let live = self.live.look(self.queue.asked(), self.clock.mono());
        let most = if live { SWEEP_LIVE } else { SWEEP_MAX };
        let part: Vec<HoldRow> = self.page.drain(..most.min(self.page.len())).collect();
        let mut answers: Vec<oneshot::Receiver<Told>> = Vec::with_capacity(part.len());
        for row in &part {
            let (answer, told) = oneshot::channel();
            let waiting = Waiting {
                commit: expire(row),
                answer,
                deadline: None,
                widened: 0,
            };
            match self.queue.push(waiting) {
                Ok(()) => answers.push(told),
                Err(Full::Busy | Full::Closed) => break,
            }
        }
        let mut done = 0;
        for told in answers {
            match told.await {
                Ok(Ok(_)) => done += 1,
                Ok(Err(fault)) => return Err(fault),
                Err(_) => return Err(Fault::Unavailable("the engine is stopping".to_owned())),
            }
        }
        metrics::counter!("evenkeel_swept_holds_total").increment(done as u64);
        Ok(Round {
            done,
            more: done == part.len() && (self.more || !self.page.is_empty()),
            behind: 0,
        })
    }
}

#[cfg(test)]
mod tests;
