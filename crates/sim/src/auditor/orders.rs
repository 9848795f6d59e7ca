//! The auditor's own order: folded from what its events changed, judged by its own tables.
//!
//! After each event: every machine took a legal step (I7), the amounts are in order and nothing
//! that was captured changed (I10), units went where an order's units may go, paid for (I11), and
//! the moves that the row must have for it are expected (I2). What the provider is said to have
//! done it must have done: see [`super::truth`].

use super::Found;
use super::holds::{Moved, expect};
use super::law_orders::{entered_by, is_entry, is_legal};
use super::model::{Event, number, text};
use super::truth::Truth;
use super::warnings;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An order as the log tells it.
#[derive(Debug)]
pub(super) struct OrderModel {
    pub(super) data: Value,
    /// Position and version of the last event of each row, and the order after it.
    pub(super) versions: Vec<(u64, u64, Value)>,
}

/// What an order's event is judged with.
pub(super) struct Scene<'a> {
    pub(super) at: i64,
    pub(super) terms: &'a dyn Fn(&str) -> Option<Value>,
    pub(super) truth: &'a Truth,
    pub(super) transitions: &'a mut BTreeSet<(Option<String>, String)>,
    pub(super) moved: &'a mut Moved,
    pub(super) found: &'a mut Found,
}

/// Members that are left out where they say nothing.
const SILENT: [&str; 4] = ["adjustments", "requires_review", "refunds", "watched"];
/// Members that never change.
const FIXED: [&str; 6] = [
    "id",
    "customer",
    "adjustments",
    "total",
    "warn",
    "created_at",
];

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn sum<'a>(entries: impl Iterator<Item = &'a Value>) -> i64 {
    entries.map(|entry| number(entry, "amount")).sum()
}

/// What an order's money comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) authorised: i64,
    pub(super) captured: i64,
    pub(super) requested: i64,
    pub(super) refunded: i64,
    /// What of it was asked for by the shop.
    pub(super) granted: i64,
}

impl Amounts {
    pub(super) fn of(data: &Value) -> Self {
        let charges = || list(&data["payment"], "charges").iter();
        let refunds = || list(data, "refunds").iter();
        let run = |refund: &Value| text(&refund["run"], "state").to_owned();
        let live = |refund: &&Value| run(refund) != "compensated";
        // What the provider gave back by itself; what a refund takes back is not counted again.
        let given = |charge: &Value| {
            let name = text(charge, "transaction");
            let ours = sum(refunds()
                .filter(live)
                .filter(|it| text(it, "charge") == name));
            let told = list(&data["payment"], "returned").iter();
            let told = sum(told.filter(|it| text(it, "transaction") == name));
            told.min(number(charge, "amount") - ours).max(0)
        };
        let completed = charges().filter(|it| text(it, "status") == "completed");
        let given: i64 = completed.map(given).sum();
        Self {
            authorised: sum(charges().filter(|it| text(it, "status") != "failed")),
            captured: sum(charges().filter(|it| text(it, "status") == "completed")),
            requested: given + sum(refunds().filter(live)),
            refunded: given + sum(refunds().filter(|it| run(it) == "completed")),
            granted: given
                + sum(refunds()
                    .filter(live)
                    .filter(|it| text(it, "why") == "asked")),
        }
    }

    fn payment(self, data: &Value) -> &'static str {
        match (self.captured > 0, self.refunded >= self.captured) {
            (true, true) => "REFUNDED",
            (true, false) => "COMPLETED",
            (false, _) if data["payment"]["failed"] == true => "FAILED",
            (false, _) => "PENDING",
        }
    }
}

/// What captured less refunded comes to in the end.
pub(super) fn due(data: &Value) -> i64 {
    let total = number(&data["total"], "amount");
    let lives = ["PAID", "CONFIRMED", "SHIPPED", "DELIVERED"].contains(&text(data, "status"));
    if lives && text(data, "units") != "free" {
        (total - Amounts::of(data).granted).max(0)
    } else {
        0
    }
}

/// Whether an order needs a call, so that somebody must look at it again.
pub(super) fn needs_calls(data: &Value) -> bool {
    let runs = |run: &Value| text(run, "state") == "running";
    let parcel = &data["shipment"];
    let named = !parcel["delivery"].is_null();
    let lives = ["CONFIRMED", "SHIPPED"].contains(&text(data, "status"));
    let going = ["REQUESTED", "INITIATED", "IN_TRANSIT"].contains(&text(parcel, "status"));
    runs(&data["saga"])
        || runs(&data["cancel"]["run"]) && data["cancel"]["run"]["step"] == 0 && named
        || list(data, "refunds").iter().any(|it| runs(&it["run"]))
        || data["watched"] == true
        || lives && going && named
}

/// What is not over yet with an order, if anything.
pub(super) fn unfinished(data: &Value) -> Option<&'static str> {
    let ended = ["DELIVERED", "REFUNDED", "CANCELLED", "EXPIRED", "REJECTED"];
    let open = |run: &Value| ["running", "compensating", "stuck"].contains(&text(run, "state"));
    if !ended.contains(&text(data, "status")) {
        return Some("it has not ended");
    }
    if open(&data["saga"]) || open(&data["cancel"]["run"]) {
        return Some("its saga has not ended");
    }
    if list(data, "refunds").iter().any(|it| open(&it["run"])) {
        return Some("money is on its way");
    }
    if data["watched"] == true {
        return Some("its charge is asked after");
    }
    (text(&data["review"], "state") == "open").then_some("a person is waited for")
}

/// Takes away what says nothing.
fn plain(data: &mut Map<String, Value>) {
    for name in SILENT {
        let silent = data.get(name).is_some_and(|value| {
            value.is_null()
                || value.as_bool() == Some(false)
                || value.as_array().is_some_and(Vec::is_empty)
        });
        if silent {
            data.remove(name);
        }
    }
}

impl OrderModel {
    pub(super) fn create(event: &Event, scene: &mut Scene<'_>) -> Self {
        let data = &event.data;
        let id = text(data, "id");
        let wrong = if event.kind == "order.rejected" {
            text(data, "status") != "REJECTED" || !list(data, "lines").is_empty()
        } else {
            !is_fresh(data, scene)
        };
        if wrong {
            let what = format!("order {id} begins as {data}");
            scene.found.push(("I15", what));
        }
        let mut data = event.data.clone();
        if let Some(members) = data.as_object_mut() {
            plain(members);
        }
        Self {
            data,
            versions: Vec::new(),
        }
    }

    pub(super) fn change(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let was = std::mem::take(&mut self.data);
        let mut now = was.clone();
        let patch = event.data.as_object();
        if let (Some(patch), Some(members)) = (patch, now.as_object_mut()) {
            for (name, value) in patch {
                if FIXED.contains(&name.as_str()) {
                    let what = format!("{} of {} changes {name}", event.kind, event.stream);
                    scene.found.push(("I15", what));
                }
                members.insert(name.clone(), value.clone());
            }
            plain(members);
        }
        steps(&was, &now, event, scene);
        money(&was, &now, event, scene);
        units(&was, &now, event, scene);
        self.data = now;
    }

    /// Notes how the order stands after a row.
    pub(super) fn note(&mut self, position: u64, version: u64) {
        self.versions.push((position, version, self.data.clone()));
    }

    /// The order as it stood at a position.
    pub(super) fn at(&self, position: u64) -> Option<&(u64, u64, Value)> {
        let after = self.versions.partition_point(|(at, ..)| *at <= position);
        after.checked_sub(1).map(|index| &self.versions[index])
    }
}

/// Whether an order begins as it must: its lines at the prices that stand, held, unpaid.
fn is_fresh(data: &Value, scene: &Scene<'_>) -> bool {
    let mut total = sum(list(data, "adjustments").iter());
    let priced = list(data, "lines").iter().all(|line| {
        let terms = (scene.terms)(text(line, "sku"));
        let price = number(line, "price");
        total += price * number(line, "quantity");
        terms.is_some_and(|terms| number(&terms["price"], "amount") == price)
    });
    priced
        && total == number(&data["total"], "amount")
        && text(data, "status") == "PENDING"
        && text(data, "units") == "held"
        && text(&data["saga"], "state") == "running"
        && list(&data["payment"], "charges").is_empty()
        && list(data, "holds").len() == 1
        && warnings::is_fresh(data)
        && [number(data, "since"), number(data, "created_at")] == [scene.at; 2]
}

fn step(machine: &'static str, (was, now): (&str, &str), event: &Event, scene: &mut Scene<'_>) {
    if was == now || was.is_empty() {
        return;
    }
    if !is_legal(machine, was, now) {
        let what = format!(
            "{machine} of {} goes from {was} to {now:?} by {}",
            event.stream, event.kind
        );
        scene.found.push(("I7", what));
    }
    let pair = (Some(format!("{machine} {was}")), format!("{machine} {now}"));
    scene.transitions.insert(pair);
}

/// Every machine takes a legal step, and the event says which.
fn steps(was: &Value, now: &Value, event: &Event, scene: &mut Scene<'_>) {
    let state = |value: &Value, name: &str| text(value, name).to_owned();
    let machines = [
        ("order", state(was, "status"), state(now, "status")),
        (
            "payment",
            Amounts::of(was).payment(was).to_owned(),
            Amounts::of(now).payment(now).to_owned(),
        ),
        (
            "shipment",
            state(&was["shipment"], "status"),
            state(&now["shipment"], "status"),
        ),
        (
            "saga",
            state(&was["saga"], "state"),
            state(&now["saga"], "state"),
        ),
        (
            "cancel",
            state(&was["cancel"]["run"], "state"),
            state(&now["cancel"]["run"], "state"),
        ),
        (
            "warning",
            warnings::stand(was).to_owned(),
            warnings::stand(now).to_owned(),
        ),
        (
            "review",
            state(&was["review"], "state"),
            state(&now["review"], "state"),
        ),
    ];
    for (machine, was, now) in &machines {
        step(machine, (was, now), event, scene);
    }
    if let Some(what) = warnings::wrong(was, now, event, scene.at) {
        scene.found.push(("I7", what));
    }
    for (was, now) in list(was, "refunds").iter().zip(list(now, "refunds")) {
        let states = (text(&was["run"], "state"), text(&now["run"], "state"));
        step("refund", states, event, scene);
    }
    let (before, after) = (&machines[0].1, &machines[0].2);
    let says = entered_by(after) == event.kind && number(now, "since") == scene.at;
    if before != after && !says || before == after && is_entry(&event.kind) {
        let what = format!("{} of {} makes {before} {after}", event.kind, event.stream);
        scene.found.push(("I7", what));
    }
}

/// Amounts are in order, and what is known of money only grows.
fn money(was: &Value, now: &Value, event: &Event, scene: &mut Scene<'_>) {
    let stream = &event.stream;
    let amounts = Amounts::of(now);
    let Amounts {
        authorised,
        captured,
        requested,
        refunded,
        ..
    } = amounts;
    let order = [0, refunded, requested, captured, authorised];
    if !order.is_sorted() {
        let what = format!("{} leaves {stream} with {amounts:?}", event.kind);
        scene.found.push(("I10", what));
    }
    let (old, new) = (
        list(&was["payment"], "charges"),
        list(&now["payment"], "charges"),
    );
    let kept = |(old, new): (&Value, &Value)| {
        let same = ["transaction", "amount"].map(|name| old[name] == new[name]);
        let fell = text(old, "status") == "completed" && old["status"] != new["status"];
        same == [true; 2] && !fell
    };
    let refund = |(old, new): (&Value, &Value)| {
        ["id", "amount", "charge", "why"]
            .iter()
            .all(|name| old[*name] == new[*name])
    };
    let (given, goes) = (list(was, "refunds"), list(now, "refunds"));
    let fewer = new.len() < old.len() || goes.len() < given.len();
    if fewer || !old.iter().zip(new).all(kept) || !given.iter().zip(goes).all(refund) {
        let what = format!("{} takes back what was known of {stream}", event.kind);
        scene.found.push(("I10", what));
    }
    let id = text(now, "id");
    for charge in new.iter().filter(|it| text(it, "status") == "completed") {
        let (transaction, amount) = (text(charge, "transaction"), number(charge, "amount"));
        if !old.contains(charge) && !scene.truth.has_taken(id, (transaction, amount)) {
            let what = format!("{stream} captured {amount} that the provider has not taken");
            scene.found.push(("I11", what));
        }
    }
}

/// Units go where an order's units may go, and the row's moves say the same.
fn units(was: &Value, now: &Value, event: &Event, scene: &mut Scene<'_>) {
    let (from, to) = (text(was, "units"), text(now, "units"));
    let hold = list(now, "holds").last().and_then(Value::as_str);
    let hold = hold.unwrap_or("");
    let mut all = |operation: &str| {
        for line in list(now, "lines") {
            let units = number(line, "quantity");
            expect(scene.moved, (operation, hold), line, units);
        }
    };
    let legal = match (from, to) {
        ("sold", "free") => {
            all("unsell");
            true
        }
        ("sold", "left") => {
            all("ship");
            true
        }
        // The hold's own event moves them.
        ("held", "sold" | "free") | ("free", "sold") => true,
        _ => from == to,
    };
    let amounts = Amounts::of(now);
    let pays = amounts.captured - (amounts.requested - amounts.granted);
    let covered = pays >= number(&now["total"], "amount");
    if !legal || to == "sold" && from != "sold" && !covered {
        let what = format!(
            "units of {} go from {from} to {to} with {amounts:?}",
            event.stream
        );
        scene.found.push(("I11", what));
    }
    for (was, now) in list(was, "lines").iter().zip(list(now, "lines")) {
        let back = |line: &Value| line["returned"].as_i64().unwrap_or(0);
        let more = back(now) - back(was);
        let fits = (0..=number(now, "quantity")).contains(&back(now));
        if more < 0 || !fits || more > 0 && event.kind != "order.returned" {
            let what = format!(
                "{} brings {more} units back to {}",
                event.kind, event.stream
            );
            scene.found.push(("I11", what));
        }
        if more > 0 {
            expect(scene.moved, ("return", hold), now, more);
            expect(scene.moved, ("back", hold), now, more);
        }
    }
}

#[cfg(test)]
mod tests;
