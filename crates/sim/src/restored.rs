//! An operator who says that the store is a restored backup, under nodes that nobody stopped.
//!
//! Nothing was lost here: the backup is as new as the store, so every answer stays true. But the
//! log has another name from one commit to the next, all leases are gone, and both nodes work on
//! a log that is no more: what they judge after that must not be written, and they must end. It is
//! done in some seeds only, and in none with subscribers: until its next batch a node that sleeps
//! through it may post under the old name what others wrote under the new one.

use crate::clock;
use crate::faults::FaultKind;
use crate::node::Node;
use crate::planted::Planted;
use crate::subscriber;
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;

/// It is done in one of so many seeds.
const EVERY: u64 = 6;

/// Whether it is done in a seed.
pub(crate) fn happens(seed: u64, planted: Option<Planted>) -> bool {
    seed % EVERY == 1 && planted.is_none() && !subscriber::live(seed, planted)
}

/// Says so once in a while, through a node, until the dice are switched off.
pub(crate) async fn keep(world: Arc<World>, nodes: [Arc<Node>; 2], seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x0b5e);
    while world.dice(|dice| dice.may(FaultKind::LogRestored)) {
        clock::sleep(Duration::from_millis(rng.u64(300..4_000))).await;
        let node = &nodes[rng.usize(0..2)];
        let running = node.engine();
        let may = world.dice(|dice| dice.may(FaultKind::LogRestored));
        let Some((engine, life)) = running.filter(|_| may) else {
            continue;
        };
        let done = node.alive(life, engine.restored()).await;
        if done.is_some_and(|done| done.is_ok()) {
            world.count(FaultKind::LogRestored);
        }
    }
}
