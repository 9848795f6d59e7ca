//! Subscriptions: who is told of what is in the log, how far they have come, and what is set aside.
//!
//! A subscription reads the log from its checkpoint through a filter of types. What people decide
//! about it is a fact ([`Act`]); how far it has come and how often it failed is bookkeeping
//! ([`Progress`]), which changes without an event. What one subscriber refuses for good is
//! *parked*: the stream of that event with all its later ones waits for a person, other streams go
//! on. A subscription that parks too much is paused: then the subscriber is what is wrong.
//!
//! A checkpoint never passes the head. Only a replay, which is a person's wish, moves it back.
//! Secrets are not in here: a body names the positions whose private texts they are.

use crate::event::Kind;
use crate::ids::SubscriptionId;
use crate::retry::Schedule;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

mod act;
mod filter;
mod verdict;
pub use act::{Act, Ask, Asked, At, Decision, Rejection, create, decide};
pub use filter::{BadFilter, FILTERS_MAX, Filter};
pub use verdict::{Heard, Judged, judge};

/// Most parked streams of one subscription; one more pauses it.
pub const PARKED_MAX: usize = 100;
/// Most secrets that sign at a time.
pub const SECRETS_MAX: usize = 3;
/// How long a replaced secret goes on to sign beside the new one.
pub const OVERLAP: Millis = Millis(86_400_000);
/// Tries after which an event that is answered with doubt, while others are accepted, is parked.
pub const DOUBTS_MAX: u32 = 12;
/// When a subscriber in trouble is tried again: 1, 2, 4 ... 60 s, less a jitter.
pub const TRIES: Schedule = Schedule {
    base: Millis(1_000),
    cap: Millis(60_000),
};

/// Whether a subscription is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Active,
    /// Nothing is delivered until it is resumed; its checkpoint waits.
    Paused,
    /// It is gone for good; its id stays taken.
    Deleted,
}

impl State {
    /// The state's name in bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Deleted => "deleted",
        }
    }
}

/// A secret that signs, by the position whose private text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The position that made it.
    pub made: u64,
    /// Until when it signs, once another has replaced it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<LogTime>,
}

/// A stream that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parked {
    /// Its name: the position of the fact that parked it.
    pub id: u64,
    /// Which stream.
    pub stream: String,
    /// Where the first event that was not delivered stands.
    pub from: u64,
    /// Which of the events of that position it is.
    pub index: u32,
    /// What the subscriber answered.
    pub cause: String,
    /// How often that event was posted, as far as whoever parked it knows.
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub tries: u32,
    /// Since when.
    pub since: LogTime,
    /// Whether a person wants it tried again: it is being caught up.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub retrying: bool,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

/// A subscription as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Where events are posted; nothing for one that is read in process.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Which events.
    pub types: Vec<Filter>,
    /// Whether it is served.
    pub state: State,
    /// The checkpoint that it was last set to: at its creation, or by a replay.
    pub set_to: u64,
    /// What signs, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub secrets: Vec<Secret>,
    /// What waits for a person, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parked: Vec<Parked>,
    /// Why it is paused, if nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: LogTime,
    /// When it entered its state.
    pub since: LogTime,
}

impl Subscription {
    /// Whether it wants events of a type.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        kind.is_public() && self.types.iter().any(|filter| filter.matches(kind))
    }

    /// What is parked of a stream.
    #[must_use]
    pub fn parked_of(&self, stream: &str) -> Option<&Parked> {
        self.parked.iter().find(|parked| parked.stream == stream)
    }

    /// Whether anybody posts for it now.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.state == State::Active && self.url.is_some()
    }
}

/// What is known of a parked stream beside its fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Which parked stream.
    pub id: u64,
    /// How many of its events wait.
    pub count: u64,
    /// The highest position that was counted.
    pub last: u64,
    /// While it is caught up: the position up to which that is done.
    pub done: u64,
}

/// How far a subscription has come: bookkeeping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Every wanted event up to here was delivered, is parked, or was dropped by a person.
    pub checkpoint: u64,
    /// Tries in a row that nobody answered well.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub tries: u32,
    /// When it is tried again, after a failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub again: Option<LogTime>,
    /// What went wrong last, if it still does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What is known of each parked stream.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub waiting: Vec<Waiting>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The progress is not one that may follow: somebody else moved it, or it lies beyond the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the progress is not one that may follow")]
pub struct Stale;

impl Progress {
    /// A reader that has read up to a position.
    #[must_use]
    pub fn at(checkpoint: u64) -> Self {
        Self {
            checkpoint,
            ..Self::default()
        }
    }

    /// What is known of a parked stream.
    #[must_use]
    pub fn of(&self, id: u64) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.id == id)
    }

    /// Judges a step from a checkpoint that was read to another progress.
    ///
    /// # Errors
    /// [`Stale`] when the checkpoint is not there any more, would fall, or would pass the head.
    pub fn advance(&self, from: u64, next: &Self, head: u64) -> Result<(), Stale> {
        let follows = self.checkpoint == from && next.checkpoint >= from;
        if follows && next.checkpoint <= head {
            Ok(())
        } else {
            Err(Stale)
        }
    }
}

#[cfg(test)]
mod tests;
