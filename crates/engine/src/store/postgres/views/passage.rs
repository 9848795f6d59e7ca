//! How far subscribers are, and when they got there, for the SQL view `outbox`.
//!
//! A passage says that at some time everything up to a position had been passed by every live
//! subscriber; the first one at or behind an event says when that was sent. One without a time
//! stands where that is not known. A replay takes positions back: what is behind them is to be sent
//! again, and when that was done before is forgotten.

use super::{fault, sql};
use crate::port::{Fault, Relayed};
use crate::store::postgres::rows::get;
use crate::store::postgres::session::Session;
use evenkeel_rules::time::LogTime;

/// Notes how far subscribers are, and that they were found there at this time. Several nodes may
/// tell it; the row of `view_meta` makes them wait for each other.
pub(super) async fn note(session: &Session, relayed: &Relayed, at: LogTime) -> Result<(), Fault> {
    session.run("BEGIN").await?;
    const BEFORE: &str = "SELECT passed FROM view_meta WHERE id = 1 FOR UPDATE";
    let client = session.client();
    let row = client.query_one(BEFORE, &[]).await;
    let before: Option<i64> = get(&row.map_err(|error| fault(&error))?, 0)?;
    if let Some(passed) = relayed.passed {
        let told = before.is_some().then(|| at.micros());
        passage(session, sql(passed), told).await?;
    }
    let passed = relayed.passed.map(sql);
    let told = client
        .execute("UPDATE view_meta SET passed = $1 WHERE id = 1", &[&passed])
        .await;
    told.map_err(|error| fault(&error))?;
    parked(session, relayed).await?;
    session.run("COMMIT").await
}

async fn parked(session: &Session, relayed: &Relayed) -> Result<(), Fault> {
    const FORGET: &str = "DELETE FROM parked";
    const PUT: &str = "INSERT INTO parked(id, position, attempts, cause)
        SELECT DISTINCT ON (id, position) id, position, attempts, cause
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
          WITH ORDINALITY AS u(id, position, attempts, cause, number)
        ORDER BY id, position, number DESC";
    let forgot = session.client().execute(FORGET, &[]).await;
    forgot.map_err(|error| fault(&error))?;
    let rows = &relayed.parked;
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = rows.iter().map(|it| it.id.as_str()).collect();
    let from: Vec<i64> = rows.iter().map(|it| sql(it.from)).collect();
    let attempts: Vec<i64> = rows.iter().map(|it| sql(it.attempts)).collect();
    let causes: Vec<&str> = rows.iter().map(|it| it.cause.as_str()).collect();
    let put = session
        .client()
        .execute(PUT, &[&ids, &from, &attempts, &causes])
        .await;
    put.map_err(|error| fault(&error))?;
    Ok(())
}

/// Adds a passage, or takes back those behind it.
async fn passage(session: &Session, passed: i64, told: Option<i64>) -> Result<(), Fault> {
    const NEXT: &str =
        "SELECT position, at FROM passage WHERE position >= $1 ORDER BY position LIMIT 1";
    const PUT: &str = "INSERT INTO passage(position, at) VALUES ($1, $2)
        ON CONFLICT (position) DO UPDATE SET at = excluded.at";
    const BEHIND: &str = "DELETE FROM passage WHERE position > $1";
    let client = session.client();
    let next = client.query_opt(NEXT, &[&passed]).await;
    let at = match next.map_err(|error| fault(&error))? {
        Some(row) if get::<i64>(&row, 0)? == passed => None,
        // It lies within a passage: what is before it was sent then.
        Some(row) => Some(get::<Option<i64>>(&row, 1)?),
        None => Some(told),
    };
    if let Some(at) = at {
        let put = client.execute(PUT, &[&passed, &at]).await;
        put.map_err(|error| fault(&error))?;
    }
    let taken = client.execute(BEHIND, &[&passed]).await;
    taken.map_err(|error| fault(&error))?;
    Ok(())
}
