//! The rows of one writing transaction.
//!
//! A row that the transaction's step created is inserted, any other is updated: nothing is tried
//! first. Rows of a set that is being built are found by their place, because it has no index by
//! name: see [`Tables`].

use super::{read, schema, sql};
use crate::port::{
    AuditRow, Fault, HoldView, Map, OrderView, OutboxRow, Place, Projection, SetAside, Side,
    SkuRow, Step, Tables,
};
use crate::store::sqlite::fault::fault;
use evenkeel_rules::ids::{HoldId, LocationId, OrderId, SkuId};
use evenkeel_rules::order::Order;
use evenkeel_rules::stock::{Balances, Operation};
use evenkeel_rules::time::LogTime;
use rusqlite::{CachedStatement, Connection, params};

/// A statement, prepared when it is used first and kept for the transaction.
struct Statement<'a> {
    query: String,
    prepared: Option<CachedStatement<'a>>,
}

impl<'a> Statement<'a> {
    fn run(&mut self, conn: &'a Connection, params: impl rusqlite::Params) -> Result<usize, Fault> {
        let prepared = match &mut self.prepared {
            Some(prepared) => prepared,
            None => {
                let prepared = conn.prepare_cached(&self.query).map_err(fault)?;
                self.prepared.insert(prepared)
            }
        };
        prepared.execute(params).map_err(fault)
    }
}

/// How a set's rows are found by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// By its index.
    Indexed,
    /// Not yet: only by place.
    Bare,
    /// By an index that was made for it, which may have a stream twice.
    Sought,
}

/// The statements over the sets that a transaction writes.
pub(super) struct Rows<'a> {
    conn: &'a Connection,
    numbers: Map<Projection, i64>,
    /// What was created behind this position is new.
    after: u64,
    orders: Named,
    holds: Named,
    order_read: String,
    order_near: String,
    order_update: Statement<'a>,
    order_insert: Statement<'a>,
    line_insert: Statement<'a>,
    hold_read: String,
    hold_near: String,
    hold_update: Statement<'a>,
    hold_insert: Statement<'a>,
    hold_line: Statement<'a>,
    sku_read: String,
    sku_put: Statement<'a>,
    balance_read: String,
    balance_put: Statement<'a>,
    audit_add: Statement<'a>,
    outbox_add: Statement<'a>,
}

const ORDER_INSERT: &str = "INSERT INTO order_row_{n}(created, id, last, version, updated, paid_at,
    due, customer, status, payment, shipment, at, total, currency, transaction_id, amount, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
const ORDER_UPDATE: &str = "UPDATE order_row_{n} SET last = ?2, version = ?3, updated = ?4,
    paid_at = ?5, due = ?6, status = ?7, payment = ?8, shipment = ?9, transaction_id = ?10,
    amount = ?11, body = ?12 WHERE created = ?1";
const LINE_INSERT: &str = "INSERT INTO order_line_{n}(sku, created, line, again, quantity, price)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const HOLD_UPDATE: &str =
    "UPDATE hold_row_{n} SET last = ?2, version = ?3, state = ?4, body = ?5 WHERE created = ?1";
const HOLD_LINE: &str = "INSERT OR IGNORE INTO hold_line_{n}(sku, created) VALUES (?1, ?2)";
const HOLD_INSERT: &str = "INSERT INTO hold_row_{n}(created, id, last, version, customer, state,
    body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const SKU_PUT: &str = "INSERT INTO sku_row_{n}(created, id, last, version, stock_last,
    stock_version, locations, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT(created) DO UPDATE SET last = ?3, version = ?4, stock_last = ?5,
    stock_version = ?6, locations = ?7, body = ?8";
const BALANCE_PUT: &str = "INSERT INTO balance_{n}(sku, location, supply, available, held, sold,
    shipped, returned, written_off) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT(sku, location) DO UPDATE SET supply = ?3, available = ?4, held = ?5, sold = ?6,
    shipped = ?7, returned = ?8, written_off = ?9";
const AUDIT_ADD: &str = "INSERT INTO audit_{n}(position, idx, at, sku, location, operation, word,
    quantity, ref) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const OUTBOX_ADD: &str = "INSERT INTO outbox_{n}(position, idx, at, id, type, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

impl<'a> Rows<'a> {
    /// The rows of these sets.
    pub(super) fn new(
        conn: &'a Connection,
        numbers: Map<Projection, i64>,
        step: &Step,
    ) -> Result<Self, Fault> {
        let named = |projection: Projection| match (step.side, numbers.get(&projection)) {
            (Side::Building, Some(number)) if !schema::is_named(conn, projection, *number)? => {
                Ok(Named::Bare)
            }
            (Side::Live | Side::Building, _) => Ok(Named::Indexed),
        };
        let of = |projection: Projection, query: &str| {
            let number = numbers.get(&projection).copied().unwrap_or_default();
            query.replace("{n}", &number.to_string())
        };
        let statement = |projection: Projection, query: &str| Statement {
            query: of(projection, query),
            prepared: None,
        };
        let (orders, holds) = (Projection::Orders, Projection::Holds);
        let (order, sku, balances) = (read::ORDER, read::SKU, read::BALANCES);
        let order = format!("SELECT {order} FROM order_row_{{n}} WHERE");
        let sku = format!("SELECT {sku} FROM sku_row_{{n}} WHERE id = ?1");
        let balance =
            format!("SELECT {balances} FROM balance_{{n}} WHERE sku = ?1 AND location = ?2");
        let hold = "SELECT created, version FROM hold_row_{n} WHERE";
        let (by_name, by_place) = (
            "id = ?1 ORDER BY created LIMIT 1",
            "created = ?2 AND id = ?1",
        );
        Ok(Self {
            orders: named(orders)?,
            holds: named(holds)?,
            order_read: of(orders, &format!("{order} {by_name}")),
            order_near: of(orders, &format!("{order} {by_place}")),
            order_update: statement(orders, ORDER_UPDATE),
            order_insert: statement(orders, ORDER_INSERT),
            line_insert: statement(orders, LINE_INSERT),
            hold_read: of(holds, &format!("{hold} {by_name}")),
            hold_near: of(holds, &format!("{hold} {by_place}")),
            hold_update: statement(holds, HOLD_UPDATE),
            hold_insert: statement(holds, HOLD_INSERT),
            hold_line: statement(holds, HOLD_LINE),
            sku_read: of(Projection::Stock, &sku),
            sku_put: statement(Projection::Stock, SKU_PUT),
            balance_read: of(Projection::Stock, &balance),
            balance_put: statement(Projection::Stock, BALANCE_PUT),
            audit_add: statement(Projection::Audit, AUDIT_ADD),
            outbox_add: statement(Projection::Outbox, OUTBOX_ADD),
            after: step.after,
            conn,
            numbers,
        })
    }

    /// Makes rows of a set that is being built be found by name.
    fn seek(&self, of: Projection) -> Result<Named, Fault> {
        let number = self.numbers.get(&of).copied().unwrap_or_default();
        schema::name(self.conn, of, number)?;
        Ok(Named::Sought)
    }

    fn lines(&mut self, created: u64, order: &Order) -> Result<(), Fault> {
        for (number, line) in (0_i64..).zip(&order.lines) {
            let first = order.lines.iter().position(|one| one.sku == line.sku);
            let again = i64::try_from(first.unwrap_or_default()).is_ok_and(|first| first < number);
            self.line_insert.run(
                self.conn,
                params![
                    line.sku.as_str(),
                    sql(created),
                    number,
                    again,
                    sql(line.quantity.get()),
                    line.price
                ],
            )?;
        }
        Ok(())
    }
}

/// The transaction that an order was paid with, or the last that was tried, and what it is about.
fn paid(order: &Order) -> (Option<&str>, i64) {
    let charges = &order.payment.charges;
    let charge = order.payment.completed().next().or(charges.last());
    let amount = charge.map_or(order.total.amount, |charge| charge.amount);
    (charge.map(|charge| charge.transaction.as_str()), amount)
}

/// A move's name, as it is read back; both scraps have one word.
const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::ScrapAvailable => "scrap_available",
        Operation::ScrapReturned => "scrap_returned",
        _ => operation.word(),
    }
}

/// An update of a row that the fold has seen or made.
fn one_row(changed: usize) -> Result<(), Fault> {
    match changed {
        1 => Ok(()),
        _ => Err(Fault::Corrupt("a row of the views is gone".to_owned())),
    }
}

fn json(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).expect("a body is plain JSON")
}

impl Tables for Rows<'_> {
    fn order(&mut self, id: &OrderId, near: u64) -> Result<Option<OrderView>, Fault> {
        if self.orders != Named::Indexed {
            if near == 0 {
                return Ok(None);
            }
            let place = params![id.as_str(), sql(near)];
            if let Some(view) = read::one(self.conn, &self.order_near, place, read::order)? {
                return Ok(Some(view));
            }
        }
        if self.orders == Named::Bare {
            self.orders = self.seek(Projection::Orders)?;
        }
        read::one(self.conn, &self.order_read, [id.as_str()], read::order)
    }

    fn put_order(&mut self, view: &OrderView) -> Result<(), Fault> {
        let OrderView {
            row,
            updated,
            paid_at,
        } = view;
        let order = &row.body;
        let (transaction, amount) = paid(order);
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let (updated, paid_at) = (updated.micros(), paid_at.map(LogTime::micros));
        let (due, status) = (row.due.map(LogTime::micros), order.status.name());
        let payment = order.payment_status().name();
        let shipment = order
            .shipment
            .as_ref()
            .map(|shipment| shipment.status.name());
        let body = json(order);
        if row.created <= self.after {
            let params = params![
                created,
                last,
                version,
                updated,
                paid_at,
                due,
                status,
                payment,
                shipment,
                transaction,
                amount,
                body
            ];
            return one_row(self.order_update.run(self.conn, params)?);
        }
        self.order_insert.run(
            self.conn,
            params![
                created,
                order.id.as_str(),
                last,
                version,
                updated,
                paid_at,
                due,
                order.customer.as_str(),
                status,
                payment,
                shipment,
                order.created_at.micros(),
                order.total.amount,
                order.total.currency.as_str(),
                transaction,
                amount,
                body
            ],
        )?;
        self.lines(row.created, order)
    }

    fn hold(&mut self, id: &HoldId, near: u64) -> Result<Option<(u64, u64)>, Fault> {
        let known = |row: &rusqlite::Row<'_>| Ok((read::number(row, 0)?, read::number(row, 1)?));
        if self.holds != Named::Indexed {
            if near == 0 {
                return Ok(None);
            }
            let place = params![id.as_str(), sql(near)];
            if let Some(found) = read::one(self.conn, &self.hold_near, place, known)? {
                return Ok(Some(found));
            }
        }
        if self.holds == Named::Bare {
            self.holds = self.seek(Projection::Holds)?;
        }
        read::one(self.conn, &self.hold_read, [id.as_str()], known)
    }

    fn put_hold(&mut self, row: &HoldView<'_>) -> Result<(), Fault> {
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let state = row.hold.state.name();
        if row.created <= self.after {
            let params = params![created, last, version, state, row.body];
            return one_row(self.hold_update.run(self.conn, params)?);
        }
        let (id, customer) = (row.hold.id.as_str(), row.hold.customer.as_str());
        let params = params![created, id, last, version, customer, state, row.body];
        self.hold_insert.run(self.conn, params)?;
        for line in &row.hold.lines {
            self.hold_line
                .run(self.conn, params![line.sku.as_str(), created])?;
        }
        Ok(())
    }

    fn sku(&mut self, id: &SkuId) -> Result<Option<SkuRow>, Fault> {
        read::one(self.conn, &self.sku_read, [id.as_str()], read::sku)
    }

    fn put_sku(&mut self, row: &SkuRow) -> Result<(), Fault> {
        let locations: Vec<&str> = row.locations.iter().map(LocationId::as_str).collect();
        self.sku_put.run(
            self.conn,
            params![
                sql(row.created),
                row.sku.terms.sku.as_str(),
                sql(row.last),
                sql(row.version),
                sql(row.stock_last),
                sql(row.stock_version),
                json(&locations),
                json(&row.sku)
            ],
        )?;
        Ok(())
    }

    fn balances(&mut self, (sku, location): &Place) -> Result<Option<Balances>, Fault> {
        let place = [sku.as_str(), location.as_str()];
        read::one(self.conn, &self.balance_read, place, read::balances)
    }

    fn put_balances(&mut self, (sku, location): &Place, now: &Balances) -> Result<(), Fault> {
        let [supply, available, held, sold, shipped, returned, off] = now.raw();
        self.balance_put.run(
            self.conn,
            params![
                sku.as_str(),
                location.as_str(),
                supply,
                available,
                held,
                sold,
                shipped,
                returned,
                off
            ],
        )?;
        Ok(())
    }

    fn add_audit(&mut self, row: &AuditRow) -> Result<(), Fault> {
        let operation = name(row.made.operation);
        self.audit_add.run(
            self.conn,
            params![
                sql(row.position),
                sql(row.index),
                row.at.micros(),
                row.made.sku.as_str(),
                row.made.location.as_str(),
                operation,
                row.made.operation.word(),
                sql(row.made.quantity.get()),
                row.made.reference.as_str()
            ],
        )?;
        Ok(())
    }

    fn add_outbox(&mut self, row: &OutboxRow<'_>) -> Result<(), Fault> {
        let (position, index) = (sql(row.position), sql(row.index));
        let at = row.at.micros();
        self.outbox_add.run(
            self.conn,
            params![position, index, at, row.id, row.kind, row.payload],
        )?;
        Ok(())
    }

    fn set_aside(&mut self, row: &SetAside) -> Result<(), Fault> {
        const QUERY: &str = "INSERT OR IGNORE INTO set_aside(projection, number, position, idx,
            why) VALUES (?1, ?2, ?3, ?4, ?5)";
        let number = self.numbers.get(&row.projection).copied();
        let (position, index) = (sql(row.position), sql(row.index));
        self.conn
            .execute(
                QUERY,
                params![row.projection.name(), number, position, index, row.why],
            )
            .map_err(fault)?;
        Ok(())
    }
}
