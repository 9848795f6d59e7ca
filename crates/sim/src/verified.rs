//! `verify` at the end of a seed: the engine's own check must see no damage where there is none.
//!
//! It reads the store as the command does, beside two running engines, with one's gate, with
//! the answers that all clients got and with an anchor. What it computes must be held; and it must
//! have computed what it can: a check that was left out is no proof.

use crate::client::Client;
use crate::clock;
use crate::world::World;
use evenkeel_engine::lineage::Lineage;
use evenkeel_engine::port::Clock;
use evenkeel_engine::verify::{self, Acks, Check, Gate, Inputs, Invariant, Outcome, Running};
use evenkeel_rules::time::LogTime;
use std::time::Duration;

/// What `verify` has to compute with all that it is given here.
const COMPUTED: [Invariant; 17] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I5,
    Invariant::I6,
    Invariant::I7,
    Invariant::I8,
    Invariant::I9,
    Invariant::I10,
    Invariant::I11,
    Invariant::I12,
    Invariant::I13,
    Invariant::I15,
    Invariant::I16,
    Invariant::I21,
    Invariant::I22,
];
/// Until every node's tail has told its gate of the last row.
const SETTLE: Duration = Duration::from_millis(500);

/// Runs `verify` with the gate of either node.
pub(crate) async fn is_green(client: &mut Client) {
    clock::sleep(SETTLE).await;
    let node = client.any_node();
    let running = Running {
        now: node.clock.now(),
        since: LogTime::from_micros(clock::BASE_MICROS),
    };
    let gate = node.gate();
    let gate = gate.as_deref().map(|gate| Gate {
        gate,
        mono: node.clock.mono(),
    });
    judge(&client.world, running, gate).await;
}

async fn judge(world: &World, running: Running, gate: Option<Gate<'_>>) {
    let lineage = Lineage::of(&world.store.tables().head);
    let inputs = Inputs {
        running: Some(running),
        acks: Some(Acks::read(world.acks.lock().file(&lineage).as_bytes())),
        anchors: world.audit(|auditor| auditor.anchors()),
        gate,
        ..Inputs::default()
    };
    let store = world.archived();
    // Once as clients' answers ask for, from zero, and once from the newest seal.
    let sealed = Inputs {
        running: Some(running),
        anchors: inputs.anchors.clone(),
        gate,
        ..Inputs::default()
    };
    let (whole, sealed) = (
        verify::verify(&store, inputs).await,
        verify::verify(&store, sealed).await,
    );
    let (report, sealed) = match (whole, sealed) {
        (Ok(report), Ok(sealed)) => (report, sealed),
        (Err(fault), _) | (_, Err(fault)) => {
            let what = format!("verify ended with a fault: {fault}");
            return world.audit(|auditor| auditor.report("verify", what));
        }
    };
    for check in sealed.checks.iter().filter(|_| report.ok) {
        for finding in &check.findings {
            let from = sealed.folded_from;
            let what = format!("verify from the seal at {from} finds {finding:?}");
            world.audit(|auditor| auditor.report("verify", what));
        }
    }
    for invariant in COMPUTED {
        let check = report.check(invariant);
        for what in said(check) {
            world.audit(|auditor| auditor.report("verify", what));
        }
    }
}

/// What is wrong with one row of the report.
fn said(check: &Check) -> Vec<String> {
    let id = &check.id;
    match check.result {
        Outcome::Held => Vec::new(),
        Outcome::NotCheckable => {
            let place = check.place.as_deref().unwrap_or_default();
            vec![format!("verify did not compute {id}: {place}")]
        }
        Outcome::Violated => {
            let findings = check.findings.iter();
            let finding = findings.map(|finding| {
                let (subject, detail) = (&finding.subject, &finding.detail);
                let (expected, found) = (&finding.expected, &finding.found);
                let (kind, of) = (subject.kind, &subject.id);
                format!(
                    "verify finds {id} violated by {kind} {of}: {detail}; \
                     expected {expected}, found {found}"
                )
            });
            finding.collect()
        }
    }
}
