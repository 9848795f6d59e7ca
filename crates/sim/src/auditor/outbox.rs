//! What subscribers were told, held against the log (I9).
//!
//! The auditor reads from the log who subscribes to what, and is told of every event that arrives
//! at a subscriber. What arrives is what the log says at the place that its id names; of a stream
//! nothing appears before everything earlier that the subscriber is owed; and in the end all that
//! it is owed has been accepted, was given up by a person, or is parked. A checkpoint is believed
//! nowhere here: it is what the relay says of itself.
//!
//! A replay that reaches further back makes more be owed, but asks nothing of events that were
//! owed before: those may be under way already.

use super::Found;
use super::lives::aggregate;
use super::model::{Event, Model, number, text};
use super::orders::list;
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::port::{Post, SubscriptionRow};
use evenkeel_rules::subscription::Act;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where an event stands: position, and which of its events.
type Spot = (u64, usize);

/// A subscriber.
#[derive(Debug, Default)]
struct Reader {
    /// The subscription as its last event says.
    data: Value,
    /// Positions that it was set to, by its creation and by replays.
    set_to: Vec<u64>,
    accepted: BTreeSet<Spot>,
    /// Dropped by a person.
    given_up: BTreeSet<Spot>,
}

/// All subscribers, and what there is to be told of.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    readers: BTreeMap<String, Reader>,
    /// The events of each stream that may be told, with their types.
    streams: BTreeMap<String, Vec<(Spot, String)>>,
}

/// Whether subscribers may be told of a type.
fn is_public(kind: &str) -> bool {
    ["sku", "stock", "hold", "order", "saga", "cart"].contains(&aggregate(kind))
}

/// Where an id says that its event stands; nothing if no event could have it.
fn spot_of(id: &str) -> Option<Spot> {
    let (position, index) = id.strip_prefix("main.1:")?.split_once('/')?;
    Some((position.parse().ok()?, index.parse().ok()?))
}

fn position(data: &Value, name: &str) -> u64 {
    data[name].as_u64().unwrap_or(0)
}

/// The stream and the first event of what is parked.
fn parked(of: &Value) -> (&str, Spot) {
    let index = usize::try_from(position(of, "index")).unwrap_or(0);
    (text(of, "stream"), (position(of, "from"), index))
}

impl Reader {
    fn wants(&self, kind: &str) -> bool {
        let filters = list(&self.data, "types").iter().filter_map(Value::as_str);
        let mut matching = filters.filter(|filter| match filter.strip_suffix('*') {
            Some(begin) => kind.starts_with(begin),
            None => *filter == kind,
        });
        is_public(kind) && matching.next().is_some()
    }

    /// Since which setting of its checkpoint an event is owed; nothing if it never was.
    fn owed(&self, (position, _): Spot) -> Option<usize> {
        self.set_to.iter().position(|set_to| *set_to < position)
    }

    /// Whether it is settled that it has an event, or never will have it.
    fn has(&self, spot: Spot) -> bool {
        self.accepted.contains(&spot) || self.given_up.contains(&spot)
    }

    fn is_parked(&self, stream: &str, spot: Spot) -> bool {
        let mut all = list(&self.data, "parked").iter().map(parked);
        all.any(|(of, from)| of == stream && from <= spot)
    }

    fn lives(&self) -> bool {
        text(&self.data, "state") != "deleted"
    }
}

impl Outbox {
    /// Takes an event of the log in.
    pub(super) fn event(&mut self, event: &Event, spot: Spot) {
        if is_public(&event.kind) {
            let stream = self.streams.entry(event.stream.clone()).or_default();
            stream.push((spot, event.kind.clone()));
        }
        let Some(id) = event.stream.strip_prefix("subscription:") else {
            return;
        };
        // A reader in process is told nothing; what it leaves undone shows in the orders.
        if event.data["url"].is_null() {
            return;
        }
        let reader = self.readers.entry(id.to_owned()).or_default();
        match event.kind.as_str() {
            "subscription.created" | "subscription.replayed" => {
                reader.set_to.push(position(&event.data, "set_to"));
            }
            "subscription.dropped" => {
                let still: Vec<_> = list(&event.data, "parked").iter().map(parked).collect();
                let before = list(&reader.data, "parked").iter().map(parked);
                for (stream, from) in before.filter(|it| !still.contains(it)) {
                    let all = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
                    let waits = all.iter().map(|(spot, _)| *spot);
                    let waits = waits.filter(|it| *it >= from);
                    reader.given_up.extend(waits);
                }
            }
            _ => {}
        }
        reader.data = event.data.clone();
    }

    /// The first event of a stream that a subscriber had to have before another, and has not.
    fn before(&self, reader: &Reader, stream: &str, spot: Spot) -> Option<Spot> {
        let since = reader.owed(spot)?;
        let all = self.streams.get(stream)?;
        let earlier = all.iter().take_while(|(at, _)| *at < spot);
        let owed = |at: Spot| reader.owed(at).is_some_and(|era| era <= since);
        let mut missing = earlier
            .filter(|(at, kind)| reader.wants(kind) && owed(*at) && !reader.has(*at))
            .map(|(at, _)| *at);
        missing.next()
    }

    /// What was never told to those who are owed it, once nothing is under way any more.
    pub(super) fn compare(&self, found: &mut Found) {
        for (id, reader) in self.readers.iter().filter(|(_, it)| it.lives()) {
            for (stream, events) in &self.streams {
                let missing = events.iter().find(|(spot, kind)| {
                    reader.wants(kind)
                        && reader.owed(*spot).is_some()
                        && !reader.has(*spot)
                        && !reader.is_parked(stream, *spot)
                });
                if let Some(((position, index), kind)) = missing {
                    let what =
                        format!("{id} was never told of {kind} of {stream} at {position}/{index}");
                    found.push(("I9", what));
                }
            }
        }
    }
}

impl Model {
    /// Takes in an event that arrived at a subscriber.
    pub(super) fn posted(
        &mut self,
        reader: &str,
        (post, accepted): (&Post, bool),
        found: &mut Found,
    ) {
        let id = &post.id;
        let mut wrong = |what: String| found.push(("I9", format!("{reader} is told {id}: {what}")));
        let Some(spot) = spot_of(id) else {
            return wrong("no event has this id".to_owned());
        };
        let row = self.at(spot.0).filter(|row| row.position == spot.0);
        let Some(event) = row.and_then(|row| row.events.get(spot.1)) else {
            return wrong("it is not in the log".to_owned());
        };
        let Some(known) = self.outbox.readers.get(reader) else {
            return wrong("it does not subscribe".to_owned());
        };
        if !says(&post.body, event, id) {
            wrong("it is not what the log says".to_owned());
        }
        if !post.signature.starts_with("v1,") {
            wrong("nobody signed it".to_owned());
        }
        if !known.wants(&event.kind) {
            wrong(format!("it did not ask for {}", event.kind));
        }
        if let Some((position, index)) = self.outbox.before(known, &event.stream, spot) {
            let stream = &event.stream;
            wrong(format!(
                "of {stream} it has not been told {position}/{index}"
            ));
        }
        if accepted && let Some(known) = self.outbox.readers.get_mut(reader) {
            known.accepted.insert(spot);
        }
    }

    /// Whether a subscription is told as it stood at a position.
    pub(super) fn tells_subscription(&self, row: &SubscriptionRow, position: u64) -> bool {
        let stream = format!("subscription:{}", row.body.id);
        let rows = self.rows.iter().rev();
        let rows = rows.skip_while(|row| row.position > position);
        let mut events = rows.flat_map(|row| &row.events);
        let event = events.find(|event| event.stream == stream);
        let body = serde_json::to_value(&row.body).expect("a subscription is plain JSON");
        event.is_some_and(|event| event.version == row.version && event.data == body)
    }
}

/// Whether a body says what the log says of an event.
fn says(body: &[u8], event: &Event, id: &str) -> bool {
    let Ok(said) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let subject = event.stream.split_once(':').map_or("", |(_, id)| id);
    let version = u64::try_from(number(&said, "evenkeelversion")).ok();
    text(&said, "id") == id
        && text(&said, "type") == event.kind
        && text(&said, "subject") == subject
        && version == Some(event.version)
        && said["data"] == event.data
}

/// Whether an event of a subscription is what was asked for; nothing for other commands.
pub(super) fn fulfils(command: &Command, event: &Event) -> Option<bool> {
    let Command::Subscription(asked) = command else {
        return None;
    };
    let kind = match asked {
        Subscribing::Create { .. } => "created",
        Subscribing::Advance { .. } => return Some(false),
        Subscribing::Change { act, .. } => match act {
            Act::Pause | Act::Halt { .. } => "paused",
            Act::Resume => "resumed",
            Act::Delete => "deleted",
            Act::Replay { .. } => "replayed",
            Act::Rotate => "rotated",
            Act::Retry { .. } => "retried",
            Act::Drop { .. } => "dropped",
            Act::Park { .. } => "parked",
            Act::Unpark { .. } => "caught_up",
        },
    };
    let stream = format!("subscription:{}", asked.id());
    Some(event.stream == stream && event.kind == format!("subscription.{kind}"))
}

#[cfg(test)]
mod tests;
