//! The end of a seed: a quiet time, the probe buyer, an idle hour.
//!
//! Once faults have healed every hold must end, no node may take a revoked token, and a probe
//! buyer must be able to buy every unit that the auditor knows to be available, one by one, and
//! not one more. Then all loops run for an hour with nothing to do, and the head must not move.

use crate::client::{Client, Patience};
use crate::clock;
use crate::closing;
use crate::drained::is_drained;
use crate::rush;
use crate::verified;
use crate::workload::{Shop, Who, quantity, request, settle_subscriptions, terms};
use crate::world::World;
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::{Command, Key, Rejection};
use evenkeel_engine::port::Clock;
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{CustomerId, LocationId, SkuId};
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long after its deadline a hold may still be live, once nothing is broken.
const GRACE_MICROS: i64 = 5_000_000;
/// How long some node must have been well before that is asked of it, in seconds.
const WELL_SECONDS: u32 = 5;
/// Longest quiet time: deadlines, clocks and patience all end before it.
const QUIET_SECONDS: u32 = 240;
/// How rarely the loops look in the idle hour.
const IDLE_EVERY: Duration = Duration::from_secs(10);
/// Most units that the probe buys of one place; the workload never leaves as many.
const PROBE_MAX: u32 = 10_000;

/// Brings a seed whose faults have healed to its quiet end.
///
/// The operator is needed until all nodes are well.
pub(crate) async fn finish(client: &mut Client, shop: &Shop, operator: JoinHandle<()>) {
    quiet(client).await;
    operator.abort();
    no_revoked_token(client).await;
    rush::confirms_are_served(client, shop).await;
    settle_subscriptions(client).await;
    closing::close(client).await;
    probe(client, shop).await;
    is_drained(client).await;
    verified::is_green(client).await;
}

/// Waits until every node is well and every hold has ended; none may outlive its deadline by more
/// than the grace. A node that was started while its clock was wrong is ill until the operator has
/// started it again.
async fn quiet(client: &Client) {
    let world = &client.world;
    clock::sleep(Duration::from_secs(15)).await;
    let mut well = 0;
    for _ in 0..QUIET_SECONDS {
        let nodes = client.nodes.each_ref().map(|node| node.is_well());
        well = if nodes.contains(&true) { well + 1 } else { 0 };
        let live = world.audit(|auditor| auditor.live_holds());
        if live.is_empty() && !nodes.contains(&false) {
            return;
        }
        let now = client.nodes.iter().map(|node| node.clock.now().micros());
        let now = now.min().expect("there are two nodes");
        let overdue = live.iter().find(|(_, due)| due + GRACE_MICROS < now);
        if let Some((id, _)) = overdue.filter(|_| well > WELL_SECONDS) {
            let what = format!("{id} is live long after its deadline");
            world.audit(|auditor| auditor.report("I18", what));
            return;
        }
        clock::sleep(Duration::from_secs(1)).await;
    }
    let what = "some hold never came to its end, or some node was never well".to_owned();
    world.audit(|auditor| auditor.report("I18", what));
}

/// A revocation that was answered is believed by every node.
async fn no_revoked_token(client: &Client) {
    let secrets = std::mem::take(&mut *client.world.revoked.lock());
    for secret in secrets {
        for node in &client.nodes {
            let Some((engine, _)) = node.engine() else {
                continue;
            };
            if matches!(engine.token(&secret).await, Ok(Some(_))) {
                let what = format!("{} takes a revoked token", node.name);
                client.world.audit(|auditor| auditor.report("I5", what));
            }
        }
    }
}

async fn probe(client: &mut Client, shop: &Shop) {
    for sku in &shop.skus {
        let command = Command::PutSku { terms: terms(sku) };
        drop(
            client
                .ask(&request(&Who::Staff, None, command), Patience::Takes)
                .await,
        );
    }
    client.probes = true;
    let places = client.world.audit(|auditor| auditor.available());
    for ((sku, location), available) in places {
        for number in 0..PROBE_MAX {
            let left = i64::from(number) < available;
            let bought = buy_one(client, (&sku, &location), number).await;
            if bought != left {
                let what = format!(
                    "the probe bought {number} of {available} units of {sku} at {location}"
                );
                client.world.audit(|auditor| auditor.report("I22", what));
                return;
            }
            if !bought {
                break;
            }
        }
    }
}

/// Holds and confirms one unit; whether there was one.
async fn buy_one(client: &mut Client, (sku, location): (&str, &str), number: u32) -> bool {
    let key = format!("probe-{sku}-{location}-{number}");
    let made = Key::new(None, &key, &[]).made_hold_id();
    let place = hold::Place {
        id: made.clone(),
        customer: CustomerId::new("probe").expect("a well-formed id"),
        lines: vec![Wanted {
            sku: SkuId::new(sku).expect("the engine wrote a well-formed id"),
            location: LocationId::new(location).expect("the engine wrote a well-formed id"),
            quantity: quantity(1),
        }],
        ttl: Millis(20_000),
    };
    let asked = request(&Who::Shop, Some(&key), Command::Place(place));
    let answer = client.ask(&asked, Patience::Takes).await;
    if let Some(Err(Refusal::Rejected { rejection, .. })) = &answer
        && !matches!(rejection, Rejection::Hold(hold::Rejection::SoldOut { .. }))
    {
        let what = format!("the probe was told {rejection}");
        client.world.audit(|auditor| auditor.report("I22", what));
    }
    let Some(Ok(first)) = answer else {
        return false;
    };
    // The winner asks again, and is told the same.
    let again = client.ask(&asked, Patience::Takes).await;
    if !matches!(again, Some(Ok(second)) if second.position == first.position && second.replayed) {
        let what = format!("the winner of {} asked again in vain", first.position);
        client.world.audit(|auditor| auditor.report("I22", what));
    }
    let command = Command::Confirm {
        id: made,
        lines: None,
    };
    let key = format!("sold-{sku}-{location}-{number}");
    let asked = request(&Who::Shop, Some(&key), command);
    matches!(client.ask(&asked, Patience::Takes).await, Some(Ok(_)))
}

/// All loops run for an hour with nothing to do: the head stays where it is.
pub(crate) async fn idle(client: &Client) {
    let world: &Arc<World> = &client.world;
    for node in &client.nodes {
        node.stop().await;
        node.set_options(|options| {
            (options.sweep_every, options.tail_every) = (IDLE_EVERY, IDLE_EVERY);
            (options.saga_every, options.beat_every) = (IDLE_EVERY, IDLE_EVERY);
            options.relay_every = IDLE_EVERY;
        });
        node.start(world).await;
    }
    // That a node lives is bookkeeping, and takes no position.
    let stands = || {
        let head = world.store.tables().head;
        (head.position, head.hash, head.refusals)
    };
    let before = stands();
    clock::sleep(Duration::from_secs(3_600)).await;
    let after = stands();
    if before != after {
        let (from, to) = (before.0, after.0);
        let what = format!("an idle hour took the head from {from} to {to}");
        world.audit(|auditor| auditor.report("idle", what));
    }
    for node in &client.nodes {
        node.stop().await;
    }
}
