//! The sweep: ends holds whose deadline has passed.
//!
//! It takes at most a quarter of a batch at a time, oldest deadline first, and asks the judge to
//! expire each; the judge decides on log time, so a sweep that comes early or twice does nothing.
//! Nothing waits for it: a confirm after the deadline is refused and a place pulls overdue units
//! itself, swept or not.

use crate::commit::{Command, Commit};
use crate::port::{Clock, Fault, HoldRow, Rows, Store, Touch};
use crate::queue::{BATCH_MAX, Full, Queue, Told, Waiting};
use crate::settle::shares::counted_shares;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::ids::TokenId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Most holds that one round ends.
pub const SWEEP_MAX: usize = BATCH_MAX / 4;

/// The loop.
pub struct Sweep {
    /// Where due holds are found.
    pub store: Arc<dyn Store>,
    /// What is due.
    pub clock: Arc<dyn Clock>,
    /// Where expiries are judged.
    pub queue: Arc<Queue>,
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
        let now = self.clock.now();
        let due = self.store.due(now, SWEEP_MAX).await?.rows;
        let overdue = due.iter().map(|row| row.hold.deadline.until(now));
        let overdue = Duration::from_millis(overdue.max().map_or(0, |it| it.0));
        metrics::gauge!("evenkeel_sweep_overdue_seconds").set(overdue);
        let mut answers: Vec<oneshot::Receiver<Told>> = Vec::with_capacity(due.len());
        for row in &due {
            let (answer, told) = oneshot::channel();
            let commit = expire(row);
            let waiting = Waiting {
                commit,
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
            more: done == SWEEP_MAX,
            behind: 0,
        })
    }
}
