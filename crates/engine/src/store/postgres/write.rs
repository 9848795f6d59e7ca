//! Writing a batch: bulk statements and COMMIT in one round trip.
//!
//! A statement takes all rows of its kind in arrays, so their number does not grow with the batch.
//! COMMIT is sent before any answer is back, so each guard is in its statement: where it found
//! another number of rows than expected it divides by zero, the transaction is lost, and COMMIT
//! rolls it back.

use super::life::{self, Live};
use super::rows::{Sixteen, sql};
use super::session::Asked;
use super::upkeep;
use crate::callback::Callback;
use crate::port::{
    BalanceWrite, HoldWrite, NameWrite, PrivateId, PrivateRow, RefusalRow, ShareWrite, SkuWrite,
    SubscriptionWrite, TokenWrite, Writes,
};
use crate::store::head as codec;
use evenkeel_rules::cart::Cart;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::order::Order;
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::borrow::Cow;

/// Ends a batch. A wait for standbys must not be cut short by the limit on statements: the server
/// would say that the batch is durable where it is on one disk only.
pub(super) const COMMIT: &str = "SET LOCAL statement_timeout = 0; COMMIT";

const LOG: &str = "INSERT INTO log(position, hash, text)
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])";
const NAMES: &str = "INSERT INTO name(name, at, fingerprint)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[])";
const REFUSALS: &str = "INSERT INTO refusal(number, name, fingerprint, text)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[])";
const HOLD_INSERT: &str = "INSERT INTO hold(created, last, version, due, body)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])";
const HOLD_UPDATE: &str = "WITH done AS (UPDATE hold t SET last = u.last, version = u.version,
      due = u.due, body = u.body FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],
        $4::bigint[], $5::bytea[], $6::bigint[]) AS u(created, last, version, due, body, was)
      WHERE t.created = u.created AND t.version = u.was RETURNING 1)
    SELECT 1 / (count(*) = $7)::int FROM done";
const SKU_INSERT: &str = "INSERT INTO sku(created, id, last, version, stock_last, stock_version,
    locations, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[],
    $5::bigint[], $6::bigint[], $7::text[], $8::bytea[])";
const SKU_UPDATE: &str = "WITH done AS (UPDATE sku t SET last = u.last, version = u.version,
      stock_last = u.stock_last, stock_version = u.stock_version, locations = u.locations,
      body = u.body FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[],
        $5::bigint[], $6::bigint[], $7::text[], $8::bytea[], $9::bigint[], $10::bigint[])
        AS u(created, id, last, version, stock_last, stock_version, locations, body, was, stock_was)
      WHERE t.created = u.created AND t.id = u.id AND t.version = u.was
        AND t.stock_version = u.stock_was RETURNING 1)
    SELECT 1 / (count(*) = $11)::int FROM done";
const BALANCE_INSERT: &str = "INSERT INTO balance(sku, location, supply, available, held, sold,
    shipped, returned, written_off) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[],
    $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])";
const BALANCE_UPDATE: &str = "WITH done AS (UPDATE balance t SET supply = u.supply,
      available = u.available, held = u.held, sold = u.sold, shipped = u.shipped,
      returned = u.returned, written_off = u.written_off
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
        $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[])
        AS u(sku, location, supply, available, held, sold, shipped, returned, written_off,
          w1, w2, w3, w4, w5, w6, w7)
      WHERE t.sku = u.sku AND t.location = u.location AND t.supply = u.w1 AND t.available = u.w2
        AND t.held = u.w3 AND t.sold = u.w4 AND t.shipped = u.w5 AND t.returned = u.w6
        AND t.written_off = u.w7 RETURNING 1)
    SELECT 1 / (count(*) = $17)::int FROM done";
const SHARE_INSERT: &str = "INSERT INTO share(sku, customer, units)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";
const SHARE_UPDATE: &str = "WITH done AS (UPDATE share t SET units = u.units
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
        AS u(sku, customer, units, was)
      WHERE t.sku = u.sku AND t.customer = u.customer AND t.units = u.was RETURNING 1)
    SELECT 1 / (count(*) = $5)::int FROM done";
const TOKEN_INSERT: &str = "INSERT INTO token(created, id, secret, last, version, body)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[],
    $6::bytea[])";
const TOKEN_UPDATE: &str = "WITH done AS (UPDATE token t SET last = u.last, version = u.version,
      body = u.body FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[],
        $5::bigint[]) AS u(created, last, version, body, was)
      WHERE t.created = u.created AND t.version = u.was RETURNING 1)
    SELECT 1 / (count(*) = $6)::int FROM done";
const SUBSCRIPTION_INSERT: &str = "INSERT INTO subscription(created, id, last, version, body,
    progress) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[],
    $5::bytea[], $6::bytea[])";
const SUBSCRIPTION_UPDATE: &str = "WITH done AS (UPDATE subscription t SET last = u.last,
      version = u.version, body = u.body, progress = u.progress
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[])
        AS u(created, last, version, body, progress, was)
      WHERE t.created = u.created AND t.version = u.was RETURNING 1)
    SELECT 1 / (count(*) = $7)::int FROM done";
const PRIVATE: &str = "INSERT INTO private(position, part, customer, text, erased_at)
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bytea[], $5::bigint[])";
const ERASE: &str = "WITH done AS (UPDATE private t SET text = '',
      erased_at = coalesce(erased_at, $3::bigint)
      FROM unnest($1::bigint[], $2::smallint[]) AS u(position, part)
      WHERE t.position = u.position AND t.part = u.part RETURNING 1)
    SELECT 1 / (count(*) = $4)::int FROM done";
const HEAD: &str = "WITH done AS (UPDATE head SET position = $1, hash = $2, time = $3,
      refusals = $4, batches = $5, leases = $6, format = $7, floor = $9,
      incarnation = $10, ended = $11
      WHERE id = 1 AND position = $8 RETURNING 1)
    SELECT 1 / (count(*) = 1)::int FROM done";

/// Every statement that a batch may send.
pub(super) fn statements() -> Vec<Cow<'static, str>> {
    let mut all: Vec<Cow<'static, str>> = [
        LOG,
        NAMES,
        REFUSALS,
        HOLD_INSERT,
        HOLD_UPDATE,
        SKU_INSERT,
        SKU_UPDATE,
        BALANCE_INSERT,
        BALANCE_UPDATE,
        SHARE_INSERT,
        SHARE_UPDATE,
        TOKEN_INSERT,
        TOKEN_UPDATE,
        SUBSCRIPTION_INSERT,
        SUBSCRIPTION_UPDATE,
        PRIVATE,
        ERASE,
        HEAD,
    ]
    .into_iter()
    .map(Cow::from)
    .collect();
    fn of<T: Live>() -> [Cow<'static, str>; 2] {
        [life::insert::<T>().into(), life::update::<T>().into()]
    }
    all.extend(of::<Order>());
    all.extend(of::<Journey>());
    all.extend(of::<Cart>());
    all.extend(of::<Callback>());
    all.extend(upkeep::statements());
    all
}

/// The statements that write a batch.
pub(super) fn plan(writes: &Writes) -> Vec<Asked<'_>> {
    let mut all = Vec::with_capacity(8);
    if !writes.log.is_empty() {
        let log = &writes.log;
        all.push(
            Asked::new(LOG)
                .with(each(log, |row| sql(row.position)))
                .with(each(log, |row| &row.hash[..]))
                .with(each(log, |row| &row.text[..])),
        );
    }
    all.extend(names(&writes.names, &writes.refusals));
    all.extend(refusals(&writes.refusals));
    all.extend(holds(&writes.holds));
    all.extend(skus(&writes.skus));
    all.extend(balances(&writes.balances));
    all.extend(shares(&writes.shares));
    all.extend(tokens(&writes.tokens));
    all.extend(life::write(&writes.orders));
    all.extend(life::write(&writes.sagas));
    all.extend(life::write(&writes.carts));
    all.extend(life::write(&writes.callbacks));
    all.extend(subscriptions(&writes.subscriptions));
    all.extend(private(&writes.private));
    all.extend(erased(&writes.erased, writes.head.time));
    all.extend(upkeep::plan(&writes.upkeep));
    all.push(head(writes));
    all
}

fn each<'a, T, V>(rows: &'a [T], of: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

/// Splits rows into new ones and those that stand.
fn parted<T>(rows: &[T], is_old: impl Fn(&T) -> bool) -> (Vec<&T>, Vec<&T>) {
    let (old, new) = rows.iter().partition(|row| is_old(row));
    (new, old)
}

fn count<T>(rows: &[T]) -> i64 {
    sql(rows.len() as u64)
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("a body is plain JSON")
}

/// Names of what took effect, and of final refusals: those stand for a number below zero.
fn names<'a>(names: &'a [NameWrite], refused: &'a [RefusalRow]) -> Option<Asked<'a>> {
    if names.is_empty() && refused.is_empty() {
        return None;
    }
    let of_log = names.iter();
    let of_log = of_log.map(|it| (it.name, sql(it.position), it.fingerprint));
    let of_refusals = refused.iter();
    let of_refusals = of_refusals.map(|it| (it.name, -sql(it.number), it.fingerprint));
    let all: Vec<_> = of_log.chain(of_refusals).collect();
    Some(
        Asked::new(NAMES)
            .with(all.iter().map(|it| Sixteen(it.0)).collect::<Vec<_>>())
            .with(all.iter().map(|it| it.1).collect::<Vec<_>>())
            .with(all.iter().map(|it| Sixteen(it.2)).collect::<Vec<_>>()),
    )
}

fn refusals(rows: &[RefusalRow]) -> Option<Asked<'_>> {
    let asked = || {
        Asked::new(REFUSALS)
            .with(each(rows, |row| sql(row.number)))
            .with(each(rows, |row| Sixteen(row.name)))
            .with(each(rows, |row| Sixteen(row.fingerprint)))
            .with(each(rows, |row| row.text.as_str()))
    };
    (!rows.is_empty()).then(asked)
}

/// When the sweep is to look at a hold.
fn due(write: &HoldWrite) -> Option<i64> {
    let hold = &write.row.hold;
    (hold.state == State::Held).then(|| hold.deadline.micros())
}

fn holds(rows: &[HoldWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let values = |query: &'static str, rows: &[&'_ HoldWrite]| {
        Asked::new(query)
            .with(each(rows, |it| sql(it.row.created)))
            .with(each(rows, |it| sql(it.row.last)))
            .with(each(rows, |it| sql(it.row.version)))
            .with(each(rows, |it| due(it)))
            .with(each(rows, |it| it.body.clone()))
    };
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(values(HOLD_INSERT, &new));
    }
    if !old.is_empty() {
        let was = each(&old, |it| sql(it.was.unwrap_or_default()));
        all.push(values(HOLD_UPDATE, &old).with(was).with(count(&old)));
    }
    all
}

fn skus(rows: &[SkuWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let values = |query: &'static str, rows: &[&'_ SkuWrite]| {
        let locations =
            |it: &&SkuWrite| serde_json::to_string(&it.row.locations).expect("ids are plain JSON");
        Asked::new(query)
            .with(each(rows, |it| sql(it.row.created)))
            .with(each(rows, |it| it.row.sku.terms.sku.as_str().to_owned()))
            .with(each(rows, |it| sql(it.row.last)))
            .with(each(rows, |it| sql(it.row.version)))
            .with(each(rows, |it| sql(it.row.stock_last)))
            .with(each(rows, |it| sql(it.row.stock_version)))
            .with(each(rows, locations))
            .with(each(rows, |it| json(&it.row.sku)))
    };
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(values(SKU_INSERT, &new));
    }
    if !old.is_empty() {
        let was = each(&old, |it| sql(it.was.unwrap_or_default().0));
        let stock_was = each(&old, |it| sql(it.was.unwrap_or_default().1));
        let update = values(SKU_UPDATE, &old).with(was).with(stock_was);
        all.push(update.with(count(&old)));
    }
    all
}

/// Each account of these balances, as an array of its own.
fn accounts(mut asked: Asked<'_>, all: impl Iterator<Item = Balances>) -> Asked<'_> {
    let all: Vec<[i64; 7]> = all.map(|it| it.raw()).collect();
    for account in 0..7 {
        asked = asked.with(all.iter().map(|raw| raw[account]).collect::<Vec<i64>>());
    }
    asked
}

fn balances(rows: &[BalanceWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let values = |query: &'static str, rows: &[&'_ BalanceWrite]| {
        let asked = Asked::new(query)
            .with(each(rows, |it| it.place.0.as_str().to_owned()))
            .with(each(rows, |it| it.place.1.as_str().to_owned()));
        accounts(asked, rows.iter().map(|it| it.now))
    };
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(values(BALANCE_INSERT, &new));
    }
    if !old.is_empty() {
        let was = old.iter().map(|it| it.was.unwrap_or_default());
        let update = accounts(values(BALANCE_UPDATE, &old), was);
        all.push(update.with(count(&old)));
    }
    all
}

fn shares(rows: &[ShareWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let values = |query: &'static str, rows: &[&'_ ShareWrite]| {
        Asked::new(query)
            .with(each(rows, |it| it.share.0.as_str().to_owned()))
            .with(each(rows, |it| it.share.1.as_str().to_owned()))
            .with(each(rows, |it| sql(it.now)))
    };
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(values(SHARE_INSERT, &new));
    }
    if !old.is_empty() {
        let was = each(&old, |it| sql(it.was.unwrap_or_default()));
        all.push(values(SHARE_UPDATE, &old).with(was).with(count(&old)));
    }
    all
}

fn tokens(rows: &[TokenWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(
            Asked::new(TOKEN_INSERT)
                .with(each(&new, |it| sql(it.row.created)))
                .with(
                    each(&new, |it| it.row.token.id.as_str())
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                )
                .with(each(&new, |it| it.row.secret.to_vec()))
                .with(each(&new, |it| sql(it.row.last)))
                .with(each(&new, |it| sql(it.row.version)))
                .with(each(&new, |it| json(&it.row.token))),
        );
    }
    if !old.is_empty() {
        all.push(
            Asked::new(TOKEN_UPDATE)
                .with(each(&old, |it| sql(it.row.created)))
                .with(each(&old, |it| sql(it.row.last)))
                .with(each(&old, |it| sql(it.row.version)))
                .with(each(&old, |it| json(&it.row.token)))
                .with(each(&old, |it| sql(it.was.unwrap_or_default())))
                .with(count(&old)),
        );
    }
    all
}

fn subscriptions(rows: &[SubscriptionWrite]) -> Vec<Asked<'_>> {
    let (new, old) = parted(rows, |row| row.was.is_some());
    let mut all = Vec::new();
    if !new.is_empty() {
        all.push(
            Asked::new(SUBSCRIPTION_INSERT)
                .with(each(&new, |it| sql(it.row.created)))
                .with(each(&new, |it| it.row.body.id.as_str().to_owned()))
                .with(each(&new, |it| sql(it.row.last)))
                .with(each(&new, |it| sql(it.row.version)))
                .with(each(&new, |it| json(&it.row.body)))
                .with(each(&new, |it| json(&it.row.progress))),
        );
    }
    if !old.is_empty() {
        all.push(
            Asked::new(SUBSCRIPTION_UPDATE)
                .with(each(&old, |it| sql(it.row.created)))
                .with(each(&old, |it| sql(it.row.last)))
                .with(each(&old, |it| sql(it.row.version)))
                .with(each(&old, |it| json(&it.row.body)))
                .with(each(&old, |it| json(&it.row.progress)))
                .with(each(&old, |it| sql(it.was.unwrap_or_default())))
                .with(count(&old)),
        );
    }
    all
}

fn private(rows: &[PrivateRow]) -> Option<Asked<'_>> {
    let asked = || {
        Asked::new(PRIVATE)
            .with(each(rows, |row| sql(row.id.0)))
            .with(each(rows, |row| i16::from(row.id.1)))
            .with(each(rows, |row| {
                row.customer.as_ref().map(CustomerId::as_str)
            }))
            .with(each(rows, |row| row.text.as_bytes()))
            .with(each(rows, |row| row.erased_at.map(LogTime::micros)))
    };
    (!rows.is_empty()).then(asked)
}

/// Erases texts; one that is erased already keeps the time at which it was.
fn erased<'a>(ids: &[PrivateId], now: LogTime) -> Option<Asked<'a>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let asked = || {
        Asked::new(ERASE)
            .with(ids.iter().map(|id| sql(id.0)).collect::<Vec<_>>())
            .with(ids.iter().map(|id| i16::from(id.1)).collect::<Vec<_>>())
            .with(now.micros())
            .with(count(&ids))
    };
    (!ids.is_empty()).then(asked)
}

fn head(writes: &Writes) -> Asked<'_> {
    let head = &writes.head;
    Asked::new(HEAD)
        .with(sql(head.position))
        .with(&head.hash[..])
        .with(head.time.micros())
        .with(sql(head.refusals))
        .with(codec::batches(&head.batches))
        .with(codec::json(&head.leases))
        .with(i64::from(head.format))
        .with(sql(writes.was))
        .with(sql(head.floor))
        .with(i64::from(head.incarnation))
        .with(codec::json(&head.ended))
}
