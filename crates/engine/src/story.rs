//! Stories: what a log row left, and an order as it stood at a position.
//!
//! One log row renders the answer of almost every command. An order's events carry what they
//! changed and no more, so an order is walked back from the row that is asked for, event by event,
//! to the one that carries the whole of it, and folded forward from there.

use crate::body;
use crate::chain::{Entry, EntryEvent};
use crate::commit::Effect;
use crate::port::{Fault, OrderRow, Row, SagaRow, Store};
use crate::settle::orders::first_look;
use crate::settle::sagas;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::order::{Order, Patch, Tries};
use evenkeel_rules::saga::journey::{self, Journey};

/// The log row of a position.
///
/// # Errors
/// [`Fault::Corrupt`] if it is gone or cannot be read, or a fault of the store.
pub async fn entry_at(store: &dyn Store, position: u64) -> Result<Entry, Fault> {
    let rows = store.log(position, 1).await?.rows;
    let row = rows.into_iter().find(|row| row.position == position);
    let row = row.ok_or_else(|| Fault::Corrupt(format!("log row {position} is gone")))?;
    Entry::read(&row.text).map_err(Fault::Corrupt)
}

/// The effect that a position's command left, as it was then.
///
/// # Errors
/// As [`entry_at`].
pub async fn effect_at(store: &dyn Store, position: u64) -> Result<Effect, Fault> {
    let entry = entry_at(store, position).await?;
    // What came of a callback may stand behind it in the same row.
    let first = entry.events.first();
    if first.is_some_and(|event| event.kind == Kind::CallbackStored) {
        return body::effect(&entry).map_err(Fault::Corrupt);
    }
    let of_order = |event: &&EntryEvent| event.kind.aggregate() == Aggregate::Order;
    if entry.events.iter().any(|event| of_order(&event)) {
        let row = order_at(store, entry).await?;
        return Ok(Effect::Order(Box::new(row)));
    }
    let of_saga = |event: &EntryEvent| event.kind.aggregate() == Aggregate::Saga;
    if entry.events.iter().any(of_saga) {
        let row = saga_at(store, entry).await?;
        return Ok(Effect::Saga(Box::new(row)));
    }
    body::effect(&entry).map_err(Fault::Corrupt)
}

/// The saga over anybody's services that a log row is about, as the row left it.
///
/// # Errors
/// As [`entry_at`].
pub async fn saga_at(store: &dyn Store, entry: Entry) -> Result<SagaRow, Fault> {
    let (last, at) = (entry.position, entry.at);
    let mut entry = entry;
    let mut patches: Vec<journey::Patch> = Vec::new();
    loop {
        let position = entry.position;
        let broken = || Fault::Corrupt(format!("the story of a saga breaks off at {position}"));
        let mut of_saga = entry.events.iter();
        let event = of_saga.find(|event| event.kind.aggregate() == Aggregate::Saga);
        let event = event.ok_or_else(broken)?;
        if event.kind == Kind::SagaStarted {
            let journey: Journey = event.data().map_err(Fault::Corrupt)?;
            let version = event.version + patches.len() as u64;
            let mut patches = patches.into_iter().rev();
            let body = patches.try_fold(journey, |journey, patch| patch.apply(journey));
            let body = body.ok_or_else(broken)?;
            return Ok(Row {
                created: position,
                last,
                version,
                flagged: body.is_flagged(),
                due: sagas::first_look(&body, at),
                body,
                tries: Tries::default(),
            });
        }
        patches.push(event.data().map_err(Fault::Corrupt)?);
        if !(1..position).contains(&event.previous) {
            return Err(broken());
        }
        entry = entry_at(store, event.previous).await?;
    }
}

/// The order that a log row is about, as the row left it.
///
/// # Errors
/// As [`entry_at`].
pub async fn order_at(store: &dyn Store, entry: Entry) -> Result<OrderRow, Fault> {
    let (last, at) = (entry.position, entry.at);
    let mut entry = entry;
    let mut patches: Vec<Patch> = Vec::new();
    loop {
        let position = entry.position;
        let of_order = entry.events.iter().rev();
        let mut previous = None;
        for event in of_order.filter(|event| event.kind.aggregate() == Aggregate::Order) {
            if matches!(event.kind, Kind::OrderCreated | Kind::OrderRejected) {
                let order: Order = event.data().map_err(Fault::Corrupt)?;
                let version = event.version + patches.len() as u64;
                let patches = patches.into_iter().rev();
                let body = patches.fold(order, |order, patch| patch.apply(order));
                return Ok(Row {
                    created: position,
                    last,
                    version,
                    flagged: body.is_flagged(),
                    due: first_look(&body, at),
                    body,
                    tries: Tries::default(),
                });
            }
            patches.push(event.data().map_err(Fault::Corrupt)?);
            previous = Some(event.previous);
        }
        match previous {
            Some(before) if (1..position).contains(&before) => {
                entry = entry_at(store, before).await?;
            }
            Some(_) | None => {
                let what = format!("the story of an order breaks off at {position}");
                return Err(Fault::Corrupt(what));
            }
        }
    }
}
