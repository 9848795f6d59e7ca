//! The keeper's work: it writes runs, a few blocks in each batch's transaction.
//!
//! Memory changes only in `committed`. `write_some` looks at what is ready, writes, and *stages*
//! what the transaction would change; the transaction's outcome then applies it or throws it away.
//! So memory and database agree whatever becomes of a transaction.
//!
//! ```text
//! frozen map -- claim number --> work -- blocks, parts --> listed run, mark      (flush)
//! tier runs  -- claim number --> work -- blocks, parts --> listed run, tier off it (merge)
//!                                                          the tier's blocks --> waste --> deleted
//! ```
//!
//! The keeper holds a token. Who takes over raises it, and deletes the blocks of every run that is
//! not listed; the former keeper finds its token outdated before it touches anything and drops its
//! work. Numbers of runs are never given twice, so nobody's blocks mix.

use super::block::{RUN_BLOCKS, block_id};
use super::merge::{Piece, Task};
use super::part::{Part, Run};
use super::worker::Order;
use super::{Names, sql};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::Arc;

/// Maps' worth of names that somebody who is not the keeper sees pass without a sign of the
/// keeper's work before taking over. A keeper gives a sign with every run; it is left the time for
/// one when it has just begun, since two that take over from each other in turn would never
/// complete any.
const PATIENCE: usize = 2;
/// Frozen maps above which the oldest is written at whatever speed it is sorted: memory is bounded
/// even when the caller's budget is too small.
const WAITING: usize = 3;
/// Blocks made at once, at least: fewer would leave the writer without work between two answers.
const STEP_BLOCKS: usize = 256;
/// Blocks of waste that are deleted for what one part of waste costs.
const PART_COST: usize = 64;

/// What the one who writes runs has to do.
pub(super) struct Keeper {
    /// As long as the database has this number, the right to write runs.
    pub(super) token: i64,
    /// Runs that are being made, lower levels first.
    works: Vec<Work>,
    /// Runs that are off the list and still have rows: level and number.
    waste: VecDeque<(usize, i64)>,
}

/// A run that is being made.
struct Work {
    run: i64,
    task: Task,
    progress: Progress,
    /// Pieces that are not yet in the database.
    ready: VecDeque<Piece>,
    /// Blocks and parts that are.
    blocks: u32,
    parts: Vec<Arc<Part>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The worker does not know of it.
    New,
    /// The worker has no order for it.
    Idle,
    /// The worker has an order that it has not answered.
    Ordered,
}

/// What a transaction did, to be applied when it is committed.
#[derive(Default)]
pub(super) struct Staged {
    taken: Option<Keeper>,
    /// Works whose numbers were claimed.
    begun: Vec<Work>,
    /// Pieces written, by run.
    written: Vec<(i64, usize)>,
    /// The list's version, when it changed.
    version: Option<i64>,
    /// Wasted runs that have no rows any more.
    swept: usize,
}

impl Names {
    /// Writes what is ready of new runs, at most `budget_blocks` blocks of 4 KiB (and the 150 KB
    /// that a part takes, once in 1,312 blocks), and deletes at most as many blocks of merged runs.
    /// `tx` is the batch's transaction; its outcome is told by `committed` or `rolled_back`. A
    /// budget of a tenth of the batch's commits, and 8 at least, keeps pace with two names per
    /// commit. Only when maps pile up because it does not is more written.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a run that is merged is not as it was written; else as the database
    /// says. The transaction must then be rolled back. The merge begins anew in a later call.
    pub fn write_some(&mut self, tx: &Connection, budget_blocks: usize) -> rusqlite::Result<()> {
        assert!(
            self.staged.is_none(),
            "the outcome of the transaction before this one was told"
        );
        self.refresh(tx)?;
        let mut staged = Staged::default();
        if self.keeper.is_some() {
            self.order_and_hear(tx, budget_blocks)?;
            self.write_pieces(tx, budget_blocks, &mut staged)?;
            self.begin(tx, &mut staged)?;
            self.sweep(tx, budget_blocks, &mut staged)?;
        } else if self.is_left_alone() {
            staged.taken = Some(self.take_over(tx)?);
        }
        self.staged = Some(staged);
        Ok(())
    }

    /// The transaction that `write_some` took part in is durable.
    pub fn committed(&mut self) {
        let Some(staged) = self.staged.take() else {
            return;
        };
        if staged.taken.is_some() {
            self.keeper = staged.taken;
            return;
        }
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        keeper.waste.drain(..staged.swept);
        let mut done = Vec::new();
        for (run, pieces) in staged.written {
            let index = keeper.works.iter().position(|work| work.run == run);
            let index =
                index.expect("a work leaves the list only here, or with the keeper's staging");
            if keeper.works[index].advance(pieces) {
                done.push(keeper.works.remove(index));
            }
        }
        keeper.works.extend(staged.begun);
        keeper.works.sort_by_key(|work| work.task.level());
        if let Some(version) = staged.version {
            self.finish(done, version);
        }
    }

    /// The transaction that `write_some` took part in did not happen.
    pub fn rolled_back(&mut self) {
        self.staged = None;
    }

    /// Drops all unfinished work, because another adapter is the keeper now.
    pub(super) fn stop_keeping(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper
                .works
                .iter()
                .for_each(|work| self.worker.drop_run(work.run));
        }
    }

    /// Whether there is something to write and nobody who does it.
    fn is_left_alone(&self) -> bool {
        let over = self
            .quiet
            .fills(PATIENCE, self.known(), self.options.run_names);
        over && !self.views.view().frozen.is_empty()
    }

    fn take_over(&self, tx: &Connection) -> rusqlite::Result<Keeper> {
        let token = sql::take_over(tx)?;
        let listed = &self.views.view().runs;
        let mut waste = sql::runs_with_rows(tx)?;
        waste.retain(|(_, id)| !listed.iter().any(|run| run.id == *id));
        Ok(Keeper {
            token,
            works: Vec::new(),
            waste: waste.into(),
        })
    }

    /// Orders more pieces where few are left, and takes in those that were made. A work that failed
    /// is given up, and what was written of it is waste.
    fn order_and_hear(&mut self, tx: &Connection, budget: usize) -> rusqlite::Result<()> {
        let Some(keeper) = &mut self.keeper else {
            return Ok(());
        };
        let blocks = budget.max(STEP_BLOCKS);
        for work in &mut keeper.works {
            if work.progress == Progress::New {
                let part_blocks = part_blocks(self.options.run_names);
                let begin = Order::Begin {
                    task: work.task.clone(),
                    part_blocks,
                };
                self.worker.order(work.run, begin, tx);
                work.progress = Progress::Idle;
            }
            if work.progress == Progress::Idle && work.ready.len() < blocks && !work.is_made() {
                self.worker.order(work.run, Order::More { blocks }, tx);
                work.progress = Progress::Ordered;
            }
        }
        let mut outcome = Ok(());
        for (run, answer) in self.worker.answers() {
            let Some(index) = keeper.works.iter().position(|work| work.run == run) else {
                continue;
            };
            match answer {
                Ok(pieces) => {
                    keeper.works[index].ready.extend(pieces);
                    keeper.works[index].progress = Progress::Idle;
                }
                Err(error) => {
                    let work = keeper.works.remove(index);
                    self.worker.drop_run(work.run);
                    keeper.waste.push_back((work.task.level(), work.run));
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// Lower levels first: they are what keeps the number of runs, and so the time of a look-up,
    /// low.
    fn write_pieces(
        &self,
        tx: &Connection,
        budget: usize,
        staged: &mut Staged,
    ) -> rusqlite::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let piled_up = self.views.view().frozen.len() > WAITING;
        let mut left = budget;
        for work in &keeper.works {
            let flushing = matches!(work.task, Task::Flush(_));
            let limit = if flushing && piled_up {
                usize::MAX
            } else {
                left
            };
            let (pieces, blocks) = work.write(tx, limit)?;
            left = left.saturating_sub(blocks);
            if pieces > 0 {
                staged.written.push((work.run, pieces));
            }
            if pieces > 0 && pieces == work.ready.len() && work.is_made() {
                work.list(tx, pieces)?;
                staged.version = Some(sql::next_version(tx)?);
            }
        }
        Ok(())
    }

    /// Claims a number for each run that can be begun: at most one flush and one merge per level.
    fn begin(&self, tx: &Connection, staged: &mut Staged) -> rusqlite::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let view = self.views.view();
        let busy = |level| keeper.works.iter().any(|work| work.task.level() == level);
        if let Some(oldest) = view.frozen.first()
            && !busy(0)
        {
            let task = Task::Flush(oldest.clone());
            staged.begun.push(Work::new(sql::claim_run(tx)?, task));
        }
        for level in 0..sql::LEVELS - 1 {
            // The view has the newest of a level first.
            let oldest = view.runs.iter().rev().filter(|run| run.level == level);
            let runs: Vec<Arc<Run>> = oldest.take(self.options.tier).cloned().collect();
            let blocks: u64 = runs.iter().map(|run| u64::from(run.blocks())).sum();
            let fits = blocks < u64::from(RUN_BLOCKS);
            if runs.len() == self.options.tier && fits && !busy(level + 1) {
                staged
                    .begun
                    .push(Work::new(sql::claim_run(tx)?, Task::Merge(runs)));
            }
        }
        Ok(())
    }

    /// Deletes rows of runs that are off the list.
    fn sweep(&self, tx: &Connection, budget: usize, staged: &mut Staged) -> rusqlite::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let mut left = budget;
        for (level, run) in &keeper.waste {
            while left > 0 {
                let deleted = sql::delete_blocks(tx, *level, *run, left)?;
                left -= deleted;
                if deleted == 0 {
                    break;
                }
            }
            while left > 0 && sql::delete_part(tx, *run)? {
                left = left.saturating_sub(PART_COST);
            }
            if left == 0 {
                break;
            }
            staged.swept += 1;
        }
        Ok(())
    }

    /// Makes the view what the database is since these runs were listed.
    fn finish(&mut self, works: Vec<Work>, version: i64) {
        self.views.replace(|view| {
            for work in &works {
                match &work.task {
                    Task::Flush(flushed) => {
                        let map = &flushed.map;
                        view.frozen.retain(|other| !Arc::ptr_eq(&other.map, map));
                    }
                    Task::Merge(merged) => {
                        let left = |id| merged.iter().all(|run| run.id != id);
                        view.runs.retain(|run| left(run.id));
                    }
                }
                let run = work.new_run(work.parts.clone());
                view.runs.extend((run.names > 0).then(|| Arc::new(run)));
            }
            view.version = version;
        });
        for work in works {
            self.worker.drop_run(work.run);
            match (work.task, &mut self.keeper) {
                (Task::Flush(flushed), _) => self.covered = flushed.upto,
                (Task::Merge(merged), Some(keeper)) => {
                    let waste = merged.iter().map(|run| (run.level, run.id));
                    keeper.waste.extend(waste);
                }
                (Task::Merge(_), None) => {}
            }
        }
    }
}

impl Work {
    fn new(run: i64, task: Task) -> Work {
        let (ready, parts) = (VecDeque::new(), Vec::new());
        Work {
            run,
            task,
            progress: Progress::New,
            ready,
            blocks: 0,
            parts,
        }
    }

    /// Whether the worker has made the last piece.
    fn is_made(&self) -> bool {
        matches!(self.ready.back(), Some(Piece::End))
    }

    /// Writes pieces up to the block after the `limit`th; answers how many, and how many of them
    /// are blocks.
    fn write(&self, tx: &Connection, limit: usize) -> rusqlite::Result<(usize, usize)> {
        let (mut pieces, mut blocks) = (0, 0);
        let mut number = self.blocks;
        for piece in &self.ready {
            match piece {
                Piece::Block(_) if blocks == limit => break,
                Piece::Block(data) => {
                    let id = block_id(self.run, number);
                    sql::insert_block(tx, self.task.level(), id, data)?;
                    number += 1;
                    blocks += 1;
                }
                Piece::Part(part) => sql::insert_part(tx, part)?,
                Piece::End => {}
            }
            pieces += 1;
        }
        Ok((pieces, blocks))
    }

    /// Lists the run, whose last `pieces` pieces were just written, in place of what it was made
    /// of.
    fn list(&self, tx: &Connection, pieces: usize) -> rusqlite::Result<()> {
        let run = self.new_run(self.parts_with(pieces));
        if run.names > 0 {
            sql::insert_run(tx, &run)?;
        }
        match &self.task {
            Task::Flush(frozen) => sql::cover(tx, frozen.upto),
            Task::Merge(merged) => merged
                .iter()
                .try_for_each(|merged| sql::unlist_run(tx, merged.id)),
        }
    }

    /// Counts the first pieces as written; answers whether the run is complete with them.
    fn advance(&mut self, pieces: usize) -> bool {
        self.parts = self.parts_with(pieces);
        let mut complete = false;
        for piece in self.ready.drain(..pieces) {
            match piece {
                Piece::Block(_) => self.blocks += 1,
                Piece::Part(_) => {}
                Piece::End => complete = true,
            }
        }
        complete
    }

    /// The parts that are written when the first pieces are.
    fn parts_with(&self, pieces: usize) -> Vec<Arc<Part>> {
        let ready = self
            .ready
            .iter()
            .take(pieces)
            .filter_map(|piece| match piece {
                Piece::Part(part) => Some(part),
                Piece::Block(_) | Piece::End => None,
            });
        self.parts.iter().chain(ready).cloned().collect()
    }

    fn new_run(&self, parts: Vec<Arc<Part>>) -> Run {
        Run::new(self.run, self.task.level(), parts)
    }
}

/// Blocks of a part: twice those of a map, so that a map that a batch has made overfull is one
/// part.
fn part_blocks(run_names: usize) -> usize {
    run_names.div_ceil(super::block::BLOCK_NAMES) * 2
}
