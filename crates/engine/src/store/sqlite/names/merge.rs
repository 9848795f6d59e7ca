//! Makes the blocks and parts of a new run, from a frozen map or from several runs.
//!
//! Made piece by piece, on demand: what is held in memory is bounded by the number of runs merged
//! and by the size of a part, not by how many names there are. Runs are read in short statements,
//! because a long one would keep the write-ahead log from starting over. Nothing is written here.

use super::block::{BLOCK_NAMES, block_id, encode};
use super::part::{Part, Run};
use super::view::Frozen;
use super::{Entry, Name, corrupt, sql};
use rusqlite::Connection;
use std::sync::Arc;

/// Blocks of a run read by one statement.
const READ_BLOCKS: u32 = 64;

/// What a run is made of.
#[derive(Clone)]
pub(super) enum Task {
    /// The names of a frozen map.
    Flush(Frozen),
    /// The names of these runs, all of one level.
    Merge(Vec<Arc<Run>>),
}

impl Task {
    /// The level of the run that is made.
    pub(super) fn level(&self) -> usize {
        match self {
            Task::Flush(_) => 0,
            Task::Merge(runs) => runs.first().map_or(0, |run| run.level + 1),
        }
    }
}

/// A piece of a new run, in the order in which it is to be written.
pub(super) enum Piece {
    /// The next block's bytes.
    Block(Vec<u8>),
    /// The part that the blocks since the last one make up.
    Part(Arc<Part>),
    /// Nothing more comes: the run is complete.
    End,
}

/// Makes one run.
pub(super) struct Producer {
    sources: Vec<Source>,
    last: Option<(Name, Entry)>,
    builder: Builder,
}

impl Producer {
    /// Prepares to make run `run`, with a filter for each `part_blocks` blocks.
    pub(super) fn new(task: &Task, run: i64, part_blocks: usize) -> Producer {
        let sources = match task {
            Task::Flush(frozen) => vec![Source::new(frozen.map.sorted(), None)],
            Task::Merge(runs) => runs
                .iter()
                .map(|run| Source::new(Vec::new(), Some(Arc::clone(run))))
                .collect(),
        };
        Producer {
            sources,
            last: None,
            builder: Builder::new(run, part_blocks),
        }
    }

    /// Makes the next pieces, `blocks` blocks or a few more with the parts that they end.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a block that is read is not as it was written, or when two runs hold
    /// one name with different entries; else as the database says. The run cannot be completed
    /// then.
    pub(super) fn step(
        &mut self,
        conn: &Connection,
        blocks: usize,
    ) -> rusqlite::Result<Vec<Piece>> {
        let mut pieces = Vec::with_capacity(blocks + 2);
        while pieces.len() < blocks {
            let Some((name, entry)) = self.next(conn)? else {
                self.builder.end(&mut pieces)?;
                break;
            };
            match &self.last {
                // Two adapters wrote the same stretch of the log: the one found its names in its
                // own maps while the other's run was under way.
                Some((last, same)) if *last == name && *same == entry => continue,
                Some((last, _)) if *last == name => {
                    return Err(corrupt(
                        "two runs hold one name with different entries".into(),
                    ));
                }
                _ => {}
            }
            self.last = Some((name, entry));
            self.builder.push((name, entry), &mut pieces)?;
        }
        Ok(pieces)
    }

    /// The entry with the lowest name that is left.
    fn next(&mut self, conn: &Connection) -> rusqlite::Result<Option<(Name, Entry)>> {
        let mut lowest: Option<(u128, usize)> = None;
        for (index, source) in self.sources.iter_mut().enumerate() {
            if let Some(key) = source.peek(conn)?
                && lowest.is_none_or(|(other, _)| key < other)
            {
                lowest = Some((key, index));
            }
        }
        Ok(lowest.and_then(|(_, index)| self.sources[index].entries.next()))
    }
}

/// Entries in the order of their names.
struct Source {
    entries: std::vec::IntoIter<(Name, Entry)>,
    /// Where more entries come from, and the next block to read.
    run: Option<Arc<Run>>,
    next_block: u32,
}

impl Source {
    fn new(entries: Vec<(Name, Entry)>, run: Option<Arc<Run>>) -> Source {
        Source {
            entries: entries.into_iter(),
            run,
            next_block: 0,
        }
    }

    fn peek(&mut self, conn: &Connection) -> rusqlite::Result<Option<u128>> {
        if self.entries.as_slice().is_empty()
            && let Some(run) = self
                .run
                .as_ref()
                .filter(|run| self.next_block < run.blocks())
        {
            self.entries = sql::blocks(conn, run, self.next_block, READ_BLOCKS)?.into_iter();
            self.next_block += READ_BLOCKS;
        }
        Ok(self
            .entries
            .as_slice()
            .first()
            .map(|(name, _)| u128::from_be_bytes(*name)))
    }
}

/// Cuts ascending entries into blocks and parts.
struct Builder {
    run: i64,
    part_blocks: usize,
    /// Of the block that is being filled.
    entries: Vec<(Name, Entry)>,
    /// The number of the next block, and that of the part's first one.
    block: u32,
    part_from: u32,
    /// Of the part that is being filled.
    names: Vec<u128>,
    first_keys: Vec<u128>,
}

impl Builder {
    fn new(run: i64, part_blocks: usize) -> Builder {
        Builder {
            run,
            part_blocks,
            entries: Vec::with_capacity(BLOCK_NAMES),
            block: 0,
            part_from: 0,
            names: Vec::new(),
            first_keys: Vec::new(),
        }
    }

    fn push(&mut self, entry: (Name, Entry), pieces: &mut Vec<Piece>) -> rusqlite::Result<()> {
        self.names.push(u128::from_be_bytes(entry.0));
        self.entries.push(entry);
        if self.entries.len() == BLOCK_NAMES {
            self.cut_block(pieces);
        }
        if self.first_keys.len() == self.part_blocks {
            self.cut_part(pieces)?;
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> rusqlite::Result<()> {
        if !self.entries.is_empty() {
            self.cut_block(pieces);
        }
        if !self.first_keys.is_empty() {
            self.cut_part(pieces)?;
        }
        pieces.push(Piece::End);
        Ok(())
    }

    fn cut_block(&mut self, pieces: &mut Vec<Piece>) {
        self.first_keys.push(u128::from_be_bytes(self.entries[0].0));
        pieces.push(Piece::Block(encode(
            block_id(self.run, self.block),
            &self.entries,
        )));
        self.entries.clear();
        self.block += 1;
    }

    fn cut_part(&mut self, pieces: &mut Vec<Piece>) -> rusqlite::Result<()> {
        let id = block_id(self.run, self.part_from);
        let first_keys = std::mem::take(&mut self.first_keys);
        pieces.push(Piece::Part(Arc::new(Part::build(
            id,
            &self.names,
            first_keys,
        )?)));
        self.names.clear();
        self.part_from = self.block;
        Ok(())
    }
}
