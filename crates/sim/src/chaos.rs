//! The loop that brings about what no single call can: deaths, crashes, pauses and odd clocks, and
//! the operator who restarts what does not recover by itself.
//!
//! Every strike asks the dice, so nothing falls that is not allowed or after they were switched
//! off. Faults that a single call meets on its way are left to that call.

use crate::clock;
use crate::faults::FaultKind;
use crate::node::{Blow, Node, Stage};
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;

/// How long a node may be unready because of its clock before the operator restarts it.
const CLOCK_PATIENCE: u32 = 30;
/// Faults up to the first that only providers meet: the others need no loop.
const WAYSIDE: usize = FaultKind::CallerGone as usize + 1;
/// How often the operator looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Brings trouble until the dice are switched off.
pub(crate) async fn trouble(world: Arc<World>, nodes: [Arc<Node>; 2]) {
    let pause = 1_600 / world.dice(|dice| dice.trouble());
    while world.dice(|dice| dice.is_on()) {
        let wait = world.dice(|dice| dice.range(50, pause.max(100)));
        clock::sleep(ms(wait)).await;
        let (which, kind) = world.dice(|dice| {
            let all = WAYSIDE as u64 - 1;
            (dice.range(0, 1), dice.range(0, all))
        });
        let kind = FaultKind::ALL[usize::try_from(kind).unwrap_or(0)];
        // A jump keeps a node from writing for ten seconds at least: most of them are left out.
        let rare = kind == FaultKind::ClockJump && !world.dice(|dice| dice.chance(150));
        if !rare && world.dice(|dice| dice.may(kind)) {
            strike(&world, &nodes[usize::from(which == 1)], kind);
        }
    }
}

/// Kills a process that runs.
fn kill(world: &Arc<World>, node: &Arc<Node>) {
    if node.engine().is_some() {
        world.count(FaultKind::ProcessKill);
        node.kill(world);
    }
}

/// Brings one fault about, or prepares it. Faults that single calls meet by themselves are left
/// to them.
fn strike(world: &Arc<World>, node: &Arc<Node>, kind: FaultKind) {
    let any = |from, to| world.dice(|dice| dice.range(from, to));
    match kind {
        FaultKind::ProcessKill => kill(world, node),
        FaultKind::KillBeforeLock => node.await_stage(Stage::Begun, Blow::Kill(kind)),
        FaultKind::KillHoldingLock => node.await_stage(Stage::Locked, Blow::Kill(kind)),
        FaultKind::KillBeforeSync => node.await_stage(Stage::Written, Blow::Kill(kind)),
        FaultKind::KillAfterSync => node.await_stage(Stage::Synced, Blow::Kill(kind)),
        FaultKind::StoreCrash => world.crash(ms(any(20, 500))),
        FaultKind::NodePaused => {
            world.count(kind);
            node.freeze(world, ms(any(50, 1_500)));
        }
        FaultKind::WokeTooLate => {
            node.await_stage(Stage::Locked, Blow::Freeze(ms(any(1_050, 2_500))));
        }
        FaultKind::ClockStep => {
            let micros = any(1_000, 4_900_000).cast_signed();
            let back = any(0, 1) == 1;
            // Steps that add up beyond a little are taken back.
            let back = if node.clock.skew().abs() > 4_000_000 {
                node.clock.skew() > 0
            } else {
                back
            };
            world.count(kind);
            node.clock.step(if back { -micros } else { micros });
        }
        FaultKind::ClockJump => {
            let micros = any(6_000_000, 20_000_000).cast_signed();
            let micros = if any(0, 1) == 1 { -micros } else { micros };
            world.count(kind);
            node.clock.jump(micros);
            let (clock, back) = (Arc::clone(&node.clock), ms(any(100, 4_000)));
            world.spawn(async move {
                clock::sleep(back).await;
                clock.jump(-micros);
            });
        }
        _ => {}
    }
}

/// Restarts nodes whose disk failed or whose clock stays odd.
pub(crate) async fn operate(world: Arc<World>, nodes: [Arc<Node>; 2]) {
    let mut odd = [0; 2];
    loop {
        clock::sleep(LOOK_EVERY).await;
        for (node, odd) in nodes.iter().zip(&mut odd) {
            let (clock_off, broken) = node.is_ill();
            *odd = if clock_off { *odd + 1 } else { 0 };
            if broken || *odd > CLOCK_PATIENCE {
                *odd = 0;
                node.kill(&world);
            }
        }
    }
}
