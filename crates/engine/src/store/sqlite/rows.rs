//! Reading rows: the same for the locked writer and for readers.

use super::balances::News;
use super::fault::fault;
use super::squeeze;
use crate::commit::Timer;
use crate::port::{Fault, Head, HoldRow, HoldWrite, Listed, Place, RefusalRow, SkuRow, TokenRow};
use crate::store::head;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{LocationId, SkuId, TokenId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

/// A position or count as SQLite has it.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, Fault> {
    let number: i64 = row.get(column).map_err(fault)?;
    u64::try_from(number).map_err(|_| Fault::Corrupt("a number below zero".to_owned()))
}

pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    let bytes = row.get_ref(column).map_err(fault)?;
    let bytes = bytes
        .as_bytes()
        .map_err(|error| Fault::Corrupt(error.to_string()))?;
    serde_json::from_slice(&squeeze::open(bytes))
        .map_err(|error| Fault::Corrupt(format!("a row: {error}")))
}

/// All rows of a query, each read by `read`.
pub(super) fn all<T>(
    conn: &Connection,
    query: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = conn.prepare_cached(query).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn one<T>(
    conn: &Connection,
    query: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut statement = conn.prepare_cached(query).map_err(fault)?;
    let found = statement
        .query_row(params, |row| Ok(read(row)))
        .optional()
        .map_err(fault)?;
    found.transpose()
}

pub(super) fn head(conn: &Connection) -> Result<Head, Fault> {
    const QUERY: &str = "SELECT log, salt, incarnation, position, hash, time, format, refusals,
        batches, leases, floor, ended FROM head WHERE id = 1";
    let head = one(conn, QUERY, [], |row| {
        let small = |column| {
            let number = number(row, column)?;
            u32::try_from(number).map_err(|_| Fault::Corrupt("a head out of range".to_owned()))
        };
        let text = |column| row.get::<_, String>(column).map_err(fault);
        let batches: Vec<u8> = row.get(8).map_err(fault)?;
        Ok(Head {
            log: row.get(0).map_err(fault)?,
            salt: row.get(1).map_err(fault)?,
            incarnation: small(2)?,
            position: number(row, 3)?,
            hash: row.get(4).map_err(fault)?,
            time: LogTime::from_micros(row.get(5).map_err(fault)?),
            format: small(6)?,
            refusals: number(row, 7)?,
            leases: head::read_json(&text(9)?, "leases")?,
            batches: head::read_batches(&batches)?,
            floor: number(row, 10)?,
            ended: head::read_json(&text(11)?, "incarnations")?,
        })
    })?;
    head.ok_or_else(|| Fault::Corrupt("the head row is gone".to_owned()))
}

/// The head's position and number of final refusals, without the rest.
pub(super) fn mark(conn: &Connection) -> Result<(u64, u64), Fault> {
    const QUERY: &str = "SELECT position, refusals FROM head WHERE id = 1";
    let mark = one(conn, QUERY, [], |row| {
        Ok((number(row, 0)?, number(row, 1)?))
    })?;
    mark.ok_or_else(|| Fault::Corrupt("the head row is gone".to_owned()))
}

fn hold_row(row: &Row<'_>) -> Result<HoldRow, Fault> {
    Ok(HoldRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        hold: body(row, 3)?,
    })
}

pub(super) fn hold(conn: &Connection, created: u64) -> Result<Option<HoldRow>, Fault> {
    const QUERY: &str = "SELECT created, last, version, body FROM hold WHERE created = ?1";
    one(conn, QUERY, [sql(created)], hold_row)
}

/// The timer that a hold which ended has no more use for.
pub(super) fn ended_timer(write: &HoldWrite) -> Option<Timer> {
    let hold = &write.row.hold;
    hold.ended_at.map(|_| Timer {
        due: hold.deadline,
        created: write.row.created,
    })
}

/// The hold of a timer, if it is still to end then.
pub(super) fn due_hold(conn: &Connection, at: Timer) -> Result<Option<HoldRow>, Fault> {
    let live = |row: &HoldRow| row.hold.state == State::Held && row.hold.deadline == at.due;
    Ok(hold(conn, at.created)?.filter(live))
}

pub(super) fn holds(conn: &Connection, before: u64, limit: usize) -> Result<Vec<HoldRow>, Fault> {
    const QUERY: &str = "SELECT created, last, version, body FROM hold WHERE created < ?1
        ORDER BY created DESC LIMIT ?2";
    all(
        conn,
        QUERY,
        params![sql(before), sql(limit as u64)],
        hold_row,
    )
}

fn sku_row(row: &Row<'_>) -> Result<SkuRow, Fault> {
    let locations: String = row.get(5).map_err(fault)?;
    let locations: Vec<LocationId> = serde_json::from_str(&locations)
        .map_err(|error| Fault::Corrupt(format!("a SKU's locations: {error}")))?;
    Ok(SkuRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        stock_last: number(row, 3)?,
        stock_version: number(row, 4)?,
        locations,
        sku: body(row, 6)?,
    })
}

const SKU_COLUMNS: &str = "created, last, version, stock_last, stock_version, locations, body";

pub(super) fn sku(conn: &Connection, id: &SkuId) -> Result<Option<SkuRow>, Fault> {
    let query = format!("SELECT {SKU_COLUMNS} FROM sku WHERE id = ?1");
    one(conn, &query, [id.as_str()], sku_row)
}

pub(super) fn listed(conn: &Connection, row: SkuRow, news: &News) -> Result<Listed, Fault> {
    let mut stock = Vec::with_capacity(row.locations.len());
    for location in &row.locations {
        let place = (row.sku.terms.sku.clone(), location.clone());
        let balances = news.of(conn, &place)?;
        stock.push((location.clone(), balances.unwrap_or_default()));
    }
    Ok((row, stock))
}

pub(super) fn skus(
    conn: &Connection,
    before: u64,
    limit: usize,
    news: &News,
) -> Result<Vec<Listed>, Fault> {
    let query =
        format!("SELECT {SKU_COLUMNS} FROM sku WHERE created < ?1 ORDER BY created DESC LIMIT ?2");
    let rows = all(
        conn,
        &query,
        params![sql(before), sql(limit as u64)],
        sku_row,
    )?;
    rows.into_iter()
        .map(|row| listed(conn, row, news))
        .collect()
}

/// Balances whose location is not in their SKU's list, or whose place has no name.
pub(super) fn stray_balances(
    conn: &Connection,
    news: &News,
) -> Result<Vec<(Place, Balances)>, Fault> {
    const QUERY: &str = "SELECT place.sku, place.location, balance.place FROM balance
        LEFT JOIN place ON place.id = balance.place LEFT JOIN sku ON sku.id = place.sku
        WHERE sku.id IS NULL
        OR NOT EXISTS (SELECT 1 FROM json_each(sku.locations) WHERE value = place.location)";
    all(conn, QUERY, [], |row| {
        let text = |column: usize| -> Result<String, Fault> {
            let text: Option<String> = row.get(column).map_err(fault)?;
            Ok(text.unwrap_or_else(|| "unnamed".to_owned()))
        };
        let bad = |_| Fault::Corrupt("a balance of no SKU".to_owned());
        let place = (
            SkuId::new(&text(0)?).map_err(bad)?,
            LocationId::new(&text(1)?).map_err(bad)?,
        );
        let stands = news.stands(conn, row.get(2).map_err(fault)?)?;
        Ok((place, stands.unwrap_or_default()))
    })
}

const TOKEN_COLUMNS: &str = "created, last, version, secret, body";

fn token_row(row: &Row<'_>) -> Result<TokenRow, Fault> {
    Ok(TokenRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        secret: row.get(3).map_err(fault)?,
        token: body(row, 4)?,
    })
}

pub(super) fn token(conn: &Connection, id: &TokenId) -> Result<Option<TokenRow>, Fault> {
    let query = format!("SELECT {TOKEN_COLUMNS} FROM token WHERE id = ?1");
    one(conn, &query, [id.as_str()], token_row)
}

pub(super) fn token_by_secret(
    conn: &Connection,
    secret: &[u8; 32],
) -> Result<Option<TokenRow>, Fault> {
    let query = format!("SELECT {TOKEN_COLUMNS} FROM token WHERE secret = ?1");
    one(conn, &query, [secret.as_slice()], token_row)
}

pub(super) fn tokens(conn: &Connection, before: u64, limit: usize) -> Result<Vec<TokenRow>, Fault> {
    let query = format!(
        "SELECT {TOKEN_COLUMNS} FROM token WHERE created < ?1 ORDER BY created DESC LIMIT ?2"
    );
    all(
        conn,
        &query,
        params![sql(before), sql(limit as u64)],
        token_row,
    )
}

pub(super) fn log(
    conn: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<crate::port::LogRow>, Fault> {
    const QUERY: &str = "SELECT position, hash, text FROM log WHERE position >= ?1
        ORDER BY position LIMIT ?2";
    all(conn, QUERY, params![sql(from), sql(limit as u64)], |row| {
        let text = row.get_ref(2).map_err(fault)?;
        let text = text
            .as_bytes()
            .map_err(|error| Fault::Corrupt(error.to_string()))?;
        Ok(crate::port::LogRow {
            position: number(row, 0)?,
            hash: row.get(1).map_err(fault)?,
            text: squeeze::open(text).into_owned(),
        })
    })
}

pub(super) fn refusals(
    conn: &Connection,
    from: u64,
    limit: usize,
) -> Result<Vec<RefusalRow>, Fault> {
    const QUERY: &str = "SELECT number, name, fingerprint, text FROM refusal WHERE number >= ?1
        ORDER BY number LIMIT ?2";
    all(conn, QUERY, params![sql(from), sql(limit as u64)], |row| {
        Ok(RefusalRow {
            number: number(row, 0)?,
            name: row.get(1).map_err(fault)?,
            fingerprint: row.get(2).map_err(fault)?,
            text: row.get(3).map_err(fault)?,
        })
    })
}
