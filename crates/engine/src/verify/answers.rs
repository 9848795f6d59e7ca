//! Whether the log kept what clients were told (I5), and whether every sold-out was true (I22).
//!
//! An answer is found in the log by its key, in the scope of its customer or in none. What took
//! effect is noted while the log is folded; a sold-out is judged when the fold stands at its
//! `as_of`. Only the last word on a key counts where an earlier attempt was refused for a moment,
//! and nothing is held against an attempt that never got an answer, except a second effect.

use super::acks::{Ack, Acks};
use super::fold::{Fold, wrong};
use super::holds::state_after;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use crate::chain::{Entry, hex};
use crate::commit::{Key, Name, hold_name};
use crate::port::{Head, Map, Place};
use crate::token::Position;
use evenkeel_rules::event::Kind as Event;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId};
use serde_json::json;

/// What a key did, as the log says it.
#[derive(Debug, Clone, Copy)]
struct Effect {
    position: u64,
    kind: Event,
    /// The name of the hold's id, for a hold's event.
    hold: Option<Name>,
}

/// A sold-out that waits for the fold to reach its position.
#[derive(Debug)]
struct SoldOut {
    as_of: u64,
    ack: usize,
}

/// All answers, and what the log was found to say about them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    given: bool,
    all: Vec<Ack>,
    unreadable: Option<String>,
    /// By name, in whichever scope.
    effects: Map<Name, Option<Effect>>,
    /// Descending, so that the next one is the last.
    sold_out: Vec<SoldOut>,
    /// Sold-outs without lines or position.
    untold: u64,
    probes: u64,
}

impl Answers {
    /// Takes a file's answers in; without a file nothing will be said.
    pub(super) fn new(acks: Option<Acks>) -> Self {
        let Some(acks) = acks else {
            return Self::default();
        };
        let mut answers = Self {
            given: true,
            all: acks.all,
            unreadable: acks.unreadable,
            ..Self::default()
        };
        for index in 0..answers.all.len() {
            let ack = &answers.all[index];
            answers.probes += u64::from(ack.probe);
            answers.effects.extend(names(ack).map(|name| (name, None)));
            if ack.code.as_deref() != Some("stock.sold_out") {
                continue;
            }
            match (as_of(ack), &ack.lines) {
                (Some(token), Some(_)) => {
                    let as_of = token.position;
                    answers.sold_out.push(SoldOut { as_of, ack: index });
                }
                _ => answers.untold += 1,
            }
        }
        answers
            .sold_out
            .sort_by_key(|one| std::cmp::Reverse(one.as_of));
        answers
    }

    /// Notes what a row did, if an answer is about it.
    pub(super) fn note(&mut self, entry: &Entry, position: u64) {
        if self.effects.is_empty() {
            return;
        }
        let Some((name, _)) = entry.key() else {
            return;
        };
        let Some(noted) = self.effects.get_mut(&name) else {
            return;
        };
        // A place that pulled ends other holds first: its own event is the last.
        let Some(event) = entry.events.last() else {
            return;
        };
        let hold = state_after(event.kind).and_then(|_| HoldId::new(event.id()).ok());
        noted.get_or_insert(Effect {
            position,
            kind: event.kind,
            hold: hold.map(|id| hold_name(&id)),
        });
    }

    /// Judges the sold-outs whose position comes before the row that is folded next.
    pub(super) fn before(&mut self, next: u64, fold: &Fold, book: &mut Book) {
        while self.sold_out.last().is_some_and(|one| one.as_of < next) {
            let one = self.sold_out.pop().expect("it was looked at");
            // Units that a lost row brought or took are missing from the fold.
            if fold.lost.gone.is_empty() {
                judge_sold_out(&self.all[one.ack], one.as_of, fold, book);
            }
        }
    }

    /// Judges everything else, once the log was read to its head.
    pub(super) fn finish(&mut self, head: &Head, fold: &Fold, book: &mut Book) {
        if !self.given {
            return;
        }
        if let Some(what) = &self.unreadable {
            book.uncomputed(Invariant::I5, what);
            book.uncomputed(Invariant::I22, what);
            return;
        }
        book.computed(Invariant::I5);
        book.computed(Invariant::I22);
        self.before(head.position + 1, fold, book);
        if self.untold > 0 {
            let untold = self.untold;
            let what = format!("{untold} sold-out answers name no lines or no as_of");
            book.uncomputed(Invariant::I22, &what);
        }
        if self.probes == 0 {
            let note = "no probe buyer asked: that every unit left can be bought was not tried";
            book.note(Invariant::I22, note.to_owned());
        }
        for group in groups(&self.all) {
            self.group(&group, (head, fold), book);
        }
        for ack in self.all.iter().filter(|ack| ack.key.is_none()) {
            self.group(&[ack], (head, fold), book);
        }
    }

    /// Judges all attempts with one key.
    fn group(&self, attempts: &[&Ack], (head, fold): (&Head, &Fold), book: &mut Book) {
        for ack in attempts {
            book.checked(Invariant::I5, 1);
            if let Some(token) = as_of(ack).filter(|token| is_beyond(token, head)) {
                let draft = Draft {
                    expected: json!({"at_least": token.position}),
                    found: json!({"head": head.position}),
                    detail: format!("an answer named {token}, which the log does not reach"),
                    ..lost(ack, token.position)
                };
                book.find(Invariant::I5, draft);
                return;
            }
        }
        // What a lost row did is not known.
        if !fold.lost.gone.is_empty() {
            return;
        }
        let effect = attempts.iter().find_map(|ack| self.effect(ack));
        let is_yes = |ack: &&&Ack| matches!(ack.status, Some(200 | 201)) && ack.method != "GET";
        if let Some(ack) = attempts.iter().find(is_yes) {
            kept(ack, effect, fold, book);
            return;
        }
        let Some(effect) = effect else {
            return;
        };
        let refusal = attempts.iter().find(|ack| is_final(ack));
        let no = refusal.or_else(|| attempts.last().filter(|_| attempts.iter().all(is_no)));
        if let Some(ack) = no {
            let draft = Draft {
                kind: Kind::EffectOfRefusal,
                expected: json!({"status": ack.status, "code": ack.code}),
                found: json!({"position": effect.position, "event": effect.kind.name()}),
                detail: "it was refused, and took effect".to_owned(),
                ..lost(ack, effect.position)
            };
            book.find(Invariant::I5, draft);
        }
    }

    fn effect(&self, ack: &Ack) -> Option<Effect> {
        let done = names(ack).filter_map(|name| self.effects.get(&name).copied().flatten());
        // One key may be known in two scopes: only what this route does is its effect.
        done.into_iter()
            .find(|effect| does(ack).is_none_or(|does| does.contains(&effect.kind)))
    }
}

/// The names under which the key may stand: in its customer's scope, or in none.
fn names(ack: &Ack) -> impl Iterator<Item = Name> + use<> {
    let name = |customer: Option<&CustomerId>, key: &str| Key::new(customer, key, &[]).name;
    let key = ack.key.as_deref().map(|key| key.trim_matches('"'));
    let customer = ack
        .customer
        .as_deref()
        .and_then(|id| CustomerId::new(id).ok());
    let scoped = key
        .zip(customer.as_ref())
        .map(|(key, customer)| name(Some(customer), key));
    let open = key.map(|key| name(None, key));
    scoped.into_iter().chain(open)
}

fn as_of(ack: &Ack) -> Option<Position> {
    ack.token.as_deref()?.parse().ok()
}

fn is_beyond(token: &Position, head: &Head) -> bool {
    let of_this = token.log == head.log && token.incarnation == head.incarnation;
    of_this && token.position > head.position
}

/// The attempts of each key, in the order of their answers; an unanswered one comes last.
fn groups(all: &[Ack]) -> Vec<Vec<&Ack>> {
    let mut keyed: Vec<&Ack> = all.iter().filter(|ack| ack.key.is_some()).collect();
    let order = |ack: &&Ack| {
        (
            ack.key.clone(),
            ack.customer.clone(),
            ack.answered_at.is_none(),
        )
    };
    keyed.sort_by_cached_key(|ack| (order(ack), ack.answered_at.clone()));
    let same = |a: &&Ack, b: &&Ack| a.key == b.key && a.customer == b.customer;
    keyed.chunk_by(same).map(<[&Ack]>::to_vec).collect()
}

/// What a route's effect is; nothing for a route that is not known here.
fn does(ack: &Ack) -> Option<&'static [Event]> {
    let route = ack.route.trim_end_matches('/');
    let ends = |word: &str| route.rsplit('/').next() == Some(word);
    Some(match ack.method.as_str() {
        "POST" if ends("holds") => &[Event::Held],
        "POST" if ends("confirm") => &[Event::Confirmed],
        "POST" if ends("release") => &[Event::Released],
        "POST" if ends("extend") => &[Event::Extended],
        "POST" if ends("receive") => &[Event::StockReceived],
        "POST" if ends("adjust") => &[Event::StockAdjusted],
        "POST" if ends("tokens") => &[Event::TokenCreated],
        "DELETE" if route.contains("/tokens/") => &[Event::TokenRevoked],
        "PUT" if route.contains("/skus/") => &[Event::SkuCreated, Event::SkuUpdated],
        _ => return None,
    })
}

/// A refusal that can never change: it is kept with its key.
fn is_final(ack: &Ack) -> bool {
    let code = ack.code.as_deref().unwrap_or_default();
    let codes = [
        "already_exists",
        "hold.confirmed",
        "hold.released",
        "hold.expired",
    ];
    ack.status == Some(409) && codes.contains(&code)
}

/// An answer that says that this attempt did nothing; 500 and 504 leave it open.
fn is_no(ack: &&Ack) -> bool {
    ack.status
        .is_some_and(|status| matches!(status, 400..=499 | 503 | 507))
        && ack.code.as_deref() != Some("in_flight")
}

fn lost(ack: &Ack, position: u64) -> Draft {
    let subject = match (&ack.id, &ack.key, names(ack).next()) {
        (Some(id), ..) => Subject::new("hold", id),
        (None, Some(_), Some(name)) => Subject::new("key", hex(&name)),
        _ => Subject::new("answer", format!("{} {}", ack.method, ack.route)),
    };
    wrong(Kind::EffectLost, subject, position)
}

/// A yes has its effect: under its key, or, for what was so already, in the state that stands.
fn kept(ack: &Ack, effect: Option<Effect>, fold: &Fold, book: &mut Book) {
    let asked = ack
        .id
        .as_deref()
        .and_then(|id| HoldId::new(id).ok())
        .map(|id| hold_name(&id));
    let of_hold = does(ack).is_some_and(|does| state_after(does[0]).is_some());
    let stands = asked
        .filter(|_| of_hold)
        .and_then(|name| fold.holds.by_name(&name));
    let is_kept = match (effect, does(ack)) {
        (_, None) => true,
        (Some(effect), Some(_)) => !of_hold || asked.is_none() || asked == effect.hold,
        // The same ending again under a new key writes nothing: it stands as asked.
        (None, Some([Event::Confirmed])) => {
            stands.is_some_and(|hold| hold.kind == Event::Confirmed)
        }
        (None, Some([Event::Released])) => stands.is_some_and(|hold| hold.kind == Event::Released),
        // A put that changes nothing writes nothing, and has no key as a rule.
        (None, Some([Event::SkuCreated, ..])) => listed(ack, fold),
        (None, Some([Event::TokenRevoked])) => true,
        (None, Some(_)) => ack.key.is_none() && stands.is_some(),
    };
    if !is_kept {
        let position = as_of(ack).map_or(0, |token| token.position);
        let state = stands
            .and_then(|hold| state_after(hold.kind))
            .map(State::name);
        let draft = Draft {
            expected: json!({"status": ack.status, "event": does(ack).map(|all| all[0].name())}),
            found: json!(
                effect
                    .map(|effect| effect.position)
                    .map_or(json!(state), |at| json!(at))
            ),
            detail: format!(
                "{} {} was answered {:?}; the log has no such effect",
                ack.method,
                ack.route,
                ack.status.unwrap_or(0)
            ),
            ..lost(ack, position)
        };
        book.find(Invariant::I5, draft);
    }
}

fn listed(ack: &Ack, fold: &Fold) -> bool {
    let id = ack.id.as_deref().or_else(|| ack.route.rsplit('/').next());
    let id = id.and_then(|id| SkuId::new(id).ok());
    id.is_none_or(|id| fold.skus.get(&id).is_some_and(|sku| sku.entry.is_some()))
}

/// At its position fewer units of some line were available than it asked for.
fn judge_sold_out(ack: &Ack, as_of: u64, fold: &Fold, book: &mut Book) {
    book.checked(Invariant::I22, 1);
    let mut asked: Vec<(Place, u64)> = Vec::new();
    for line in ack.lines.iter().flatten() {
        let location = line
            .location
            .as_deref()
            .map_or(Ok(LocationId::main()), LocationId::new);
        let (Ok(sku), Ok(location)) = (SkuId::new(&line.sku), location) else {
            return;
        };
        let place = (sku, location);
        match asked.iter_mut().find(|(seen, _)| *seen == place) {
            Some((_, units)) => *units = units.saturating_add(line.quantity),
            None => asked.push((place, line.quantity)),
        }
    }
    let available = |place: &Place| fold.balances.get(place).map_or(0, |at| at.available());
    if asked.is_empty() || asked.iter().any(|(place, units)| available(place) < *units) {
        return;
    }
    let (place, units) = &asked[0];
    let draft = Draft {
        expected: json!({"available_below": units}),
        found: json!({"available": available(place)}),
        detail: format!(
            "told sold out as of {as_of}{}",
            if ack.probe { ", the probe" } else { "" }
        ),
        ..wrong(Kind::FalseSoldOut, Subject::new("sku", &place.0), as_of)
    };
    book.find(Invariant::I22, draft);
}
