//! Explaining: what became of one thing, step by step, why, and what should come next.
//!
//! A story is read from the log alone, so it says what happened and not what somebody remembers:
//! the thing's stream is walked back by the positions that its events name, with the streams that
//! belong to it (an order's holds and callbacks), and told forward. What is bookkeeping (tries, due
//! times) is told as of now and only when the story is. It changes nothing and decides nothing.

use crate::chain::{Entry, EntryEvent};
use crate::port::{DueRow, Fault, OrderRow, Store};
use crate::saga::effect_key;
use crate::story;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::{CartId, HoldId, OrderId, SagaId, SkuId};
use evenkeel_rules::order::{ReviewState, Status};
use evenkeel_rules::saga::State;
use evenkeel_rules::time::LogTime;
use serde_json::{Value, json};
use std::collections::btree_map::Entry::Vacant;
use std::collections::{BTreeMap, BTreeSet};

mod cart;
mod next;
mod saga;

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
}

/// What should come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What.
    pub expected: String,
    /// Until when, if anything says so.
    pub by: Option<LogTime>,
    /// What happens otherwise.
    pub otherwise: String,
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
    /// What a person has to look at: kind and words.
    pub findings: Vec<(&'static str, String)>,
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
        Subject::Order(id) => order(store, id, ("order", id.to_string()), upto).await,
        Subject::Payment(id) => order(store, id, ("payment", id.to_string()), upto).await,
        Subject::Shipment(id) => order(store, id, ("shipment", id.to_string()), upto).await,
        Subject::Saga(saga, id) => order(store, id, ("saga", saga.clone()), upto).await,
        Subject::Journey(id) => saga::saga(store, id, upto).await,
        Subject::Hold(id) => hold(store, id, upto).await,
        Subject::Cart(id) => cart::cart(store, id, upto).await,
        Subject::Sku(id) => sku(store, id, upto).await,
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

    fn steps(&self) -> Vec<Step> {
        let rows = self.rows.values();
        rows.flat_map(|row| steps(row, &self.streams)).collect()
    }
}

async fn order(
    store: &dyn Store,
    id: &OrderId,
    (kind, name): (&'static str, String),
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.order(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    let own = (Aggregate::Order, id.as_str());
    pages.add(store, own, row.last).await?;
    for hold in &row.body.holds {
        if let Some(held) = store.hold(hold).await?.rows {
            let its = (Aggregate::Hold, hold.as_str());
            pages.add(store, its, held.last).await?;
        }
    }
    add_callbacks(store, &mut pages, &row).await?;
    pages.cut(upto);
    let last = pages.rows.values().rev().find(|entry| {
        let mut events = entry.events.iter();
        events.any(|event| event.kind.aggregate() == Aggregate::Order)
    });
    let Some(last) = last.map(|entry| entry.position) else {
        return Ok(None);
    };
    let is_past = last < row.last || upto < at.position;
    let then = match is_past {
        true => story::order_at(store, story::entry_at(store, last).await?).await?,
        false => row,
    };
    let mut story = Story {
        kind,
        id: name,
        state: state_of(kind, &then),
        as_of: at.position.min(upto),
        steps: pages.steps(),
        next: Vec::new(),
        findings: findings(&then),
    };
    if !is_past {
        story.next = next::of_order(&then);
        story.steps.extend(tries(&then, at.position));
    }
    Ok(Some(story))
}

/// Callbacks about an order: those that were taken in stand in its rows, those that wait or were
/// set aside are found among what waits for a person.
async fn add_callbacks(store: &dyn Store, pages: &mut Pages, row: &OrderRow) -> Result<(), Fault> {
    let of_callback = |event: &EntryEvent| {
        let created = (event.kind.aggregate() == Aggregate::Callback).then(|| event.id().parse());
        created.and_then(Result::ok)
    };
    let known = pages.rows.values().flat_map(|row| &row.events);
    let mut created: BTreeSet<u64> = known.filter_map(of_callback).collect();
    for flagged in store.flagged(u64::MAX, 1_000).await?.rows {
        if let DueRow::Callback(callback) = flagged
            && callback.body.order == row.body.id
        {
            created.insert(callback.created);
        }
    }
    for created in created {
        if let Some(callback) = store.callback(created).await?.rows {
            let id = created.to_string();
            let its = (Aggregate::Callback, id.as_str());
            pages.add(store, its, callback.last).await?;
        }
    }
    Ok(())
}

/// The steps of one row that belong to a story.
fn steps(entry: &Entry, streams: &BTreeSet<(Aggregate, String)>) -> Vec<Step> {
    let cause = Some((entry.cause.kind.clone(), entry.cause.id.clone()));
    let step = |component, what: String, detail: Value| Step {
        position: entry.position,
        at: entry.at,
        component,
        what,
        detail,
        cause: cause.clone(),
    };
    let mut steps = Vec::new();
    if let Some(asked) = asked_by(entry) {
        steps.push(step(
            Component::Operator,
            asked,
            json!({"actor": entry.actor}),
        ));
    }
    let mine =
        |event: &&EntryEvent| streams.contains(&(event.kind.aggregate(), event.id().to_owned()));
    for event in entry.events.iter().filter(mine) {
        let data: Value = serde_json::from_str(event.data.get()).unwrap_or(Value::Null);
        let component = component(event.kind, &entry.cause.kind);
        let what = format!("{}: {}", event.kind.name(), event.kind.meaning());
        steps.push(step(component, what, data));
    }
    for made in &entry.moves {
        let hold = (Aggregate::Hold, made.reference.as_str().to_owned());
        if streams.contains(&hold) {
            let (from, to) = made.operation.accounts();
            let what = format!(
                "{}: {} of {} at {}, from {} to {}",
                made.operation.word(),
                made.quantity.get(),
                made.sku,
                made.location,
                from.name(),
                to.name(),
            );
            let detail = serde_json::to_value(made).expect("a move is plain JSON");
            steps.push(step(Component::Ledger, what, detail));
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

/// What is known of tries that left no event.
fn tries(row: &OrderRow, head: u64) -> Option<Step> {
    let due = row.body.due(row.tries, 0)?;
    (row.tries.calls > 0).then(|| Step {
        position: head,
        at: row.tries.last,
        component: Component::Timer,
        what: format!(
            "{} was called {} times for {}; next at its due time",
            next::provider(due.task),
            row.tries.calls,
            effect_key(&row.body, due.task),
        ),
        detail: json!({"calls": row.tries.calls, "sent": row.tries.sent}),
        cause: None,
    })
}

fn state_of(kind: &str, row: &OrderRow) -> String {
    let order = &row.body;
    match kind {
        "payment" => order.payment_status().name().to_owned(),
        "shipment" => {
            let shipment = order.shipment.as_ref();
            shipment.map_or("none", |it| it.status.name()).to_owned()
        }
        "saga" => order.saga.state.name().to_owned(),
        _ => order.status.name().to_owned(),
    }
}

/// What a person has to look at.
fn findings(row: &OrderRow) -> Vec<(&'static str, String)> {
    let order = &row.body;
    let mut findings = Vec::new();
    if order
        .review
        .is_some_and(|review| review.state == ReviewState::Open)
    {
        let what = "the provider does not say whether it took the money: the units are kept, and \
                    somebody has to decide";
        findings.push(("review_open", what.to_owned()));
    }
    if order.saga.state == State::Stuck {
        let what = "the delivery was refused behind the pivot: deliver again, or cancel and refund";
        findings.push(("saga_stuck", what.to_owned()));
    }
    for refund in &order.refunds {
        if refund.run.state == State::Stuck {
            let what = format!("refund {} of {} was refused", refund.id, refund.amount);
            findings.push(("refund_stuck", what));
        }
    }
    let owed = order.payment.captured() - order.refund_requested() - order.amount_due();
    if owed != 0 && order.status != Status::Pending {
        let what = format!("{owed} minor units are neither owed nor on their way back");
        findings.push(("money_adrift", what));
    }
    findings
}

async fn hold(store: &dyn Store, id: &HoldId, upto: Option<u64>) -> Result<Option<Story>, Fault> {
    let at = store.hold(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    let own = (Aggregate::Hold, id.as_str());
    pages.add(store, own, row.last).await?;
    pages.cut(upto);
    let Some(last) = pages.rows.values().next_back() else {
        return Ok(None);
    };
    let event = last.events.iter().find(|event| event.id() == id.as_str());
    let then: Option<evenkeel_rules::hold::Hold> = event.and_then(|event| event.data().ok());
    let then = then.unwrap_or_else(|| row.hold.clone());
    let is_past = last.position < row.last || upto < at.position;
    Ok(Some(Story {
        kind: "hold",
        id: id.to_string(),
        state: then.state.name().to_owned(),
        as_of: at.position.min(upto),
        steps: pages.steps(),
        next: if is_past {
            Vec::new()
        } else {
            next::of_hold(&then)
        },
        findings: Vec::new(),
    }))
}

async fn sku(store: &dyn Store, id: &SkuId, upto: Option<u64>) -> Result<Option<Story>, Fault> {
    let at = store.sku(id).await?;
    let Some((row, stock)) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    for (own, last) in [
        (Aggregate::Sku, row.last),
        (Aggregate::Stock, row.stock_last),
    ] {
        pages.add(store, (own, id.as_str()), last).await?;
    }
    pages.cut(upto);
    if pages.rows.is_empty() {
        return Ok(None);
    }
    let mut told = pages.steps();
    let units: u64 = stock.iter().map(|(_, balances)| balances.available()).sum();
    if upto >= at.position {
        let now = store.head().await?.time;
        for (location, balances) in &stock {
            told.push(Step {
                position: at.position,
                at: now,
                component: Component::Ledger,
                what: format!("stands at {location}: {}", accounts(*balances)),
                detail: json!({"location": location, "accounts": balances.raw()}),
                cause: None,
            });
        }
    }
    Ok(Some(Story {
        kind: "sku",
        id: id.to_string(),
        state: if units > 0 { "in_stock" } else { "sold_out" }.to_owned(),
        as_of: at.position.min(upto),
        steps: told,
        next: Vec::new(),
        findings: Vec::new(),
    }))
}

fn accounts(balances: evenkeel_rules::stock::Balances) -> String {
    let all = evenkeel_rules::stock::Account::ALL.iter();
    let one = all.map(|account| format!("{} {}", account.name(), balances.get(*account)));
    one.collect::<Vec<_>>().join(", ")
}
