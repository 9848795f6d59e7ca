//! Shipments: what a delivery provider says of one order's parcel.
//!
//! ```text
//! REQUESTED -> INITIATED -> IN_TRANSIT -> DELIVERED
//! REQUESTED | INITIATED -> CANCELLED | FAILED
//! ```
//!
//! There is one shipment per order. News of it come in any order and more than once: what is
//! behind what is known already changes nothing, what skips a state passes through it.

use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// Where a shipment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The provider was asked, or is about to be.
    Requested,
    /// The provider has taken it on.
    Initiated,
    /// It is on its way: its units have left.
    InTransit,
    /// The customer has it.
    Delivered,
    /// It was called off before it left.
    Cancelled,
    /// The provider gave it up before it left.
    Failed,
}

/// A pair of states that no shipment may pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shipment cannot get there")]
pub struct Illegal;

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Initiated,
        Self::InTransit,
        Self::Delivered,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The status as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Initiated => "INITIATED",
            Self::InTransit => "IN_TRANSIT",
            Self::Delivered => "DELIVERED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// One legal step.
    ///
    /// # Errors
    /// [`Illegal`] for every other pair.
    pub const fn next(self, to: Self) -> Result<Self, Illegal> {
        match (self, to) {
            (Self::Requested, Self::Initiated)
            | (Self::Initiated, Self::InTransit)
            | (Self::InTransit, Self::Delivered)
            | (Self::Requested | Self::Initiated, Self::Cancelled | Self::Failed) => Ok(to),
            (
                Self::Requested
                | Self::Initiated
                | Self::InTransit
                | Self::Delivered
                | Self::Cancelled
                | Self::Failed,
                _,
            ) => Err(Illegal),
        }
    }

    /// The steps from here to what a provider says, in order; none if that is no news.
    #[must_use]
    pub fn steps_to(self, said: Self) -> Vec<Self> {
        let mut path = Vec::new();
        let mut at = self;
        while at != said {
            let forward = match at {
                Self::Requested => Self::Initiated,
                Self::Initiated => Self::InTransit,
                Self::InTransit => Self::Delivered,
                Self::Delivered | Self::Cancelled | Self::Failed => return Vec::new(),
            };
            let step = at.next(said).unwrap_or(forward);
            path.push(step);
            at = step;
        }
        path
    }

    /// Whether the units have left.
    #[must_use]
    pub const fn has_left(self) -> bool {
        match self {
            Self::InTransit | Self::Delivered => true,
            Self::Requested | Self::Initiated | Self::Cancelled | Self::Failed => false,
        }
    }
}

/// An order's shipment as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Where it is.
    pub status: Status,
    /// The provider's name for it, once it gave one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery: Option<String>,
    /// When it entered its status.
    pub since: LogTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legal_pairs_are_those_of_the_machine() {
        let legal = Status::ALL
            .into_iter()
            .flat_map(|from| Status::ALL.map(|to| (from, to)))
            .filter(|(from, to)| from.next(*to).is_ok());
        assert_eq!(legal.count(), 7);
    }

    #[test]
    fn late_news_change_nothing_and_early_news_pass_through_what_they_skip() {
        use Status::{Cancelled, Delivered, Failed, InTransit, Initiated, Requested};
        let table: [(Status, Status, &[Status]); 8] = [
            (Requested, Initiated, &[Initiated]),
            (Requested, Delivered, &[Initiated, InTransit, Delivered]),
            (Initiated, Delivered, &[InTransit, Delivered]),
            (Delivered, InTransit, &[]),
            (InTransit, Failed, &[]),
            (Requested, Cancelled, &[Cancelled]),
            (Cancelled, Delivered, &[]),
            (Initiated, Initiated, &[]),
        ];
        for (from, said, expected) in table {
            let known = from.steps_to(said);
            assert_eq!(known, expected, "{from:?} told {said:?}");
        }
    }
}
