//! Lies about what the providers said.

use super::Planted;
use crate::world::World;
use evenkeel_engine::gateway::{Call, Reply, Settled};
use evenkeel_rules::ids::OrderId;
use std::collections::BTreeSet;

/// What these lies need to remember.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Charges whose answers arrived.
    recorded: BTreeSet<String>,
    /// Charges that are kept back.
    kept_back: BTreeSet<String>,
}

/// Whether a call is kept back for hours.
pub(crate) fn is_late(world: &World, call: &Call) -> bool {
    let Call::Charge { key, .. } = call else {
        return false;
    };
    if world.planted != Some(Planted::ChargeAfterCompensation) {
        return false;
    }
    let mut memory = world.memory.lock();
    let kept_back = &mut memory.heard.kept_back;
    if kept_back.contains(key) || world.any(5) == 0 {
        kept_back.insert(key.clone());
        return true;
    }
    false
}

/// Whether a charge's order has ended, as its row says.
fn has_ended(world: &World, key: &str) -> bool {
    let id = key
        .strip_prefix("order:")
        .and_then(|rest| rest.rsplit_once('/'));
    let id = id.and_then(|(id, _)| OrderId::new(id).ok());
    id.is_some_and(|id| {
        world.store.edit(|tables| {
            let row = tables.order_ids.get(&id);
            let row = row.and_then(|created| tables.orders.get(created));
            row.is_some_and(|row| row.body.status.is_ended())
        })
    })
}

/// Whether a call is a step of a saga, or the undoing of one.
fn is_step(call: &Call, undo: bool) -> bool {
    matches!(call, Call::Step { key, .. } if key.ends_with("/undo") == undo)
}

/// What the engine is told of a reply.
pub(crate) fn replied(world: &World, call: &Call, reply: Reply) -> Reply {
    let Some(bug) = world.planted else {
        return reply;
    };
    let (charges, asks) = match call {
        Call::Charge { key, .. } => (Some(key), false),
        Call::AskCharge { key } => (Some(key), true),
        _ => (None, false),
    };
    match (bug, charges, reply) {
        (Planted::RecordedStepsOnly, Some(key), reply) => {
            let mut memory = world.memory.lock();
            let recorded = &mut memory.heard.recorded;
            match reply {
                Reply::Unknown if !asks => Reply::NotSent {
                    why: "nobody answered".to_owned(),
                },
                Reply::Money(_) if asks && !recorded.contains(key) => Reply::NeverSeen,
                Reply::Money(receipt) => {
                    recorded.insert(key.clone());
                    Reply::Money(receipt)
                }
                other => other,
            }
        }
        (Planted::ChargeAfterCompensation, Some(key), reply) => {
            let memory = world.memory.lock();
            let hidden = asks && memory.heard.kept_back.contains(key);
            if hidden { Reply::NeverSeen } else { reply }
        }
        (Planted::TimeOutIsNo, Some(_), Reply::Unknown) => Reply::Refused { code: None },
        (Planted::ConfirmWithoutCapture, Some(_), Reply::Money(mut receipt)) => {
            if receipt.status == Settled::Pending {
                receipt.status = Settled::Completed;
            }
            Reply::Money(receipt)
        }
        (Planted::ForgottenWatch, Some(key), _) if asks && has_ended(world, key) => {
            Reply::NeverSeen
        }
        (Planted::RecallTooLate, None, Reply::Refused { code }) => match call {
            Call::CancelDelivery { delivery, .. } => Reply::Delivery {
                delivery: delivery.clone(),
                status: evenkeel_engine::gateway::DeliveryStatus::Cancelled,
            },
            _ => Reply::Refused { code },
        },
        (Planted::RecordedSagaStepsOnly, None, Reply::Unknown) if is_step(call, false) => {
            Reply::Refused { code: None }
        }
        (Planted::UndoneUnasked, None, Reply::Unknown | Reply::NotSent { .. })
            if is_step(call, true) =>
        {
            Reply::Done
        }
        (_, _, reply) => reply,
    }
}
