//! The auditor's own carts.
//!
//! After each row that is about a cart: a line that is not lost has a live hold of its own, with
//! just its units and its deadline, and a line that has one is not called lost; no write moves a
//! deadline beyond the longest life after the first live hold; and a cart that is checked out
//! names the order that the same row took, for its customer, of its lines, at the prices that it
//! showed, all its holds ending in that row. What is refused for a cart's sake was so.

use super::Found;
use super::holds::HoldModel;
use super::model::{Event, Model, Row, number, text};
use super::orders::list;
use super::said::tells_order;
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::port::CartRow;
use evenkeel_rules::cart::Rejection;
use evenkeel_rules::ids::CartId;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest life of a hold in a simulated world, and of a cart's holds after the first, in ms.
pub const MAX_LIFE_MS: u64 = 20_000;

/// A cart after each of its events.
#[derive(Debug, Default)]
pub(super) struct CartModel {
    /// Position, version and body.
    versions: Vec<(u64, u64, Value)>,
    /// Since when it has had a live hold without a pause.
    since: i64,
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("an effect is plain JSON")
}

/// The id of the hold of a cart's line.
fn hold_of(cart: &str, line: &Value) -> String {
    format!("cart:{cart}:{}", text(line, "sku"))
}

/// What a check-out does not change of a line.
fn bought(line: &Value) -> [&Value; 4] {
    ["sku", "location", "quantity", "price"].map(|member| &line[member])
}

/// Whether a hold stands there for a line of a cart, at a moment.
fn serves(hold: &Value, (cart, line): (&Value, &Value), at: i64) -> bool {
    text(hold, "state") == "held"
        && at < number(hold, "deadline")
        && hold["customer"] == cart["customer"]
        && HoldModel::units(hold) == HoldModel::units(&serde_json::json!({"lines": [line]}))
}

impl CartModel {
    fn at(&self, position: u64) -> Option<&(u64, u64, Value)> {
        let after = self.versions.partition_point(|(at, ..)| *at <= position);
        after.checked_sub(1).map(|index| &self.versions[index])
    }
}

impl Model {
    /// Looks at the carts that a row is about, its holds and orders having been taken in.
    pub(super) fn carts(&mut self, events: &[Event], at: (u64, i64), found: &mut Found) {
        for event in events {
            let Some(id) = event.stream.strip_prefix("cart:") else {
                continue;
            };
            let cart = self.carts.remove(id).unwrap_or_default();
            let before = cart.versions.last().map(|(.., data)| data);
            let since = self.held_since((before, cart.since), &event.data, at);
            let mut wrong = follows(before, event, at.1);
            if event.kind == "cart.checked_out" {
                wrong.extend(self.checked_out(before, (event, events)));
            } else {
                wrong.extend(self.lines(before, event, at.1));
                wrong.extend(overlong(id, events, since));
            }
            for what in wrong {
                let what = format!("{} of {id} at {}: {what}", event.kind, at.0);
                found.push(("I11", what));
            }
            let mut after = CartModel { since, ..cart };
            let version = (at.0, event.version, event.data.clone());
            after.versions.push(version);
            self.carts.insert(id.to_owned(), after);
        }
    }

    /// Since when a cart has had a live hold without a pause, as of an event.
    fn held_since(
        &self,
        (before, since): (Option<&Value>, i64),
        now: &Value,
        (position, at): (u64, i64),
    ) -> i64 {
        let lines = before.map_or(&[][..], |it| list(it, "lines")).iter();
        let id = text(now, "id");
        let mut holds = lines.filter_map(|line| self.holds.get(&hold_of(id, line)));
        let lived = holds.any(|hold| {
            let stood = hold.at(position - 1);
            stood.is_some_and(|hold| text(hold, "state") == "held" && at < number(hold, "deadline"))
        });
        if lived { since } else { at }
    }

    fn lines(&self, before: Option<&Value>, event: &Event, at: i64) -> Vec<String> {
        let cart = &event.data;
        let (id, mut wrong) = (text(cart, "id"), Vec::new());
        let mut skus = BTreeSet::new();
        for line in list(cart, "lines") {
            let sku = text(line, "sku");
            if !skus.insert(sku) {
                wrong.push(format!("two lines of {sku}"));
            }
            let hold = self.holds.get(&hold_of(id, line)).map(|hold| &hold.data);
            let held = hold.filter(|hold| serves(hold, (cart, line), at));
            if held.is_some() == (line["lost"] == true) {
                wrong.push(format!("{line} has the hold {hold:?}"));
            }
            if held.is_some_and(|hold| hold["deadline"] != line["deadline"]) {
                wrong.push(format!(
                    "{sku} is told with another deadline than its hold's"
                ));
            }
            let known = before.map_or(&[][..], |it| list(it, "lines")).iter();
            let mut known = known.filter(|it| it["sku"] == line["sku"]);
            let terms = self.streams.get(&format!("sku:{sku}"));
            let stands = terms.is_some_and(|it| it.data["price"] == line["price"]);
            if !stands && !known.any(|it| it["price"] == line["price"]) {
                wrong.push(format!("{sku} never cost {}", line["price"]));
            }
        }
        if text(cart, "state") != "open" || !cart["order"].is_null() {
            wrong.push("it is not open".to_owned());
        }
        wrong
    }

    /// What is wrong with a check-out: the order of its row is for its lines, and its holds ended.
    fn checked_out(
        &self,
        before: Option<&Value>,
        (event, events): (&Event, &[Event]),
    ) -> Vec<String> {
        let (cart, mut wrong) = (&event.data, Vec::new());
        let lines = list(cart, "lines");
        let of = |data| list(data, "lines").iter().map(bought).collect::<Vec<_>>();
        if text(cart, "state") != "checked_out" || before.is_none_or(|it| of(it) != of(cart)) {
            wrong.push(format!("it was {before:?}"));
        }
        let stream = format!("order:{}", text(cart, "order"));
        let mut created = events.iter().filter(|it| it.kind == "order.created");
        let total: i64 = lines
            .iter()
            .map(|line| number(&line["price"], "amount") * number(line, "quantity"))
            .sum();
        let fits = created.any(|it| {
            let order = &it.data;
            it.stream == stream
                && order["customer"] == cart["customer"]
                && HoldModel::units(order) == HoldModel::units(cart)
                && number(&order["total"], "amount") == total
        });
        if !fits || lines.is_empty() {
            wrong.push(format!("{stream} was not taken for it"));
        }
        for line in lines {
            let hold = format!("hold:{}", hold_of(text(cart, "id"), line));
            let mut ended = events.iter().filter(|it| it.stream == hold);
            if !ended.any(|it| it.kind == "stock.released") {
                wrong.push(format!("{hold} keeps units that its order has"));
            }
        }
        wrong
    }

    /// Counted units that the hold of a cart's line has at a position, and all of its units.
    pub(super) fn line_has(&self, cart: &CartId, sku: &str, position: u64) -> (i64, i64) {
        let hold = self.holds.get(&format!("cart:{cart}:{sku}"));
        let stood = hold.and_then(|hold| hold.at(position));
        let held = stood.filter(|hold| text(hold, "state") == "held");
        let lines = held.map_or(&[][..], |hold| list(hold, "lines"));
        let all = lines.iter().map(|line| number(line, "quantity")).sum();
        let counted = lines.iter().filter(|line| line["counted"] == true);
        (counted.map(|line| number(line, "quantity")).sum(), all)
    }

    /// A cart as it stood at a position.
    pub(super) fn cart_at(&self, id: &CartId, position: u64) -> Option<&Value> {
        let cart = self.carts.get(id.as_str())?;
        cart.at(position).map(|(.., data)| data)
    }
}

/// What is wrong with an event, whatever its lines.
fn follows(before: Option<&Value>, event: &Event, at: i64) -> Vec<String> {
    let now = &event.data;
    let kept = ["id", "customer", "created_at"];
    let well = match before {
        Some(before) => kept.iter().all(|name| before[*name] == now[*name]),
        None => number(now, "created_at") == at && list(now, "lines").is_empty(),
    };
    let changed = number(now, "updated_at") == at;
    let wrong = (!well || !changed).then(|| format!("{now} follows {before:?}"));
    wrong.into_iter().collect()
}

/// Deadlines that a write moved beyond the longest life.
fn overlong(id: &str, events: &[Event], since: i64) -> Option<String> {
    let last = since + i64::try_from(MAX_LIFE_MS * 1_000).unwrap_or(i64::MAX);
    let own = format!("hold:cart:{id}:");
    let mut moved = events
        .iter()
        .filter(|it| it.stream.starts_with(&own))
        .filter(|it| ["stock.held", "stock.extended"].contains(&it.kind.as_str()));
    let long = moved.find(|it| number(&it.data, "deadline") > last)?;
    Some(format!("{} is held beyond {last}", long.stream))
}

/// Whether an effect on a cart is what its row says.
pub(super) fn tells(row: &CartRow, (event, position): (&Event, u64)) -> bool {
    event.stream == format!("cart:{}", row.body.id)
        && (row.version, row.last) == (event.version, position)
        && value(&row.body) == event.data
}

/// Whether the order of a check-out is what its row says.
pub(super) fn tells_taken(
    effect: &Effect,
    model: &Model,
    (event, position): (&Event, u64),
) -> bool {
    let Effect::Order(row) = effect else {
        return false;
    };
    event.kind == "cart.checked_out"
        && text(&event.data, "order") == row.body.id.as_str()
        && row.last == position
        && tells_order(row, model, position)
}

/// Whether a row is what a command on a cart asked for; nothing for other commands.
pub(super) fn fulfils(command: &Command, row: &Row) -> Option<bool> {
    let event = row.events.last()?;
    let (kind, data) = (event.kind.as_str(), &event.data);
    match command {
        Command::BeginCart { id, customer } => Some(
            (kind, event.version) == ("cart.updated", 1)
                && text(data, "id") == id.as_str()
                && text(data, "customer") == customer.as_str(),
        ),
        Command::SetLine { id, line } => {
            let mut lines = list(data, "lines").iter();
            let now = lines.find(|it| text(it, "sku") == line.sku.as_str());
            let units = now.map(|it| number(it, "quantity"));
            let asked = line.quantity.map(|quantity| quantity.signed());
            Some(kind == "cart.updated" && text(data, "id") == id.as_str() && units == asked)
        }
        Command::CheckOut {
            id,
            order,
            confirming,
            ..
        } => {
            let life = i64::try_from(confirming.0 * 1_000).unwrap_or(i64::MAX);
            let mut created = row.events.iter();
            let timed = created
                .any(|it| it.kind == "order.created" && number(&it.data, "limit") == row.at + life);
            let named = text(data, "order") == order.as_str() && text(data, "id") == id.as_str();
            Some(kind == "cart.checked_out" && named && timed)
        }
        _ => None,
    }
}

/// Whether an answer that wrote nothing is true: there was no such line to take out.
pub(super) fn stands(command: &Command, row: &CartRow, model: &Model, position: u64) -> bool {
    let Command::SetLine { id, line } = command else {
        return false;
    };
    let stood = model.cart_at(id, position);
    stood.is_some_and(|cart| {
        let mut lines = list(cart, "lines").iter();
        let none = lines.all(|it| text(it, "sku") != line.sku.as_str());
        line.quantity.is_none() && none && value(&row.body) == *cart
    })
}

/// Whether a refusal for a cart's sake was true where it was given; nothing if it cannot be judged.
pub(super) fn is_true(
    rejection: &Rejection,
    (command, owner): (&Command, Option<&str>),
    position: u64,
    model: &Model,
) -> Option<bool> {
    let (Command::BeginCart { id, .. }
    | Command::SetLine { id, .. }
    | Command::CheckOut { id, .. }) = command
    else {
        return None;
    };
    let cart = model.cart_at(id, position);
    match rejection {
        Rejection::NotFound => Some(cart.is_none_or(|cart| {
            let customer = text(cart, "customer");
            owner.is_some_and(|owner| owner != customer)
        })),
        Rejection::AlreadyExists => Some(cart.is_some()),
        Rejection::CheckedOut => Some(cart.is_some_and(|it| text(it, "state") == "checked_out")),
        Rejection::Empty => Some(cart.is_some_and(|cart| list(cart, "lines").is_empty())),
        Rejection::LineLost { sku } => {
            let cart = cart?;
            let mut lines = list(cart, "lines").iter();
            let line = lines.find(|line| text(line, "sku") == sku.as_str());
            let hold = line.and_then(|line| model.holds.get(&hold_of(id.as_str(), line)));
            let hold = hold.and_then(|hold| hold.at(position));
            // It was judged before the row that came after, by that row's time or by a clock that
            // is ahead of the one that wrote it.
            let latest = model.at(position + 1)?.at.max(model.latest);
            let held = hold.zip(line);
            let held = held.is_some_and(|(hold, line)| serves(hold, (cart, line), latest));
            Some(line.is_some() && !held)
        }
        Rejection::Version | Rejection::Full | Rejection::Currency { .. } | Rejection::Total => {
            None
        }
    }
}
