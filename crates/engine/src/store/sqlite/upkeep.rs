//! The log's old part: seals, segments, and rows that leave the database.

use super::fault::fault;
use super::names;
use super::rows::{all, number, sql};
use super::squeeze::squeeze;
use crate::port::{Fault, SealRow, SegmentRow, Upkeep};
use rusqlite::{Connection, params};

pub(super) fn seals(conn: &Connection, upto: u64, limit: usize) -> Result<Vec<SealRow>, Fault> {
    const QUERY: &str = "SELECT position, text FROM seal WHERE position <= ?1
        ORDER BY position DESC LIMIT ?2";
    all(conn, QUERY, params![sql(upto), sql(limit as u64)], |row| {
        Ok(SealRow {
            position: number(row, 0)?,
            text: row.get(1).map_err(fault)?,
        })
    })
}

pub(super) fn segments(conn: &Connection) -> Result<Vec<SegmentRow>, Fault> {
    const QUERY: &str =
        "SELECT first, last, before, hash, digest, bytes FROM segment ORDER BY first";
    all(conn, QUERY, [], |row| {
        Ok(SegmentRow {
            first: number(row, 0)?,
            last: number(row, 1)?,
            before: row.get(2).map_err(fault)?,
            hash: row.get(3).map_err(fault)?,
            index: row.get(4).map_err(fault)?,
            bytes: number(row, 5)?,
        })
    })
}

/// The first row whose names may not be in runs yet: a start reads the log from there.
pub(super) fn reads_from(conn: &Connection) -> Result<u64, Fault> {
    let covered = names::covered(conn).map_err(fault)?;
    Ok(covered.position + 1)
}

pub(super) fn write(conn: &Connection, upkeep: &Upkeep) -> Result<(), Fault> {
    const SEAL: &str = "INSERT OR REPLACE INTO seal(position, text) VALUES (?1, ?2)";
    const SEGMENT: &str = "INSERT OR REPLACE INTO segment(first, last, before, hash, digest, bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    if upkeep.is_empty() {
        return Ok(());
    }
    let run = |query: &str, values: &[&dyn rusqlite::ToSql]| {
        let mut statement = conn.prepare_cached(query).map_err(fault)?;
        statement.execute(values).map_err(fault).map(drop)
    };
    for seal in &upkeep.seals {
        run(SEAL, &[&sql(seal.position), &seal.text])?;
    }
    for position in &upkeep.forget_seals {
        run("DELETE FROM seal WHERE position = ?1", &[&sql(*position)])?;
    }
    for row in &upkeep.segments {
        let (first, last, bytes) = (sql(row.first), sql(row.last), sql(row.bytes));
        let (before, hash, index) = (&row.before[..], &row.hash[..], &row.index[..]);
        run(SEGMENT, &[&first, &last, &before, &hash, &index, &bytes])?;
    }
    for first in &upkeep.forget_segments {
        run("DELETE FROM segment WHERE first = ?1", &[&sql(*first)])?;
    }
    if let Some((first, last)) = upkeep.taken_out {
        const DELETE: &str = "DELETE FROM log WHERE position BETWEEN ?1 AND ?2";
        run(DELETE, &[&sql(first), &sql(last)])?;
    }
    for row in &upkeep.brought_back {
        const BACK: &str = "INSERT OR REPLACE INTO log(position, hash, text) VALUES (?1, ?2, ?3)";
        let text = squeeze(&row.text);
        run(BACK, &[&sql(row.position), &&row.hash[..], &&*text])?;
    }
    Ok(())
}
