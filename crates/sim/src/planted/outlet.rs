//! Lies about what subscribers were told, and about what there is to tell.

use super::Planted;
use crate::clock;
use crate::node::Node;
use crate::subscriber::{arrive_surely, id_of};
use crate::world::World;
use evenkeel_engine::port::{At, Fault, LogRow, Post, Posted, Store};
use std::sync::Arc;
use std::time::Duration;

/// Rows of the pages that subscribers are told of; whoever reads for another end asks for others.
const PAGE: usize = 512;
/// How long an event waits in the memory of a node that has said that it was delivered.
const WAITS: Duration = Duration::from_millis(300);
/// How far the slower of two relays is behind the other.
const BEHIND: Duration = Duration::from_millis(400);

/// A page of the log as a node sees it: a row in the middle may not be visible yet.
pub(crate) async fn log(world: &World, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
    let mut page = world.store.log(from, limit).await?;
    let hides = world.planted == Some(Planted::CursorPastRow) && limit == PAGE;
    if hides && page.rows.len() > 1 && world.any(10) == 0 {
        let nth = world.any(page.rows.len() - 1);
        page.rows.remove(nth);
    }
    Ok(page)
}

/// What is said of a post without anybody having been asked; nothing in an honest world.
pub(crate) fn posted(world: &Arc<World>, node: &Arc<Node>, post: &Post) -> Option<Posted> {
    let done = Posted::Answer {
        status: 202,
        retry_after: None,
    };
    match world.planted {
        Some(Planted::PostAfterCheckpoint) => {
            remember(world, node, post);
            Some(done)
        }
        Some(Planted::TwoRelays) => {
            let after = if world.any(2) == 0 {
                Duration::ZERO
            } else {
                BEHIND
            };
            let (shared, post) = (Arc::clone(world), post.clone());
            world.spawn(async move {
                clock::sleep(after).await;
                arrive_surely(&shared, &post);
            });
            Some(done)
        }
        Some(Planted::ParkedBlocks) if is_blocked(world, post) => Some(Posted::NotSent {
            why: "an earlier event has not been taken".to_owned(),
        }),
        _ => None,
    }
}

/// The node keeps an event in its memory and posts it later, unless it dies before.
fn remember(world: &Arc<World>, node: &Arc<Node>, post: &Post) {
    let Some((_, life)) = node.engine() else {
        return;
    };
    let (shared, node, post) = (Arc::clone(world), Arc::clone(node), post.clone());
    world.spawn(async move {
        if node.alive(life, clock::sleep(WAITS)).await.is_some() {
            arrive_surely(&shared, &post);
        }
    });
}

/// Whether anything is parked of the subscription that a post is for.
fn is_blocked(world: &World, post: &Post) -> bool {
    let id = id_of(&post.url);
    world.store.edit(|tables| {
        let mut all = tables.subscriptions.values();
        let row = all.find(|row| row.body.id.as_str() == id);
        row.is_some_and(|row| row.body.parked.iter().any(|parked| !parked.retrying))
    })
}
