//! Whether the rest of the store agrees with what a log row says.
//!
//! The chain alone cannot tell an edited row from one that was rewritten, with its hash, just
//! before it. State rows and the name index were written by the same commit: they can.

use super::callbacks::core_hash as core_of;
use super::carts;
use super::holds::{core_hash, takes};
use super::judge::Parsed;
use super::sagas;
use crate::body::StockData;
use crate::callback::{Callback, Turn};
use crate::chain::{Entry, EntryEvent};
use crate::port::{At, Fault, Mark, Store};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{OrderId, SkuId};
use evenkeel_rules::order::{Order, Patch};
use evenkeel_rules::sku::Sku;

/// Whether the store's other rows are what this log row says: nothing if they do not tell.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn vouches(
    store: &dyn Store,
    row: &Parsed,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(entry) = &row.entry else {
        return Ok(Some(false));
    };
    if !moves_agree(entry) || !key_agrees(store, entry, position).await? {
        return Ok(Some(false));
    }
    let mut vouched = None;
    for (number, event) in entry.events.iter().enumerate() {
        let mut later = entry.events[number + 1..].iter();
        let is_last = later.all(|other| other.stream != event.stream);
        let said = match event.kind.aggregate() {
            // The state row is what the last of them left.
            Aggregate::Hold if !is_last => None,
            Aggregate::Hold => of_hold(store, event, position).await?,
            Aggregate::Sku => of_sku(store, event, position).await?,
            Aggregate::Stock => of_stock(store, event, position).await?,
            Aggregate::Order => of_order(store, (entry, event), position).await?,
            Aggregate::Saga => sagas::vouches(store, event, position).await?,
            Aggregate::Cart => carts::vouches(store, event, position).await?,
            Aggregate::Callback => of_callback(store, event, position).await?,
            Aggregate::Token | Aggregate::Private | Aggregate::Subscription => None,
        };
        match said {
            Some(false) => return Ok(Some(false)),
            Some(true) => vouched = Some(true),
            None => (),
        }
    }
    Ok(vouched)
}

/// Whether a row's moves are those of its holds' events.
fn moves_agree(entry: &Entry) -> bool {
    let of_holds = entry
        .events
        .iter()
        .all(|event| event.kind.aggregate() == Aggregate::Hold);
    let mut moves = entry.moves.iter();
    let agree = |event: &EntryEvent| {
        let hold: Result<Hold, String> = event.data();
        hold.is_ok_and(|hold| takes(event.kind, &hold, &mut moves))
    };
    !of_holds || (entry.events.iter().all(agree) && moves.next().is_none())
}

/// What a read says; nothing when its rows are damaged themselves.
fn told<T>(read: Result<At<T>, Fault>) -> Result<Option<At<T>>, Fault> {
    match read {
        Ok(at) => Ok(Some(at)),
        Err(Fault::Corrupt(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn key_agrees(store: &dyn Store, entry: &Entry, position: u64) -> Result<bool, Fault> {
    let Some((name, fingerprint)) = entry.key() else {
        return Ok(true);
    };
    let known = told(store.names(&[name]).await)?;
    let known = known.and_then(|at| at.rows.into_iter().next().flatten());
    Ok(known
        .is_none_or(|row| row.mark == Mark::Position(position) && row.fingerprint == fingerprint))
}

async fn of_hold(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(hold) = event.data::<Hold>() else {
        return Ok(Some(false));
    };
    let Some(row) = told(store.hold(&hold.id).await)?.and_then(|at| at.rows) else {
        return Ok(None);
    };
    if row.last == position {
        return Ok(Some(row.hold == hold));
    }
    // The line of a cart is placed anew with what it has then.
    if hold.id.is_of_cart() {
        return Ok(None);
    }
    // It was changed since; what never changes must be the same.
    let same = core_hash(&row.hold, None) == core_hash(&hold, None);
    Ok(if same { None } else { Some(false) })
}

async fn of_sku(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(sku) = event.data::<Sku>() else {
        return Ok(Some(false));
    };
    let row = told(store.sku(&sku.terms.sku).await)?.and_then(|at| at.rows);
    let row = row.map(|(row, _)| row);
    let row = row.filter(|row| row.last == position);
    Ok(row.map(|row| row.sku == sku))
}

async fn of_stock(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(data) = event.data::<StockData>() else {
        return Ok(Some(false));
    };
    let Ok(id) = SkuId::new(event.id()) else {
        return Ok(Some(false));
    };
    let at = told(store.sku(&id).await)?.filter(|at| at.position == position);
    let Some((_, stock)) = at.and_then(|at| at.rows) else {
        return Ok(None);
    };
    // The last row of all: nothing moved since.
    let told = data
        .stock
        .iter()
        .map(|told| (&told.location, told.accounts));
    let stands = stock
        .iter()
        .map(|(location, balances)| (location, balances.raw()));
    let legal = matches!(
        event.kind,
        Kind::StockReceived | Kind::StockAdjusted | Kind::StockTransferred
    );
    Ok(Some(legal && told.eq(stands)))
}

/// An order that was not changed since shows all that this row's events changed, as the last of
/// them left it; one that was shows at least what its first event said and none may change.
async fn of_order(
    store: &dyn Store,
    (entry, event): (&Entry, &EntryEvent),
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(id) = OrderId::new(event.id()) else {
        return Ok(Some(false));
    };
    let Some(row) = told(store.order(&id).await)?.and_then(|at| at.rows) else {
        return Ok(None);
    };
    if event.kind.begins() {
        let Ok(first) = event.data::<Order>() else {
            return Ok(Some(false));
        };
        let stands = &row.body;
        let core = |order: &Order| {
            let adjustments = order.adjustments.clone();
            let customer = order.customer.clone();
            (customer, order.total, adjustments, order.created_at)
        };
        if core(&first) != core(stands) {
            return Ok(Some(false));
        }
    }
    if row.last != position {
        return Ok(None);
    }
    let mut body = row.body.clone();
    for event in entry.events.iter().filter(|it| it.stream == event.stream) {
        let after = if event.kind.begins() {
            event.data::<Order>()
        } else {
            event.data::<Patch>().map(|patch| patch.apply(body))
        };
        match after {
            Ok(after) => body = after,
            Err(_) => return Ok(Some(false)),
        }
    }
    Ok(Some(body == row.body))
}

async fn of_callback(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(created) = event.id().parse() else {
        return Ok(Some(false));
    };
    let Some(row) = told(store.callback(created).await)?.and_then(|at| at.rows) else {
        return Ok(None);
    };
    if event.kind.begins() {
        let Ok(callback) = event.data::<Callback>() else {
            return Ok(Some(false));
        };
        if core_of(&callback) != core_of(&row.body) {
            return Ok(Some(false));
        }
    }
    let turn = event.data::<Turn>();
    let same = turn.is_ok_and(|turn| (turn.state, turn.why) == (row.body.state, row.body.why));
    Ok((row.last == position).then_some(same || event.kind.begins()))
}
