//! The stories of units: of a hold, and of a SKU with what stands at its locations.

use super::words::Words;
use super::{Component, Pages, Step, Story, next};
use crate::port::{Fault, Store};
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::ids::{HoldId, SkuId};
use serde_json::json;

pub(super) async fn hold(
    store: &dyn Store,
    id: &HoldId,
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.hold(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    let own = (Aggregate::Hold, id.as_str());
    pages.add(store, own, row.last).await?;
    pages.cut(upto);
    let Some(last) = pages.rows.values().next_back() else {
        return Ok(None);
    };
    let event = last.events.iter().find(|event| event.id() == id.as_str());
    let then: Option<evenkeel_rules::hold::Hold> = event.and_then(|event| event.data().ok());
    let then = then.unwrap_or_else(|| row.hold.clone());
    let is_past = last.position < row.last || upto < at.position;
    Ok(Some(Story {
        kind: "hold",
        id: id.to_string(),
        state: then.state.name().to_owned(),
        as_of: at.position.min(upto),
        steps: pages.steps(&Words::default()),
        next: if is_past {
            Vec::new()
        } else {
            next::of_hold(&then)
        },
        findings: Vec::new(),
    }))
}

pub(super) async fn sku(
    store: &dyn Store,
    id: &SkuId,
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.sku(id).await?;
    let Some((row, stock)) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    for (own, last) in [
        (Aggregate::Sku, row.last),
        (Aggregate::Stock, row.stock_last),
    ] {
        pages.add(store, (own, id.as_str()), last).await?;
    }
    pages.cut(upto);
    if pages.rows.is_empty() {
        return Ok(None);
    }
    let mut told = pages.steps(&Words::default());
    let units: u64 = stock.iter().map(|(_, balances)| balances.available()).sum();
    if upto >= at.position {
        let now = store.head().await?.time;
        for (location, balances) in &stock {
            told.push(Step {
                position: at.position,
                at: now,
                component: Component::Ledger,
                what: format!("stands at {location}: {}", accounts(*balances)),
                detail: json!({"location": location, "accounts": balances.raw()}),
                cause: None,
                by: "the balances as they stand".to_owned(),
                follows: None,
            });
        }
    }
    Ok(Some(Story {
        kind: "sku",
        id: id.to_string(),
        state: if units > 0 { "in_stock" } else { "sold_out" }.to_owned(),
        as_of: at.position.min(upto),
        steps: told,
        next: Vec::new(),
        findings: Vec::new(),
    }))
}

fn accounts(balances: evenkeel_rules::stock::Balances) -> String {
    let all = evenkeel_rules::stock::Account::ALL.iter();
    let one = all.map(|account| format!("{} {}", account.name(), balances.get(*account)));
    one.collect::<Vec<_>>().join(", ")
}
