//! Tables, settings and migrations of the SQLite store.
//!
//! Hot rows are appended: the log, holds, orders, sagas, carts, callbacks and private texts are
//! keyed by position, timers by minute and batch, names by the index's runs. A batch over many
//! SKUs appends its balances in one row, see `balances`; the texts of batches with orders are made
//! small, see `squeeze`. No database time, no triggers, no random B-tree on the hot path. The
//! settings are checked after they are made: a store that cannot keep them is not opened.

use super::fault::fault;
use super::names::Names;
use crate::port::Fault;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The database's file in the data directory.
pub const FILE: &str = "evenkeel.db";
/// Oldest SQLite without the WAL-reset bug.
const SQLITE_MIN: (i32, &str) = (3_051_003, "3.51.3");
/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;

/// The migrations, oldest first; `user_version` counts those that were applied.
fn migrations() -> [String; 8] {
    let tables = format!("{TABLES}{}", Names::SCHEMA);
    [
        tables,
        ORDERS.to_owned(),
        SHARES.to_owned(),
        SAGAS.to_owned(),
        CARTS.to_owned(),
        SUBSCRIPTIONS.to_owned(),
        UPKEEP.to_owned(),
        ENDED.to_owned(),
    ]
}

const TABLES: &str = "
CREATE TABLE head(id INTEGER PRIMARY KEY CHECK (id = 1), log TEXT NOT NULL, salt BLOB NOT NULL,
  incarnation INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,
  time INTEGER NOT NULL, format INTEGER NOT NULL, refusals INTEGER NOT NULL,
  batches BLOB NOT NULL) STRICT;
CREATE TABLE log(position INTEGER PRIMARY KEY, hash BLOB NOT NULL, text BLOB NOT NULL) STRICT;
CREATE TABLE hold(created INTEGER PRIMARY KEY, last INTEGER NOT NULL, version INTEGER NOT NULL,
  body BLOB NOT NULL) STRICT;
CREATE TABLE sku(created INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, last INTEGER NOT NULL,
  version INTEGER NOT NULL, stock_last INTEGER NOT NULL, stock_version INTEGER NOT NULL,
  locations TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE place(id INTEGER PRIMARY KEY, sku TEXT NOT NULL, location TEXT NOT NULL,
  UNIQUE (sku, location)) STRICT;
CREATE TABLE balance(place INTEGER PRIMARY KEY, at INTEGER NOT NULL, accounts BLOB NOT NULL) STRICT;
CREATE TABLE balance_news(position INTEGER PRIMARY KEY, places BLOB NOT NULL) STRICT;
CREATE TABLE token(created INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  secret BLOB NOT NULL UNIQUE, last INTEGER NOT NULL, version INTEGER NOT NULL,
  body BLOB NOT NULL) STRICT;
CREATE TABLE refusal(number INTEGER PRIMARY KEY, name BLOB NOT NULL, fingerprint BLOB NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE TABLE timer(minute INTEGER NOT NULL, first INTEGER NOT NULL, entries BLOB NOT NULL,
  PRIMARY KEY (minute, first)) STRICT, WITHOUT ROWID;
CREATE TABLE timer_news(first INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
";

/// Orders, callbacks, private texts, and the timers of the first two. The newest row of news is
/// the mark of its timers now (see `timers`); batches were numbered by position before.
const ORDERS: &str = "
ALTER TABLE head ADD COLUMN leases TEXT NOT NULL DEFAULT '';
CREATE TABLE order_row(created INTEGER PRIMARY KEY, last INTEGER NOT NULL,
  version INTEGER NOT NULL, calls INTEGER NOT NULL, sent INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, again INTEGER NOT NULL, called INTEGER NOT NULL,
  due INTEGER, flagged INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX order_flagged ON order_row(created) WHERE flagged = 1;
CREATE TABLE callback(created INTEGER PRIMARY KEY, last INTEGER NOT NULL,
  version INTEGER NOT NULL, calls INTEGER NOT NULL, sent INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, again INTEGER NOT NULL, called INTEGER NOT NULL,
  due INTEGER, flagged INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX callback_flagged ON callback(created) WHERE flagged = 1;
CREATE TABLE private(id INTEGER PRIMARY KEY, customer TEXT, text TEXT NOT NULL,
  erased_at INTEGER) STRICT;
CREATE TABLE due(minute INTEGER NOT NULL, first INTEGER NOT NULL, entries BLOB NOT NULL,
  PRIMARY KEY (minute, first)) STRICT, WITHOUT ROWID;
CREATE TABLE due_news(first INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
INSERT OR IGNORE INTO timer_news(first, entries) SELECT position + 1, x'' FROM head;
";

/// What customers have of SKUs that limit them. Units that were placed before say that they do not
/// count, so the table begins empty.
const SHARES: &str = "
CREATE TABLE share(sku TEXT NOT NULL, customer TEXT NOT NULL, units INTEGER NOT NULL,
  PRIMARY KEY (sku, customer)) STRICT, WITHOUT ROWID;
";

/// Sagas over anybody's services.
const SAGAS: &str = "
CREATE TABLE saga(created INTEGER PRIMARY KEY, last INTEGER NOT NULL,
  version INTEGER NOT NULL, calls INTEGER NOT NULL, sent INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, again INTEGER NOT NULL, called INTEGER NOT NULL,
  due INTEGER, flagged INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX saga_flagged ON saga(created) WHERE flagged = 1;
";

/// Carts. They call nobody and wait for nobody: what rows with a life have besides stays empty.
const CARTS: &str = "
CREATE TABLE cart(created INTEGER PRIMARY KEY, last INTEGER NOT NULL,
  version INTEGER NOT NULL, calls INTEGER NOT NULL, sent INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, again INTEGER NOT NULL, called INTEGER NOT NULL,
  due INTEGER, flagged INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
";

/// Who is told of what, and how far each has come.
const SUBSCRIPTIONS: &str = "
CREATE TABLE subscription(created INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  last INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
  progress BLOB NOT NULL) STRICT;
";

/// Where the log's part in the database begins, what stands in segments, and seals.
const UPKEEP: &str = "
ALTER TABLE head ADD COLUMN floor INTEGER NOT NULL DEFAULT 1;
CREATE TABLE seal(position INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT;
CREATE TABLE segment(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, before BLOB NOT NULL,
  hash BLOB NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL) STRICT;
";

/// Where earlier incarnations of the log ended.
const ENDED: &str = "ALTER TABLE head ADD COLUMN ended TEXT NOT NULL DEFAULT '';";

/// Opens the one writing connection, with every setting made and checked.
pub(super) fn open_writer(dir: &Path) -> Result<Connection, Fault> {
    let number = rusqlite::version_number();
    if number < SQLITE_MIN.0 {
        let (least, is) = (SQLITE_MIN.1, rusqlite::version());
        return Err(Fault::Unavailable(format!(
            "SQLite {is} is older than {least}"
        )));
    }
    let conn = Connection::open(dir.join(FILE)).map_err(fault)?;
    prepare(&conn)?;
    conn.execute_batch("PRAGMA page_size = 4096;")
        .map_err(fault)?;
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(fault)?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -65536;",
    )
    .map_err(fault)?;
    let synchronous: i64 = conn
        .query_row("PRAGMA synchronous", [], |row| row.get(0))
        .map_err(fault)?;
    if mode != "wal" || synchronous != 2 {
        let what = format!("SQLite keeps journal_mode {mode}, synchronous {synchronous}");
        return Err(Fault::Unavailable(what));
    }
    Ok(conn)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(FILE), flags).map_err(fault)?;
    prepare(&conn)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")
        .map_err(fault)?;
    Ok(conn)
}

fn prepare(conn: &Connection) -> Result<(), Fault> {
    conn.busy_timeout(std::time::Duration::from_secs(20))
        .map_err(fault)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}

/// Does something in one writing transaction: all of it or nothing.
pub(super) fn locked<T>(
    conn: &Connection,
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
    let done = work();
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    conn.execute_batch(end).map_err(fault)?;
    done
}

/// Applies the migrations that are missing; returns how many were.
pub(super) fn migrate(conn: &Connection) -> Result<usize, Fault> {
    locked(conn, || migrate_locked(conn))
}

fn migrate_locked(conn: &Connection) -> Result<usize, Fault> {
    let version = user_version(conn)?;
    let migrations = migrations();
    check_version(version)?;
    let missing = &migrations[version..];
    for migration in missing {
        conn.execute_batch(migration).map_err(fault)?;
    }
    let now = migrations.len();
    conn.execute_batch(&format!("PRAGMA user_version = {now}"))
        .map_err(fault)?;
    Ok(missing.len())
}

/// The number of migrations that the file has had.
fn user_version(conn: &Connection) -> Result<usize, Fault> {
    let version: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(fault)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Refuses a file that lacks migrations, for those who cannot apply them.
pub(super) fn check_migrated(conn: &Connection) -> Result<(), Fault> {
    let version = user_version(conn)?;
    check_version(version)?;
    let what = match version {
        0 => "the store was never migrated".to_owned(),
        _ if version < migrations().len() => {
            format!("schema {version} is older than this program: migrate the store first")
        }
        _ => return Ok(()),
    };
    Err(Fault::Unavailable(what))
}

/// Refuses a file that a newer program has migrated.
fn check_version(version: usize) -> Result<(), Fault> {
    if version > migrations().len() {
        let what = format!("schema {version} is newer than this program");
        return Err(Fault::Unavailable(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
