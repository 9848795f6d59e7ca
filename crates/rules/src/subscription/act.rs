//! What is decided about a subscription: by people, and by the relay about one stream.

use super::{
    Filter, OVERLAP, PARKED_MAX, Parked, Progress, SECRETS_MAX, Secret, State, Subscription,
};
use crate::event::Kind;
use crate::ids::SubscriptionId;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The subscription's id.
    pub id: SubscriptionId,
    /// Where events are posted; nothing for one that is read in process.
    pub url: Option<String>,
    /// Which events; at least one filter.
    pub types: Vec<Filter>,
    /// The first position that it is told of; what comes after its creation if missing.
    pub from: Option<u64>,
}

/// What is to be done about a subscription that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Deliver nothing until it is resumed.
    Pause,
    /// Deliver again.
    Resume,
    /// End it for good.
    Delete,
    /// Deliver again from a position on.
    Replay {
        /// The first position.
        from: u64,
    },
    /// Sign with another secret; the present one goes on to sign beside it for a day.
    Rotate,
    /// Try a parked stream again.
    Retry {
        /// Which.
        parked: u64,
    },
    /// Give up what waits of a parked stream; its later events are delivered.
    Drop {
        /// Which.
        parked: u64,
    },
    /// Set a stream aside from one of its events on: only the relay asks.
    Park {
        /// Which stream.
        stream: String,
        /// The position of the event that was refused.
        from: u64,
        /// Which of that position's events it is.
        index: u32,
        /// What the subscriber answered.
        cause: String,
        /// How often it was posted since it was parked last, if it was.
        tries: u32,
    },
    /// A parked stream was delivered up to the checkpoint: only the relay asks.
    Unpark {
        /// Which.
        parked: u64,
    },
    /// The subscriber wants nothing any more: only the relay asks.
    Halt {
        /// What it answered.
        cause: String,
    },
}

impl Act {
    /// The act's name in the log, as that of a command.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pause => "pause_subscription",
            Self::Resume => "resume_subscription",
            Self::Delete => "delete_subscription",
            Self::Replay { .. } => "replay_subscription",
            Self::Rotate => "rotate_secret",
            Self::Retry { .. } => "retry_parked",
            Self::Drop { .. } => "drop_parked",
            Self::Park { .. } | Self::Unpark { .. } | Self::Halt { .. } => "relay",
        }
    }
}

/// Where and when a decision falls.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The position that it gets.
    pub position: u64,
    /// Log time.
    pub now: LogTime,
}

/// What is asked of a subscription, as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The subscription and its progress, if there is one.
    pub stands: Option<(&'a Subscription, &'a Progress)>,
    /// Events in its stream.
    pub version: u64,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
}

/// A change, and the event that says it; the event carries the whole subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The subscription after it.
    pub subscription: Subscription,
    /// How far it has come after it.
    pub progress: Progress,
    /// What happened.
    pub kind: Kind,
}

/// Why a command on a subscription was refused, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code")]
pub enum Rejection {
    /// There is no such subscription, or it was deleted; momentary.
    #[error("there is no such subscription")]
    #[serde(rename = "subscription.not_found")]
    NotFound,
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the subscription has another version than expected")]
    #[serde(rename = "subscription.version")]
    Version,
    /// The id belongs to a subscription that another key made; final.
    #[error("the id is in use")]
    #[serde(rename = "subscription.already_exists")]
    AlreadyExists,
    /// A position that is not in the log yet; momentary.
    #[error("that position is not in the log yet")]
    #[serde(rename = "subscription.position")]
    Position,
    /// It has nothing that is signed; momentary.
    #[error("a subscription that is read in process has no secret")]
    #[serde(rename = "subscription.unsigned")]
    Unsigned,
    /// Nothing is parked under this name; momentary.
    #[error("nothing is parked there")]
    #[serde(rename = "subscription.not_parked")]
    NotParked,
}

impl Rejection {
    /// Whether the decision can never change.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::AlreadyExists => true,
            Self::NotFound | Self::Version | Self::Position | Self::Unsigned | Self::NotParked => {
                false
            }
        }
    }
}

/// Begins a subscription.
///
/// # Errors
/// A [`Rejection`], in declared order.
pub fn create(ask: &Ask, taken: bool, at: At) -> Result<Decision, Rejection> {
    if taken {
        return Err(Rejection::AlreadyExists);
    }
    // The position of its own creation is the newest that may be named.
    if ask.from.is_some_and(|from| from > at.position) {
        return Err(Rejection::Position);
    }
    let set_to = ask.from.map_or(at.position, |from| from.saturating_sub(1));
    let made = Secret {
        made: at.position,
        until: None,
    };
    let subscription = Subscription {
        id: ask.id.clone(),
        url: ask.url.clone(),
        types: ask.types.clone(),
        state: State::Active,
        set_to,
        secrets: ask.url.iter().map(|_| made).collect(),
        parked: Vec::new(),
        reason: None,
        created_at: at.now,
        since: at.now,
    };
    Ok(Decision {
        subscription,
        progress: Progress::at(set_to),
        kind: Kind::SubscriptionCreated,
    })
}

/// Judges what is to be done about a subscription; nothing when it is so already.
///
/// # Errors
/// A [`Rejection`], in declared order.
pub fn decide(asked: Asked<'_>, act: &Act, at: At) -> Result<Option<Decision>, Rejection> {
    let (stands, progress) = asked.stands.ok_or(Rejection::NotFound)?;
    if stands.state == State::Deleted {
        let again = *act == Act::Delete;
        return if again {
            Ok(None)
        } else {
            Err(Rejection::NotFound)
        };
    }
    if asked.expected.is_some_and(|it| it != asked.version) {
        return Err(Rejection::Version);
    }
    let now = Now {
        after: stands.clone(),
        progress: progress.clone(),
        at,
    };
    match act {
        Act::Pause if stands.state == State::Paused => Ok(None),
        Act::Resume if stands.state == State::Active => Ok(None),
        Act::Pause => Ok(Some(now.enter(State::Paused, Kind::SubscriptionPaused))),
        Act::Resume => Ok(Some(now.enter(State::Active, Kind::SubscriptionResumed))),
        Act::Delete => Ok(Some(now.enter(State::Deleted, Kind::SubscriptionDeleted))),
        Act::Replay { from } if *from > at.position => Err(Rejection::Position),
        Act::Replay { from } => Ok(Some(now.replay(*from))),
        Act::Rotate if stands.url.is_none() => Err(Rejection::Unsigned),
        Act::Rotate => Ok(Some(now.rotate())),
        Act::Retry { parked } => now.retry(*parked),
        Act::Drop { parked } => Ok(Some(now.unpark(*parked, Kind::ParkedDropped)?)),
        Act::Unpark { parked } => Ok(Some(now.unpark(*parked, Kind::ParkedDelivered)?)),
        Act::Park {
            stream,
            from,
            index,
            cause,
            tries,
        } => Ok(now.park(stream, (*from, *index), (cause, *tries))),
        Act::Halt { .. } if stands.state == State::Paused => Ok(None),
        Act::Halt { cause } => Ok(Some(now.halt(cause))),
    }
}

/// A subscription while it is changed.
struct Now {
    after: Subscription,
    progress: Progress,
    at: At,
}

impl Now {
    fn done(self, kind: Kind) -> Decision {
        Decision {
            subscription: self.after,
            progress: self.progress,
            kind,
        }
    }

    fn enter(mut self, state: State, kind: Kind) -> Decision {
        (self.after.state, self.after.since) = (state, self.at.now);
        self.after.reason = None;
        self.heal();
        self.done(kind)
    }

    /// Whatever failed is tried afresh.
    fn heal(&mut self) {
        (self.progress.tries, self.progress.again) = (0, None);
        self.progress.error = None;
    }

    fn halt(self, cause: &str) -> Decision {
        let mut decision = self.enter(State::Paused, Kind::SubscriptionPaused);
        decision.subscription.reason = Some(cause.to_owned());
        decision
    }

    fn replay(mut self, from: u64) -> Decision {
        self.after.set_to = from.saturating_sub(1);
        self.progress.checkpoint = self.after.set_to;
        self.heal();
        self.done(Kind::SubscriptionReplayed)
    }

    fn rotate(mut self) -> Decision {
        let At { position, now } = self.at;
        let secrets = &mut self.after.secrets;
        secrets.retain(|secret| secret.until.is_none_or(|until| until > now));
        for secret in secrets.iter_mut() {
            secret.until.get_or_insert(now.plus(OVERLAP));
        }
        let newest = Secret {
            made: position,
            until: None,
        };
        secrets.insert(0, newest);
        secrets.truncate(SECRETS_MAX);
        self.done(Kind::SecretRotated)
    }

    fn retry(mut self, id: u64) -> Result<Option<Decision>, Rejection> {
        let mut all = self.after.parked.iter_mut();
        let parked = all.find(|parked| parked.id == id);
        let parked = parked.ok_or(Rejection::NotParked)?;
        if std::mem::replace(&mut parked.retrying, true) {
            return Ok(None);
        }
        let before = parked.from.saturating_sub(1);
        for waiting in self.progress.waiting.iter_mut().filter(|it| it.id == id) {
            waiting.done = before;
        }
        self.heal();
        Ok(Some(self.done(Kind::ParkedRetried)))
    }

    fn unpark(mut self, id: u64, kind: Kind) -> Result<Decision, Rejection> {
        let before = self.after.parked.len();
        self.after.parked.retain(|parked| parked.id != id);
        if self.after.parked.len() == before {
            return Err(Rejection::NotParked);
        }
        self.progress.waiting.retain(|waiting| waiting.id != id);
        Ok(self.done(kind))
    }

    fn park(
        mut self,
        stream: &str,
        (from, index): (u64, u32),
        (cause, tries): (&str, u32),
    ) -> Option<Decision> {
        let At { position, now } = self.at;
        if let Some(known) = self.after.parked.iter_mut().find(|it| it.stream == stream) {
            // A replay may reach behind what is parked, and an event there may be refused too.
            if !known.retrying && (known.from, known.index) <= (from, index) {
                return None;
            }
            let same = (known.from, known.index) == (from, index);
            let before = if same { known.tries } else { 0 };
            known.tries = before.saturating_add(tries);
            (known.from, known.index, known.retrying) = (from, index, false);
            (known.cause, known.since) = (cause.to_owned(), now);
            return Some(self.done(Kind::Parked));
        }
        if self.after.parked.len() >= PARKED_MAX {
            return Some(self.halt("too many streams are parked"));
        }
        self.after.parked.push(Parked {
            id: position,
            stream: stream.to_owned(),
            from,
            index,
            cause: cause.to_owned(),
            tries,
            since: now,
            retrying: false,
        });
        self.progress.waiting.push(super::Waiting {
            id: position,
            count: 0,
            last: 0,
            done: 0,
        });
        Some(self.done(Kind::Parked))
    }
}
