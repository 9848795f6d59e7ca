//! Projections: read models that are folded from the log, off the hot path.
//!
//! [`Project`] is the loop: each round it reads one bounded page behind the checkpoint that its
//! projections share, folds it, and has rows and checkpoint committed together; so a crash at any
//! moment leaves rows that are the fold at their checkpoint. A rebuild folds into a second set of
//! rows, one page a round beside the live one, and takes the live one's place when it is not
//! behind it: readers never see a position that falls.
//!
//! [`Projector`] is what readers ask: where the rows are, and to be woken when they have reached a
//! position. It never touches the log, the store's rows or a command: whatever is here can be
//! deleted and is made again. Rows that were never folded and are far behind are made as a rebuild
//! makes them: nobody sees them half done, and their indexes come last.

mod fold;
mod page;
mod projector;

use crate::port::{Fault, Projection, Side, Standing, Step, Store, Tables};
use crate::worker::{Round, Work, giving_way};
use async_trait::async_trait;
use fold::{Beginnings, Warm};
use page::{Page, Wanted};
use parking_lot::Mutex;
pub use projector::Projector;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Most rows of a page of live rows: one transaction, which a reader may have to wait for.
const PAGE_MAX: usize = 2_000;
/// Most rows of a page of rows that are being built.
const BUILD_MAX: usize = 8_000;
/// Rows that are worth a page of their own: one of a few hundred costs several times as much a row.
const PAGE_WORTH: u64 = 2_000;
/// How long fewer rows wait for more, unless a reader waits for them.
const LINGER: Duration = Duration::from_millis(200);
/// How many times as long as a page took nothing is folded while the log grows, where the rows are
/// on a server: its processes do not give way to anybody, as a thread of ours does.
const REST: u32 = 3;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(300);
/// How often a node looks how far another has come that folds.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a node that folds may not get on before this one folds again.
const LEFT_MAX: Duration = Duration::from_secs(3);
/// Rows of the log from which on rows that were never folded are built, not folded where they are.
const FAR: u64 = 20_000;

/// Rows of one side on their way: what was read ahead, and what is remembered between pages.
struct Track {
    side: Side,
    projections: Vec<Projection>,
    ahead: Option<Page>,
    /// The position that what is remembered belongs to.
    stands: u64,
    warm: Arc<Mutex<Warm>>,
}

impl Track {
    fn new(side: Side, stands: u64, projections: Vec<Projection>) -> Self {
        Self {
            side,
            projections,
            ahead: None,
            stands,
            warm: Arc::default(),
        }
    }

    /// Most rows of the page behind a position: nobody waits for one that is far behind.
    fn rows_max(&self, after: u64, head: u64) -> usize {
        match self.side {
            Side::Live if head - after <= BUILD_MAX as u64 => PAGE_MAX,
            Side::Live | Side::Building => BUILD_MAX,
        }
    }

    /// Forgets what it did ahead of the rows.
    fn forget(&mut self) {
        self.ahead = None;
        self.warm = Arc::default();
    }

    /// Forgets it if the rows stand elsewhere than it left them: they were begun again.
    fn stand(&mut self, at: u64) {
        if self.stands != at {
            self.stands = at;
            self.forget();
        }
    }
}

/// The loop.
pub struct Project {
    store: Arc<dyn Store>,
    projector: Arc<Projector>,
    standing: Option<Vec<Standing>>,
    tracks: Vec<Track>,
    /// Where the log ended when it was looked at last.
    head: Option<u64>,
    /// When all that there was had been folded last, by the monotonic clock.
    folded: Option<Duration>,
    /// Until when it rests, by the monotonic clock, unless somebody waits.
    rests: Duration,
    /// Where another node folds, if one does.
    others: Option<Others>,
    inline: bool,
}

/// A node that folds, as another sees it.
#[derive(Debug, Clone, Copy)]
struct Others {
    /// When it was seen to get on last, by the monotonic clock.
    moved: Duration,
    /// When it was looked at.
    looked: Duration,
}

impl Project {
    /// A loop that folds a store's log into a projector's views. Whether it works on the
    /// runtime's own thread is for the simulator: reading pages takes long.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, projector: Arc<Projector>, inline: Inline) -> Self {
        Self {
            store,
            projector,
            standing: None,
            tracks: Vec::new(),
            head: None,
            folded: None,
            rests: Duration::ZERO,
            others: None,
            inline: inline == Inline::Yes,
        }
    }
}

/// Whether pages are read on the runtime's own thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inline {
    /// They are.
    Yes,
    /// Beside it.
    No,
}

#[async_trait]
impl Work for Project {
    fn name(&self) -> &'static str {
        "project"
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        let done = self.round().await;
        if done.is_err() {
            // What the rows are now is read again: another node may have folded the page.
            self.standing = None;
            self.tracks.iter_mut().for_each(Track::forget);
        }
        match done {
            // Another node folds the very rows: that is what this one wanted.
            Err(Fault::Conflict) => {
                let mono = self.projector.clock.mono();
                let (moved, looked) = (mono, mono);
                let others = self.projector.views.is_on_a_server();
                self.others = others.then_some(Others { moved, looked });
                Ok(Round::default())
            }
            done => done,
        }
    }
}

impl Project {
    async fn round(&mut self) -> Result<Round, Fault> {
        let wished = self.projector.wished.swap(false, Ordering::AcqRel);
        let waits = wished || self.is_waited_for();
        if !waits && (self.projector.clock.mono() < self.rests || self.is_left_to_others().await?) {
            return Ok(Round {
                behind: self.behind(self.head.unwrap_or(0)),
                ..Round::default()
            });
        }
        let rejoins = self.others.take().is_some();
        if wished || rejoins || self.standing.is_none() {
            let standing = self.projector.views.standing().await?;
            self.projector.tell(&standing);
            self.standing = Some(standing);
        }
        let head = self.store.head().await?.position;
        let behind = self.behind(head);
        if self.lingers(behind) {
            return Ok(Round {
                behind,
                ..Round::default()
            });
        }
        let quiet = self.head.replace(head).is_none_or(|before| before == head);
        self.start(head).await?;
        self.plan();
        let mut done = 0;
        for at in 0..self.tracks.len() {
            done += self.advance(at, (head, quiet)).await?;
        }
        if self.is_building() {
            self.switch().await?;
        }
        self.projector
            .tell(self.standing.as_deref().unwrap_or_default());
        let behind = self.behind(head);
        if done > 0 {
            // What was there already and is not folded yet waits for nothing.
            let mono = self.projector.clock.mono();
            self.folded = (behind == 0).then_some(mono);
        }
        Ok(Round {
            done,
            more: self.is_building() || (done > 0 && behind > 0),
            behind,
        })
    }

    /// How many rows the last of the live rows is behind a position.
    fn behind(&self, head: u64) -> u64 {
        let standing = self.standing.iter().flatten();
        let behind = standing.map(|one| head.saturating_sub(one.checkpoint));
        behind.max().unwrap_or(0)
    }

    /// Whether pages are short, with rests between them.
    fn gives_way(&self, quiet: bool) -> bool {
        !quiet && !self.is_building() && self.projector.views.is_on_a_server()
    }

    /// Whether a reader waits for a position.
    fn is_waited_for(&self) -> bool {
        self.projector.readers.load(Ordering::Acquire) > 0
    }

    /// Whether another node folds and gets on: two that fold the same rows do the work twice. This
    /// one hears of it meanwhile how far the rows are.
    async fn is_left_to_others(&mut self) -> Result<bool, Fault> {
        let mono = self.projector.clock.mono();
        let Some(mut others) = self.others else {
            return Ok(false);
        };
        if mono.saturating_sub(others.looked) < LOOK_EVERY {
            return Ok(true);
        }
        let standing = self.projector.views.standing().await?;
        self.head = Some(self.store.head().await?.position);
        self.projector.tell(&standing);
        let before = self.standing.replace(standing);
        others.looked = mono;
        if before != self.standing {
            others.moved = mono;
        }
        self.others = Some(others);
        // The other may not know yet that something is to be built.
        Ok(mono.saturating_sub(others.moved) < LEFT_MAX && !self.is_building())
    }

    fn is_building(&self) -> bool {
        let mut standing = self.standing.iter().flatten();
        standing.any(|one| one.building.is_some())
    }

    /// Whether few rows wait for more to come: under load pages are long, so that folding them
    /// leaves the processors to requests.
    fn lingers(&self, behind: u64) -> bool {
        let mono = self.projector.clock.mono();
        let fresh = self
            .folded
            .is_some_and(|at| mono.saturating_sub(at) < LINGER);
        fresh && behind < PAGE_WORTH && !self.is_waited_for() && !self.is_building()
    }

    /// Begins second sets beside rows that were never folded and are far behind.
    async fn start(&mut self, head: u64) -> Result<(), Fault> {
        let empty = |one: &&Standing| one.checkpoint == 0 && one.building.is_none();
        let standing = self.standing.iter().flatten().filter(empty);
        let empty: Vec<Projection> = standing.map(|one| one.projection).collect();
        if head < FAR || empty.is_empty() {
            return Ok(());
        }
        for projection in empty {
            self.projector.views.begin(projection).await?;
        }
        self.standing = Some(self.projector.views.standing().await?);
        Ok(())
    }

    /// Groups the sets of rows that stand at one position: a page is read once for each group.
    fn plan(&mut self) {
        let mut groups: Vec<(Side, u64, Vec<Projection>)> = Vec::new();
        for one in self.standing.as_deref().unwrap_or_default() {
            // Empty rows wait for those that are being built.
            let live = (one.checkpoint > 0 || one.building.is_none())
                .then_some((Side::Live, one.checkpoint));
            let building = one.building.map(|at| (Side::Building, at));
            for (side, at) in live.into_iter().chain(building) {
                match groups
                    .iter_mut()
                    .find(|group| (group.0, group.1) == (side, at))
                {
                    Some(group) => group.2.push(one.projection),
                    None => groups.push((side, at, vec![one.projection])),
                }
            }
        }
        self.tracks.retain(|track| {
            let same = |group: &(Side, u64, Vec<Projection>)| {
                (group.0, &group.2) == (track.side, &track.projections)
            };
            groups.iter().any(same)
        });
        for (side, at, projections) in groups {
            let known =
                |track: &&mut Track| (track.side, &track.projections) == (side, &projections);
            match self.tracks.iter_mut().find(known) {
                Some(track) => track.stand(at),
                None => self.tracks.push(Track::new(side, at, projections)),
            }
        }
    }

    /// Where a track's rows stand.
    fn stands(&self, at: usize) -> u64 {
        let track = &self.tracks[at];
        let first = track.projections.first();
        let standing = self.standing.iter().flatten();
        let mut own = standing.filter(|one| Some(&one.projection) == first);
        own.next().map_or(0, |one| match track.side {
            Side::Live => one.checkpoint,
            Side::Building => one.building.unwrap_or(0),
        })
    }

    /// Folds a track's next page; how many rows of the log it had.
    async fn advance(&mut self, at: usize, (head, quiet): (u64, bool)) -> Result<usize, Fault> {
        let after = self.stands(at);
        if after >= head {
            return Ok(0);
        }
        let ahead = self.tracks[at]
            .ahead
            .take()
            .filter(|page| page.after == after);
        let page = match ahead {
            Some(page) => page,
            None => self.read(at, (after, head), quiet).await?,
        };
        if page.to == page.after {
            return Err(Fault::Corrupt(format!("log row {} is gone", after + 1)));
        }
        let (to, page) = (page.to, Arc::new(page));
        let write = self.write(at, &page, Beginnings::Believed);
        // While one page is written the next one is read.
        let next = async {
            match to < head {
                true => self.read(at, (to, head), quiet).await.map(Some),
                false => Ok(None),
            }
        };
        let begun = self.projector.clock.mono();
        let (mut written, next) = tokio::join!(write, next);
        if matches!(written, Err(Fault::Corrupt(_))) {
            self.tracks[at].forget();
            written = self.write(at, &page, Beginnings::LookedUp).await;
        }
        written?;
        let mono = self.projector.clock.mono();
        if self.gives_way(quiet) {
            let rest = (mono.saturating_sub(begun) * REST).min(REST_MAX);
            self.rests = mono + rest;
        }
        let next = next?;
        let track = &mut self.tracks[at];
        track.stands = to;
        track.ahead = next.filter(|page| page.to > page.after);
        for one in self.standing.iter_mut().flatten() {
            if track.projections.contains(&one.projection) {
                match track.side {
                    Side::Live => one.checkpoint = to,
                    Side::Building => one.building = Some(to),
                }
            }
        }
        Ok(usize::try_from(to - after).unwrap_or(usize::MAX))
    }

    /// Folds a page into a track's rows.
    async fn write(&self, at: usize, page: &Arc<Page>, of: Beginnings) -> Result<(), Fault> {
        let track = &self.tracks[at];
        let how = (Wanted::of(&track.projections), of);
        let (page, warm) = (Arc::clone(page), Arc::clone(&track.warm));
        let step = Step {
            projections: track.projections.clone(),
            side: track.side,
            after: page.after,
            to: page.to,
        };
        let fold = move |tables: &mut dyn Tables| fold::fold(&page, how, &mut warm.lock(), tables);
        self.projector.views.write(step, Box::new(fold)).await
    }

    /// Reads a track's page behind a position. A long one is read in two halves at once, unless
    /// the log grows meanwhile: what makes it grow goes first.
    async fn read(&self, at: usize, (after, head): (u64, u64), quiet: bool) -> Result<Page, Fault> {
        let track = &self.tracks[at];
        let wanted = Wanted::of(&track.projections);
        let mut most = track.rows_max(after, head);
        if self.gives_way(quiet) {
            most = most.min(PAGE_MAX);
        }
        if !quiet || most < BUILD_MAX || head - after < BUILD_MAX as u64 {
            return self.part((after, most), wanted).await;
        }
        let half = most / 2;
        let (page, rest) = tokio::join!(
            self.part((after, half), wanted),
            self.part((after + half as u64, most - half), wanted),
        );
        let mut page = page?;
        page.extend(rest?);
        Ok(page)
    }

    async fn part(&self, (after, most): (u64, usize), wanted: Wanted) -> Result<Page, Fault> {
        let mut rows = self.store.log(after + 1, most).await?.rows;
        // Rows that do not follow one another are not guessed at: the fold ends before the gap.
        let dense = (after + 1..)
            .zip(&rows)
            .take_while(|(at, row)| row.position == *at);
        rows.truncate(dense.count());
        if self.inline {
            return Ok(Page::read(after, rows, wanted));
        }
        giving_way("project", move || Ok(Page::read(after, rows, wanted))).await
    }

    /// Lets rows that were built take their place, once they are not behind the live ones.
    async fn switch(&mut self) -> Result<(), Fault> {
        // Read after the rows were folded: they may have come beyond where the round began.
        let head = self.store.head().await?.position;
        let ready = |one: &&Standing| {
            one.building
                .is_some_and(|at| at >= one.checkpoint.min(head) && at + (PAGE_MAX as u64) > head)
        };
        let standing = self.standing.iter().flatten();
        let ready: Vec<Projection> = standing.filter(ready).map(|one| one.projection).collect();
        for projection in ready {
            let standing = self.standing.iter().flatten();
            let mut own = standing.filter(|one| one.projection == projection);
            // A checkpoint beyond the head is a lie that a rebuild mends.
            let least = own.next().map_or(head, |one| one.checkpoint.min(head));
            self.projector.views.switch(projection, least).await?;
            self.standing = Some(self.projector.views.standing().await?);
        }
        Ok(())
    }
}
