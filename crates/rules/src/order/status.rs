//! The order's state machine.

use serde::{Deserialize, Serialize};

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Its units are held and its money is on its way.
    Pending,
    /// Its money is there.
    Paid,
    /// Its units are sold.
    Confirmed,
    /// Its units have left.
    Shipped,
    /// The customer has them.
    Delivered,
    /// All its money went back.
    Refunded,
    /// It was called off, by the customer, the shop or the payment provider.
    Cancelled,
    /// Its money was not there in time.
    Expired,
    /// Nobody may order under this id.
    Rejected,
}

/// A pair of states that no order may pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from:?} cannot become {to:?}")]
pub struct Illegal {
    /// Where it is.
    pub from: Status,
    /// Where it was to go.
    pub to: Status,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Paid,
        Self::Confirmed,
        Self::Shipped,
        Self::Delivered,
        Self::Refunded,
        Self::Cancelled,
        Self::Expired,
        Self::Rejected,
    ];

    /// The status as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Confirmed => "CONFIRMED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Refunded => "REFUNDED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::Rejected => "REJECTED",
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
            (Self::Pending, Self::Paid | Self::Cancelled | Self::Expired)
            | (Self::Expired, Self::Paid)
            | (Self::Paid, Self::Confirmed | Self::Cancelled | Self::Refunded)
            | (Self::Confirmed, Self::Shipped | Self::Cancelled | Self::Refunded)
            | (Self::Shipped, Self::Delivered | Self::Refunded)
            | (Self::Delivered, Self::Refunded) => Ok(to),
            (
                Self::Pending
                | Self::Paid
                | Self::Confirmed
                | Self::Shipped
                | Self::Delivered
                | Self::Refunded
                | Self::Cancelled
                | Self::Expired
                | Self::Rejected,
                _,
            ) => Err(Illegal { from: self, to }),
        }
    }

    /// Whether it is at the end of its way: nothing is asked of a provider for its sake any more,
    /// but for money that is on its way back.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Delivered | Self::Refunded | Self::Cancelled | Self::Expired | Self::Rejected => {
                true
            }
            Self::Pending | Self::Paid | Self::Confirmed | Self::Shipped => false,
        }
    }
}
