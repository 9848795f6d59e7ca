//! One turn of one subscription: a page from its checkpoint, or from where a parked stream stands.
//!
//! The order of things is what makes it safe: events are posted, then what was refused is parked,
//! then the checkpoint is committed, each only after the one before. Whoever dies in between has
//! told too much, never too little.

use super::Over;
use super::deliver::{Poster, Queue, Stuck, Way};
use super::keep::{Keep, Spot, Trouble, delay};
use super::pace::Pace;
use super::page::{self, Item};
use super::sign::Ring;
use crate::commit::{Command, Effect, Step, Subscribing};
use crate::engine::Shared;
use crate::execute::{Refusal, Request, execute_own};
use crate::port::{Fault, LogRow, Map, Outlet, SubscriptionRow};
use evenkeel_rules::ids::TokenId;
use evenkeel_rules::subscription::{Act, Judged, Parked, Progress};
use evenkeel_rules::time::{LogTime, Millis};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;

/// Rows of a page.
const PAGE: usize = 512;
/// Rows of a page while a stream is in trouble and holds the checkpoint back.
const WINDOW: usize = 4 * PAGE;
/// Rows of a page on which one parked stream is caught up.
const CATCH_UP: usize = 4 * PAGE;
/// Most streams that are posted side by side.
const SIDE_BY_SIDE: usize = 64;
/// Rows that are read before anybody else has a turn on the thread.
const ROWS_AT_ONCE: usize = 32;

pub(super) struct Turn {
    shared: Arc<Shared>,
    outlet: Arc<dyn Outlet>,
    row: SubscriptionRow,
    keep: Keep,
    lease: u64,
    now: LogTime,
    pace: Arc<Pace>,
}

/// What a page came to.
struct Outcome {
    ways: Vec<Way>,
    /// The lowest event of a stream that was not begun.
    left: Option<Spot>,
}

impl Turn {
    pub(super) fn new(
        (shared, outlet): (Arc<Shared>, Arc<dyn Outlet>),
        row: SubscriptionRow,
        keep: Keep,
        lease: u64,
        pace: Pace,
    ) -> Self {
        let now = shared.clock.now();
        Self {
            shared,
            outlet,
            row,
            keep,
            lease,
            now,
            pace: Arc::new(pace),
        }
    }

    pub(super) async fn run(mut self) -> Over {
        let created = self.row.created;
        let took = self.take().await;
        let (done, more) = took.unwrap_or_else(|refusal| {
            let right = (created, self.lease);
            self.shared.held.refused(right, &refusal);
            let id = &self.row.body.id;
            tracing::debug!(?refusal, %id, "a turn was not noted; it is taken again");
            (0, false)
        });
        Over {
            created,
            keep: self.keep,
            done,
            more,
        }
    }

    async fn take(&mut self) -> Result<(usize, bool), Refusal> {
        self.keep.quiet = None;
        let checkpoint = self.row.progress.checkpoint;
        if checkpoint < self.keep.checkpoint {
            // A replay: what was delivered is wanted again.
            self.keep.done.clear();
            self.keep.told.clear();
        }
        self.keep.checkpoint = checkpoint;
        let poster = self.poster().await?;
        let waits =
            |parked: &&Parked| parked.retrying && !self.keep.waits(&parked.stream, self.now);
        let retried = self.row.body.parked.iter().find(waits).cloned();
        match retried {
            Some(parked) if !std::mem::replace(&mut self.keep.caught, true) => {
                self.catch_up(&poster, &parked).await
            }
            _ => {
                self.keep.caught = false;
                self.page(&poster).await
            }
        }
    }

    /// Reads the secrets again when the subscription has changed.
    async fn poster(&mut self) -> Result<Poster, Fault> {
        let version = self.row.version;
        let ring = match &self.keep.ring {
            Some((of, ring)) if *of == version => Arc::clone(ring),
            _ => {
                let mut secrets = Vec::new();
                for secret in &self.row.body.secrets {
                    let lasts = secret.until.is_none_or(|until| until > self.now);
                    let text = self.shared.store.private((secret.made, 0)).await?.rows;
                    secrets.extend(text.filter(|_| lasts).map(|row| row.text));
                }
                let ring = Arc::new(Ring::new(&secrets));
                self.keep.ring = Some((version, Arc::clone(&ring)));
                ring
            }
        };
        Ok(Poster {
            shared: Arc::clone(&self.shared),
            outlet: Arc::clone(&self.outlet),
            url: self.row.body.url.clone().unwrap_or_default(),
            ring,
            right: (self.row.created, self.lease),
            pace: Arc::clone(&self.pace),
        })
    }

    async fn read(&self, rows: &[LogRow]) -> Result<Vec<Item>, Fault> {
        let lineage = self.shared.lineage();
        let mut items = Vec::new();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            for row in rows {
                page::items(row, lineage, &self.row.body, &mut items)?;
            }
            tokio::task::yield_now().await;
        }
        Ok(items)
    }

    /// Posts the next page, parks what was refused, and comes on as far as nothing is left.
    async fn page(&mut self, poster: &Poster) -> Result<(usize, bool), Refusal> {
        let from = self.row.progress.checkpoint;
        let limit = if self.keep.troubles.is_empty() {
            PAGE
        } else {
            WINDOW
        };
        let page = self.shared.store.log(from + 1, limit).await?;
        let Some(last) = page.rows.last().map(|row| row.position) else {
            return Ok((0, false));
        };
        let full = page.rows.len() == limit;
        let (queues, parked, skipped) = self.sort(self.read(&page.rows).await?);
        let begun = queues.len();
        let trial = self.row.progress.tries > 0;
        let outcome = post(poster, queues, trial).await;
        let mut lowest = skipped.into_iter().chain(outcome.left).min();
        let (before, mut delivered, mut failed) = (self.keep.passes, 0, false);
        let mut halted = None;
        for way in &outcome.ways {
            delivered += way.delivered.len();
            self.keep.passes += way.delivered.len() as u64;
            self.keep.done.extend(&way.delivered);
            if !way.delivered.is_empty() {
                self.keep.troubles.remove(&way.stream);
            }
        }
        let mut counted = parked;
        for way in outcome.ways {
            let Some(stuck) = way.stuck else { continue };
            match stuck.judged {
                Some(Judged::Refused) if self.park(&way.stream, &stuck).await? => {
                    self.keep.troubles.remove(&way.stream);
                    let waits = std::iter::once(stuck.spot).chain(way.behind);
                    counted.extend(waits.map(|spot| (way.stream.clone(), spot)));
                }
                Some(Judged::Gone) => {
                    halted = Some(stuck.what.clone());
                    lowest = lowest.into_iter().chain([stuck.spot]).min();
                }
                judged => {
                    lowest = lowest.into_iter().chain([stuck.spot]).min();
                    failed |= judged.is_some();
                    self.trouble(way.stream, &stuck, (before, delivered > 0));
                }
            }
        }
        let to = lowest.map_or(last, |(position, _)| position - 1);
        let passed = delivered > 0 || self.keep.is_alone();
        self.advance(to, &counted, (passed, failed)).await?;
        if let Some(cause) = halted {
            self.change(Act::Halt { cause }).await?;
        }
        if begun == 0 && lowest.is_some() {
            let wakes = self.keep.troubles.values().map(|trouble| trouble.again);
            let until = wakes.min().unwrap_or(self.now.plus(Millis(1_000)));
            self.keep.quiet = Some((page.position, until));
        }
        Ok((delivered, full && !failed && lowest.is_none()))
    }

    /// Sorts events into streams that are posted, those that are parked, and what has to wait.
    fn sort(&self, items: Vec<Item>) -> (Vec<Queue>, Vec<(String, Spot)>, Option<Spot>) {
        let mut queues: Vec<Queue> = Vec::new();
        let mut places: Map<String, usize> = Map::default();
        let (mut parked, mut skipped) = (Vec::new(), None);
        for item in items {
            if self.keep.done.contains(&item.spot) {
                continue;
            }
            let stands = self.row.body.parked_of(&item.stream);
            if stands.is_some_and(|it| (it.from, it.index) <= item.spot) {
                parked.push((item.stream, item.spot));
                continue;
            }
            if self.keep.waits(&item.stream, self.now) {
                skipped.get_or_insert(item.spot);
                continue;
            }
            if let Some(&place) = places.get(&item.stream) {
                queues[place].items.push(item);
                continue;
            }
            places.insert(item.stream.clone(), queues.len());
            let trouble = self.keep.troubles.get(&item.stream);
            queues.push(Queue {
                stream: item.stream.clone(),
                doubts: trouble.map_or(0, |trouble| trouble.doubts),
                items: vec![item],
            });
        }
        // Who is tried first when the subscriber is in trouble is not who got it there.
        queues.sort_by_key(|queue| self.keep.troubles.contains_key(&queue.stream));
        (queues, parked, skipped)
    }

    /// Notes that a stream is in trouble; a doubt counts only while others pass.
    fn trouble(&mut self, stream: String, stuck: &Stuck, (since, others): (u64, bool)) {
        let Some(judged) = stuck.judged else { return };
        let random = random(&self.shared);
        let fresh = || Trouble {
            since,
            ..Trouble::default()
        };
        let known = self.keep.troubles.contains_key(&stream);
        let others = others || known && self.keep.is_alone();
        let trouble = self.keep.troubles.entry(stream).or_insert_with(fresh);
        trouble.tries += u32::from(others);
        trouble.posts = trouble.posts.saturating_add(1);
        trouble.doubts += u32::from(others && judged == Judged::Doubtful);
        // While nobody passes, the subscription waits as a whole.
        let waits = if others {
            delay(trouble.tries, random)
        } else {
            Millis(0)
        };
        let asked = Millis(stuck.retry_after.unwrap_or(0).saturating_mul(1_000));
        trouble.again = self.now.plus(waits.max(asked));
        self.row.progress.error = Some(stuck.what.clone());
    }

    /// Commits the next checkpoint, if it or anything else about it is new.
    async fn advance(
        &mut self,
        to: u64,
        counted: &[(String, Spot)],
        (passed, failed): (bool, bool),
    ) -> Result<(), Refusal> {
        let from = self.row.progress.checkpoint;
        let mut next = Progress {
            checkpoint: to.max(from),
            ..self.row.progress.clone()
        };
        for (stream, (position, _)) in counted.iter().filter(|(_, spot)| spot.0 <= to) {
            let id = self.row.body.parked_of(stream).map(|parked| parked.id);
            let waiting = next.waiting.iter_mut().find(|it| Some(it.id) == id);
            if let Some(waiting) = waiting.filter(|it| it.last < *position) {
                waiting.count += 1;
            }
        }
        for waiting in &mut next.waiting {
            waiting.last = waiting.last.max(to);
        }
        if failed && !passed {
            next.tries += 1;
            let asked = self.keep.troubles.values().map(|trouble| trouble.again);
            let waits = self.now.plus(delay(next.tries, random(&self.shared)));
            next.again = Some(asked.max().map_or(waits, |asked| asked.max(waits)));
        } else if passed {
            (next.tries, next.again) = (0, None);
        }
        if self.keep.troubles.is_empty() && !failed {
            next.error = None;
        }
        self.step(next).await?;
        self.keep.done = self.keep.done.split_off(&(to.max(from) + 1, 0));
        Ok(())
    }

    async fn step(&mut self, next: Progress) -> Result<(), Refusal> {
        let before = self.row.progress.clone();
        if before == next {
            return Ok(());
        }
        let step = Box::new(Step {
            seen: self.row.version,
            from: before.checkpoint,
            next: next.clone(),
            effect: None,
        });
        let (id, lease) = (self.row.body.id.clone(), Some(self.lease));
        self.ask(Subscribing::Advance { id, step, lease }).await?;
        self.row.progress = next;
        Ok(())
    }

    /// Sets a stream aside; whether that is so now. It is not when the subscription was paused for
    /// having too many of them.
    async fn park(&mut self, stream: &str, stuck: &Stuck) -> Result<bool, Refusal> {
        let before = self.keep.troubles.get(stream).map_or(0, |it| it.posts);
        self.change(Act::Park {
            stream: stream.to_owned(),
            from: stuck.spot.0,
            index: stuck.spot.1,
            cause: stuck.what.clone(),
            tries: before.saturating_add(1),
        })
        .await?;
        Ok(self.row.body.parked_of(stream).is_some())
    }

    async fn change(&mut self, act: Act) -> Result<(), Refusal> {
        let change = Subscribing::Change {
            id: self.row.body.id.clone(),
            act,
            private: String::new(),
            lease: Some(self.lease),
        };
        if let Effect::Subscription(row) = self.ask(change).await? {
            let ring = self.keep.ring.take().map(|(_, ring)| (row.version, ring));
            self.keep.ring = ring;
            self.row = *row;
        }
        Ok(())
    }

    async fn ask(&self, asked: Subscribing) -> Result<Effect, Refusal> {
        let expected = matches!(asked, Subscribing::Change { .. }).then_some(self.row.version);
        let request = Request {
            command: Command::Subscription(asked),
            key: None,
            actor: TokenId::new("engine").expect("a well-formed id"),
            owner: None,
            expected,
            deadline: None,
        };
        Ok(execute_own(&self.shared, request, None).await?.effect)
    }

    /// Posts a page of what waits of a parked stream; at the checkpoint it is parked no more.
    async fn catch_up(
        &mut self,
        poster: &Poster,
        parked: &Parked,
    ) -> Result<(usize, bool), Refusal> {
        let checkpoint = self.row.progress.checkpoint;
        let waiting = self.row.progress.of(parked.id).copied();
        let done = waiting.map_or(0, |it| it.done).max(parked.from - 1);
        let rows = self.shared.store.log(done + 1, CATCH_UP).await?.rows;
        let within = rows.iter().take_while(|row| row.position <= checkpoint);
        let rows: Vec<LogRow> = within.cloned().collect();
        let last = rows.last().map_or(checkpoint, |row| row.position);
        let mut items = self.read(&rows).await?;
        let first = (parked.from, parked.index);
        items.retain(|it| it.stream == parked.stream && it.spot >= first);
        items.retain(|it| !self.keep.told.contains(&it.spot));
        let doubts = self.keep.troubles.get(&parked.stream);
        let queue = Queue {
            stream: parked.stream.clone(),
            items,
            doubts: doubts.map_or(0, |trouble| trouble.doubts),
        };
        let way = poster.deliver(queue).await;
        let delivered = way.delivered.len();
        self.keep.told.extend(&way.delivered);
        let trouble = self.keep.troubles.get_mut(&parked.stream);
        if let Some(trouble) = trouble.filter(|_| delivered > 0) {
            // Whatever it is stuck at now is another event.
            trouble.posts = 0;
        }
        let mut next = self.row.progress.clone();
        let upto = way.stuck.as_ref().map_or(last, |stuck| stuck.spot.0 - 1);
        for waiting in next.waiting.iter_mut().filter(|it| it.id == parked.id) {
            waiting.done = upto.max(done);
            waiting.count = waiting.count.saturating_sub(delivered as u64);
        }
        self.step(next).await?;
        self.keep.told.retain(|spot| !way.delivered.contains(spot));
        match way.stuck {
            Some(stuck) if stuck.judged == Some(Judged::Refused) => {
                self.park(&parked.stream, &stuck).await?;
            }
            Some(stuck) => self.trouble(way.stream, &stuck, (self.keep.passes, true)),
            None if last >= checkpoint => {
                self.keep.troubles.remove(&parked.stream);
                self.change(Act::Unpark { parked: parked.id }).await?;
            }
            None => {}
        }
        Ok((delivered, true))
    }
}

/// Posts streams side by side. With the first sign that the subscriber is in trouble no more are
/// begun; one that was in trouble is tried with a single stream first.
async fn post(poster: &Poster, queues: Vec<Queue>, trial: bool) -> Outcome {
    let mut ways = Vec::with_capacity(queues.len());
    let mut waiting = queues.into_iter();
    let mut running = FuturesUnordered::new();
    let (mut passed, mut failed) = (!trial, false);
    loop {
        let side_by_side = if passed { SIDE_BY_SIDE } else { 1 };
        while running.len() < side_by_side
            && !failed
            && let Some(queue) = waiting.next()
        {
            running.push(poster.deliver(queue));
        }
        let Some(way) = running.next().await else {
            break;
        };
        passed |= !way.delivered.is_empty();
        failed |= way
            .stuck
            .as_ref()
            .is_some_and(|it| it.judged != Some(Judged::Refused));
        ways.push(way);
    }
    let left = waiting.map(|queue| queue.items[0].spot).min();
    Outcome { ways, left }
}

fn random(shared: &Shared) -> u64 {
    let random = shared.workers_ids().random();
    u64::from_le_bytes(*random.first_chunk().expect("eight of sixteen bytes"))
}
