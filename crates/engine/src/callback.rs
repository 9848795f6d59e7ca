//! Callbacks: what providers send, stored before it is answered, taken in afterwards.
//!
//! ```text
//! stored -> applied | quarantined      quarantined -> applied
//! ```
//!
//! A callback's raw text is a private text beside its row; the log has its SHA-256. That it is
//! stored is all that its answer says. A loop takes it in: what it says becomes a fact about its
//! order, or was known, or has to wait for what comes before it, or contradicts what the provider
//! said when it was asked; then it is set aside for a person.

use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::News;
use serde::{Deserialize, Serialize};

/// Where a callback is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits to be taken in.
    Stored,
    /// It was taken in, or was known.
    Applied,
    /// It contradicts what is known, or names what nobody knows.
    Quarantined,
}

impl State {
    /// The state's name in bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Applied => "applied",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Which kind of provider sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// It moves money.
    Payment,
    /// It moves parcels.
    Delivery,
}

impl Sender {
    /// The kind's name in routes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Delivery => "delivery",
        }
    }
}

/// A callback as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Where it is.
    pub state: State,
    /// Which kind of provider.
    pub sender: Sender,
    /// Which provider of that kind, as the route names it.
    pub provider: String,
    /// The provider's own id for it.
    pub event: String,
    /// Which order it is about.
    pub order: OrderId,
    /// What it says.
    pub news: News,
    /// SHA-256 of the raw body, in hexadecimal.
    pub sha256: String,
    /// When it was stored.
    pub stored_at: evenkeel_rules::time::LogTime,
    /// Why it was set aside.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<SetAside>,
}

/// Why a callback was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAside {
    /// Its event id came before with another body.
    OtherBody,
    /// Nobody knows its order, for as long as one may wait for it.
    UnknownOrder,
    /// It differs from what the provider said when it was asked, or names what it never named.
    Contradicts,
}

/// What a change of a callback carries: the state and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Where it is now.
    pub state: State,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<SetAside>,
}
