//! Whether the log kept what clients were told (I5), and whether every sold-out was true (I22).
//!
//! An answer is found in the log by its key, in the scope of its customer or in none. What took
//! effect is noted while the log is folded; a sold-out is judged when the fold stands at its
//! `as_of`. Where an earlier attempt was refused for a moment only the last word on a key counts,
//! and nothing is held against an attempt that never got an answer.

use super::acks::{Acks, Demand, Told, Word};
use super::carts::CartFold;
use super::fold::{Fold, wrong};
use super::holds::state_after;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use crate::chain::{Entry, EntryEvent, hex};
use crate::commit::{Name, hold_name, name_of};
use crate::lineage::Lineage;
use crate::port::{Head, Map, Place};
use evenkeel_rules::event::{Aggregate, Kind as Event};
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{CartId, HoldId, SkuId};
use evenkeel_rules::order::Status;
use serde_json::json;

/// What a key did, as the log says it.
#[derive(Debug, Clone, Copy)]
struct Effect {
    position: u64,
    kind: Event,
    /// The name of the id that it is about, for a hold's or an order's event.
    about: Option<Name>,
}

/// All answers, and what the log was found to say about them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    given: bool,
    acks: Acks,
    /// The last position that this log has of each log and incarnation that answers name; nothing
    /// of another's.
    upto: Vec<Option<u64>>,
    /// Every name that some answer may stand under, ascending.
    wanted: Vec<Name>,
    effects: Map<Name, Effect>,
    /// Sold-outs: position and number of the answer. Descending: the next one is the last.
    sold_out: Vec<(u64, usize)>,
}

impl Answers {
    /// Takes a file's answers in; without a file nothing will be said.
    pub(super) fn new(acks: Option<Acks>, head: &Head) -> Self {
        let Some(acks) = acks else {
            return Self::default();
        };
        let names = acks.all.iter().flat_map(names);
        let mut wanted: Vec<Name> = names.collect();
        wanted.sort_unstable();
        wanted.dedup();
        let lineage = Lineage::of(head);
        let names = acks.logs.iter();
        let upto: Vec<_> = names
            .map(|(log, incarnation)| lineage.upto((log, *incarnation)))
            .collect();
        let all = acks.all.iter().enumerate();
        let judged = all.filter(|(_, told)| told.demand.is_some());
        let judged = judged.filter_map(|(at, told)| Some((of_this(&upto, told)?, at)));
        let mut sold_out: Vec<(u64, usize)> = judged.collect();
        sold_out.sort_unstable_by_key(|one| std::cmp::Reverse(*one));
        Self {
            given: true,
            acks,
            upto,
            wanted,
            effects: Map::default(),
            sold_out,
        }
    }

    /// Notes what a row did, if an answer is about it.
    pub(super) fn note(&mut self, entry: &Entry, position: u64) {
        if self.wanted.is_empty() {
            return;
        }
        let named = entry
            .key()
            .filter(|(name, _)| self.wanted.binary_search(name).is_ok());
        let Some(((name, _), event)) = named.zip(own(entry)) else {
            return;
        };
        let effect = Effect {
            position,
            kind: event.kind,
            about: about(event.kind, event.id()),
        };
        self.effects.entry(name).or_insert(effect);
    }

    /// Judges the sold-outs whose position comes before the row that is folded next.
    pub(super) fn before(&mut self, next: u64, fold: &Fold, book: &mut Book) {
        while let Some((as_of, at)) = self.sold_out.pop_if(|(as_of, _)| *as_of < next) {
            let told = &self.acks.all[at];
            let demand = told
                .demand
                .map(|number| &self.acks.demands[number as usize]);
            // Units that a lost row brought or took are missing from the fold.
            if let Some(demand) = demand.filter(|_| fold.lost.gone.is_empty()) {
                judge_sold_out((told, demand), as_of, fold, book);
            }
        }
    }

    /// Judges everything else, once the log was read to its head.
    pub(super) fn finish(&mut self, head: &Head, fold: &Fold, book: &mut Book) {
        if !self.given {
            return;
        }
        if let Some(what) = &self.acks.unreadable {
            book.not_computed(Invariant::I5, what);
            book.not_computed(Invariant::I22, what);
            return;
        }
        book.computed(Invariant::I5);
        book.computed(Invariant::I22);
        self.before(head.position + 1, fold, book);
        let all = &self.acks.all;
        let sold_out = all.iter().filter(|told| told.sold_out);
        let of_this = |told: &Told| of_this(&self.upto, told).is_some();
        let untold = sold_out.filter(|told| told.demand.is_none() || !of_this(told));
        let untold = untold.count();
        if untold > 0 {
            let what = format!("{untold} sold-out answers name no lines, or no as_of of this log");
            book.uncomputed(Invariant::I22, &what);
        }
        let mut order: Vec<&Told> = all.iter().filter(|told| told.does.is_some()).collect();
        // One key text may stand for several intents, in several scopes.
        let key = |told: &&Told| (told.scoped.or(told.open), told.intent().map(Event::name));
        order.sort_by_key(|told| (key(told), told.word == Word::Open, told.line));
        let same = |a: &&Told, b: &&Told| a.open.is_some() && key(a) == key(b);
        let claimed = self.claimed();
        for attempts in order.chunk_by(same) {
            self.attempts(attempts, &claimed, (head, fold), book);
        }
    }

    /// The names under which some yes has its effect.
    fn claimed(&self) -> Map<Name, ()> {
        let yes = self.acks.all.iter().filter(|told| told.word == Word::Yes);
        let its = yes.filter_map(|told| self.effects(told).find(|(_, it)| is_its(told, it)));
        its.map(|(name, _)| (name, ())).collect()
    }

    /// Judges all attempts at one intent with one key, or one attempt without a key.
    fn attempts(
        &self,
        attempts: &[&Told],
        claimed: &Map<Name, ()>,
        (head, fold): (&Head, &Fold),
        book: &mut Book,
    ) {
        book.checked(Invariant::I5, attempts.len());
        for told in attempts {
            if let Some(position) = self.beyond(told, head) {
                let draft = Draft {
                    expected: json!({"at_least": position}),
                    found: json!({"head": head.position}),
                    detail: format!("line {}: the log does not reach the answer", told.line),
                    ..lost(told, position)
                };
                book.find(Invariant::I5, draft);
                return;
            }
        }
        // What a lost row did is not known.
        if !fold.lost.gone.is_empty() {
            return;
        }
        let mut yes = attempts.iter().filter(|told| told.word == Word::Yes);
        if let Some(first) = yes.next() {
            for told in std::iter::once(first).chain(yes) {
                let effects: Vec<Effect> = self.effects(told).map(|(_, it)| it).collect();
                kept(told, &effects, fold, book);
            }
            return;
        }
        let never = attempts.iter().find(|told| told.word == Word::Never);
        let last = attempts.last().filter(|told| told.word == Word::No);
        let Some(told) = never.or(last) else {
            return;
        };
        // What another's yes says under the same text is that one's effect.
        let mut effects = self.effects(told);
        let effect = effects.find(|(name, it)| is_its(told, it) && !claimed.contains_key(name));
        if let Some((_, effect)) = effect {
            let draft = Draft {
                kind: Kind::EffectOfRefusal,
                expected: json!({"status": told.status}),
                found: json!({"position": effect.position, "event": effect.kind.name()}),
                detail: format!("line {}: it was refused, and took effect", told.line),
                ..lost(told, effect.position)
            };
            book.find(Invariant::I5, draft);
        }
    }

    /// The position of an answer that the log does not reach.
    fn beyond(&self, told: &Told, head: &Head) -> Option<u64> {
        let (log, position) = told.token?;
        let upto = self.upto[usize::from(log)]?;
        (position > upto.min(head.position)).then_some(position)
    }

    /// What the key did; known in two scopes, only what the route does is its effect.
    fn effects(&self, told: &Told) -> impl Iterator<Item = (Name, Effect)> {
        let does = told.does.unwrap_or_default();
        let done = names(told).filter_map(|name| Some((name, *self.effects.get(&name)?)));
        done.filter(|(_, effect)| does.contains(&effect.kind))
    }
}

/// The event that a row was asked for: others may stand before it, as the ends of holds that a
/// place pulled, or behind it, as what follows of an order.
fn own(entry: &Entry) -> Option<&EntryEvent> {
    let events = || entry.events.iter();
    let named: &[Event] = match entry.cause.kind.as_str() {
        "take_order" | "check_out" => &[Event::OrderCreated],
        "cancel_order" => &[Event::CancelRequested, Event::OrderCancelled],
        "refund_order" => &[Event::RefundRequested],
        "return_order" => &[Event::OrderReturned],
        "resolve_order" => &[Event::OrderResolved],
        _ => return entry.events.last(),
    };
    events().find(|event| named.contains(&event.kind))
}

/// The name of what an event of this kind is about.
fn about(kind: Event, id: &str) -> Option<Name> {
    name_of(kind.aggregate(), id).ok()?
}

/// The name of what an answer is about, where it says so. That of a refund has the refund's id.
fn asked(told: &Told) -> Option<Name> {
    let kind = told
        .intent()
        .filter(|kind| *kind != Event::RefundRequested)?;
    about(kind, told.id.as_deref()?)
}

/// Whether an effect is about what an answer is about, as far as both say.
fn is_its(told: &Told, effect: &Effect) -> bool {
    asked(told).is_none_or(|asked| effect.about == Some(asked))
}

/// An answer's position, if it is of this log, and not of the future that a restored backup does
/// not have.
fn of_this(upto: &[Option<u64>], told: &Told) -> Option<u64> {
    let (log, position) = told.token?;
    upto[usize::from(log)]
        .filter(|upto| position <= *upto)
        .map(|_| position)
}

/// The names under which the key may stand.
fn names(told: &Told) -> impl Iterator<Item = Name> + use<> {
    told.scoped.into_iter().chain(told.open)
}

fn lost(told: &Told, position: u64) -> Draft {
    let of = told.intent().map(Event::aggregate);
    let subject = match (&told.id, told.scoped.or(told.open)) {
        (Some(id), _) if of == Some(Aggregate::Hold) => Subject::new("hold", id),
        (Some(id), _) if of == Some(Aggregate::Saga) => Subject::new("saga", id),
        (Some(id), _) if of == Some(Aggregate::Cart) => Subject::new("cart", id),
        (Some(id), _) if asked(told).is_some() => Subject::new("order", id),
        (_, Some(name)) => Subject::new("key", hex(&name)),
        _ => Subject::new("answer", told.line),
    };
    wrong(Kind::EffectLost, subject, position)
}

/// A yes has its effect: under its key, or, for what was so already, in the state that stands.
fn kept(told: &Told, effects: &[Effect], fold: &Fold, book: &mut Book) {
    if effects.iter().any(|effect| is_its(told, effect)) {
        return;
    }
    let effect = effects.first();
    if effect.is_none() && stands(told, fold) {
        return;
    }
    let position = told.token.map_or(0, |(_, position)| position);
    let hold = asked(told).and_then(|name| fold.holds.by_name(&name));
    let state = hold
        .and_then(|hold| state_after(hold.kind))
        .map(State::name);
    let event = told.intent().map(Event::name);
    let draft = Draft {
        expected: json!({"status": told.status, "event": event}),
        found: json!({"position": effect.map(|effect| effect.position), "state": state}),
        detail: format!(
            "line {}: it was answered, and the log has no such effect",
            told.line
        ),
        ..lost(told, position)
    };
    book.find(Invariant::I5, draft);
}

/// Whether what was answered is so without an effect of its own.
fn stands(told: &Told, fold: &Fold) -> bool {
    let name = asked(told);
    let hold = || name.and_then(|name| fold.holds.by_name(&name));
    let order = || name.and_then(|name| fold.orders.by_name(&name));
    match told.intent() {
        // The same ending again under a new key writes nothing: it stands as asked.
        Some(kind @ (Event::Confirmed | Event::Released)) => hold().is_some_and(|hold| {
            // That of a cart's line may have been held again since.
            let again = told.id.as_deref().is_some_and(|id| id.starts_with("cart:"));
            hold.kind == kind || again && kind == Event::Released
        }),
        // So does calling off again.
        Some(Event::CancelRequested) => order().is_some_and(|order| order.called_off),
        Some(Event::OrderCreated) if told.open.is_none() => {
            name.is_none() || order().is_some_and(|order| order.status != Status::Rejected)
        }
        // A put that changes nothing writes nothing; so does revoking again.
        Some(Event::SkuCreated) => listed(told, fold),
        Some(Event::TokenRevoked) => true,
        // Taking out a line that is not there writes nothing.
        Some(Event::CartUpdated) => cart(told, fold).is_some(),
        _ => told.open.is_none(),
    }
}

fn listed(told: &Told, fold: &Fold) -> bool {
    let id = told.id.as_deref().and_then(|id| SkuId::new(id).ok());
    id.is_none_or(|id| fold.skus.get(&id).is_some_and(|sku| sku.entry.is_some()))
}

fn cart<'a>(told: &Told, fold: &'a Fold) -> Option<&'a CartFold> {
    let id = told.id.as_deref().and_then(|id| CartId::new(id).ok())?;
    fold.carts.get(&id)
}

/// Units that the hold of a cart's line has, for an answer about that line: they are there for it.
fn own_units(told: &Told, (sku, _): &Place, fold: &Fold) -> u64 {
    let of_line = told.intent() == Some(Event::CartUpdated);
    let units = cart(told, fold).filter(|_| of_line).and_then(|cart| {
        let id = told.id.as_deref().and_then(|id| CartId::new(id).ok())?;
        let hold = fold.holds.by_name(&hold_name(&HoldId::of_cart(&id, sku)))?;
        hold.is_live().then(|| cart.units(sku))
    });
    units.unwrap_or(0)
}

/// At its position fewer units of some line were available than it asked for.
fn judge_sold_out((told, demand): (&Told, &Demand), as_of: u64, fold: &Fold, book: &mut Book) {
    book.checked(Invariant::I22, 1);
    let available = |place: &Place| fold.balances.get(place).map_or(0, |at| at.available());
    let is_short = demand
        .iter()
        .any(|(place, units)| available(place) + own_units(told, place, fold) < *units);
    let Some((place, units)) = demand.first().filter(|_| !is_short) else {
        return;
    };
    let draft = Draft {
        expected: json!({"available_below": units}),
        found: json!({"available": available(place)}),
        detail: format!("line {}: it was told sold out as of {as_of}", told.line),
        ..wrong(Kind::FalseSoldOut, Subject::new("sku", &place.0), as_of)
    };
    book.find(Invariant::I22, draft);
}
