//! The outlet port: where the relay's posts go, be it to a subscriber over HTTP or to a broker.
//!
//! An adapter sends one post once and says what was heard; it decides nothing, follows no redirect
//! and connects only where it is allowed to, which it checks when it connects.

use async_trait::async_trait;
use std::time::Duration;

/// One event on its way to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Whose history the event belongs to: `<aggregate>:<id>`.
    pub stream: String,
    /// The event's id: `webhook-id`.
    pub id: String,
    /// When it was signed, in unix seconds: `webhook-timestamp`.
    pub timestamp: String,
    /// The signatures: `webhook-signature`.
    pub signature: String,
    /// The event, as JSON.
    pub body: Vec<u8>,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// After how many seconds it wants to be asked again (`Retry-After`).
        retry_after: Option<u64>,
    },
    /// It is where it should be, durably.
    Taken,
    /// This very event is refused for good.
    Refused {
        /// Why, in words for operators.
        why: String,
    },
    /// Nothing, in time; it may have arrived.
    Nothing,
    /// No byte of it left.
    NotSent {
        /// For operators only.
        why: String,
    },
}

/// Where posts go.
#[async_trait]
pub trait Outlet: Send + Sync {
    /// Sends a post and waits for its answer at most `timeout`.
    async fn post(&self, post: &Post, timeout: Duration) -> Posted;
}
