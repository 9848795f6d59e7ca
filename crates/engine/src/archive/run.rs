//! Moving rows of the log out of the database, and back.
//!
//! [`Archive::run`] verifies first, from a seal; then, segment by segment: the file is written,
//! synced, named, and read back whole against the chain; one commit raises the floor over it; and
//! only then are its rows taken out, a slice a commit, in the background lane. Killed between any
//! two of these, every row is in the database or in a file that is whole, and the next run goes on.

use super::segment::Packer;
use super::through::{Archived, broken, index_of, nowhere};
use crate::chain::{Hash, origin};
use crate::commit::KeepUp;
use crate::engine::Engine;
use crate::execute::Refusal;
use crate::port::{Fault, Head, LogRow, SegmentFiles, SegmentRow, Store};
use crate::verify::{Inputs, Report, verify};
use evenkeel_rules::subscription::State;
use std::sync::Arc;

/// Positions of a segment, unless somebody asks for other ones.
pub const SEGMENT_ROWS: u64 = 1_000_000;
/// Rows of one read.
const PAGE: usize = 1_000;
/// Rows that leave the database with one commit: some milliseconds.
const SLICE: u64 = 4_096;
/// Seals that are kept: the newest is used, the others are there should it be damaged.
const SEALS_KEPT: usize = 4;

/// What is asked of [`Archive::run`].
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Only rows below this position.
    pub before: u64,
    /// Positions of a segment, at least 1.
    pub rows: u64,
}

impl Default for Ask {
    fn default() -> Self {
        let (before, rows) = (u64::MAX, SEGMENT_ROWS);
        Self { before, rows }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archivable {
    /// Where the database's part of the log begins now.
    pub floor: u64,
    /// The first position that somebody still needs in the database, and who.
    pub limit: (u64, &'static str),
    /// The new segments.
    pub segments: Vec<SegmentRow>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Something is damaged: nothing is taken away from where it can be looked at.
    #[error("verify found something, and nothing was archived")]
    Damaged(Box<Report>),
    /// Only the newest segment can be brought back.
    #[error("only the segment below the floor at {0} can be brought back")]
    NotBelow(u64),
    /// There is no such segment.
    #[error("there is no such segment")]
    Unknown,
    /// The machinery failed, or another archive was quicker.
    #[error("the machinery failed: {0:?}")]
    Refused(Refusal),
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for NotDone {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

/// How a segment's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What the database remembers of it.
    pub row: SegmentRow,
    /// Nothing if it is whole, as far as its index shows; else what is wrong with it.
    pub damage: Option<String>,
}

/// What moves the log's old part.
pub struct Archive {
    engine: Engine,
    store: Arc<Archived>,
    alone: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

impl Archive {
    /// The archive of an engine, over the store that it stands on.
    #[must_use]
    pub fn new(engine: Engine, store: Arc<Archived>) -> Self {
        let alone = tokio::sync::Mutex::default();
        Self {
            engine,
            store,
            alone,
        }
    }

    fn files(&self) -> &dyn SegmentFiles {
        self.store.files()
    }

    /// Every segment, lowest first, and whether its file is there and has its index.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn list(&self) -> Result<Vec<Kept>, Fault> {
        let mut all = Vec::new();
        for row in self.store.segments().await?.rows {
            let damage = match index_of(self.files(), &row).await {
                Ok(_) => None,
                Err(Fault::Corrupt(what)) => Some(what),
                Err(fault) => return Err(fault),
            };
            all.push(Kept { row, damage });
        }
        Ok(all)
    }

    /// Keeps the seals of a green report, and forgets older ones.
    ///
    /// # Errors
    /// A [`Refusal`]: they are not kept, and the next `verify` folds more.
    pub async fn keep(&self, report: &Report) -> Result<(), Refusal> {
        keep_seals(&self.engine, report).await
    }

    /// Archives what may be archived.
    ///
    /// # Errors
    /// [`NotDone`]: what was archived before that stays archived.
    pub async fn run(&self, ask: Ask, inputs: Inputs<'_>) -> Result<Archivable, NotDone> {
        let _alone = self.alone.lock().await;
        let head = self.engine.head().await?;
        self.finish_taking_out(head.floor).await?;
        let limit = self.limit(&head).await?;
        let end = limit.0.min(ask.before);
        let ends = boundaries(head.floor, end, ask.rows.max(1));
        if ends.is_empty() {
            return Ok(Archivable {
                floor: head.floor,
                limit,
                segments: Vec::new(),
            });
        }
        let checked = Inputs {
            seal_at: ends.clone(),
            seal_upto: ends[0],
            ..inputs
        };
        let report = verify(&*self.store, checked).await?;
        if !report.ok {
            return Err(NotDone::Damaged(Box::new(report)));
        }
        keep_seals(&self.engine, &report).await?;
        let (mut floor, mut segments) = (head.floor, Vec::new());
        for last in ends {
            let row = self.write(floor, last).await?;
            self.raise(&row).await?;
            floor = last + 1;
            self.finish_taking_out(floor).await?;
            segments.push(row);
        }
        Ok(Archivable {
            floor,
            limit,
            segments,
        })
    }

    /// The first position that may not be archived, and who needs it.
    async fn limit(&self, head: &Head) -> Result<(u64, &'static str), Fault> {
        let mut limit = (head.position, "the head");
        let mut lower = |position: u64, who: &'static str| {
            if position < limit.0 {
                limit = (position, who);
            }
        };
        lower(
            self.store.reads_from().await?,
            "the names of the newest rows",
        );
        let mut before = u64::MAX;
        loop {
            let page = self.store.subscriptions(before, PAGE).await?.rows;
            for row in &page {
                // One that is paused reads on from segments, should it ever.
                if row.body.state == State::Active {
                    lower(row.progress.checkpoint + 1, "a subscription");
                }
            }
            match page.last().filter(|_| page.len() == PAGE) {
                Some(last) => before = last.created,
                None => break,
            }
        }
        if let Some(projector) = self.engine.projector() {
            for one in projector.views().standing().await? {
                lower(one.checkpoint + 1, "a projection");
            }
        }
        Ok(limit)
    }

    /// Writes a segment's file, and reads it back.
    async fn write(&self, first: u64, last: u64) -> Result<SegmentRow, Fault> {
        let wrong = |what: String| broken(first, &what);
        let dice = self.engine.ids().random();
        let mut packer = Packer::begin(first, self.hash_before(first).await?, dice);
        let mut file = self.files().begin(first, dice).await?;
        let mut next = first;
        while next <= last {
            let room = usize::try_from(last + 1 - next).unwrap_or(PAGE).min(PAGE);
            let rows = self.store.log(next, room).await?.rows;
            for row in &rows {
                if let Some(bytes) = packer.push(row).map_err(wrong)? {
                    file.append(bytes).await?;
                }
            }
            let Some(read) = rows.last() else {
                return Err(wrong(format!("log row {next} is gone")));
            };
            next = read.position + 1;
            tokio::task::yield_now().await;
        }
        let (bytes, row) = packer.end().map_err(wrong)?;
        file.append(bytes).await?;
        file.finish(row.name()).await?;
        read_back(self.files(), &row).await?;
        Ok(row)
    }

    async fn hash_before(&self, first: u64) -> Result<Hash, Fault> {
        if first == 1 {
            let head = self.engine.head().await?;
            return Ok(origin(&head.log, &head.salt));
        }
        let rows = self.store.log(first - 1, 1).await?.rows;
        let before = rows.first().filter(|row| row.position == first - 1);
        let before = before.ok_or_else(|| broken(first, "the row before it is gone"))?;
        Ok(before.hash)
    }

    /// Raises the floor over a segment. Where another archive was quicker the file goes again;
    /// where nobody knows what came of it, it stays.
    async fn raise(&self, row: &SegmentRow) -> Result<(), NotDone> {
        let raised = self.engine.keep_up(KeepUp::Raise(row.clone())).await;
        if let Err(Refusal::Failed(Fault::Fenced)) = &raised
            && !self.store.segments().await?.rows.contains(row)
        {
            self.files().remove(row.name()).await?;
        }
        Ok(raised?)
    }

    /// Takes out what is still in the database below the floor: only what is in a file that is
    /// there now, whoever wrote it and whatever became of it since.
    async fn finish_taking_out(&self, floor: u64) -> Result<(), NotDone> {
        while let Some(lowest) = self.store.lowest().await?.filter(|lowest| *lowest < floor) {
            let segments = self.store.segments().await?.rows;
            let mut segments = segments.iter();
            let segment = segments.find(|row| (row.first..=row.last).contains(&lowest));
            let segment = segment.ok_or_else(|| nowhere(lowest))?;
            index_of(self.files(), segment).await?;
            let end = segment.last.min(floor - 1);
            let mut first = lowest;
            while first <= end {
                let last = (first + SLICE - 1).min(end);
                self.engine.keep_up(KeepUp::TakeOut { first, last }).await?;
                tokio::task::yield_now().await;
                first = last + 1;
            }
        }
        Ok(())
    }

    /// Brings the rows of the segment below the floor back into the database, and removes its file.
    ///
    /// # Errors
    /// [`NotDone`]: what was brought back before that stays there.
    pub async fn bring_back(&self, first: u64) -> Result<u64, NotDone> {
        let _alone = self.alone.lock().await;
        let head = self.engine.head().await?;
        // Rows that were to leave are in the way of nobody, but would be found twice.
        self.finish_taking_out(head.floor).await?;
        let segments = self.store.segments().await?.rows;
        let segment = segments.iter().find(|row| row.first == first);
        let segment = segment.ok_or(NotDone::Unknown)?;
        let mut floor = head.floor;
        if !(segment.first..=segment.last).contains(&(floor - 1)) {
            return Err(NotDone::NotBelow(floor));
        }
        read_back(self.files(), segment).await?;
        while floor > first {
            let from = floor.saturating_sub(SLICE).max(first);
            let rows = self.rows(from, floor).await?;
            let forget = (from == first).then_some(first);
            self.engine
                .keep_up(KeepUp::BringBack { rows, forget })
                .await?;
            floor = from;
            tokio::task::yield_now().await;
        }
        self.store.forget();
        self.files().remove(segment.name()).await?;
        Ok(floor)
    }

    async fn rows(&self, from: u64, to: u64) -> Result<Vec<LogRow>, Fault> {
        let mut rows: Vec<LogRow> = Vec::new();
        let mut next = from;
        while next < to {
            let room = usize::try_from(to - next).unwrap_or(PAGE).min(PAGE);
            let page = self.store.log(next, room).await?.rows;
            let last = page.last().map(|row| row.position);
            next = last.ok_or_else(|| broken(from, "a row of it is gone"))? + 1;
            rows.extend(page);
        }
        Ok(rows)
    }
}

/// Keeps the seals of a green report, and forgets older ones; a report that was folded from zero
/// replaces all others. See [`Archive::keep`].
///
/// # Errors
/// A [`Refusal`]: they are not kept.
pub async fn keep_seals(engine: &Engine, report: &Report) -> Result<(), Refusal> {
    if !report.ok || (report.seals.is_empty() && report.folded_from > 0) {
        return Ok(());
    }
    let seals = report.seals.clone();
    let known = engine.store().seals(u64::MAX, 64).await?.rows;
    let is_new = |position: &u64| seals.iter().any(|seal| seal.position == *position);
    let room = match report.folded_from {
        0 => 0,
        _ => SEALS_KEPT.saturating_sub(seals.len()),
    };
    let old = known.iter().map(|seal| seal.position);
    let old = old.filter(|position| !is_new(position));
    let forget: Vec<u64> = old.skip(room).collect();
    if seals.is_empty() && forget.is_empty() {
        return Ok(());
    }
    engine.keep_up(KeepUp::Seal { seals, forget }).await
}

/// The last positions of the segments between the floor and an end.
fn boundaries(floor: u64, end: u64, rows: u64) -> Vec<u64> {
    let mut ends = Vec::new();
    let mut last = (floor - 1).saturating_add(rows);
    while last < end {
        ends.push(last);
        last = last.saturating_add(rows);
    }
    ends
}

/// Reads a file from its first row to its last, and compares it with what is remembered of it.
///
/// # Errors
/// [`Fault::Corrupt`] naming the segment, or a fault of the files.
pub async fn read_back(files: &dyn SegmentFiles, row: &SegmentRow) -> Result<(), Fault> {
    let (first, name) = (row.first, row.name());
    let index = index_of(files, row).await?;
    for (at, frame) in index.all().iter().enumerate() {
        let bytes = files.read(name, frame.from, frame.length).await?;
        let bytes = bytes.ok_or_else(|| broken(first, "its file is gone"))?;
        index
            .open(at, &bytes)
            .map_err(|what| broken(first, &what))?;
        tokio::task::yield_now().await;
    }
    Ok(())
}
