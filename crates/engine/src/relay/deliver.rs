//! Posting the events of a page: streams side by side, each in its order.

use super::keep::Spot;
use super::pace::Pace;
use super::page::Item;
use super::sign::Ring;
use crate::engine::Shared;
use crate::port::{Outlet, Post, Posted};
use evenkeel_rules::subscription::{Heard, Judged, judge};
use std::sync::Arc;

/// What posting needs.
pub(super) struct Poster {
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) url: String,
    pub(super) ring: Arc<Ring>,
    /// The subscription's creating position, and the token that is posted under.
    pub(super) right: (u64, u64),
    pub(super) pace: Arc<Pace>,
}

/// The events of one stream, in order, and the doubts that its first one has met.
pub(super) struct Queue {
    pub(super) stream: String,
    pub(super) items: Vec<Item>,
    pub(super) doubts: u32,
}

/// How a stream's way ended before its last event.
#[derive(Debug)]
pub(super) struct Stuck {
    /// At which event.
    pub(super) spot: Spot,
    /// What was made of the answer; nothing when the lease no longer covers a post.
    pub(super) judged: Option<Judged>,
    /// What was heard, in words for operators.
    pub(super) what: String,
    /// After how many seconds the subscriber wants to be asked again.
    pub(super) retry_after: Option<u64>,
}

/// How far a stream came.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) stream: String,
    pub(super) delivered: Vec<Spot>,
    /// Events behind the one that it got stuck at.
    pub(super) behind: Vec<Spot>,
    pub(super) stuck: Option<Stuck>,
}

impl Poster {
    /// Posts a stream's events one after the other, until one is not delivered.
    pub(super) async fn deliver(&self, queue: Queue) -> Way {
        let mut delivered = Vec::with_capacity(queue.items.len());
        let mut doubts = queue.doubts;
        let mut stuck = None;
        let mut items = queue.items.into_iter();
        for item in items.by_ref() {
            let spot = item.spot;
            match self.post(item, doubts).await {
                Ok(()) => delivered.push(spot),
                Err(end) => {
                    stuck = Some(Stuck { spot, ..end });
                    break;
                }
            }
            doubts = 0;
        }
        Way {
            stream: queue.stream,
            delivered,
            behind: items.map(|item| item.spot).collect(),
            stuck,
        }
    }

    async fn post(&self, item: Item, doubts: u32) -> Result<(), Stuck> {
        let shared = &self.shared;
        self.pace.wait(&*shared.clock).await;
        let timeout = shared.options.post_timeout;
        let (created, token) = self.right;
        let stuck = |judged, what: String, retry_after| Stuck {
            spot: item.spot,
            judged,
            what,
            retry_after,
        };
        // One that outlives its lease is repeated by whoever is next, and comes late: never first.
        let lasts = std::time::Duration::ZERO;
        if shared.held.right(created, shared.clock.mono(), lasts) != Some(token) {
            return Err(stuck(None, "the lease ran out".to_owned(), None));
        }
        let timestamp = (shared.clock.now().micros().div_euclid(1_000_000)).to_string();
        let body = item.body.into_bytes();
        let signature = self.ring.sign((&item.id, &timestamp), &body);
        let post = Post {
            url: self.url.clone(),
            stream: item.stream,
            id: item.id,
            timestamp,
            signature,
            body,
        };
        let posted = self.outlet.post(&post, timeout).await;
        let (heard, what, retry_after) = match posted {
            Posted::Answer {
                status,
                retry_after,
            } => (
                Heard::Status(status),
                format!("answered {status}"),
                retry_after,
            ),
            Posted::Taken => (Heard::Taken, "it was taken".to_owned(), None),
            Posted::Refused { why } => (Heard::Refused, why, None),
            Posted::Nothing => (Heard::Nothing, "no answer in time".to_owned(), None),
            Posted::NotSent { why } => {
                tracing::debug!(why, url = self.url, "a post was not sent");
                (Heard::NotSent, "no connection".to_owned(), None)
            }
        };
        let judged = judge(heard, doubts);
        metrics::counter!("evenkeel_posts_total", "judged" => word(judged)).increment(1);
        match judged {
            Judged::Delivered => Ok(()),
            judged => Err(stuck(Some(judged), what, retry_after)),
        }
    }
}

const fn word(judged: Judged) -> &'static str {
    match judged {
        Judged::Delivered => "delivered",
        Judged::Again => "again",
        Judged::Doubtful => "doubtful",
        Judged::Refused => "refused",
        Judged::Gone => "gone",
    }
}
