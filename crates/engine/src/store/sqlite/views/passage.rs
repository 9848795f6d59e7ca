//! How far subscribers are, and when they got there, for the SQL view `outbox`.
//!
//! A passage says that at some time everything up to a position had been passed by every live
//! subscriber; the first one at or behind an event says when that was sent. One without a time
//! stands where that is not known: where the file begins, and where the first subscriber does. At
//! most one is added each time that the relay tells of progress, about once a second.
//!
//! A replay takes positions back: what is behind them is to be sent again, and when that was done
//! before is forgotten.

use super::fault;
use super::read;
use crate::port::{Fault, Relayed};
use crate::store::sqlite::rows::{one, sql};
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, params};

const PUT: &str = "INSERT OR REPLACE INTO passage(position, at) VALUES (?1, ?2)";

/// Notes how far subscribers are, and that they were found there at this time.
pub(super) fn note(conn: &Connection, relayed: &Relayed, at: LogTime) -> Result<(), Fault> {
    const BEFORE: &str = "SELECT passed FROM meta";
    let before: Option<i64> = conn
        .query_row(BEFORE, [], |row| row.get(0))
        .map_err(fault)?;
    if let Some(passed) = relayed.passed {
        let told = before.is_some().then(|| at.micros());
        passage(conn, passed, told)?;
    }
    conn.execute("UPDATE meta SET passed = ?1", [relayed.passed.map(sql)])
        .map_err(fault)?;
    conn.execute("DELETE FROM parked", []).map_err(fault)?;
    const QUERY: &str =
        "INSERT OR REPLACE INTO parked(id, position, attempts, cause) VALUES (?1, ?2, ?3, ?4)";
    for one in &relayed.parked {
        let (from, attempts) = (sql(one.from), sql(one.attempts));
        conn.execute(QUERY, params![one.id, from, attempts, one.cause])
            .map_err(fault)?;
    }
    Ok(())
}

/// Adds a passage, or takes back those behind it.
fn passage(conn: &Connection, passed: u64, told: Option<i64>) -> Result<(), Fault> {
    const NEXT: &str =
        "SELECT position, at FROM passage WHERE position >= ?1 ORDER BY position LIMIT 1";
    let next = one(conn, NEXT, [sql(passed)], |row| {
        let at: Option<i64> = row.get(1).map_err(fault)?;
        Ok((read::number(row, 0)?, at))
    })?;
    let at = match next {
        Some((position, _)) if position == passed => None,
        // It lies within a passage: what is before it was sent then.
        Some((_, at)) => Some(at),
        None => Some(told),
    };
    if let Some(at) = at {
        conn.execute(PUT, params![sql(passed), at]).map_err(fault)?;
    }
    conn.execute("DELETE FROM passage WHERE position > ?1", [sql(passed)])
        .map_err(fault)?;
    Ok(())
}
