//! Rows that have a life of their own: orders, sagas, carts and callbacks, in tables of one shape.
//!
//! A row is keyed by the position that created it, so new ones are appended, and changed in place
//! while they are young. Those that wait for a person are in a partial index, so that finding them
//! does not grow with the store. Tries and due times are columns of their own: they change without
//! an event. What is in a body is the rules' affair.

use super::fault::fault;
use super::names;
use super::rows::{self, sql};
use super::squeeze::squeeze;
use super::write::one;
use crate::callback::Callback;
use crate::commit::Timer;
use crate::port::{CartRow, DueRow, Fault, OrderRow, Row, RowWrite, SagaRow};
use evenkeel_rules::cart::Cart;
use evenkeel_rules::ids::{CartId, OrderId, SagaId};
use evenkeel_rules::order::{Order, Tries};
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that has a table of this shape.
pub(super) trait Live: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: &'static str;
    /// What is said of a row that is not as it was read.
    const WORD: &'static str;
}

impl Live for Order {
    const TABLE: &'static str = "order_row";
    const WORD: &'static str = "order";
}

impl Live for Journey {
    const TABLE: &'static str = "saga";
    const WORD: &'static str = "saga";
}

impl Live for Cart {
    const TABLE: &'static str = "cart";
    const WORD: &'static str = "cart";
}

impl Live for Callback {
    const TABLE: &'static str = "callback";
    const WORD: &'static str = "callback";
}

const COLUMNS: &str =
    "created, last, version, calls, sent, sent_at, again, called, due, flagged, body";

fn read<T: Live>(row: &rusqlite::Row<'_>) -> Result<Row<T>, Fault> {
    let small = |column| {
        let number = rows::number(row, column)?;
        u32::try_from(number).map_err(|_| Fault::Corrupt("a count out of range".to_owned()))
    };
    let due: Option<i64> = row.get(8).map_err(fault)?;
    Ok(Row {
        created: rows::number(row, 0)?,
        last: rows::number(row, 1)?,
        version: rows::number(row, 2)?,
        body: rows::body(row, 10)?,
        tries: Tries {
            calls: small(3)?,
            sent: small(4)?,
            sent_at: LogTime::from_micros(row.get(5).map_err(fault)?),
            again: row.get(6).map_err(fault)?,
            last: LogTime::from_micros(row.get(7).map_err(fault)?),
        },
        due: due.map(LogTime::from_micros),
        flagged: row.get(9).map_err(fault)?,
    })
}

/// The row that a position created.
pub(super) fn row<T: Live>(conn: &Connection, created: u64) -> Result<Option<Row<T>>, Fault> {
    let query = format!("SELECT {COLUMNS} FROM {} WHERE created = ?1", T::TABLE);
    rows::one(conn, &query, [sql(created)], read)
}

/// The row of an order found by name; a name whose row is another order's is damage, not absence.
pub(super) fn order_of(
    conn: &Connection,
    id: &OrderId,
    entry: Option<names::Entry>,
) -> Result<Option<OrderRow>, Fault> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    match row::<Order>(conn, entry.at)? {
        Some(row) if row.body.id == *id => Ok(Some(row)),
        Some(_) | None => Err(Fault::Corrupt(format!("the row of order {id} is gone"))),
    }
}

/// The row of a saga found by name; a name whose row is another saga's is damage, not absence.
pub(super) fn saga_of(
    conn: &Connection,
    id: &SagaId,
    entry: Option<names::Entry>,
) -> Result<Option<SagaRow>, Fault> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    match row::<Journey>(conn, entry.at)? {
        Some(row) if row.body.id == *id => Ok(Some(row)),
        Some(_) | None => Err(Fault::Corrupt(format!("the row of saga {id} is gone"))),
    }
}

/// The row of a cart found by name; a name whose row is another cart's is damage, not absence.
pub(super) fn cart_of(
    conn: &Connection,
    id: &CartId,
    entry: Option<names::Entry>,
) -> Result<Option<CartRow>, Fault> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    match row::<Cart>(conn, entry.at)? {
        Some(row) if row.body.id == *id => Ok(Some(row)),
        Some(_) | None => Err(Fault::Corrupt(format!("the row of cart {id} is gone"))),
    }
}

/// Rows created before a position, newest first.
pub(super) fn list<T: Live>(
    conn: &Connection,
    before: u64,
    limit: usize,
) -> Result<Vec<Row<T>>, Fault> {
    let query = format!(
        "SELECT {COLUMNS} FROM {} WHERE created < ?1 ORDER BY created DESC LIMIT ?2",
        T::TABLE
    );
    rows::all(conn, &query, params![sql(before), sql(limit as u64)], read)
}

/// Rows that wait for a person, newest first, whatever they are rows of.
pub(super) fn flagged(conn: &Connection, before: u64, limit: usize) -> Result<Vec<DueRow>, Fault> {
    let orders = flagged_of(conn, before, limit)?.into_iter();
    let sagas = flagged_of(conn, before, limit)?.into_iter();
    let callbacks = flagged_of(conn, before, limit)?.into_iter();
    let mut all: Vec<(u64, DueRow)> = orders
        .map(|row| (row.created, DueRow::Order(row)))
        .chain(sagas.map(|row| (row.created, DueRow::Saga(row))))
        .chain(callbacks.map(|row| (row.created, DueRow::Callback(row))))
        .collect();
    all.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    Ok(all.into_iter().take(limit).map(|(_, row)| row).collect())
}

fn flagged_of<T: Live>(conn: &Connection, before: u64, limit: usize) -> Result<Vec<Row<T>>, Fault> {
    // The literal 1 lets SQLite use the partial index.
    let query = format!(
        "SELECT {COLUMNS} FROM {} WHERE flagged = 1 AND created < ?1
         ORDER BY created DESC LIMIT ?2",
        T::TABLE
    );
    rows::all(conn, &query, params![sql(before), sql(limit as u64)], read)
}

/// The row of a timer, if it is still due then.
pub(super) fn due(conn: &Connection, at: Timer) -> Result<Option<DueRow>, Fault> {
    // Most timers are stale by then: a body is read only if it is its row's.
    if let Some(stands) = stands::<Order>(conn, at)? {
        return Ok(match stands {
            true => row(conn, at.created)?.map(DueRow::Order),
            false => None,
        });
    }
    if let Some(stands) = stands::<Journey>(conn, at)? {
        return Ok(match stands {
            true => row(conn, at.created)?.map(DueRow::Saga),
            false => None,
        });
    }
    let row = match stands::<Callback>(conn, at)? {
        Some(true) => row(conn, at.created)?,
        Some(false) | None => None,
    };
    Ok(row.map(DueRow::Callback))
}

/// Whether a timer is that of its row; nothing if there is no such row.
fn stands<T: Live>(conn: &Connection, at: Timer) -> Result<Option<bool>, Fault> {
    let query = format!("SELECT due FROM {} WHERE created = ?1", T::TABLE);
    rows::one(conn, &query, [sql(at.created)], |row| {
        let due: Option<i64> = row.get(0).map_err(fault)?;
        Ok(due == Some(at.due.micros()))
    })
}

/// Writes rows, each over the version that it was read at.
pub(super) fn write<T: Live>(conn: &Connection, writes: &[RowWrite<T>]) -> Result<(), Fault> {
    if writes.is_empty() {
        return Ok(());
    }
    let table = T::TABLE;
    let insert = format!(
        "INSERT INTO {table}({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    let update = format!(
        "UPDATE {table} SET last = ?2, version = ?3, calls = ?4, sent = ?5, sent_at = ?6,
         again = ?7, called = ?8, due = ?9, flagged = ?10, body = ?11
         WHERE created = ?1 AND version = ?12"
    );
    let mut insert = conn.prepare_cached(&insert).map_err(fault)?;
    let mut update = conn.prepare_cached(&update).map_err(fault)?;
    for RowWrite { row, was } in writes {
        let body = serde_json::to_vec(&row.body).expect("a body is plain JSON");
        let body = &*squeeze(&body);
        let tries = row.tries;
        let due = row.due.map(LogTime::micros);
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let (calls, sent, called) = (tries.calls, tries.sent, tries.last.micros());
        let (sent_at, again, flagged) = (tries.sent_at.micros(), tries.again, row.flagged);
        let count = match was {
            None => insert.execute(params![
                created, last, version, calls, sent, sent_at, again, called, due, flagged, body
            ]),
            Some(was) => update.execute(params![
                created,
                last,
                version,
                calls,
                sent,
                sent_at,
                again,
                called,
                due,
                flagged,
                body,
                sql(*was)
            ]),
        };
        let what = || format!("the {} of {} has another version", T::WORD, row.created);
        one(count.map_err(fault)?, what)?;
    }
    Ok(())
}
