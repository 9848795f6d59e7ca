//! Subscriptions: their rows against the fold, and I9 as far as a store shows it.
//!
//! What a subscriber got is known to the subscriber alone. The store shows that nobody was told of
//! what is not committed: no checkpoint lies beyond the log; and that nothing is set aside but
//! what stands in the log: each parked stream has the event that it was parked for.

use super::fold::{Fold, Stream, wrong};
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::{PAGE, beyond, same_id};
use super::walk::{Sink, Walk};
use crate::chain::EntryEvent;
use crate::port::{Fault, SubscriptionRow};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::Subscription;
use serde_json::json;

/// A subscription's stream and what it left.
#[derive(Debug)]
pub(super) struct SubscriptionFold {
    stream: Stream,
    body: Subscription,
    seen: bool,
}

impl Fold {
    pub(super) fn subscription_event(
        &mut self,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Result<bool, String> {
        let body: Subscription = event.data()?;
        privacy::members(event, &body, self.position, book);
        same_id(event, body.id.as_str())?;
        let before = self.subscriptions.get(&body.id).map(|fold| fold.stream);
        let stream = self.advance(before, event, book);
        let (id, seen) = (body.id.clone(), false);
        let fold = SubscriptionFold { stream, body, seen };
        self.subscriptions.insert(id, fold);
        Ok(true)
    }

    /// Where a subscription was made, if the log says so.
    pub(super) fn subscription_made(&self, id: &str) -> Option<u64> {
        let id = SubscriptionId::new(id).ok()?;
        self.subscriptions.get(&id).map(|fold| fold.stream.created)
    }
}

/// Compares every subscription's row with the fold, and its checkpoint with the log.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn compare(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let store = walk.store;
    let (mut before, mut limit) = (u64::MAX, PAGE);
    let mut first = None;
    loop {
        let page = match store.subscriptions(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let Some(created) = unreadable(before, &what, to) else {
                    break;
                };
                before = created;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for row in &page.rows {
            same(row, to);
            published(row, page.position, to);
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    missing(first.unwrap_or(0), to);
    Ok(())
}

fn subject(id: &SubscriptionId) -> Subject {
    Subject::new("subscription", id)
}

fn unreadable(before: u64, what: &str, to: &mut Sink<'_>) -> Option<u64> {
    let all = to.fold.subscriptions.iter_mut();
    let earlier = all.filter(|(_, fold)| fold.stream.created < before);
    let (id, fold) = earlier.max_by_key(|(_, fold)| fold.stream.created)?;
    fold.seen = true;
    let created = fold.stream.created;
    let draft = wrong(Kind::StateEdited, subject(id), created);
    let detail = format!("the row cannot be read: {what}");
    to.book.find(Invariant::I15, Draft { detail, ..draft });
    Some(created)
}

fn same(row: &SubscriptionRow, to: &mut Sink<'_>) {
    beyond(row.last, "a subscription", to);
    to.book.checked(Invariant::I15, 1);
    let mut same = false;
    if let Some(fold) = to.fold.subscriptions.get_mut(&row.body.id) {
        let SubscriptionFold { stream, body, seen } = fold;
        *seen = true;
        same = (stream.adopted || stream.created == row.created)
            && stream.last == row.last
            && (stream.gapped || stream.version == row.version)
            && *body == row.body;
    }
    let lost = [row.created, row.last];
    if same || lost.iter().any(|at| to.fold.lost.explains(*at)) {
        return;
    }
    let fold = to.fold.subscriptions.get(&row.body.id);
    let draft = Draft {
        expected: json!(fold.map(|fold| json!({"created": fold.stream.created,
            "last": fold.stream.last, "version": fold.stream.version, "body": fold.body}))),
        found: json!({"created": row.created, "last": row.last, "version": row.version,
            "body": row.body}),
        detail: "the row is not the fold of its stream".to_owned(),
        ..wrong(Kind::StateEdited, subject(&row.body.id), row.last)
    };
    to.book.find(Invariant::I15, draft);
}

/// I9: nobody is told of what is not committed, and what is set aside is there.
fn published(row: &SubscriptionRow, head: u64, to: &mut Sink<'_>) {
    to.book.checked(Invariant::I9, 1);
    let progress = &row.progress;
    if progress.checkpoint > head {
        let draft = Draft {
            expected: json!({"at_most": head}),
            found: json!(progress.checkpoint),
            detail: "its checkpoint is beyond the log".to_owned(),
            ..wrong(Kind::CheckpointAhead, subject(&row.body.id), head)
        };
        to.book.find(Invariant::I9, draft);
    }
    let told = progress.waiting.iter().map(|waiting| waiting.id);
    let parked = row.body.parked.iter().map(|parked| parked.id);
    let from = row.body.parked.iter().map(|parked| parked.from);
    if !told.eq(parked) || from.max().is_some_and(|from| from > head) {
        let draft = Draft {
            expected: json!(row.body.parked),
            found: json!(progress.waiting),
            detail: "what it knows of its parked streams is not what is parked".to_owned(),
            ..wrong(Kind::StateEdited, subject(&row.body.id), row.last)
        };
        to.book.find(Invariant::I9, draft);
    }
}

fn missing(first: u64, to: &mut Sink<'_>) {
    let missing = |fold: &SubscriptionFold| !fold.seen && fold.stream.created <= first;
    let all = to.fold.subscriptions.iter();
    for (id, fold) in all.filter(|(_, fold)| missing(fold)) {
        let draft = Draft {
            expected: json!({"version": fold.stream.version}),
            detail: "the log made this subscription; its row is gone".to_owned(),
            ..wrong(Kind::StateEdited, subject(id), fold.stream.last)
        };
        to.book.find(Invariant::I15, draft);
    }
}
