//! The rows of one writing transaction.

use super::{read, sql};
use crate::port::{
    AuditRow, Fault, HoldRow, Map, OrderView, OutboxRow, Place, Projection, SetAside, SkuRow,
    Tables,
};
use crate::store::sqlite::fault::fault;
use evenkeel_rules::ids::{HoldId, LocationId, OrderId, SkuId};
use evenkeel_rules::order::Order;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, params};

/// The statements over the sets that a transaction writes.
pub(super) struct Rows<'a> {
    conn: &'a Connection,
    numbers: Map<Projection, i64>,
    order_read: String,
    order_update: String,
    order_insert: String,
    line_insert: String,
    hold_read: String,
    hold_update: String,
    hold_insert: String,
    hold_line: String,
    sku_read: String,
    sku_put: String,
    balance_read: String,
    balance_put: String,
    audit_add: String,
    outbox_add: String,
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
    pub(super) fn new(conn: &'a Connection, numbers: Map<Projection, i64>) -> Self {
        let of = |projection: Projection, query: &str| {
            let number = numbers.get(&projection).copied().unwrap_or_default();
            query.replace("{n}", &number.to_string())
        };
        let columns = read::ORDER;
        let order_read = format!("SELECT {columns} FROM order_row_{{n}} WHERE id = ?1");
        let columns = read::SKU;
        let sku_read = format!("SELECT {columns} FROM sku_row_{{n}} WHERE id = ?1");
        let columns = read::BALANCES;
        let balance_read =
            format!("SELECT {columns} FROM balance_{{n}} WHERE sku = ?1 AND location = ?2");
        let hold_read = "SELECT created, version FROM hold_row_{n} WHERE id = ?1";
        let hold_line = "INSERT OR IGNORE INTO hold_line_{n}(sku, created) VALUES (?1, ?2)";
        Self {
            order_read: of(Projection::Orders, &order_read),
            order_update: of(Projection::Orders, ORDER_UPDATE),
            order_insert: of(Projection::Orders, ORDER_INSERT),
            line_insert: of(Projection::Orders, LINE_INSERT),
            hold_read: of(Projection::Holds, hold_read),
            hold_update: of(Projection::Holds, HOLD_UPDATE),
            hold_insert: of(Projection::Holds, HOLD_INSERT),
            hold_line: of(Projection::Holds, hold_line),
            sku_read: of(Projection::Stock, &sku_read),
            sku_put: of(Projection::Stock, SKU_PUT),
            balance_read: of(Projection::Stock, &balance_read),
            balance_put: of(Projection::Stock, BALANCE_PUT),
            audit_add: of(Projection::Audit, AUDIT_ADD),
            outbox_add: of(Projection::Outbox, OUTBOX_ADD),
            conn,
            numbers,
        }
    }

    fn run(&self, query: &str, params: impl rusqlite::Params) -> Result<usize, Fault> {
        let mut statement = self.conn.prepare_cached(query).map_err(fault)?;
        statement.execute(params).map_err(fault)
    }

    fn lines(&self, created: u64, order: &Order) -> Result<(), Fault> {
        for (number, line) in (0_i64..).zip(&order.lines) {
            let first = order.lines.iter().position(|one| one.sku == line.sku);
            let again = i64::try_from(first.unwrap_or_default()).is_ok_and(|first| first < number);
            self.run(
                &self.line_insert,
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

fn json(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).expect("a body is plain JSON")
}

impl Tables for Rows<'_> {
    fn order(&mut self, id: &OrderId) -> Result<Option<OrderView>, Fault> {
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
        let changed = self.run(
            &self.order_update,
            params![
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
            ],
        )?;
        if changed > 0 {
            return Ok(());
        }
        self.run(
            &self.order_insert,
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

    fn hold(&mut self, id: &HoldId) -> Result<Option<(u64, u64)>, Fault> {
        read::one(self.conn, &self.hold_read, [id.as_str()], |row| {
            Ok((read::number(row, 0)?, read::number(row, 1)?))
        })
    }

    fn put_hold(&mut self, row: &HoldRow) -> Result<(), Fault> {
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let (state, body) = (row.hold.state.name(), json(&row.hold));
        let changed = self.run(
            &self.hold_update,
            params![created, last, version, state, body],
        )?;
        if changed > 0 {
            return Ok(());
        }
        let (id, customer) = (row.hold.id.as_str(), row.hold.customer.as_str());
        self.run(
            &self.hold_insert,
            params![created, id, last, version, customer, state, body],
        )?;
        for line in &row.hold.lines {
            self.run(&self.hold_line, params![line.sku.as_str(), created])?;
        }
        Ok(())
    }

    fn sku(&mut self, id: &SkuId) -> Result<Option<SkuRow>, Fault> {
        read::one(self.conn, &self.sku_read, [id.as_str()], read::sku)
    }

    fn put_sku(&mut self, row: &SkuRow) -> Result<(), Fault> {
        let locations: Vec<&str> = row.locations.iter().map(LocationId::as_str).collect();
        self.run(
            &self.sku_put,
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
        self.run(
            &self.balance_put,
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
        let operation = json(&row.made.operation);
        self.run(
            &self.audit_add,
            params![
                sql(row.position),
                sql(row.index),
                row.at.micros(),
                row.made.sku.as_str(),
                row.made.location.as_str(),
                operation.trim_matches('"'),
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
        self.run(
            &self.outbox_add,
            params![position, index, at, row.id, row.kind, row.payload],
        )?;
        Ok(())
    }

    fn set_aside(&mut self, row: &SetAside) -> Result<(), Fault> {
        const QUERY: &str = "INSERT OR IGNORE INTO set_aside(projection, number, position, idx,
            why) VALUES (?1, ?2, ?3, ?4, ?5)";
        let number = self.numbers.get(&row.projection).copied();
        let (position, index) = (sql(row.position), sql(row.index));
        self.run(
            QUERY,
            params![row.projection.name(), number, position, index, row.why],
        )?;
        Ok(())
    }
}
