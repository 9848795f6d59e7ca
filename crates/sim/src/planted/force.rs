//! Writing without a belt: what a store does whose guards are off.
//!
//! Lies that a guard would stop are written here, row by row, as they come. Nothing is compared
//! with what stands, which the honest store never leaves out.

use super::Part;
use evenkeel_engine::port::{Row, RowWrite, ShareWrite, Writes};
use evenkeel_engine::store::memory::Tables;

/// Writes a part of a batch without looking at what stands.
pub(super) fn force(tables: &mut Tables, part: Part, writes: &Writes) {
    if matches!(part, Part::All | Part::Names | Part::Log | Part::Skipping) {
        let names = writes.names.iter();
        tables.names.extend(names.map(|write| (write.name, *write)));
    }
    if part == Part::Names {
        return;
    }
    if part != Part::Rows {
        let skipped = usize::from(part == Part::Skipping && writes.log.len() > 1);
        tables.log.extend(writes.log.iter().skip(skipped).cloned());
        tables.head = writes.head.clone();
        let refused = writes.refusals.iter();
        tables
            .refused
            .extend(refused.map(|row| (row.name, row.number)));
        tables.refusals.extend(writes.refusals.iter().cloned());
    }
    if part == Part::Log {
        return;
    }
    for write in &writes.holds {
        let row = write.row.clone();
        tables.hold_ids.insert(row.hold.id.clone(), row.created);
        tables.holds.insert(row.created, row);
    }
    for write in &writes.skus {
        let id = write.row.sku.terms.sku.clone();
        tables.skus.insert(id, write.row.clone());
    }
    for write in &writes.balances {
        tables.balances.insert(write.place.clone(), write.now);
    }
    for write in &writes.tokens {
        let id = write.row.token.id.clone();
        tables.tokens.insert(id, write.row.clone());
    }
    let timers = writes.timers.iter();
    tables
        .timers
        .extend(timers.map(|timer| (timer.due, timer.created)));
    for RowWrite { row, .. } in &writes.orders {
        tables.order_ids.insert(row.body.id.clone(), row.created);
        let was = tables.orders.insert(row.created, row.clone());
        disarm(tables, row, was);
    }
    for RowWrite { row, .. } in &writes.sagas {
        tables.saga_ids.insert(row.body.id.clone(), row.created);
        let was = tables.sagas.insert(row.created, row.clone());
        disarm(tables, row, was);
    }
    for RowWrite { row, .. } in &writes.carts {
        tables.cart_ids.insert(row.body.id.clone(), row.created);
        tables.carts.insert(row.created, row.clone());
    }
    for RowWrite { row, .. } in &writes.callbacks {
        let was = tables.callbacks.insert(row.created, row.clone());
        disarm(tables, row, was);
    }
    let dues = writes.dues.iter();
    tables
        .dues
        .extend(dues.map(|timer| (timer.due, timer.created)));
    let texts = writes.private.iter();
    tables
        .private
        .extend(texts.map(|row| (row.id, row.clone())));
}

/// Takes away the due time that a row had before, unless it has it still.
fn disarm<T>(tables: &mut Tables, row: &Row<T>, was: Option<Row<T>>) {
    let due = was.and_then(|was| was.due);
    if let Some(due) = due.filter(|due| row.due != Some(*due)) {
        tables.dues.remove(&(due, row.created));
    }
}

/// Writes customers' shares without looking; `keeps` leaves those that would shrink as they are.
pub(super) fn force_shares(tables: &mut Tables, writes: &Writes, keeps: bool) {
    let grows = |write: &&ShareWrite| !keeps || write.was.is_none_or(|was| write.now > was);
    let shares = writes.shares.iter().filter(grows);
    tables
        .shares
        .extend(shares.map(|write| (write.share.clone(), write.now)));
}
