//! The auditor's own state machine of a hold.
//!
//! One ending; expiry only at or after the deadline that stood before it; every other change only
//! before it, all on log time; nothing but the members that an event is about ever changes; and
//! every unit that a hold's event speaks of moves in the same row, no more and no less.

use super::Found;
use super::model::{Event, Place, number, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A hold as the log tells it.
#[derive(Debug)]
pub(super) struct HoldModel {
    pub(super) data: Value,
    /// Versions: position and state after it.
    pub(super) versions: Vec<(u64, Value)>,
    ended: Option<u64>,
    /// It was told to somebody that it has expired: nothing but an expiry may follow.
    pub(super) told_expired: bool,
}

const ENDINGS: [(&str, &str); 3] = [
    ("stock.confirmed", "confirmed"),
    ("stock.released", "released"),
    ("stock.expired", "expired"),
];

fn lines(data: &Value) -> &[Value] {
    data["lines"].as_array().map_or(&[], Vec::as_slice)
}

/// What must not change from one version to the next.
fn fixed(data: &Value) -> (&Value, &Value, &Value, Vec<[&Value; 4]>) {
    let of = |line| -> [&Value; 4] {
        let line: &Value = line;
        ["sku", "location", "quantity", "counted"].map(|member| &line[member])
    };
    let lines = lines(data).iter().map(of).collect();
    (&data["id"], &data["customer"], &data["placed_at"], lines)
}

impl HoldModel {
    pub(super) fn is_live(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether the sweep has to end it one day.
    pub(super) fn is_timed(&self) -> bool {
        self.is_live() && self.state() == "held"
    }

    pub(super) fn deadline(&self) -> i64 {
        number(&self.data, "deadline")
    }

    pub(super) fn state(&self) -> &str {
        text(&self.data, "state")
    }

    /// Units of each place.
    pub(super) fn units(data: &Value) -> BTreeMap<Place, i64> {
        let mut units = BTreeMap::new();
        for line in lines(data) {
            let place = (
                text(line, "sku").to_owned(),
                text(line, "location").to_owned(),
            );
            *units.entry(place).or_default() += number(line, "quantity");
        }
        units
    }

    pub(super) fn place(
        event: &Event,
        (position, at): (u64, i64),
        terms: &dyn Fn(&str) -> Option<Value>,
        found: &mut Found,
    ) -> Self {
        let data = event.data.clone();
        let id = text(&data, "id");
        let state = text(&data, "state");
        let ordered = state == "confirming" && !data["order"].is_null();
        if state != "held" && !ordered || number(&data, "placed_at") != at {
            found.push(("I15", format!("{id} is placed as {data}")));
        }
        // Units that are taken again for an order were judged by the terms when it was taken.
        let again = ordered && id.starts_with("late:");
        let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
        for ((sku, _), units) in Self::units(&data) {
            *wanted.entry(sku).or_default() += units;
        }
        for (sku, units) in wanted {
            let Some(terms) = terms(&sku) else {
                found.push(("I7", format!("{id} holds {sku}, which is not listed")));
                continue;
            };
            let most = terms["max_per_order"].as_i64().unwrap_or(i64::MAX);
            let opens = terms["sale"]["opens_at"].as_i64().unwrap_or(i64::MIN);
            let closes = terms["sale"]["closes_at"].as_i64().unwrap_or(i64::MAX);
            if !again && (units > most || at < opens || closes <= at) {
                found.push(("I7", format!("{id} is held against the terms of {sku}")));
            }
        }
        Self {
            versions: vec![(position, data.clone())],
            data,
            ended: None,
            told_expired: false,
        }
    }

    /// The hold as it stood at a position.
    pub(super) fn at(&self, position: u64) -> Option<&Value> {
        let after = self.versions.partition_point(|(at, _)| *at <= position);
        let index = after.checked_sub(1)?;
        self.versions.get(index).map(|(_, data)| data)
    }

    /// Goes on with what stood before under its id: only a cart's line is held again, once its
    /// hold was released or ran out.
    pub(super) fn follow(self, id: &str, before: Self, found: &mut Found) -> Self {
        let ended = ["released", "expired"].contains(&before.state());
        if !ended || !id.starts_with("cart:") || self.data["customer"] != before.data["customer"] {
            let what = format!("{id} is held again and was {}", before.data);
            found.push(("I3", what));
        }
        let mut versions = before.versions;
        versions.extend(self.versions);
        Self { versions, ..self }
    }

    pub(super) fn change(
        &mut self,
        id: &str,
        event: &Event,
        (position, at): (u64, i64),
        found: &mut Found,
    ) {
        let state = match ENDINGS.iter().find(|(kind, _)| *kind == event.kind) {
            Some((_, state)) => {
                if let Some(first) = self.ended {
                    let what = format!("{id} ended at {first} and again at {position}");
                    found.push(("I3", what));
                }
                self.ended = Some(position);
                *state
            }
            None if event.kind == "stock.confirming" => "confirming",
            None => "held",
        };
        let deadline = self.deadline();
        let expires = state == "expired";
        // The deadline counts no more once an order began on the hold.
        let ordered = self.state() == "confirming";
        if expires && (at < deadline || ordered) {
            found.push(("I4", format!("{id} expired before its deadline")));
        }
        if ordered && ["held", "confirming"].contains(&state) {
            found.push(("I3", format!("{} of {id}, which an order has", event.kind)));
        }
        if !expires && !ordered && (deadline <= at || self.told_expired) {
            let what = format!("{} of {id} at {at}, deadline {deadline}", event.kind);
            found.push(("I4", what));
        }
        let next = &event.data;
        let moved = number(next, "deadline");
        let kept = match state {
            "held" => moved >= deadline,
            "confirming" => moved == deadline && !next["order"].is_null(),
            _ => {
                let same = next["order"] == self.data["order"];
                moved == deadline && number(next, "ended_at") == at && same
            }
        };
        let split = |line: &Value| {
            let (sold, back) = (number(line, "confirmed"), number(line, "released"));
            sold >= 0 && back >= 0 && sold + back == number(line, "quantity")
        };
        let split = state != "confirmed" || lines(next).iter().all(split);
        if text(next, "state") != state || fixed(&self.data) != fixed(next) || !kept || !split {
            let what = format!("{} of {id} made {next} of {}", event.kind, self.data);
            found.push(("I15", what));
        }
        self.data = next.clone();
        self.versions.push((position, next.clone()));
    }
}

/// Units by what is done with them and for whom.
pub(super) type Moved = BTreeMap<(String, String, Place), i64>;

pub(super) fn expect(moved: &mut Moved, (operation, id): (&str, &str), line: &Value, units: i64) {
    if units > 0 {
        let place = (
            text(line, "sku").to_owned(),
            text(line, "location").to_owned(),
        );
        let what = (operation.to_owned(), id.to_owned(), place);
        *moved.entry(what).or_default() += units;
    }
}

/// The moves of a row are those that its events speak of.
pub(super) fn check_moves((events, body): (&[Event], &Value), expected: Moved, found: &mut Found) {
    let mut expected = expected;
    let mut by_hand = 0;
    for event in events {
        let data = &event.data;
        let id = text(data, "id");
        if event.kind == "stock.transferred" {
            let out = number(&body["moves"][0], "quantity");
            let line = |place: &str| json!({"sku": data["sku"], "location": data[place]});
            let about = text(&body["moves"][0], "ref");
            expect(
                &mut expected,
                ("transfer_out", about),
                &line("location"),
                out,
            );
            expect(&mut expected, ("transfer_in", about), &line("to"), out);
        } else {
            by_hand += usize::from(event.stream.starts_with("stock:"));
        }
        for line in lines(data) {
            let all = number(line, "quantity");
            match event.kind.as_str() {
                "stock.held" => expect(&mut expected, ("hold", id), line, all),
                "stock.released" => expect(&mut expected, ("release", id), line, all),
                "stock.expired" => expect(&mut expected, ("expire", id), line, all),
                "stock.confirmed" => {
                    let (sold, back) = (number(line, "confirmed"), number(line, "released"));
                    expect(&mut expected, ("confirm", id), line, sold);
                    expect(&mut expected, ("release", id), line, back);
                }
                _ => {}
            }
        }
    }
    let mut moved = Moved::new();
    let mut others = 0;
    for entry in body["moves"].as_array().map_or(&[][..], Vec::as_slice) {
        let operation = text(entry, "operation");
        if ["receive", "find", "scrap_available"].contains(&operation) {
            others += 1;
        } else {
            let units = number(entry, "quantity");
            // Returned units go on sale again or are written off.
            let back = ["restock", "scrap_returned"].contains(&operation);
            let operation = if back { "back" } else { operation };
            let reference = text(entry, "ref");
            expect(&mut moved, (operation, reference), entry, units);
        }
    }
    if moved != expected || others != by_hand {
        let position = &body["position"];
        let what = format!("{position} speaks of {expected:?} and moves {moved:?}, {others}");
        found.push(("I2", what));
    }
}
