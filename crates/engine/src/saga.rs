//! The runner: makes the calls that orders and sagas need, and reports what came of them.
//!
//! What an order needs next follows from its row: [`evenkeel_rules::order::Order::due`]; so does
//! what a saga over anybody's services needs ([`evenkeel_rules::saga::journey::Journey::due`]). The
//! intent is logged before the runner sees the row, because that is how the row came to need it;
//! the outcome is a commit of its own, and the row that it leaves says what is next. So a runner
//! that dies anywhere loses nothing: whoever looks at the row later asks the provider by key.
//!
//! It makes calls only for the shards that its lease gives it, and only while the lease outlives
//! the call; what it reports is refused if a newer lease exists by then.
//!
//! It hears of fresh rows from the committer, and of all others by their due times. It makes at
//! most [`CALLS_MAX`] calls at once and never two for one row; beyond that rows wait in the
//! store, not in memory. Retries come out of a budget, so that a provider in trouble is not buried
//! under them; whether somebody answers again it finds out soon (`probe`). An order that runs out
//! is told of first. What an answer means is the judge's to say, under the lock.
//!
//! Where the order flow runs on events, first calls are the handlers'
//! ([`evenkeel_rules::order::Handler`]): the runner tells them that there is something to read, and
//! looks only at orders whose last event all of them have passed.

use crate::calls::{call_of, count, random, timeout, told};
use crate::commit::Command;
use crate::consumer;
use crate::engine::Shared;
use crate::execute::engine_notes;
use crate::gateway::Gateway;
use crate::port::{CallbackRow, DueRow, Fault, OrderRow, Row};
use crate::worker::Pulse;
use evenkeel_rules::order::{Order, Task};
use evenkeel_rules::retry::Budget;
use evenkeel_rules::time::LogTime;
use futures_util::stream::{FuturesUnordered, StreamExt};
use probe::{Caller, Heard, Party, Probe};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

mod probe;
mod step;

pub use crate::calls::{Secret, effect_key};

/// Most calls and callbacks that are under way at once.
pub const CALLS_MAX: usize = 512;
/// Fresh rows that wait in memory; the others are found by their due times.
const WAITING_MAX: usize = 8_192;

/// A row that was committed a moment ago and may need something, with its private text if that
/// was made with it.
#[derive(Debug)]
pub struct Fresh {
    /// The row.
    pub row: DueRow,
    /// The private text made by the same commit.
    pub private: Option<String>,
    /// Log time of the commit.
    pub at: LogTime,
}

/// What the runner is told and what it looks at.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    gateway: Arc<dyn Gateway>,
    fresh: mpsc::UnboundedReceiver<Fresh>,
    waiting: VecDeque<Fresh>,
    /// Rows under way, by the position that created them; and what was heard of them meanwhile.
    running: BTreeSet<u64>,
    again: BTreeMap<u64, Fresh>,
    budget: Budget,
    /// Whether the budget held a retry back since anybody answered.
    held_back: bool,
    probe: Probe,
    /// Who makes the first calls of orders; nobody else than the runner if empty.
    handlers: Vec<Arc<Notify>>,
    pulse: Arc<Pulse>,
}

/// Whether a row is looked at when it is due, or before, to find out who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Due,
    Early,
}

type Work = Pin<Box<dyn Future<Output = Over> + Send>>;

/// What was under way for a row is over.
struct Over {
    /// The position that created the row.
    created: u64,
    /// What came of it, if somebody was asked.
    heard: Option<Heard>,
}

impl Over {
    const fn unasked(created: u64) -> Self {
        let heard = None;
        Self { created, heard }
    }
}

impl Runner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        gateway: Arc<dyn Gateway>,
        fresh: mpsc::UnboundedReceiver<Fresh>,
        handlers: Vec<Arc<Notify>>,
    ) -> Self {
        let started = shared.clock.now();
        let budget = Budget::full(started);
        let pulse = shared.pulse("saga");
        Self {
            shared,
            gateway,
            fresh,
            waiting: VecDeque::new(),
            running: BTreeSet::new(),
            again: BTreeMap::new(),
            budget,
            held_back: false,
            probe: Probe::new(started),
            handlers,
            pulse,
        }
    }

    /// Works until the engine stops. Calls that are under way then are left: whoever comes next
    /// asks after them.
    pub(crate) async fn run(mut self, mut stop: tokio::sync::watch::Receiver<bool>) {
        let clock = Arc::clone(&self.shared.clock);
        let every = self.shared.options.saga_every;
        let mut calls: FuturesUnordered<Work> = FuturesUnordered::new();
        let mut look = clock.sleep(Duration::ZERO);
        while !*stop.borrow() {
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                Some(over) = calls.next(), if !calls.is_empty() => {
                    self.running.remove(&over.created);
                    if let Some(heard) = over.heard {
                        if heard.answered {
                            self.budget.answered();
                            self.held_back = false;
                        }
                        self.probe.note(heard, clock.mono());
                    }
                    if let Some(fresh) = self.again.remove(&over.created) {
                        self.hear(fresh);
                    }
                }
                Some(fresh) = self.fresh.recv() => self.hear(fresh),
                () = &mut look => {
                    self.look().await;
                    calls.extend(self.early().await);
                    // What is held back stays due; it is not read over and over.
                    let pause = if self.held_back { 10 * every } else { every };
                    look = clock.sleep(pause);
                }
            }
            while calls.len() < CALLS_MAX
                && let Some(fresh) = self.waiting.pop_front()
            {
                if let Some(work) = self.begin(fresh, Time::Due) {
                    calls.push(work);
                }
            }
        }
    }

    /// Notes a row, unless too many wait: those are found again by their due times.
    fn hear(&mut self, fresh: Fresh) {
        if let DueRow::Order(row) = &fresh.row
            && !self.handlers.is_empty()
        {
            if row.tries.calls == 0 {
                self.budget.earn();
            }
            for handler in &self.handlers {
                handler.notify_one();
            }
            return;
        }
        let created = fresh.row.created();
        if self.running.contains(&created) {
            self.again.insert(created, fresh);
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(fresh);
        }
    }

    /// Looks for rows that are due and that nobody works on.
    async fn look(&mut self) {
        if !self.waiting.is_empty() {
            return;
        }
        let now = self.shared.clock.now();
        match self.due_rows(now).await {
            Ok(rows) => {
                self.pulse.good(self.shared.clock.mono());
                for row in rows {
                    if !self.running.contains(&row.created()) {
                        let at = now;
                        let private = None;
                        self.waiting.push_back(Fresh { row, private, at });
                    }
                }
            }
            Err(fault) => {
                tracing::warn!(%fault, "due orders could not be read");
                self.pulse.bad();
            }
        }
    }

    /// The rows that are due and the runner's.
    async fn due_rows(&self, now: LogTime) -> Result<Vec<DueRow>, Fault> {
        let rows = self.shared.store.due_rows(now, 2 * CALLS_MAX).await?.rows;
        self.own(rows).await
    }

    /// Those of the rows that are the runner's: an order is not while a handler has to read of it.
    async fn own(&self, mut rows: Vec<DueRow>) -> Result<Vec<DueRow>, Fault> {
        let is_order = |row: &DueRow| matches!(row, DueRow::Order(_));
        if !self.handlers.is_empty() && rows.iter().any(is_order) {
            let passed = consumer::passed_by_handlers(&self.shared).await?;
            rows.retain(|row| match row {
                DueRow::Order(row) => row.last <= passed,
                DueRow::Callback(_) | DueRow::Saga(_) => true,
            });
        }
        Ok(rows)
    }

    /// Begins to ask those who do not answer whether they do again.
    async fn early(&mut self) -> Vec<Work> {
        let now = self.shared.clock.now();
        let rows = match self.probe.rows(&self.shared, now).await {
            Ok(rows) => self.own(rows).await,
            Err(fault) => Err(fault),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(fault) => {
                tracing::warn!(%fault, "what waits for another try could not be read");
                return Vec::new();
            }
        };
        let fresh = rows.into_iter().map(|row| Fresh {
            row,
            private: None,
            at: now,
        });
        fresh
            .filter_map(|fresh| self.begin(fresh, Time::Early))
            .collect()
    }

    /// Begins what a row needs now, if anything.
    fn begin(&mut self, fresh: Fresh, time: Time) -> Option<Work> {
        let Fresh { row, private, at } = fresh;
        let now = at.max(self.shared.clock.now());
        let mono = self.shared.clock.mono();
        let created = row.created();
        if self.running.contains(&created) {
            return None;
        }
        let work: Work = match row {
            DueRow::Callback(row) => {
                let right = self.shared.held.right(created, mono, Duration::ZERO);
                let shared = Arc::clone(&self.shared);
                Box::pin(take_in(shared, row, right?))
            }
            DueRow::Order(row) if time == Time::Due && is_warned_now(&row, now) => {
                let right = self.shared.held.right(created, mono, Duration::ZERO);
                Box::pin(warn(Arc::clone(&self.shared), row, right?))
            }
            DueRow::Order(row) => {
                let due = row.body.due(row.tries, 0)?;
                if time == Time::Due && !is_time(&row, due.at, now) {
                    return None;
                }
                let timeout = timeout(&self.shared.options, due.task);
                let token = self.shared.held.right(created, mono, timeout)?;
                self.afford(row.tries.calls, (now, time))?;
                let (shared, gateway) = (Arc::clone(&self.shared), Arc::clone(&self.gateway));
                let lent = Lent { token, timeout };
                Box::pin(make_call((shared, gateway), (row, due.task), private, lent))
            }
            DueRow::Saga(row) => {
                let due = row.body.due(row.tries, 0)?;
                if time == Time::Due && !is_time(&row, due.at, now) {
                    return None;
                }
                // A longer call is made as long as the lease is renewed in time.
                let step = &row.body.steps[usize::from(due.turn.step)];
                let timeout = self.shared.options.call_timeout;
                let timeout = timeout.min(Duration::from_millis(step.timeout.0));
                let token = self.shared.held.right(created, mono, timeout)?;
                self.afford(row.tries.calls, (now, time))?;
                let (shared, gateway) = (Arc::clone(&self.shared), Arc::clone(&self.gateway));
                let lent = Lent { token, timeout };
                let call = step::make_call((shared, gateway), (row, due.turn), private, lent);
                Box::pin(call)
            }
        };
        self.running.insert(created);
        Some(work)
    }

    /// Lets a first try through, and a retry that the budget has.
    fn afford(&mut self, calls: u32, (now, time): (LogTime, Time)) -> Option<()> {
        if calls == 0 {
            self.budget.earn();
        } else if !self.budget.spend(now) && time == Time::Due {
            metrics::counter!("evenkeel_retries_held_back_total").increment(1);
            self.held_back = true;
            return None;
        }
        Some(())
    }
}

/// Whether what a row needs at a moment is to be done now.
fn is_time<T>(row: &Row<T>, at: LogTime, now: LogTime) -> bool {
    let is_due = row.due.is_some_and(|due| due <= now);
    // A try's delay was drawn when its due time was written.
    let waits = at > now || row.tries.calls > 0;
    is_due || !waits
}

/// Whether the order's customer is to be told now that it runs out.
fn is_warned_now(row: &OrderRow, now: LogTime) -> bool {
    row.body.warn_at(now).is_some_and(|at| at <= now)
}

async fn take_in(shared: Arc<Shared>, row: CallbackRow, token: u64) -> Over {
    let created = row.created;
    let lease = Some(token);
    let command = Command::ApplyCallback { created, lease };
    note(&shared, (command, None), (created, token), &created).await;
    Over::unasked(created)
}

async fn warn(shared: Arc<Shared>, row: OrderRow, token: u64) -> Over {
    let created = row.created;
    let command = Command::WarnOrder {
        id: row.body.id.clone(),
        random: random(&shared),
        lease: Some(token),
    };
    let (about, order) = (&row.body.id, Some(&row.body));
    note(&shared, (command, order), (created, token), about).await;
    Over::unasked(created)
}

/// The right to make a call, and how long it may take.
struct Lent {
    token: u64,
    timeout: Duration,
}

async fn make_call(
    (shared, gateway): (Arc<Shared>, Arc<dyn Gateway>),
    (row, task): (OrderRow, Task),
    private: Option<String>,
    lent: Lent,
) -> Over {
    let created = row.created;
    let call = match call_of(&shared, &row, task, private).await {
        Ok(Some(call)) => call,
        Ok(None) => return Over::unasked(created),
        Err(fault) => {
            tracing::warn!(%fault, order = %row.body.id, "a call was not made; it will be");
            return Over::unasked(created);
        }
    };
    // Reading the private text may have taken its time: no call without a lease that outlives it.
    let mono = shared.clock.mono();
    if shared.held.right(created, mono, lent.timeout) != Some(lent.token) {
        return Over::unasked(created);
    }
    let reply = gateway.call(&call, lent.timeout).await;
    let heard = Some(Heard {
        party: Party::of(&call),
        answered: count(&call, &reply),
        row: Caller::Order(row.body.id.clone()),
    });
    let command = Command::Report {
        id: row.body.id.clone(),
        task,
        told: told(&row.body, reply),
        seen: row.version,
        random: random(&shared),
        lease: Some(lent.token),
    };
    let (about, order) = (&row.body.id, Some(&row.body));
    note(&shared, (command, order), (created, lent.token), about).await;
    Over { created, heard }
}

/// Commits what came of a row's turn, under the token that the turn was taken with. What cannot be
/// noted is not lost: the row is still due, and whoever looks at it asks again by key.
async fn note(
    shared: &Shared,
    (command, order): (Command, Option<&Order>),
    (created, token): (u64, u64),
    about: &(dyn Display + Sync),
) {
    let what = command.name();
    if let Err(refusal) = engine_notes(shared, command, order).await {
        shared.held.refused((created, token), &refusal);
        tracing::warn!(
            ?refusal,
            %about,
            what,
            "an outcome was not noted; it will be"
        );
    }
}
