//! Lies about who may write, and about what became of a batch.

use super::Planted;
use crate::world::World;
use evenkeel_engine::port::{Fault, Writes};
use evenkeel_rules::hold::State;

/// A ticket that no holding of the head lock has.
const NOBODY: u64 = 0;

/// Whether a writer whose lock went to somebody else is stopped.
pub(crate) fn fences(world: &World) -> bool {
    world.planted != Some(Planted::UnfencedWriter)
}

/// The ticket under which the outcome of a batch is looked up: honestly, one that was waited for.
pub(crate) async fn ticket(world: &World) -> u64 {
    if world.planted == Some(Planted::UnlockedLookup) {
        return NOBODY;
    }
    world.head.acquire().await
}

/// Whether a connection is lost before a batch begins. An unlocked lookup does harm only then: a
/// batch that is tried again waits for the COMMIT that was looked up in vain.
pub(crate) fn cuts(world: &World) -> bool {
    world.planted == Some(Planted::UnlockedLookup)
        && world.dice(|dice| dice.is_on() && dice.chance(500))
}

/// What is said of a batch with a commit that cannot be written; nothing of it is.
pub(crate) fn poisoned(world: &World) -> Result<(), Fault> {
    match world.planted {
        Some(Planted::PoisonDropsBatch) => Ok(()),
        _ => Err(Fault::Corrupt("this cannot be written".to_owned())),
    }
}

/// Whether a batch is sent away because it confirms something and the sweep has work.
pub(crate) fn starves(world: &World, writes: &Writes) -> bool {
    if world.planted != Some(Planted::SweepFirst) {
        return false;
    }
    let now = writes.head.time;
    let mut holds = writes.holds.iter().map(|write| &write.row.hold);
    holds.any(|hold| hold.state == State::Confirmed)
        && world
            .store
            .edit(|tables| tables.holds.values().any(|row| row.hold.is_overdue(now)))
}
