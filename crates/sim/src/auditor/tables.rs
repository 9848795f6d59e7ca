//! Comparing the store's rows with the auditor's folds, for what the last rows touched.

use super::Found;
use super::model::{Model, Place, Stream};
use super::orders;
use evenkeel_engine::store::memory::Tables;
use evenkeel_rules::ids::{
    CartId, HoldId, LocationId, OrderId, SagaId, SkuId, SubscriptionId, TokenId,
};
use serde_json::Value;

fn value(row: &impl serde::Serialize) -> Value {
    serde_json::to_value(row).expect("a row is plain JSON")
}

/// Compares the head and everything that was touched since the last time.
pub(super) fn compare_touched(model: &mut Model, tables: &Tables, found: &mut Found) {
    let (streams, places) = std::mem::take(&mut model.touched);
    let head = &tables.head;
    if (head.position, head.hash) != (model.position(), model.hash()) {
        let last = model.position();
        found.push((
            "I16",
            format!("the head says {}, the log {last}", head.position),
        ));
    }
    if head.time.micros() < model.time() {
        found.push(("I4", "the head's time is before the last row's".to_owned()));
    }
    for stream in &streams {
        compare_stream(model, tables, stream, found);
    }
    for place in &places {
        compare_balances(model, tables, place, found);
    }
    compare_shares(model, tables, found);
}

/// Compares what customers have of SKUs that limit them with the fold; there are few.
fn compare_shares(model: &Model, tables: &Tables, found: &mut Found) {
    let fold = model.shares.all();
    let stands = tables.shares.iter().map(|((sku, customer), units)| {
        let units = i64::try_from(*units).unwrap_or(i64::MAX);
        ((sku.to_string(), customer.to_string()), units)
    });
    if !stands.eq(fold.clone()) {
        let what = format!("shares are {:?}, their fold {fold:?}", tables.shares);
        found.push(("I8", what));
    }
}

/// Compares the state row of a stream with its fold.
pub(super) fn compare_stream(model: &Model, tables: &Tables, stream: &str, found: &mut Found) {
    let Some(fold) = model.streams.get(stream) else {
        return;
    };
    let (word, id) = stream.split_once(':').unwrap_or((stream, ""));
    let same = match word {
        "hold" => hold_is(tables, id, fold),
        "sku" => sku_is(tables, id, fold),
        "stock" => stock_is(tables, id, fold),
        "token" => token_is(tables, id, fold),
        "order" => order_is(model, tables, (id, fold), found),
        "saga" => saga_is(tables, (id, fold), found),
        "cart" => cart_is(tables, id, fold),
        "callback" => callback_is(tables, id, fold),
        "subscription" => subscription_is(tables, id, fold),
        // An erasure leaves no row.
        "private" => true,
        _ => false,
    };
    if !same {
        found.push(("I15", format!("the row of {stream} is not its fold")));
    }
}

fn hold_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let id = HoldId::new(id).expect("the engine wrote a well-formed id");
    let created = tables.hold_ids.get(&id);
    let row = created.and_then(|created| tables.holds.get(created));
    row.is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.hold) == fold.data
    })
}

fn sku_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let id = SkuId::new(id).expect("the engine wrote a well-formed id");
    tables.skus.get(&id).is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.sku) == fold.data
    })
}

fn stock_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let id = SkuId::new(id).expect("the engine wrote a well-formed id");
    tables
        .skus
        .get(&id)
        .is_some_and(|row| (row.stock_last, row.stock_version) == (fold.last, fold.version))
}

fn token_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let id = TokenId::new(id).expect("the engine wrote a well-formed id");
    tables.tokens.get(&id).is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.token) == fold.data
    })
}

fn order_is(
    model: &Model,
    tables: &Tables,
    (id, fold): (&str, &Stream),
    found: &mut Found,
) -> bool {
    let of = OrderId::new(id).expect("the engine wrote a well-formed id");
    let created = tables.order_ids.get(&of);
    let row = created.and_then(|created| tables.orders.get(created));
    let (Some(row), Some(order)) = (row, model.orders.get(id)) else {
        return false;
    };
    let timed = row
        .due
        .is_some_and(|due| tables.dues.contains(&(due, row.created)));
    if orders::needs_calls(&order.data) && !timed {
        found.push(("I18", format!("order {id} needs a call and has no timer")));
    }
    let numbers = (row.created, row.last, row.version);
    numbers == (fold.created, fold.last, fold.version) && value(&row.body) == order.data
}

fn saga_is(tables: &Tables, (id, fold): (&str, &Stream), found: &mut Found) -> bool {
    let of = SagaId::new(id).expect("the engine wrote a well-formed id");
    let created = tables.saga_ids.get(&of);
    let Some(row) = created.and_then(|created| tables.sagas.get(created)) else {
        return false;
    };
    let timed = row
        .due
        .is_some_and(|due| tables.dues.contains(&(due, row.created)));
    let state = fold.data["run"]["state"].as_str().unwrap_or("");
    if ["running", "compensating"].contains(&state) && !timed {
        found.push(("I18", format!("saga {id} needs a call and has no timer")));
    }
    if row.flagged != (state == "stuck") {
        found.push((
            "I13",
            format!("saga {id} is {state}, flagged: {}", row.flagged),
        ));
    }
    let numbers = (row.created, row.last, row.version);
    numbers == (fold.created, fold.last, fold.version) && value(&row.body) == fold.data
}

fn cart_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let id = CartId::new(id).expect("the engine wrote a well-formed id");
    let created = tables.cart_ids.get(&id);
    let row = created.and_then(|created| tables.carts.get(created));
    row.is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.body) == fold.data
    })
}

fn callback_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let row = id
        .parse()
        .ok()
        .and_then(|id: u64| tables.callbacks.get(&id));
    row.is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.body) == fold.data
    })
}

fn subscription_is(tables: &Tables, id: &str, fold: &Stream) -> bool {
    let of = SubscriptionId::new(id).expect("the engine wrote a well-formed id");
    tables.subscriptions.get(&of).is_some_and(|row| {
        let numbers = (row.created, row.last, row.version);
        numbers == (fold.created, fold.last, fold.version) && value(&row.body) == fold.data
    })
}

/// Compares the balances of a place with the fold of all moves.
pub(super) fn compare_balances(model: &Model, tables: &Tables, at: &Place, found: &mut Found) {
    let place = (
        SkuId::new(&at.0).expect("the engine wrote a well-formed id"),
        LocationId::new(&at.1).expect("the engine wrote a well-formed id"),
    );
    let stands = tables.balances.get(&place).map(|balances| balances.raw());
    let fold = model.balances.get(at).copied();
    if stands != fold {
        let (sku, location) = at;
        let what = format!("{sku} at {location} is {stands:?}, its fold {fold:?}");
        found.push(("I8", what));
    }
}
