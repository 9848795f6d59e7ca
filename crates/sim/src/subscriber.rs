//! The simulated subscribers, outside of all nodes, and a node's way to them.
//!
//! A subscriber takes an event once and answers its repeats as before, by its id. It refuses events
//! for good, fails at some, wants nothing any more, is down for a while or asks for patience. A
//! post may be lost, come late, come twice, or lose its answer after the effect; the node may die
//! or stand still before and after. Every arrival is told to the auditor at the moment it happens,
//! whether or not anybody still waits for the answer.
//!
//! Subscribers live in some seeds only: a world with them is longer than one without.

use crate::clock;
use crate::faults::FaultKind;
use crate::node::Node;
use crate::planted::{self, Planted};
use crate::world::World;
use async_trait::async_trait;
use evenkeel_engine::port::{Outlet, Post, Posted};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Subscribers live in one of so many seeds.
const EVERY: u64 = 4;

/// Whether anybody subscribes in a seed. A bug that is planted elsewhere is hunted in a world
/// without, where nothing can be seen of it but under its own invariant.
pub(crate) fn live(seed: u64, planted: Option<Planted>) -> bool {
    seed.is_multiple_of(EVERY) && planted.is_none_or(Planted::is_of_outbox)
}

/// A subscriber and an event.
type Told = (String, String);

#[derive(Debug, Default)]
struct State {
    accepted: BTreeSet<Told>,
    /// Events that are refused until somebody there has seen to them.
    refused: BTreeSet<Told>,
    /// Events that are refused no more.
    lifted: BTreeSet<Told>,
    down_until: BTreeMap<String, Duration>,
}

/// All subscribers.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Mutex<State>);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Where a subscription's events are posted.
pub(crate) fn url_of(id: &str) -> String {
    format!("https://subscriber.example/{id}")
}

/// Whose a url is.
pub(crate) fn id_of(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, id)| id)
}

impl Subscribers {
    /// Somebody at a subscriber sees to it that nothing of the past is refused any more.
    pub(crate) fn lift(&self, id: &str) {
        let mut state = self.0.lock();
        let url = url_of(id);
        let refused = std::mem::take(&mut state.refused).into_iter();
        let (lifted, kept): (BTreeSet<Told>, _) = refused.partition(|(whose, _)| *whose == url);
        state.refused = kept;
        state.lifted.extend(lifted);
    }

    /// Whether a subscriber is down now; it may go down just now.
    fn is_down(&self, world: &World, url: &str) -> bool {
        let now = world.mono();
        let until = self.0.lock().down_until.get(url).copied();
        if until.is_some_and(|until| now < until) {
            return true;
        }
        let falls = world.fires(FaultKind::SubscriberDown);
        if falls {
            let longest = [300, 2_000, 9_000][world.any(3)];
            let down = ms(world.dice(|dice| dice.range(50, longest)));
            self.0.lock().down_until.insert(url.to_owned(), now + down);
        }
        falls
    }

    /// What a subscriber answers to an event that arrives.
    fn answer(&self, world: &World, post: &Post) -> u16 {
        let told = (post.url.clone(), post.id.clone());
        let any = |answers: [u16; 3]| answers[world.any(3)];
        let (known, no) = {
            let state = self.0.lock();
            (
                state.accepted.contains(&told),
                state.refused.contains(&told),
            )
        };
        if known {
            return any([200, 202, 204]);
        }
        if no {
            return any([400, 404, 422]);
        }
        if world.fires(FaultKind::SubscriberGone) {
            return 410;
        }
        if world.fires(FaultKind::PostFails) {
            return any([409, 500, 501]);
        }
        let lifted = self.0.lock().lifted.contains(&told);
        if !lifted && world.fires(FaultKind::PostRefused) {
            self.0.lock().refused.insert(told);
            return any([400, 404, 422]);
        }
        self.0.lock().accepted.insert(told);
        any([200, 202, 204])
    }
}

/// A post arrives at its subscriber, who answers.
fn arrive(world: &World, post: &Post) -> u16 {
    let status = world.subscribers.answer(world, post);
    let accepted = (200..300).contains(&status);
    world.audit(|auditor| auditor.posted(id_of(&post.url), post, accepted));
    status
}

/// A post arrives at a subscriber who takes whatever comes.
pub(crate) fn arrive_surely(world: &World, post: &Post) {
    let told = (post.url.clone(), post.id.clone());
    world.subscribers.0.lock().accepted.insert(told);
    world.audit(|auditor| auditor.posted(id_of(&post.url), post, true));
}

/// A post arrives after a while; nobody waits for the answer.
fn arrive_later(world: &Arc<World>, post: &Post, after: Duration) {
    let (shared, post) = (Arc::clone(world), post.clone());
    world.spawn(async move {
        clock::sleep(after).await;
        arrive(&shared, &post);
    });
}

/// One node's way to the subscribers.
pub(crate) struct SimOutlet {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
}

#[async_trait]
impl Outlet for SimOutlet {
    async fn post(&self, post: &Post, timeout: Duration) -> Posted {
        let (world, node) = (&self.world, &self.node);
        node.meet(
            world,
            FaultKind::PausedBeforePost,
            FaultKind::KillBeforePost,
        )
        .await;
        let posted = match planted::posted(world, node, post) {
            Some(posted) => posted,
            None => self.exchange(post, timeout).await,
        };
        node.meet(world, FaultKind::PausedAfterPost, FaultKind::KillAfterPost)
            .await;
        posted
    }
}

impl SimOutlet {
    async fn exchange(&self, post: &Post, timeout: Duration) -> Posted {
        let world = &self.world;
        if world.subscribers.is_down(world, &post.url) {
            return self.nobody(timeout).await;
        }
        if world.fires(FaultKind::PostLost) {
            return give_up(timeout).await;
        }
        if world.fires(FaultKind::PostLate) {
            let longest = [500, 5_000][world.any(2)];
            let late = ms(world.dice(|dice| dice.range(1, longest)));
            arrive_later(world, post, timeout + late);
            return give_up(timeout).await;
        }
        if world.fires(FaultKind::PostDoubled) {
            let after = ms(world.dice(|dice| dice.range(0, 2_000)));
            arrive_later(world, post, after);
        }
        world.latency(15).await;
        let status = arrive(world, post);
        if world.fires(FaultKind::PostAnswerLost) {
            return give_up(timeout).await;
        }
        // Some take their time.
        let slow = world.dice(|dice| dice.chance(20));
        if slow {
            clock::sleep(timeout / 2).await;
        } else {
            world.latency(15).await;
        }
        let retry_after = None;
        Posted::Answer {
            status,
            retry_after,
        }
    }

    /// What is heard of a subscriber that is down.
    async fn nobody(&self, timeout: Duration) -> Posted {
        let world = &self.world;
        let busy = |status, retry_after| Posted::Answer {
            status,
            retry_after,
        };
        match world.any(4) {
            0 => Posted::NotSent {
                why: "nobody listens".to_owned(),
            },
            1 => busy(503, None),
            2 => busy(429, Some(world.dice(|dice| dice.range(1, 3)))),
            _ => give_up(timeout).await,
        }
    }
}

/// Nothing comes back.
async fn give_up(timeout: Duration) -> Posted {
    clock::sleep(timeout).await;
    Posted::Nothing
}
