//! Customers' shares of SKUs that limit them: one small row each.
//!
//! Only batches that touch such a SKU read or write here. The table is a tree in the order of SKU
//! and customer, so a batch over many customers of a hot SKU touches many pages: that is what the
//! limit costs, and nobody else pays for it. A row stays when it comes to 0.

use super::fault::fault;
use super::rows::{self, number, sql};
use super::write::one;
use crate::port::{Fault, Share, ShareWrite};
use evenkeel_rules::ids::{CustomerId, SkuId};
use rusqlite::{Connection, params};

/// The units of one share; nothing if it has no row.
pub(super) fn share(conn: &Connection, (sku, customer): &Share) -> Result<Option<u64>, Fault> {
    const QUERY: &str = "SELECT units FROM share WHERE sku = ?1 AND customer = ?2";
    rows::one(conn, QUERY, [sku.as_str(), customer.as_str()], |row| {
        number(row, 0)
    })
}

/// Shares behind one of them, in the order of SKU and customer.
pub(super) fn list(
    conn: &Connection,
    after: Option<&Share>,
    limit: usize,
) -> Result<Vec<(Share, u64)>, Fault> {
    const QUERY: &str = "SELECT sku, customer, units FROM share
        WHERE (sku, customer) > (?1, ?2) ORDER BY sku, customer LIMIT ?3";
    // Nothing sorts before the empty text, and no id is empty.
    let (sku, customer) = after.map_or(("", ""), |(sku, customer)| {
        (sku.as_str(), customer.as_str())
    });
    let asked = params![sku, customer, sql(limit as u64)];
    rows::all(conn, QUERY, asked, |row| {
        let text = |column: usize| row.get::<_, String>(column).map_err(fault);
        let bad = |_| Fault::Corrupt("a share of nobody or of no SKU".to_owned());
        let share = (
            SkuId::new(&text(0)?).map_err(bad)?,
            CustomerId::new(&text(1)?).map_err(bad)?,
        );
        Ok((share, number(row, 2)?))
    })
}

/// Writes shares, each over the units that it was read with.
pub(super) fn write(conn: &Connection, writes: &[ShareWrite]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO share(sku, customer, units) VALUES (?1, ?2, ?3)";
    const UPDATE: &str = "UPDATE share SET units = ?3 WHERE sku = ?1 AND customer = ?2
        AND units = ?4";
    if writes.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&ShareWrite> = writes.iter().collect();
    sorted.sort_by(|a, b| a.share.cmp(&b.share));
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
    for ShareWrite { share, was, now } in sorted {
        let (sku, customer) = (share.0.as_str(), share.1.as_str());
        let count = match was {
            None => insert.execute(params![sku, customer, sql(*now)]),
            Some(was) => update.execute(params![sku, customer, sql(*now), sql(*was)]),
        };
        let what = || format!("{customer} has another share of {sku}");
        one(count.map_err(fault)?, what)?;
    }
    Ok(())
}
