//! The fold of the log: what every state row and balance must be, and the laws of each step.
//!
//! Rows come in order, each once. A step is judged against what the rows before it left; what is
//! on a log row that is lost (see [`Lost`]) is not known, and a step that only follows such a row
//! is taken as it is and not blamed for it.

use super::callbacks::CallbackFold;
use super::carts::Carts;
use super::holds::Holds;
use super::leases::Fences;
use super::names::Of;
use super::orders::{Orders, RowFold};
use super::privacy::{self, Secrets};
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use super::rest::Rest;
use super::rows::same_id;
use super::sagas::SagaFold;
use super::shares::Shares;
use super::stock;
use super::stream::Stream;
use super::subscriptions::SubscriptionFold;
use crate::body::StockData;
use crate::chain::{Entry, EntryEvent};
use crate::commit::Name;
use crate::port::{KeyRow, Map, Place};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::{LocationId, SagaId, SkuId, SubscriptionId, TokenId};
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::{Balances, Move, Short};
use evenkeel_rules::time::LogTime;
use evenkeel_rules::token::Token;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Positions whose content is not known, or not to be believed.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Removed, cut, or edited beyond trust: their events and moves are missing from the fold.
    pub(super) gone: Vec<(u64, u64)>,
    /// Said to be something else by an anchor, or beyond the head: the fold has what stands there.
    pub(super) doubtful: Vec<(u64, u64)>,
    /// Positions that inserted rows say; an index fed from the log may name them.
    pub(super) inserted: Vec<u64>,
    /// The first row that inserted ones pushed beyond the head, where nobody reads names.
    pub(super) pushed: Option<u64>,
    /// Differences that were put down to these rows.
    pub(super) explained: u64,
}

impl Lost {
    fn within(ranges: &[(u64, u64)], position: u64) -> bool {
        ranges
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&position))
    }

    /// Whether the fold misses what this position did.
    pub(super) fn is_gone(&self, position: u64) -> bool {
        Self::within(&self.gone, position)
    }

    /// Whether a row that was last written at this position may differ for that reason alone.
    pub(super) fn explains(&mut self, position: u64) -> bool {
        let explained = self.is_gone(position) || Self::within(&self.doubtful, position);
        self.explained += u64::from(explained);
        explained
    }
}

/// A SKU's two streams and what they left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SkuFold {
    pub(super) entry: Option<(Stream, Sku)>,
    pub(super) stock: Option<Stream>,
    pub(super) locations: Vec<LocationId>,
}

/// A token's stream and what it left.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenFold {
    pub(super) stream: Stream,
    pub(super) token: Token,
}

/// A name that the name index must know.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameCheck {
    pub(super) name: Name,
    pub(super) position: u64,
    pub(super) fingerprint: [u8; 16],
    pub(super) of: Of,
}

/// Everything, as of one position.
#[derive(Debug, Default)]
pub(super) struct Fold {
    pub(super) position: u64,
    pub(super) time: LogTime,
    pub(super) balances: Map<Place, Balances>,
    pub(super) holds: Holds,
    pub(super) shares: Shares,
    pub(super) orders: Orders,
    pub(super) sagas: BTreeMap<SagaId, SagaFold>,
    pub(super) carts: Carts,
    pub(super) callbacks: BTreeMap<u64, CallbackFold>,
    pub(super) skus: Map<SkuId, SkuFold>,
    pub(super) tokens: Map<TokenId, TokenFold>,
    pub(super) subscriptions: BTreeMap<SubscriptionId, SubscriptionFold>,
    pub(super) lost: Lost,
    pub(super) secrets: Secrets,
    /// What only the present row knows.
    pub(super) row: RowFold,
    /// Names of the rows that were folded, until somebody takes them.
    pub(super) names: Vec<NameCheck>,
    /// Names that were found to stand for something else, until the whole log was read.
    pub(super) misnamed: Vec<(NameCheck, Option<KeyRow>)>,
    pub(super) pace: Pace,
    pub(super) fences: Fences,
    /// What a seal let rest, if the fold began with one.
    pub(super) rest: Option<Rest>,
}

/// How fast the sweep was, and how long the log stood still.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    second: i64,
    swept: u64,
    /// Most holds that expired within one second of log time.
    pub(super) busiest: u64,
    /// Pauses of the log of more than a second: until when, and how much of all pauses by then.
    pub(super) pauses: Vec<(LogTime, i64)>,
}

/// A pause of this many microseconds or less counts as running.
const RUNNING_US: i64 = 1_000_000;

impl Pace {
    fn step(&mut self, before: LogTime, at: LogTime, expired: u64) {
        let pause = at.micros() - before.micros() - RUNNING_US;
        if before != LogTime::default() && pause > 0 {
            let so_far = self.pauses.last().map_or(0, |(_, sum)| *sum);
            self.pauses.push((at, so_far + pause));
        }
        let second = at.micros().div_euclid(1_000_000);
        if second != self.second {
            (self.second, self.swept) = (second, 0);
        }
        self.swept += expired;
        self.busiest = self.busiest.max(self.swept);
    }

    /// The same with its last pauses only. The first of them stands for all before it.
    pub(super) fn sealed(&self, most: usize) -> Self {
        let from = self.pauses.len().saturating_sub(most);
        Self {
            pauses: self.pauses[from..].to_vec(),
            ..*self
        }
    }

    /// How much of the time since a moment, up to the last row, the log did not stand still.
    pub(super) fn running_since(&self, since: LogTime, end: LogTime) -> i64 {
        let first = self.pauses.partition_point(|(until, _)| *until <= since);
        let before = first.checked_sub(1).map_or(0, |at| self.pauses[at].1);
        let all = self.pauses.last().map_or(0, |(_, sum)| *sum);
        (end.micros() - since.micros() - (all - before)).max(0)
    }
}

impl Fold {
    /// Takes the next row in.
    pub(super) fn apply(&mut self, entry: &Entry, position: u64, book: &mut Book) {
        if entry.at < self.time {
            let detail = "log time is earlier than on the row before";
            let (expected, found) = (json!(self.time), json!(entry.at));
            let draft = Draft {
                kind: Wrong::TimeFell,
                subject: Subject::entry(position),
                expected,
                found,
                position,
                detail: detail.to_owned(),
            };
            book.find(Invariant::I4, draft);
        }
        let expired = entry
            .events
            .iter()
            .filter(|event| event.kind == Kind::Expired);
        let expired = expired.count() as u64;
        self.pace.step(self.time, entry.at, expired);
        self.time = self.time.max(entry.at);
        self.position = position;
        if let Some((name, fingerprint)) = entry.key() {
            let of = Of::Key;
            self.names.push(NameCheck {
                name,
                position,
                fingerprint,
                of,
            });
        }
        for made in &entry.moves {
            self.make(made, position, book);
        }
        let mut moves = entry.moves.iter();
        let mut agree = true;
        for event in &entry.events {
            agree &= self.event(entry, event, &mut moves, book);
        }
        self.token(entry, book);
        entry.moves.iter().for_each(|made| self.share_move(made));
        self.end_row(entry, book);
        book.checked(Invariant::I2, 1);
        if !agree || moves.next().is_some() {
            let draft = wrong(Wrong::MovesDiffer, Subject::entry(position), position);
            let detail = "the row's moves are not those of its events";
            book.find(
                Invariant::I2,
                Draft {
                    detail: detail.to_owned(),
                    ..draft
                },
            );
        }
    }

    fn make(&mut self, made: &Move, position: u64, book: &mut Book) {
        book.checked(Invariant::I1, 1);
        let place = (made.sku.clone(), made.location.clone());
        let balances = self.balances.entry(place).or_default();
        let (from, _) = made.operation.accounts();
        let gave = balances.get(from);
        let short = balances.after(made.operation, made.quantity).err();
        *balances = balances.folded(made.operation, made.quantity);
        // Units that a lost row brought are missing from the fold, not from the stock.
        let Some(short) = short.filter(|_| self.lost.gone.is_empty()) else {
            return;
        };
        let what = match short {
            Short::Units => "has too few units",
            Short::Room => "would pass 2^53-1",
        };
        let (word, location) = (made.operation.word(), &made.location);
        let draft = Draft {
            kind: Wrong::Oversold,
            subject: Subject::new("sku", &made.sku),
            expected: json!({"account": from.name(), "at_least": made.quantity}),
            found: json!({"account": from.name(), "units": gave}),
            position,
            detail: format!(
                "{word} of {} at {location}: the account {what}",
                made.quantity.get()
            ),
        };
        book.find(Invariant::I1, draft);
    }

    /// Takes one event in; whether the row's next moves are the event's.
    fn event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        moves: &mut std::slice::Iter<'_, Move>,
        book: &mut Book,
    ) -> bool {
        book.checked(Invariant::I7, 1);
        let taken = match event.kind.aggregate() {
            Aggregate::Hold => self.hold_event(entry, event, moves, book),
            Aggregate::Stock => self.stock_event(event, moves, book),
            Aggregate::Sku => self.sku_event(event, book),
            Aggregate::Token => self.token_event(event, book),
            Aggregate::Order => self.order_event(entry, event, moves, book),
            Aggregate::Saga => self.saga_event(entry, event, book),
            Aggregate::Cart => self.cart_event(entry, event, book),
            Aggregate::Callback => self.callback_event(entry, event, book),
            Aggregate::Private => self.erased_event(entry, event, book),
            Aggregate::Subscription => self.subscription_event(event, book),
        };
        taken.unwrap_or_else(|what| {
            self.illegal(event, &what, book);
            // Whose moves they are cannot be told.
            moves.by_ref().for_each(drop);
            true
        })
    }

    /// Says that an event may not stand where it stands.
    pub(super) fn illegal(&self, event: &EntryEvent, what: &str, book: &mut Book) {
        let position = self.position;
        let draft = Draft {
            found: json!(event.kind.name()),
            detail: format!("{} version {}: {what}", event.stream, event.version),
            ..wrong(Wrong::IllegalTransition, subject(event), position)
        };
        book.find(Invariant::I7, draft);
    }

    fn sku_event(&mut self, event: &EntryEvent, book: &mut Book) -> Result<bool, String> {
        let sku: Sku = event.data()?;
        privacy::members(event, &sku, self.position, book);
        same_id(event, sku.terms.sku.as_str())?;
        let before = self
            .skus
            .get(&sku.terms.sku)
            .and_then(|fold| fold.entry.as_ref());
        let (stream, _) = self.advance(before.map(|(stream, _)| *stream), event, book);
        let id = sku.terms.sku.clone();
        self.shares.put(&id, sku.terms.max_per_customer.is_some());
        self.skus.entry(id).or_default().entry = Some((stream, sku));
        Ok(true)
    }

    fn token_event(&mut self, event: &EntryEvent, book: &mut Book) -> Result<bool, String> {
        let token: Token = event.data()?;
        privacy::members(event, &token, self.position, book);
        same_id(event, token.id.as_str())?;
        let before = self.tokens.get(&token.id).map(|fold| fold.stream);
        let (stream, _) = self.advance(before, event, book);
        self.tokens
            .insert(token.id.clone(), TokenFold { stream, token });
        Ok(true)
    }

    fn stock_event(
        &mut self,
        event: &EntryEvent,
        moves: &mut std::slice::Iter<'_, Move>,
        book: &mut Book,
    ) -> Result<bool, String> {
        let data: StockData = event.data()?;
        privacy::members(event, &data, self.position, book);
        same_id(event, data.sku.as_str())?;
        let before = self.skus.get(&data.sku).and_then(|fold| fold.stock);
        let (stream, _) = self.advance(before, event, book);
        let fold = self.skus.entry(data.sku.clone()).or_default();
        fold.stock = Some(stream);
        for location in std::iter::once(&data.location).chain(&data.to) {
            if !fold.locations.contains(location) {
                fold.locations.push(location.clone());
            }
        }
        self.told_balances(&data, book);
        Ok(stock::is_moved(event.kind, &data, moves))
    }

    /// Compares the balances that an event shows with the fold.
    fn told_balances(&self, data: &StockData, book: &mut Book) {
        if !self.lost.gone.is_empty() {
            return;
        }
        for told in &data.stock {
            let place = (data.sku.clone(), told.location.clone());
            let folded = self.balances.get(&place).copied().unwrap_or_default().raw();
            if folded != told.accounts {
                let position = self.position;
                let draft = Draft {
                    expected: json!(folded),
                    found: json!(told.accounts),
                    detail: format!("the event shows other balances at {}", told.location),
                    ..wrong(
                        Wrong::BalanceEdited,
                        Subject::new("sku", &data.sku),
                        position,
                    )
                };
                book.find(Invariant::I8, draft);
            }
        }
    }
}

/// A finding with nothing expected and nothing found yet.
pub(super) fn wrong(kind: Wrong, subject: Subject, position: u64) -> Draft {
    let (expected, found) = (json!(null), json!(null));
    Draft {
        kind,
        subject,
        expected,
        found,
        position,
        detail: String::new(),
    }
}

/// What an event is about.
pub(super) fn subject(event: &EntryEvent) -> Subject {
    let aggregate = event.kind.aggregate();
    let kind = match aggregate {
        Aggregate::Stock => Aggregate::Sku.word(),
        other => other.word(),
    };
    Subject::new(kind, event.id())
}
