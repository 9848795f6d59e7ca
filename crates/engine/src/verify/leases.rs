//! I12: what the engine wrote for orders, sagas and callbacks, it wrote under a lease that nobody
//! had taken over.
//!
//! A row of the log says under which token it was written; the shard follows from the order, the
//! saga or the callback that it is about. Per shard the tokens never fall. All leases get new
//! tokens when a node joins or goes, so a token under which a shard was lost is nobody's any more,
//! whatever the shard. And no token was written under that was never given, or that the leases in
//! the head row have fallen behind.
//!
//! It cannot show whose a token was, nor that it was the owner's at that very position: which nodes
//! live is bookkeeping, of which only the present state is kept. Nor what was refused, nor who
//! wrote bookkeeping alone, as a try that came to nothing.

use super::fold::{Fold, wrong};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use crate::chain::Entry;
use crate::port::{Fault, Store};
use crate::settle::HANDLER;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::ids::SagaId;
use evenkeel_rules::lease::{Leases, SHARDS, shard_of};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// What an engine writes under a lease: what came of a call, that an order's time runs out, and a
/// callback that it takes in.
const LEASED: [&str; 6] = ["saga", "warn", STEP, INBOX, RELAY, HANDLER];
/// Who takes callbacks in.
const INBOX: &str = "inbox";
/// Who notes what came of a step of a saga over anybody's services.
const STEP: &str = "step";
/// Who sets aside what a subscriber refuses.
const RELAY: &str = "relay";
/// Who asks when an engine asks.
const ENGINE: &str = "engine";

/// The tokens so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Fences {
    /// By shard: the highest token, and where it was first written under.
    highest: BTreeMap<u64, (u64, u64)>,
    /// The highest token under which a shard was lost, and where that shows.
    ended: (u64, u64),
    /// The highest token of all, and where.
    last: (u64, u64),
}

impl Fences {
    /// The least token that may be written under for a shard, and the row that says so.
    fn least(&self, shard: u64) -> (u64, u64) {
        let highest = self.highest.get(&shard).copied().unwrap_or_default();
        highest.max((self.ended.0 + 1, self.ended.1))
    }

    fn note(&mut self, shard: u64, token: u64, position: u64) {
        let (highest, since) = self.highest.entry(shard).or_insert((token, position));
        if token > *highest {
            self.ended = self.ended.max((*highest, position));
            (*highest, *since) = (token, position);
        }
        if token > self.last.0 {
            self.last = (token, position);
        }
    }
}

impl Fold {
    /// Judges the token of a row whose events were taken in.
    pub(super) fn token(&mut self, entry: &Entry, book: &mut Book) {
        let position = self.position;
        let draft = |kind| wrong(kind, Subject::entry(position), position);
        let leased = LEASED.contains(&entry.cause.kind.as_str());
        let Some(token) = entry.cause.lease else {
            if leased && entry.actor == ENGINE {
                let draft = Draft {
                    found: json!(entry.cause.kind),
                    detail: "an engine wrote it under no lease".to_owned(),
                    ..draft(Kind::Unfenced)
                };
                book.find(Invariant::I12, draft);
            }
            return;
        };
        book.checked(Invariant::I12, 1);
        if !leased || token == 0 {
            let draft = Draft {
                found: json!({"kind": entry.cause.kind, "token": token}),
                detail: "nobody is given such a token for it".to_owned(),
                ..draft(Kind::TokenUnknown)
            };
            book.find(Invariant::I12, draft);
            return;
        }
        let Some(shard) = self.created_of(entry).map(shard_of) else {
            return;
        };
        let (least, since) = self.fences.least(shard);
        if token < least {
            let draft = Draft {
                expected: json!({"at_least": least}),
                found: json!({"token": token, "shard": shard}),
                detail: format!("by {since} another lease had taken over from this one"),
                ..draft(Kind::TokenFell)
            };
            book.find(Invariant::I12, draft);
            return;
        }
        self.fences.note(shard, token, position);
    }

    /// Where the row was made that was looked at when this was written; nothing if that is not
    /// known: a callback that has to wait may leave its question in the order's story only.
    fn created_of(&self, entry: &Entry) -> Option<u64> {
        // A handler's lease is that of its checkpoint, which the row does not name.
        if entry.cause.kind == HANDLER {
            return None;
        }
        let of = match entry.cause.kind.as_str() {
            INBOX => Aggregate::Callback,
            STEP => Aggregate::Saga,
            RELAY => Aggregate::Subscription,
            _ => Aggregate::Order,
        };
        let mut events = entry.events.iter();
        let event = events.find(|event| event.kind.aggregate() == of)?;
        match of {
            Aggregate::Callback => event.id().parse().ok(),
            Aggregate::Saga => {
                let id = SagaId::new(event.id()).ok()?;
                self.sagas.get(&id).map(|fold| fold.stream.created)
            }
            Aggregate::Subscription => self.subscription_made(event.id()),
            _ => self.order_made(event.id()),
        }
    }
}

/// Compares the leases that the head has with the tokens that were written under.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn settle(store: &dyn Store, fold: &Fold, book: &mut Book) -> Result<(), Fault> {
    // Read behind the log: what was written under a lease was given it before.
    let head = store.head().await?;
    let Leases { last, .. } = head.leases;
    let (token, position) = fold.fences.last;
    if token > last {
        let draft = Draft {
            expected: json!({"at_most": last}),
            found: json!({"token": token}),
            detail: "the head's leases say that this token was never given".to_owned(),
            ..wrong(Kind::TokenUnknown, Subject::entry(position), position)
        };
        book.find(Invariant::I12, draft);
        return Ok(());
    }
    let behind = (0..SHARDS).find_map(|shard| {
        let owner = head.leases.owner(shard)?;
        let (least, since) = fold.fences.least(shard);
        (owner.token < least || owner.token > last).then_some((shard, owner, least, since))
    });
    if let Some((shard, owner, least, since)) = behind {
        let draft = Draft {
            expected: json!({"at_least": least, "at_most": last}),
            found: json!({"shard": shard, "node": owner.node, "token": owner.token}),
            detail: format!("the log was written under a later token at {since}"),
            ..wrong(Kind::TokenFell, Subject::new("head", &head.log), since)
        };
        book.find(Invariant::I12, draft);
    }
    let note = "whose a token was is not in the log, nor what was refused".to_owned();
    book.note(Invariant::I12, note);
    Ok(())
}
