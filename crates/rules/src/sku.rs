//! The catalogue entry of a SKU: name, price, limits and sale window.
//!
//! An entry is replaced as a whole by a put. It decides who may hold how much and when
//! (`max_per_order`, `max_per_customer`, the sale window); how many units there are is the business
//! of [`crate::stock`].

use crate::ids::SkuId;
use crate::money::Money;
use crate::quantity::Quantity;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// When holds may be placed: from `opens_at` on and before `closes_at`; a missing end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First moment of the sale.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opens_at: Option<LogTime>,
    /// First moment after the sale.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closes_at: Option<LogTime>,
}

impl Window {
    /// Whether a hold may be placed at `now`.
    #[must_use]
    pub fn is_open(&self, now: LogTime) -> bool {
        self.opens_at.is_none_or(|opens| opens <= now)
            && self.closes_at.is_none_or(|closes| now < closes)
    }
}

/// What a put says of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The SKU.
    pub sku: SkuId,
    /// A name for people.
    pub name: String,
    /// Price of one unit.
    pub price: Money,
    /// Most units of this SKU in one hold or order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_per_order: Option<Quantity>,
    /// Most units of this SKU that one customer may have, held and sold together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_per_customer: Option<Quantity>,
    /// When it is sold; always, if missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sale: Option<Window>,
}

/// A catalogue entry as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sku {
    /// What the last put said.
    #[serde(flatten)]
    pub terms: Terms,
    /// When the first put was committed.
    pub created_at: LogTime,
    /// When the last change was committed.
    pub updated_at: LogTime,
}

/// Why a put was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the entry has another version than expected")]
    #[serde(rename = "version")]
    Version,
}

/// What a put does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The SKU was not known.
    Created(Sku),
    /// The entry was replaced.
    Updated(Sku),
    /// The entry already said just this: nothing is written.
    Unchanged,
}

/// Judges a put. `existing` is the entry with its version; `expected` the `If-Match`.
///
/// # Errors
/// [`Rejection::Version`] when `expected` is not the version that stands (0 for an unknown SKU).
pub fn put(
    existing: Option<(&Sku, u64)>,
    terms: Terms,
    expected: Option<u64>,
    now: LogTime,
) -> Result<Put, Rejection> {
    let version = existing.map_or(0, |(_, version)| version);
    if expected.is_some_and(|expected| expected != version) {
        return Err(Rejection::Version);
    }
    Ok(match existing {
        None => Put::Created(Sku {
            terms,
            created_at: now,
            updated_at: now,
        }),
        Some((sku, _)) if sku.terms == terms => Put::Unchanged,
        Some((sku, _)) => Put::Updated(Sku {
            terms,
            created_at: sku.created_at,
            updated_at: now,
        }),
    })
}

#[cfg(test)]
mod tests;
