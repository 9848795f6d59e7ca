//! The delivery provider's truth.
//!
//! One parcel per key, taken on when its first request arrives. It moves on by itself; until it
//! has left it can be called off, and the provider may give it up.

use super::{Happening, Later, ms, post, tell};
use crate::auditor::Fact;
use crate::faults::FaultKind;
use crate::world::World;
use evenkeel_engine::gateway::{DeliveryStatus, Reply};
use evenkeel_rules::ids::OrderId;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Parcel {
    order: OrderId,
    delivery: String,
    /// Nothing if the provider refused to take it on.
    status: Option<DeliveryStatus>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    parcels: BTreeMap<String, Parcel>,
}

fn reply(parcel: &Parcel) -> Reply {
    match parcel.status {
        None => refused(),
        Some(status) => Reply::Delivery {
            delivery: parcel.delivery.clone(),
            status,
        },
    }
}

fn refused() -> Reply {
    Reply::Refused { code: None }
}

/// How long a parcel stays where it is.
fn stays(world: &World) -> std::time::Duration {
    let longest = [100, 1_500, 6_000, 20_000][world.any(4)];
    ms(world.dice(|dice| dice.range(20, longest)))
}

impl Ledger {
    pub(super) fn ask(&self, key: &str) -> Reply {
        self.parcels.get(key).map_or(Reply::NeverSeen, reply)
    }

    pub(super) fn deliver(
        &mut self,
        world: &World,
        (key, order): (&str, &OrderId),
    ) -> (Reply, Later) {
        if let Some(known) = self.parcels.get(key) {
            return (reply(known), Vec::new());
        }
        let refuses = world.fires(FaultKind::DeliveryRefused);
        let first = if world.any(2) == 0 {
            DeliveryStatus::Requested
        } else {
            DeliveryStatus::Initiated
        };
        let parcel = Parcel {
            order: order.clone(),
            delivery: format!("d-{}", self.parcels.len() + 1),
            status: (!refuses).then_some(first),
        };
        let mut later = moved(world, key, &parcel);
        if !refuses {
            let next = match first {
                DeliveryStatus::Requested => DeliveryStatus::Initiated,
                _ => DeliveryStatus::InTransit,
            };
            later.push((stays(world), goes(world, key, next)));
        }
        let said = reply(&parcel);
        self.parcels.insert(key.to_owned(), parcel);
        (said, later)
    }

    /// The parcel gets somewhere, unless it was called off.
    pub(super) fn moves(&mut self, world: &World, key: &str, to: DeliveryStatus) -> Later {
        let Some(parcel) = self.parcels.get_mut(key) else {
            return Vec::new();
        };
        if parcel.status == Some(DeliveryStatus::Cancelled) {
            return Vec::new();
        }
        parcel.status = Some(to);
        let mut later = moved(world, key, parcel);
        let next = match to {
            DeliveryStatus::Initiated => Some(DeliveryStatus::InTransit),
            DeliveryStatus::InTransit => Some(DeliveryStatus::Delivered),
            DeliveryStatus::Requested
            | DeliveryStatus::Delivered
            | DeliveryStatus::Failed
            | DeliveryStatus::Cancelled => None,
        };
        if let Some(next) = next {
            later.push((stays(world), goes(world, key, next)));
        }
        later
    }

    /// Calls a parcel off, if it has not left.
    pub(super) fn cancel(&mut self, world: &World, delivery: &str) -> (Reply, Later) {
        let mut all = self.parcels.iter_mut();
        let Some((key, parcel)) = all.find(|(_, parcel)| parcel.delivery == delivery) else {
            return (refused(), Vec::new());
        };
        match parcel.status {
            Some(DeliveryStatus::Requested | DeliveryStatus::Initiated)
                if !world.fires(FaultKind::RecallRefused) =>
            {
                parcel.status = Some(DeliveryStatus::Cancelled);
                let later = moved(world, key, parcel);
                (reply(parcel), later)
            }
            Some(DeliveryStatus::Cancelled | DeliveryStatus::Failed) => (reply(parcel), Vec::new()),
            Some(
                DeliveryStatus::Requested
                | DeliveryStatus::Initiated
                | DeliveryStatus::InTransit
                | DeliveryStatus::Delivered,
            )
            | None => (refused(), Vec::new()),
        }
    }
}

/// What becomes of a parcel next: it gets there, or is given up before it leaves.
fn goes(world: &World, key: &str, next: DeliveryStatus) -> Happening {
    let leaves = matches!(next, DeliveryStatus::Initiated | DeliveryStatus::InTransit);
    let dropped = leaves && world.fires(FaultKind::DeliveryFails);
    let to = if dropped {
        DeliveryStatus::Failed
    } else {
        next
    };
    Happening::ParcelMoves(key.to_owned(), to)
}

/// Tells of a parcel as it now stands.
fn moved(world: &World, key: &str, parcel: &Parcel) -> Later {
    let Some(stands) = parcel.status else {
        return Vec::new();
    };
    let fact = Fact::Parcel {
        key: key.to_owned(),
        order: parcel.order.to_string(),
        delivery: parcel.delivery.clone(),
        status: stands.name(),
    };
    tell(world, &fact);
    if stands == DeliveryStatus::Requested {
        return Vec::new();
    }
    post::parcel(world, &parcel.order, (&parcel.delivery, stands))
}
