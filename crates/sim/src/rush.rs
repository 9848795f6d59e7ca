//! Confirms while the sweep is at work.
//!
//! Once faults have healed, a few holds are left to fall due at one moment, and others are
//! confirmed at just that moment. Ending work has its share of every batch and waits for no lock
//! but the head's, so a confirm is never sent away because holds are being swept. It leaves no
//! live hold behind, and never injects a fault.

use crate::client::{Client, Patience};
use crate::clock;
use crate::node::Node;
use crate::workload::{Shop, Who, quantity, request, terms};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Clock, Fault};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};
use std::sync::Arc;
use std::time::Duration;

/// How often holds fall due while others are confirmed.
const ROUNDS: u32 = 3;
/// Holds that fall due together.
const DUE: u32 = 4;
/// Holds that are confirmed at that moment.
const CONFIRMED: u32 = 3;
/// The life of those that fall due, and of those that are confirmed.
const LIVES: [Millis; 2] = [Millis(400), Millis(60_000)];
/// How closely the moment is watched for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks after which a deadline that does not come is no affair of this check.
const LOOKS_MAX: u32 = 4_000;
/// Looks within which all holds have ended, those too that nobody came to confirm.
const SETTLED: u32 = 60_000;

/// Confirms beside the sweep, and reports a confirm that had to stand back.
pub(crate) async fn confirms_are_served(client: &mut Client, shop: &Shop) {
    receive(client, shop).await;
    for round in 0..ROUNDS {
        for number in 0..DUE {
            place(
                client,
                shop,
                &format!("rush-due-{round}-{number}"),
                LIVES[0],
            )
            .await;
        }
        for number in 0..CONFIRMED {
            place(client, shop, &format!("rush-{round}-{number}"), LIVES[1]).await;
        }
        let Some(node) = first_past(client).await else {
            return settle(client).await;
        };
        for number in 0..CONFIRMED {
            confirm(client, &node, &format!("rush-{round}-{number}")).await;
        }
        settle(client).await;
    }
}

/// Brings in the units of all rounds, under an entry without limits.
async fn receive(client: &mut Client, shop: &Shop) {
    let (sku, location) = (shop.skus[0].clone(), shop.locations[0].clone());
    let command = Command::PutSku { terms: terms(&sku) };
    let asked = request(&Who::Staff, None, command);
    drop(client.ask(&asked, Patience::Takes).await);
    let units = quantity(u64::from(ROUNDS * (DUE + CONFIRMED)));
    let command = Command::ChangeStock {
        sku,
        location,
        change: Change::Receive(units),
        reference: None,
        reason: None,
    };
    let asked = request(&Who::Staff, Some("rush-stock"), command);
    drop(client.ask(&asked, Patience::Takes).await);
}

async fn place(client: &mut Client, shop: &Shop, id: &str, ttl: Millis) {
    let command = Command::Place(hold::Place {
        id: hold_id(id),
        customer: CustomerId::new("rush").expect("a well-formed id"),
        lines: vec![Wanted {
            sku: shop.skus[0].clone(),
            location: shop.locations[0].clone(),
            quantity: quantity(1),
        }],
        ttl,
    });
    let asked = request(&Who::Shop, Some(id), command);
    drop(client.ask(&asked, Patience::Takes).await);
}

/// Waits until the first deadline has passed on some node's clock: that node.
async fn first_past(client: &Client) -> Option<Arc<Node>> {
    for _ in 0..LOOKS_MAX {
        let live = client.world.audit(|auditor| auditor.live_holds());
        let first = live.iter().map(|(_, deadline)| *deadline).min()?;
        let first = LogTime::from_micros(first);
        let past = |node: &&Arc<Node>| node.clock.now() >= first;
        if let Some(node) = client.nodes.iter().find(past) {
            return Some(Arc::clone(node));
        }
        clock::sleep(LOOK_EVERY).await;
    }
    None
}

/// Confirms a hold that lives long; whoever is told to stand back was starved.
async fn confirm(client: &mut Client, node: &Arc<Node>, id: &str) {
    let command = Command::Confirm {
        id: hold_id(id),
        lines: None,
    };
    let asked = request(&Who::Shop, Some(&format!("{id}-sold")), command);
    let answer = client.once(node, asked.clone()).await;
    if let Some(Err(Refusal::Failed(Fault::Conflict))) = answer {
        let what = format!("the confirm of {id} had to stand back while holds were swept");
        client.world.audit(|auditor| auditor.report("I18", what));
    }
    drop(client.ask(&asked, Patience::Takes).await);
}

/// Waits until nothing of a round is live.
async fn settle(client: &Client) {
    for _ in 0..SETTLED {
        let live = client.world.audit(|auditor| auditor.live_holds());
        if live.is_empty() {
            return;
        }
        clock::sleep(LOOK_EVERY).await;
    }
}

fn hold_id(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed id")
}
