//! Every invariant of the design against a store: held, violated, or checked elsewhere.
//!
//! [`verify`] reads the log from its first row, chains and folds it, and compares every state row,
//! balance and name with the fold. It holds no transaction open: each read is short and says which
//! position it is exact at, the fold is taken there, and what other commands write meanwhile is
//! neither missed nor mistaken for damage. Damage is named once, where it was done; what only
//! follows from it is not reported, and what cannot be judged for it is `not_checkable`.
//!
//! What it cannot show: what was said in a final refusal whose row is gone (or that its text was
//! exchanged for another refusal: the chain does not cover refusals), a token's exchanged secret,
//! an order's exchanged private text, and, without an anchor, a tail that was cut together with its
//! head row and every state row written since.
//!
//! It writes nothing, reads no clock, and never says `held` of what it did not compute.

use crate::chain::{Hash, hex};
use crate::port::{Fault, StockGate, Store, Views};
use evenkeel_rules::event::FORMAT;
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::{LogTime, Millis};
use serde_json::json;
use std::time::Duration;

mod acks;
mod answers;
mod callbacks;
mod carts;
mod catalogue;
mod change;
mod fold;
mod holds;
mod invariant;
mod judge;
mod leases;
mod lives;
mod money;
mod names;
mod orders;
mod pages;
mod privacy;
mod report;
mod rows;
mod sagas;
mod shares;
mod shelf;
mod steps;
mod stock;
mod stream;
mod subscriptions;
mod views;
mod walk;
mod witness;

pub use acks::{Acks, read_anchors};
pub use report::{Check, Class, FINDINGS_MAX, Finding, Invariant, Kind, Outcome, Report, Subject};

/// Longest that a hold may outlive its deadline, beside the time that sweeping what is due takes.
pub const GRACE: Millis = Millis(5_000);

/// A running server: its sweep can be expected to have done its work.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// The wall clock.
    pub now: LogTime,
    /// When the server began to serve.
    pub since: LogTime,
}

/// The gate of a running server.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// The gate.
    pub gate: &'a dyn StockGate,
    /// The clock's monotonic time.
    pub mono: Duration,
}

/// What a verification looks at beside the store.
#[derive(Default)]
pub struct Inputs<'a> {
    /// The server that runs on the store; nothing for a store at rest.
    pub running: Option<Running>,
    /// The answers that clients got.
    pub acks: Option<Acks>,
    /// What was known of the chain before: position and hash.
    pub anchors: Vec<(u64, Hash)>,
    /// The gate of the running server.
    pub gate: Option<Gate<'a>>,
    /// What is folded from the log beside the store.
    pub views: Option<&'a dyn Views>,
}

/// Computes every invariant that a store can show.
///
/// # Errors
/// A [`Fault`] of the store: nothing is known then. Damage is no fault; it is in the report.
pub async fn verify(store: &dyn Store, inputs: Inputs<'_>) -> Result<Report, Fault> {
    let head = store.head().await?;
    if head.format > FORMAT {
        let format = head.format;
        let what = format!("log format {format} is newer than this program");
        return Err(Fault::Corrupt(what));
    }
    let mut book = report::Book::new();
    let mut fold = fold::Fold::default();
    let mut answers = answers::Answers::new(inputs.acks, &head);
    let mut walk = walk::Walk::new(store, head.clone(), inputs.anchors);
    let mut to = walk::Sink {
        fold: &mut fold,
        answers: &mut answers,
        book: &mut book,
        at: 0,
    };
    views::compare(inputs.views, &mut walk, &mut to).await?;
    walk.advance(head.position, &mut to).await?;
    to.answers.finish(&head, to.fold, to.book);
    if head.time < to.fold.time && to.fold.position == head.position {
        let draft = report::Draft {
            expected: json!({"at_least": to.fold.time}),
            found: json!(head.time),
            detail: "the head's log time is before the last row's".to_owned(),
            ..fold::wrong(
                Kind::StateEdited,
                Subject::new("head", &head.log),
                head.position,
            )
        };
        to.book.find(Invariant::I16, draft);
    }
    rows::holds(&mut walk, &mut to).await?;
    let mut late = lives::orders(&mut walk, &mut to).await?;
    sagas::rows(&mut walk, &mut late, &mut to).await?;
    carts::rows(&mut walk, &mut to).await?;
    lives::callbacks(&mut walk, &mut late, &mut to).await?;
    catalogue::tokens(&mut walk, &mut to).await?;
    catalogue::skus(&mut walk, &mut to).await?;
    shares::compare(&mut walk, &mut to).await?;
    subscriptions::compare(&mut walk, &mut to).await?;
    names::settle(store, to.fold, to.book).await?;
    names::refusals(store, to.fold, to.book).await?;
    let micros = |time: LogTime| time.micros();
    let law = rows::Overdue {
        running: inputs
            .running
            .map(|at| (micros(at.now.max(to.fold.time)), micros(at.since))),
        grace: i64::try_from(GRACE.0 * 1_000).expect("seconds fit"),
    };
    rows::overdue(store, law, to.fold, to.book).await?;
    lives::overdue(late, law, to.fold, to.book);
    privacy::settle(to.fold, to.book);
    leases::settle(store, to.fold, to.book).await?;
    gate(inputs.gate, to.at, to.fold, to.book);
    let anchored = walk.anchored();
    notes((anchored, head.position), &fold.lost, &mut book);
    Ok(book.report(head.position, hex(&head.hash)))
}

/// I8's part about the gate: it refuses nobody whom the ledger would serve.
fn gate(gate: Option<Gate<'_>>, at: u64, fold: &fold::Fold, book: &mut report::Book) {
    let Some(Gate { gate, mono }) = gate else {
        let note = "the gate was not asked: that needs the running server";
        book.note(Invariant::I8, note.to_owned());
        return;
    };
    if gate.position() != at || fold.position != at {
        let note = "the gate was not compared: it stood at another position";
        book.note(Invariant::I8, note.to_owned());
        return;
    }
    for (place, balances) in &fold.balances {
        let Ok(quantity) = Quantity::new(balances.available()) else {
            continue;
        };
        let (sku, location) = place.clone();
        let all = Wanted {
            sku,
            location,
            quantity,
        };
        let refuses = gate.refuses(&[all], fold.time, mono).is_some();
        if refuses && gate.position() == at {
            let draft = report::Draft {
                expected: json!({"available": quantity}),
                detail: format!(
                    "the gate refuses the units that are available at {}",
                    place.1
                ),
                ..fold::wrong(Kind::FalseSoldOut, Subject::new("sku", &place.0), at)
            };
            book.find(Invariant::I8, draft);
        }
    }
}

/// Says what the results do not cover.
fn notes((anchored, head): (u64, u64), lost: &fold::Lost, book: &mut report::Book) {
    let unseen = match anchored {
        _ if anchored == head => None,
        0 => Some(
            "no anchor was there to compare with: a tail cut together with its head row \
            and the state rows written since would not be seen"
                .to_owned(),
        ),
        at => Some(format!(
            "the last anchor is at {at}: a tail cut behind it together with its head row and the \
             state rows written since would not be seen"
        )),
    };
    if let Some(note) = unseen {
        book.note(Invariant::I16, note);
    }
    let note = "final refusals are not in the chain: another text in one would not be seen";
    book.note(Invariant::I16, note.to_owned());
    let note = "an order's private text has no hash in the log: another one would not be seen; \
        what servers write and answer is looked at by their tests";
    book.note(Invariant::I21, note.to_owned());
    let note = "what a subscriber got is known to the subscriber alone; here no checkpoint is \
        beyond the log, and what is parked stands in it";
    book.note(Invariant::I9, note.to_owned());
    if lost.gone.is_empty() && lost.explained == 0 {
        return;
    }
    let what = "the rows of the log that I16 names are lost: what they did is not known; \
        all else was compared and agrees";
    let computed = [
        Invariant::I1,
        Invariant::I2,
        Invariant::I3,
        Invariant::I4,
        Invariant::I5,
        Invariant::I6,
        Invariant::I7,
        Invariant::I8,
        Invariant::I10,
        Invariant::I11,
        Invariant::I12,
        Invariant::I13,
        Invariant::I15,
        Invariant::I21,
        Invariant::I22,
    ];
    for invariant in computed {
        book.uncomputed(invariant, what);
    }
}
