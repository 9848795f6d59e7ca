//! The story of a cart: its lines and their holds, told together.
//!
//! A cart's own row says nothing of what became of its holds since, so where the story is told as
//! of now each line is looked at with its hold: which lines are lost, and until when the others
//! are kept.

use super::words::Words;
use super::{Next, Pages, Story};
use crate::chain::EntryEvent;
use crate::port::{Fault, Store};
use evenkeel_rules::cart::{Cart, Line, State};
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{CartId, HoldId, SkuId};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeSet;

pub(super) async fn cart(
    store: &dyn Store,
    id: &CartId,
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.cart(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    pages
        .add(store, (Aggregate::Cart, id.as_str()), row.last)
        .await?;
    let mut holds = Vec::new();
    for sku in skus(&pages) {
        let hold = HoldId::of_cart(id, &sku);
        let held = store.hold(&hold).await?.rows;
        // Another cart's line may have the id, where ids and SKUs run together.
        if let Some(held) = held.filter(|held| held.hold.customer == row.body.customer) {
            let its = (Aggregate::Hold, hold.as_str());
            pages.add(store, its, held.last).await?;
            holds.push(held.hold);
        }
    }
    pages.cut(upto);
    let Some((last, then)) = pages.rows.values().rev().find_map(|entry| {
        let mut events = entry.events.iter();
        let event = events.find(|event| of_cart(event))?;
        Some((entry.position, event.data::<Cart>().ok()?))
    }) else {
        return Ok(None);
    };
    let is_past = last < row.last || upto < at.position;
    let now = store.head().await?.time;
    let lines = match is_past {
        true => then.lines.iter().map(|line| (line, line.lost)).collect(),
        false => stand(&then, &holds, now),
    };
    Ok(Some(Story {
        kind: "cart",
        id: id.to_string(),
        state: state_of(&then, &lines).to_owned(),
        as_of: at.position.min(upto),
        steps: pages.steps(&Words::default()),
        next: match is_past {
            true => Vec::new(),
            false => next(&then, &lines, &holds),
        },
        findings: Vec::new(),
    }))
}

fn of_cart(event: &EntryEvent) -> bool {
    event.kind.aggregate() == Aggregate::Cart
}

/// Every SKU that the cart ever had a line of.
fn skus(pages: &Pages) -> BTreeSet<SkuId> {
    let events = pages.rows.values().flat_map(|entry| &entry.events);
    let carts = events.filter(|event| of_cart(event));
    let carts = carts.filter_map(|event| event.data::<Cart>().ok());
    carts
        .flat_map(|cart| cart.lines)
        .map(|line| line.sku)
        .collect()
}

/// The cart's lines, and whether each is lost by now.
fn stand<'a>(cart: &'a Cart, holds: &[Hold], now: LogTime) -> Vec<(&'a Line, bool)> {
    let of = |line: &Line| {
        let id = HoldId::of_cart(&cart.id, &line.sku);
        holds.iter().find(|hold| hold.id == id)
    };
    let lost = |line: &Line| cart.state == State::Open && cart.has_lost(line, of(line), now);
    cart.lines.iter().map(|line| (line, lost(line))).collect()
}

fn state_of(cart: &Cart, lines: &[(&Line, bool)]) -> &'static str {
    match cart.state {
        State::CheckedOut => "checked_out",
        State::Open if !lines.is_empty() && lines.iter().all(|(_, lost)| *lost) => "expired",
        State::Open => "open",
    }
}

fn next(cart: &Cart, lines: &[(&Line, bool)], holds: &[Hold]) -> Vec<Next> {
    if let Some(order) = &cart.order {
        return vec![Next {
            who: format!("order {order}"),
            expected: format!("order {order} goes on: see `evenkeel explain order {order}`"),
            by: None,
            otherwise: "the cart itself stays as it is".to_owned(),
        }];
    }
    let mut all = Vec::new();
    for (line, _) in lines.iter().filter(|(_, lost)| *lost) {
        all.push(Next {
            who: "the customer".to_owned(),
            expected: format!("the line of {} is set again, or taken out", line.sku),
            by: None,
            otherwise: "a check-out is refused as cart.line_lost".to_owned(),
        });
    }
    let kept = lines.iter().filter(|(_, lost)| !lost);
    let ids: BTreeSet<HoldId> = kept
        .map(|(line, _)| HoldId::of_cart(&cart.id, &line.sku))
        .collect();
    let held = holds.iter().filter(|hold| ids.contains(&hold.id));
    if let Some(by) = held.map(|hold| hold.deadline).min() {
        all.push(Next {
            who: "the customer".to_owned(),
            expected: "it is checked out, or a line of it is set".to_owned(),
            by: Some(by),
            otherwise: "its holds expire and their units go back on sale".to_owned(),
        });
    }
    all
}
