//! Keys, ids and final refusals: does the name index know each, and as what?
//!
//! Every row with a key must be found under that key, and every hold, order and saga under its id;
//! so no key can have taken effect twice without the second row being found out. Final refusals
//! are numbered without gaps, so a removed one is noticed; what was said in it cannot be shown,
//! because no other row has it, and the chain does not cover it: an edited refusal that can still
//! be read is not found.

use super::fold::{Fold, NameCheck, wrong};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use crate::chain::{Entry, EntryEvent, hex};
use crate::commit::Rejection;
use crate::port::{Fault, KeyRow, Mark, RefusalRow, Store};
use evenkeel_rules::event::Aggregate;
use serde_json::json;

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A key.
    Key,
    /// A hold's id.
    Hold,
    /// An order's id.
    Order,
    /// The id of a saga over anybody's services.
    Saga,
    /// A cart's id.
    Cart,
}

/// Names of one look-up.
pub(super) const BATCH: usize = 2_048;

/// Most names that are kept until the whole log was read: more are not reported.
const MISNAMED_MAX: usize = 1_000;

/// Looks up the names that the fold gathered. What is wrong is kept: see [`settle`].
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn look_up(
    store: &dyn Store,
    fold: &mut Fold,
    book: &mut Book,
) -> Result<(), Fault> {
    let mut checks = std::mem::take(&mut fold.names);
    // Neighbours in the index are read together.
    checks.sort_unstable_by_key(|check| check.name);
    let mut parts: Vec<&[NameCheck]> = checks.chunks(BATCH).collect();
    while let Some(part) = parts.pop() {
        let names: Vec<_> = part.iter().map(|check| check.name).collect();
        match store.names(&names).await {
            Ok(known) => {
                book.checked(Invariant::I6, part.len());
                let told = part.iter().zip(known.rows);
                let wrong = told.filter(|(check, row)| !agrees(check, row.as_ref()));
                let room = MISNAMED_MAX.saturating_sub(fold.misnamed.len());
                let wrong = wrong.map(|(check, row)| (*check, row));
                fold.misnamed.extend(wrong.take(room));
            }
            Err(Fault::Corrupt(what)) if store.names(&[]).await.is_err() => {
                book.uncomputed(
                    Invariant::I6,
                    &format!("the name index cannot be read: {what}"),
                );
            }
            Err(Fault::Corrupt(what)) if part.len() == 1 => unreadable(&part[0], &what, book),
            // One of them cannot be read: halves lead to it.
            Err(Fault::Corrupt(_)) => {
                let (low, high) = part.split_at(part.len() / 2);
                parts.extend([low, high]);
            }
            Err(fault) => return Err(fault),
        }
    }
    checks.clear();
    fold.names = checks;
    Ok(())
}

/// Reports a piece of the name index that cannot be read, once whatever names it holds.
fn unreadable(check: &NameCheck, what: &str, book: &mut Book) {
    let draft = Draft {
        detail: format!("a piece of the name index cannot be read, with the keys in it: {what}"),
        ..wrong(
            Kind::KeyMissing,
            Subject::new("names", what),
            check.position,
        )
    };
    book.find(Invariant::I6, draft);
}

fn agrees(check: &NameCheck, row: Option<&KeyRow>) -> bool {
    let expected = Mark::Position(check.position);
    row.is_some_and(|row| row.mark == expected && row.fingerprint == check.fingerprint)
}

/// Reports the names that stand for something else than the log says.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn settle(
    store: &dyn Store,
    fold: &mut Fold,
    book: &mut Book,
) -> Result<(), Fault> {
    for (check, row) in std::mem::take(&mut fold.misnamed) {
        let named = row.as_ref().map(|row| &row.mark);
        // An index that is fed from the log was fed with a row that no commit wrote, or without
        // those that such a row pushed beyond the head: that row is the damage.
        let fed = match named {
            Some(Mark::Position(at)) => fold.lost.inserted.contains(at),
            Some(Mark::Refusal(..)) => false,
            None => fold.lost.pushed.is_some_and(|from| check.position >= from),
        };
        if !fed {
            misnamed(store, &check, row, book).await?;
        }
    }
    Ok(())
}

async fn misnamed(
    store: &dyn Store,
    check: &NameCheck,
    row: Option<KeyRow>,
    book: &mut Book,
) -> Result<(), Fault> {
    let position = check.position;
    let (subject, word) = match check.of {
        Of::Key => (Subject::new("key", hex(&check.name)), "key"),
        Of::Hold => {
            let id = id_at(store, check.position, Aggregate::Hold).await?;
            (Subject::new("hold", id), "id")
        }
        Of::Order => {
            let id = id_at(store, check.position, Aggregate::Order).await?;
            (Subject::new("order", id), "id")
        }
        Of::Cart => {
            let id = id_at(store, check.position, Aggregate::Cart).await?;
            (Subject::new("cart", id), "id")
        }
        Of::Saga => {
            let id = id_at(store, check.position, Aggregate::Saga).await?;
            (Subject::new("saga", id), "id")
        }
    };
    let (kind, found, detail) = match row.map(|row| row.mark) {
        None => (
            Kind::KeyMissing,
            json!(null),
            format!("the name index does not know the {word}"),
        ),
        Some(Mark::Refusal(number, _)) => {
            let detail = format!("the {word} was refused for good and took effect");
            (Kind::EffectOfRefusal, json!({"refusal": number}), detail)
        }
        Some(Mark::Position(other)) if other == position => {
            let detail = "the name index has another fingerprint for it".to_owned();
            (Kind::StateEdited, json!({"position": other}), detail)
        }
        Some(Mark::Position(other)) if has_key(store, other, check).await? => {
            let detail = format!("the key took effect at {other} and at {position}");
            (Kind::EffectTwice, json!({"position": other}), detail)
        }
        Some(Mark::Position(other)) => {
            let detail = format!("the name index has the {word} at {other}");
            (Kind::StateEdited, json!({"position": other}), detail)
        }
    };
    let draft = Draft {
        expected: json!({"position": position}),
        found,
        detail,
        ..wrong(kind, subject, position)
    };
    book.find(Invariant::I6, draft);
    Ok(())
}

/// Whether the row at a position has this very key.
async fn has_key(store: &dyn Store, position: u64, check: &NameCheck) -> Result<bool, Fault> {
    let entry = entry_at(store, position).await?;
    let key = entry.and_then(|entry| entry.key());
    Ok(check.of == Of::Key && key.is_some_and(|(name, _)| name == check.name))
}

async fn entry_at(store: &dyn Store, position: u64) -> Result<Option<Entry>, Fault> {
    let rows = store.log(position, 1).await?.rows;
    let row = rows.into_iter().find(|row| row.position == position);
    Ok(row.and_then(|row| Entry::read(&row.text).ok()))
}

/// The id of the hold or order that a row made, as that row says it.
pub(super) async fn id_at(
    store: &dyn Store,
    position: u64,
    of: Aggregate,
) -> Result<String, Fault> {
    let entry = entry_at(store, position).await?;
    let events = entry.map_or(Vec::new(), |entry| entry.events);
    let of_it = |event: &&EntryEvent| event.kind.aggregate() == of;
    let made = events
        .iter()
        .find(|event| of_it(event) && event.kind.begins());
    let made = made.or_else(|| events.iter().find(of_it));
    Ok(made.map_or_else(
        || format!("made at {position}"),
        |event| event.id().to_owned(),
    ))
}

/// Rows of one read of refusals.
const PAGE: usize = 1_000;

/// Reads all final refusals: each number is there once, can be read, and its key is known.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn refusals(store: &dyn Store, fold: &Fold, book: &mut Book) -> Result<(), Fault> {
    let written = store.head().await?.refusals;
    let mut next = 1;
    loop {
        let page = store.refusals(next, PAGE).await?.rows;
        let names: Vec<_> = page.iter().map(|row| row.name).collect();
        let known = match store.names(&names).await {
            Ok(known) => known.rows.into_iter().map(Some).collect(),
            // Said already, of the keys in the log.
            Err(Fault::Corrupt(_)) => vec![None; names.len()],
            Err(fault) => return Err(fault),
        };
        let head = store.head().await?.refusals;
        book.checked(Invariant::I6, page.len());
        for (row, known) in page.iter().zip(known) {
            missing((next, row.number), book);
            next = row.number + 1;
            if row.number > head && fold.lost.gone.is_empty() {
                let detail = "the head does not count this refusal".to_owned();
                let draft = wrong(Kind::StateEdited, refusal(row.number), fold.position);
                book.find(Invariant::I6, Draft { detail, ..draft });
                continue;
            }
            readable(row, book);
            if let Some(known) = known {
                indexed(row, known, book);
            }
        }
        if page.len() < PAGE {
            missing((next, written + 1), book);
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

fn refusal(number: u64) -> Subject {
    Subject::new("refusal", number)
}

/// Reports the numbers from `next` up to, and without, `found`.
fn missing((next, found): (u64, u64), book: &mut Book) {
    if next >= found {
        return;
    }
    let draft = Draft {
        expected: json!({"from": next, "to": found - 1}),
        detail: "a final refusal is gone; which key it was and what was said in it cannot be shown"
            .to_owned(),
        ..wrong(Kind::KeyMissing, refusal(next), 0)
    };
    book.find(Invariant::I6, draft);
}

fn readable(row: &RefusalRow, book: &mut Book) {
    let said: Result<Rejection, _> = serde_json::from_str(&row.text);
    if !said.as_ref().is_ok_and(Rejection::is_final) {
        let draft = Draft {
            found: json!(row.text),
            detail: "what was said cannot be a final refusal".to_owned(),
            ..wrong(Kind::StateEdited, refusal(row.number), 0)
        };
        book.find(Invariant::I6, draft);
    }
}

fn indexed(row: &RefusalRow, known: Option<KeyRow>, book: &mut Book) {
    let agrees = |known: &KeyRow| {
        matches!(known.mark, Mark::Refusal(number, _) if number == row.number)
            && known.fingerprint == row.fingerprint
    };
    let draft = Draft {
        expected: json!({"refusal": row.number}),
        ..wrong(Kind::KeyMissing, Subject::new("key", hex(&row.name)), 0)
    };
    match known {
        None => {
            let detail = "the name index does not know the key of a final refusal".to_owned();
            book.find(Invariant::I6, Draft { detail, ..draft });
        }
        Some(known) if !agrees(&known) => {
            let (kind, found) = match known.mark {
                Mark::Position(position) => (Kind::EffectOfRefusal, json!({"position": position})),
                Mark::Refusal(number, _) => (Kind::StateEdited, json!({"refusal": number})),
            };
            let detail = "the name index has something else for the key of a final refusal";
            let detail = detail.to_owned();
            book.find(
                Invariant::I6,
                Draft {
                    kind,
                    found,
                    detail,
                    ..draft
                },
            );
        }
        Some(_) => (),
    }
}
