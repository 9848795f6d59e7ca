//! Waking what rests, before something happens to it.
//!
//! The last event before the seal is found by the pointer that the next one has; for a cart's
//! lines, whose holds may not change with it, by the hold's row. What cannot be read, or is not
//! there, is no finding here: all is folded from zero then, and that names it.

use super::callbacks::{CallbackFold, core_hash};
use super::carts::CartFold;
use super::fold::Fold;
use super::holds::{HoldFold, body_hash, core_hash as hold_core, kind_of};
use super::orders::{self, Body, OrderFold};
use super::rest::{Resting, callback_of, combined};
use super::sagas::{self, SagaFold};
use super::stream::Stream;
use crate::callback::{Callback, Turn};
use crate::chain::{Entry, EntryEvent};
use crate::commit::{Name, cart_name, hold_name, order_name, saga_name};
use crate::port::{Fault, Mark, Store};
use crate::story;
use evenkeel_rules::cart::{self, Cart};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{CartId, HoldId, OrderId, SagaId};

/// Wakes what a row's events are about.
///
/// # Errors
/// A [`Fault`] of the store other than damage.
pub(super) async fn wake(store: &dyn Store, entry: &Entry, fold: &mut Fold) -> Result<(), Fault> {
    let Some(upto) = fold.rest.as_ref().map(|rest| rest.position) else {
        return Ok(());
    };
    for event in &entry.events {
        let rested = (1..=upto).contains(&event.previous);
        let woken = match event.kind.aggregate() {
            Aggregate::Hold if rested => hold(store, event, fold).await,
            Aggregate::Order if rested => order(store, event, fold).await,
            Aggregate::Saga if rested => saga(store, event, fold).await,
            Aggregate::Callback if rested => callback(store, event, fold).await,
            Aggregate::Cart => cart(store, (entry, event), fold, rested).await,
            _ => Ok(()),
        };
        match woken {
            Err(Fault::Corrupt(what)) => fold.doubt(what),
            other => other?,
        }
    }
    Ok(())
}

fn gone(what: &str) -> Fault {
    Fault::Corrupt(format!("{what}: it is not where it should be"))
}

/// Where the name index has the id of something.
async fn created_of(store: &dyn Store, name: &Name) -> Result<u64, Fault> {
    let known = store
        .names(&[*name])
        .await?
        .rows
        .into_iter()
        .flatten()
        .next();
    match known.map(|row| row.mark) {
        Some(Mark::Position(created)) => Ok(created),
        Some(Mark::Refusal(..)) | None => Err(gone("a name")),
    }
}

/// The last event of a stream in a row.
fn last_of<'a>(entry: &'a Entry, stream: &str) -> Result<&'a EntryEvent, Fault> {
    let mut events = entry.events.iter().rev();
    let found = events.find(|event| event.stream == stream);
    found.ok_or_else(|| gone(stream))
}

fn stream_of(created: u64, (position, event): (u64, &EntryEvent)) -> Stream {
    Stream {
        created,
        last: position,
        version: event.version,
        kind: event.kind,
        adopted: false,
        gapped: false,
        seen: false,
    }
}

async fn hold(store: &dyn Store, event: &EntryEvent, fold: &mut Fold) -> Result<(), Fault> {
    let id = HoldId::new(event.id()).map_err(|_| gone("a hold"))?;
    let name = hold_name(&id);
    if fold.holds.index(&name).is_some() {
        return Ok(());
    }
    let entry = story::entry_at(store, event.previous).await?;
    hold_at(store, (&entry, &event.stream), name, fold).await
}

async fn hold_at(
    store: &dyn Store,
    (entry, stream): (&Entry, &str),
    name: Name,
    fold: &mut Fold,
) -> Result<(), Fault> {
    let event = last_of(entry, stream)?;
    let hold: Hold = event.data().map_err(Fault::Corrupt)?;
    let created = created_of(store, &name).await?;
    let woken = HoldFold {
        created,
        last: entry.position,
        deadline: hold.deadline,
        body: body_hash(&hold),
        core: hold_core(&hold, hold.order.as_ref()),
        version: u32::try_from(event.version).unwrap_or(u32::MAX),
        kind: kind_of(event.kind, &hold),
        adopted: false,
        gapped: false,
        seen: false,
    };
    fold.wake_hold(name, woken);
    Ok(())
}

async fn order(store: &dyn Store, event: &EntryEvent, fold: &mut Fold) -> Result<(), Fault> {
    let id = OrderId::new(event.id()).map_err(|_| gone("an order"))?;
    let name = order_name(&id);
    if fold.orders.index(&name).is_some() {
        return Ok(());
    }
    let entry = story::entry_at(store, event.previous).await?;
    let last = last_of(&entry, &event.stream)?;
    let mut stream = stream_of(0, (entry.position, last));
    let row = story::order_at(store, entry).await?;
    (stream.created, stream.version) = (row.created, row.version);
    let body = orders::hash(&row.body);
    let woken = OrderFold {
        stream,
        status: row.body.status,
        called_off: row.body.cancel.is_some(),
        body: Body::whole(&row.body),
    };
    fold.wake_order(name, woken, body);
    Ok(())
}

async fn saga(store: &dyn Store, event: &EntryEvent, fold: &mut Fold) -> Result<(), Fault> {
    let id = SagaId::new(event.id()).map_err(|_| gone("a saga"))?;
    if fold.sagas.contains_key(&id) {
        return Ok(());
    }
    let entry = story::entry_at(store, event.previous).await?;
    let last = last_of(&entry, &event.stream)?;
    let mut stream = stream_of(0, (entry.position, last));
    let row = story::saga_at(store, entry).await?;
    stream.created = created_of(store, &saga_name(&id)).await?;
    let digest = combined(stream.place(), &sagas::hash(&row.body));
    stream.seen = fold.woken(Resting::Saga, (stream.created, digest));
    fold.sagas.insert(id, SagaFold::of(stream, row.body));
    Ok(())
}

async fn callback(store: &dyn Store, event: &EntryEvent, fold: &mut Fold) -> Result<(), Fault> {
    let created: u64 = event.id().parse().map_err(|_| gone("a callback"))?;
    if fold.callbacks.contains_key(&created) {
        return Ok(());
    }
    let began = story::entry_at(store, created).await?;
    let stored: Callback = first_of(&began, event)?;
    let entry = story::entry_at(store, event.previous).await?;
    let last = last_of(&entry, &event.stream)?;
    let turn: Option<Turn> = match last.kind {
        Kind::CallbackStored => None,
        _ => Some(last.data().map_err(Fault::Corrupt)?),
    };
    let state = turn.as_ref().map_or(stored.state, |turn| turn.state);
    let why = turn.as_ref().map_or(stored.why, |turn| turn.why);
    let core = core_hash(&stored);
    let mut woken = CallbackFold {
        stream: stream_of(created, (entry.position, last)),
        core: Some(core),
        state,
        why,
    };
    let digest = callback_of(&woken, core);
    woken.stream.seen = fold.woken(Resting::Callback, (created, digest));
    fold.callbacks.insert(created, woken);
    Ok(())
}

/// What the row that stored a callback says of it.
fn first_of(began: &Entry, event: &EntryEvent) -> Result<Callback, Fault> {
    let is_it = |it: &&EntryEvent| it.stream == event.stream && it.kind == Kind::CallbackStored;
    let stored = began.events.iter().find(is_it);
    let stored = stored.ok_or_else(|| gone("a callback"))?;
    stored.data().map_err(Fault::Corrupt)
}

async fn cart(
    store: &dyn Store,
    (entry, event): (&Entry, &EntryEvent),
    fold: &mut Fold,
    rested: bool,
) -> Result<(), Fault> {
    let id = CartId::new(event.id()).map_err(|_| gone("a cart"))?;
    if rested && !fold.carts.contains_key(&id) {
        let before = story::entry_at(store, event.previous).await?;
        let last = last_of(&before, &event.stream)?;
        let body: Cart = last.data().map_err(Fault::Corrupt)?;
        let created = created_of(store, &cart_name(&id)).await?;
        let mut stream = stream_of(created, (before.position, last));
        let mut woken = CartFold::of(stream, &body);
        let digest = combined(stream.place(), &woken.body);
        stream.seen = fold.woken(Resting::Cart, (created, digest));
        woken.stream = stream;
        fold.carts.insert(id.clone(), woken);
    }
    let Ok(now) = event.data::<Cart>() else {
        return Ok(());
    };
    for line in now.lines.iter().filter(|line| !line.lost) {
        if now.state == cart::State::Open {
            line_hold(store, entry, &HoldId::of_cart(&id, &line.sku), fold).await?;
        }
    }
    Ok(())
}

/// Wakes the hold of a cart's line that no event of the row is about.
async fn line_hold(
    store: &dyn Store,
    entry: &Entry,
    id: &HoldId,
    fold: &mut Fold,
) -> Result<(), Fault> {
    let (name, stream) = (hold_name(id), format!("hold:{id}"));
    let here = entry.events.iter().any(|event| event.stream == stream);
    if here || fold.holds.index(&name).is_some() {
        return Ok(());
    }
    let Some(row) = store.hold(id).await?.rows else {
        return Ok(());
    };
    let mut at = row.last;
    loop {
        let found = story::entry_at(store, at).await?;
        if found.position < entry.position {
            let rests = fold.rests(found.position);
            if rests {
                hold_at(store, (&found, &stream), name, fold).await?;
            }
            return Ok(());
        }
        // One row may end a hold and take it anew: what was before the row its first event says.
        let first = found.events.iter().find(|event| event.stream == stream);
        at = match first.map(|event| event.previous) {
            Some(previous) if (1..at).contains(&previous) => previous,
            _ => return Ok(()),
        };
    }
}
