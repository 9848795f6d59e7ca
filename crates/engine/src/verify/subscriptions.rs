//! Subscriptions: their rows against the fold, and I9 as far as a store shows it.
//!
//! What a subscriber got is known to the subscriber alone. The store shows that nobody was told of
//! what is not committed: no checkpoint lies beyond the log; and that nothing is set aside but
//! what stands in the log: each parked stream has the event that it was parked for.

use super::fold::{Fold, wrong};
use super::pages::{Beside, Pages, Read};
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::{beyond, same_id};
use super::stream::Stream;
use super::walk::{Sink, Walk};
use crate::chain::EntryEvent;
use crate::port::{Fault, SubscriptionRow};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::Subscription;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A subscription's stream and what it left.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SubscriptionFold {
    stream: Stream,
    body: Subscription,
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
        let (stream, _) = self.advance(before, event, book);
        self.subscriptions
            .insert(body.id.clone(), SubscriptionFold { stream, body });
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
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.subscriptions(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) => {
                let made = to.fold.subscriptions.iter_mut();
                let made = made.map(|(id, fold)| (id, &mut fold.stream));
                pages.pass_over(made, ("subscription", &what), to.book);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                for row in &page.rows {
                    one(row, to);
                    published(row, page.position, to);
                }
            }
        }
    }
    let made = to.fold.subscriptions.iter();
    let made = made.map(|(id, fold)| (id, &fold.stream));
    pages.missing(made, "subscription", to.book);
    Ok(())
}

fn subject(id: &SubscriptionId) -> Subject {
    Subject::new("subscription", id)
}

fn one(row: &SubscriptionRow, to: &mut Sink<'_>) {
    beyond(row.last, "a subscription", to);
    to.book.checked(Invariant::I15, 1);
    let mut fold = to.fold.subscriptions.get_mut(&row.body.id);
    let known = fold.as_mut().map(|fold| {
        fold.stream.seen = true;
        (fold.stream, fold.body == row.body)
    });
    let beside = Beside {
        subject: subject(&row.body.id),
        place: [row.created, row.last, row.version],
        known,
    };
    let folded = || json!({"body": fold.map(|fold| &fold.body)});
    let more = || (folded(), json!({"body": row.body}));
    beside.differs(more, &mut to.fold.lost, to.book);
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
