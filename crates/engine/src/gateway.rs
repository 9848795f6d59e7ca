//! The gateway port: what the engine asks of payment, delivery and anybody's services.
//!
//! A call ends in one of three ways: yes, no or *unknown*, and a time-out is unknown. [`Reply`]
//! keeps them apart, and tells two kinds of "nothing happened" from them: [`Reply::NotSent`] is our
//! own word for it, [`Reply::NeverSeen`] the provider's, and the provider may still be about to see
//! what was sent to it. Every effect carries a key under which it can be repeated and asked for.
//!
//! An adapter translates and decides nothing: it never repeats a call that may have been acted on,
//! never follows a redirect, and never turns an answer that it cannot read into a yes or a no.

use async_trait::async_trait;
use evenkeel_rules::ids::{OrderId, SkuId};
use evenkeel_rules::money::Money;
use std::time::Duration;

pub use evenkeel_rules::payment::Settled;
pub use evenkeel_rules::shipment::Status as DeliveryStatus;

#[cfg(feature = "gateway-http")]
pub mod http;
pub mod memory;
pub mod outbound;

/// What is asked of a provider. Every effect carries the key under which it can be repeated and
/// asked for: `<saga>/<step>`, visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Take money.
    Charge {
        /// The effect's key.
        key: String,
        /// What it is for.
        order: OrderId,
        /// How much.
        amount: Money,
        /// What the payment provider gave the buyer for the card.
        token: String,
    },
    /// What became of a charge?
    AskCharge {
        /// The charge's key.
        key: String,
    },
    /// Give money back.
    Refund {
        /// The effect's key.
        key: String,
        /// What it was for.
        order: OrderId,
        /// The provider's name of the charge.
        transaction: String,
        /// How much of it.
        amount: Money,
    },
    /// What became of a refund?
    AskRefund {
        /// The refund's key.
        key: String,
    },
    /// Bring the goods.
    Deliver {
        /// The effect's key.
        key: String,
        /// What they are for.
        order: OrderId,
        /// Which, and how many units of each.
        lines: Vec<(SkuId, u64)>,
        /// What the address is filed under; the address itself goes nowhere.
        address_ref: Option<String>,
    },
    /// What became of a delivery?
    AskDelivery {
        /// The delivery's key.
        key: String,
    },
    /// Stop a delivery that has not begun.
    CancelDelivery {
        /// The effect's key.
        key: String,
        /// The provider's name of the delivery.
        delivery: String,
    },
    /// A step of a saga over anybody's services, or its undoing: a POST; 2xx is done, 4xx but 408,
    /// 425 and 429 is refused, anything else unknown. The only call whose URL is not from the
    /// configuration.
    Step {
        /// The effect's key.
        key: String,
        /// Where to.
        url: String,
        /// JSON, sent as it is.
        body: String,
    },
}

impl Call {
    /// What is asked for, in a word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Charge { .. } => "charge",
            Self::AskCharge { .. } => "ask_charge",
            Self::Refund { .. } => "refund",
            Self::AskRefund { .. } => "ask_refund",
            Self::Deliver { .. } => "deliver",
            Self::AskDelivery { .. } => "ask_delivery",
            Self::CancelDelivery { .. } => "cancel_delivery",
            Self::Step { .. } => "step",
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To a charge, a refund and asking for them.
    Money(Receipt),
    /// To a delivery, asking for it and cancelling it.
    Delivery {
        /// The provider's name of it: 1 to 128 visible ASCII characters.
        delivery: String,
        /// How far it is.
        status: DeliveryStatus,
    },
    /// To a step: it was done.
    Done,
    /// A definite no: nothing was done and nothing will be. To a cancel: it is too late.
    Refused {
        /// The provider's reason: 1 to 128 visible ASCII characters.
        code: Option<String>,
    },
    /// To asking only: the provider knows no such key *now*. What was sent may still arrive.
    NeverSeen,
    /// It may have been done: ask by its key.
    Unknown,
    /// Nothing left this node: there is no such host, nobody listens, the address is blocked, the
    /// breaker is open. A definite "not done" for this one attempt.
    NotSent {
        /// For operators only.
        why: String,
    },
}

/// What a payment provider says of a charge or a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's name of it: 1 to 128 visible ASCII characters.
    pub transaction: String,
    /// How far it is.
    pub status: Settled,
    /// How much was moved, which may differ from what was asked, in currency too; never negative.
    pub amount: Money,
    /// The provider's reason: 1 to 128 visible ASCII characters.
    pub code: Option<String>,
}

/// Who the engine asks for effects in the world outside.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Makes one call and waits for its reply at most `timeout`, which counts from here to the
    /// answer's last byte. The caller's lease outlives it.
    async fn call(&self, call: &Call, timeout: Duration) -> Reply;
}
