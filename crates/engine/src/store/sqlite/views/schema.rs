//! Tables, indexes and SQL views of `views.db`.
//!
//! Each projection's tables carry the number of their set, so that two sets stand side by side
//! while one is built; the SQL views that people read are made over the live ones in the same
//! transaction that makes them live. Tables are keyed by positions, so a set that is built is only
//! appended to; what is keyed by a name is an index, and a set has none until all its rows are
//! there. There are no migrations: a file of another shape or of another log is deleted and folded
//! again.

use crate::port::{Fault, Head, Projection};
use crate::store::reports::{Dialect, sql_views};
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::rows::sql;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use std::path::Path;

/// The file in the data directory.
pub const VIEWS_FILE: &str = "views.db";
/// The shape that this build reads and writes.
const SHAPE: i64 = 3;
/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;
/// What the writing connection keeps of the file in memory, in KiB.
const CACHE_KIB: u32 = 65_536;
/// The same while an index is made, which is what it sorts at a time: more, sorted in one go, took
/// 1.7 times as long.
const SORT_KIB: u32 = 4_096;

const BASE: &str = "
CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK (id = 1), log TEXT NOT NULL, salt BLOB NOT NULL,
  incarnation INTEGER NOT NULL, sets INTEGER NOT NULL, passed INTEGER) STRICT;
CREATE TABLE lineage(incarnation INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE projection(name TEXT PRIMARY KEY, live INTEGER NOT NULL, checkpoint INTEGER NOT NULL,
  building INTEGER, built INTEGER NOT NULL, ready INTEGER NOT NULL) STRICT;
CREATE TABLE set_aside(projection TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL,
  idx INTEGER NOT NULL, why TEXT NOT NULL, PRIMARY KEY (projection, number, position, idx)) STRICT;
CREATE TABLE parked(id TEXT NOT NULL, position INTEGER NOT NULL, attempts INTEGER NOT NULL,
  cause TEXT NOT NULL, PRIMARY KEY (id, position)) STRICT;
CREATE TABLE passage(position INTEGER PRIMARY KEY, at INTEGER) STRICT;
";

/// The tables of a projection; `{n}` is the number of the set.
const fn tables(projection: Projection) -> &'static str {
    match projection {
        Projection::Orders => {
            "CREATE TABLE order_row_{n}(created INTEGER PRIMARY KEY, id TEXT NOT NULL,
               last INTEGER NOT NULL, version INTEGER NOT NULL, updated INTEGER NOT NULL,
               paid_at INTEGER, due INTEGER, customer TEXT NOT NULL, status TEXT NOT NULL,
               payment TEXT NOT NULL, shipment TEXT, at INTEGER NOT NULL, total INTEGER NOT NULL,
               currency TEXT NOT NULL, transaction_id TEXT, amount INTEGER NOT NULL,
               body TEXT NOT NULL) STRICT;
             CREATE TABLE order_line_{n}(sku TEXT NOT NULL, created INTEGER NOT NULL,
               line INTEGER NOT NULL, again INTEGER NOT NULL, quantity INTEGER NOT NULL,
               price INTEGER NOT NULL, PRIMARY KEY (created, line)) STRICT, WITHOUT ROWID;"
        }
        Projection::Holds => {
            "CREATE TABLE hold_row_{n}(created INTEGER PRIMARY KEY, id TEXT NOT NULL,
               last INTEGER NOT NULL, version INTEGER NOT NULL, customer TEXT NOT NULL,
               state TEXT NOT NULL, body TEXT NOT NULL) STRICT;
             CREATE TABLE hold_line_{n}(sku TEXT NOT NULL, created INTEGER NOT NULL,
               PRIMARY KEY (created, sku)) STRICT, WITHOUT ROWID;"
        }
        Projection::Stock => {
            "CREATE TABLE sku_row_{n}(created INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
               last INTEGER NOT NULL, version INTEGER NOT NULL, stock_last INTEGER NOT NULL,
               stock_version INTEGER NOT NULL, locations TEXT NOT NULL, body TEXT NOT NULL) STRICT;
             CREATE TABLE balance_{n}(sku TEXT NOT NULL, location TEXT NOT NULL,
               supply INTEGER NOT NULL, available INTEGER NOT NULL, held INTEGER NOT NULL,
               sold INTEGER NOT NULL, shipped INTEGER NOT NULL, returned INTEGER NOT NULL,
               written_off INTEGER NOT NULL, PRIMARY KEY (sku, location)) STRICT, WITHOUT ROWID;"
        }
        Projection::Audit => {
            "CREATE TABLE audit_{n}(position INTEGER NOT NULL, idx INTEGER NOT NULL,
               at INTEGER NOT NULL, sku TEXT NOT NULL, location TEXT NOT NULL,
               operation TEXT NOT NULL, word TEXT NOT NULL, quantity INTEGER NOT NULL,
               ref TEXT NOT NULL, PRIMARY KEY (position, idx)) STRICT, WITHOUT ROWID;"
        }
        Projection::Outbox => {
            "CREATE TABLE outbox_{n}(position INTEGER NOT NULL, idx INTEGER NOT NULL,
               at INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL,
               PRIMARY KEY (position, idx)) STRICT, WITHOUT ROWID;"
        }
    }
}

/// What finds rows by their names and for lists with filters. Each is made alone, last, because
/// many rows are sorted faster at once. The first one of a projection with streams says that each
/// stream has one row.
pub(super) const fn indexes(projection: Projection) -> &'static [&'static str] {
    match projection {
        Projection::Orders => &[
            "CREATE UNIQUE INDEX order_id_{n} ON order_row_{n}(id);
             DROP INDEX IF EXISTS order_seek_{n};",
            "CREATE INDEX order_sku_{n} ON order_line_{n}(sku, created, again);",
            "CREATE INDEX order_at_{n} ON order_row_{n}(at);",
            "CREATE INDEX order_customer_{n} ON order_row_{n}(customer, created);",
            "CREATE INDEX order_status_{n} ON order_row_{n}(status, created);",
            "CREATE INDEX order_payment_{n} ON order_row_{n}(payment, created);",
            "CREATE INDEX order_shipment_{n} ON order_row_{n}(shipment, created)
               WHERE shipment IS NOT NULL;",
        ],
        Projection::Holds => &[
            "CREATE UNIQUE INDEX hold_id_{n} ON hold_row_{n}(id);
             DROP INDEX IF EXISTS hold_seek_{n};",
            "CREATE INDEX hold_sku_{n} ON hold_line_{n}(sku, created);",
            "CREATE INDEX hold_customer_{n} ON hold_row_{n}(customer, created);",
            "CREATE INDEX hold_state_{n} ON hold_row_{n}(state, created);",
        ],
        Projection::Audit => &[
            "CREATE INDEX audit_sku_{n} ON audit_{n}(sku, position, idx);",
            "CREATE INDEX audit_ref_{n} ON audit_{n}(ref, position, idx);",
        ],
        Projection::Stock | Projection::Outbox => &[],
    }
}

/// An index that finds rows by name in a set that has no other yet: made when the first row is
/// asked for that cannot be found by its place.
const fn seek(projection: Projection) -> &'static str {
    match projection {
        Projection::Orders => {
            "CREATE INDEX IF NOT EXISTS order_seek_{n} ON order_row_{n}(id, created);"
        }
        Projection::Holds => {
            "CREATE INDEX IF NOT EXISTS hold_seek_{n} ON hold_row_{n}(id, created);"
        }
        Projection::Stock | Projection::Audit | Projection::Outbox => "",
    }
}

/// What deletes a set.
const fn drops(projection: Projection) -> &'static str {
    match projection {
        Projection::Orders => "DROP TABLE order_row_{n}; DROP TABLE order_line_{n};",
        Projection::Holds => "DROP TABLE hold_row_{n}; DROP TABLE hold_line_{n};",
        Projection::Stock => "DROP TABLE sku_row_{n}; DROP TABLE balance_{n};",
        Projection::Audit => "DROP TABLE audit_{n};",
        Projection::Outbox => "DROP TABLE outbox_{n};",
    }
}

const DIALECT: Dialect = Dialect {
    time: "strftime('%Y-%m-%dT%H:%M:%S', {t} / 1000000, 'unixepoch')
        || printf('.%03dZ', ({t} / 1000) % 1000)",
    meta: "meta",
};

/// Runs statements about one set.
fn run(conn: &Connection, statements: &str, number: i64) -> Result<(), Fault> {
    let statements = statements.replace("{n}", &number.to_string());
    conn.execute_batch(&statements).map_err(fault)
}

/// Makes the tables of a set.
pub(super) fn make(conn: &Connection, of: Projection, number: i64) -> Result<(), Fault> {
    run(conn, tables(of), number)
}

/// Whether an index could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexed {
    /// It was.
    Made,
    /// A stream has two rows.
    Twice,
}

/// Makes one of the indexes of a set.
pub(super) fn index(
    conn: &Connection,
    of: Projection,
    (number, at): (i64, usize),
) -> Result<Indexed, Fault> {
    let statements = indexes(of)[at].replace("{n}", &number.to_string());
    let cache = |kib: u32| conn.execute_batch(&format!("PRAGMA cache_size = -{kib}"));
    cache(SORT_KIB).map_err(fault)?;
    let made = conn.execute_batch(&statements);
    cache(CACHE_KIB).map_err(fault)?;
    match made {
        Ok(()) => Ok(Indexed::Made),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(Indexed::Twice)
        }
        Err(error) => Err(fault(error)),
    }
}

/// Whether a set that is being built has the index that says that each stream has one row.
pub(super) fn is_named(conn: &Connection, of: Projection, number: i64) -> Result<bool, Fault> {
    let name = match of {
        Projection::Orders => format!("order_id_{number}"),
        Projection::Holds => format!("hold_id_{number}"),
        Projection::Stock | Projection::Audit | Projection::Outbox => return Ok(true),
    };
    const QUERY: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?1)";
    conn.query_row(QUERY, [name], |row| row.get(0))
        .map_err(fault)
}

/// Lets rows of a set that is being built be found by name.
pub(super) fn name(conn: &Connection, of: Projection, number: i64) -> Result<(), Fault> {
    run(conn, seek(of), number)
}

/// Makes the SQL views over a set.
pub(super) fn show(conn: &Connection, of: Projection, number: i64) -> Result<(), Fault> {
    run(conn, &sql_views(of, &DIALECT), number)
}

/// Deletes a set with what was set aside for it.
pub(super) fn delete(conn: &Connection, of: Projection, number: i64) -> Result<(), Fault> {
    run(conn, drops(of), number)?;
    const QUERY: &str = "DELETE FROM set_aside WHERE projection = ?1 AND number = ?2";
    conn.execute(QUERY, params![of.name(), number])
        .map_err(fault)?;
    Ok(())
}

/// Opens the file for writing, deleting one of another shape or of another log first.
pub(super) fn open_writer(dir: &Path, head: &Head) -> Result<Connection, Fault> {
    if let Ok(conn) = opened(dir)
        && is_ours(&conn, head)
    {
        return Ok(conn);
    }
    for file in [
        VIEWS_FILE.to_owned(),
        format!("{VIEWS_FILE}-wal"),
        format!("{VIEWS_FILE}-shm"),
    ] {
        match std::fs::remove_file(dir.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::Unavailable(error.to_string()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let conn = opened(dir)?;
    found(&conn, head)?;
    Ok(conn)
}

pub(super) fn opened(dir: &Path) -> Result<Connection, Fault> {
    let conn = Connection::open(dir.join(VIEWS_FILE)).map_err(fault)?;
    set_up(&conn)?;
    // A power cut may take the newest rows with their checkpoint: they are folded again. The log
    // is copied by a thread; an index of many rows is sorted in files.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = FILE;",
    )
    .map_err(fault)?;
    Ok(conn)
}

/// Settings of every writing connection.
pub(super) fn set_up(conn: &Connection) -> Result<(), Fault> {
    conn.busy_timeout(std::time::Duration::from_secs(20))
        .map_err(fault)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    let settings = format!("PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY;");
    conn.execute_batch(&settings).map_err(fault)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(VIEWS_FILE), flags).map_err(fault)?;
    conn.busy_timeout(std::time::Duration::from_secs(20))
        .map_err(fault)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")
        .map_err(fault)?;
    Ok(conn)
}

/// Whether a file has this build's shape and belongs to this log.
pub(super) fn is_ours(conn: &Connection, head: &Head) -> bool {
    let shape = conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if shape != Ok(SHAPE) {
        return false;
    }
    const QUERY: &str = "SELECT log, salt, incarnation FROM meta WHERE id = 1";
    let meta = conn.query_row(QUERY, [], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, [u8; 16]>(1)?,
            row.get::<_, u32>(2)?,
        ))
    });
    meta == Ok((head.log.clone(), head.salt, head.incarnation))
}

/// Makes all tables, empty.
pub(super) fn found(conn: &Connection, head: &Head) -> Result<(), Fault> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
    conn.execute_batch(BASE).map_err(fault)?;
    conn.execute(
        "INSERT INTO meta(id, log, salt, incarnation, sets) VALUES (1, ?1, ?2, ?3, 1)",
        params![head.log, &head.salt[..], head.incarnation],
    )
    .map_err(fault)?;
    for ended in &head.ended {
        const QUERY: &str = "INSERT INTO lineage(incarnation, last) VALUES (?1, ?2)";
        conn.execute(QUERY, params![ended.incarnation, sql(ended.last)])
            .map_err(fault)?;
    }
    for projection in Projection::ALL {
        make(conn, projection, 1)?;
        for at in 0..indexes(projection).len() {
            index(conn, projection, (1, at))?;
        }
        show(conn, projection, 1)?;
        const QUERY: &str = "INSERT INTO projection(name, live, checkpoint, built, ready)
            VALUES (?1, 1, 0, 0, 0)";
        conn.execute(QUERY, [projection.name()]).map_err(fault)?;
    }
    conn.execute_batch(&format!("PRAGMA user_version = {SHAPE}; COMMIT"))
        .map_err(fault)
}
