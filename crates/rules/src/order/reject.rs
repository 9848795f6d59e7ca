//! Why a command on an order was refused.

use super::Status;
use crate::ids::SkuId;
use crate::money::Money;
use serde::{Deserialize, Serialize};

/// Why a command on an order was refused, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// There is no such order, or it is another customer's; momentary.
    #[error("there is no such order")]
    #[serde(rename = "not_found")]
    NotFound,
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the order has another version than expected")]
    #[serde(rename = "version")]
    Version,
    /// The id belongs to an order that another key made, or to nobody for ever; final.
    #[error("the id is in use")]
    #[serde(rename = "already_exists")]
    AlreadyExists,
    /// Two lines are priced in two currencies, or the expected total is in another; momentary.
    #[error("{sku} is sold in another currency")]
    #[serde(rename = "currency")]
    Currency {
        /// The first SKU with another currency.
        sku: SkuId,
    },
    /// The currency of an amount is not the order's; momentary.
    #[error("the amount is in another currency than the order")]
    #[serde(rename = "amount_currency")]
    AmountCurrency,
    /// The total would be below zero or beyond 2^53-1; momentary.
    #[error("the total is out of range")]
    #[serde(rename = "total")]
    Total,
    /// The total is another one than expected; final.
    #[error("the total is another one than expected")]
    #[serde(rename = "price_changed")]
    PriceChanged {
        /// What it is.
        total: Money,
    },
    /// The lines differ from those of the hold that was named; momentary.
    #[error("the lines are not those of the hold")]
    #[serde(rename = "lines_differ")]
    LinesDiffer,
    /// The order is not where this can be done; final.
    #[error("an order that is {from:?} cannot become {to:?}")]
    #[serde(rename = "order.illegal_transition")]
    IllegalTransition {
        /// Where it is.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// A refund id of this order that another key made; final.
    #[error("the refund's id is in use")]
    #[serde(rename = "refund_exists")]
    RefundExists,
    /// More than is left of what was captured; final.
    #[error("more than is left of what was captured")]
    #[serde(rename = "exceeds_refundable")]
    ExceedsRefundable,
    /// More units than were ordered and have not come back; momentary.
    #[error("line {line} names more units than can come back")]
    #[serde(rename = "more_than_shipped")]
    MoreThanShipped {
        /// Which line of the request.
        line: usize,
    },
    /// Nobody waits for a person here; momentary.
    #[error("no review is open")]
    #[serde(rename = "no_review")]
    NoReview,
}

impl Rejection {
    /// Whether the decision can never change, so that it is written with its key and replayed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::AlreadyExists
            | Self::PriceChanged { .. }
            | Self::IllegalTransition { .. }
            | Self::RefundExists
            | Self::ExceedsRefundable => true,
            Self::NotFound
            | Self::Version
            | Self::Currency { .. }
            | Self::AmountCurrency
            | Self::Total
            | Self::LinesDiffer
            | Self::MoreThanShipped { .. }
            | Self::NoReview => false,
        }
    }
}
