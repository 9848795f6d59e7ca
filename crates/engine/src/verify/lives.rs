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
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::{Overdue, PAGE, beyond};
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
    let store = walk.store;
    let (mut before, mut limit, mut first) = (u64::MAX, PAGE, None);
    let mut late = Late::default();
    loop {
        let page = match store.orders(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let unread = to.fold.orders.iter().rev().map(|fold| fold.stream.created);
                let Some(created) = unread.into_iter().find(|created| *created < before) else {
                    break;
                };
                if let Some(index) = to.fold.orders.created_at(created) {
                    to.fold.orders.get_mut(index).seen = true;
                }
                let id = names::id_at(store, created, Aggregate::Order).await?;
                unreadable(Subject::new("order", id), (created, &what), to.book);
                before = created;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for row in &page.rows {
            order(row, &mut late, to);
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    missing_orders(walk, first.unwrap_or(0), to).await?;
    Ok(late)
}

pub(super) fn unreadable(subject: Subject, (created, what): (u64, &str), book: &mut Book) {
    let draft = Draft {
        detail: format!("the row cannot be read: {what}"),
        ..wrong(Kind::StateEdited, subject, created)
    };
    book.find(Invariant::I15, draft);
}

fn order(row: &OrderRow, late: &mut Late, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "an order", to);
    for invariant in [Invariant::I13, Invariant::I15] {
        to.book.checked(invariant, 1);
    }
    let id = &row.body.id;
    let by_id = to.fold.orders.index(&order_name(id));
    let known = by_id.or_else(|| to.fold.orders.created_at(row.created));
    let mut told = Value::Null;
    let mut same = false;
    if let Some(index) = known {
        let fold = to.fold.orders.get_mut(index);
        fold.seen = true;
        same = is_fold(fold, row);
        let stream = fold.stream;
        told = json!({"created": stream.created, "last": stream.last,
            "version": stream.version, "event": stream.kind.name(), "status": fold.status});
        let lost = to.fold.lost.explains(stream.last);
        same = same || lost;
    }
    if same || to.fold.lost.explains(row.created) || to.fold.lost.explains(row.last) {
        driven(row, (&row.body, late), to);
        return;
    }
    let draft = Draft {
        expected: told,
        found: json!({"created": row.created, "last": row.last, "version": row.version,
            "flagged": row.flagged, "order": row.body}),
        detail: match known {
            Some(_) => "the row is not the fold of its stream",
            None => "no row of the log made this order",
        }
        .to_owned(),
        ..wrong(Kind::StateEdited, Subject::new("order", id), row.last)
    };
    to.book.find(Invariant::I15, draft);
}

pub(super) fn is_fold(fold: &OrderFold, row: &OrderRow) -> bool {
    let stream = &fold.stream;
    let body = fold.body.is(&row.body);
    (stream.adopted || stream.created == row.created)
        && stream.last == row.last
        && (stream.gapped || stream.version == row.version)
        && body.unwrap_or(true)
        && row.flagged == row.body.is_flagged()
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
        !fold.seen && stream.created <= first && !stream.adopted
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
    let store = walk.store;
    let (mut before, mut limit, mut first) = (u64::MAX, PAGE, None);
    loop {
        let page = match store.callbacks(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let unread = to.fold.callbacks.range_mut(..before).next_back();
                let Some((created, fold)) = unread else {
                    break;
                };
                fold.seen = true;
                before = *created;
                unreadable(Subject::new("callback", before), (before, &what), to.book);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for row in &page.rows {
            callback(row, late, to);
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    missing_callbacks(first.unwrap_or(0), to);
    Ok(())
}

fn callback(row: &CallbackRow, late: &mut Late, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "a callback", to);
    for invariant in [Invariant::I13, Invariant::I15] {
        to.book.checked(invariant, 1);
    }
    let subject = || Subject::new("callback", row.created);
    let fold = to.fold.callbacks.get_mut(&row.created).map(|fold| {
        fold.seen = true;
        *fold
    });
    let last = fold.map_or(row.last, |fold| fold.stream.last);
    let lost = [row.created, row.last, last];
    if !fold.is_some_and(|fold| is_callback(&fold, row))
        && !lost.iter().any(|at| to.fold.lost.explains(*at))
    {
        let draft = Draft {
            expected: fold.map_or(Value::Null, |fold| told(&fold)),
            found: json!({"created": row.created, "last": row.last, "version": row.version,
                "flagged": row.flagged, "callback": row.body}),
            detail: "the row is not the fold of its stream".to_owned(),
            ..wrong(Kind::StateEdited, subject(), row.last)
        };
        to.book.find(Invariant::I15, draft);
        return;
    }
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

fn told(fold: &CallbackFold) -> Value {
    let stream = &fold.stream;
    json!({"created": stream.created, "last": stream.last, "version": stream.version,
        "state": fold.state, "why": fold.why})
}

fn is_callback(fold: &CallbackFold, row: &CallbackRow) -> bool {
    let Row { body, flagged, .. } = row;
    let stream = &fold.stream;
    // One that has waited for long is shown to a person too: how long is no fact.
    let is_flagged = match body.state {
        State::Stored => true,
        State::Applied => !flagged,
        State::Quarantined => *flagged,
    };
    stream.last == row.last
        && (stream.gapped || stream.version == row.version)
        && (body.state, body.why) == (fold.state, fold.why)
        && fold.core.is_none_or(|core| core == core_hash(body))
        && is_flagged
}

fn missing_callbacks(first: u64, to: &mut Sink<'_>) {
    let gone =
        |created: u64, fold: &CallbackFold| !fold.seen && created <= first && !fold.stream.adopted;
    for (created, fold) in &to.fold.callbacks {
        if !gone(*created, fold) {
            continue;
        }
        let draft = Draft {
            expected: told(fold),
            detail: "the log stored this callback; its row is gone".to_owned(),
            ..wrong(
                Kind::StateEdited,
                Subject::new("callback", created),
                fold.stream.last,
            )
        };
        to.book.find(Invariant::I15, draft);
    }
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
