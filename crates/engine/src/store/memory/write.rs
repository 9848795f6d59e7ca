//! Writing a batch into the rows in memory: all guards first, then everything.

use super::Tables;
use crate::chain;
use crate::commit::Name;
use crate::port::{Fault, LogRow, Row, RowWrite, SubscriptionWrite, Upkeep, Writes};
use evenkeel_rules::time::LogTime;
use std::collections::{BTreeMap, BTreeSet};

impl Tables {
    /// Whether a name stands for something.
    pub(super) fn knows(&self, name: &Name) -> bool {
        self.names.contains_key(name) || self.refused.contains_key(name)
    }

    /// Checks every guard before anything is written.
    pub(super) fn check(&self, writes: &Writes) -> Result<(), Fault> {
        let corrupt = |what: String| Err(Fault::Corrupt(what));
        if self.head.position != writes.was {
            return corrupt(format!("the head stands at {}", self.head.position));
        }
        for write in &writes.holds {
            let stands = self.holds.get(&write.row.created).map(|row| row.version);
            if stands != write.was {
                return corrupt(format!("hold {} has another version", write.row.hold.id));
            }
        }
        for write in &writes.balances {
            if self.balances.get(&write.place).copied() != write.was {
                return corrupt(format!("{} has other balances", write.place.0));
            }
        }
        for write in &writes.shares {
            if self.shares.get(&write.share).copied() != write.was {
                let (sku, customer) = &write.share;
                return corrupt(format!("{customer} has another share of {sku}"));
            }
        }
        for write in &writes.skus {
            let row = self.skus.get(&write.row.sku.terms.sku);
            if row.map(|row| (row.version, row.stock_version)) != write.was {
                return corrupt(format!("{} has another version", write.row.sku.terms.sku));
            }
        }
        for write in &writes.tokens {
            let stands = self.tokens.get(&write.row.token.id).map(|row| row.version);
            if stands != write.was {
                return corrupt(format!("token {} has another version", write.row.token.id));
            }
        }
        for write in &writes.subscriptions {
            let stands = self.subscriptions.get(&write.row.body.id);
            if stands.map(|row| row.version) != write.was {
                let id = &write.row.body.id;
                return corrupt(format!("subscription {id} has another version"));
            }
        }
        check_rows(&self.orders, &writes.orders)?;
        check_rows(&self.sagas, &writes.sagas)?;
        check_rows(&self.carts, &writes.carts)?;
        check_rows(&self.callbacks, &writes.callbacks)?;
        for row in &writes.private {
            if self.private.contains_key(&row.id) {
                return corrupt(format!("private text {:?} is taken", row.id));
            }
        }
        for id in &writes.erased {
            if !self.private.contains_key(id) {
                return corrupt(format!("private text {id:?} is gone"));
            }
        }
        let names = writes.names.iter().map(|write| &write.name);
        let mut names = names.chain(writes.refusals.iter().map(|row| &row.name));
        match names.find(|name| self.knows(name)) {
            Some(name) => corrupt(format!("name {} is taken", chain::hex(name))),
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, writes: &Writes) {
        self.log.extend(writes.log.iter().cloned());
        self.names
            .extend(writes.names.iter().map(|write| (write.name, *write)));
        self.refused
            .extend(writes.refusals.iter().map(|row| (row.name, row.number)));
        self.refusals.extend(writes.refusals.iter().cloned());
        for write in &writes.holds {
            self.hold_ids
                .insert(write.row.hold.id.clone(), write.row.created);
            self.holds.insert(write.row.created, write.row.clone());
        }
        for write in &writes.skus {
            self.skus
                .insert(write.row.sku.terms.sku.clone(), write.row.clone());
        }
        for write in &writes.balances {
            self.balances.insert(write.place.clone(), write.now);
        }
        for write in &writes.shares {
            self.shares.insert(write.share.clone(), write.now);
        }
        for write in &writes.tokens {
            self.tokens
                .insert(write.row.token.id.clone(), write.row.clone());
        }
        for SubscriptionWrite { row, .. } in &writes.subscriptions {
            self.subscriptions.insert(row.body.id.clone(), row.clone());
        }
        self.timers
            .extend(writes.timers.iter().map(|timer| (timer.due, timer.created)));
        for write in &writes.orders {
            let (id, created) = (write.row.body.id.clone(), write.row.created);
            self.order_ids.insert(id, created);
        }
        write_rows(&mut self.orders, &mut self.dues, &writes.orders);
        for write in &writes.sagas {
            let (id, created) = (write.row.body.id.clone(), write.row.created);
            self.saga_ids.insert(id, created);
        }
        write_rows(&mut self.sagas, &mut self.dues, &writes.sagas);
        for write in &writes.carts {
            let (id, created) = (write.row.body.id.clone(), write.row.created);
            self.cart_ids.insert(id, created);
        }
        write_rows(&mut self.carts, &mut self.dues, &writes.carts);
        write_rows(&mut self.callbacks, &mut self.dues, &writes.callbacks);
        self.dues
            .extend(writes.dues.iter().map(|timer| (timer.due, timer.created)));
        let texts = writes.private.iter();
        self.private.extend(texts.map(|row| (row.id, row.clone())));
        for id in &writes.erased {
            if let Some(row) = self.private.get_mut(id) {
                row.text.clear();
                row.erased_at.get_or_insert(writes.head.time);
            }
        }
        self.keep_up(&writes.upkeep);
        self.head = writes.head.clone();
    }

    fn keep_up(&mut self, upkeep: &Upkeep) {
        let seals = upkeep.seals.iter();
        self.seals
            .extend(seals.map(|seal| (seal.position, seal.clone())));
        for position in &upkeep.forget_seals {
            self.seals.remove(position);
        }
        let segments = upkeep.segments.iter();
        self.segments
            .extend(segments.map(|row| (row.first, row.clone())));
        for first in &upkeep.forget_segments {
            self.segments.remove(first);
        }
        if let Some((first, last)) = upkeep.taken_out {
            self.log
                .retain(|row| !(first..=last).contains(&row.position));
        }
        if !upkeep.brought_back.is_empty() {
            let back = &upkeep.brought_back;
            let is_back = |row: &LogRow| back.iter().any(|it| it.position == row.position);
            self.log.retain(|row| !is_back(row));
            self.log.extend(back.iter().cloned());
            self.log.sort_by_key(|row| row.position);
        }
    }
}

fn check_rows<T>(rows: &BTreeMap<u64, Row<T>>, writes: &[RowWrite<T>]) -> Result<(), Fault> {
    for RowWrite { row, was } in writes {
        if rows.get(&row.created).map(|row| row.version) != *was {
            let what = format!("the row of {} has another version", row.created);
            return Err(Fault::Corrupt(what));
        }
    }
    Ok(())
}

/// Writes rows, and ends the timers that they no longer have.
fn write_rows<T: Clone>(
    rows: &mut BTreeMap<u64, Row<T>>,
    dues: &mut BTreeSet<(LogTime, u64)>,
    writes: &[RowWrite<T>],
) {
    for RowWrite { row, .. } in writes {
        let was = rows.insert(row.created, row.clone()).and_then(|it| it.due);
        if let Some(due) = was.filter(|due| row.due != Some(*due)) {
            dues.remove(&(due, row.created));
        }
    }
}
