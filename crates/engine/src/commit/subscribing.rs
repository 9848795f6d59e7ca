//! What is asked about subscriptions: by people, by the relay, and by readers in process.

use super::{Command, Lane};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, Progress};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscribing {
    /// Make one.
    Create {
        /// What is wanted.
        ask: Box<Ask>,
        /// What signs its posts. It is kept as a private text and never logged; empty for one that
        /// is read in process.
        secret: String,
    },
    /// Change one that exists.
    Change {
        /// Which.
        id: SubscriptionId,
        /// What is to be done.
        act: Act,
        /// The next secret, or why it is done, in words; kept as a private text.
        private: String,
        /// The token under which the relay asks; nothing for people.
        lease: Option<u64>,
    },
    /// Note how far one has come, in one commit with what was done about it.
    Advance {
        /// Which.
        id: SubscriptionId,
        /// The step.
        step: Box<Step>,
        /// The token under which the relay asks; nothing for readers in process.
        lease: Option<u64>,
    },
}

/// A reader's way from one checkpoint to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version of the subscription that was read for.
    pub seen: u64,
    /// The checkpoint that was read from.
    pub from: u64,
    /// How far it has come.
    pub next: Progress,
    /// What is to take effect with it: both or neither.
    pub effect: Option<Command>,
}

impl Subscribing {
    /// Which subscription it is about.
    #[must_use]
    pub const fn id(&self) -> &SubscriptionId {
        match self {
            Self::Create { ask, .. } => &ask.id,
            Self::Change { id, .. } | Self::Advance { id, .. } => id,
        }
    }

    /// The command's name in the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create_subscription",
            Self::Change { act, .. } => act.name(),
            Self::Advance { .. } => "relay",
        }
    }

    /// The token under which the relay asks.
    #[must_use]
    pub const fn lease(&self) -> Option<u64> {
        match self {
            Self::Create { .. } => None,
            Self::Change { lease, .. } | Self::Advance { lease, .. } => *lease,
        }
    }

    /// The lane that it waits in.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Create { .. } => Lane::Place,
            Self::Change { .. } => Lane::Ending,
            Self::Advance { .. } => Lane::Background,
        }
    }

    /// The command that takes effect with it.
    #[must_use]
    pub fn effect(&self) -> Option<&Command> {
        match self {
            Self::Create { .. } | Self::Change { .. } => None,
            Self::Advance { step, .. } => step.effect.as_ref(),
        }
    }
}
