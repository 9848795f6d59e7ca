//! What was asked and what was answered, held against the log.
//!
//! An attempt is *open* from when it sets out until it is answered with anything but an unknown
//! outcome: only an open attempt may take effect. So an effect after a definite no, an answer
//! before its effect is durable, a second effect of a key and a refusal of a known winner are all
//! seen at the moment they happen.

use super::Found;
use super::carts;
use super::holds::HoldModel;
use super::lacks::{check_share, check_short};
use super::missing::is_missing;
use super::model::{Event, Model, Row, number, text};
use super::outbox;
use super::said;
use evenkeel_engine::chain::hex;
use evenkeel_engine::commit::{Command, Effect, Key, Rejection};
use evenkeel_engine::port::Fault;
use evenkeel_engine::store::memory::Tables;
use evenkeel_engine::{Done, Refusal, Request};
use evenkeel_rules::{hold, idempotency, stock};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a caller was told.
pub type Answer = Result<Done, Refusal>;

/// An attempt at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptId(usize);

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) command: Command,
    pub(super) owner: Option<String>,
    /// The key's name and the fingerprint.
    key: Option<(String, String)>,
    pub(super) began: Duration,
    /// When it was answered with anything but an unknown outcome.
    closed: Option<Duration>,
}

#[derive(Debug, Default)]
struct KeyState {
    attempts: Vec<usize>,
    /// The final refusal that was told, and for which fingerprint.
    refused: Option<(String, Rejection)>,
}

/// All attempts of a seed.
#[derive(Debug, Default)]
pub(super) struct Answers {
    attempts: Vec<Attempt>,
    keys: BTreeMap<String, KeyState>,
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("an effect is plain JSON")
}

/// Whether an effect is what the event says.
fn tells(effect: &Effect, model: &Model, (event, position): (&Event, u64)) -> bool {
    match effect {
        Effect::Hold(row) => {
            (row.version, row.last) == (event.version, position) && value(&row.hold) == event.data
        }
        Effect::Sku { row, created } => {
            row.version == event.version
                && *created == (event.kind == "sku.created")
                && value(&row.sku) == event.data
        }
        Effect::Stock { sku, stock } => {
            let line = |(location, balances): &(_, evenkeel_rules::stock::Balances)| {
                let location: &evenkeel_rules::ids::LocationId = location;
                json!({"location": location, "accounts": balances.raw()})
            };
            let said: Vec<Value> = stock.iter().map(line).collect();
            text(&event.data, "sku") == sku.as_str() && event.data["stock"] == Value::from(said)
        }
        Effect::Token(row) => row.version == event.version && value(&row.token) == event.data,
        Effect::Subscription(row) => {
            event.stream == format!("subscription:{}", row.body.id)
                && model.tells_subscription(row, position)
        }
        // Who lives is bookkeeping: nobody is told but the node.
        Effect::Lease { .. } => true,
        // Everything that is told of elsewhere.
        _ => said::tells(effect, model, (event, position)),
    }
}

/// Whether a row is what the command asked for.
fn fulfils(command: &Command, row: &Row) -> bool {
    let Some(event) = row.events.last() else {
        return false;
    };
    let (kind, data) = (event.kind.as_str(), &event.data);
    let of_hold = |wanted: &str, id: &evenkeel_rules::ids::HoldId| {
        kind == wanted && text(data, "id") == id.as_str()
    };
    match command {
        Command::PutSku { terms } => {
            let kept = |(name, said): (&String, &Value)| data[name] == *said;
            value(terms)
                .as_object()
                .is_some_and(|terms| terms.iter().all(kept))
        }
        Command::ChangeStock { sku, .. } => event.stream == format!("stock:{sku}"),
        Command::Place(place) => {
            let life = i64::try_from(place.ttl.0 * 1_000).unwrap_or(i64::MAX);
            of_hold("stock.held", &place.id)
                && HoldModel::units(data) == said::units(&place.lines)
                && text(data, "customer") == place.customer.as_str()
                && number(data, "deadline") == row.at + life
        }
        Command::Confirm { id, .. } => of_hold("stock.confirmed", id),
        Command::Release { id } => of_hold("stock.released", id),
        Command::Extend { id, .. } => of_hold("stock.extended", id),
        Command::Expire { id } => of_hold("stock.expired", id),
        Command::CreateToken { id, .. } => {
            kind == "token.created" && text(data, "id") == id.as_str()
        }
        Command::RevokeToken { id } => kind == "token.revoked" && text(data, "id") == id.as_str(),
        _ => outbox::fulfils(command, event)
            .or_else(|| carts::fulfils(command, row))
            .unwrap_or_else(|| said::fulfils(command, row)),
    }
}

impl Answers {
    /// The name of the command that was attempted.
    pub(super) fn command(&self, AttemptId(id): AttemptId) -> &'static str {
        self.attempts[id].command.name()
    }

    pub(super) fn begin(&mut self, request: &Request, mono: Duration) -> AttemptId {
        let id = self.attempts.len();
        // A callback's key is the provider's own id for it.
        let key = match &request.command {
            Command::StoreCallback(received) => Some(Key::of_callback(received)),
            _ => request.key,
        };
        let key = key
            .as_ref()
            .map(|key| (hex(&key.name), hex(&key.fingerprint)));
        if let Some((name, _)) = &key {
            self.keys.entry(name.clone()).or_default().attempts.push(id);
        }
        self.attempts.push(Attempt {
            command: request.command.clone(),
            owner: request.owner.as_ref().map(ToString::to_string),
            key,
            began: mono,
            closed: None,
        });
        AttemptId(id)
    }

    /// A key took effect with the last row.
    pub(super) fn effect(&self, model: &Model, key: &str, found: &mut Found) {
        let row = model.rows.last().expect("a row was just taken in");
        let position = row.position;
        let state = self.keys.get(key);
        let attempts = state.map_or(&[][..], |state| state.attempts.as_slice());
        let same = |id: &&usize| {
            let key = self.attempts[**id].key.as_ref();
            key.is_some_and(|(_, fingerprint)| *fingerprint == row.fingerprint)
        };
        let mine: Vec<&Attempt> = attempts
            .iter()
            .filter(same)
            .map(|id| &self.attempts[*id])
            .collect();
        let Some(first) = mine.first() else {
            found.push(("I5", format!("nobody asked for what {position} did")));
            return;
        };
        if !mine.iter().any(|attempt| attempt.closed.is_none()) {
            let what = format!("{position} took effect after a definite answer");
            found.push(("I5", what));
        }
        if let Some((fingerprint, rejection)) = state.and_then(|state| state.refused.as_ref())
            && *fingerprint == row.fingerprint
        {
            let what = format!("{position} took effect after the final refusal {rejection}");
            found.push(("I5", what));
        }
        if !fulfils(&first.command, row) {
            let what = format!("{position} is not what was asked: {:?}", first.command);
            found.push(("I5", what));
        }
    }

    pub(super) fn answered(
        &mut self,
        (AttemptId(id), mono): (AttemptId, Duration),
        answer: &Answer,
        model: &mut Model,
        found: &mut Found,
    ) {
        match answer {
            Ok(done) => self.check_done(&self.attempts[id], done, model, found),
            Err(Refusal::Rejected { rejection, .. }) => {
                if rejection.is_final() {
                    self.check_final(id, rejection, model, found);
                }
                self.check_refusal(&self.attempts[id], answer, model, found);
            }
            Err(Refusal::Failed(Fault::TimedOut)) => return,
            Err(Refusal::Failed(_)) => {}
        }
        if answer.is_err() {
            self.check_no(id, model, found);
        }
        self.attempts[id].closed = Some(mono);
    }

    /// Whoever is told a definite no has had no effect: if its key took effect since it set out,
    /// that was another attempt.
    fn check_no(&self, id: usize, model: &Model, found: &mut Found) {
        let attempt = &self.attempts[id];
        let Some((key, fingerprint)) = &attempt.key else {
            return;
        };
        let effect = model.keys.get(key).and_then(|at| model.at(*at));
        let Some(row) = effect.filter(|row| row.fingerprint == *fingerprint) else {
            return;
        };
        let may_have = |other: &usize| {
            let other = &self.attempts[*other];
            other.key == attempt.key
                && other.began <= row.mono
                && other.closed.is_none_or(|closed| closed >= row.mono)
        };
        let mut others = self.keys[key].attempts.iter().filter(|other| **other != id);
        if row.mono >= attempt.began && !others.any(may_have) {
            let what = format!("{} took effect and was told as a definite no", row.position);
            found.push(("I5", what));
        }
    }

    fn check_done(&self, attempt: &Attempt, done: &Done, model: &Model, found: &mut Found) {
        let position = done.position;
        let at_start = position == 0;
        let Some(row) = model.at(position) else {
            if !at_start {
                found.push(("I5", format!("told of {position} before it was durable")));
            }
            return;
        };
        let event = row.events.last();
        let told = event.is_some_and(|event| tells(&done.effect, model, (event, position)));
        if let Command::StoreCallback(received) = &attempt.command {
            return said::check_callback(received, done, model, found);
        }
        let Some((key, fingerprint)) = &attempt.key else {
            if !told && !stands(attempt, done, model) {
                found.push(("I5", format!("told at {position} what is not there")));
            }
            return;
        };
        if row.key.as_ref() == Some(key) {
            let same = row.fingerprint == *fingerprint;
            if !same || !told {
                // A first yes has no such effect; a repeat is not answered by it.
                let invariant = if same && !done.replayed { "I5" } else { "I6" };
                found.push((
                    invariant,
                    format!("told of {position} otherwise than it was"),
                ));
            }
            if row.mono < attempt.began && !done.replayed {
                found.push(("I6", format!("{position} was told as new a second time")));
            }
            return;
        }
        let known = model
            .keys
            .get(key)
            .is_some_and(|effect| *effect <= position);
        if known || done.replayed {
            found.push(("I6", format!("told of {position}, which another key did")));
        } else if !stands(attempt, done, model) {
            found.push(("I5", format!("told at {position} what is not there")));
        }
    }

    /// A final refusal is told once and for all, and is true.
    fn check_final(
        &mut self,
        id: usize,
        rejection: &Rejection,
        model: &mut Model,
        found: &mut Found,
    ) {
        let attempt = &self.attempts[id];
        if let Some((key, fingerprint)) = &attempt.key {
            let effect = model.keys.get(key).and_then(|position| model.at(*position));
            if effect.is_some_and(|row| row.fingerprint == *fingerprint) {
                let what = format!("a key that took effect is refused for good: {rejection}");
                found.push(("I6", what));
            }
            let state = self.keys.entry(key.clone()).or_default();
            match &state.refused {
                Some((of, first)) if of == fingerprint && first != rejection => {
                    let what = format!("refused for good as {first}, then as {rejection}");
                    found.push(("I5", what));
                }
                Some(_) => {}
                None => state.refused = Some((fingerprint.clone(), rejection.clone())),
            }
        }
        let id = match &attempt.command {
            Command::Place(place) => &place.id,
            Command::Confirm { id, .. } | Command::Release { id } | Command::Extend { id, .. } => {
                id
            }
            _ => return,
        };
        let Some(hold) = model.holds.get_mut(id.as_str()) else {
            found.push(("I5", format!("{rejection}: there is no hold {id}")));
            return;
        };
        // The hold of a cart's line may be held again by the time that this is told.
        let again = id.as_str().starts_with("cart:");
        let was = |state: &str| {
            let mut versions = hold.versions.iter();
            hold.state() == state || again && versions.any(|(_, data)| text(data, "state") == state)
        };
        let is_true = match rejection {
            Rejection::Hold(hold::Rejection::Confirmed { .. }) => was("confirmed"),
            Rejection::Hold(hold::Rejection::Released { .. }) => was("released"),
            Rejection::Hold(hold::Rejection::Expired { .. }) => {
                let is_true = was("expired") || was("held");
                hold.told_expired = !again;
                is_true
            }
            _ => true,
        };
        if !is_true {
            let what = format!("{id} is refused as {rejection} and is {}", hold.state());
            found.push(("I4", what));
        }
    }

    /// A refusal of a known winner, or for a reason that was not there.
    fn check_refusal(&self, attempt: &Attempt, answer: &Answer, model: &Model, found: &mut Found) {
        let Err(Refusal::Rejected {
            rejection,
            position,
            replayed,
        }) = answer
        else {
            return;
        };
        if *position > model.position() {
            found.push((
                "I5",
                format!("{rejection} as of {position}, which is not there"),
            ));
        }
        let sold_out = match rejection {
            Rejection::Hold(hold::Rejection::SoldOut { .. })
            | Rejection::Stock(stock::Rejection::Insufficient) => true,
            Rejection::Key(idempotency::Rejection::InFlight) => return,
            Rejection::Key(idempotency::Rejection::KeyReused) => {
                if !self.used_otherwise(attempt) {
                    found.push(("I6", "a key is called reused and is not".to_owned()));
                }
                return;
            }
            _ => false,
        };
        if let Some((key, fingerprint)) = &attempt.key
            && let Some(row) = model.keys.get(key).and_then(|at| model.at(*at))
            && row.fingerprint == *fingerprint
            && row.mono < attempt.began
        {
            let invariant = if sold_out { "I22" } else { "I6" };
            let what = format!("the winner of {} is told: {rejection}", row.position);
            found.push((invariant, what));
        }
        check_share(attempt, (rejection, *position), model, found);
        if sold_out {
            check_short(attempt, (rejection, *position), model, found);
        }
        // A refusal that is told again was true where it was given first.
        if !replayed && is_missing(rejection, attempt, *position, model) == Some(false) {
            found.push(("I5", format!("told {rejection} at {position}, untruly")));
        }
    }

    fn used_otherwise(&self, attempt: &Attempt) -> bool {
        let Some((key, fingerprint)) = &attempt.key else {
            return false;
        };
        let others = self.keys.get(key).map_or(&[][..], |state| &state.attempts);
        others.iter().any(|id| {
            let key = self.attempts[*id].key.as_ref();
            key.is_some_and(|(_, other)| other != fingerprint)
        })
    }

    pub(super) fn end(&self, model: &Model, tables: &Tables, found: &mut Found) {
        let refused: BTreeSet<String> = tables.refused.keys().map(|name| hex(name)).collect();
        for (key, state) in &self.keys {
            if state.refused.is_some() && !refused.contains(key) {
                found.push(("I5", format!("the final refusal of {key} is not there")));
            }
            if model.keys.contains_key(key) && refused.contains(key) {
                found.push(("I6", format!("{key} took effect and is refused for good")));
            }
        }
    }
}

/// Whether an answer that wrote nothing is true: it stood so at that position.
fn stands(attempt: &Attempt, done: &Done, model: &Model) -> bool {
    match (&attempt.command, &done.effect) {
        (Command::Confirm { id, .. } | Command::Release { id }, Effect::Hold(row)) => {
            let Some(hold) = model.holds.get(id.as_str()) else {
                return false;
            };
            let Some(data) = hold.at(done.position) else {
                return false;
            };
            let releases = matches!(attempt.command, Command::Release { .. });
            let state = if releases { "released" } else { "confirmed" };
            value(&row.hold) == *data && text(data, "state") == state
        }
        (Command::PutSku { terms }, Effect::Sku { row, created }) => {
            let stream = model.streams.get(&format!("sku:{}", terms.sku));
            let stream = stream.filter(|stream| stream.version >= row.version);
            !created && row.sku.terms == *terms && stream.is_some()
        }
        (command, Effect::Order(row)) => said::stands(command, row, model, done.position),
        (Command::Subscription(_), Effect::Subscription(row)) => {
            model.tells_subscription(row, done.position)
        }
        (command, Effect::Cart(row)) => carts::stands(command, row, model, done.position),
        (Command::RevokeToken { id }, Effect::Token(row)) => {
            let stream = model.streams.get(&format!("token:{id}"));
            stream.is_some_and(|stream| value(&row.token) == stream.data)
        }
        _ => false,
    }
}
