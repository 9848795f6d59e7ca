//! Rows that have a life of their own: orders, sagas, carts and callbacks, in tables of one shape.
//!
//! Tries and due times are columns of their own: they change without an event. What is due and
//! what waits for a person is in partial indexes, so that finding it does not grow with the store.

use super::rows::{get, number, small, sql, time};
use super::session::Asked;
use crate::callback::Callback;
use crate::commit::{Name, cart_name, order_name, saga_name};
use crate::port::{DueRow, Fault, Row, RowWrite};
use evenkeel_rules::cart::Cart;
use evenkeel_rules::order::{Order, Tries};
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::time::LogTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that has a table of this shape.
pub(super) trait Live: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: &'static str;
    /// The name that its id has in the index; a callback's is its key's.
    fn name(&self) -> Option<Name>;
}

impl Live for Order {
    const TABLE: &'static str = "order_row";
    fn name(&self) -> Option<Name> {
        Some(order_name(&self.id))
    }
}

impl Live for Journey {
    const TABLE: &'static str = "saga";
    fn name(&self) -> Option<Name> {
        Some(saga_name(&self.id))
    }
}

impl Live for Cart {
    const TABLE: &'static str = "cart";
    fn name(&self) -> Option<Name> {
        Some(cart_name(&self.id))
    }
}

impl Live for Callback {
    const TABLE: &'static str = "callback";
    fn name(&self) -> Option<Name> {
        None
    }
}

/// The columns of [`read`].
pub(super) const COLUMNS: &str = "t.created, t.last, t.version, t.calls, t.sent, t.sent_at,
    t.again, t.called, t.due, t.flagged, t.body";

/// A row whose columns begin here.
pub(super) fn read<T: Live>(row: &tokio_postgres::Row, first: usize) -> Result<Row<T>, Fault> {
    let due: Option<i64> = get(row, first + 8)?;
    Ok(Row {
        created: number(row, first)?,
        last: number(row, first + 1)?,
        version: number(row, first + 2)?,
        body: super::rows::body(row, first + 10)?,
        tries: Tries {
            calls: small(row, first + 3)?,
            sent: small(row, first + 4)?,
            sent_at: time(row, first + 5)?,
            again: get(row, first + 6)?,
            last: time(row, first + 7)?,
        },
        due: due.map(LogTime::from_micros),
        flagged: get(row, first + 9)?,
    })
}

/// The row that a position created.
pub(super) fn at<'a, T: Live>(created: u64) -> Asked<'a> {
    let query = format!("SELECT {COLUMNS} FROM {} t WHERE created = $1", T::TABLE);
    Asked::new(query).with(sql(created))
}

/// Rows created before a position, newest first.
pub(super) fn list<'a, T: Live>(before: u64, limit: usize) -> Asked<'a> {
    let query = format!(
        "SELECT {COLUMNS} FROM {} t WHERE created < $1 ORDER BY created DESC LIMIT $2",
        T::TABLE
    );
    Asked::new(query).with(sql(before)).with(sql(limit as u64))
}

/// Rows that wait for a person, newest first.
pub(super) fn flagged<'a, T: Live>(before: u64, limit: usize) -> Asked<'a> {
    let query = format!(
        "SELECT {COLUMNS} FROM {} t WHERE flagged AND created < $1
         ORDER BY created DESC LIMIT $2",
        T::TABLE
    );
    Asked::new(query).with(sql(before)).with(sql(limit as u64))
}

/// Rows due at or before a moment or the head's log time, oldest first.
pub(super) fn due<'a, T: Live>(until: LogTime, limit: usize) -> Asked<'a> {
    let query = format!(
        "SELECT {COLUMNS} FROM {} t
         WHERE due <= greatest($1::bigint, (SELECT time FROM head WHERE id = 1))
         ORDER BY due, created LIMIT $2",
        T::TABLE
    );
    Asked::new(query)
        .with(until.micros())
        .with(sql(limit as u64))
}

/// Orders, sagas and callbacks in one list.
pub(super) fn mixed(answers: &[Vec<tokio_postgres::Row>]) -> Result<Vec<DueRow>, Fault> {
    let [orders, sagas, callbacks] = answers else {
        return Err(Fault::Corrupt("three answers were asked for".to_owned()));
    };
    let orders = orders.iter().map(|row| read(row, 0).map(DueRow::Order));
    let sagas = sagas.iter().map(|row| read(row, 0).map(DueRow::Saga));
    let callbacks = callbacks.iter();
    let callbacks = callbacks.map(|row| read(row, 0).map(DueRow::Callback));
    orders.chain(sagas).chain(callbacks).collect()
}

/// When a row is due, if it is.
pub(super) const fn due_of(row: &DueRow) -> Option<LogTime> {
    match row {
        DueRow::Order(row) => row.due,
        DueRow::Saga(row) => row.due,
        DueRow::Callback(row) => row.due,
    }
}

const VALUES: &str = "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
    $6::bigint[], $7::boolean[], $8::bigint[], $9::bigint[], $10::boolean[], $11::bytea[]";

/// Adds new rows.
pub(super) fn insert<T: Live>() -> String {
    format!(
        "INSERT INTO {}(created, last, version, calls, sent, sent_at, again, called, due, flagged,
         body) SELECT * FROM {VALUES})",
        T::TABLE
    )
}

/// Changes rows, each over the version that it was read at; fails where one has another.
pub(super) fn update<T: Live>() -> String {
    format!(
        "WITH done AS (UPDATE {} t SET last = u.last, version = u.version, calls = u.calls,
           sent = u.sent, sent_at = u.sent_at, again = u.again, called = u.called, due = u.due,
           flagged = u.flagged, body = u.body
           FROM {VALUES}, $12::bigint[]) AS u(created, last, version, calls, sent, sent_at, again,
             called, due, flagged, body, was)
           WHERE t.created = u.created AND t.version = u.was RETURNING 1)
         SELECT 1 / (count(*) = $13)::int FROM done",
        T::TABLE
    )
}

/// The statements that write these rows; those without rows are left out.
pub(super) fn write<'a, T: Live>(writes: &'a [RowWrite<T>]) -> Vec<Asked<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = writes.iter().partition(|it| it.was.is_some());
    let mut asked = Vec::new();
    if !new.is_empty() {
        asked.push(values(Asked::new(insert::<T>()), &new));
    }
    if !old.is_empty() {
        let was: Vec<i64> = old
            .iter()
            .map(|it| sql(it.was.unwrap_or_default()))
            .collect();
        let count = sql(was.len() as u64);
        let update = values(Asked::new(update::<T>()), &old);
        asked.push(update.with(was).with(count));
    }
    asked
}

fn values<'a, T: Live>(asked: Asked<'a>, writes: &[&'a RowWrite<T>]) -> Asked<'a> {
    fn each<T, V>(writes: &[&RowWrite<T>], of: impl Fn(&Row<T>) -> V) -> Vec<V> {
        writes.iter().map(|it| of(&it.row)).collect()
    }
    let body = |row: &Row<T>| serde_json::to_vec(&row.body).expect("a body is plain JSON");
    asked
        .with(each(writes, |row| sql(row.created)))
        .with(each(writes, |row| sql(row.last)))
        .with(each(writes, |row| sql(row.version)))
        .with(each(writes, |row| i64::from(row.tries.calls)))
        .with(each(writes, |row| i64::from(row.tries.sent)))
        .with(each(writes, |row| row.tries.sent_at.micros()))
        .with(each(writes, |row| row.tries.again))
        .with(each(writes, |row| row.tries.last.micros()))
        .with(each(writes, |row| row.due.map(LogTime::micros)))
        .with(each(writes, |row| row.flagged))
        .with(each(writes, body))
}
