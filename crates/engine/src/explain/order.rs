//! The story of an order, and of what is a side of it: its payment, its shipment, its saga.
//!
//! Its holds and its callbacks belong to it. What a person has to look at is told of the order as
//! it stood then; tries that left no event are told only when the story is told as of now.

use super::words::Words;
use super::{Component, Finding, Pages, Step, Story, next};
use crate::chain::EntryEvent;
use crate::port::{DueRow, Fault, OrderRow, Store};
use crate::saga::effect_key;
use crate::story;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::money::Money;
use evenkeel_rules::order::{Review, ReviewState, Status};
use evenkeel_rules::saga::{Run, State};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) async fn order(
    store: &dyn Store,
    id: &OrderId,
    (kind, name): (&'static str, String),
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.order(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    let own = (Aggregate::Order, id.as_str());
    pages.add(store, own, row.last).await?;
    for hold in &row.body.holds {
        if let Some(held) = store.hold(hold).await?.rows {
            let its = (Aggregate::Hold, hold.as_str());
            pages.add(store, its, held.last).await?;
        }
    }
    add_callbacks(store, &mut pages, &row).await?;
    pages.cut(upto);
    let last = pages.rows.values().rev().find(|entry| {
        let mut events = entry.events.iter();
        events.any(|event| event.kind.aggregate() == Aggregate::Order)
    });
    let Some(last) = last.map(|entry| entry.position) else {
        return Ok(None);
    };
    let is_past = last < row.last || upto < at.position;
    let then = match is_past {
        true => story::order_at(store, story::entry_at(store, last).await?).await?,
        false => row,
    };
    let words = Words {
        currency: Some(then.body.total.currency),
        ..Words::default()
    };
    let mut story = Story {
        kind,
        id: name,
        state: state_of(kind, &then),
        as_of: at.position.min(upto),
        steps: pages.steps(&words),
        next: Vec::new(),
        findings: findings(&then, &pages),
    };
    if !is_past {
        story.next = next::of_order(&then);
        story.steps.extend(tries(&then, at.position));
    }
    Ok(Some(story))
}

/// Callbacks about an order: those that were taken in stand in its rows, those that wait or were
/// set aside are found among what waits for a person.
async fn add_callbacks(store: &dyn Store, pages: &mut Pages, row: &OrderRow) -> Result<(), Fault> {
    let of_callback = |event: &EntryEvent| {
        let created = (event.kind.aggregate() == Aggregate::Callback).then(|| event.id().parse());
        created.and_then(Result::ok)
    };
    let known = pages.rows.values().flat_map(|row| &row.events);
    let mut created: BTreeSet<u64> = known.filter_map(of_callback).collect();
    for flagged in store.flagged(u64::MAX, 1_000).await?.rows {
        if let DueRow::Callback(callback) = flagged
            && callback.body.order == row.body.id
        {
            created.insert(callback.created);
        }
    }
    for created in created {
        if let Some(callback) = store.callback(created).await?.rows {
            let id = created.to_string();
            let its = (Aggregate::Callback, id.as_str());
            pages.add(store, its, callback.last).await?;
        }
    }
    Ok(())
}

/// What is known of tries that left no event.
fn tries(row: &OrderRow, head: u64) -> Option<Step> {
    let due = row.body.due(row.tries, 0)?;
    (row.tries.calls > 0).then(|| Step {
        position: head,
        at: row.tries.last,
        component: Component::Timer,
        what: format!(
            "{} was called {} times for {}; next at its due time",
            next::provider(due.task),
            row.tries.calls,
            effect_key(&row.body, due.task),
        ),
        detail: json!({"calls": row.tries.calls, "sent": row.tries.sent}),
        cause: None,
        by: "the order's calls".to_owned(),
        follows: Some(row.last),
    })
}

fn state_of(kind: &str, row: &OrderRow) -> String {
    let order = &row.body;
    match kind {
        "payment" => order.payment_status().name().to_owned(),
        "shipment" => {
            let shipment = order.shipment.as_ref();
            shipment.map_or("none", |it| it.status.name()).to_owned()
        }
        "saga" => order.saga.state.name().to_owned(),
        _ => order.status.name().to_owned(),
    }
}

/// What a person has to look at, and where it began.
fn findings(row: &OrderRow, pages: &Pages) -> Vec<Finding> {
    let order = &row.body;
    let finding = |kind, what: String, since: &[Kind]| Finding {
        kind,
        what,
        position: pages.last_of(since).unwrap_or(row.last),
    };
    let stuck = |run: &Run| run.state == State::Stuck;
    let mut findings = Vec::new();
    let open = |review: &Review| review.state == ReviewState::Open;
    if order.review.as_ref().is_some_and(open) {
        let what = "the provider does not say whether it took the money: the units are kept, and \
                    somebody has to decide";
        let since = [Kind::OrderReviewed];
        findings.push(finding("review_open", what.to_owned(), &since));
    }
    if stuck(&order.saga) {
        let what = "the delivery was refused behind the pivot: deliver again, or cancel and refund";
        findings.push(finding("saga_stuck", what.to_owned(), &[Kind::SagaStuck]));
    }
    if order.cancel.as_ref().is_some_and(|it| stuck(&it.run)) {
        let what = "the cancel can go neither on nor back";
        findings.push(finding("cancel_stuck", what.to_owned(), &[Kind::SagaStuck]));
    }
    for refund in order.refunds.iter().filter(|refund| stuck(&refund.run)) {
        let amount = Money {
            amount: refund.amount,
            ..order.total
        };
        let why = match refund.run.unknown {
            true => "is not known to have gone back, for too long",
            false => "was refused by the provider",
        };
        let what = format!(
            "refund {} of {amount} {why}: the customer waits for it",
            refund.id
        );
        let since = [Kind::SagaStuck, Kind::RefundFailed];
        findings.push(finding("refund_stuck", what, &since));
    }
    let owed = order.payment.captured() - order.refund_requested() - order.amount_due();
    if owed != 0 && order.status != Status::Pending {
        let adrift = Money {
            amount: owed,
            ..order.total
        };
        let what = format!("{adrift} are neither owed nor on their way back");
        findings.push(finding("money_adrift", what, &[]));
    }
    findings
}
