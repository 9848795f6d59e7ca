//! A caller and the network between it and the nodes.
//!
//! Requests and answers get lost, arrive twice, or lose their caller half-way. A caller that wants
//! an answer asks again with the same key, at either node, until it has one. The auditor is told
//! of every request that sets out and of every answer that arrives.

use crate::auditor::Answer;
use crate::clock;
use crate::faults::FaultKind;
use crate::node::Node;
use crate::workload::Asked;
use crate::world::World;
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Rejection;
use evenkeel_engine::port::Fault;
use evenkeel_rules::{hold, idempotency};
use std::sync::Arc;
use std::time::Duration;

/// Attempts after which a caller gives up for good.
const ATTEMPTS_MAX: u32 = 2_000;

/// A caller.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) world: Arc<World>,
    pub(crate) nodes: [Arc<Node>; 2],
    pub(crate) rng: fastrand::Rng,
    /// Whether it is the probe buyer, who asks once all is quiet.
    pub(crate) probes: bool,
}

/// What a caller does when it is told that there are too few units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It takes the refusal.
    Takes,
    /// It asks again a few times, under the same key.
    AsksAgain,
}

impl Client {
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.rng.u64(0..1_000) < per_mille
    }

    /// Waits for between so many and so many milliseconds.
    pub(crate) async fn pause(&mut self, from_ms: u64, to_ms: u64) {
        let ms = self.rng.u64(from_ms..=to_ms);
        clock::sleep(Duration::from_millis(ms)).await;
    }

    pub(crate) fn any_node(&mut self) -> Arc<Node> {
        Arc::clone(&self.nodes[self.rng.usize(0..2)])
    }

    /// Asks until there is an answer that ends the matter.
    pub(crate) async fn ask(&mut self, request: &Asked, patience: Patience) -> Option<Answer> {
        let mut patience = if patience == Patience::AsksAgain {
            3
        } else {
            0
        };
        for attempt in 0..ATTEMPTS_MAX {
            if self.world.fires(FaultKind::RequestDuplicated) {
                self.duplicate(request.clone());
            }
            let node = self.any_node();
            let answer = self.once(&node, request.clone()).await;
            match &answer {
                None | Some(Err(Refusal::Failed(_))) => {}
                Some(Err(Refusal::Rejected { rejection, .. })) => match rejection {
                    Rejection::Key(idempotency::Rejection::InFlight) => {}
                    Rejection::Hold(
                        hold::Rejection::SoldOut { .. }
                        | hold::Rejection::SaleNotOpen { .. }
                        | hold::Rejection::LimitCustomer { .. },
                    ) if patience > 0 => {
                        patience -= 1;
                        self.pause(20, 600).await;
                    }
                    _ => return answer,
                },
                Some(Ok(_)) => return answer,
            }
            if matches!(answer, Some(Err(Refusal::Failed(Fault::DeadlinePassed)))) {
                return answer;
            }
            self.pause(5, 40 + 20 * u64::from(attempt.min(20))).await;
        }
        let what = format!("no answer to {:?}", request.request.command);
        self.world.audit(|auditor| auditor.report("I18", what));
        None
    }

    /// Sends a request a second time, at once or later, to either node; nobody waits for it.
    fn duplicate(&mut self, request: Asked) {
        let mut twin = self.clone();
        twin.rng = self.rng.fork();
        self.world.spawn(async move {
            if twin.chance(500) {
                twin.pause(1, 2_500).await;
            }
            let node = twin.any_node();
            drop(twin.once(&node, request).await);
        });
    }

    /// Sends one request twice at the same moment, to both nodes.
    pub(crate) fn click_twice(&mut self, request: &Asked) {
        let mut twin = self.clone();
        twin.rng = self.rng.fork();
        let request = request.clone();
        let nodes = self.nodes.clone();
        self.world.spawn(async move {
            for node in &nodes {
                let (mut hand, request, node) = (twin.clone(), request.clone(), Arc::clone(node));
                hand.rng = twin.rng.fork();
                let click = async move { drop(hand.once(&node, request).await) };
                twin.world.spawn(click);
            }
        });
    }

    /// Sends a request once; nothing if no answer arrives. The attempt is written down.
    pub(crate) async fn once(&mut self, node: &Arc<Node>, asked: Asked) -> Option<Answer> {
        let world = Arc::clone(&self.world);
        let answer = self.attempt(node, &asked).await;
        let mut acks = world.acks.lock();
        acks.note(&asked, answer.as_ref(), self.probes);
        drop(acks);
        answer
    }

    async fn attempt(&mut self, node: &Arc<Node>, asked: &Asked) -> Option<Answer> {
        let world = Arc::clone(&self.world);
        if world.fires(FaultKind::RequestLost) {
            self.pause(50, 500).await;
            return None;
        }
        world.latency(3).await;
        let (engine, life) = node.engine()?;
        let patience = if world.fires(FaultKind::CallerGone) {
            Duration::from_millis(self.rng.u64(0..12))
        } else {
            Duration::from_secs(60)
        };
        let id = world.audit(|auditor| auditor.begin(&asked.request, world.mono()));
        let answer = tokio::select! {
            biased;
            () = node.died(life) => None,
            answer = engine.execute(asked.request.clone()) => Some(answer),
            () = clock::sleep(patience) => None,
        };
        node.awake().await;
        world.latency(3).await;
        let answer = answer?;
        if world.fires(FaultKind::ReplyLost) {
            self.pause(50, 500).await;
            return None;
        }
        let latest = self.nodes.iter().map(|node| node.clock.latest()).max();
        world.audit(|auditor| {
            auditor.clocks(latest.unwrap_or_default());
            auditor.answered(id, &answer, world.mono());
        });
        Some(answer)
    }
}
