//! What was answered about orders and callbacks, held against the auditor's own folds.

use super::Found;
use super::carts;
use super::holds::HoldModel;
use super::model::{Event, Model, Row, number, text};
use super::orders::{Amounts, list};
use evenkeel_engine::Done;
use evenkeel_engine::commit::{Command, Effect, Received};
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::order::{Ask, Rejection};
use serde_json::Value;
use std::collections::BTreeMap;

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("an effect is plain JSON")
}

/// Whether an order is told as it stood at a position.
pub(super) fn tells_order(row: &OrderRow, model: &Model, position: u64) -> bool {
    let order = model.orders.get(row.body.id.as_str());
    let at = order.and_then(|order| order.at(position));
    at.is_some_and(|(_, version, data)| *version == row.version && value(&row.body) == *data)
}

/// Whether an effect on an order or a callback is what its row says; nothing for other effects.
pub(super) fn tells(effect: &Effect, model: &Model, (event, position): (&Event, u64)) -> bool {
    match effect {
        Effect::Cart(row) => carts::tells(row, (event, position)),
        Effect::Order(row) => {
            carts::tells_taken(effect, model, (event, position))
                || event.stream == format!("order:{}", row.body.id)
                    && row.last == position
                    && tells_order(row, model, position)
        }
        Effect::Saga(row) => {
            let known = model.saga_at(row.body.id.as_str(), position);
            event.stream == format!("saga:{}", row.body.id)
                && row.last == position
                && known.is_some_and(|(_, version, data)| {
                    *version == row.version && value(&row.body) == *data
                })
        }
        Effect::Callback { row, .. } => {
            event.kind == "callback.stored"
                && row.created == position
                && value(&row.body) == event.data
        }
        Effect::Erased(texts) => event.kind == "private.erased" && event.data["texts"] == *texts,
        _ => false,
    }
}

/// Units of each place.
pub(super) fn units(lines: &[Wanted]) -> BTreeMap<(String, String), i64> {
    let mut units = BTreeMap::new();
    for line in lines {
        let at = (line.sku.to_string(), line.location.to_string());
        *units.entry(at).or_default() += line.quantity.signed();
    }
    units
}

fn is_taken(ask: &Ask, row: &Row) -> bool {
    let mut events = row.events.iter();
    let Some(created) = events.find(|event| event.kind == "order.created") else {
        return false;
    };
    let data = &created.data;
    let life = i64::try_from(ask.confirming.0 * 1_000).unwrap_or(i64::MAX);
    text(data, "id") == ask.id.as_str()
        && text(data, "customer") == ask.customer.as_str()
        && HoldModel::units(data) == units(&ask.lines)
        && number(data, "limit") == row.at + life
        && ask
            .expected_total
            .is_none_or(|total| data["total"] == value(&total))
        && ask
            .hold
            .as_ref()
            .is_none_or(|hold| data["holds"] == Value::from(vec![hold.as_str()]))
}

/// Whether a row is what a command on an order or of a callback asked for.
pub(super) fn fulfils(command: &Command, row: &Row) -> bool {
    let wrote = |id: &str, kinds: &[&str]| {
        let stream = format!("order:{id}");
        let mut events = row.events.iter();
        events.any(|event| event.stream == stream && kinds.contains(&event.kind.as_str()))
    };
    match command {
        Command::TakeOrder { ask, .. } => is_taken(ask, row),
        Command::CancelOrder { id, .. } => {
            wrote(id.as_str(), &["order.cancelled", "order.cancel_requested"])
        }
        Command::RefundOrder { id, refund, .. } => {
            let mut refunds = row.events.iter().flat_map(|it| list(&it.data, "refunds"));
            let named = refunds.any(|it| text(it, "id") == refund.as_str());
            named && wrote(id.as_str(), &["payment.refund_requested"])
        }
        Command::ReturnOrder { id, .. } => wrote(id.as_str(), &["order.returned"]),
        Command::ResolveOrder { id, .. } => wrote(id.as_str(), &["order.review_closed"]),
        Command::StartSaga { ask, .. } => row.events.last().is_some_and(|event| {
            let data = &event.data;
            event.kind == "saga.started"
                && text(data, "id") == ask.id.as_str()
                && data["steps"] == value(&ask.steps)
        }),
        Command::RetrySaga { id, .. } => wrote_saga(row, id.as_str(), "saga.retried"),
        Command::CompensateSaga { id, .. } => wrote_saga(row, id.as_str(), "saga.turned"),
        // What contradicts may have the provider asked again, which its order notes behind it.
        Command::StoreCallback(received) => row.events.first().is_some_and(|event| {
            event.kind == "callback.stored" && is_callback(received, &event.data)
        }),
        Command::Erase { customer, .. } => row.events.last().is_some_and(|event| {
            event.kind == "private.erased" && text(&event.data, "customer") == customer.as_str()
        }),
        _ => false,
    }
}

fn wrote_saga(row: &Row, id: &str, kind: &str) -> bool {
    let mut events = row.events.iter();
    events.any(|event| event.stream == format!("saga:{id}") && event.kind == kind)
}

fn is_callback(received: &Received, data: &Value) -> bool {
    text(data, "event") == received.event
        && text(data, "order") == received.order.as_str()
        && data["news"] == value(&received.news)
}

/// A callback that was answered is stored: as genuine, or set aside for its id is another's.
pub(super) fn check_callback(received: &Received, done: &Done, model: &Model, found: &mut Found) {
    let event = model.at(done.position).and_then(|row| row.events.first());
    let kept = event
        .is_some_and(|event| event.kind == "callback.stored" && is_callback(received, &event.data));
    if !kept {
        let what = format!(
            "the callback {} was answered at {} and is not there",
            received.event, done.position
        );
        // A repeat is answered by its key, which came without its effect.
        let broken = if done.replayed { "I6" } else { "I5" };
        found.push((broken, what));
    }
}

/// Whether a cancel that wrote nothing is true: the order was cancelled, or being cancelled.
pub(super) fn stands(command: &Command, row: &OrderRow, model: &Model, position: u64) -> bool {
    let Command::CancelOrder { id, .. } = command else {
        return false;
    };
    let order = model.orders.get(id.as_str());
    let at = order.and_then(|order| order.at(position));
    at.is_some_and(|(_, _, data)| {
        let running = text(&data["cancel"]["run"], "state");
        let ends = text(data, "status") == "CANCELLED";
        (ends || ["running", "stuck"].contains(&running)) && tells_order(row, model, position)
    })
}

/// Whether a refusal of a command on an order was true where it was given; nothing if it cannot
/// be judged.
pub(super) fn is_true(
    rejection: &Rejection,
    (command, owner): (&Command, Option<&str>),
    position: u64,
    model: &Model,
) -> Option<bool> {
    let id = match command {
        Command::TakeOrder { ask, .. } => &ask.id,
        Command::CheckOut { order, .. } => order,
        Command::CancelOrder { id, .. }
        | Command::RefundOrder { id, .. }
        | Command::ReturnOrder { id, .. }
        | Command::ResolveOrder { id, .. } => id,
        _ => return None,
    };
    let order = model.orders.get(id.as_str());
    let at = order.and_then(|order| order.at(position));
    let data = at.map(|(_, _, data)| data);
    match rejection {
        Rejection::NotFound => Some(data.is_none_or(|data| {
            let another = owner.is_some_and(|owner| owner != text(data, "customer"));
            another || text(data, "status") == "REJECTED"
        })),
        Rejection::AlreadyExists => {
            let own = model.holds.contains_key(&format!("order:{id}"));
            Some(data.is_some() || own)
        }
        Rejection::IllegalTransition { from, .. } => {
            Some(data.is_some_and(|data| text(data, "status") == from.name()))
        }
        Rejection::RefundExists => {
            let Command::RefundOrder { refund, .. } = command else {
                return None;
            };
            let same = |it: &Value| text(it, "id") == refund.as_str();
            Some(data.is_some_and(|data| list(data, "refunds").iter().any(same)))
        }
        Rejection::ExceedsRefundable => {
            let Command::RefundOrder { amount, .. } = command else {
                return None;
            };
            let left = data.map_or(0, |data| {
                let amounts = Amounts::of(data);
                amounts.captured - amounts.requested
            });
            let wanted = amount.map_or(left, |amount| amount.amount);
            Some(wanted < 1 || wanted > left)
        }
        Rejection::NoReview => Some(data.is_none_or(|data| {
            let stuck = |run: &Value| text(run, "state") == "stuck";
            let refunds = list(data, "refunds").iter().any(|it| stuck(&it["run"]));
            let sagas = stuck(&data["saga"]) || stuck(&data["cancel"]["run"]);
            text(&data["review"], "state") != "open" && !refunds && !sagas
        })),
        Rejection::Version
        | Rejection::Currency { .. }
        | Rejection::AmountCurrency
        | Rejection::Total
        | Rejection::PriceChanged { .. }
        | Rejection::LinesDiffer
        | Rejection::MoreThanShipped { .. } => None,
    }
}
