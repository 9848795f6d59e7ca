//! What a batch looks at: one round trip, whatever it touches.
//!
//! The lock is the first statement. Each statement behind it sees what was committed before the
//! lock was had, because a transaction that reads committed rows takes a new snapshot for each.

use super::life::{self, Live};
use super::rows::{self, Sixteen, sql};
use super::session::Asked;
use crate::callback::Callback;
use crate::commit::{Name, cart_name, hold_name, order_name, saga_name};
use crate::port::{Fault, HoldRow, Place, Row as LifeRow, Touch, View};
use evenkeel_rules::cart::Cart;
use evenkeel_rules::order::Order;
use evenkeel_rules::saga::journey::Journey;
use std::borrow::Cow;
use tokio_postgres::Row;

/// Locks the head: every batch of every node waits here and nowhere else.
const LOCK: &str = "SELECT log, salt, incarnation, position, hash, time, format, refusals, batches,
    leases, floor, ended, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM head WHERE id = 1 FOR UPDATE";

/// Rows of a cache that is exact at this position and batch are not read.
const UNLESS_EXACT: &str = "WHERE (SELECT position IS DISTINCT FROM $2::bigint
    OR substring(batches FROM greatest(octet_length(batches) - 15, 1)) IS DISTINCT FROM $3::bytea
    FROM head WHERE id = 1)";

/// Which rows a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Head,
    Keys,
    Holds,
    Orders,
    Sagas,
    Carts,
    Callbacks,
    Tokens,
    Subscriptions,
    Shares,
    Skus,
    CachedSkus,
    Balances,
    CachedBalances,
    Front,
}

/// Holds by their names.
pub(super) fn holds_named() -> String {
    named("hold", rows::HOLD)
}

/// Rows by their names: the name, the position that it stands for, the row's columns.
fn named(table: &str, columns: &str) -> String {
    format!(
        "SELECT n.name, n.at, {columns} FROM unnest($1::uuid[]) AS k(name)
         JOIN name n ON n.name = k.name LEFT JOIN {table} t ON t.created = n.at"
    )
}

/// Rows with a life by their names.
pub(super) fn life_named<T: Live>() -> String {
    named(T::TABLE, life::COLUMNS)
}

fn by_id(table: &str, columns: &str) -> String {
    format!("SELECT {columns} FROM unnest($1::text[]) AS k(id) JOIN {table} t ON t.id = k.id")
}

fn balances(last: &str) -> String {
    let (sku, location) = match last {
        "" => ("$1", "$2"),
        _ => ("$4", "$1"),
    };
    format!(
        "SELECT {} FROM unnest({sku}::text[], {location}::text[]) AS k(sku, location)
         JOIN balance t ON t.sku = k.sku AND t.location = k.location {last}",
        rows::BALANCE
    )
}

fn statement(of: Of) -> Cow<'static, str> {
    match of {
        Of::Head => LOCK.into(),
        Of::Keys => rows::KEYS.into(),
        Of::Holds => holds_named().into(),
        Of::Orders => life_named::<Order>().into(),
        Of::Sagas => life_named::<Journey>().into(),
        Of::Carts => life_named::<Cart>().into(),
        Of::Callbacks => format!(
            "SELECT {} FROM unnest($1::bigint[]) AS k(created)
             JOIN callback t ON t.created = k.created",
            life::COLUMNS
        )
        .into(),
        Of::Tokens => by_id("token", rows::TOKEN).into(),
        Of::Subscriptions => by_id("subscription", rows::SUBSCRIPTION).into(),
        Of::Shares => "SELECT t.sku, t.customer, t.units
            FROM unnest($1::text[], $2::text[]) AS k(sku, customer)
            JOIN share t ON t.sku = k.sku AND t.customer = k.customer"
            .into(),
        Of::Skus => by_id("sku", rows::SKU).into(),
        Of::CachedSkus => format!("{} {UNLESS_EXACT}", by_id("sku", rows::SKU)).into(),
        Of::Balances => balances("").into(),
        Of::CachedBalances => balances(UNLESS_EXACT).into(),
        Of::Front => format!(
            "SELECT {} FROM hold t
             WHERE due <= greatest($1::bigint, (SELECT time FROM head WHERE id = 1))
             ORDER BY due, created LIMIT $2",
            rows::HOLD
        )
        .into(),
    }
}

/// Every statement that a lock may send.
pub(super) fn statements() -> Vec<Cow<'static, str>> {
    let all = [
        Of::Head,
        Of::Keys,
        Of::Holds,
        Of::Orders,
        Of::Sagas,
        Of::Carts,
        Of::Callbacks,
        Of::Tokens,
        Of::Subscriptions,
        Of::Shares,
        Of::Skus,
        Of::CachedSkus,
        Of::Balances,
        Of::CachedBalances,
        Of::Front,
    ];
    all.into_iter().map(statement).collect()
}

/// The statements of a lock, and which rows each reads.
pub(super) struct Plan<'a> {
    of: Vec<Of>,
    /// What is to be sent.
    pub(super) asked: Vec<Asked<'a>>,
}

impl<'a> Plan<'a> {
    /// What a touch needs.
    pub(super) fn new(touch: &'a Touch) -> Self {
        let mut plan = Self {
            of: vec![Of::Head],
            asked: vec![Asked::new(LOCK)],
        };
        plan.names(Of::Keys, touch.keys.iter().copied());
        plan.names(Of::Holds, touch.holds.iter().map(hold_name));
        plan.names(Of::Orders, touch.orders.iter().map(order_name));
        plan.names(Of::Sagas, touch.sagas.iter().map(saga_name));
        plan.names(Of::Carts, touch.carts.iter().map(cart_name));
        let callbacks: Vec<i64> = touch.callbacks.iter().map(|at| sql(*at)).collect();
        if !callbacks.is_empty() {
            plan.push(Of::Callbacks, |asked| asked.with(callbacks));
        }
        plan.texts(Of::Tokens, touch.tokens.iter().map(|id| id.as_str()));
        let subscriptions = touch.subscriptions.iter().map(|id| id.as_str());
        plan.texts(Of::Subscriptions, subscriptions);
        if !touch.shares.is_empty() {
            let skus = touch.shares.iter().map(|it| it.0.as_str());
            let customers = touch.shares.iter().map(|it| it.1.as_str());
            let (skus, customers): (Vec<_>, Vec<_>) = (skus.collect(), customers.collect());
            plan.push(Of::Shares, |asked| asked.with(skus).with(customers));
        }
        plan.texts(Of::Skus, touch.rows.skus.iter().map(|id| id.as_str()));
        if !touch.rows.balances.is_empty() {
            let (skus, locations) = places(&touch.rows.balances);
            plan.push(Of::Balances, |asked| asked.with(skus).with(locations));
        }
        plan.cached(touch);
        if let Some(until) = touch.front {
            let most = sql(touch.front_max() as u64);
            plan.push(Of::Front, |asked| asked.with(until.micros()).with(most));
        }
        plan
    }

    /// What the cache holds: the server itself looks whether it is exact.
    fn cached(&mut self, touch: &'a Touch) {
        let position = touch.exact_at.map(|(position, _)| sql(position));
        let batch = touch.exact_at.map(|(_, batch)| batch.to_vec());
        let skus: Vec<&str> = touch.cached.skus.iter().map(|id| id.as_str()).collect();
        if !skus.is_empty() {
            let batch = batch.clone();
            self.push(Of::CachedSkus, |asked| {
                asked.with(skus).with(position).with(batch)
            });
        }
        if !touch.cached.balances.is_empty() {
            let (skus, locations) = places(&touch.cached.balances);
            self.push(Of::CachedBalances, |asked| {
                asked.with(locations).with(position).with(batch).with(skus)
            });
        }
    }

    fn push(&mut self, of: Of, values: impl FnOnce(Asked<'a>) -> Asked<'a>) {
        self.of.push(of);
        self.asked.push(values(Asked::new(statement(of))));
    }

    fn names(&mut self, of: Of, names: impl Iterator<Item = Name>) {
        let names: Vec<Sixteen> = names.map(Sixteen).collect();
        if !names.is_empty() {
            self.push(of, |asked| asked.with(names));
        }
    }

    fn texts(&mut self, of: Of, texts: impl Iterator<Item = &'a str>) {
        let texts: Vec<&str> = texts.collect();
        if !texts.is_empty() {
            self.push(of, |asked| asked.with(texts));
        }
    }

    /// The view that the answers make.
    pub(super) fn view(&self, touch: &Touch, answers: &[Vec<Row>]) -> Result<View, Fault> {
        let head = answers.first().map_or(&[][..], Vec::as_slice);
        let mut view = View::new(rows::head(head)?);
        let clock = head.first().map(|row| rows::time(row, 12));
        view.clock = clock.transpose()?;
        absent(&mut view, touch);
        for (of, rows) in self.of.iter().zip(answers) {
            for row in rows {
                seen(&mut view, *of, row)?;
            }
        }
        Ok(view)
    }
}

fn places(places: &[Place]) -> (Vec<&str>, Vec<&str>) {
    let places = places.iter();
    places
        .map(|(sku, location)| (sku.as_str(), location.as_str()))
        .unzip()
}

/// Says of everything that is looked at that it is absent, before rows are found.
fn absent(view: &mut View, touch: &Touch) {
    view.keys.extend(touch.keys.iter().map(|it| (*it, None)));
    let holds = touch.holds.iter();
    view.holds.extend(holds.map(|it| (it.clone(), None)));
    let orders = touch.orders.iter();
    view.orders.extend(orders.map(|it| (it.clone(), None)));
    let sagas = touch.sagas.iter();
    view.sagas.extend(sagas.map(|it| (it.clone(), None)));
    let carts = touch.carts.iter();
    view.carts.extend(carts.map(|it| (it.clone(), None)));
    let callbacks = touch.callbacks.iter();
    view.callbacks.extend(callbacks.map(|it| (*it, None)));
    let tokens = touch.tokens.iter();
    view.tokens.extend(tokens.map(|it| (it.clone(), None)));
    let subscriptions = touch.subscriptions.iter();
    let subscriptions = subscriptions.map(|it| (it.clone(), None));
    view.subscriptions.extend(subscriptions);
    let shares = touch.shares.iter();
    view.shares.extend(shares.map(|it| (it.clone(), None)));
    let moved = !view.confirms(touch.exact_at);
    let wanted = [Some(&touch.rows), moved.then_some(&touch.cached)];
    for wanted in wanted.into_iter().flatten() {
        let skus = wanted.skus.iter();
        view.skus.extend(skus.map(|it| (it.clone(), None)));
        let balances = wanted.balances.iter();
        view.balances.extend(balances.map(|it| (it.clone(), None)));
    }
    view.front = touch.front.map(|_| Vec::new());
}

/// Takes in a row.
fn seen(view: &mut View, of: Of, row: &Row) -> Result<(), Fault> {
    match of {
        Of::Head => {}
        Of::Keys => {
            let (name, key) = rows::key(row)?;
            view.keys.insert(name, Some(key));
        }
        Of::Holds => {
            let row = hold_named(row)?;
            put(&mut view.holds, row.hold.id.clone(), row)?;
        }
        Of::Orders => {
            let row = row_named::<Order>(row)?;
            put(&mut view.orders, row.body.id.clone(), row)?;
        }
        Of::Sagas => {
            let row = row_named::<Journey>(row)?;
            put(&mut view.sagas, row.body.id.clone(), row)?;
        }
        Of::Carts => {
            let row = row_named::<Cart>(row)?;
            put(&mut view.carts, row.body.id.clone(), row)?;
        }
        Of::Callbacks => {
            let row = life::read::<Callback>(row, 0)?;
            put(&mut view.callbacks, row.created, row)?;
        }
        Of::Tokens => {
            let row = rows::token(row)?;
            put(&mut view.tokens, row.token.id.clone(), row)?;
        }
        Of::Subscriptions => {
            let row = rows::subscription(row)?;
            put(&mut view.subscriptions, row.body.id.clone(), row)?;
        }
        Of::Shares => {
            let (share, units) = rows::share(row)?;
            view.shares.insert(share, Some(units));
        }
        Of::Skus | Of::CachedSkus => {
            let row = rows::sku(row)?;
            put(&mut view.skus, row.sku.terms.sku.clone(), row)?;
        }
        Of::Balances | Of::CachedBalances => {
            let (place, balances) = rows::balance(row)?;
            view.balances.insert(place, Some(balances));
        }
        Of::Front => {
            let front = view.front.get_or_insert_default();
            front.push(rows::hold(row, 0)?);
        }
    }
    Ok(())
}

/// Puts a row in its place. One that nobody asked for has another id than its name or key says.
fn put<K: std::hash::Hash + Eq + std::fmt::Debug, V>(
    rows: &mut crate::port::Map<K, Option<V>>,
    id: K,
    row: V,
) -> Result<(), Fault> {
    match rows.get_mut(&id) {
        Some(place) => {
            *place = Some(row);
            Ok(())
        }
        None => Err(Fault::Corrupt(format!("the row of {id:?} is another's"))),
    }
}

/// A hold found by name; a name whose row is gone or another hold's is damage, not absence.
pub(super) fn hold_named(row: &Row) -> Result<HoldRow, Fault> {
    if rows::get::<Option<i64>>(row, 2)?.is_none() {
        let at = rows::number(row, 1)?;
        return Err(Fault::Corrupt(format!("the hold of {at} is gone")));
    }
    let found = rows::hold(row, 2)?;
    if hold_name(&found.hold.id) != rows::get::<Sixteen>(row, 0)?.0 {
        let id = &found.hold.id;
        return Err(Fault::Corrupt(format!("the row of hold {id} is another's")));
    }
    Ok(found)
}

/// The same for rows with a life.
pub(super) fn row_named<T: Live>(row: &Row) -> Result<LifeRow<T>, Fault> {
    if rows::get::<Option<i64>>(row, 2)?.is_none() {
        let at = rows::number(row, 1)?;
        let what = format!("the row of {at} in {} is gone", T::TABLE);
        return Err(Fault::Corrupt(what));
    }
    let found = life::read::<T>(row, 2)?;
    if found.body.name() != Some(rows::get::<Sixteen>(row, 0)?.0) {
        let what = format!("the row of {} in {} is another's", found.created, T::TABLE);
        return Err(Fault::Corrupt(what));
    }
    Ok(found)
}
