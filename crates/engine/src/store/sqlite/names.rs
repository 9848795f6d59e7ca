//! The name index: from a key's or an id's 16-byte hash to where the log knows it.
//!
//! The newest names are in a map in memory, the others in *runs*: blocks sorted by name, with first
//! names and filters in memory. A full map becomes a run, eight runs of a level become one of the
//! next. What is random is so sorted in memory and only appended on disk; put into a B-tree as they
//! come, names would cost eight times the write-ahead log and decay as the store grows.
//!
//! The invariant: each name inserted is found, in exactly one step after another of map, frozen map
//! and run. A run exists when the transaction that completed it does, and the mark up to which runs
//! hold everything is written in that same transaction; what lies beyond the mark is fed again from
//! the log at the start. A damaged block is an error, never *absent*.
//!
//! Several of these may be open on one file. One is the *keeper*, by a token that is checked in
//! each transaction; only it writes runs. Another takes over when its own names find no way into
//! runs.
//! The index never begins or ends a transaction, and never reads the log.

mod block;
mod check;
mod keep;
mod merge;
mod part;
mod read;
mod sql;
mod view;
mod worker;

#[cfg(test)]
mod tests;

pub use read::{NameFilter, NameReader};

/// The mark up to which all names are in runs, so that no start reads the log for them.
///
/// # Errors
/// An error of the connection.
pub(super) fn covered(conn: &rusqlite::Connection) -> rusqlite::Result<Mark> {
    Ok(sql::state(conn)?.covered)
}

use keep::{Keeper, Staged};
use rusqlite::{Connection, Error, ffi};
use view::Views;
use worker::Worker;

/// Rows of the log that may pass, for each name that a map has room for, before the map is frozen
/// though it is not full: the tail that a start feeds again is bounded even when few rows have
/// names.
const TAIL_ROWS: u64 = 4;

/// A truncated hash that names one key in its scope, or one aggregate.
pub type Name = [u8; 16];

/// What is known about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the log has it. The index does not look into this number.
    pub at: u64,
    /// The hash of the intent that came with the name.
    pub fingerprint: [u8; 16],
}

/// How far something reaches, in the log and in the list of final refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The last position that is included.
    pub position: u64,
    /// The last refusal that is included.
    pub refusal: u64,
}

impl Mark {
    /// Whether everything up to `other` is included.
    #[must_use]
    pub fn reaches(self, other: Mark) -> bool {
        self.position >= other.position && self.refusal >= other.refusal
    }

    /// How many rows lie between an earlier mark and this one.
    fn rows_since(self, earlier: Mark) -> u64 {
        let rows = |now: u64, then: u64| now.saturating_sub(then);
        rows(self.position, earlier.position) + rows(self.refusal, earlier.refusal)
    }
}

/// A stretch of what was inserted.
#[derive(Clone, Copy, Default)]
struct Span {
    names: usize,
    from: Mark,
}

impl Span {
    /// Whether the stretch, ending at `upto`, is enough for this many maps of `run_names` names.
    fn fills(self, maps: usize, upto: Mark, run_names: usize) -> bool {
        let names = run_names.saturating_mul(maps);
        let rows = (names as u64).saturating_mul(TAIL_ROWS);
        self.names >= names || upto.rows_since(self.from) >= rows
    }
}

/// How the index is built.
#[derive(Clone, Copy, Debug)]
pub struct NamesOptions {
    /// Names in a map before it becomes a run; at least 1.
    pub run_names: usize,
    /// Runs of one level that are merged into one of the next; at least 2.
    pub tier: usize,
    /// Whether a thread sorts and merges. Without it everything happens within `write_some`, and
    /// depends on the calls alone.
    pub background: bool,
}

impl Default for NamesOptions {
    /// The measured optimum: maps of 65,536 names (5 MB each), tiers of eight.
    fn default() -> NamesOptions {
        NamesOptions {
            run_names: 65_536,
            tier: 8,
            background: true,
        }
    }
}

/// The name index of one database, for the one who writes to it.
///
/// The caller owns the connection and the transactions. One batch is: begin, `refresh`, feed the
/// rows after `known` if others wrote, `get`, write, `write_some`, commit, `committed` or
/// `rolled_back`, and after a commit `insert`. The connection should keep at least 64 prepared
/// statements.
pub struct Names {
    options: NamesOptions,
    views: Views,
    covered: Mark,
    /// What the newest map holds.
    newest: Span,
    /// The keeper's token as last read.
    token: i64,
    /// What was inserted since the last sign of another keeper's work.
    quiet: Span,
    keeper: Option<Keeper>,
    staged: Option<Staged>,
    worker: Worker,
}

impl Names {
    /// Creates the tables of an empty index.
    pub const SCHEMA: &str = sql::SCHEMA;

    /// Reads the list of runs with their first names and filters: about 1.4 bytes per name. Writes
    /// nothing. The caller then inserts the names of all rows after `covered`.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a run is not as it was written; else as the database says.
    pub fn open(conn: &Connection, options: NamesOptions) -> rusqlite::Result<Names> {
        assert!(
            options.run_names > 0 && options.tier > 1,
            "a map has room and a merge has inputs"
        );
        let mut names = Names {
            options,
            views: Views::new(options.run_names),
            covered: Mark::default(),
            newest: Span::default(),
            token: 0,
            quiet: Span::default(),
            keeper: None,
            staged: None,
            worker: Worker::new(conn, options.background),
        };
        names.refresh(conn)?;
        Ok(names)
    }

    /// The mark up to which runs in the database hold every name.
    #[must_use]
    pub fn covered(&self) -> Mark {
        self.covered
    }

    /// The mark up to which `get` finds every name: the caller feeds the rows after it.
    #[must_use]
    pub fn known(&self) -> Mark {
        self.views.known()
    }

    /// How many runs each level has, lowest level first; for metrics.
    #[must_use]
    pub fn runs(&self) -> [usize; sql::LEVELS] {
        let mut counts = [0; sql::LEVELS];
        self.views
            .view()
            .runs
            .iter()
            .for_each(|run| counts[run.level] += 1);
        counts
    }

    /// The entry of a name, `None` when it was never inserted. All 16 bytes are compared.
    ///
    /// `conn` is within a transaction in which `refresh` was called: another adapter's merge may
    /// otherwise have deleted a run that is looked into, which is an error.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a block is not as it was written; else as the database says.
    pub fn get(&self, conn: &Connection, name: &Name) -> rusqlite::Result<Option<Entry>> {
        self.views.view().get(conn, name)
    }

    /// Adds the names of a batch that is committed, or of rows that the log was found to have
    /// beyond `known`. Afterwards everything up to `upto` is known. A name is inserted once.
    pub fn insert(&mut self, batch: impl Iterator<Item = (Name, Entry)>, upto: Mark) {
        assert!(
            upto.reaches(self.known()),
            "names are inserted in the order of the log"
        );
        let inserted = self.views.insert(batch);
        self.quiet.names += inserted;
        self.newest.names += inserted;
        if self.newest.fills(1, upto, self.options.run_names) {
            self.views.freeze(upto);
            self.newest = Span {
                names: 0,
                from: upto,
            };
        }
        self.views.know(upto);
    }

    /// The names for other threads.
    #[must_use]
    pub fn filter(&self) -> NameFilter {
        NameFilter {
            shared: self.views.shared(),
        }
    }

    /// Takes notice of what other adapters wrote to the same database; one point read when they
    /// wrote nothing. To be called first in each transaction: only then are the runs that `get`
    /// looks into those that exist. Afterwards `known` may have moved ahead, never back.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a new run is not as it was written; else as the database says.
    pub fn refresh(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.staged.is_some() {
            // The transaction that wrote it has the lock: nobody else wrote since.
            return Ok(());
        }
        let alone = conn.is_autocommit();
        let reading = if alone {
            Some(conn.unchecked_transaction()?)
        } else {
            None
        };
        let state = sql::state(conn)?;
        if self
            .keeper
            .as_ref()
            .is_some_and(|keeper| keeper.token != state.keeper)
        {
            self.stop_keeping();
        }
        let sign = (state.keeper, state.version) != (self.token, self.views.view().version);
        if state.version != self.views.view().version {
            self.reload(conn, state)?;
        }
        if sign {
            self.token = state.keeper;
            self.quiet = Span {
                names: 0,
                from: self.known(),
            };
        }
        drop(reading);
        Ok(())
    }

    fn reload(&mut self, conn: &Connection, state: sql::State) -> rusqlite::Result<()> {
        let runs = sql::load_runs(conn, &self.views.view().runs)?;
        let covered = state.covered;
        self.views.replace(|view| {
            view.runs = runs;
            view.version = state.version;
            view.frozen.retain(|frozen| !covered.reaches(frozen.upto));
        });
        if covered.reaches(self.known()) {
            self.views.clear_newest();
            self.views.know(covered);
            self.newest = Span {
                names: 0,
                from: covered,
            };
        }
        self.covered = covered;
        Ok(())
    }
}

/// The error of content that is not what was written.
fn corrupt(what: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(what))
}
