//! Whether the log kept what clients were told (I5), and whether every sold-out was true (I22).
//!
//! An answer is found in the log by its key, in the scope of its customer or in none. What took
//! effect is noted while the log is folded; a sold-out is judged when the fold stands at its
//! `as_of`. Where an earlier attempt was refused for a moment only the last word on a key counts,
//! and nothing is held against an attempt that never got an answer.

use super::acks::{Acks, Demand, Told, Word};
use super::fold::{Fold, wrong};
use super::holds::state_after;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use crate::chain::{Entry, hex};
use crate::commit::{Name, hold_name};
use crate::port::{Head, Map, Place};
use evenkeel_rules::event::Kind as Event;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{HoldId, SkuId};
use serde_json::json;

/// What a key did, as the log says it.
#[derive(Debug, Clone, Copy)]
struct Effect {
    position: u64,
    kind: Event,
    /// The name of the hold's id, for a hold's event.
    hold: Option<Name>,
}

/// All answers, and what the log was found to say about them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    given: bool,
    acks: Acks,
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
        let all = acks.all.iter().enumerate();
        let judged = all.filter(|(_, told)| told.demand.is_some());
        let of_this = |told: &Told| told.token.filter(|(log, _)| is_of(&acks, *log, head));
        let judged = judged.filter_map(|(at, told)| Some((of_this(told)?.1, at)));
        let mut sold_out: Vec<(u64, usize)> = judged.collect();
        sold_out.sort_unstable_by_key(|one| std::cmp::Reverse(*one));
        Self {
            given: true,
            acks,
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
        // A place that pulled ends other holds first: its own event is the last.
        let Some(((name, _), event)) = named.zip(entry.events.last()) else {
            return;
        };
        let hold = state_after(event.kind).and_then(|_| HoldId::new(event.id()).ok());
        let effect = Effect {
            position,
            kind: event.kind,
            hold: hold.map(|id| hold_name(&id)),
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
        let of_this = |told: &Told| {
            told.token
                .is_some_and(|(log, _)| is_of(&self.acks, log, head))
        };
        let untold = sold_out.filter(|told| told.demand.is_none() || !of_this(told));
        let untold = untold.count();
        if untold > 0 {
            let what = format!("{untold} sold-out answers name no lines, or no as_of of this log");
            book.uncomputed(Invariant::I22, &what);
        }
        if !all.iter().any(|told| told.probe) {
            let note = "no probe buyer asked: that every unit left can be bought was not tried";
            book.note(Invariant::I22, note.to_owned());
        }
        let mut order: Vec<&Told> = all.iter().filter(|told| told.does.is_some()).collect();
        let key = |told: &&Told| told.scoped.or(told.open);
        order.sort_by_key(|told| (key(told), told.word == Word::Open, told.line));
        let same = |a: &&Told, b: &&Told| key(a).is_some() && key(a) == key(b);
        for attempts in order.chunk_by(same) {
            self.attempts(attempts, (head, fold), book);
        }
    }

    /// Judges all attempts with one key, or one without.
    fn attempts(&self, attempts: &[&Told], (head, fold): (&Head, &Fold), book: &mut Book) {
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
        let effect = attempts.iter().find_map(|told| self.effect(told));
        if let Some(yes) = attempts.iter().find(|told| told.word == Word::Yes) {
            kept(yes, effect, fold, book);
            return;
        }
        let never = attempts.iter().find(|told| told.word == Word::Never);
        let last = attempts.last().filter(|told| told.word == Word::No);
        if let Some((effect, told)) = effect.zip(never.or(last)) {
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
        (is_of(&self.acks, log, head) && position > head.position).then_some(position)
    }

    /// What the key did; known in two scopes, only what the route does is its effect.
    fn effect(&self, told: &Told) -> Option<Effect> {
        let does = told.does?;
        let done = names(told).filter_map(|name| self.effects.get(&name).copied());
        done.into_iter().find(|effect| does.contains(&effect.kind))
    }
}

/// Whether an answer's position is of this log and its present incarnation.
fn is_of(acks: &Acks, log: u16, head: &Head) -> bool {
    let (name, incarnation) = &acks.logs[usize::from(log)];
    *name == head.log && *incarnation == head.incarnation
}

/// The names under which the key may stand.
fn names(told: &Told) -> impl Iterator<Item = Name> + use<> {
    told.scoped.into_iter().chain(told.open)
}

fn lost(told: &Told, position: u64) -> Draft {
    let of_hold = told.does.is_some_and(|does| state_after(does[0]).is_some());
    let subject = match (&told.id, told.scoped.or(told.open)) {
        (Some(id), _) if of_hold => Subject::new("hold", id),
        (_, Some(name)) => Subject::new("key", hex(&name)),
        _ => Subject::new("answer", told.line),
    };
    wrong(Kind::EffectLost, subject, position)
}

/// A yes has its effect: under its key, or, for what was so already, in the state that stands.
fn kept(told: &Told, effect: Option<Effect>, fold: &Fold, book: &mut Book) {
    let does = told.does.unwrap_or_default();
    let of_hold = does
        .first()
        .is_some_and(|kind| state_after(*kind).is_some());
    let asked = told.id.as_deref().filter(|_| of_hold);
    let asked = asked
        .and_then(|id| HoldId::new(id).ok())
        .map(|id| hold_name(&id));
    let stands = asked.and_then(|name| fold.holds.by_name(&name));
    let is_kept = match (effect, does) {
        (Some(effect), _) => asked.is_none() || asked == effect.hold,
        // The same ending again under a new key writes nothing: it stands as asked.
        (None, [kind @ (Event::Confirmed | Event::Released)]) => {
            stands.is_some_and(|hold| hold.kind == *kind)
        }
        // A put that changes nothing writes nothing; so does revoking again.
        (None, [Event::SkuCreated, ..]) => listed(told, fold),
        (None, [Event::TokenRevoked]) => true,
        (None, _) => told.open.is_none(),
    };
    if !is_kept {
        let position = told.token.map_or(0, |(_, position)| position);
        let state = stands
            .and_then(|hold| state_after(hold.kind))
            .map(State::name);
        let draft = Draft {
            expected: json!({"status": told.status, "event": does.first().map(|kind| kind.name())}),
            found: json!({"position": effect.map(|effect| effect.position), "state": state}),
            detail: format!(
                "line {}: it was answered, and the log has no such effect",
                told.line
            ),
            ..lost(told, position)
        };
        book.find(Invariant::I5, draft);
    }
}

fn listed(told: &Told, fold: &Fold) -> bool {
    let id = told.id.as_deref().and_then(|id| SkuId::new(id).ok());
    id.is_none_or(|id| fold.skus.get(&id).is_some_and(|sku| sku.entry.is_some()))
}

/// At its position fewer units of some line were available than it asked for.
fn judge_sold_out((told, demand): (&Told, &Demand), as_of: u64, fold: &Fold, book: &mut Book) {
    book.checked(Invariant::I22, 1);
    let available = |place: &Place| fold.balances.get(place).map_or(0, |at| at.available());
    let is_short = demand
        .iter()
        .any(|(place, units)| available(place) < *units);
    let Some((place, units)) = demand.first().filter(|_| !is_short) else {
        return;
    };
    let who = if told.probe { "the probe" } else { "a buyer" };
    let draft = Draft {
        expected: json!({"available_below": units}),
        found: json!({"available": available(place)}),
        detail: format!("line {}: {who} was told sold out as of {as_of}", told.line),
        ..wrong(Kind::FalseSoldOut, Subject::new("sku", &place.0), as_of)
    };
    book.find(Invariant::I22, draft);
}
