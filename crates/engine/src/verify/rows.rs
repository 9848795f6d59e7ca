//! State rows and balances, page by page, against the fold.
//!
//! Each page is a short read of its own and exact at the position that comes with it; the fold is
//! taken there first, and then every row must be what the fold says, all of it: position of its
//! birth and of its last event, version, body. A row that cannot even be read is found by asking
//! for it alone. A row last written at a lost position is not compared: what it should be is not
//! known.

use super::fold::{Fold, wrong};
use super::holds::{HoldFold, body_hash};
use super::names;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rest::Resting;
use super::walk::{Sink, Walk, tail_cut};
use crate::chain::EntryEvent;
use crate::commit::hold_name;
use crate::port::{Fault, HoldRow, Store};
use evenkeel_rules::event::Aggregate;
use serde_json::json;

/// Rows of one read.
pub(super) const PAGE: usize = 1_000;

/// Compares every hold's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn holds(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let store = walk.store;
    let mut before = u64::MAX;
    let mut first = None;
    loop {
        let page = match store.holds(before, PAGE).await {
            Ok(page) => page,
            Err(Fault::Corrupt(what)) if to.fold.rest.is_some() => {
                to.fold.doubt(what);
                return Ok(());
            }
            Err(Fault::Corrupt(_)) => {
                let Some(lowest) = one_by_one(walk, before, to).await? else {
                    break;
                };
                before = lowest;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        to.book.checked(Invariant::I15, page.rows.len());
        for row in &page.rows {
            hold(store, row, to).await?;
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == PAGE => before = last.created,
            _ => break,
        }
        to.fold.read_down(Resting::Hold, before);
    }
    to.fold.read_down(Resting::Hold, 0);
    missing_holds(store, first.unwrap_or(0), to).await
}

/// Reads the holds before a position alone, to find the unreadable ones; how far down it came.
async fn one_by_one(
    walk: &mut Walk<'_>,
    before: u64,
    to: &mut Sink<'_>,
) -> Result<Option<u64>, Fault> {
    let store = walk.store;
    let known = to.fold.holds.iter().rev().map(|fold| fold.created);
    let some: Vec<u64> = known
        .filter(|created| *created < before)
        .take(PAGE)
        .collect();
    for created in &some {
        match store.holds(created + 1, 1).await {
            Ok(page) => {
                walk.advance(page.position, to).await?;
                let row = page.rows.first().filter(|row| row.created == *created);
                to.book.checked(Invariant::I15, row.iter().len());
                if let Some(row) = row {
                    hold(store, row, to).await?;
                }
            }
            Err(Fault::Corrupt(what)) => unreadable(store, (*created, what), to).await?,
            Err(fault) => return Err(fault),
        }
    }
    Ok(some.last().copied())
}

async fn unreadable(
    store: &dyn Store,
    (created, what): (u64, String),
    to: &mut Sink<'_>,
) -> Result<(), Fault> {
    let Some(index) = to.fold.holds.created_at(created) else {
        return Ok(());
    };
    to.fold.holds.get_mut(index).seen = true;
    let id = id_at(store, to.fold, index).await?;
    let draft = wrong(Kind::StateEdited, Subject::new("hold", id), created);
    let detail = format!("the row cannot be read: {what}");
    to.book.find(Invariant::I15, Draft { detail, ..draft });
    Ok(())
}

/// The id of a hold of the fold, as the row that made it says it.
async fn id_at(store: &dyn Store, fold: &Fold, index: u32) -> Result<String, Fault> {
    names::id_at(store, fold.holds.get(index).created, Aggregate::Hold).await
}

async fn hold(store: &dyn Store, row: &HoldRow, to: &mut Sink<'_>) -> Result<(), Fault> {
    beyond(row.last.max(row.created), "a hold", to);
    let by_id = to.fold.holds.index(&hold_name(&row.hold.id));
    let Some(index) = by_id.or_else(|| to.fold.holds.created_at(row.created)) else {
        if to.fold.rests(row.last) {
            to.fold.note_hold(row);
            return Ok(());
        }
        if !to.fold.lost.explains(row.created) {
            let draft = Draft {
                found: json!({"created": row.created, "version": row.version}),
                detail: "no row of the log made this hold".to_owned(),
                ..wrong(
                    Kind::StateEdited,
                    Subject::new("hold", &row.hold.id),
                    row.last,
                )
            };
            to.book.find(Invariant::I15, draft);
        }
        return Ok(());
    };
    let fold = to.fold.holds.get_mut(index);
    fold.seen = true;
    let fold = *fold;
    let same = (fold.adopted || fold.created == row.created)
        && fold.last == row.last
        && (fold.gapped || u64::from(fold.version) == row.version)
        && fold.body == body_hash(&row.hold);
    if same || to.fold.lost.explains(row.last) || to.fold.lost.explains(fold.last) {
        return Ok(());
    }
    let id = id_at(store, to.fold, index).await?;
    let draft = Draft {
        expected: json!({"created": fold.created, "last": fold.last, "version": fold.version,
            "event": fold.kind.name()}),
        found: json!({"created": row.created, "last": row.last, "version": row.version,
            "hold": row.hold}),
        detail: "the row is not the fold of its stream".to_owned(),
        ..wrong(Kind::StateEdited, Subject::new("hold", id), fold.last)
    };
    to.book.find(Invariant::I15, draft);
    Ok(())
}

/// A state row that was written beyond the head: log and head were cut together.
pub(super) fn beyond(written: u64, what: &str, to: &mut Sink<'_>) {
    let from = to.at + 1;
    if written >= from && to.fold.lost.gone.is_empty() {
        to.fold.lost.gone.push((from, u64::MAX));
        let what = format!("{what} was written at {written}, beyond the head");
        tail_cut((from, written), &what, to);
    }
}

/// Reports holds that the log made and no page had; those made later than the first page were in
/// no page's reach.
async fn missing_holds(store: &dyn Store, first: u64, to: &mut Sink<'_>) -> Result<(), Fault> {
    // Beside an unreadable row, holds are asked for by their birth: that of one whose first events
    // are lost is not known, and it may well be there.
    let within = |fold: &HoldFold| fold.created <= first && !fold.adopted;
    let all = to.fold.holds.indexed();
    let missing = all.filter(|(_, fold)| !fold.seen && within(fold));
    // The rest would only be counted; what one deletion takes is named as far as a row shows it.
    let missing: Vec<u32> = missing.map(|(index, _)| index).collect();
    for index in missing {
        let fold = *to.fold.holds.get(index);
        let known = to.book.is_full(Invariant::I15);
        let id = if known {
            String::new()
        } else {
            id_at(store, to.fold, index).await?
        };
        let draft = Draft {
            expected: json!({"created": fold.created, "version": fold.version,
                "event": fold.kind.name()}),
            detail: "the log made this hold; its row is gone".to_owned(),
            ..wrong(Kind::HoldMissing, Subject::new("hold", id), fold.last)
        };
        to.book.find(Invariant::I15, draft);
    }
    Ok(())
}

/// How a live hold past its deadline is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overdue {
    /// The clock, and since when a server with a sweep runs; nothing for a store at rest.
    pub(super) running: Option<(i64, i64)>,
    /// In microseconds.
    pub(super) grace: i64,
}

/// Least number of holds that a sweep is taken to end in a second.
const SWEEP_MIN: u64 = 1_000;

/// I3: every hold has ended soon after its deadline. On a store at rest only the time counts in
/// which the log went on: nobody can sweep while nothing runs.
pub(super) async fn overdue(
    store: &dyn Store,
    law: Overdue,
    fold: &Fold,
    book: &mut Book,
) -> Result<(), Fault> {
    let end = fold.time.micros();
    let over = |deadline: i64| match law.running {
        Some((now, since)) => now - deadline.max(since),
        None => {
            let since = evenkeel_rules::time::LogTime::from_micros(deadline);
            fold.pace.running_since(since, fold.time)
        }
    };
    let live = || fold.holds.indexed().filter(|(_, hold)| hold.is_live());
    let now = law.running.map_or(end, |(now, _)| now);
    let due = live().filter(|(_, hold)| hold.deadline.micros() <= now);
    let resting = fold.resting_live();
    let due = due.count() + resting.filter(|(_, at)| at.micros() <= now).count();
    let due = due as u64;
    let rate = fold.pace.busiest.max(SWEEP_MIN);
    let allowed = law.grace + i64::try_from(due * 1_000_000 / rate).unwrap_or(i64::MAX);
    let resting = || fold.resting_live();
    book.checked(Invariant::I3, live().count() + resting().count());
    let late = live().filter(|(_, hold)| over(hold.deadline.micros()) > allowed);
    let late: Vec<u32> = late.map(|(index, _)| index).collect();
    for index in late {
        let hold = fold.holds.get(index);
        // Its ending may be on a row that is lost.
        if !fold.lost.gone.is_empty() {
            continue;
        }
        let full = book.is_full(Invariant::I3);
        let id = if full {
            String::new()
        } else {
            id_at(store, fold, index).await?
        };
        let overdue_ms = over(hold.deadline.micros()) / 1_000;
        let draft = Draft {
            expected: json!({"ended_within_ms": allowed / 1_000}),
            found: json!({"overdue_ms": overdue_ms, "deadline": hold.deadline}),
            detail: "it is past its deadline and the grace, and nothing ended it".to_owned(),
            ..wrong(Kind::NotEnded, Subject::new("hold", id), hold.last)
        };
        book.find(Invariant::I3, draft);
    }
    for (created, _) in resting().filter(|(_, at)| over(at.micros()) > allowed) {
        let id = names::id_at(store, created, Aggregate::Hold).await?;
        let detail = "it is past its deadline and the grace, and nothing ended it".to_owned();
        let draft = wrong(Kind::NotEnded, Subject::new("hold", id), created);
        book.find(Invariant::I3, Draft { detail, ..draft });
    }
    Ok(())
}

/// Checks that an event stands in the stream of what it is about.
pub(super) fn same_id(event: &EntryEvent, id: &str) -> Result<(), String> {
    match Aggregate::split(&event.stream) {
        Some((aggregate, of)) if aggregate == event.kind.aggregate() && of == id => Ok(()),
        _ => Err(format!("its data is about {id}")),
    }
}
