//! The tables of the index, and every statement on them.
//!
//! `run_keeper` is one row: who may write runs, which version the list of runs has, the next run's
//! number, and the mark that the runs reach. `run` lists the complete runs, `run_part` the parts of
//! runs, `run_0` to `run_4` the blocks of each level, each run's appended after those before it. A
//! block or part whose run is not in `run` is of a run that is being written, or is waste.

use super::block::{block_id, decode, run_of};
use super::part::{Part, Run};
use super::{Entry, Mark, Name, corrupt};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

/// Levels of runs, each with a table of its own for its blocks.
pub(super) const LEVELS: usize = 5;

/// One statement for each level's table.
macro_rules! per_level {
    ($before:literal, $after:literal) => {
        [
            concat!($before, "run_0", $after),
            concat!($before, "run_1", $after),
            concat!($before, "run_2", $after),
            concat!($before, "run_3", $after),
            concat!($before, "run_4", $after),
        ]
    };
}

pub(super) const SCHEMA: &str = "
    CREATE TABLE run_keeper (
        id INTEGER PRIMARY KEY CHECK (id = 1), keeper INTEGER NOT NULL, version INTEGER NOT NULL,
        next_run INTEGER NOT NULL, position INTEGER NOT NULL, refusal INTEGER NOT NULL
    );
    INSERT INTO run_keeper VALUES (1, 0, 0, 1, 0, 0);
    CREATE TABLE run (id INTEGER PRIMARY KEY, level INTEGER NOT NULL, names INTEGER NOT NULL);
    CREATE TABLE run_part (
        id INTEGER PRIMARY KEY, names INTEGER NOT NULL,
        first_keys BLOB NOT NULL, filter BLOB NOT NULL
    );
    CREATE TABLE run_0 (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE run_1 (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE run_2 (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE run_3 (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE run_4 (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
";

/// The row of `run_keeper`, without the next run's number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Whose token this is may write runs.
    pub(super) keeper: i64,
    /// Changes with the list of runs.
    pub(super) version: i64,
    /// All names up to here are in runs.
    pub(super) covered: Mark,
}

/// Reads the row.
pub(super) fn state(conn: &Connection) -> rusqlite::Result<State> {
    let sql = "SELECT keeper, version, position, refusal FROM run_keeper WHERE id = 1";
    conn.prepare_cached(sql)?.query_row([], |row| {
        let covered = Mark {
            position: row.get::<_, i64>(2)?.cast_unsigned(),
            refusal: row.get::<_, i64>(3)?.cast_unsigned(),
        };
        Ok(State {
            keeper: row.get(0)?,
            version: row.get(1)?,
            covered,
        })
    })
}

/// Becomes the keeper; answers with the token.
pub(super) fn take_over(tx: &Connection) -> rusqlite::Result<i64> {
    let sql = "UPDATE run_keeper SET keeper = keeper + 1 WHERE id = 1 RETURNING keeper";
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Takes a number for a new run.
pub(super) fn claim_run(tx: &Connection) -> rusqlite::Result<i64> {
    let sql = "UPDATE run_keeper SET next_run = next_run + 1 WHERE id = 1 RETURNING next_run - 1";
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Writes down that the runs reach this mark.
pub(super) fn cover(tx: &Connection, mark: Mark) -> rusqlite::Result<()> {
    let sql = "UPDATE run_keeper SET position = ?1, refusal = ?2 WHERE id = 1";
    let values = params![mark.position.cast_signed(), mark.refusal.cast_signed()];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Gives the list of runs its next version; answers with it.
pub(super) fn next_version(tx: &Connection) -> rusqlite::Result<i64> {
    let sql = "UPDATE run_keeper SET version = version + 1 WHERE id = 1 RETURNING version";
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// The complete runs: number, level, names.
pub(super) fn runs(conn: &Connection) -> rusqlite::Result<Vec<(i64, usize, u64)>> {
    let mut statement = conn.prepare_cached("SELECT id, level, names FROM run ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        let level = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(LEVELS);
        Ok((row.get(0)?, level, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    rows.collect()
}

/// All complete runs; those that are loaded already are not read again.
///
/// # Errors
/// `DatabaseCorrupt` when one of them is not as it was written.
pub(super) fn load_runs(conn: &Connection, loaded: &[Arc<Run>]) -> rusqlite::Result<Vec<Arc<Run>>> {
    let load = |(id, level, names)| match loaded.iter().find(|run| run.id == id) {
        Some(run) => Ok(Arc::clone(run)),
        None => load_run(conn, id, level, names).map(Arc::new),
    };
    runs(conn)?.into_iter().map(load).collect()
}

/// Reads what memory keeps of a run.
///
/// # Errors
/// `DatabaseCorrupt` when a part is missing or not as it was written.
pub(super) fn load_run(
    conn: &Connection,
    id: i64,
    level: usize,
    names: u64,
) -> rusqlite::Result<Run> {
    let sql = "SELECT id, names, first_keys, filter FROM run_part WHERE id >= ?1 AND id < ?2
               ORDER BY id";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([block_id(id, 0), block_id(id + 1, 0)])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(Arc::new(load_part(row)?));
    }
    let run = Run::new(id, level, parts);
    if level >= LEVELS || run.names != names {
        return Err(corrupt(format!(
            "the parts of run {id} do not add up to it"
        )));
    }
    Ok(run)
}

fn load_part(row: &Row<'_>) -> rusqlite::Result<Part> {
    let names = row.get::<_, i64>(1)?.cast_unsigned();
    Part::load(
        row.get(0)?,
        names,
        row.get_ref(2)?.as_blob()?,
        row.get_ref(3)?.as_blob()?,
    )
}

/// Reads one block with `read`.
///
/// # Errors
/// `DatabaseCorrupt` when there is no such block, or as `read` says.
pub(super) fn block<T>(
    conn: &Connection,
    level: usize,
    id: i64,
    read: impl FnOnce(&[u8]) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    const SQL: [&str; LEVELS] = per_level!("SELECT data FROM ", " WHERE id = ?1");
    let mut statement = conn.prepare_cached(SQL[level])?;
    let found = statement
        .query_row([id], |row| read(row.get_ref(0)?.as_blob()?))
        .optional()?;
    found.ok_or_else(|| corrupt(format!("a block of run {} is missing", run_of(id))))
}

/// The entries of up to `count` blocks of a run, from block `from` on, in one short statement.
///
/// # Errors
/// `DatabaseCorrupt` when one of them is missing or not as it was written.
pub(super) fn blocks(
    conn: &Connection,
    run: &Run,
    from: u32,
    count: u32,
) -> rusqlite::Result<Vec<(Name, Entry)>> {
    const SQL: [&str; LEVELS] = per_level!(
        "SELECT id, data FROM ",
        " WHERE id >= ?1 AND id < ?2 ORDER BY id"
    );
    let end = run.blocks().min(from + count);
    let mut statement = conn.prepare_cached(SQL[run.level])?;
    let mut rows = statement.query([block_id(run.id, from), block_id(run.id, end)])?;
    let mut entries = Vec::new();
    let mut next = block_id(run.id, from);
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if id != next {
            break;
        }
        next += 1;
        entries.extend(decode(id, row.get_ref(1)?.as_blob()?)?);
    }
    if next != block_id(run.id, end) {
        return Err(corrupt(format!("a block of run {} is missing", run.id)));
    }
    Ok(entries)
}

/// Writes a block.
pub(super) fn insert_block(
    tx: &Connection,
    level: usize,
    id: i64,
    data: &[u8],
) -> rusqlite::Result<()> {
    const SQL: [&str; LEVELS] = per_level!("INSERT INTO ", " (id, data) VALUES (?1, ?2)");
    tx.prepare_cached(SQL[level])?
        .execute(params![id, data])
        .map(drop)
}

/// Writes a part.
pub(super) fn insert_part(tx: &Connection, part: &Part) -> rusqlite::Result<()> {
    let sql = "INSERT INTO run_part (id, names, first_keys, filter) VALUES (?1, ?2, ?3, ?4)";
    let (keys, filter) = part.blobs();
    let values = params![part.id, part.names.cast_signed(), keys, filter];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Lists a run whose blocks and parts are all written.
pub(super) fn insert_run(tx: &Connection, run: &Run) -> rusqlite::Result<()> {
    let sql = "INSERT INTO run (id, level, names) VALUES (?1, ?2, ?3)";
    let level = i64::try_from(run.level).expect("a level is below LEVELS");
    tx.prepare_cached(sql)?
        .execute(params![run.id, level, run.names.cast_signed()])
        .map(drop)
}

/// Takes a run off the list; its blocks and parts become waste.
pub(super) fn unlist_run(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM run WHERE id = ?1")?
        .execute([id])
        .map(drop)
}

/// Deletes up to `limit` blocks of a run, the first ones; answers how many there were.
pub(super) fn delete_blocks(
    tx: &Connection,
    level: usize,
    run: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    const SQL: [&str; LEVELS] = per_level!("DELETE FROM ", " WHERE id >= ?1 AND id < ?2");
    let end = block_id(run + 1, 0);
    let Some(first) = first_block(tx, level, block_id(run, 0))?.filter(|first| *first < end) else {
        return Ok(0);
    };
    let last = first.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX));
    tx.prepare_cached(SQL[level])?
        .execute([first, last.min(end)])
}

/// Deletes the first part of a run; answers whether there was one.
pub(super) fn delete_part(tx: &Connection, run: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM run_part WHERE id =
               (SELECT min(id) FROM run_part WHERE id >= ?1 AND id < ?2)";
    let deleted = tx
        .prepare_cached(sql)?
        .execute([block_id(run, 0), block_id(run + 1, 0)])?;
    Ok(deleted > 0)
}

/// Every run that has blocks or parts, complete or not: level and number. Costs one step per run,
/// not one per block.
pub(super) fn runs_with_rows(conn: &Connection) -> rusqlite::Result<Vec<(usize, i64)>> {
    let mut found = Vec::new();
    for level in 0..LEVELS {
        let mut from = 0;
        while let Some(id) = first_block(conn, level, from)? {
            found.push((level, run_of(id)));
            from = block_id(run_of(id) + 1, 0);
        }
    }
    let mut from = 0;
    while let Some(id) = first_part(conn, from)? {
        // A number is given once: where no level has blocks of this run, level 0 does as well.
        if !found.iter().any(|(_, run)| *run == run_of(id)) {
            found.push((0, run_of(id)));
        }
        from = block_id(run_of(id) + 1, 0);
    }
    Ok(found)
}

fn first_block(conn: &Connection, level: usize, from: i64) -> rusqlite::Result<Option<i64>> {
    const SQL: [&str; LEVELS] =
        per_level!("SELECT id FROM ", " WHERE id >= ?1 ORDER BY id LIMIT 1");
    conn.prepare_cached(SQL[level])?
        .query_row([from], |row| row.get(0))
        .optional()
}

fn first_part(conn: &Connection, from: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM run_part WHERE id >= ?1 ORDER BY id LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([from], |row| row.get(0))
        .optional()
}
