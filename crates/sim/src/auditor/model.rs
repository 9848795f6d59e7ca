//! The auditor's own model: what the log says, folded by its own tables.
//!
//! Balances come from the moves of each text and from nothing else; streams from its events. The
//! operations and the legal successions are spelled here a second time, on purpose: a mistake in
//! `rules` must not be repeated by whoever checks it.

use super::Found;
use super::carts::CartModel;
use super::holds::{self, HoldModel, Moved};
use super::lives::{aggregate, folded, may_follow};
use super::orders::OrderModel;
use super::outbox::Outbox;
use super::sagas;
use super::shares::Shares;
use super::truth::Truth;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A SKU and a location.
pub(super) type Place = (String, String);

/// One row of the log as it became durable.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) position: u64,
    pub(super) hash: [u8; 32],
    pub(super) at: i64,
    pub(super) mono: Duration,
    pub(super) key: Option<String>,
    pub(super) fingerprint: String,
    pub(super) events: Vec<Event>,
}

/// One event of a row.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) stream: String,
    pub(super) version: u64,
    pub(super) kind: String,
    pub(super) data: Value,
}

/// The end of a stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) version: u64,
    pub(super) last: u64,
    pub(super) created: u64,
    pub(super) kind: String,
    pub(super) data: Value,
}

/// What the log says.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) rows: Vec<Row>,
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) holds: BTreeMap<String, HoldModel>,
    pub(super) orders: BTreeMap<String, OrderModel>,
    pub(super) sagas: BTreeMap<String, sagas::History>,
    pub(super) carts: BTreeMap<String, CartModel>,
    pub(super) truth: Truth,
    /// What subscribers are owed and were told.
    pub(super) outbox: Outbox,
    /// What customers have of SKUs that limit them.
    pub(super) shares: Shares,
    /// Callbacks that were stored as genuine, by sender, provider and id.
    pub(super) callbacks: BTreeSet<String>,
    pub(super) balances: BTreeMap<Place, [i64; 7]>,
    /// Units available per place, after each position that changed them.
    pub(super) history: BTreeMap<Place, Vec<(u64, i64)>>,
    /// Keys and the positions at which they took effect.
    pub(super) keys: BTreeMap<String, u64>,
    /// What the last rows touched and nobody compared yet.
    pub(super) touched: (BTreeSet<String>, BTreeSet<Place>),
    pub(super) transitions: BTreeSet<(Option<String>, String)>,
    /// The latest time that a node may have judged at, in microseconds.
    pub(super) latest: i64,
    origin: [u8; 32],
    /// The row that is taken in makes an order of a cart, whose units were judged when held.
    gathers: bool,
}

/// The account that gives and the one that takes: supply, available, held, sold, shipped,
/// returned, written off.
fn accounts(operation: &str) -> Option<(usize, usize)> {
    Some(match operation {
        "receive" | "find" => (0, 1),
        "hold" => (1, 2),
        "release" | "expire" => (2, 1),
        "confirm" => (2, 3),
        "scrap_available" => (1, 6),
        "unsell" => (3, 1),
        "ship" => (3, 4),
        "return" => (4, 5),
        "restock" => (5, 1),
        "scrap_returned" => (5, 6),
        "transfer_out" => (1, 0),
        "transfer_in" => (0, 1),
        _ => return None,
    })
}

/// The accounts that are not empty, by name.
fn spelled(balances: &[i64; 7]) -> String {
    let names = [
        "supply",
        "available",
        "held",
        "sold",
        "shipped",
        "returned",
        "written off",
    ];
    let all = names.iter().zip(balances).filter(|(_, units)| **units != 0);
    let said: Vec<String> = all.map(|(name, units)| format!("{name} {units}")).collect();
    said.join(", ")
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

pub(super) fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or(i64::MIN)
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

impl Model {
    pub(super) fn new(origin: [u8; 32]) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    pub(super) fn rows_seen(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn position(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.position)
    }

    /// A row in the middle and the last one.
    pub(super) fn anchors(&self) -> Vec<(u64, [u8; 32])> {
        let some = [self.rows.get(self.rows.len() / 2), self.rows.last()];
        let mut anchors: Vec<_> = some.into_iter().flatten().collect();
        anchors.dedup_by_key(|row| row.position);
        let anchors = anchors.into_iter();
        anchors.map(|row| (row.position, row.hash)).collect()
    }

    pub(super) const fn origin(&self) -> [u8; 32] {
        self.origin
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        self.rows.last().map_or(self.origin, |row| row.hash)
    }

    pub(super) fn time(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.at)
    }

    pub(super) fn at(&self, position: u64) -> Option<&Row> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        self.rows.get(index)
    }

    pub(super) fn transitions(&self) -> &BTreeSet<(Option<String>, String)> {
        &self.transitions
    }

    /// Units available at a position.
    pub(super) fn available_at(&self, place: &Place, position: u64) -> i64 {
        let Some(history) = self.history.get(place) else {
            return 0;
        };
        let after = history.partition_point(|(at, _)| *at <= position);
        after.checked_sub(1).map_or(0, |index| history[index].1)
    }

    pub(super) fn available(&self) -> Vec<(Place, i64)> {
        let stands = self.balances.iter();
        stands.map(|(place, at)| (place.clone(), at[1])).collect()
    }

    pub(super) fn live_holds(&self) -> Vec<(String, i64)> {
        let live = self.holds.iter().filter(|(_, hold)| hold.is_timed());
        live.map(|(id, hold)| (id.clone(), hold.deadline()))
            .collect()
    }

    /// Takes in a row; the key that it took, if it had one.
    pub(super) fn row(
        &mut self,
        bytes: &[u8],
        hash: [u8; 32],
        mono: Duration,
        found: &mut Found,
    ) -> Option<String> {
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
            found.push(("I16", "a log text is not JSON".to_owned()));
            return None;
        };
        let position = count(&body, "position");
        if position != self.position() + 1 {
            let last = self.position();
            found.push(("I16", format!("position {position} follows {last}")));
        }
        let linked: [u8; 32] = Sha256::new_with_prefix(self.hash())
            .chain_update(bytes)
            .finalize()
            .into();
        if linked != hash {
            found.push(("I16", format!("the hash of {position} does not link")));
        }
        let at = number(&body, "at");
        if at < self.time() {
            found.push(("I4", format!("log time falls at {position}")));
        }
        let fingerprint = text(&body, "fingerprint").to_owned();
        let key = (!fingerprint.is_empty()).then(|| text(&body["cause"], "id").to_owned());
        if let Some(key) = &key
            && let Some(first) = self.keys.insert(key.clone(), position)
        {
            let what = format!("a key took effect at {first} and again at {position}");
            found.push(("I6", what));
        }
        let (events, moved) = self.events(&body, (position, at), found);
        self.carts(&events, (position, at), found);
        self.moves(&body, position, found);
        holds::check_moves((&events, &body), moved, found);
        self.shares.row(&body, position, found);
        self.check_stock_data(&events, found);
        self.rows.push(Row {
            position,
            hash,
            at,
            mono,
            key: key.clone(),
            fingerprint,
            events,
        });
        key
    }

    fn events(
        &mut self,
        body: &Value,
        (position, at): (u64, i64),
        found: &mut Found,
    ) -> (Vec<Event>, Moved) {
        let mut moved = Moved::new();
        let list = body["events"].as_array().map_or(&[][..], Vec::as_slice);
        if list.is_empty() {
            found.push(("I7", format!("the row {position} has no event")));
        }
        let mut events = Vec::with_capacity(list.len());
        let gathers = |value: &Value| text(value, "type") == "cart.checked_out";
        self.gathers = list.iter().any(gathers);
        for value in list {
            let event = Event {
                stream: text(value, "stream").to_owned(),
                version: count(value, "version"),
                kind: text(value, "type").to_owned(),
                data: value["data"].clone(),
            };
            if let Some(id) = event.stream.strip_prefix("hold:") {
                self.hold(id, &event, (position, at), found);
            }
            if let Some(id) = event.stream.strip_prefix("order:") {
                self.order((id, &event), at, &mut moved, found);
            }
            if let Some(id) = event.stream.strip_prefix("saga:") {
                self.saga((id, &event), position, found);
            }
            if event.kind == "callback.stored" {
                self.stored(&event, found);
            }
            self.event(&event, (position, count(value, "previous")), found);
            self.outbox.event(&event, (position, events.len()));
            events.push(event);
        }
        self.stand(&events, position, found);
        (events, moved)
    }

    fn event(&mut self, event: &Event, (position, previous): (u64, u64), found: &mut Found) {
        let stream = &event.stream;
        let before = self.streams.get(stream);
        let (version, last) = before.map_or((0, 0), |before| (before.version, before.last));
        let kind = before.map(|before| before.kind.clone());
        let belongs = stream
            .split_once(':')
            .is_some_and(|(word, _)| word == aggregate(&event.kind));
        if !belongs || !may_follow(kind.as_deref(), &event.kind) {
            let before = kind.as_deref().unwrap_or("nothing");
            let what = format!("{} after {before} in {stream}", event.kind);
            found.push(("I7", what));
        }
        if event.version != version + 1 || previous != last {
            let what = format!(
                "{stream} goes on at version {} after {previous}, but stands at {version}, {last}",
                event.version
            );
            found.push(("I7", what));
        }
        let created = before.map_or(position, |before| before.created);
        match aggregate(&event.kind) {
            // Theirs are pairs of states.
            "order" | "saga" => {}
            // People may decide anything about it at any time.
            "subscription" => {
                let before = kind.map(|_| "subscription".to_owned());
                self.transitions.insert((before, event.kind.clone()));
            }
            _ => drop(self.transitions.insert((kind, event.kind.clone()))),
        }
        self.touched.0.insert(stream.clone());
        let after = Stream {
            version: event.version,
            last: position,
            created,
            kind: event.kind.clone(),
            data: folded(before.map(|before| &before.data), event),
        };
        self.streams.insert(stream.clone(), after);
    }

    fn hold(&mut self, id: &str, event: &Event, at: (u64, i64), found: &mut Found) {
        let again = event.kind == "stock.held";
        if let Some(hold) = self.holds.get_mut(id).filter(|_| !again) {
            return hold.change(id, event, at, found);
        }
        let before = self.holds.remove(id);
        let judged = !(self.gathers && id.starts_with("order:"));
        let terms = |sku: &str| {
            let stream = self.streams.get(&format!("sku:{sku}"))?;
            Some(if judged {
                stream.data.clone()
            } else {
                Value::Null
            })
        };
        let placed = HoldModel::place(event, at, &terms, found);
        let placed = match before {
            Some(before) => placed.follow(id, before, found),
            None => placed,
        };
        self.holds.insert(id.to_owned(), placed);
    }

    fn moves(&mut self, body: &Value, position: u64, found: &mut Found) {
        for entry in body["moves"].as_array().map_or(&[][..], Vec::as_slice) {
            let place = (
                text(entry, "sku").to_owned(),
                text(entry, "location").to_owned(),
            );
            let quantity = number(entry, "quantity");
            let operation = text(entry, "operation");
            let Some((from, to)) = accounts(operation) else {
                found.push(("I2", format!("{operation:?} at {position} is no move")));
                continue;
            };
            if quantity < 1 {
                found.push(("I2", format!("{quantity} units move at {position}")));
                continue;
            }
            let balances = self.balances.entry(place.clone()).or_default();
            balances[from] -= quantity;
            balances[to] += quantity;
            if balances.iter().skip(1).any(|units| *units < 0) {
                let (sku, location) = &place;
                let stands = spelled(balances);
                let what = format!("{sku} at {location} stands at {stands} at {position}");
                found.push(("I1", what));
            }
            if balances.iter().sum::<i64>() != 0 {
                found.push(("I2", format!("{} does not sum to zero", place.0)));
            }
            let available = balances[1];
            let history = self.history.entry(place.clone()).or_default();
            match history.last_mut() {
                Some(last) if last.0 == position => last.1 = available,
                _ => history.push((position, available)),
            }
            self.touched.1.insert(place);
        }
    }

    /// A change of stock by hand says all balances of its SKU: they are the fold's.
    fn check_stock_data(&self, events: &[Event], found: &mut Found) {
        for event in events {
            let Some(sku) = event.stream.strip_prefix("stock:") else {
                continue;
            };
            let said: BTreeMap<Place, Vec<i64>> = event.data["stock"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|line| {
                    let place = (sku.to_owned(), text(line, "location").to_owned());
                    let accounts = line["accounts"].as_array().map_or(&[][..], Vec::as_slice);
                    (place, accounts.iter().filter_map(Value::as_i64).collect())
                })
                .collect();
            let stands = self.balances.iter().filter(|((of, _), _)| of == sku);
            let stands: BTreeMap<Place, Vec<i64>> = stands
                .map(|(place, accounts)| (place.clone(), accounts.to_vec()))
                .collect();
            if said != stands {
                let what = format!("{} says {said:?}, the fold {stands:?}", event.stream);
                found.push(("I8", what));
            }
        }
    }
}
