//! The index against a plain map, over real files, with the log that a caller would keep.

mod damage;
mod keeping;
mod model;
mod reading;

use super::{Entry, Mark, Name, Names, NamesOptions, sql};
use fastrand::Rng;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Set in `at` of a name that a final refusal has.
const REFUSED: u64 = 1 << 63;

/// Small enough for several levels within some thousand names.
const SMALL: NamesOptions = NamesOptions {
    run_names: 64,
    tier: 3,
    background: false,
};

/// The same with a thread that sorts and merges.
const BESIDE: NamesOptions = NamesOptions {
    background: true,
    ..SMALL
};

/// A directory with the database that adapters share, and what they should know of it.
struct Site {
    dir: TempDir,
    rng: Rng,
    /// All committed names, and the order in which they were.
    model: BTreeMap<Name, Entry>,
    order: Vec<Name>,
}

impl Site {
    fn new(seed: u64) -> Site {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let site = Site {
            dir,
            rng: Rng::with_seed(seed),
            model: BTreeMap::new(),
            order: Vec::new(),
        };
        let conn = site.connect();
        conn.execute_batch(Names::SCHEMA)
            .expect("the tables are new");
        conn.execute_batch(
            "CREATE TABLE row (at INTEGER PRIMARY KEY, name BLOB NOT NULL, print BLOB NOT NULL);
             CREATE TABLE refusal
             (at INTEGER PRIMARY KEY, name BLOB NOT NULL, print BLOB NOT NULL)",
        )
        .expect("the tables are new");
        site
    }

    fn connect(&self) -> Connection {
        let conn = Connection::open(self.dir.path().join("log.db")).expect("the file opens");
        conn.pragma_update(None, "journal_mode", "WAL")
            .expect("a file can have a log");
        conn.pragma_update(None, "synchronous", "OFF")
            .expect("no power is cut here");
        conn.busy_timeout(std::time::Duration::from_secs(20))
            .expect("a time-out can be set");
        conn.set_prepared_statement_cache_capacity(64);
        conn
    }

    fn open(&self, options: NamesOptions) -> Adapter {
        let conn = self.connect();
        let names = Names::open(&conn, options).expect("the index is whole");
        Adapter { conn, names }
    }

    /// A name that was not committed; one in eight begins like one that was.
    fn fresh_name(&mut self) -> Name {
        let mut name: Name = self.rng.u128(..).to_be_bytes();
        if self.rng.u8(..8) == 0 && !self.order.is_empty() {
            let like = self.order[self.rng.usize(..self.order.len())];
            name[..8].copy_from_slice(&like[..8]);
        }
        name
    }

    fn fresh_names(&mut self, count: usize) -> Vec<Name> {
        (0..count).map(|_| self.fresh_name()).collect()
    }

    /// Commits a batch of new names through an adapter.
    fn commit(&mut self, adapter: &mut Adapter, count: usize, budget: usize) {
        let names = self.fresh_names(count);
        let entries = adapter.batch(&mut self.rng, &names, budget, true);
        self.order.extend(names);
        self.model.extend(entries);
    }

    /// Has an adapter do a batch whose transaction is rolled back.
    fn roll_back(&mut self, adapter: &mut Adapter, count: usize, budget: usize) {
        let names = self.fresh_names(count);
        adapter.batch(&mut self.rng, &names, budget, false);
    }

    /// Asserts that an adapter, which may have missed batches, knows every name and no other.
    fn check(&mut self, adapter: &mut Adapter) {
        let absent = self.fresh_names(200);
        let Adapter { conn, names } = adapter;
        let tx = conn.transaction().expect("a read begins");
        names.refresh(&tx).expect("the list of runs is whole");
        feed(names, &tx);
        let filter = names.filter();
        for (name, entry) in &self.model {
            assert_eq!(
                names.get(&tx, name).expect("a block is whole"),
                Some(*entry)
            );
            assert!(filter.may_know(name), "a filter never denies a name");
        }
        for name in absent {
            assert_eq!(names.get(&tx, &name).expect("a block is whole"), None);
        }
    }
}

/// One writer: its connection and its index.
struct Adapter {
    conn: Connection,
    names: Names,
}

impl Adapter {
    /// One batch as the writer does it. Answers with the entries, whether committed or not.
    fn batch(
        &mut self,
        rng: &mut Rng,
        batch: &[Name],
        budget: usize,
        commit: bool,
    ) -> Vec<(Name, Entry)> {
        let Adapter { conn, names } = self;
        let tx = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .expect("the lock is free");
        names.refresh(&tx).expect("the list of runs is whole");
        feed(names, &tx);
        let mut mark = names.known();
        let mut entries = Vec::new();
        for name in batch {
            assert_eq!(names.get(&tx, name).expect("a block is whole"), None);
            let fingerprint = rng.u128(..).to_be_bytes();
            let (table, at) = if rng.u8(..10) == 0 {
                mark.refusal += 1;
                ("refusal", mark.refusal | REFUSED)
            } else {
                mark.position += 1;
                ("row", mark.position)
            };
            let row = (at & !REFUSED).cast_signed();
            tx.prepare_cached(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)"))
                .expect("the statement is right")
                .execute(params![row, name, fingerprint])
                .expect("the row is new");
            entries.push((*name, Entry { at, fingerprint }));
        }
        names.write_some(&tx, budget).expect("runs are written");
        if commit {
            tx.commit().expect("the batch is committed");
            names.committed();
            names.insert(entries.iter().copied(), mark);
        } else {
            tx.rollback().expect("the batch is rolled back");
            names.rolled_back();
        }
        entries
    }

    /// Whether its view has a run that was made of others.
    fn has_merged(&self) -> bool {
        self.names.runs()[1..].iter().any(|runs| *runs > 0)
    }

    /// How many names the database holds in complete runs.
    fn names_in_runs(&self) -> u64 {
        let runs = sql::runs(&self.conn).expect("the list is whole");
        runs.iter().map(|(_, _, names)| names).sum()
    }
}

/// Feeds the rows that the index does not know yet.
fn feed(names: &mut Names, conn: &Connection) {
    let known = names.known();
    let mut rows = Vec::new();
    let mut upto = known;
    for (table, from, flag) in [
        ("row", known.position, 0),
        ("refusal", known.refusal, REFUSED),
    ] {
        let sql = format!("SELECT at, name, print FROM {table} WHERE at > ?1");
        let mut statement = conn.prepare_cached(&sql).expect("the statement is right");
        let mut found = statement
            .query([from.cast_signed()])
            .expect("the table is there");
        while let Some(row) = found.next().expect("a row is read") {
            let at = row.get::<_, i64>(0).expect("a number").cast_unsigned();
            let reach = if flag == 0 {
                &mut upto.position
            } else {
                &mut upto.refusal
            };
            *reach = at.max(*reach);
            let fingerprint = row.get(2).expect("16 bytes");
            rows.push((
                row.get(1).expect("16 bytes"),
                Entry {
                    at: at | flag,
                    fingerprint,
                },
            ));
        }
    }
    names.insert(rows.into_iter(), upto);
}

/// Where an index stands that has made up to `mark` known.
fn rows_between(earlier: Mark, later: Mark) -> u64 {
    later.position - earlier.position + later.refusal - earlier.refusal
}
