//! What the auditor compares once, when nothing runs any more: everything.

use super::Found;
use super::model::{Model, Place, number, text};
use super::orders::{Amounts, due, list};
use super::tables::{compare_balances, compare_stream, compare_touched};
use evenkeel_engine::chain::hex;
use evenkeel_engine::store::memory::Tables;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Compares the whole store with the folds, and the folds with the whole store.
pub(super) fn compare_all(model: &mut Model, tables: &Tables, found: &mut Found) {
    compare_touched(model, tables, found);
    let streams: Vec<String> = model.streams.keys().cloned().collect();
    for stream in &streams {
        compare_stream(model, tables, stream, found);
    }
    let mut places: BTreeSet<Place> = model.balances.keys().cloned().collect();
    let stands = tables.balances.keys();
    places.extend(stands.map(|(sku, location)| (sku.to_string(), location.to_string())));
    for place in &places {
        compare_balances(model, tables, place, found);
    }
    let of = |word: &str| {
        let prefix = format!("{word}:");
        streams
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .count()
    };
    let words = [
        "hold",
        "sku",
        "token",
        "order",
        "saga",
        "cart",
        "callback",
        "subscription",
    ];
    let folded = words.map(of);
    let stored = [
        tables.holds.len(),
        tables.skus.len(),
        tables.tokens.len(),
        tables.orders.len(),
        tables.sagas.len(),
        tables.carts.len(),
        tables.callbacks.len(),
        tables.subscriptions.len(),
    ];
    if folded != stored {
        let what = format!("rows that stand: {stored:?}, folded: {folded:?}");
        found.push(("I15", what));
    }
    compare_log(model, tables, found);
    compare_names(model, tables, found);
    compare_timers(model, tables, found);
    compare_money(model, found);
    compare_units(model, found);
    model.compare_services(found);
    model.outbox.compare(found);
}

/// Every order is over, and its money is what it owes and what the provider has, to the cent.
fn compare_money(model: &Model, found: &mut Found) {
    if let Some(what) = model.unfinished() {
        found.push(("I13", what));
    }
    for (id, order) in &model.orders {
        let amounts = Amounts::of(&order.data);
        let (taken, back) = model.truth.net(id);
        let (ours, theirs) = (amounts.captured - amounts.refunded, taken - back);
        let owed = due(&order.data);
        if ours != theirs || ours != owed {
            let what = format!(
                "order {id} has {ours} by the log and {theirs} by the provider, and owes {owed}"
            );
            found.push(("I10", what));
        }
    }
    for id in model.truth.orders() {
        if !model.orders.contains_key(id) {
            found.push((
                "I10",
                format!("the provider served {id}, which is no order"),
            ));
        }
    }
}

/// Units that left are with customers, and parcels that arrived were paid for.
fn compare_units(model: &Model, found: &mut Found) {
    let mut left: BTreeMap<Place, i64> = BTreeMap::new();
    for (id, order) in &model.orders {
        let data = &order.data;
        let units = text(data, "units");
        for line in list(data, "lines").iter().filter(|_| units == "left") {
            let place = (
                text(line, "sku").to_owned(),
                text(line, "location").to_owned(),
            );
            let returned = line["returned"].as_i64().unwrap_or(0);
            *left.entry(place).or_default() += number(line, "quantity") - returned;
        }
        let there = model.truth.parcel(id);
        let brought = ["IN_TRANSIT", "DELIVERED"].contains(&there.unwrap_or(""));
        if brought != (units == "left") || ["held", "sold"].contains(&units) {
            let status = text(data, "status");
            let what = format!("{id} is {status}, its units {units}, its parcel {there:?}");
            found.push(("I11", what));
        }
    }
    for (place, stands) in &model.balances {
        let shipped = left.get(place).copied().unwrap_or(0);
        if stands[4] != shipped || stands[2] != 0 {
            let (sku, location) = place;
            let what = format!("{sku} at {location} is {stands:?}, with customers are {shipped}");
            found.push(("I11", what));
        }
    }
}

/// The log is what became durable, row by row.
fn compare_log(model: &Model, tables: &Tables, found: &mut Found) {
    let mut hash = model.origin();
    if tables.log.len() != model.rows.len() {
        let (stands, seen) = (tables.log.len(), model.rows.len());
        found.push(("I5", format!("{stands} of {seen} durable rows are there")));
    }
    for (row, seen) in tables.log.iter().zip(&model.rows) {
        let linked = Sha256::new_with_prefix(hash).chain_update(&row.text);
        if <[u8; 32]>::from(linked.finalize()) != row.hash {
            found.push(("I16", format!("the hash of {} does not link", row.position)));
        }
        if row.hash != seen.hash {
            found.push((
                "I5",
                format!("the durable row {} was changed", row.position),
            ));
        }
        hash = row.hash;
    }
}

/// The name index knows every key that took effect and every hold, and nothing else.
fn compare_names(model: &Model, tables: &Tables, found: &mut Found) {
    let no_fingerprint = [0; 16];
    let keys = tables
        .names
        .iter()
        .filter(|(_, write)| write.fingerprint != no_fingerprint);
    let stands: BTreeSet<(String, u64)> = keys
        .map(|(name, write)| (hex(name), write.position))
        .collect();
    let folded: BTreeSet<(String, u64)> = model
        .keys
        .iter()
        .map(|(name, position)| (name.clone(), *position))
        .collect();
    for (name, position) in stands.symmetric_difference(&folded) {
        let what = format!("the key {name} at {position} is in the index or in the log, not both");
        found.push(("I6", what));
    }
    let ids = tables.names.len() - stands.len();
    let made = model.holds.len() + model.orders.len() + model.sagas.len() + model.carts.len();
    if ids != made {
        let what = format!("{ids} ids are known for {made} holds, orders, sagas and carts");
        found.push(("I6", what));
    }
}

/// Every live hold has its timer.
fn compare_timers(model: &Model, tables: &Tables, found: &mut Found) {
    for row in tables.holds.values() {
        let timer = (row.hold.deadline, row.created);
        let live = model
            .holds
            .get(row.hold.id.as_str())
            .is_some_and(super::holds::HoldModel::is_timed);
        if live && !tables.timers.contains(&timer) {
            found.push(("I18", format!("{} has no timer", row.hold.id)));
        }
    }
}
