//! The answers as clients write them down, in the lines of an acks file.
//!
//! `load` and `demo` write one line for each attempt, and `verify` holds the lines against the log.
//! The simulator's clients do the same, so that `verify` is tried on every history that faults can
//! make. What an answer means in HTTP is spelled here a second time, for whoever checks it.

use crate::auditor::Answer;
use crate::workload::Asked;
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::{Command, Key, Rejection, Subscribing};
use evenkeel_engine::lineage::Lineage;
use evenkeel_engine::port::Fault;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::saga::journey;
use evenkeel_rules::subscription::Act;
use evenkeel_rules::{cart, hold, idempotency, order, stock, subscription};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The log's name, as every simulated world has it.
pub(crate) const LOG: &str = "main";

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Book(Vec<Line>);

#[derive(Debug)]
struct Line {
    /// The key: as it was spelled, and as the engine knows it.
    key: Option<(String, Key)>,
    /// All but the token, which is a name of the position.
    members: Value,
    position: Option<u64>,
}

impl Book {
    /// Writes an attempt down; without an answer its outcome is open.
    pub(crate) fn note(&mut self, asked: &Asked, answer: Option<&Answer>, probe: bool) {
        self.0.push(line(asked, answer, probe));
    }

    /// The file, its positions as they were called when they were written. A key that was used
    /// for two intents is left out, with all its lines: a line says neither its scope nor its
    /// intent, so nobody could tell whose the effect was.
    pub(crate) fn file(&self, lineage: &Lineage) -> String {
        let mut intents: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
        for (spelled, key) in self.0.iter().filter_map(|line| line.key.as_ref()) {
            let intent = (key.name, key.fingerprint);
            intents.entry(spelled).or_default().insert(intent);
        }
        let is_plain = |key: &Option<(String, Key)>| {
            let key = key.as_ref();
            key.is_none_or(|(spelled, _)| intents[spelled.as_str()].len() == 1)
        };
        let lines = self.0.iter().filter(|line| is_plain(&line.key));
        lines.map(|line| line.text(lineage)).collect()
    }
}

/// Method, route and the id that a command is about.
fn route(command: &Command) -> (&'static str, String, String) {
    let post = |route: String, id: &str| ("POST", route, id.to_owned());
    match command {
        Command::PutSku { terms } => {
            let id = terms.sku.to_string();
            ("PUT", format!("/v1/skus/{id}"), id)
        }
        Command::ChangeStock { sku, change, .. } => {
            let verb = match change {
                stock::Change::Receive(_) => "receive",
                stock::Change::Find(_) | stock::Change::WriteOff(_) => "adjust",
                stock::Change::Transfer(..) => "transfer",
            };
            post(format!("/v1/skus/{sku}/{verb}"), sku.as_str())
        }
        Command::Place(place) => post("/v1/holds".to_owned(), place.id.as_str()),
        Command::Confirm { id, .. } => post(format!("/v1/holds/{id}/confirm"), id.as_str()),
        Command::Release { id } => post(format!("/v1/holds/{id}/release"), id.as_str()),
        Command::Extend { id, .. } => post(format!("/v1/holds/{id}/extend"), id.as_str()),
        Command::Expire { id } => unreachable!("only the sweep ends {id}"),
        Command::TakeOrder { ask, .. } => post("/v1/orders".to_owned(), ask.id.as_str()),
        Command::CancelOrder { id, .. } => post(format!("/v1/orders/{id}/cancel"), id.as_str()),
        Command::RefundOrder { id, .. } => post(format!("/v1/orders/{id}/refunds"), id.as_str()),
        Command::ReturnOrder { id, .. } => post(format!("/v1/orders/{id}/returns"), id.as_str()),
        Command::ResolveOrder { id, go_on, .. } => {
            let verb = if *go_on { "approve" } else { "reject" };
            post(format!("/v1/reviews/{id}/{verb}"), id.as_str())
        }
        Command::BeginCart { id, .. } => post("/v1/carts".to_owned(), id.as_str()),
        Command::SetLine { id, line } => {
            let path = format!("/v1/carts/{id}/lines/{}", line.sku);
            ("PUT", path, id.to_string())
        }
        Command::CheckOut { id, order, .. } => {
            post(format!("/v1/carts/{id}/checkout"), order.as_str())
        }
        Command::StartSaga { ask, .. } => post("/v1/sagas".to_owned(), ask.id.as_str()),
        Command::RetrySaga { id, .. } => post(format!("/v1/sagas/{id}/retry"), id.as_str()),
        Command::CompensateSaga { id, .. } => {
            post(format!("/v1/sagas/{id}/compensate"), id.as_str())
        }
        Command::StoreCallback(received) => {
            let (kind, provider) = (received.sender.name(), &received.provider);
            post(
                format!("/v1/callbacks/{kind}/{provider}"),
                received.order.as_str(),
            )
        }
        Command::Erase { customer, .. } => {
            let id = customer.to_string();
            ("DELETE", format!("/v1/private/{id}"), id)
        }
        Command::Subscription(Subscribing::Create { ask, .. }) => {
            post("/v1/subscriptions".to_owned(), ask.id.as_str())
        }
        Command::Subscription(Subscribing::Change { id, act, .. }) => changed(id, act),
        Command::Subscription(Subscribing::Advance { .. })
        | Command::Report { .. }
        | Command::ReportStep { .. }
        | Command::WarnOrder { .. }
        | Command::ApplyCallback { .. }
        | Command::Beat { .. }
        | Command::RaiseFormat
        | Command::Restored
        | Command::Upkeep(_) => {
            unreachable!("only the runner asks for {}", command.name())
        }
        Command::CreateToken { id, .. } => post("/v1/tokens".to_owned(), id.as_str()),
        Command::RevokeToken { id } => ("DELETE", format!("/v1/tokens/{id}"), id.to_string()),
    }
}

/// The same for what people change about a subscription.
fn changed(id: &SubscriptionId, act: &Act) -> (&'static str, String, String) {
    let verb = match act {
        Act::Delete => {
            let route = format!("/v1/subscriptions/{id}");
            return ("DELETE", route, id.to_string());
        }
        Act::Pause => "pause",
        Act::Resume => "resume",
        Act::Replay { .. } => "replay",
        Act::Rotate => "rotate",
        Act::Retry { .. } => "retry",
        Act::Drop { .. } => "drop",
        Act::Park { .. } | Act::Unpark { .. } | Act::Halt { .. } => {
            unreachable!("only the relay asks for {}", act.name())
        }
    };
    let route = format!("/v1/subscriptions/{id}/{verb}");
    ("POST", route, id.to_string())
}

/// Status and code of a refusal.
fn refused(refusal: &Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::Rejected { rejection, .. } => match rejection {
            Rejection::Hold(hold::Rejection::SoldOut { .. }) => (409, "stock.sold_out"),
            Rejection::Hold(hold::Rejection::Confirmed { .. }) => (409, "hold.confirmed"),
            Rejection::Hold(hold::Rejection::Released { .. }) => (409, "hold.released"),
            Rejection::Hold(hold::Rejection::Expired { .. }) => (409, "hold.expired"),
            Rejection::Hold(hold::Rejection::AlreadyExists) => (409, "already_exists"),
            Rejection::Hold(hold::Rejection::Confirming) => (409, "hold.confirming"),
            Rejection::Order(order::Rejection::NotFound) => (404, "not_found"),
            Rejection::Order(order::Rejection::AlreadyExists) => (409, "already_exists"),
            Rejection::Order(order::Rejection::RefundExists) => (409, "already_exists"),
            Rejection::Order(order::Rejection::PriceChanged { .. }) => (409, "price_changed"),
            Rejection::Order(order::Rejection::IllegalTransition { .. }) => {
                (409, "order.illegal_transition")
            }
            Rejection::Order(order::Rejection::ExceedsRefundable) => (409, "exceeds_refundable"),
            Rejection::Cart(cart::Rejection::NotFound) => (404, "not_found"),
            Rejection::Cart(cart::Rejection::Version) => (412, "version"),
            Rejection::Cart(cart::Rejection::AlreadyExists) => (409, "already_exists"),
            Rejection::Cart(cart::Rejection::CheckedOut) => (409, "cart.checked_out"),
            Rejection::Cart(cart::Rejection::LineLost { .. }) => (409, "cart.line_lost"),
            Rejection::Saga(journey::Rejection::NotFound) => (404, "not_found"),
            Rejection::Saga(journey::Rejection::Version) => (412, "version"),
            Rejection::Saga(journey::Rejection::AlreadyExists) => (409, "already_exists"),
            Rejection::Saga(journey::Rejection::IllegalTransition { .. }) => {
                (409, "illegal_transition")
            }
            Rejection::Subscription(subscription::Rejection::NotFound) => (404, "not_found"),
            Rejection::Subscription(subscription::Rejection::AlreadyExists) => {
                (409, "already_exists")
            }
            Rejection::Key(idempotency::Rejection::InFlight) => (409, "in_flight"),
            Rejection::Key(idempotency::Rejection::KeyReused) => (422, "key_reused"),
            _ => (422, "schema"),
        },
        Refusal::Failed(Fault::TimedOut) => (504, "outcome_unknown"),
        Refusal::Failed(Fault::DeadlinePassed) => (504, "deadline_passed"),
        Refusal::Failed(_) => (503, "unavailable"),
    }
}

fn lines(command: &Command) -> Value {
    let lines = match command {
        Command::Place(place) => &place.lines,
        Command::TakeOrder { ask, .. } => &ask.lines,
        Command::SetLine { line, .. } => {
            let units = line.quantity.map_or(0, |quantity| quantity.get());
            return json!([{"sku": line.sku.as_str(), "quantity": units}]);
        }
        _ => return Value::Null,
    };
    let line = |line: &hold::Wanted| {
        let (sku, location) = (line.sku.as_str(), line.location.as_str());
        json!({"sku": sku, "quantity": line.quantity.get(), "location": location})
    };
    lines.iter().map(line).collect()
}

impl Line {
    fn text(&self, lineage: &Lineage) -> String {
        let token = |position| lineage.written(position).to_string();
        let mut members = self.members.clone();
        members["token"] = json!(self.position.map(token));
        format!("{members}\n")
    }
}

/// The line of one attempt.
fn line(asked: &Asked, answer: Option<&Answer>, probe: bool) -> Line {
    let (method, route, id) = route(&asked.request.command);
    let (status, code, position) = match answer {
        None => (None, None, None),
        Some(Ok(done)) => (Some(200), None, Some(done.position)),
        Some(Err(refusal)) => {
            let (status, code) = refused(refusal);
            let at = match refusal {
                Refusal::Rejected { position, .. } => Some(*position),
                Refusal::Failed(_) => None,
            };
            (Some(status), Some(code), at)
        }
    };
    let customer = asked.request.owner.as_ref().map(ToString::to_string);
    let members = json!({
        "key": asked.key, "customer": customer, "id": id, "method": method, "route": route,
        "status": status, "code": code, "probe": probe,
        "lines": lines(&asked.request.command),
    });
    Line {
        key: asked.key.clone().zip(asked.request.key),
        members,
        position,
    }
}
