//! The embedded broker: a topic is the log seen through a filter, a group is a checkpoint.
//!
//! Nothing is copied and nothing is published: what is committed is in the topic, so there is no
//! publisher. A group is the in-process subscription `<group>:<topic>`; its checkpoint stands
//! before the first message that is not acknowledged, so whoever comes after a crash gets all from
//! there on again. What was acknowledged beyond it is known to the receiver alone.
//!
//! Several receivers of one group each see everything: they are there to take over, not to share.
//! Whoever changes something by a command in answer to an event commits both at once by
//! [`crate::consumer`], and needs no broker for that.

use super::{aggregate, message};
use crate::cloud::{self, Place};
use crate::consumer::{Consumer, PAGE_MAX, Page, Reading};
use crate::port::{
    Broker, Fault, Group, HighWater, Message, Publisher, Receipt, Received, Receiver, Topic,
    UNACKED_MAX, Unserved,
};
use crate::{Engine, Refusal};
use async_trait::async_trait;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::Filter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often a receiver that waits looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The log of an engine, as a broker.
pub struct Embedded {
    engine: Engine,
}

impl Embedded {
    /// The engine's log.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Broker for Embedded {
    fn publisher(&self) -> Option<Arc<dyn Publisher>> {
        None
    }

    async fn join(&self, topic: &Topic, group: &Group) -> Result<Box<dyn Receiver>, Unserved> {
        let Some(aggregate) = aggregate(topic) else {
            return Err(Unserved(format!("there is no topic {topic}")));
        };
        let reading = Reading {
            id: SubscriptionId::new(&format!("{group}:{topic}"))
                .expect("both names are made of what ids are made of, and short"),
            // All types, so that a build that knows more of them finds its subscription as it was.
            types: vec![Filter::new("*").expect("some events are published")],
            from: None,
        };
        let consumer = self.engine.subscribe(reading).await.map_err(refused)?;
        Ok(Box::new(Member::new(consumer, aggregate)))
    }
}

/// Where an event stands: position, and which of its events.
type Spot = (u64, usize);

/// A receiver.
struct Member {
    consumer: Consumer,
    aggregate: Aggregate,
    /// The position up to which the log was read.
    upto: u64,
    /// Read, or given back, and to be received.
    ready: BTreeMap<Spot, Message>,
    /// Received.
    out: BTreeMap<Receipt, (Spot, Message)>,
    /// What is not acknowledged: the spots of both.
    open: BTreeSet<Spot>,
    receipts: u64,
}

impl Member {
    fn new(consumer: Consumer, aggregate: Aggregate) -> Self {
        Self {
            upto: consumer.checkpoint(),
            consumer,
            aggregate,
            ready: BTreeMap::new(),
            out: BTreeMap::new(),
            open: BTreeSet::new(),
            receipts: 0,
        }
    }

    /// The position up to which nothing is open.
    fn settled(&self) -> u64 {
        let first = self.open.first();
        first.map_or(self.upto, |(position, _)| position - 1)
    }

    /// Sees where the group stands by now: another member may have gone on, a person gone back.
    async fn look(&mut self) -> Result<(), Unserved> {
        let before = self.consumer.checkpoint();
        self.consumer.refresh().await.map_err(failed)?;
        let after = self.consumer.checkpoint();
        if after < before {
            self.ready.clear();
            self.out.clear();
            self.open.clear();
            self.upto = after;
        }
        self.upto = self.upto.max(after);
        if after > before {
            let first = (after + 1, 0);
            self.ready = self.ready.split_off(&first);
            self.open = self.open.split_off(&first);
            self.out.retain(|_, (spot, _)| *spot >= first);
        }
        Ok(())
    }

    /// Reads the next page of the log, unless too much is open; whether there was any.
    async fn read(&mut self) -> Result<bool, Unserved> {
        if self.open.len() >= UNACKED_MAX {
            return Ok(false);
        }
        let before = self.upto;
        let page = self.consumer.page_after(self.upto, PAGE_MAX).await;
        self.take(page.map_err(failed)?);
        if self.open.is_empty() {
            self.advance().await?;
        }
        Ok(self.upto > before)
    }

    fn take(&mut self, page: Page) {
        for found in page.events {
            if found.event.kind.aggregate() != self.aggregate {
                continue;
            }
            let place = Place {
                lineage: self.consumer.lineage(),
                position: found.position,
                index: found.index,
                at: found.at,
            };
            let body = cloud::text(place, &found.event);
            let message = message(&found.event.stream, place.id(), body);
            let spot = (found.position, found.index);
            self.open.insert(spot);
            let message = message.expect("what a topic has is published");
            self.ready.insert(spot, message);
        }
        self.upto = page.upto;
    }

    /// Moves the group's checkpoint before what is open, if it is not there.
    async fn advance(&mut self) -> Result<(), Unserved> {
        let mut tries = 0;
        while self.settled() > self.consumer.checkpoint() {
            match self.consumer.commit(self.settled(), None).await {
                Ok(_) => {}
                // Another member was faster, or a person: from where the group is now.
                Err(_) if tries == 0 => self.look().await?,
                Err(refusal) => return Err(refused(refusal)),
            }
            tries += 1;
        }
        Ok(())
    }

    fn give(&mut self, max: usize) -> Vec<Received> {
        let mut given = Vec::with_capacity(max.min(self.ready.len()));
        while given.len() < max
            && let Some((spot, message)) = self.ready.pop_first()
        {
            self.receipts += 1;
            let receipt = Receipt(self.receipts);
            self.out.insert(receipt, (spot, message.clone()));
            given.push(Received { receipt, message });
        }
        given
    }
}

#[async_trait]
impl Receiver for Member {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, Unserved> {
        let began = self.consumer.clock().mono();
        loop {
            self.look().await?;
            let more = self.ready.is_empty() && self.read().await?;
            let waited = self.consumer.clock().mono().saturating_sub(began);
            if !self.ready.is_empty() || waited >= wait {
                return Ok(self.give(max));
            }
            if !more {
                let pause = LOOK_EVERY.min(wait - waited);
                self.consumer.clock().sleep(pause).await;
            }
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), Unserved> {
        for receipt in receipts {
            if let Some((spot, _)) = self.out.remove(receipt) {
                self.open.remove(&spot);
            }
        }
        self.advance().await
    }

    async fn give_back(&mut self, receipts: &[Receipt]) -> Result<(), Unserved> {
        for receipt in receipts {
            self.ready.extend(self.out.remove(receipt));
        }
        Ok(())
    }

    async fn high_water(&mut self) -> Result<Option<HighWater>, Unserved> {
        let head = self.consumer.head().await.map_err(failed)?;
        Ok(Some(HighWater(vec![head])))
    }

    async fn has_passed(&mut self, mark: &HighWater) -> Result<bool, Unserved> {
        Ok(mark.0.iter().all(|position| *position <= self.settled()))
    }

    async fn leave(mut self: Box<Self>) -> Result<(), Unserved> {
        self.advance().await
    }
}

fn failed(fault: Fault) -> Unserved {
    Unserved(fault.to_string())
}

fn refused(refusal: Refusal) -> Unserved {
    match refusal {
        Refusal::Failed(fault) => failed(fault),
        Refusal::Rejected { rejection, .. } => Unserved(format!("{rejection:?}")),
    }
}
