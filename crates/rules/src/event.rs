//! The envelope of an event, and the list of all event types.
//!
//! An event is a fact about one stream (one aggregate's history): its version is one more than the
//! event before it, whose position it names, so a story is walked back without an index. Its data
//! carries what the aggregate's body shows after it. [`FORMAT`] is the shape of a log row that
//! this build writes; there is only one yet, so nothing is upcast.

use serde::{Deserialize, Serialize};

/// The shape of log rows that this build writes and the newest that it reads.
pub const FORMAT: u32 = 1;

/// What happened. The text form is the type that brokers and logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A SKU was listed.
    #[serde(rename = "sku.created")]
    SkuCreated,
    /// A SKU's entry was replaced.
    #[serde(rename = "sku.updated")]
    SkuUpdated,
    /// Units came in.
    #[serde(rename = "stock.received")]
    StockReceived,
    /// Units were found or written off by hand.
    #[serde(rename = "stock.adjusted")]
    StockAdjusted,
    /// A hold was placed.
    #[serde(rename = "stock.held")]
    Held,
    /// A hold's deadline was moved.
    #[serde(rename = "stock.extended")]
    Extended,
    /// A hold was confirmed, whole or in part.
    #[serde(rename = "stock.confirmed")]
    Confirmed,
    /// A hold was given back.
    #[serde(rename = "stock.released")]
    Released,
    /// A hold's deadline passed.
    #[serde(rename = "stock.expired")]
    Expired,
    /// A bearer token was made.
    #[serde(rename = "token.created")]
    TokenCreated,
    /// A bearer token was revoked.
    #[serde(rename = "token.revoked")]
    TokenRevoked,
}

/// Whose history an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregate {
    /// `sku:<sku>`: the catalogue entry.
    Sku,
    /// `stock:<sku>`: what was received and adjusted by hand.
    Stock,
    /// `hold:<id>`.
    Hold,
    /// `token:<id>`.
    Token,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 4] = [Self::Sku, Self::Stock, Self::Hold, Self::Token];

    /// The word before the colon of a stream's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Stock => "stock",
            Self::Hold => "hold",
            Self::Token => "token",
        }
    }

    /// Splits a stream's name into its aggregate and the id.
    #[must_use]
    pub fn split(stream: &str) -> Option<(Self, &str)> {
        let (word, id) = stream.split_once(':')?;
        let aggregate = Self::ALL
            .into_iter()
            .find(|aggregate| aggregate.word() == word)?;
        Some((aggregate, id))
    }
}

impl Kind {
    /// Every event type.
    pub const ALL: [Self; 11] = [
        Self::SkuCreated,
        Self::SkuUpdated,
        Self::StockReceived,
        Self::StockAdjusted,
        Self::Held,
        Self::Extended,
        Self::Confirmed,
        Self::Released,
        Self::Expired,
        Self::TokenCreated,
        Self::TokenRevoked,
    ];

    /// The type's name, as in `stock.held`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SkuCreated => "sku.created",
            Self::SkuUpdated => "sku.updated",
            Self::StockReceived => "stock.received",
            Self::StockAdjusted => "stock.adjusted",
            Self::Held => "stock.held",
            Self::Extended => "stock.extended",
            Self::Confirmed => "stock.confirmed",
            Self::Released => "stock.released",
            Self::Expired => "stock.expired",
            Self::TokenCreated => "token.created",
            Self::TokenRevoked => "token.revoked",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Which aggregate's streams hold this type.
    #[must_use]
    pub const fn aggregate(self) -> Aggregate {
        match self {
            Self::SkuCreated | Self::SkuUpdated => Aggregate::Sku,
            Self::StockReceived | Self::StockAdjusted => Aggregate::Stock,
            Self::Held | Self::Extended | Self::Confirmed | Self::Released | Self::Expired => {
                Aggregate::Hold
            }
            Self::TokenCreated | Self::TokenRevoked => Aggregate::Token,
        }
    }

    /// Whether `next` may follow this type in one stream, or begin a stream when `before` is
    /// nothing. `verify` and the simulator's auditor judge histories by it (I7).
    #[must_use]
    pub fn may_follow(before: Option<Self>, next: Self) -> bool {
        let Some(before) = before else {
            return match next {
                Self::SkuCreated
                | Self::StockReceived
                | Self::StockAdjusted
                | Self::Held
                | Self::TokenCreated => true,
                Self::SkuUpdated
                | Self::Extended
                | Self::Confirmed
                | Self::Released
                | Self::Expired
                | Self::TokenRevoked => false,
            };
        };
        match before {
            Self::SkuCreated | Self::SkuUpdated => next == Self::SkuUpdated,
            Self::StockReceived | Self::StockAdjusted => {
                matches!(next, Self::StockReceived | Self::StockAdjusted)
            }
            Self::Held | Self::Extended => matches!(
                next,
                Self::Extended | Self::Confirmed | Self::Released | Self::Expired
            ),
            Self::TokenCreated => next == Self::TokenRevoked,
            Self::Confirmed | Self::Released | Self::Expired | Self::TokenRevoked => false,
        }
    }

    /// Every legal pair of consecutive types, with nothing before a stream's first event.
    #[must_use]
    pub fn legal_pairs() -> Vec<(Option<Self>, Self)> {
        let befores = std::iter::once(None).chain(Self::ALL.into_iter().map(Some));
        befores
            .flat_map(|before| Self::ALL.into_iter().map(move |next| (before, next)))
            .filter(|(before, next)| Self::may_follow(*before, *next))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name_and_belongs_to_one_aggregate() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
            let text = serde_json::to_string(&kind).expect("a type is a string");
            assert_eq!(text, format!("\"{}\"", kind.name()));
        }
        assert_eq!(Kind::from_name("stock.vanished"), None);
    }

    #[test]
    fn legal_pairs_stay_within_one_aggregate_and_endings_end() {
        let pairs = Kind::legal_pairs();
        for (before, next) in &pairs {
            if let Some(before) = before {
                assert_eq!(before.aggregate(), next.aggregate(), "{before:?} {next:?}");
            }
        }
        for ending in [
            Kind::Confirmed,
            Kind::Released,
            Kind::Expired,
            Kind::TokenRevoked,
        ] {
            assert!(
                pairs.iter().all(|(before, _)| *before != Some(ending)),
                "{ending:?}"
            );
        }
        assert_eq!(pairs.len(), 20);
    }

    #[test]
    fn a_stream_name_is_an_aggregate_and_an_id() {
        assert_eq!(Aggregate::split("hold:h:1"), Some((Aggregate::Hold, "h:1")));
        assert_eq!(Aggregate::split("cart:c-1"), None);
        assert_eq!(Aggregate::split("hold"), None);
    }
}
