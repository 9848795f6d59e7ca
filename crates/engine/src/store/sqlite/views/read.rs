//! Reading rows back, and the queries behind lists.

use super::sql;
use crate::port::{
    AuditFilter, AuditRow, Fault, HoldFilter, HoldRow, Listed, OrderFilter, OrderView, Row as Life,
    SetAside, SkuRow,
};
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::rows::all;
use evenkeel_rules::ids::{LocationId, Reference};
use evenkeel_rules::order::{Order, Tries};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::{Balances, Move};
use evenkeel_rules::time::LogTime;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;

pub(super) use crate::store::sqlite::rows::{number, one};

/// The columns of [`order`].
pub(super) const ORDER: &str = "created, last, version, updated, paid_at, due, body";
/// The columns of [`sku`].
pub(super) const SKU: &str = "created, last, version, stock_last, stock_version, locations, body";
/// The columns of [`balances`].
pub(super) const BALANCES: &str = "supply, available, held, sold, shipped, returned, written_off";

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Fault> {
    let value = row.get_ref(column).map_err(fault)?;
    value
        .as_str()
        .map_err(|error| Fault::Corrupt(error.to_string()))
}

fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    serde_json::from_str(text(row, column)?)
        .map_err(|error| Fault::Corrupt(format!("a view's row: {error}")))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<LogTime>, Fault> {
    let micros: Option<i64> = row.get(column).map_err(fault)?;
    Ok(micros.map(LogTime::from_micros))
}

/// An order.
pub(super) fn order(row: &Row<'_>) -> Result<OrderView, Fault> {
    let order: Order = body(row, 6)?;
    let life = Life {
        created: number(row, 0)?,
        last: number(row, 1)?,
        version: number(row, 2)?,
        flagged: order.is_flagged(),
        body: order,
        tries: Tries::default(),
        due: time(row, 5)?,
    };
    Ok(OrderView {
        row: life,
        updated: time(row, 3)?.unwrap_or_default(),
        paid_at: time(row, 4)?,
    })
}

/// A SKU.
pub(super) fn sku(row: &Row<'_>) -> Result<SkuRow, Fault> {
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

/// Balances.
pub(super) fn balances(row: &Row<'_>) -> Result<Balances, Fault> {
    let mut raw = [0_i64; 7];
    for (column, units) in raw.iter_mut().enumerate() {
        *units = row.get(column).map_err(fault)?;
    }
    Ok(Balances::from_raw(raw))
}

/// A query that grows by what is asked for.
struct Asked {
    conditions: String,
    values: Vec<Value>,
}

impl Asked {
    fn new() -> Self {
        Self {
            conditions: String::from("1"),
            values: Vec::new(),
        }
    }

    /// Adds a condition; `?` in it is the value's place.
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = format!("?{}", self.values.len());
        self.conditions.push_str(" AND ");
        self.conditions.push_str(&condition.replace('?', &place));
    }

    fn and_text(&mut self, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(condition, value.to_owned());
        }
    }
}

/// Orders of a set.
pub(super) fn orders(
    conn: &Connection,
    set: i64,
    filter: &OrderFilter,
    (before, limit): (u64, usize),
) -> Result<Vec<OrderView>, Fault> {
    let mut asked = Asked::new();
    let from = match &filter.sku {
        // The SKU's lines lead to its orders, newest first; each order once.
        Some(sku) => {
            asked.and("l.sku = ?", sku.as_str().to_owned());
            asked.and("l.created < ?", sql(before));
            asked.conditions.push_str(" AND l.again = 0");
            format!("order_line_{set} l CROSS JOIN order_row_{set} o ON o.created = l.created")
        }
        None => {
            asked.and("o.created < ?", sql(before));
            format!("order_row_{set} o")
        }
    };
    asked.conditions.push_str(" AND o.status <> 'REJECTED'");
    asked.and_text(
        "o.customer = ?",
        filter.customer.as_ref().map(|it| it.as_str()),
    );
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
    asked.values.push(Value::from(sql(limit as u64)));
    let order_by = if filter.sku.is_some() {
        "l.created"
    } else {
        "o.created"
    };
    let columns = "o.created, o.last, o.version, o.updated, o.paid_at, o.due, o.body";
    let query = format!(
        "SELECT {columns} FROM {from} WHERE {} ORDER BY {order_by} DESC LIMIT ?{}",
        asked.conditions,
        asked.values.len()
    );
    all(conn, &query, params_from_iter(asked.values), order)
}

/// Holds of a set.
pub(super) fn holds(
    conn: &Connection,
    set: i64,
    filter: &HoldFilter,
    (before, limit): (u64, usize),
) -> Result<Vec<HoldRow>, Fault> {
    let mut asked = Asked::new();
    let (from, order_by) = match &filter.sku {
        Some(sku) => {
            asked.and("l.sku = ?", sku.as_str().to_owned());
            asked.and("l.created < ?", sql(before));
            let from =
                format!("hold_line_{set} l CROSS JOIN hold_row_{set} h ON h.created = l.created");
            (from, "l.created")
        }
        None => {
            asked.and("h.created < ?", sql(before));
            (format!("hold_row_{set} h"), "h.created")
        }
    };
    asked.and_text(
        "h.customer = ?",
        filter.customer.as_ref().map(|it| it.as_str()),
    );
    asked.and_text("h.state = ?", filter.state.map(|it| it.name()));
    asked.values.push(Value::from(sql(limit as u64)));
    let query = format!(
        "SELECT h.created, h.last, h.version, h.body FROM {from} WHERE {}
         ORDER BY {order_by} DESC LIMIT ?{}",
        asked.conditions,
        asked.values.len()
    );
    all(conn, &query, params_from_iter(asked.values), |row| {
        Ok(HoldRow {
            created: number(row, 0)?,
            last: number(row, 1)?,
            version: number(row, 2)?,
            hold: body(row, 3)?,
        })
    })
}

/// SKUs of a set with their balances.
pub(super) fn skus(
    conn: &Connection,
    set: i64,
    (before, limit): (u64, usize),
) -> Result<Vec<Listed>, Fault> {
    let query = format!(
        "SELECT {SKU} FROM sku_row_{set} WHERE created < ?1 ORDER BY created DESC LIMIT ?2"
    );
    let rows = all(conn, &query, [sql(before), sql(limit as u64)], sku)?;
    let query = format!("SELECT {BALANCES} FROM balance_{set} WHERE sku = ?1 AND location = ?2");
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        let mut stock: Vec<(LocationId, Balances)> = Vec::with_capacity(row.locations.len());
        for location in &row.locations {
            let place = [row.sku.terms.sku.as_str(), location.as_str()];
            let balances = one(conn, &query, place, balances)?;
            stock.push((location.clone(), balances.unwrap_or_default()));
        }
        listed.push((row, stock));
    }
    Ok(listed)
}

/// Moves of a set.
pub(super) fn audit(
    conn: &Connection,
    set: i64,
    filter: &AuditFilter,
    ((position, index), limit): ((u64, u64), usize),
) -> Result<Vec<AuditRow>, Fault> {
    let mut asked = Asked::new();
    asked.and_text("sku = ?", filter.sku.as_ref().map(|it| it.as_str()));
    if let Some(references) = &filter.references {
        let mut places = Vec::with_capacity(references.len());
        for reference in references {
            asked
                .values
                .push(Value::from(reference.as_str().to_owned()));
            places.push(format!("?{}", asked.values.len()));
        }
        let places = places.join(", ");
        asked
            .conditions
            .push_str(&format!(" AND ref IN ({places})"));
    }
    asked.values.push(Value::from(sql(position)));
    asked.values.push(Value::from(sql(index)));
    asked.values.push(Value::from(sql(limit as u64)));
    let count = asked.values.len();
    let query = format!(
        "SELECT position, idx, at, sku, location, operation, quantity, ref FROM audit_{set}
         WHERE {} AND (position, idx) >= (?{}, ?{}) ORDER BY position, idx LIMIT ?{count}",
        asked.conditions,
        count - 2,
        count - 1,
    );
    all(conn, &query, params_from_iter(asked.values), audit_row)
}

fn audit_row(row: &Row<'_>) -> Result<AuditRow, Fault> {
    let bad = |_| Fault::Corrupt("a move of no SKU".to_owned());
    let operation = format!("\"{}\"", text(row, 5)?);
    let operation = serde_json::from_str(&operation)
        .map_err(|error| Fault::Corrupt(format!("a move: {error}")))?;
    let quantity = Quantity::new(number(row, 6)?)
        .map_err(|_| Fault::Corrupt("a move of no units".to_owned()))?;
    Ok(AuditRow {
        position: number(row, 0)?,
        index: number(row, 1)?,
        at: time(row, 2)?.unwrap_or_default(),
        made: Move {
            operation,
            sku: evenkeel_rules::ids::SkuId::new(text(row, 3)?).map_err(bad)?,
            location: LocationId::new(text(row, 4)?).map_err(bad)?,
            quantity,
            reference: Reference::new(text(row, 7)?).map_err(bad)?,
        },
    })
}

/// What was set aside for live rows.
pub(super) fn aside(conn: &Connection, limit: usize) -> Result<Vec<SetAside>, Fault> {
    const QUERY: &str = "SELECT a.projection, a.position, a.idx, a.why FROM set_aside a
        JOIN projection p ON p.name = a.projection AND p.live = a.number
        ORDER BY a.position, a.idx, a.projection LIMIT ?1";
    all(conn, QUERY, [sql(limit as u64)], |row| {
        Ok(SetAside {
            projection: super::projection(text(row, 0)?)?,
            position: number(row, 1)?,
            index: number(row, 2)?,
            why: text(row, 3)?.to_owned(),
        })
    })
}
