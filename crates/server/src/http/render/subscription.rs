//! From rows of subscriptions to what is shown of them.

use crate::http::shapes::{self, ParkedState};
use crate::http::time::text;
use evenkeel_engine::port::SubscriptionRow;
use evenkeel_rules::subscription::{Filter, Parked};
use evenkeel_rules::time::LogTime;

/// A subscription; `at` is the head and when it was changed last.
pub(in crate::http) fn subscription(
    row: &SubscriptionRow,
    (head, updated): (u64, LogTime),
    secret: Option<String>,
) -> shapes::Subscription {
    let (body, progress) = (&row.body, &row.progress);
    let filter = |filter: &Filter| filter.as_str().to_owned();
    shapes::Subscription {
        id: body.id.to_string(),
        url: body.url.clone(),
        types: body.types.iter().map(filter).collect(),
        secret,
        state: body.state.name(),
        checkpoint: progress.checkpoint,
        pending: head.saturating_sub(progress.checkpoint),
        parked: body.parked.len() as u64,
        attempts: progress.tries,
        last_error: progress.error.clone(),
        life: shapes::Life {
            version: row.version,
            since: text(body.since),
            next_due: progress.again.map(text),
            reason: body.reason.clone(),
            created_at: text(body.created_at),
            updated_at: text(updated),
            position: row.last,
        },
    }
}

/// What is parked of a subscription.
pub(in crate::http) fn parked(row: &SubscriptionRow, parked: &Parked) -> shapes::Parked {
    let waiting = row.progress.of(parked.id);
    let live = row.body.parked.iter().find(|it| it.id == parked.id);
    shapes::Parked {
        id: parked.id.to_string(),
        subscriber: row.body.id.to_string(),
        stream: parked.stream.clone(),
        state: match live {
            None => ParkedState::Ended,
            Some(live) if live.retrying => ParkedState::Retrying,
            Some(_) => ParkedState::Parked,
        },
        from: parked.from,
        count: waiting.map_or(0, |waiting| waiting.count),
        cause: parked.cause.clone(),
        since: text(parked.since),
    }
}
