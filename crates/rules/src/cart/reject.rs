//! Why a command on a cart was refused.

use crate::hold;
use crate::ids::SkuId;
use serde::{Deserialize, Serialize};

/// Why a command on a cart was refused, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// There is no such cart, or it is another customer's; momentary.
    #[error("there is no such cart")]
    #[serde(rename = "not_found")]
    NotFound,
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the cart has another version than expected")]
    #[serde(rename = "version")]
    Version,
    /// The id belongs to a cart that another key made; final.
    #[error("the id is in use")]
    #[serde(rename = "already_exists")]
    AlreadyExists,
    /// It became an order; momentary, since nothing is kept for it.
    #[error("the cart was checked out")]
    #[serde(rename = "cart.checked_out")]
    CheckedOut,
    /// It has as many lines as a cart may have; momentary.
    #[error("the cart has as many lines as it may have")]
    #[serde(rename = "full")]
    Full,
    /// The SKU is sold in another currency than the rest; momentary.
    #[error("{sku} is sold in another currency")]
    #[serde(rename = "currency")]
    Currency {
        /// Which.
        sku: SkuId,
    },
    /// What the lines come to cannot be said; momentary.
    #[error("the cart comes to too much")]
    #[serde(rename = "total")]
    Total,
    /// There is nothing to check out; momentary.
    #[error("the cart is empty")]
    #[serde(rename = "empty")]
    Empty,
    /// A line's units are no longer set aside; momentary.
    #[error("the units of {sku} are no longer set aside")]
    #[serde(rename = "cart.line_lost")]
    LineLost {
        /// The first such line.
        sku: SkuId,
    },
}

impl Rejection {
    /// Whether the decision can never change.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::AlreadyExists => true,
            Self::NotFound
            | Self::Version
            | Self::CheckedOut
            | Self::Full
            | Self::Currency { .. }
            | Self::Total
            | Self::Empty
            | Self::LineLost { .. } => false,
        }
    }
}

/// Why a line was not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// For the cart's sake.
    Cart(Rejection),
    /// For the units' sake.
    Hold(hold::Rejection),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Cart(rejection)
    }
}

impl From<hold::Rejection> for Refused {
    fn from(rejection: hold::Rejection) -> Self {
        Self::Hold(rejection)
    }
}
