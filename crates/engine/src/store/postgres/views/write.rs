//! The rows of one writing transaction.
//!
//! The fold asks for the few rows that it does not remember one by one, each a round trip, and puts
//! back what it changed at its end; that is kept here and written in bulk with the checkpoint.

use super::bulk::{self, HoldPut, Puts};
use super::read;
use crate::port::{
    AuditRow, Fault, HoldView, Map, OrderView, OutboxRow, Place, Projection, SetAside, SkuRow,
    Tables,
};
use crate::store::postgres::rows::{self, number};
use crate::store::postgres::session::{Asked, Session};
use crate::worker::Wires;
use evenkeel_rules::ids::{HoldId, OrderId, SkuId};
use evenkeel_rules::stock::Balances;
use tokio_postgres::Row;

/// The rows of one transaction.
pub(super) struct Rows<'a> {
    wires: &'a Wires,
    session: &'a Session,
    numbers: &'a Map<Projection, i64>,
    /// What was created behind this position is new.
    after: u64,
    puts: Puts,
}

impl<'a> Rows<'a> {
    /// The rows of these sets.
    pub(super) fn new(
        (wires, session): (&'a Wires, &'a Session),
        (numbers, after): (&'a Map<Projection, i64>, u64),
    ) -> Self {
        Self {
            wires,
            session,
            numbers,
            after,
            puts: Puts::default(),
        }
    }

    fn set(&self, of: Projection) -> i64 {
        self.numbers.get(&of).copied().unwrap_or_default()
    }

    /// Reads one row and waits for it: the fold runs on a thread of its own.
    fn one(&self, asked: Asked<'_>) -> Result<Option<Row>, Fault> {
        let answers = self.wires.wait(self.session.ask(None, &[asked], None))?;
        Ok(answers.into_iter().flatten().next())
    }

    /// The statements that write everything.
    pub(super) fn flush(self) -> Vec<Asked<'static>> {
        bulk::statements(self.puts, self.numbers, self.after)
    }
}

impl Tables for Rows<'_> {
    fn order(&mut self, id: &OrderId, _: u64) -> Result<Option<OrderView>, Fault> {
        let set = self.set(Projection::Orders);
        let query = format!(
            "SELECT {} FROM order_row_{set} o WHERE id = $1",
            read::ORDER
        );
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        row.as_ref().map(read::order).transpose()
    }

    fn put_order(&mut self, view: &OrderView) -> Result<(), Fault> {
        self.puts.orders.insert(view.row.created, view.clone());
        Ok(())
    }

    fn hold(&mut self, id: &HoldId, _: u64) -> Result<Option<(u64, u64)>, Fault> {
        let set = self.set(Projection::Holds);
        let query = format!("SELECT created, version FROM hold_row_{set} WHERE id = $1");
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        row.map(|row| Ok((number(&row, 0)?, number(&row, 1)?)))
            .transpose()
    }

    fn put_hold(&mut self, row: &HoldView<'_>) -> Result<(), Fault> {
        let lines = row.hold.lines.iter();
        let put = HoldPut {
            last: row.last,
            version: row.version,
            id: row.hold.id.as_str().to_owned(),
            customer: row.hold.customer.as_str().to_owned(),
            state: row.hold.state.name(),
            body: row.body.to_owned(),
            skus: lines.map(|line| line.sku.as_str().to_owned()).collect(),
        };
        self.puts.holds.insert(row.created, put);
        Ok(())
    }

    fn sku(&mut self, id: &SkuId) -> Result<Option<SkuRow>, Fault> {
        let set = self.set(Projection::Stock);
        let query = format!("SELECT {} FROM sku_row_{set} WHERE id = $1", read::SKU);
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        row.as_ref().map(read::sku).transpose()
    }

    fn put_sku(&mut self, row: &SkuRow) -> Result<(), Fault> {
        self.puts.skus.insert(row.created, row.clone());
        Ok(())
    }

    fn balances(&mut self, place: &Place) -> Result<Option<Balances>, Fault> {
        let set = self.set(Projection::Stock);
        let query = format!(
            "SELECT {} FROM balance_{set} WHERE sku = $1 AND location = $2",
            read::BALANCES
        );
        let asked = Asked::new(query).with(place.0.as_str());
        let row = self.one(asked.with(place.1.as_str()))?;
        row.as_ref().map(|row| rows::balances(row, 0)).transpose()
    }

    fn put_balances(&mut self, place: &Place, now: &Balances) -> Result<(), Fault> {
        self.puts.balances.insert(place.clone(), *now);
        Ok(())
    }

    fn add_audit(&mut self, row: &AuditRow) -> Result<(), Fault> {
        self.puts.audit.push(row.clone());
        Ok(())
    }

    fn add_outbox(&mut self, row: &OutboxRow<'_>) -> Result<(), Fault> {
        let texts = [row.id, row.kind, row.payload].map(str::to_owned);
        let at = row.at.micros();
        self.puts.outbox.push((row.position, row.index, at, texts));
        Ok(())
    }

    fn set_aside(&mut self, row: &SetAside) -> Result<(), Fault> {
        self.puts.aside.push(row.clone());
        Ok(())
    }
}
