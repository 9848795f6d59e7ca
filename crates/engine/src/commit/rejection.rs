//! What the rules can say no with: the rejections of all aggregates in one type.
//!
//! A rejection keeps the code that its own rule gives it. Whether it is final is that rule's word
//! too: a final one is written with its key and told again for ever, a momentary one leaves no
//! trace.

use evenkeel_rules::saga::journey;
use evenkeel_rules::{cart, hold, idempotency, limits, order, sku, stock, subscription, token};
use serde::{Deserialize, Serialize};

/// Why the rules said no, whichever aggregate it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// About the key.
    #[error(transparent)]
    Key(#[from] idempotency::Rejection),
    /// About a hold.
    #[error(transparent)]
    Hold(#[from] hold::Rejection),
    /// About units.
    #[error(transparent)]
    Stock(#[from] stock::Rejection),
    /// About a catalogue entry.
    #[error(transparent)]
    Sku(#[from] sku::Rejection),
    /// About a token.
    #[error(transparent)]
    Token(#[from] token::Rejection),
    /// About an order.
    #[error(transparent)]
    Order(#[from] order::Rejection),
    /// About a cart.
    #[error(transparent)]
    Cart(#[from] cart::Rejection),
    /// About a saga over anybody's services.
    #[error(transparent)]
    Saga(#[from] journey::Rejection),
    /// About what one customer keeps from the others.
    #[error(transparent)]
    Limits(#[from] limits::Rejection),
    /// About a subscription.
    #[error(transparent)]
    Subscription(#[from] subscription::Rejection),
}

impl From<cart::Refused> for Rejection {
    fn from(refused: cart::Refused) -> Self {
        match refused {
            cart::Refused::Cart(rejection) => rejection.into(),
            cart::Refused::Hold(rejection) => rejection.into(),
        }
    }
}

impl From<order::Refused> for Rejection {
    fn from(refused: order::Refused) -> Self {
        match refused {
            order::Refused::Order(rejection) => rejection.into(),
            order::Refused::Hold(rejection) => rejection.into(),
        }
    }
}

impl Rejection {
    /// Whether the decision can never change, so that it is written with its key and replayed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Hold(rejection) => rejection.is_final(),
            Self::Order(rejection) => rejection.is_final(),
            Self::Saga(rejection) => rejection.is_final(),
            Self::Cart(rejection) => rejection.is_final(),
            Self::Subscription(rejection) => rejection.is_final(),
            Self::Key(_) | Self::Limits(_) | Self::Stock(_) | Self::Sku(_) | Self::Token(_) => {
                false
            }
        }
    }
}
