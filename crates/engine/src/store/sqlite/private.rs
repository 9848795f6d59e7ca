//! Private texts: what may be erased, beside a log that may not.
//!
//! A text's key is its position and its part in one number, so that texts are appended and one of a
//! few KiB takes no page of its own. Nothing is indexed by customer: forgetting somebody is rare,
//! and looks through all texts. Erasing overwrites the text in its page; the row stays, so that one
//! can tell what was erased from what never was. The write-ahead log has the page as it was before
//! until that log begins again.

use super::fault::fault;
use super::rows::{self, sql};
use super::write::one;
use crate::port::{Fault, PrivateId, PrivateRow};
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, Row, params};

const COLUMNS: &str = "id, customer, text, erased_at";

/// The position in all bits but the last eight, which have the part.
fn key((position, part): PrivateId) -> i64 {
    sql(position.saturating_mul(256).saturating_add(u64::from(part)))
}

fn read(row: &Row<'_>) -> Result<PrivateRow, Fault> {
    let id = rows::number(row, 0)?;
    let customer: Option<String> = row.get(1).map_err(fault)?;
    let customer = customer.as_deref().map(CustomerId::new).transpose();
    let erased_at: Option<i64> = row.get(3).map_err(fault)?;
    Ok(PrivateRow {
        id: (id / 256, (id % 256) as u8),
        customer: customer.map_err(|error| Fault::Corrupt(format!("a private text: {error}")))?,
        text: row.get(2).map_err(fault)?,
        erased_at: erased_at.map(LogTime::from_micros),
    })
}

pub(super) fn text(conn: &Connection, id: PrivateId) -> Result<Option<PrivateRow>, Fault> {
    let query = format!("SELECT {COLUMNS} FROM private WHERE id = ?1");
    rows::one(conn, &query, [key(id)], read)
}

/// Texts of a customer that are not erased, from an id on, ascending.
pub(super) fn texts_of(
    conn: &Connection,
    customer: &CustomerId,
    (from, limit): (PrivateId, usize),
) -> Result<Vec<PrivateRow>, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM private WHERE id >= ?1 AND customer = ?2 AND erased_at IS NULL
         ORDER BY id LIMIT ?3"
    );
    let params = params![key(from), customer.as_str(), sql(limit as u64)];
    rows::all(conn, &query, params, read)
}

/// Writes new texts.
pub(super) fn write(conn: &Connection, texts: &[PrivateRow]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO private(id, customer, text, erased_at)
        VALUES (?1, ?2, ?3, ?4)";
    if texts.is_empty() {
        return Ok(());
    }
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    for row in texts {
        let customer = row.customer.as_ref().map(CustomerId::as_str);
        let erased_at = row.erased_at.map(LogTime::micros);
        insert
            .execute(params![key(row.id), customer, row.text, erased_at])
            .map_err(fault)?;
    }
    Ok(())
}

/// Erases texts; one that is erased already keeps the time at which it was.
pub(super) fn erase(conn: &Connection, ids: &[PrivateId], now: LogTime) -> Result<(), Fault> {
    const UPDATE: &str = "UPDATE private SET text = '', erased_at = coalesce(erased_at, ?2)
        WHERE id = ?1";
    if ids.is_empty() {
        return Ok(());
    }
    // A page keeps the bytes of what was replaced in it otherwise.
    secure_delete(conn, true)?;
    let erased = ids.iter().try_for_each(|id| {
        let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
        let count = update.execute(params![key(*id), now.micros()]);
        one(count.map_err(fault)?, || {
            format!("private text {id:?} is gone")
        })
    });
    secure_delete(conn, false)?;
    erased
}

fn secure_delete(conn: &Connection, on: bool) -> Result<(), Fault> {
    let pragma = format!("PRAGMA secure_delete = {}", i32::from(on));
    conn.query_row(&pragma, [], |_| Ok(())).map_err(fault)
}

#[cfg(test)]
mod tests;
