//! Everything that a transaction writes, in bulk: one statement for each kind of row.

use crate::port::{AuditRow, Map, OrderView, Place, Projection, SetAside, SkuRow};
use crate::store::postgres::rows::sql;
use crate::store::postgres::session::Asked;
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::order::Order;
use evenkeel_rules::stock::{Balances, Operation};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeMap;

/// A hold on its way into its row.
pub(super) struct HoldPut {
    pub(super) last: u64,
    pub(super) version: u64,
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) state: &'static str,
    pub(super) body: String,
    pub(super) skus: Vec<String>,
}

/// What a transaction is to write.
#[derive(Default)]
pub(super) struct Puts {
    pub(super) orders: BTreeMap<u64, OrderView>,
    pub(super) holds: BTreeMap<u64, HoldPut>,
    pub(super) skus: BTreeMap<u64, SkuRow>,
    pub(super) balances: BTreeMap<Place, Balances>,
    pub(super) audit: Vec<AuditRow>,
    pub(super) outbox: Vec<(u64, u64, i64, [String; 3])>,
    pub(super) aside: Vec<SetAside>,
}

/// The statements that write these rows into these sets; what was created behind `after` is new.
pub(super) fn statements(
    puts: Puts,
    numbers: &Map<Projection, i64>,
    after: u64,
) -> Vec<Asked<'static>> {
    let set = |of: Projection| numbers.get(&of).copied().unwrap_or_default();
    let mut all = Vec::new();
    orders(&mut all, (set(Projection::Orders), after), &puts.orders);
    holds(&mut all, (set(Projection::Holds), after), &puts.holds);
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

fn orders(
    all: &mut Vec<Asked<'static>>,
    (set, after): (i64, u64),
    puts: &BTreeMap<u64, OrderView>,
) {
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

fn holds(all: &mut Vec<Asked<'static>>, (set, after): (i64, u64), puts: &BTreeMap<u64, HoldPut>) {
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
