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
//! It writes nothing, reads no clock, and never says `held` of what it did not compute. A green
//! report comes with seals; whoever may write keeps them, and the next `verify` goes on from there.

use crate::chain::{Hash, hex};
use crate::port::{Fault, Head, StockGate, Store, Views};
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
mod rest;
mod rows;
mod sagas;
mod seal;
mod shares;
mod shelf;
mod steps;
mod stock;
mod stream;
mod subscriptions;
mod views;
mod wake;
mod walk;
mod witness;

pub(crate) use privacy::may_make_private;

pub use acks::{Acks, ended_line, read_anchors};
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
pub struct Inputs<'a> {
    /// Whether all of the log is folded, from zero and from segments too.
    pub deep: bool,
    /// A green report has a seal of the head, if the last one is at least so many positions back.
    pub seal_every: u64,
    /// It goes on from a seal of this position or an earlier one.
    pub seal_upto: u64,
    /// Further positions that a green report is to have seals of.
    pub seal_at: Vec<u64>,
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

/// Positions after which `verify` makes another seal: what it folds in well under a second.
pub const SEAL_EVERY: u64 = 50_000;

impl Default for Inputs<'_> {
    fn default() -> Self {
        Self {
            deep: false,
            seal_every: SEAL_EVERY,
            seal_upto: u64::MAX,
            seal_at: Vec::new(),
            running: None,
            acks: None,
            anchors: Vec::new(),
            gate: None,
            views: None,
        }
    }
}

/// Computes every invariant that a store can show.
///
/// It goes on from the newest seal, unless [`Inputs::deep`] or answers of clients ask for all of
/// the log. If anything differs then, all is folded from zero, so that what is damaged is named by
/// the log itself; a seal that differs from a store in which nothing else is wrong is a finding.
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
    let mut inputs = inputs;
    let whole = inputs.deep || inputs.acks.is_some();
    let (mut passed, mut doubted) = (Vec::new(), None);
    if !whole {
        let (seal, not_whole) = seal::newest(store, &head, inputs.seal_upto).await?;
        passed = not_whole;
        if let Some(seal) = seal {
            let position = seal.position;
            let report = pass(store, &head, &mut inputs, Some(seal)).await?;
            match report {
                Passed::Agrees(mut report) => {
                    report.note_passed(&passed);
                    return Ok(*report);
                }
                Passed::Doubted(what) => doubted = Some((position, what)),
                Passed::Late => {}
            }
        }
    }
    let head = store.head().await?;
    let report = pass(store, &head, &mut inputs, None).await?;
    let Passed::Agrees(mut report) = report else {
        unreachable!("without a seal there is none to doubt");
    };
    report.note_passed(&passed);
    if let Some((position, what)) = doubted.filter(|_| report.ok) {
        report.blame_seal(position, &what);
    }
    Ok(*report)
}

/// What came of folding once.
enum Passed {
    Agrees(Box<Report>),
    /// Something differs from what a seal says, or from what was folded since.
    Doubted(String),
    /// Nothing but that work was late a moment ago: it may have been done since.
    Late,
}

/// Folds from a seal or from zero to the head, and compares everything with it.
async fn pass(
    store: &dyn Store,
    head: &Head,
    inputs: &mut Inputs<'_>,
    from: Option<seal::Opened>,
) -> Result<Passed, Fault> {
    let mut book = report::Book::new();
    let mut answers = answers::Answers::new(inputs.acks.take(), head);
    let mut walk = walk::Walk::new(store, head.clone(), inputs.anchors.clone());
    let (sealed, mut fold) = match from {
        Some(seal) => {
            if let Some(what) = anchored_below(store, &inputs.anchors, seal.position).await? {
                return Ok(Passed::Doubted(what));
            }
            walk.begin_behind(seal.position, seal.hash);
            (seal.position, seal.fold)
        }
        None => (0, fold::Fold::default()),
    };
    let mut to = walk::Sink {
        at: fold.position,
        fold: &mut fold,
        answers: &mut answers,
        book: &mut book,
    };
    let mut stops = inputs.seal_at.clone();
    if head.position >= sealed.saturating_add(inputs.seal_every) {
        stops.push(head.position);
    }
    walk.seal_at(stops);
    views::compare(inputs.views, &mut walk, &mut to).await?;
    walk.advance(head.position, &mut to).await?;
    to.answers.finish(head, to.fold, to.book);
    time_goes_on(head, &mut to);
    segments_are_there(store, &mut to).await?;
    rows_agree(&mut walk, inputs, &mut to).await?;
    gate(inputs.gate, to.at, to.fold, to.book);
    let (anchored, seals) = (walk.anchored(), walk.seals());
    notes((anchored, head.position), &fold.lost, &mut book);
    if sealed > 0 {
        notes_of_seal(sealed, &mut book);
    }
    let doubt = fold.rest.as_ref().and_then(rest::Rest::doubt);
    let mut report = book.report(head.position, hex(&head.hash));
    if sealed > 0 {
        let late = |finding: &&Finding| {
            matches!(
                finding.kind,
                Kind::NotEnded | Kind::Forgotten | Kind::NotDone
            )
        };
        let found = report.findings().find(|finding| !late(finding));
        let found = found.map(|finding| finding.detail.clone());
        if let Some(what) = doubt.or(found) {
            return Ok(Passed::Doubted(what));
        }
        if report.findings().next().is_some() {
            return Ok(Passed::Late);
        }
    }
    report.folded_from = sealed;
    report.seals = if report.ok { seals } else { Vec::new() };
    Ok(Passed::Agrees(Box::new(report)))
}

/// Compares everything that stands beside the log with its fold.
async fn rows_agree(
    walk: &mut walk::Walk<'_>,
    inputs: &Inputs<'_>,
    to: &mut walk::Sink<'_>,
) -> Result<(), Fault> {
    let store = walk.store;
    rows::holds(walk, to).await?;
    let mut late = lives::orders(walk, to).await?;
    sagas::rows(walk, &mut late, to).await?;
    carts::rows(walk, to).await?;
    lives::callbacks(walk, &mut late, to).await?;
    catalogue::tokens(walk, to).await?;
    catalogue::skus(walk, to).await?;
    shares::compare(walk, to).await?;
    subscriptions::compare(walk, to).await?;
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
    leases::settle(store, to.fold, to.book).await
}

fn time_goes_on(head: &Head, to: &mut walk::Sink<'_>) {
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
}

/// Every segment can be read, as far as its first row tells: `deep` reads all of them.
async fn segments_are_there(store: &dyn Store, to: &mut walk::Sink<'_>) -> Result<(), Fault> {
    let floor = store.head().await?.floor;
    for segment in store.segments().await?.rows {
        if segment.first >= floor {
            continue;
        }
        match store.log(segment.first, 1).await {
            Ok(_) => to.book.checked(Invariant::I16, 1),
            Err(Fault::Corrupt(what)) => walk::unreadable((segment.first, segment.last), &what, to),
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// Whether the last anchor that a seal's position hides is still that of the log.
async fn anchored_below(
    store: &dyn Store,
    anchors: &[(u64, Hash)],
    position: u64,
) -> Result<Option<String>, Fault> {
    let below = anchors.iter().filter(|(at, _)| *at <= position && *at > 0);
    let Some((at, hash)) = below.max_by_key(|(at, _)| *at) else {
        return Ok(None);
    };
    let rows = match store.log(*at, 1).await {
        Ok(read) => read.rows,
        Err(Fault::Corrupt(what)) => return Ok(Some(what)),
        Err(fault) => return Err(fault),
    };
    let same = rows
        .first()
        .is_some_and(|row| row.position == *at && row.hash == *hash);
    Ok((!same).then(|| format!("the anchor at {at} is not the log's")))
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

/// Says what was not looked at again because a seal has it.
fn notes_of_seal(position: u64, book: &mut report::Book) {
    let folded = [
        Invariant::I1,
        Invariant::I2,
        Invariant::I3,
        Invariant::I4,
        Invariant::I7,
        Invariant::I10,
        Invariant::I11,
        Invariant::I12,
        Invariant::I13,
        Invariant::I16,
    ];
    for invariant in folded {
        let note = format!("computed from the seal at {position} on; --deep begins at zero");
        book.note(invariant, note);
    }
    let note = format!("keys and ids of rows up to {position} were looked up for the seal there");
    book.note(Invariant::I6, note);
    let note = format!("rows not written since {position} were compared with the seal's sums");
    book.note(Invariant::I15, note);
    let note = format!("rows up to {position} and their texts were looked at for the seal there");
    book.note(Invariant::I21, note);
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
