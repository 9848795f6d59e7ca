//! What has a life of its own in the auditor's model: which event may follow which, and how orders
//! and callbacks are folded.
//!
//! The legal successions are spelled here a second time, as everything is that the auditor judges
//! by. A callback is stored once as genuine under the provider's id for it; an order agrees after
//! each row with the hold that has its units.

use super::Found;
use super::holds::{HoldModel, Moved};
use super::model::{Event, Model, Stream, text};
use super::orders::{self, OrderModel, Scene};
use super::sagas;
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether an event may follow another in a stream.
pub(super) fn may_follow(before: Option<&str>, next: &str) -> bool {
    let ends = ["stock.confirmed", "stock.released", "stock.expired"];
    match before {
        None => [
            "sku.created",
            "stock.received",
            "stock.adjusted",
            "stock.held",
            "token.created",
            "order.created",
            "order.rejected",
            "saga.started",
            "cart.updated",
            "callback.stored",
            "private.erased",
            "subscription.created",
        ]
        .contains(&next),
        Some("sku.created" | "sku.updated") => next == "sku.updated",
        Some("stock.received" | "stock.adjusted" | "stock.transferred") => {
            ["stock.received", "stock.adjusted", "stock.transferred"].contains(&next)
        }
        Some("stock.held" | "stock.extended") => {
            ["stock.extended", "stock.confirming"].contains(&next) || ends.contains(&next)
        }
        // Only a cart's line is held again: which hold it is is looked at there.
        Some("stock.released" | "stock.expired") => next == "stock.held",
        Some("cart.updated") => ["cart.updated", "cart.checked_out"].contains(&next),
        Some("stock.confirming") => ["stock.confirmed", "stock.released"].contains(&next),
        Some("callback.stored") => ["callback.applied", "callback.quarantined"].contains(&next),
        // What may follow what in an order is a matter of its states.
        Some(before) if aggregate(before) == "order" => {
            before != "order.rejected" && !["order.created", "order.rejected"].contains(&next)
        }
        // Nor in a saga: what may become of it is looked at there.
        Some(before) if aggregate(before) == "saga" => next != "saga.started",
        Some("token.created") => next == "token.revoked",
        Some(before) if aggregate(before) == "subscription" => {
            before != "subscription.deleted" && next != "subscription.created"
        }
        Some(_) => false,
    }
}

/// The word before the colon of the stream that an event type belongs to.
pub(super) fn aggregate(kind: &str) -> &'static str {
    match kind {
        "sku.created" | "sku.updated" => "sku",
        "stock.received" | "stock.adjusted" | "stock.transferred" => "stock",
        "token.created" | "token.revoked" => "token",
        // Three of this name are an order's.
        "saga.unknown" | "saga.completed" | "saga.stuck" => "order",
        _ => match kind.split_once('.').map(|(word, _)| word) {
            Some("order" | "payment" | "delivery") => "order",
            Some("saga") => "saga",
            Some("cart") => "cart",
            Some("callback") => "callback",
            Some("private") => "private",
            Some("subscription") => "subscription",
            _ => "hold",
        },
    }
}

/// A stream's data after an event. An order's are folded elsewhere; a callback's turn carries only
/// its state and why.
pub(super) fn folded(before: Option<&Value>, event: &Event) -> Value {
    match (before, aggregate(&event.kind)) {
        (_, "order") => Value::Null,
        (before, "saga") => sagas::folded(before, event),
        (Some(before), "callback") => {
            let mut data = before.clone();
            for name in ["state", "why"] {
                match (event.data.get(name), data.as_object_mut()) {
                    (Some(value), Some(members)) => {
                        members.insert(name.to_owned(), value.clone());
                    }
                    (None, Some(members)) => {
                        members.remove(name);
                    }
                    (_, None) => {}
                }
            }
            data
        }
        _ => event.data.clone(),
    }
}

impl Model {
    pub(super) fn order(
        &mut self,
        (id, event): (&str, &Event),
        at: i64,
        moved: &mut Moved,
        found: &mut Found,
    ) {
        let streams = &self.streams;
        let terms = |sku: &str| {
            let stream = streams.get(&format!("sku:{sku}"));
            stream.map(|stream| stream.data.clone())
        };
        let mut scene = Scene {
            at,
            terms: &terms,
            truth: &self.truth,
            transitions: &mut self.transitions,
            moved,
            found,
        };
        match self.orders.get_mut(id) {
            Some(order) => order.change(event, &mut scene),
            None => {
                let order = OrderModel::create(event, &mut scene);
                self.orders.insert(id.to_owned(), order);
            }
        }
    }

    /// An event id is stored once as genuine; what comes again under it is set aside at once.
    pub(super) fn stored(&mut self, event: &Event, found: &mut Found) {
        let data = &event.data;
        let names = ["sender", "provider", "event"].map(|name| text(data, name));
        let first = self.callbacks.insert(names.join("\n"));
        let genuine = text(data, "why") != "other_body";
        if first != genuine {
            let what = format!("the callback {names:?} was stored again as {data}");
            found.push(("I6", what));
        }
    }

    /// After a row each of its orders agrees with its hold.
    pub(super) fn stand(&mut self, events: &[Event], position: u64, found: &mut Found) {
        let mut seen = BTreeSet::new();
        for event in events.iter().rev() {
            let Some(id) = event.stream.strip_prefix("order:") else {
                continue;
            };
            let Some(order) = self.orders.get_mut(id).filter(|_| seen.insert(id)) else {
                continue;
            };
            order.note(position, event.version);
            let data = &order.data;
            let hold = orders::list(data, "holds").last().and_then(Value::as_str);
            let hold = hold.and_then(|id| self.holds.get(id));
            let state = hold.map_or("", HoldModel::state);
            let agrees = match text(data, "units") {
                "held" => state == "confirming",
                "sold" | "left" => state == "confirmed",
                _ => true,
            };
            // A cart holds its line again once an order of that hold gave the units back.
            let again = |hold: &HoldModel| {
                text(data, "units") == "free" && text(&hold.data, "id").starts_with("cart:")
            };
            let mine = hold.is_none_or(|hold| text(&hold.data, "order") == id || again(hold));
            if !agrees || !mine {
                let units = text(data, "units");
                let what = format!("units of {id} are {units}, its hold is {state:?}");
                found.push(("I11", what));
            }
        }
    }

    /// What is not over yet of orders, sagas and callbacks.
    pub(super) fn unfinished(&self) -> Option<String> {
        let orders = self.orders.iter();
        let mut open = orders.filter_map(|(id, order)| {
            let why = orders::unfinished(&order.data)?;
            Some(format!("order {id}: {why}"))
        });
        let waits = || {
            let mut all = self.streams.iter();
            let waits = |(_, stream): &(&String, &Stream)| {
                let set_aside = text(&stream.data, "state") == "quarantined";
                stream.kind == "callback.stored" && !set_aside
            };
            let found = all.find(waits);
            found.map(|(name, _)| format!("{name} waits to be taken in"))
        };
        open.next()
            .or_else(|| self.unfinished_saga())
            .or_else(waits)
    }
}
