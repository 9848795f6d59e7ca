//! Subscriptions: a small table, of which a row is written whenever a reader has come on.
//!
//! A reader's progress stands beside the fold in a column of its own: it changes many times a
//! second, and without an event.

use super::fault::fault;
use super::rows::{self, body, number, sql};
use super::write::one;
use crate::port::{Fault, SubscriptionRow, SubscriptionWrite};
use evenkeel_rules::ids::SubscriptionId;
use rusqlite::{Connection, Row, params};

const COLUMNS: &str = "created, last, version, body, progress";

fn read(row: &Row<'_>) -> Result<SubscriptionRow, Fault> {
    Ok(SubscriptionRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        body: body(row, 3)?,
        progress: body(row, 4)?,
    })
}

/// The row of one subscription.
pub(super) fn subscription(
    conn: &Connection,
    id: &SubscriptionId,
) -> Result<Option<SubscriptionRow>, Fault> {
    let query = format!("SELECT {COLUMNS} FROM subscription WHERE id = ?1");
    let row = rows::one(conn, &query, [id.as_str()], read)?;
    match row {
        Some(row) if row.body.id != *id => {
            let what = format!("the row of subscription {id} is another's");
            Err(Fault::Corrupt(what))
        }
        row => Ok(row),
    }
}

/// Subscriptions created before a position, newest first.
pub(super) fn list(
    conn: &Connection,
    before: u64,
    limit: usize,
) -> Result<Vec<SubscriptionRow>, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM subscription WHERE created < ?1 ORDER BY created DESC LIMIT ?2"
    );
    rows::all(conn, &query, params![sql(before), sql(limit as u64)], read)
}

/// Writes rows, each over the version that it was read at.
pub(super) fn write(conn: &Connection, writes: &[SubscriptionWrite]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO subscription(created, id, last, version, body, progress)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    const UPDATE: &str = "UPDATE subscription SET last = ?2, version = ?3, body = ?4,
        progress = ?5 WHERE created = ?1 AND version = ?6";
    for SubscriptionWrite { row, was } in writes {
        let body = serde_json::to_vec(&row.body).expect("a subscription is plain JSON");
        let progress = serde_json::to_vec(&row.progress).expect("progress is plain JSON");
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let count = match was {
            None => {
                let id = row.body.id.as_str();
                let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
                insert.execute(params![created, id, last, version, body, progress])
            }
            Some(was) => {
                let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
                update.execute(params![created, last, version, body, progress, sql(*was)])
            }
        };
        let what = || format!("subscription {} has another version", row.body.id);
        one(count.map_err(fault)?, what)?;
    }
    Ok(())
}
