//! A node's way to the providers, and what goes wrong on it.
//!
//! A call is sent, arrives, takes effect and is answered; each of these can fail to happen, or
//! happen after the caller gave up: then its outcome is unknown to the caller, and only to it. The
//! node may die or stand still before and after each.

use super::{Happening, called, ms};
use crate::clock;
use crate::faults::FaultKind;
use crate::node::Node;
use crate::planted;
use crate::world::World;
use async_trait::async_trait;
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The gateway of one node.
pub(crate) struct SimGateway {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
}

#[async_trait]
impl Gateway for SimGateway {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        let (world, node) = (&self.world, &self.node);
        node.meet(
            world,
            FaultKind::PausedBeforeCall,
            FaultKind::KillBeforeCall,
        )
        .await;
        let reply = self.exchange(call, timeout).await;
        let reply = planted::replied(&self.world, call, reply);
        node.meet(world, FaultKind::PausedAfterCall, FaultKind::KillAfterCall)
            .await;
        reply
    }
}

impl SimGateway {
    async fn exchange(&self, call: &Call, timeout: Duration) -> Reply {
        let world = &self.world;
        if world.providers.is_down(world, called(call)) {
            if world.any(2) == 0 {
                let why = "nobody listens".to_owned();
                return Reply::NotSent { why };
            }
            return self.give_up(timeout).await;
        }
        if world.fires(FaultKind::CallLost) {
            return self.give_up(timeout).await;
        }
        let given_up = clock::sleep(timeout);
        let kept_back = planted::is_late(world, call);
        let way = if kept_back {
            ms(10_000_000)
        } else if world.fires(FaultKind::CallLate) {
            let longest = [5_000, 40_000, 9_000_000][world.any(3)];
            timeout + ms(world.dice(|dice| dice.range(1, longest)))
        } else {
            ms(world.dice(|dice| dice.range(1, 40)))
        };
        let (answer, answered) = oneshot::channel();
        let lost = world.fires(FaultKind::AnswerLost);
        let answer = (!lost).then_some(answer);
        let arrives = Happening::Arrives(call.clone(), answer);
        world.providers.plan(world.mono() + way, arrives);
        let back = ms(world.dice(|dice| dice.range(0, 40)));
        let answered = async {
            match answered.await {
                Ok(reply) => {
                    clock::sleep(back).await;
                    reply
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = given_up => Reply::Unknown,
            reply = answered => reply,
        }
    }

    /// Nothing comes back.
    async fn give_up(&self, timeout: Duration) -> Reply {
        clock::sleep(timeout).await;
        Reply::Unknown
    }
}
