//! Reading rows back, and the queries behind lists.

use crate::port::{
    AuditFilter, AuditRow, Fault, HoldFilter, HoldRow, OrderFilter, OrderView, Row as Life, SkuRow,
};
use crate::store::postgres::rows::{get, number, sql, time};
use crate::store::postgres::session::Asked;
use evenkeel_rules::ids::{LocationId, Reference, SkuId};
use evenkeel_rules::order::{Order, Tries};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::Move;
use evenkeel_rules::time::LogTime;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

/// The columns of [`order`].
pub(super) const ORDER: &str = "o.created, o.last, o.version, o.updated, o.paid_at, o.due, o.body";
/// The columns of [`sku`].
pub(super) const SKU: &str = "created, last, version, stock_last, stock_version, locations, body";
/// The columns of [`balances`].
pub(super) const BALANCES: &str = "supply, available, held, sold, shipped, returned, written_off";

fn body<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Fault> {
    serde_json::from_str(get(row, column)?)
        .map_err(|error| Fault::Corrupt(format!("a view's row: {error}")))
}

fn perhaps(row: &Row, column: usize) -> Result<Option<LogTime>, Fault> {
    Ok(get::<Option<i64>>(row, column)?.map(LogTime::from_micros))
}

/// An order.
pub(super) fn order(row: &Row) -> Result<OrderView, Fault> {
    let order: Order = body(row, 6)?;
    let life = Life {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        flagged: order.is_flagged(),
        body: order,
        tries: Tries::default(),
        due: perhaps(row, 5)?,
    };
    Ok(OrderView {
        row: life,
        updated: time(row, 3)?,
        paid_at: perhaps(row, 4)?,
    })
}

/// A hold.
pub(super) fn hold(row: &Row) -> Result<HoldRow, Fault> {
    Ok(HoldRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        hold: body(row, 3)?,
    })
}

/// A SKU.
pub(super) fn sku(row: &Row) -> Result<SkuRow, Fault> {
    Ok(SkuRow {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        stock_last: number(row, 3)?,
        stock_version: number(row, 4)?,
        locations: body(row, 5)?,
        sku: body(row, 6)?,
    })
}

/// A move.
pub(super) fn audit_row(row: &Row) -> Result<AuditRow, Fault> {
    let bad = |_| Fault::Corrupt("a move of no SKU".to_owned());
    let operation = format!("\"{}\"", get::<&str>(row, 5)?);
    let operation = serde_json::from_str(&operation)
        .map_err(|error| Fault::Corrupt(format!("a move: {error}")))?;
    let quantity = Quantity::new(number(row, 6)?)
        .map_err(|_| Fault::Corrupt("a move of no units".to_owned()))?;
    Ok(AuditRow {
        position: number(row, 0)?,
        index: number(row, 1)?,
        at: time(row, 2)?,
        made: Move {
            operation,
            sku: SkuId::new(get(row, 3)?).map_err(bad)?,
            location: LocationId::new(get(row, 4)?).map_err(bad)?,
            quantity,
            reference: Reference::new(get(row, 7)?).map_err(bad)?,
        },
    })
}

/// A query that grows by what is asked for.
struct Growing {
    conditions: String,
    asked: Asked<'static>,
}

impl Growing {
    fn new() -> Self {
        Self {
            conditions: String::from("true"),
            asked: Asked::new(""),
        }
    }

    /// The place of a value.
    fn place<V>(&mut self, value: V) -> String
    where
        V: tokio_postgres::types::ToSql + Sync + Send + 'static,
    {
        let asked = std::mem::replace(&mut self.asked, Asked::new(""));
        self.asked = asked.with(value);
        format!("${}", self.asked.values.len())
    }

    /// Adds a condition; `?` in it is the value's place.
    fn and<V>(&mut self, condition: &str, value: V)
    where
        V: tokio_postgres::types::ToSql + Sync + Send + 'static,
    {
        let place = self.place(value);
        self.conditions.push_str(" AND ");
        self.conditions.push_str(&condition.replace('?', &place));
    }

    fn and_text(&mut self, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(condition, value.to_owned());
        }
    }

    fn ended(mut self, query: String) -> Asked<'static> {
        self.asked.sql = query.into();
        self.asked
    }
}

/// Orders of a set.
pub(super) fn orders(
    set: i64,
    filter: &OrderFilter,
    (before, limit): (u64, usize),
) -> Asked<'static> {
    let mut asked = Growing::new();
    asked.and("o.created < ?", sql(before));
    asked.conditions.push_str(" AND o.status <> 'REJECTED'");
    if let Some(sku) = &filter.sku {
        let place = asked.place(sku.as_str().to_owned());
        // The SKU's lines lead to its orders, each once.
        let line = format!(
            " AND EXISTS (SELECT 1 FROM order_line_{set} l
              WHERE l.sku = {place} AND l.created = o.created AND NOT l.again)"
        );
        asked.conditions.push_str(&line);
    }
    let customer = filter.customer.as_ref();
    asked.and_text("o.customer = ?", customer.map(|it| it.as_str()));
    asked.and_text("o.status = ?", filter.status.map(|it| it.name()));
    asked.and_text("o.payment = ?", filter.payment.map(|it| it.name()));
    asked.and_text("o.shipment = ?", filter.shipment.map(|it| it.name()));
    if filter.shipped {
        asked.conditions.push_str(" AND o.shipment IS NOT NULL");
    }
    // Log time never falls, so a range of times is a range of positions.
    let edge = |condition: &str, order: &str, none: i64| {
        format!(
            "o.created {condition} coalesce((SELECT created FROM order_row_{set}
             WHERE at {order} LIMIT 1), {none})"
        )
    };
    if let Some(from) = filter.from {
        let first = edge(">=", ">= ? ORDER BY at, created", i64::MAX);
        asked.and(&first, from.micros());
    }
    if let Some(to) = filter.to {
        let last = edge("<=", "< ? ORDER BY at DESC, created DESC", -1);
        asked.and(&last, to.micros());
    }
    let most = asked.place(sql(limit as u64));
    let query = format!(
        "SELECT {ORDER} FROM order_row_{set} o WHERE {} ORDER BY o.created DESC LIMIT {most}",
        asked.conditions
    );
    asked.ended(query)
}

/// Holds of a set.
pub(super) fn holds(
    set: i64,
    filter: &HoldFilter,
    (before, limit): (u64, usize),
) -> Asked<'static> {
    let mut asked = Growing::new();
    asked.and("h.created < ?", sql(before));
    if let Some(sku) = &filter.sku {
        let place = asked.place(sku.as_str().to_owned());
        let line = format!(
            " AND EXISTS (SELECT 1 FROM hold_line_{set} l
              WHERE l.sku = {place} AND l.created = h.created)"
        );
        asked.conditions.push_str(&line);
    }
    let customer = filter.customer.as_ref();
    asked.and_text("h.customer = ?", customer.map(|it| it.as_str()));
    asked.and_text("h.state = ?", filter.state.map(|it| it.name()));
    let most = asked.place(sql(limit as u64));
    let query = format!(
        "SELECT h.created, h.last, h.version, h.body FROM hold_row_{set} h WHERE {}
         ORDER BY h.created DESC LIMIT {most}",
        asked.conditions
    );
    asked.ended(query)
}

/// SKUs of a set, and the balances of all of them.
pub(super) fn skus(set: i64, (before, limit): (u64, usize)) -> [Asked<'static>; 2] {
    let page = format!("FROM sku_row_{set} WHERE created < $1 ORDER BY created DESC LIMIT $2");
    let skus = format!("SELECT {SKU} {page}");
    let balances = format!(
        "SELECT sku, location, {BALANCES} FROM balance_{set} WHERE sku IN (SELECT id {page})"
    );
    [skus, balances].map(|query| {
        let asked = Asked::new(query);
        asked.with(sql(before)).with(sql(limit as u64))
    })
}

/// Moves of a set.
pub(super) fn audit(
    set: i64,
    filter: &AuditFilter,
    ((position, index), limit): ((u64, u64), usize),
) -> Asked<'static> {
    let mut asked = Growing::new();
    asked.and_text("sku = ?", filter.sku.as_ref().map(|it| it.as_str()));
    if let Some(references) = &filter.references {
        let references = references.iter().map(|it| it.as_str().to_owned());
        asked.and("ref = ANY(?)", references.collect::<Vec<String>>());
    }
    let from = [sql(position), sql(index)].map(|value| asked.place(value));
    let most = asked.place(sql(limit as u64));
    let query = format!(
        "SELECT position, idx, at, sku, location, operation, quantity, ref FROM audit_{set}
         WHERE {} AND (position, idx) >= ({}, {}) ORDER BY position, idx LIMIT {most}",
        asked.conditions, from[0], from[1]
    );
    asked.ended(query)
}
