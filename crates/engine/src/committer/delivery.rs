//! What follows a batch that is durable: answers, the gate's news, rows for the runner.
//!
//! It is done by somebody else than the committer, so that the next batch does not wait for it, and
//! in one order: the gate, the callers, the runner. Nothing of it is done before the batch is
//! durable.

use crate::commit::Commit;
use crate::port::{DueRow, Map, News, StockGate, Writes};
use crate::queue::Told;
use crate::saga::Fresh;
use tokio::sync::{mpsc, oneshot};

/// What is done for a batch after it is durable, and not by the committer: the next batch does not
/// wait for it.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Callers and what they are told.
    pub(super) answers: Vec<(oneshot::Sender<Told>, Told)>,
    /// What the gate is told before them.
    pub(super) news: Option<News>,
    /// Rows that may need a call now.
    pub(super) fresh: Vec<Fresh>,
    /// What the batch was made of; to be freed.
    pub(super) spent: (Vec<Commit>, Option<Writes>),
}

impl Delivery {
    /// What the batch wrote, but for what the runner is given.
    pub(crate) fn writes(&self) -> Option<&Writes> {
        self.spent.1.as_ref()
    }

    /// Tells the gate, then the callers, then the runner; who has gone away is passed over.
    pub fn deliver(self, gate: &dyn StockGate, runner: Option<&mpsc::UnboundedSender<Fresh>>) {
        if let Some(news) = &self.news {
            gate.absorb(news);
            gate.seen(news.position, news.mono);
        }
        for (caller, told) in self.answers {
            drop(caller.send(told));
        }
        for fresh in self.fresh {
            if let Some(runner) = runner {
                drop(runner.send(fresh));
            }
        }
        drop(self.spent);
    }
}

/// Takes out of a durable batch the rows that need something at once.
pub(super) fn fresh_rows(writes: &mut Writes) -> Vec<Fresh> {
    let at = writes.head.time;
    let private = std::mem::take(&mut writes.private);
    let mut texts: Map<u64, String> = Map::default();
    texts.extend(private.into_iter().map(|row| (row.id.0, row.text)));
    let mut fresh = Vec::new();
    for write in std::mem::take(&mut writes.orders) {
        // One that was only tried waits for its next due time, the delay of which was drawn.
        let due = match write.row.tries.calls {
            0 => write.row.body.due(write.row.tries, 0).map(|due| due.at),
            _ => write.row.due,
        };
        if due.is_some_and(|due| due <= at) {
            let private = texts.remove(&write.row.created);
            let row = DueRow::Order(write.row);
            fresh.push(Fresh { row, private, at });
        }
    }
    for write in std::mem::take(&mut writes.sagas) {
        let due = match write.row.tries.calls {
            0 => write.row.body.first_due().map(|due| due.at),
            _ => write.row.due,
        };
        if due.is_some_and(|due| due <= at) {
            let private = texts.remove(&write.row.created);
            let row = DueRow::Saga(write.row);
            fresh.push(Fresh { row, private, at });
        }
    }
    for write in std::mem::take(&mut writes.callbacks) {
        if write.row.due.is_some_and(|due| due <= at) {
            let row = DueRow::Callback(write.row);
            let private = None;
            fresh.push(Fresh { row, private, at });
        }
    }
    fresh
}
