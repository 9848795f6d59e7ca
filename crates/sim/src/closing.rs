//! The long end of orders: everything is asked after until nothing is open any more.
//!
//! Once faults have healed, whatever was sent late arrives, whatever is watched is asked after for
//! a day, callbacks of nobody's orders lose their patience, and a person decides what waits for
//! one. Loops look rarely meanwhile: what is asked of them is that they forget nothing.

use crate::client::Client;
use crate::clock;
use crate::workload::decide_all;
use std::time::Duration;

/// How rarely the loops look meanwhile.
const RARELY: Duration = Duration::from_secs(600);
/// How often somebody looks whether all is over.
const LOOK_EVERY: Duration = Duration::from_secs(480);
/// Most looks: four days.
const LOOKS_MAX: u32 = 4 * 180;

/// Brings every order to its end.
pub(crate) async fn close(client: &mut Client) {
    let mut usual = Vec::new();
    for node in &client.nodes {
        node.stop().await;
        node.set_options(|options| {
            usual.push(options.clone());
            (options.sweep_every, options.tail_every) = (RARELY, RARELY);
            (options.saga_every, options.beat_every) = (RARELY, RARELY);
            options.relay_every = RARELY;
        });
        node.start(&client.world).await;
    }
    let mut open = Some(String::new());
    for look in 0..LOOKS_MAX {
        decide_all(client, &format!("close-{look}"), false).await;
        let world = &client.world;
        open = world.audit(|auditor| auditor.unfinished());
        if open.is_none() && world.providers.is_quiet() {
            break;
        }
        if world.audit(|auditor| !auditor.violations().is_empty()) {
            return;
        }
        clock::sleep(LOOK_EVERY).await;
    }
    if let Some(what) = open {
        let world = &client.world;
        world.audit(|auditor| auditor.report("I18", format!("after days {what}")));
    }
    for (node, usual) in client.nodes.iter().zip(usual) {
        node.stop().await;
        node.set_options(|options| *options = usual);
        node.start(&client.world).await;
    }
}
