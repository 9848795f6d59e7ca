//! The committer: one batch after the other, each one transaction.
//!
//! It takes what arrived while the last batch was written, locks the head, has [`settle`] judge,
//! commits, and only then hands the answers on. It is the one caller of `lock` and `finish`.
//!
//! When it goes wrong: a definite no is told to everybody in the batch; a batch with a data error
//! is split until the offender stands alone; an unknown COMMIT is resolved by the batch's id on a
//! new connection, and until then its callers wait; a disk that did not confirm a write ends the
//! committer for good, with nothing told.

use crate::commit::Commit;
use crate::ledger::Ledger;
use crate::meter::{OfBatches, SPANS};
use crate::port::{Clock, Fault, Head, Ids, News, StockGate, Store, View, Writes};
use crate::queue::{Queue, Waiting};
use crate::settle::{Context, Settled, Verdict, settle};
use crate::token::Tokens;
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::time::{LogTime, Millis};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument as _;

mod delivery;
mod health;
mod latecomers;
mod touch;
mod unresolved;
pub use delivery::Delivery;
use delivery::fresh_rows;
pub use health::{Broken, Health};
pub use unresolved::Unresolved;

/// How often a commit may be widened before the answer is a definite no: once for what it believed,
/// then for rows that it turns out to need.
const WIDEN_MAX: u32 = 4;
/// How often a batch that was in another writer's way is tried again.
const CONFLICT_MAX: u32 = 5;
/// Pause between two attempts to learn an unknown outcome.
const RESOLVE_EVERY: Duration = Duration::from_millis(50);

/// Ends the committer's work however it ends, a panic included: nobody waits for it in vain.
struct Farewell {
    queue: Arc<Queue>,
    health: Arc<Health>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.health.stopped.store(true, Ordering::Release);
        self.queue.abandon();
    }
}

/// What the committer works with.
pub struct Parts {
    /// Where the truth is kept.
    pub store: Arc<dyn Store>,
    /// Fed after each batch.
    pub gate: Arc<dyn StockGate>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Batch ids.
    pub ids: Arc<dyn Ids>,
    /// Where commits wait.
    pub queue: Arc<Queue>,
    /// Keys of a batch with unknown outcome.
    pub unresolved: Arc<Unresolved>,
    /// Told when a token was made or revoked.
    pub tokens: Arc<Tokens>,
    /// What readiness reads.
    pub health: Arc<Health>,
    /// Where answers go: they are sent by somebody else, after the batch.
    pub answers: mpsc::UnboundedSender<Delivery>,
    /// The incarnation of the log that the node began on.
    pub incarnation: u32,
    /// Longest life of a hold.
    pub max_life: Millis,
    /// How long before its limit the customer of an order is told.
    pub warn: Millis,
    /// Where units come from when a line does not say.
    pub allocation: Vec<LocationId>,
    /// Whether rows are remembered from batch to batch.
    pub cache: bool,
    /// Whether the node's clock is compared with the store's.
    pub compare_clocks: bool,
}

/// The committer.
pub struct Committer {
    parts: Parts,
    ledger: Ledger,
    meter: OfBatches,
    /// The highest position that the store had as far as is known.
    seen: u64,
    /// Until when every name is looked for, by the monotonic clock: one was taken for new that was
    /// not.
    doubts: Duration,
}

/// How one attempt at a batch ended.
enum Attempt {
    Done(Box<Decided>),
    Again,
    /// The store refuses one of its commits, and why.
    Split(String),
    Failed(Fault),
}

/// A batch that is durable, or wrote nothing.
struct Decided {
    verdicts: Vec<Verdict>,
    news: News,
    writes: Option<Writes>,
}

impl Committer {
    /// A committer with an empty cache.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            ledger: Ledger::default(),
            meter: OfBatches::new(),
            seen: 0,
            doubts: Duration::ZERO,
        }
    }

    /// Works until the queue is closed and empty, or the disk fails.
    pub async fn run(mut self) {
        let _farewell = Farewell {
            queue: Arc::clone(&self.parts.queue),
            health: Arc::clone(&self.parts.health),
        };
        while let Some(batch) = self.parts.queue.take().await {
            if self.is_broken() {
                self.tell_all(batch, &broken());
                continue;
            }
            let begun = self.parts.clock.mono();
            let span = tracing::trace_span!(target: SPANS, "batch", commits = batch.len());
            self.batch(batch).instrument(span).await;
            let took = self.parts.clock.mono().saturating_sub(begun);
            self.meter.duration.record(took);
            self.parts.queue.paced(took);
            if self.is_broken() {
                self.parts.queue.close();
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.parts.health.broken().is_some()
    }

    async fn batch(&mut self, batch: Vec<Waiting>) {
        let mut todo = vec![(batch, 0)];
        let mut is_first = true;
        while let Some((part, tries)) = todo.pop() {
            if self.is_broken() {
                // A disk that failed once may seem to work again: it is not written to any more.
                self.tell_all(part, &broken());
                continue;
            }
            // What was begun once is gone on with: its caller may have been told that nobody knows.
            let mut part = if tries == 0 {
                self.drop_late(part)
            } else {
                part
            };
            if part.is_empty() {
                continue;
            }
            self.believe(&mut part, tries);
            let attempt = self.attempt(&mut part).await;
            if std::mem::take(&mut is_first) {
                self.meter.taken(&part);
            }
            match attempt {
                Attempt::Done(decided) => self.tell(part, *decided),
                Attempt::Again if tries < CONFLICT_MAX => todo.push((part, tries + 1)),
                Attempt::Again => self.tell_all(part, &Fault::Conflict),
                Attempt::Failed(fault) => self.tell_all(part, &fault),
                Attempt::Split(why) if part.len() == 1 => {
                    tracing::error!(command = part[0].commit.command.name(), "not writable");
                    self.tell_all(part, &Fault::Corrupt(why));
                }
                Attempt::Split(_) => {
                    let second = part.split_off(part.len() / 2);
                    todo.push((second, tries));
                    todo.push((part, tries));
                }
            }
        }
    }

    /// Answers what is past its deadline before any work is done for it.
    fn drop_late(&self, part: Vec<Waiting>) -> Vec<Waiting> {
        let mono = self.parts.clock.mono();
        let is_late = |waiting: &Waiting| waiting.deadline.is_some_and(|until| until <= mono);
        if !part.iter().any(is_late) {
            return part;
        }
        let (late, part) = part.into_iter().partition(is_late);
        self.tell_all(late, &Fault::DeadlinePassed);
        part
    }

    async fn attempt(&mut self, part: &mut Vec<Waiting>) -> Attempt {
        let parts = &self.parts;
        let (clock, mono) = (parts.clock.now(), parts.clock.mono());
        // The very time that the batch is judged at: a later look might not see its jump.
        if !parts.health.clocks_agree(clock, mono) {
            return Attempt::Failed(Fault::Unavailable("the clock jumped".to_owned()));
        }
        if !parts.cache {
            self.ledger.clear();
        }
        let touch = self.touch(part, clock);
        let (locked, view) = match self.parts.store.lock(&touch).await {
            Ok(locked) => locked,
            Err(fault) => return self.failed(fault),
        };
        if let Err(fault) = self.may_write(&view, clock) {
            return Attempt::Failed(fault);
        }
        self.let_in(part, &view);
        let batch = self.parts.ids.random();
        let context = Context {
            clock,
            batch,
            max_life: self.parts.max_life,
            warn: self.parts.warn,
            allocation: &self.parts.allocation,
        };
        let commits: Vec<&Commit> = part.iter().map(|waiting| &waiting.commit).collect();
        let Settled {
            writes,
            verdicts,
            news,
        } = settle(&mut self.ledger, view, &commits, context);
        let news = News { mono, ..news };
        let tokens_changed = writes.as_ref().is_some_and(|it| !it.tokens.is_empty());
        match &writes {
            None => drop(locked),
            Some(writes) => match locked.finish(writes).await {
                Ok(()) => {}
                Err(Fault::TimedOut) => {
                    self.ledger.clear();
                    match self.resolve(part, writes).await {
                        Some(true) => {}
                        Some(false) => return Attempt::Again,
                        None => return Attempt::Failed(Fault::TimedOut),
                    }
                }
                Err(Fault::Corrupt(what)) if latecomers::is_believed(part) => {
                    self.ledger.clear();
                    return self.doubt(&what);
                }
                Err(fault) => {
                    self.ledger.clear();
                    return self.failed(fault);
                }
            },
        }
        // Durable, whichever way that was learnt.
        if let Some(writes) = &writes {
            self.seen = writes.head.position;
        }
        self.parts.health.store_down.store(false, Ordering::Release);
        if tokens_changed {
            // Whether or not the caller is still there to hear of it.
            self.parts.tokens.forget();
        }
        Attempt::Done(Box::new(Decided {
            verdicts,
            news,
            writes,
        }))
    }

    /// Refuses a store to which this node must not write: of another log, or of another time.
    fn may_write(&mut self, view: &View, asked: LogTime) -> Result<(), Fault> {
        self.is_ours(&view.head)?;
        let parts = &self.parts;
        let theirs = view.clock.filter(|_| parts.compare_clocks);
        let is_off = |theirs| {
            let told = (parts.clock.now(), parts.clock.mono());
            !parts.health.store_agrees(theirs, asked, told)
        };
        if theirs.is_some_and(is_off) {
            let what = "this node's clock is off the store's".to_owned();
            return Err(Fault::Unavailable(what));
        }
        Ok(())
    }

    /// Refuses a store whose log is not the one that this node works on: a backup was restored
    /// under it, or the server came back without what it had confirmed. What the node remembers of
    /// rows and names is then of another future.
    fn is_ours(&mut self, head: &Head) -> Result<(), Fault> {
        if head.incarnation == self.parts.incarnation && head.position >= self.seen {
            self.seen = head.position;
            return Ok(());
        }
        let (seen, position, incarnation) = (self.seen, head.position, head.incarnation);
        let what = "the log was restored under this node: the process must start again";
        tracing::error!(seen, position, incarnation, "{what}");
        self.parts.health.restored.store(true, Ordering::Release);
        Err(Fault::Unavailable(what.to_owned()))
    }

    fn failed(&mut self, fault: Fault) -> Attempt {
        let health = &self.parts.health;
        match fault {
            Fault::Conflict => Attempt::Again,
            Fault::Corrupt(what) => {
                tracing::error!(what, "a batch does not fit the store");
                Attempt::Split(what)
            }
            Fault::Sync(what) => {
                tracing::error!(what, "the disk did not confirm a write: stopping");
                health.broken.store(true, Ordering::Release);
                // Whether the batch is on disk is not known: nobody is told anything else.
                Attempt::Failed(Fault::TimedOut)
            }
            Fault::Unavailable(_) | Fault::DiskFull | Fault::TimedOut => {
                tracing::warn!(%fault, "a batch was not written");
                health.store_down.store(true, Ordering::Release);
                Attempt::Failed(fault)
            }
            Fault::Fenced | Fault::DeadlinePassed => Attempt::Failed(fault),
        }
    }

    /// Learns the outcome of an unknown COMMIT; its callers wait until then. Nothing if it cannot
    /// be learnt: the disk failed, or the engine is to stop and the store does not answer.
    async fn resolve(&self, part: &[Waiting], writes: &Writes) -> Option<bool> {
        let batch = *writes
            .head
            .batches
            .back()
            .expect("a written batch has an id");
        let keys = part
            .iter()
            .filter_map(|waiting| Some(waiting.commit.key.as_ref()?.name));
        self.parts.unresolved.set(keys.collect());
        self.meter.unknown.increment(1);
        let committed = loop {
            match self.parts.store.resolve(batch).await {
                Ok(committed) => break Some(committed),
                Err(Fault::Sync(what)) => {
                    tracing::error!(what, "the disk failed while an outcome was looked up");
                    self.parts.health.broken.store(true, Ordering::Release);
                    break None;
                }
                Err(fault) if self.parts.queue.is_closed() => {
                    tracing::error!(%fault, "stopping without knowing a batch's outcome");
                    break None;
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the outcome of a batch is not known yet");
                    self.parts.health.store_down.store(true, Ordering::Release);
                    self.parts.clock.sleep(RESOLVE_EVERY).await;
                }
            }
        };
        self.parts.unresolved.set(BTreeSet::new());
        committed
    }

    fn tell(&self, part: Vec<Waiting>, decided: Decided) {
        let Decided {
            verdicts,
            news,
            writes,
        } = decided;
        let mut answers = Vec::with_capacity(part.len());
        let mut commits = Vec::with_capacity(part.len());
        let mut again = Vec::new();
        for (mut waiting, verdict) in part.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Told(outcome) => answers.push((waiting.answer, Ok(outcome))),
                // Whoever has the newer lease goes on.
                Verdict::Failed(Fault::Fenced) => {
                    answers.push((waiting.answer, Err(Fault::Fenced)));
                }
                Verdict::Failed(fault) => {
                    tracing::error!(%fault, "the store contradicts itself");
                    answers.push((waiting.answer, Err(fault)));
                }
                Verdict::Widen(_) if waiting.widened >= WIDEN_MAX => {
                    let fault = Fault::Unavailable("the rows keep changing".to_owned());
                    answers.push((waiting.answer, Err(fault)));
                }
                Verdict::Widen(touch) => {
                    waiting.commit.touch.widen(*touch);
                    waiting.widened += 1;
                    again.push(waiting);
                    continue;
                }
            }
            commits.push(waiting.commit);
        }
        let mut writes = writes;
        let fresh = writes.as_mut().map_or_else(Vec::new, fresh_rows);
        self.send(Delivery {
            answers,
            news: Some(news),
            fresh,
            spent: (commits, writes),
        });
        if !again.is_empty() {
            self.parts.queue.push_back_in(again);
        }
    }

    fn tell_all(&self, part: Vec<Waiting>, fault: &Fault) {
        let told = |waiting: Waiting| (waiting.answer, Err(fault.clone()));
        let answers = part.into_iter().map(told).collect();
        self.send(Delivery {
            answers,
            ..Delivery::default()
        });
    }

    fn send(&self, delivery: Delivery) {
        if let Err(mpsc::error::SendError(delivery)) = self.parts.answers.send(delivery) {
            delivery.deliver(&*self.parts.gate, None);
        }
    }
}

/// What is told to those whose work was not begun before the disk failed or the log was restored.
fn broken() -> Fault {
    Fault::Unavailable("the process must start again".to_owned())
}

#[cfg(test)]
mod tests;
