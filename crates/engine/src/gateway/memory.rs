//! A provider inside the process: everything succeeds at once.
//!
//! [`InstantGateway`] is for benches, tests and embedding without a provider. It remembers what it
//! did by key, so a repeat is answered with the first answer and has no second effect, and it
//! counts what it was asked. It keeps every key for as long as it lives; it never fails, never
//! waits and never calls back.

use super::{Call, DeliveryStatus, Gateway, Receipt, Reply, Settled};
use crate::port::Map;
use async_trait::async_trait;
use evenkeel_rules::money::Money;
use parking_lot::Mutex;
use std::time::Duration;

/// What was done, and what was only asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Charges made, each key once.
    pub charges: u64,
    /// Refunds made, each key once.
    pub refunds: u64,
    /// Deliveries begun, each key once.
    pub deliveries: u64,
    /// Deliveries cancelled, each once.
    pub cancels: u64,
    /// Steps done, each key once.
    pub steps: u64,
    /// Effects asked for again under a key that had its effect.
    pub repeats: u64,
    /// Questions what became of a key.
    pub asks: u64,
}

#[derive(Debug, Default)]
struct Done {
    counts: Counts,
    charges: Map<String, Receipt>,
    refunds: Map<String, Receipt>,
    /// By key: the delivery's name.
    deliveries: Map<String, String>,
    /// By the delivery's name.
    statuses: Map<String, DeliveryStatus>,
    steps: Map<String, ()>,
}

/// A provider that says yes at once.
#[derive(Debug, Default)]
pub struct InstantGateway {
    done: Mutex<Done>,
}

impl InstantGateway {
    /// A provider that has done nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.done.lock().counts
    }
}

fn receipt(transaction: String, amount: Money) -> Receipt {
    Receipt {
        transaction,
        status: Settled::Completed,
        amount,
        code: None,
    }
}

impl Done {
    fn charge(&mut self, key: &str, amount: Money) -> Reply {
        if let Some(first) = self.charges.get(key) {
            self.counts.repeats += 1;
            return Reply::Money(first.clone());
        }
        self.counts.charges += 1;
        let receipt = receipt(format!("t-{}", self.counts.charges), amount);
        self.charges.insert(key.to_owned(), receipt.clone());
        Reply::Money(receipt)
    }

    fn refund(&mut self, key: &str, amount: Money) -> Reply {
        if let Some(first) = self.refunds.get(key) {
            self.counts.repeats += 1;
            return Reply::Money(first.clone());
        }
        self.counts.refunds += 1;
        let receipt = receipt(format!("r-{}", self.counts.refunds), amount);
        self.refunds.insert(key.to_owned(), receipt.clone());
        Reply::Money(receipt)
    }

    fn deliver(&mut self, key: &str) -> Reply {
        if self.deliveries.contains_key(key) {
            self.counts.repeats += 1;
            return self.delivery(key);
        }
        self.counts.deliveries += 1;
        let delivery = format!("d-{}", self.counts.deliveries);
        self.deliveries.insert(key.to_owned(), delivery.clone());
        self.statuses.insert(delivery, DeliveryStatus::Initiated);
        self.delivery(key)
    }

    fn delivery(&self, key: &str) -> Reply {
        let Some(delivery) = self.deliveries.get(key) else {
            return Reply::NeverSeen;
        };
        let status = self.statuses.get(delivery);
        Reply::Delivery {
            delivery: delivery.clone(),
            status: *status.expect("a delivery's status is written with its name"),
        }
    }

    fn cancel(&mut self, delivery: &str) -> Reply {
        let Some(status) = self.statuses.get_mut(delivery) else {
            return Reply::Refused { code: None };
        };
        if *status == DeliveryStatus::Cancelled {
            self.counts.repeats += 1;
        } else {
            self.counts.cancels += 1;
        }
        *status = DeliveryStatus::Cancelled;
        Reply::Delivery {
            delivery: delivery.to_owned(),
            status: *status,
        }
    }

    fn step(&mut self, key: &str) -> Reply {
        if self.steps.insert(key.to_owned(), ()).is_some() {
            self.counts.repeats += 1;
        } else {
            self.counts.steps += 1;
        }
        Reply::Done
    }

    fn known(&mut self, key: &str, of: fn(&Self) -> &Map<String, Receipt>) -> Reply {
        self.counts.asks += 1;
        of(self)
            .get(key)
            .cloned()
            .map_or(Reply::NeverSeen, Reply::Money)
    }
}

#[async_trait]
impl Gateway for InstantGateway {
    async fn call(&self, call: &Call, _timeout: Duration) -> Reply {
        let mut done = self.done.lock();
        match call {
            Call::Charge { key, amount, .. } => done.charge(key, *amount),
            Call::AskCharge { key } => done.known(key, |done| &done.charges),
            Call::Refund { key, amount, .. } => done.refund(key, *amount),
            Call::AskRefund { key } => done.known(key, |done| &done.refunds),
            Call::Deliver { key, .. } => done.deliver(key),
            Call::AskDelivery { key } => {
                done.counts.asks += 1;
                done.delivery(key)
            }
            Call::CancelDelivery { delivery, .. } => done.cancel(delivery),
            Call::Step { key, .. } => done.step(key),
        }
    }
}

#[cfg(test)]
mod tests;
