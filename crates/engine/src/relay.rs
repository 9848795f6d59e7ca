//! The relay: tells subscribers what is in the log, from each one's checkpoint on.
//!
//! The outbox is the log itself, so nothing can be missed: a checkpoint passes an event only when
//! it was delivered or its stream is parked, and it is committed after that. What a process that
//! died had posted beyond its checkpoint is posted again; its id and its version say so.
//!
//! One node relays one subscription: the owner of its shard, as long as its lease outlives a post.
//! Within one subscription streams go side by side, and within a stream each event waits for the
//! one before it. Each subscription has a turn of its own, a bounded page of the log, so that none
//! waits for a slow one; what the turns commit goes by the background lane.

use crate::engine::Shared;
use crate::port::{At, Fault, Outlet, ParkedView, Relayed, SubscriptionRow};
use crate::queue::Live;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::subscription::State;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod deliver;
mod keep;
mod pace;
mod page;
pub mod sign;
mod turn;

use keep::Keep;
use pace::Pace;
use turn::Turn;

/// Most subscriptions that are live at a time.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// How often the read models are told of progress.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Rows of one look at the subscriptions; those that were deleted are among them.
const LOOK: usize = 10_000;

/// A turn that is over: what to remember, and whether more waits.
struct Over {
    created: u64,
    keep: Keep,
    done: usize,
    more: bool,
}

/// The loop.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    outlet: Arc<dyn Outlet>,
    turns: FuturesUnordered<Pin<Box<dyn Future<Output = Over> + Send>>>,
    /// What is remembered between turns, by the position that created the subscription; nothing
    /// while its turn is under way.
    kept: BTreeMap<u64, Option<Keep>>,
    /// What the read models were told last, and when by the monotonic clock.
    told: Option<(Relayed, Duration)>,
    /// Whether clients work: then posts are paced.
    live: Live,
}

impl Relay {
    pub(crate) fn new(shared: Arc<Shared>, outlet: Arc<dyn Outlet>) -> Self {
        Self {
            shared,
            outlet,
            turns: FuturesUnordered::new(),
            kept: BTreeMap::new(),
            told: None,
            live: Live::default(),
        }
    }

    /// Tells the read models how far all subscribers are, so that the outbox's view can say what
    /// was sent and what has failed. They are rebuilt from the log, so a fault here only delays it.
    async fn tell_views(&mut self, rows: &[SubscriptionRow]) {
        let Some(projector) = self.shared.projector() else {
            return;
        };
        let mono = self.shared.clock.mono();
        let now = relayed(rows);
        // Where the first subscriber begins is told before anything is posted to it: what it has
        // passed later, it was told.
        let stands = |(told, at): &(Relayed, Duration)| {
            let known = told.passed.is_some() == now.passed.is_some();
            *told == now || known && mono.saturating_sub(*at) < TELL_EVERY
        };
        if self.told.as_ref().is_some_and(stands) {
            return;
        }
        let at = self.shared.clock.now();
        match projector.views().relayed(now.clone(), at).await {
            Ok(()) => self.told = Some((now, mono)),
            Err(fault) => tracing::warn!(%fault, "the outbox's view was not brought up to date"),
        }
    }

    /// Begins the turns of subscriptions that wait for one; how far the last of all is behind.
    fn begin(&mut self, page: At<Vec<SubscriptionRow>>) -> u64 {
        let (now, mono) = (self.shared.clock.now(), self.shared.clock.mono());
        let head = page.position;
        let live = self.live.look(self.shared.queue.asked(), mono);
        let mut behind = 0;
        for row in page.rows {
            let created = row.created;
            if !row.body.is_relayed() {
                self.forget(created);
                continue;
            }
            let lag = head.saturating_sub(row.progress.checkpoint);
            behind = behind.max(lag);
            let retries = row.body.parked.iter().any(|parked| parked.retrying);
            let waits = row.progress.again.is_some_and(|again| again > now);
            let keep = self
                .kept
                .entry(created)
                .or_insert_with(|| Some(Keep::default()));
            let quiet = keep.as_ref().is_none_or(|keep| keep.is_quiet(head, now));
            if waits || quiet || lag == 0 && !retries {
                continue;
            }
            let Some(lease) = self.shared.held.right(created, mono, Duration::ZERO) else {
                continue;
            };
            let keep = keep.take().expect("a turn that is under way is quiet");
            let (shared, outlet) = (Arc::clone(&self.shared), Arc::clone(&self.outlet));
            let pace = match live {
                true => Pace::shared(mono, self.turns.len() + 1),
                false => Pace::free(),
            };
            let turn = Turn::new((shared, outlet), row, keep, lease, pace);
            self.turns.push(Box::pin(turn.run()));
        }
        behind
    }

    fn forget(&mut self, created: u64) {
        if self.kept.get(&created).is_some_and(Option::is_some) {
            self.kept.remove(&created);
        }
    }
}

#[async_trait]
impl Work for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        let page = self.shared.store.subscriptions(u64::MAX, LOOK).await?;
        self.tell_views(&page.rows).await;
        let behind = self.begin(page);
        let mut round = Round {
            behind,
            ..Round::default()
        };
        if self.turns.is_empty() {
            return Ok(round);
        }
        let mut stop = self.shared.workers.stopping();
        let every = self.shared.options.relay_every;
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            Some(over) = self.turns.next() => {
                round.done = over.done;
                round.more = over.more;
                self.kept.insert(over.created, Some(over.keep));
            }
            // A subscription that comes while another's turn is long does not wait for it.
            () = self.shared.clock.sleep(every) => {}
        }
        round.more |= !self.turns.is_empty();
        round.more &= !*stop.borrow();
        Ok(round)
    }
}

/// What every live subscriber has passed, and what waits for a person.
fn relayed(rows: &[SubscriptionRow]) -> Relayed {
    let live = || rows.iter().filter(|row| row.body.state != State::Deleted);
    let parked = live().flat_map(|row| &row.body.parked).map(|parked| {
        let (_, id) = parked.stream.split_once(':').unwrap_or_default();
        ParkedView {
            id: id.to_owned(),
            from: parked.from,
            attempts: u64::from(parked.tries),
            cause: parked.cause.clone(),
        }
    });
    Relayed {
        passed: live().map(|row| row.progress.checkpoint).min(),
        parked: parked.collect(),
    }
}

/// How far subscribers are behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Positions that some live subscriber has not passed.
    pub pending: u64,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
    /// Streams that wait for a person.
    pub parked: usize,
}

/// Looks at all subscriptions.
pub(crate) async fn outbox(shared: &Shared) -> Result<Outbox, Fault> {
    let page = shared.store.subscriptions(u64::MAX, LOOK).await?;
    let live = |row: &&SubscriptionRow| row.body.state != State::Deleted;
    let parked = page
        .rows
        .iter()
        .filter(live)
        .map(|row| row.body.parked.len());
    let parked = parked.sum();
    let active = page
        .rows
        .iter()
        .filter(|row| row.body.state == State::Active);
    let last = active.map(|row| row.progress.checkpoint).min();
    let pending = last.map_or(0, |last| page.position.saturating_sub(last));
    let mut oldest = Duration::ZERO;
    if let Some(last) = last.filter(|_| pending > 0)
        && let Some(row) = shared.store.log(last + 1, 1).await?.rows.first()
    {
        let at = page::at_of(&row.text).unwrap_or_default();
        oldest = Duration::from_millis(at.until(shared.clock.now()).0);
    }
    Ok(Outbox {
        pending,
        oldest,
        parked,
    })
}
