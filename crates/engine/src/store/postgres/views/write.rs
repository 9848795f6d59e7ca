//! The rows of one writing transaction.
//!
//! The fold asks for rows one by one and puts them back one by one; here they are kept in memory
//! for the transaction, read when they are asked for first, and written at its end in bulk. What a
//! transaction left is remembered for the next one that begins where it ended, so a row that
//! changes again soon is not read again.

use super::read;
use crate::port::{
    AuditRow, Fault, HoldView, Map, OrderView, OutboxRow, Place, Projection, SetAside, SkuRow,
    Tables,
};
use crate::store::postgres::fault::fault;
use crate::store::postgres::rows::{number, sql};
use crate::store::postgres::session::{Asked, Session};
use crate::worker::Wires;
use evenkeel_rules::ids::{HoldId, LocationId, OrderId, SkuId};
use evenkeel_rules::order::Order;
use evenkeel_rules::stock::{Balances, Operation};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// Most rows of each kind that are remembered from one transaction to the next.
const REMEMBERED: usize = 20_000;

/// What is known of rows, present or absent.
#[derive(Default)]
pub(super) struct Seen {
    orders: Map<OrderId, Option<OrderView>>,
    holds: Map<HoldId, Option<(u64, u64)>>,
    skus: Map<SkuId, Option<SkuRow>>,
    balances: Map<Place, Option<Balances>>,
}

impl Seen {
    fn bound(&mut self) {
        if self.orders.len() > REMEMBERED {
            self.orders.clear();
        }
        if self.holds.len() > REMEMBERED {
            self.holds.clear();
        }
        if self.skus.len() > REMEMBERED {
            self.skus.clear();
        }
        if self.balances.len() > REMEMBERED {
            self.balances.clear();
        }
    }
}

/// A hold on its way into its row.
struct HoldPut {
    last: u64,
    version: u64,
    id: String,
    customer: String,
    state: &'static str,
    body: String,
    skus: Vec<String>,
}

/// What a transaction is to write.
#[derive(Default)]
struct Puts {
    orders: BTreeMap<u64, OrderView>,
    holds: BTreeMap<u64, HoldPut>,
    skus: BTreeMap<u64, SkuRow>,
    balances: BTreeMap<Place, Balances>,
    audit: Vec<AuditRow>,
    outbox: Vec<(u64, u64, i64, [String; 3])>,
    aside: Vec<SetAside>,
}

/// The rows of one transaction.
pub(super) struct Rows<'a> {
    wires: &'a Wires,
    session: &'a Session,
    numbers: &'a Map<Projection, i64>,
    /// What was created behind this position is new.
    after: u64,
    seen: &'a mut Seen,
    puts: Puts,
}

impl<'a> Rows<'a> {
    /// The rows of these sets; `seen` is what is known of them.
    pub(super) fn new(
        (wires, session): (&'a Wires, &'a Session),
        (numbers, after): (&'a Map<Projection, i64>, u64),
        seen: &'a mut Seen,
    ) -> Self {
        Self {
            wires,
            session,
            numbers,
            after,
            seen,
            puts: Puts::default(),
        }
    }

    fn set(&self, of: Projection) -> i64 {
        self.numbers.get(&of).copied().unwrap_or_default()
    }

    /// Reads one row and waits for it: the fold runs on a thread of its own.
    fn one(&self, asked: Asked<'_>) -> Result<Option<Row>, Fault> {
        let read = async {
            let statement = std::iter::once(&*asked.sql);
            self.session.prepare(statement).await?;
            let asked = [asked];
            let mut answers = self.session.pipeline(None, &asked, None).await;
            answers.pop().unwrap_or_else(|| Ok(Vec::new()))
        };
        let rows = self.wires.wait(read).map_err(|error| fault(&error))?;
        Ok(rows.into_iter().next())
    }

    /// The statements that write everything.
    pub(super) fn flush(&mut self) -> Vec<Asked<'static>> {
        let puts = std::mem::take(&mut self.puts);
        self.seen.bound();
        let mut all = Vec::new();
        let set = |of| self.set(of);
        orders(&mut all, set(Projection::Orders), self.after, &puts.orders);
        holds(&mut all, set(Projection::Holds), self.after, &puts.holds);
        skus(&mut all, set(Projection::Stock), &puts.skus);
        balances(&mut all, set(Projection::Stock), &puts.balances);
        audit(&mut all, set(Projection::Audit), &puts.audit);
        outbox(&mut all, set(Projection::Outbox), puts.outbox);
        for row in puts.aside {
            const QUERY: &str = "INSERT INTO set_aside(projection, number, position, idx, why)
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
            let asked = Asked::new(QUERY)
                .with(row.projection.name())
                .with(set(row.projection))
                .with(sql(row.position))
                .with(sql(row.index));
            all.push(asked.with(row.why));
        }
        all
    }
}

/// The transaction that an order was paid with, or the last that was tried, and what it is about.
fn paid(order: &Order) -> (Option<String>, i64) {
    let charges = &order.payment.charges;
    let charge = order.payment.completed().next().or(charges.last());
    let amount = charge.map_or(order.total.amount, |charge| charge.amount);
    (charge.map(|charge| charge.transaction.clone()), amount)
}

/// A move's name, as it is read back; both scraps have one word.
const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::ScrapAvailable => "scrap_available",
        Operation::ScrapReturned => "scrap_returned",
        _ => operation.word(),
    }
}

fn json(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).expect("a body is plain JSON")
}

fn each<T, V>(rows: &[T], of: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

fn orders(all: &mut Vec<Asked<'static>>, set: i64, after: u64, puts: &BTreeMap<u64, OrderView>) {
    let (new, old): (Vec<&OrderView>, Vec<&OrderView>) =
        puts.values().partition(|view| view.row.created > after);
    let changing = |query: String, rows: &[&OrderView]| {
        Asked::new(query)
            .with(each(rows, |it| sql(it.row.created)))
            .with(each(rows, |it| sql(it.row.last)))
            .with(each(rows, |it| sql(it.row.version)))
            .with(each(rows, |it| it.updated.micros()))
            .with(each(rows, |it| it.paid_at.map(LogTime::micros)))
            .with(each(rows, |it| it.row.due.map(LogTime::micros)))
            .with(each(rows, |it| it.row.body.status.name()))
            .with(each(rows, |it| it.row.body.payment_status().name()))
            .with(each(rows, |it| {
                it.row.body.shipment.as_ref().map(|it| it.status.name())
            }))
            .with(each(rows, |it| paid(&it.row.body).0))
            .with(each(rows, |it| paid(&it.row.body).1))
            .with(each(rows, |it| json(&it.row.body)))
    };
    const VALUES: &str = "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],
        $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[],
        $11::bigint[], $12::text[]";
    if !old.is_empty() {
        let query = format!(
            "WITH done AS (UPDATE order_row_{set} o SET last = u.last, version = u.version,
               updated = u.updated, paid_at = u.paid_at, due = u.due, status = u.status,
               payment = u.payment, shipment = u.shipment, transaction_id = u.transaction_id,
               amount = u.amount, body = u.body
               FROM {VALUES}) AS u(created, last, version, updated, paid_at, due, status, payment,
                 shipment, transaction_id, amount, body)
               WHERE o.created = u.created RETURNING 1)
             SELECT 1 / (count(*) = $13)::int FROM done"
        );
        all.push(changing(query, &old).with(sql(old.len() as u64)));
    }
    if new.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO order_row_{set}(created, last, version, updated, paid_at, due, status,
           payment, shipment, transaction_id, amount, body, id, customer, at, total, currency)
         SELECT * FROM {VALUES}, $13::text[], $14::text[], $15::bigint[], $16::bigint[],
           $17::text[])"
    );
    all.push(
        changing(query, &new)
            .with(each(&new, |it| it.row.body.id.as_str().to_owned()))
            .with(each(&new, |it| it.row.body.customer.as_str().to_owned()))
            .with(each(&new, |it| it.row.body.created_at.micros()))
            .with(each(&new, |it| it.row.body.total.amount))
            .with(each(&new, |it| {
                it.row.body.total.currency.as_str().to_owned()
            })),
    );
    all.extend(lines(set, &new));
}

/// The lines of new orders.
fn lines(set: i64, new: &[&OrderView]) -> Option<Asked<'static>> {
    let mut lines = Vec::new();
    for view in new {
        for (number, line) in (0_i64..).zip(&view.row.body.lines) {
            let before = view.row.body.lines.iter().zip(0_i64..number);
            let again = before.into_iter().any(|(one, _)| one.sku == line.sku);
            lines.push((sql(view.row.created), number, again, line.clone()));
        }
    }
    let query = format!(
        "INSERT INTO order_line_{set}(created, line, again, sku, quantity, price)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::text[],
           $5::bigint[], $6::bigint[])"
    );
    let asked = || {
        Asked::new(query)
            .with(each(&lines, |it| it.0))
            .with(each(&lines, |it| it.1))
            .with(each(&lines, |it| it.2))
            .with(each(&lines, |it| it.3.sku.as_str().to_owned()))
            .with(each(&lines, |it| sql(it.3.quantity.get())))
            .with(each(&lines, |it| it.3.price))
    };
    (!lines.is_empty()).then(asked)
}

fn holds(all: &mut Vec<Asked<'static>>, set: i64, after: u64, puts: &BTreeMap<u64, HoldPut>) {
    let (new, old): (Vec<_>, Vec<_>) = puts.iter().partition(|(created, _)| **created > after);
    let changing = |query: String, rows: &[(&u64, &HoldPut)]| {
        Asked::new(query)
            .with(each(rows, |it| sql(*it.0)))
            .with(each(rows, |it| sql(it.1.last)))
            .with(each(rows, |it| sql(it.1.version)))
            .with(each(rows, |it| it.1.state))
            .with(each(rows, |it| it.1.body.clone()))
    };
    const VALUES: &str = "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]";
    if !old.is_empty() {
        let query = format!(
            "WITH done AS (UPDATE hold_row_{set} h SET last = u.last, version = u.version,
               state = u.state, body = u.body FROM {VALUES}) AS u(created, last, version, state,
               body) WHERE h.created = u.created RETURNING 1)
             SELECT 1 / (count(*) = $6)::int FROM done"
        );
        all.push(changing(query, &old).with(sql(old.len() as u64)));
    }
    if new.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO hold_row_{set}(created, last, version, state, body, id, customer)
         SELECT * FROM {VALUES}, $6::text[], $7::text[])"
    );
    all.push(
        changing(query, &new)
            .with(each(&new, |it| it.1.id.clone()))
            .with(each(&new, |it| it.1.customer.clone())),
    );
    let lines = new.iter().flat_map(|(created, put)| {
        let skus = put.skus.iter();
        skus.map(|sku| (sql(**created), sku.clone()))
    });
    let lines: Vec<(i64, String)> = lines.collect();
    let query = format!(
        "INSERT INTO hold_line_{set}(created, sku)
         SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING"
    );
    let asked = Asked::new(query).with(each(&lines, |it| it.0));
    all.push(asked.with(each(&lines, |it| it.1.clone())));
}

fn skus(all: &mut Vec<Asked<'static>>, set: i64, puts: &BTreeMap<u64, SkuRow>) {
    let rows: Vec<&SkuRow> = puts.values().collect();
    if rows.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO sku_row_{set}(created, id, last, version, stock_last, stock_version,
           locations, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[],
           $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
         ON CONFLICT (created) DO UPDATE SET last = excluded.last, version = excluded.version,
           stock_last = excluded.stock_last, stock_version = excluded.stock_version,
           locations = excluded.locations, body = excluded.body"
    );
    let locations = |it: &&SkuRow| {
        let locations: Vec<&str> = it.locations.iter().map(LocationId::as_str).collect();
        json(&locations)
    };
    all.push(
        Asked::new(query)
            .with(each(&rows, |it| sql(it.created)))
            .with(each(&rows, |it| it.sku.terms.sku.as_str().to_owned()))
            .with(each(&rows, |it| sql(it.last)))
            .with(each(&rows, |it| sql(it.version)))
            .with(each(&rows, |it| sql(it.stock_last)))
            .with(each(&rows, |it| sql(it.stock_version)))
            .with(each(&rows, locations))
            .with(each(&rows, |it| json(&it.sku))),
    );
}

fn balances(all: &mut Vec<Asked<'static>>, set: i64, puts: &BTreeMap<Place, Balances>) {
    if puts.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO balance_{set}(sku, location, supply, available, held, sold, shipped,
           returned, written_off) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[],
           $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
         ON CONFLICT (sku, location) DO UPDATE SET supply = excluded.supply,
           available = excluded.available, held = excluded.held, sold = excluded.sold,
           shipped = excluded.shipped, returned = excluded.returned,
           written_off = excluded.written_off"
    );
    let places: Vec<&Place> = puts.keys().collect();
    let mut asked = Asked::new(query)
        .with(each(&places, |it| it.0.as_str().to_owned()))
        .with(each(&places, |it| it.1.as_str().to_owned()));
    let raw: Vec<[i64; 7]> = puts.values().map(|it| it.raw()).collect();
    for account in 0..7 {
        asked = asked.with(each(&raw, |raw| raw[account]));
    }
    all.push(asked);
}

fn audit(all: &mut Vec<Asked<'static>>, set: i64, rows: &[AuditRow]) {
    if rows.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO audit_{set}(position, idx, at, sku, location, operation, word, quantity, ref)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
           $6::text[], $7::text[], $8::bigint[], $9::text[])"
    );
    all.push(
        Asked::new(query)
            .with(each(rows, |it| sql(it.position)))
            .with(each(rows, |it| sql(it.index)))
            .with(each(rows, |it| it.at.micros()))
            .with(each(rows, |it| it.made.sku.as_str().to_owned()))
            .with(each(rows, |it| it.made.location.as_str().to_owned()))
            .with(each(rows, |it| name(it.made.operation)))
            .with(each(rows, |it| it.made.operation.word()))
            .with(each(rows, |it| sql(it.made.quantity.get())))
            .with(each(rows, |it| it.made.reference.as_str().to_owned())),
    );
}

fn outbox(all: &mut Vec<Asked<'static>>, set: i64, rows: Vec<(u64, u64, i64, [String; 3])>) {
    if rows.is_empty() {
        return;
    }
    let query = format!(
        "INSERT INTO outbox_{set}(position, idx, at, id, type, payload)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
           $6::text[])"
    );
    all.push(
        Asked::new(query)
            .with(each(&rows, |it| sql(it.0)))
            .with(each(&rows, |it| sql(it.1)))
            .with(each(&rows, |it| it.2))
            .with(each(&rows, |it| it.3[0].clone()))
            .with(each(&rows, |it| it.3[1].clone()))
            .with(each(&rows, |it| it.3[2].clone())),
    );
}

impl Tables for Rows<'_> {
    fn order(&mut self, id: &OrderId, _: u64) -> Result<Option<OrderView>, Fault> {
        if let Some(known) = self.seen.orders.get(id) {
            return Ok(known.clone());
        }
        let set = self.set(Projection::Orders);
        let query = format!(
            "SELECT {} FROM order_row_{set} o WHERE id = $1",
            read::ORDER
        );
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        let found = row.as_ref().map(read::order).transpose()?;
        self.seen.orders.insert(id.clone(), found.clone());
        Ok(found)
    }

    fn put_order(&mut self, view: &OrderView) -> Result<(), Fault> {
        let id = view.row.body.id.clone();
        self.seen.orders.insert(id, Some(view.clone()));
        self.puts.orders.insert(view.row.created, view.clone());
        Ok(())
    }

    fn hold(&mut self, id: &HoldId, _: u64) -> Result<Option<(u64, u64)>, Fault> {
        if let Some(known) = self.seen.holds.get(id) {
            return Ok(*known);
        }
        let set = self.set(Projection::Holds);
        let query = format!("SELECT created, version FROM hold_row_{set} WHERE id = $1");
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        let found = match &row {
            Some(row) => Some((number(row, 0)?, number(row, 1)?)),
            None => None,
        };
        self.seen.holds.insert(id.clone(), found);
        Ok(found)
    }

    fn put_hold(&mut self, row: &HoldView<'_>) -> Result<(), Fault> {
        let stands = Some((row.created, row.version));
        self.seen.holds.insert(row.hold.id.clone(), stands);
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
        if let Some(known) = self.seen.skus.get(id) {
            return Ok(known.clone());
        }
        let set = self.set(Projection::Stock);
        let query = format!("SELECT {} FROM sku_row_{set} WHERE id = $1", read::SKU);
        let row = self.one(Asked::new(query).with(id.as_str()))?;
        let found = row.as_ref().map(read::sku).transpose()?;
        self.seen.skus.insert(id.clone(), found.clone());
        Ok(found)
    }

    fn put_sku(&mut self, row: &SkuRow) -> Result<(), Fault> {
        let id = row.sku.terms.sku.clone();
        self.seen.skus.insert(id, Some(row.clone()));
        self.puts.skus.insert(row.created, row.clone());
        Ok(())
    }

    fn balances(&mut self, place: &Place) -> Result<Option<Balances>, Fault> {
        if let Some(known) = self.seen.balances.get(place) {
            return Ok(*known);
        }
        let set = self.set(Projection::Stock);
        let query = format!(
            "SELECT {} FROM balance_{set} WHERE sku = $1 AND location = $2",
            read::BALANCES
        );
        let asked = Asked::new(query).with(place.0.as_str());
        let row = self.one(asked.with(place.1.as_str()))?;
        let found = row.as_ref().map(|row| read::balances(row, 0)).transpose()?;
        self.seen.balances.insert(place.clone(), found);
        Ok(found)
    }

    fn put_balances(&mut self, place: &Place, now: &Balances) -> Result<(), Fault> {
        self.seen.balances.insert(place.clone(), Some(*now));
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
