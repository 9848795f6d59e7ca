//! The end of deliveries: once faults have healed every subscriber catches up (I18).
//!
//! Each subscription that lives is active, its checkpoint at the head, and nothing of it is being
//! caught up any more; what is parked may stay so, with the reason in its row.

use crate::client::Client;
use crate::clock;
use evenkeel_engine::port::SubscriptionRow;
use evenkeel_rules::subscription::State;
use std::time::Duration;

/// Most looks, a second apart: longer than any subscriber is left alone after failures.
const LOOKS_MAX: u32 = 300;

/// Waits until the outbox is empty.
pub(crate) async fn is_drained(client: &Client) {
    let world = &client.world;
    let waits = || {
        world.store.edit(|tables| {
            let head = tables.head.position;
            let mut all = tables.subscriptions.values();
            all.find_map(|row| waits_for(row, head))
        })
    };
    for _ in 0..LOOKS_MAX {
        if waits().is_none() {
            return;
        }
        clock::sleep(Duration::from_secs(1)).await;
    }
    if let Some(what) = waits() {
        world.audit(|auditor| auditor.report("I18", what));
    }
}

/// Why a subscription is not at its end, in words.
fn waits_for(row: &SubscriptionRow, head: u64) -> Option<String> {
    let (body, stands) = (&row.body, &row.progress);
    let (id, checkpoint) = (&body.id, stands.checkpoint);
    let retried = body.parked.iter().find(|parked| parked.retrying);
    let unsaid = body.parked.iter().find(|parked| parked.cause.is_empty());
    match body.state {
        State::Deleted => None,
        State::Paused => Some(format!("{id} is paused: {:?}", body.reason)),
        State::Active if checkpoint != head => {
            let error = &stands.error;
            Some(format!("{id} stands at {checkpoint} of {head}: {error:?}"))
        }
        State::Active => retried.or(unsaid).map(|parked| {
            let stream = &parked.stream;
            format!("{stream} of {id} is neither told nor parked with a reason")
        }),
    }
}
