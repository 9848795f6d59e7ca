//! What the auditor compares once, when nothing runs any more: everything.

use super::Found;
use super::model::{Model, Place};
use super::tables::{compare_balances, compare_stream, compare_touched};
use evenkeel_engine::chain::hex;
use evenkeel_engine::store::memory::Tables;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

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
    let folded = (of("hold"), of("sku"), of("token"));
    let stored = (tables.holds.len(), tables.skus.len(), tables.tokens.len());
    if folded != stored {
        let what = format!("{stored:?} holds, SKUs and tokens stand, {folded:?} are folded");
        found.push(("I15", what));
    }
    compare_log(model, tables, found);
    compare_names(model, tables, found);
    compare_timers(model, tables, found);
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
    if ids != model.holds.len() {
        let holds = model.holds.len();
        found.push(("I6", format!("{ids} ids are known for {holds} holds")));
    }
}

/// Every live hold has its timer.
fn compare_timers(model: &Model, tables: &Tables, found: &mut Found) {
    for row in tables.holds.values() {
        let timer = (row.hold.deadline, row.created);
        let live = model
            .holds
            .get(row.hold.id.as_str())
            .is_some_and(super::holds::HoldModel::is_live);
        if live && !tables.timers.contains(&timer) {
            found.push(("I18", format!("{} has no timer", row.hold.id)));
        }
    }
}
