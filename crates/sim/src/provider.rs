//! The simulated providers: one of payment, one of delivery, and anybody's services, outside of all
//! nodes.
//!
//! They have a truth of their own, a ledger by key, and know nothing of the engine's. What is sent
//! to them arrives at once, later, much later or never; an effect happens once per key, whenever
//! its first request arrives, whether or not anybody still waits for the answer. Money and parcels
//! move on by themselves, and what becomes of them is told by callbacks, most of the time. Every
//! effect is told to the auditor at the moment it happens.
//!
//! Everything that will happen stands in one queue by time, which one task works off: no provider
//! ever does anything in the middle of a node's step.

use crate::auditor::Fact;
use crate::clock;
use crate::faults::FaultKind;
use crate::node::Node;
use crate::world::World;
use evenkeel_engine::callback::Sender;
use evenkeel_engine::commit::Received;
use evenkeel_engine::gateway::{Call, DeliveryStatus, Reply};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

mod delivery;
mod gateway;
mod payment;
mod post;
mod service;

pub(crate) use gateway::SimGateway;
pub(crate) use payment::Standing;

/// Something that will happen at a provider.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A request arrives; somebody may still wait for its answer.
    Arrives(Call, Option<oneshot::Sender<Reply>>),
    /// Whether the money of a pending charge moves turns out.
    ChargeSettles(String, bool),
    /// The provider gives money of a charge back by itself.
    ChargedBack(String),
    /// Whether the money of a pending refund moves turns out.
    RefundSettles(String, bool),
    /// A parcel gets somewhere.
    ParcelMoves(String, DeliveryStatus),
    /// A callback is sent.
    Posts(Box<Received>),
}

/// What is to happen after a while because of what happened now.
type Later = Vec<(Duration, Happening)>;

#[derive(Debug, Default)]
struct State {
    payment: payment::Ledger,
    delivery: delivery::Ledger,
    services: service::Ledger,
    queue: BTreeMap<(Duration, u64), Happening>,
    numbered: u64,
    down_until: BTreeMap<&'static str, Duration>,
}

/// Both providers.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    state: Mutex<State>,
    woken: Notify,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Which provider a call goes to.
const fn called(call: &Call) -> &'static str {
    match call {
        Call::Charge { .. }
        | Call::AskCharge { .. }
        | Call::Refund { .. }
        | Call::AskRefund { .. } => Sender::Payment.name(),
        Call::Deliver { .. } | Call::AskDelivery { .. } | Call::CancelDelivery { .. } => {
            Sender::Delivery.name()
        }
        Call::Step { .. } => "services",
    }
}

impl Providers {
    /// Puts something into the queue.
    pub(crate) fn plan(&self, at: Duration, what: Happening) {
        let mut state = self.state.lock();
        state.numbered += 1;
        let number = state.numbered;
        state.queue.insert((at, number), what);
        drop(state);
        self.woken.notify_one();
    }

    /// Whether nothing more will happen by itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state.lock().queue.is_empty()
    }

    /// Whether a provider is down now; it may go down just now.
    fn is_down(&self, world: &World, which: &'static str) -> bool {
        let now = world.mono();
        let until = self.state.lock().down_until.get(which).copied();
        if until.is_some_and(|until| now < until) {
            return true;
        }
        let falls = world.fires(FaultKind::ProviderDown);
        if falls {
            let longest = [900, 6_000, 40_000][world.any(3)];
            let down = ms(world.dice(|dice| dice.range(50, longest)));
            let mut state = self.state.lock();
            state.down_until.insert(which, now + down);
        }
        falls
    }

    /// How an effect stands at the payment provider, as a person hears it on the telephone.
    pub(crate) fn refund_stands(&self, key: &str) -> Standing {
        self.state.lock().payment.refund_stands(key)
    }

    /// A person at a service lifts its refusal of a key.
    pub(crate) fn lift(&self, key: &str) {
        self.state.lock().services.lift(key);
    }

    /// A person pays money back by another way than the provider's.
    pub(crate) fn pay_by_hand(&self, world: &World, order: &str, amount: i64) {
        let amount = self.state.lock().payment.pay_by_hand(order, amount);
        let order = order.to_owned();
        tell(world, &Fact::PaidByHand { order, amount });
    }

    fn next(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.queue.first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&self, now: Duration) -> Option<Happening> {
        let mut state = self.state.lock();
        let first = state.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

/// Tells the auditor what happened.
fn tell(world: &World, fact: &Fact) {
    world.audit(|auditor| auditor.provider(fact));
}

/// Works the queue off, for as long as the world stands.
pub(crate) async fn run(world: Arc<World>, nodes: [Arc<Node>; 2]) {
    loop {
        while let Some(what) = world.providers.take_due(world.mono()) {
            happen(&world, &nodes, what);
        }
        let woken = world.providers.woken.notified();
        match world.providers.next() {
            None => woken.await,
            Some(at) => {
                let left = at.saturating_sub(world.mono());
                tokio::select! {
                    biased;
                    () = woken => {}
                    () = clock::sleep(left.max(ms(1))) => {}
                }
            }
        }
    }
}

fn happen(world: &Arc<World>, nodes: &[Arc<Node>; 2], what: Happening) {
    let providers = &world.providers;
    let later = match what {
        Happening::Arrives(call, answer) => {
            let (reply, later) = providers.arrive(world, &call);
            if let Some(answer) = answer {
                drop(answer.send(reply));
            }
            later
        }
        Happening::ChargeSettles(key, completed) => {
            let mut state = providers.state.lock();
            state.payment.charge_settles(world, &key, completed)
        }
        Happening::ChargedBack(key) => {
            let mut state = providers.state.lock();
            state.payment.charge_back(world, &key)
        }
        Happening::RefundSettles(key, completed) => {
            let mut state = providers.state.lock();
            state.payment.refund_settles(world, &key, completed)
        }
        Happening::ParcelMoves(key, to) => {
            let mut state = providers.state.lock();
            state.delivery.moves(world, &key, to)
        }
        Happening::Posts(received) => {
            post::deliver(world, nodes, *received);
            Vec::new()
        }
    };
    let now = world.mono();
    for (after, what) in later {
        providers.plan(now + after, what);
    }
}

impl Providers {
    fn arrive(&self, world: &World, call: &Call) -> (Reply, Later) {
        let mut state = self.state.lock();
        match call {
            Call::Charge {
                key,
                order,
                amount,
                token,
            } => state.payment.charge(world, (key, order), (*amount, token)),
            Call::AskCharge { key } => (state.payment.ask_charge(key), Vec::new()),
            Call::Refund {
                key,
                order,
                transaction,
                amount,
            } => state
                .payment
                .refund(world, (key, order), (transaction, *amount)),
            Call::AskRefund { key } => (state.payment.ask_refund(key), Vec::new()),
            Call::Deliver { key, order, .. } => state.delivery.deliver(world, (key, order)),
            Call::AskDelivery { key } => (state.delivery.ask(key), Vec::new()),
            Call::CancelDelivery { delivery, .. } => state.delivery.cancel(world, delivery),
            Call::Step { key, .. } => (state.services.step(world, key), Vec::new()),
        }
    }
}
