//! Rows that have a life of their own, orders and callbacks, against the fold. Sagas over anybody's
//! services have a file of their own.
//!
//! A row must be what its stream folds to: birth, last event, version, body, and whether it waits
//! for a person. When it is looked at next is bookkeeping; but one that needs something must be
//! looked at some time, and one whose time came long ago, while the log went on, waits for nobody
//! (I13).

use super::callbacks::{CallbackFold, core_hash};
use super::fold::{Fold, wrong};
use super::names;
use super::orders::{Body, OrderFold};
use super::pages::{Beside, Pages, Read, unreadable};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rest::{Resting, callback_digest, order_digest};
use super::rows::{Overdue, beyond};
use super::walk::{Sink, Walk};
use crate::callback::State;
use crate::commit::order_name;
use crate::port::{CallbackRow, Fault, OrderRow, Row};
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::order::Order;
use evenkeel_rules::time::LogTime;
use serde_json::{Value, json};

/// How long something may be due before that is a finding, beside the time that the rows which
/// are due take together: 60 s.
const LATE_US: i64 = 60_000_000;
/// How long each row that is due may take: a node tries at least ten again in a second.
const EACH_US: i64 = 100_000;
/// Most overdue rows that are kept until all were read: more are only counted.
const LATE_MAX: usize = 1_000;

/// Rows whose time has come.
#[derive(Debug, Default)]
pub(super) struct Late {
    count: i64,
    rows: Vec<(Subject, LogTime, u64)>,
}

impl Late {
    pub(super) fn note(&mut self, subject: Subject, (due, last): (LogTime, u64)) {
        self.count += 1;
        if self.rows.len() < LATE_MAX {
            self.rows.push((subject, due, last));
        }
    }
}

/// Compares every order's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn orders(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<Late, Fault> {
    let mut pages = Pages::new();
    let mut late = Late::default();
    while pages.are_left() {
        let page = walk.store.orders(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) if to.fold.rest.is_some() => {
                to.fold.doubt(what);
                return Ok(late);
            }
            Read::Unreadable(what) => {
                let made = unreadable_order(walk, (pages.before, &what), to).await?;
                pages.pass(made);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|row| order(row, &mut late, to));
                to.fold.read_down(Resting::Order, pages.before);
            }
        }
    }
    to.fold.read_down(Resting::Order, 0);
    missing_orders(walk, pages.first, to).await?;
    Ok(late)
}

/// Reports the newest order made before a position as unreadable; where it was made.
async fn unreadable_order(
    walk: &Walk<'_>,
    (before, what): (u64, &str),
    to: &mut Sink<'_>,
) -> Result<Option<u64>, Fault> {
    let made = to.fold.orders.iter().rev().map(|fold| fold.stream.created);
    let newest = made.into_iter().find(|created| *created < before);
    let Some(created) = newest else {
        return Ok(None);
    };
    if let Some(index) = to.fold.orders.created_at(created) {
        to.fold.orders.get_mut(index).stream.seen = true;
    }
    let id = names::id_at(walk.store, created, Aggregate::Order).await?;
    unreadable(Subject::new("order", id), (created, what), to.book);
    Ok(Some(created))
}

fn order(row: &OrderRow, late: &mut Late, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "an order", to);
    for invariant in [Invariant::I13, Invariant::I15] {
        to.book.checked(invariant, 1);
    }
    let by_id = to.fold.orders.index(&order_name(&row.body.id));
    let index = by_id.or_else(|| to.fold.orders.created_at(row.created));
    if index.is_none() && to.fold.rests(row.last) {
        to.fold.note(Resting::Order, order_digest(row));
        driven(row, (&row.body, late), to);
        return;
    }
    let fold = index.map(|index| {
        let fold = to.fold.orders.get_mut(index);
        fold.stream.seen = true;
        (fold.stream, fold.status, is_body(fold, row))
    });
    let beside = Beside {
        subject: Subject::new("order", &row.body.id),
        place: [row.created, row.last, row.version],
        known: fold.map(|(stream, _, same)| (stream, same)),
    };
    let folded = || json!({"status": fold.map(|(_, status, _)| status)});
    let more = || (folded(), json!({"flagged": row.flagged, "order": row.body}));
    if !beside.differs(more, &mut to.fold.lost, to.book) {
        driven(row, (&row.body, late), to);
    }
}

pub(super) fn is_fold(fold: &OrderFold, row: &OrderRow) -> bool {
    fold.stream.fits([row.created, row.last, row.version]) && is_body(fold, row)
}

fn is_body(fold: &OrderFold, row: &OrderRow) -> bool {
    fold.body.is(&row.body).unwrap_or(true) && row.flagged == row.body.is_flagged()
}

/// I13: an order that is not at its end is looked at again, or waits for a person.
fn driven(row: &OrderRow, (order, late): (&Order, &mut Late), to: &mut Sink<'_>) {
    let subject = || Subject::new("order", &order.id);
    let needs = order.due(row.tries, 0);
    let waits = order.is_flagged() || order.is_quiet();
    if row.due.is_none() && (needs.is_some() || !waits) {
        let draft = Draft {
            expected: json!(needs.map(|due| json!({"task": due.task, "at": due.at}))),
            detail: "it is not at its end, and nobody will look at it".to_owned(),
            ..wrong(Kind::Forgotten, subject(), row.last)
        };
        to.book.find(Invariant::I13, draft);
    }
    if let Some(due) = row.due.filter(|_| needs.is_some()) {
        late.note(subject(), (due, row.last));
    }
}

async fn missing_orders(walk: &Walk<'_>, first: u64, to: &mut Sink<'_>) -> Result<(), Fault> {
    let gone = |fold: &&OrderFold| {
        let stream = &fold.stream;
        !stream.seen && stream.created <= first
    };
    let missing = to.fold.orders.iter().filter(gone).map(|fold| {
        let quiet = matches!(fold.body, Body::Quiet(_));
        (fold.stream, fold.status, quiet)
    });
    let missing: Vec<_> = missing.collect();
    for (stream, status, quiet) in missing {
        let id = if to.book.is_full(Invariant::I15) {
            String::new()
        } else {
            names::id_at(walk.store, stream.created, Aggregate::Order).await?
        };
        let draft = Draft {
            expected: json!({"created": stream.created, "version": stream.version,
                "event": stream.kind.name(), "status": status, "quiet": quiet}),
            detail: "the log made this order; its row is gone".to_owned(),
            ..wrong(Kind::OrderMissing, Subject::new("order", id), stream.last)
        };
        to.book.find(Invariant::I15, draft);
    }
    Ok(())
}

/// Compares every callback's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn callbacks(
    walk: &mut Walk<'_>,
    late: &mut Late,
    to: &mut Sink<'_>,
) -> Result<(), Fault> {
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.callbacks(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) if to.fold.rest.is_some() => {
                to.fold.doubt(what);
                return Ok(());
            }
            Read::Unreadable(what) => {
                let made = to.fold.callbacks.iter_mut();
                let made = made.map(|(created, fold)| (created, &mut fold.stream));
                pages.pass_over(made, ("callback", &what), to.book);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|row| callback(row, late, to));
                to.fold.read_down(Resting::Callback, pages.before);
            }
        }
    }
    to.fold.read_down(Resting::Callback, 0);
    let made = to.fold.callbacks.iter();
    let made = made.map(|(created, fold)| (created, &fold.stream));
    pages.missing(made, "callback", to.book);
    Ok(())
}

fn callback(row: &CallbackRow, late: &mut Late, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "a callback", to);
    for invariant in [Invariant::I13, Invariant::I15] {
        to.book.checked(invariant, 1);
    }
    let subject = || Subject::new("callback", row.created);
    let fold = to.fold.callbacks.get_mut(&row.created).map(|fold| {
        fold.stream.seen = true;
        *fold
    });
    if fold.is_none() && to.fold.rests(row.last) {
        to.fold.note(Resting::Callback, callback_digest(row));
        looked_at(row, late, to);
        return;
    }
    let beside = Beside {
        subject: subject(),
        place: [row.created, row.last, row.version],
        known: fold.map(|fold| (fold.stream, is_callback(&fold, row))),
    };
    let folded = || {
        fold.map_or(
            Value::Null,
            |fold| json!({"state": fold.state, "why": fold.why}),
        )
    };
    let stands = || json!({"flagged": row.flagged, "callback": row.body});
    if beside.differs(|| (folded(), stands()), &mut to.fold.lost, to.book) {
        return;
    }
    looked_at(row, late, to);
}

/// I13: a callback that was not taken in is looked at again.
fn looked_at(row: &CallbackRow, late: &mut Late, to: &mut Sink<'_>) {
    let subject = || Subject::new("callback", row.created);
    match row.due {
        Some(due) if row.body.state == State::Stored => late.note(subject(), (due, row.last)),
        None if row.body.state == State::Stored => {
            let draft = Draft {
                detail: "it was not taken in, and nobody will look at it".to_owned(),
                ..wrong(Kind::Forgotten, subject(), row.last)
            };
            to.book.find(Invariant::I13, draft);
        }
        _ => (),
    }
}

pub(super) fn is_callback(fold: &CallbackFold, row: &CallbackRow) -> bool {
    let Row { body, flagged, .. } = row;
    // One that has waited for long is shown to a person too: how long is no fact.
    let is_flagged = match body.state {
        State::Stored => true,
        State::Applied => !flagged,
        State::Quarantined => *flagged,
    };
    (body.state, body.why) == (fold.state, fold.why)
        && fold.core.is_none_or(|core| core == core_hash(body))
        && is_flagged
}

/// I13: what was due was looked at. On a store at rest only the time counts in which the log went
/// on; and those that try again share what a node may try.
pub(super) fn overdue(late: Late, law: Overdue, fold: &Fold, book: &mut Book) {
    let over = |due: LogTime| match law.running {
        Some((now, since)) => now - due.micros().max(since),
        None => fold.pace.running_since(due, fold.time),
    };
    let allowed = LATE_US.saturating_add(late.count.saturating_mul(EACH_US));
    for (subject, due, last) in late.rows {
        let overdue = over(due);
        // What it waits for may have come on a row that is lost.
        if overdue <= allowed || !fold.lost.gone.is_empty() {
            continue;
        }
        let draft = Draft {
            expected: json!({"looked_at_within_ms": allowed / 1_000}),
            found: json!({"overdue_ms": overdue / 1_000, "due": due}),
            detail: "its next step is long due, and nobody took it".to_owned(),
            ..wrong(Kind::NotDone, subject, last)
        };
        book.find(Invariant::I13, draft);
    }
}
