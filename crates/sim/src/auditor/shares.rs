//! The auditor's own shares: what each customer has of a SKU that limits it.
//!
//! It decides by itself which units count, by the entry that the SKU had when they were held, and
//! counts them by the moves of each row. No customer ever has more than the SKU allows when units
//! are held (I7); the store's rows are the count (I8); and who is refused for a share's sake had
//! just that share at the position that the refusal names, and wanted too much (I22).

use super::Found;
use super::model::{number, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A SKU and a customer.
pub(super) type Share = (String, String);

/// Something at positions, the last one standing.
type History<T> = Vec<(u64, T)>;

/// All shares, as of each position.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// What each SKU allows one customer.
    most: BTreeMap<String, History<Option<i64>>>,
    units: BTreeMap<Share, History<i64>>,
    /// Units that count: hold and SKU.
    counted: BTreeSet<(String, String)>,
    /// Whose each hold is.
    whose: BTreeMap<String, String>,
}

fn at<T: Copy>(history: Option<&History<T>>, position: u64) -> Option<T> {
    let history = history?;
    let after = history.partition_point(|(at, _)| *at <= position);
    Some(history[after.checked_sub(1)?].1)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

impl Shares {
    /// What a SKU allows one customer at a position.
    pub(super) fn most(&self, sku: &str, position: u64) -> Option<i64> {
        at(self.most.get(sku), position).flatten()
    }

    /// Units that a customer has at a position.
    pub(super) fn units(&self, share: &Share, position: u64) -> i64 {
        at(self.units.get(share), position).unwrap_or(0)
    }

    /// Every share that ever was, as it stands.
    pub(super) fn all(&self) -> BTreeMap<Share, i64> {
        let last = |history: &History<i64>| history.last().map_or(0, |(_, units)| *units);
        let all = self.units.iter();
        all.map(|(share, history)| (share.clone(), last(history)))
            .collect()
    }

    /// Takes a row in: entries, holds and moves, in this order.
    pub(super) fn row(&mut self, body: &Value, position: u64, found: &mut Found) {
        let before = self.counted.clone();
        for event in list(body, "events") {
            let data = &event["data"];
            match text(event, "type") {
                "sku.created" | "sku.updated" => {
                    let most = data["max_per_customer"].as_i64();
                    let history = self.most.entry(text(data, "sku").to_owned()).or_default();
                    history.push((position, most));
                }
                "stock.held" => self.held(data, position, found),
                _ => {}
            }
        }
        for made in list(body, "moves") {
            self.moved(made, (&before, position), found);
        }
    }

    fn held(&mut self, data: &Value, position: u64, found: &mut Found) {
        let id = text(data, "id");
        self.whose
            .insert(id.to_owned(), text(data, "customer").to_owned());
        for line in list(data, "lines") {
            let sku = text(line, "sku");
            let counts = self.most(sku, position).is_some();
            if counts != (line["counted"] == true) {
                let what = format!("{id} says wrongly whether its units of {sku} count");
                found.push(("I7", what));
            }
            let line = (id.to_owned(), sku.to_owned());
            if counts {
                self.counted.insert(line);
            } else {
                self.counted.remove(&line);
            }
        }
    }

    /// `before` has what counted before the row: a cart's line may end and be held again in it.
    fn moved(
        &mut self,
        made: &Value,
        (before, position): (&BTreeSet<(String, String)>, u64),
        found: &mut Found,
    ) {
        let sign = match text(made, "operation") {
            "hold" => 1,
            "release" | "expire" | "unsell" | "return" => -1,
            _ => return,
        };
        let (id, sku) = (text(made, "ref").to_owned(), text(made, "sku").to_owned());
        let Some(customer) = self.whose.get(&id).cloned() else {
            return;
        };
        let most = self.most(&sku, position);
        let ends = ["release", "expire"].contains(&text(made, "operation"));
        let counted = match ends && id.starts_with("cart:") {
            true => before,
            false => &self.counted,
        };
        if !counted.contains(&(id.clone(), sku.clone())) {
            return;
        }
        let history = self.units.entry((sku.clone(), customer)).or_default();
        let before = history.last().map_or(0, |(_, units)| *units);
        let after = before + sign * number(made, "quantity");
        match history.last_mut() {
            Some(last) if last.0 == position => last.1 = after,
            _ => history.push((position, after)),
        }
        if after < 0 || sign > 0 && most.is_some_and(|most| after > most) {
            let what = format!("{id} leaves its customer {after} of {sku}, of which {most:?} may");
            found.push(("I7", what));
        }
    }

    /// Whether who is refused for a share's sake had so many units, and wanted too much.
    pub(super) fn is_true(
        &self,
        share: &Share,
        (most, has): (u64, u64),
        (wanted, own, position): (i64, i64, u64),
    ) -> bool {
        let stands = self.units(share, position);
        let limit = self.most(&share.0, position);
        i64::try_from(has) == Ok(stands - own)
            && limit.is_some_and(|limit| {
                i64::try_from(most) == Ok(limit) && stands - own + wanted > limit
            })
    }
}
