//! Explaining: what became of one thing, step by step, why, and what should come next.
//!
//! A story is read from the log alone, so it says what happened and not what somebody remembers:
//! the thing's stream is walked back by the positions that its events name, with the streams that
//! belong to it (an order's holds and callbacks), and told forward. What is bookkeeping (tries, due
//! times) is told as of now and only when the story is. A step names the row that it follows from,
//! where the engine did it of its own; a finding stands where it began. It changes nothing and
//! decides nothing.

use crate::chain::{Entry, EntryEvent};
use crate::port::{Fault, Store};
use crate::story;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::{CartId, HoldId, OrderId, SagaId, SkuId};
use evenkeel_rules::time::LogTime;
use serde_json::{Value, json};
use std::collections::btree_map::Entry::Vacant;
use std::collections::{BTreeMap, BTreeSet};
use words::Words;

mod cart;
mod next;
mod order;
mod saga;
mod stock;
mod words;

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An order.
    Order(OrderId),
    /// An order's payment.
    Payment(OrderId),
    /// An order's shipment.
    Shipment(OrderId),
    /// A saga of the engine's own: `order:<id>`, `cancel:<id>` or `refund:<id>`.
    Saga(String, OrderId),
    /// A saga over anybody's services.
    Journey(SagaId),
    /// A hold.
    Hold(HoldId),
    /// A cart, with the holds of its lines.
    Cart(CartId),
    /// A SKU.
    Sku(SkuId),
}

/// Which part of the engine a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// Units moved.
    Ledger,
    /// Something became so.
    Event,
    /// A saga took a turn.
    Saga,
    /// A provider sent something.
    Callback,
    /// A person or a shop asked for it.
    Operator,
    /// Time did it, or will.
    Timer,
}

impl Component {
    /// The part as bodies spell it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Event => "event",
            Self::Saga => "saga",
            Self::Callback => "callback",
            Self::Operator => "operator",
            Self::Timer => "timer",
        }
    }
}

/// One step of a story.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where in the log; the head's for what stands beside it.
    pub position: u64,
    /// When.
    pub at: LogTime,
    /// Which part.
    pub component: Component,
    /// In words.
    pub what: String,
    /// What the event or move says.
    pub detail: Value,
    /// What brought it about: the command or loop, and its key's hash or subject.
    pub cause: Option<(String, String)>,
    /// The same in words: who asked, or which loop acted on what.
    pub by: String,
    /// The position of the step that the engine acted on; nothing for what was asked of it.
    pub follows: Option<u64>,
}

/// What should come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Who has to act.
    pub who: String,
    /// What.
    pub expected: String,
    /// Until when, if anything says so.
    pub by: Option<LogTime>,
    /// What happens otherwise.
    pub otherwise: String,
}

/// What a person has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, one word.
    pub kind: &'static str,
    /// In words.
    pub what: String,
    /// Where it began; the story's end where no step says so.
    pub position: u64,
}

/// A story.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// What it is about.
    pub kind: &'static str,
    /// Which one.
    pub id: String,
    /// Where it stands at the end of the story.
    pub state: String,
    /// The position that the story is told as of.
    pub as_of: u64,
    /// Step by step; positions never fall.
    pub steps: Vec<Step>,
    /// What should come next; nothing for a story of the past.
    pub next: Vec<Next>,
    /// What a person has to look at.
    pub findings: Vec<Finding>,
}

/// Rows of the log by position, each read once, and the streams that a story is told of.
#[derive(Default)]
struct Pages {
    rows: BTreeMap<u64, Entry>,
    streams: BTreeSet<(Aggregate, String)>,
}

/// Tells a story; nothing if there is no such thing, or there was none then. `upto` tells it as of
/// a position.
///
/// # Errors
/// A fault of the store; [`Fault::Corrupt`] where a stream breaks off.
pub async fn explain(
    store: &dyn Store,
    subject: &Subject,
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    match subject {
        Subject::Order(id) => order::order(store, id, ("order", id.to_string()), upto).await,
        Subject::Payment(id) => order::order(store, id, ("payment", id.to_string()), upto).await,
        Subject::Shipment(id) => order::order(store, id, ("shipment", id.to_string()), upto).await,
        Subject::Saga(saga, id) => order::order(store, id, ("saga", saga.clone()), upto).await,
        Subject::Journey(id) => saga::saga(store, id, upto).await,
        Subject::Hold(id) => stock::hold(store, id, upto).await,
        Subject::Cart(id) => cart::cart(store, id, upto).await,
        Subject::Sku(id) => stock::sku(store, id, upto).await,
    }
}

impl Pages {
    /// Reads a stream's rows from its last one back to its first.
    async fn add(
        &mut self,
        store: &dyn Store,
        (aggregate, id): (Aggregate, &str),
        last: u64,
    ) -> Result<(), Fault> {
        let mut position = last;
        while position > 0 {
            if let Vacant(free) = self.rows.entry(position) {
                free.insert(story::entry_at(store, position).await?);
            }
            let entry = &self.rows[&position];
            let of = |event: &&EntryEvent| event.kind.aggregate() == aggregate && event.id() == id;
            let first = entry.events.iter().find(|event| of(event));
            let first = first.ok_or_else(|| {
                let word = aggregate.word();
                Fault::Corrupt(format!("the story of {word}:{id} breaks off at {position}"))
            })?;
            if first.previous >= position {
                return Err(Fault::Corrupt(format!("row {position} points forward")));
            }
            position = first.previous;
        }
        self.streams.insert((aggregate, id.to_owned()));
        Ok(())
    }

    /// Forgets what came after a position.
    fn cut(&mut self, upto: u64) {
        self.rows.retain(|position, _| *position <= upto);
    }

    fn steps(&self, words: &Words) -> Vec<Step> {
        let rows = self.rows.values();
        rows.flat_map(|row| steps(row, &self.streams, words))
            .collect()
    }

    /// The last row with an event of one of these types.
    fn last_of(&self, kinds: &[Kind]) -> Option<u64> {
        let mut rows = self.rows.values().rev();
        let row = rows.find(|row| row.events.iter().any(|event| kinds.contains(&event.kind)));
        row.map(|row| row.position)
    }
}

/// The steps of one row that belong to a story.
fn steps(entry: &Entry, streams: &BTreeSet<(Aggregate, String)>, words: &Words) -> Vec<Step> {
    let mine =
        |event: &&EntryEvent| streams.contains(&(event.kind.aggregate(), event.id().to_owned()));
    let own: Vec<&EntryEvent> = entry.events.iter().filter(mine).collect();
    let (by, follows) = (words::by(entry, &own), words::follows(entry, &own));
    let step = |component, what: String, detail: Value| Step {
        position: entry.position,
        at: entry.at,
        component,
        what,
        detail,
        cause: Some((entry.cause.kind.clone(), entry.cause.id.clone())),
        by: by.clone(),
        follows,
    };
    let mut steps = Vec::new();
    if let Some(asked) = asked_by(entry) {
        let actor = json!({"actor": entry.actor});
        steps.push(step(Component::Operator, asked, actor));
    }
    for event in own {
        let data: Value = serde_json::from_str(event.data.get()).unwrap_or(Value::Null);
        let component = component(event.kind, &entry.cause.kind);
        steps.push(step(component, words.of(event), data));
    }
    for made in &entry.moves {
        let of = |aggregate, id: &str| streams.contains(&(aggregate, id.to_owned()));
        let reference = made.reference.as_str();
        if of(Aggregate::Hold, reference) || of(Aggregate::Stock, made.sku.as_str()) {
            let detail = serde_json::to_value(made).expect("a move is plain JSON");
            steps.push(step(Component::Ledger, words::moved(made), detail));
        }
    }
    steps
}

/// Who asked, for what a person or a shop asked for.
fn asked_by(entry: &Entry) -> Option<String> {
    let asked = match entry.cause.kind.as_str() {
        "cancel_order" => "a cancel",
        "refund_order" => "a refund",
        "return_order" => "a return",
        "resolve_order" => "the end of a review, or a stuck saga to go on or end",
        "retry_saga" => "a stuck saga to try on",
        "compensate_saga" => "the saga to be undone",
        _ => return None,
    };
    Some(format!("{} asked for {asked}", entry.actor))
}

fn component(kind: Kind, cause: &str) -> Component {
    match (kind.aggregate(), kind) {
        (Aggregate::Callback, _) => Component::Callback,
        (Aggregate::Saga, _) => Component::Saga,
        (_, Kind::SagaUnknown | Kind::SagaStuck) => Component::Saga,
        _ if cause == "sweep" || cause == "warn" => Component::Timer,
        _ => Component::Event,
    }
}
