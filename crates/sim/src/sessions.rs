//! Projections and their readers, played over the log of a seed that has ended.
//!
//! The log grows again, row by row; a projection loop folds it and is killed on the way, before its
//! transaction, within it and after it; rebuilds begin; sessions write, read at every level and
//! tell one another. What they did is judged by [`history`] (I17), and at the end every row of the
//! views must be the store's row (I8). Nothing here touches the world that made the log, so the
//! trace of a seed is the same with and without it.

pub mod history;

use crate::planted::Planted;
use async_trait::async_trait;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::port::{
    At, AuditFilter, AuditRow, Fault, FoldInto, HoldFilter, HoldRow, Listed, OrderFilter,
    OrderView, Projection, Relayed, SetAside, Standing, Step, Store, Views,
};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::memory::{MemoryStore, Tables};
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::worker::Work;
use evenkeel_rules::order::Status;
use history::{Act, Level, Seen, Truth};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How long a session waits for a position, at most.
const WAIT: Duration = Duration::from_secs(1);
/// Only every so many seeds play it: it takes longer than most of what a seed does.
const EVERY: u64 = 8;
const SESSIONS: usize = 4;
/// Rows that one read shows.
const SHOWN: usize = 10;
/// More than any seed has.
const ALL: usize = 10_000;

/// Views whose process dies now and then.
struct Dying {
    views: SqliteViews,
    dice: Mutex<fastrand::Rng>,
    planted: Option<Planted>,
}

#[async_trait]
impl Views for Dying {
    async fn write(&self, step: Step, fold: FoldInto) -> Result<(), Fault> {
        let dies = |dice: &mut fastrand::Rng| dice.u8(0..8);
        let fate = dies(&mut self.dice.lock());
        let died = || Err(Fault::Unavailable("the process died".to_owned()));
        if fate == 0 {
            return died();
        }
        if self.planted == Some(Planted::CheckpointBeforeEffect) && fate == 1 {
            // The checkpoint is durable alone; the process dies before the effect is.
            self.views.write(step, Box::new(|_| Ok(()))).await?;
            return died();
        }
        if fate == 1 {
            let within: FoldInto = Box::new(move |tables| {
                fold(tables)?;
                Err(Fault::Unavailable("the process died".to_owned()))
            });
            return self.views.write(step, within).await;
        }
        self.views.write(step, fold).await?;
        if fate == 2 { died() } else { Ok(()) }
    }

    async fn standing(&self) -> Result<Vec<Standing>, Fault> {
        self.views.standing().await
    }

    async fn begin(&self, projection: Projection) -> Result<(), Fault> {
        self.views.begin(projection).await
    }

    async fn switch(&self, projection: Projection, least: u64) -> Result<bool, Fault> {
        self.views.switch(projection, least).await
    }

    async fn orders(
        &self,
        filter: &OrderFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<OrderView>>, Fault> {
        self.views.orders(filter, before, limit).await
    }

    async fn holds(
        &self,
        filter: &HoldFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<HoldRow>>, Fault> {
        self.views.holds(filter, before, limit).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.views.skus(before, limit).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        from: (u64, u64),
        limit: usize,
    ) -> Result<At<Vec<AuditRow>>, Fault> {
        self.views.audit(filter, from, limit).await
    }

    async fn relayed(
        &self,
        relayed: Relayed,
        at: evenkeel_rules::time::LogTime,
    ) -> Result<(), Fault> {
        self.views.relayed(relayed, at).await
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, Fault> {
        self.views.aside(limit).await
    }
}

/// One playing.
struct Play {
    whole: Tables,
    store: MemoryStore,
    projector: Arc<Projector>,
    project: Project,
    dice: fastrand::Rng,
    seen: [Seen; SESSIONS],
    history: Vec<(usize, Act)>,
    truth: Truth,
    ignores: bool,
}

/// Plays a seed's log to projections and sessions; what did not hold: invariant and words.
pub(crate) async fn play(
    seed: u64,
    whole: Tables,
    planted: Option<Planted>,
) -> Option<(&'static str, String)> {
    let ours = matches!(
        planted,
        Some(Planted::CheckpointBeforeEffect | Planted::ReadIgnoresToken)
    );
    if !ours && (planted.is_some() || !seed.is_multiple_of(EVERY)) {
        return None;
    }
    match Play::new(seed, whole, planted) {
        Ok(mut play) => play.through().await,
        Err(fault) => Some(("I8", format!("the views cannot be made: {fault}"))),
    }
}

impl Play {
    fn new(seed: u64, whole: Tables, planted: Option<Planted>) -> Result<Self, Fault> {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x7669_6577_7320_6f66);
        let store = MemoryStore::new(&whole.head.log, whole.head.salt);
        let views = SqliteViews::in_memory(&whole.head)?;
        let views: Arc<dyn Views> = Arc::new(Dying {
            views,
            dice: Mutex::new(dice.fork()),
            planted,
        });
        let projector = Projector::new(views, Arc::new(SystemClock::new()));
        let log: Arc<dyn Store> = Arc::new(store.clone());
        Ok(Self {
            project: Project::new(log, Arc::clone(&projector), Inline::Yes),
            whole,
            store,
            projector,
            dice,
            seen: [Seen::default(); SESSIONS],
            history: Vec::new(),
            truth: Truth::default(),
            ignores: planted == Some(Planted::ReadIgnoresToken),
        })
    }

    async fn through(&mut self) -> Option<(&'static str, String)> {
        let rebuilt = Projection::ALL[self.dice.usize(0..Projection::ALL.len())];
        let rebuilt_at = self.dice.usize(0..self.whole.log.len().max(1));
        let mut next = 0;
        while next < self.whole.log.len() {
            let many = self.dice.usize(1..=12).min(self.whole.log.len() - next);
            self.grow(next, next + many);
            if (next..next + many).contains(&rebuilt_at) {
                drop(self.projector.rebuild(rebuilt).await);
            }
            next += many;
            if self.dice.bool() {
                self.turn().await;
            }
            for _ in 0..self.dice.usize(0..3) {
                if let Err(what) = self.act().await {
                    return Some(("I17", what));
                }
            }
        }
        if let Err(broken) = history::check(&self.history, &self.truth) {
            return Some(broken);
        }
        self.compare().await.err().map(|what| ("I8", what))
    }

    /// The log grows, and a session has written each of its new rows.
    fn grow(&mut self, from: usize, to: usize) {
        let rows = self.whole.log[from..to].to_vec();
        for row in &rows {
            let entry = evenkeel_engine::chain::Entry::read(&row.text);
            for event in entry.into_iter().flat_map(|entry| entry.events) {
                self.truth.note(&event.stream, row.position);
            }
            let writer = self.dice.usize(0..SESSIONS);
            self.did(writer, Act::Wrote(row.position));
        }
        self.store.edit(|tables| {
            tables.head.position = rows.last().map_or(0, |row| row.position);
            tables.log.extend(rows);
        });
    }

    fn did(&mut self, session: usize, act: Act) {
        self.seen[session].note(&act);
        self.history.push((session, act));
    }

    /// One round of the loop; one that died has begun again as a new one.
    async fn turn(&mut self) {
        if self.project.run_once().await.is_err() {
            let log: Arc<dyn Store> = Arc::new(self.store.clone());
            self.project = Project::new(log, Arc::clone(&self.projector), Inline::Yes);
        }
    }

    /// A round unless a position is reached already, while somebody waits for that; whether it is.
    async fn turn_for(&mut self, wanted: u64) -> bool {
        let projector = Arc::clone(&self.projector);
        // Few rows wait for more, unless a reader is seen to wait for them.
        let reached = projector.reach(Projection::Holds, wanted, WAIT);
        tokio::select! {
            biased;
            reached = reached => reached,
            () = self.turn() => false,
        }
    }

    /// A session reads, or tells another what it knows.
    async fn act(&mut self) -> Result<(), String> {
        let session = self.dice.usize(0..SESSIONS);
        if self.dice.u8(0..4) == 0 {
            let other = self.dice.usize(0..SESSIONS);
            let told = self.seen[session];
            self.seen[other].hear(told);
            self.did(session, Act::Told(other));
            return Ok(());
        }
        let level = Level::ALL[self.dice.usize(0..Level::ALL.len())];
        let wanted = if self.ignores {
            0
        } else {
            self.seen[session].wanted(level)
        };
        for _ in 0..ALL {
            if self.turn_for(wanted).await {
                return self.read(session, level).await;
            }
        }
        Err(format!("{wanted} is never reached"))
    }

    async fn read(&mut self, session: usize, level: Level) -> Result<(), String> {
        let views = self.projector.views();
        let page = views.holds(&HoldFilter::default(), u64::MAX, SHOWN).await;
        let page = page.map_err(|fault| format!("a read failed: {fault}"))?;
        let rows = page.rows.iter();
        let saw = rows.map(|row| (format!("hold:{}", row.hold.id), row.version));
        let act = Act::Read {
            level,
            at: page.position,
            saw: saw.collect(),
        };
        self.did(session, act);
        Ok(())
    }

    /// Lets the loop come to rest; then every row must be the store's.
    async fn compare(&mut self) -> Result<(), String> {
        let head = self.whole.head.position;
        let at_rest = |one: &Standing| one.checkpoint == head && one.building.is_none();
        let views = Arc::clone(self.projector.views());
        let mut standing = Vec::new();
        for _ in 0..ALL {
            self.turn_for(u64::MAX).await;
            standing = views.standing().await.map_err(|fault| fault.to_string())?;
            if standing.iter().all(at_rest) {
                break;
            }
        }
        if !standing.iter().all(|one| at_rest(one) && one.failed == 0) {
            return Err(format!("the projections do not come to rest: {standing:?}"));
        }
        let failed = |fault: Fault| fault.to_string();
        let store = MemoryStore::from_tables(self.whole.clone());
        let all = views
            .orders(&OrderFilter::default(), u64::MAX, ALL)
            .await
            .map_err(failed)?;
        let fact = |row: &evenkeel_engine::port::OrderRow| {
            (row.created, row.last, row.version, row.body.clone())
        };
        let seen = all.rows.iter().map(|view| fact(&view.row));
        let rows = store.orders(u64::MAX, ALL).await.map_err(failed)?.rows;
        let known = rows
            .iter()
            .filter(|row| row.body.status != Status::Rejected);
        if !seen.eq(known.map(fact)) {
            return Err("the list of orders is not the store's".to_owned());
        }
        let seen = views
            .holds(&HoldFilter::default(), u64::MAX, ALL)
            .await
            .map_err(failed)?;
        if seen.rows != store.holds(u64::MAX, ALL).await.map_err(failed)?.rows {
            return Err("the list of holds is not the store's".to_owned());
        }
        let seen = views.skus(u64::MAX, ALL).await.map_err(failed)?;
        if seen.rows != store.skus(u64::MAX, ALL).await.map_err(failed)?.rows {
            return Err("the list of SKUs is not the store's".to_owned());
        }
        Ok(())
    }
}
