//! Which types a subscription wants: a type's name, the beginning of names (`order.*`), or all.

use crate::event::{Aggregate, Kind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Most filters of one subscription.
pub const FILTERS_MAX: usize = 20;

/// Why a text is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a filter is a type that is published, such as order.paid, or order.*, or *")]
pub struct BadFilter;

/// One filter; it matches at least one type that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Arc<str>);

impl Filter {
    /// Takes a text that a client sent.
    ///
    /// # Errors
    /// [`BadFilter`] when no type that is published would ever match it.
    pub fn new(text: &str) -> Result<Self, BadFilter> {
        let filter = Self(Arc::from(text));
        let mut published = Kind::ALL.iter().copied().filter(|kind| kind.is_public());
        if published.any(|kind| filter.matches(kind)) {
            Ok(filter)
        } else {
            Err(BadFilter)
        }
    }

    /// The filter as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a type matches.
    #[must_use]
    pub fn matches(&self, kind: Kind) -> bool {
        let name = kind.name();
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(begin) => begin.ends_with('.') && name.starts_with(begin),
            None => name == &*self.0,
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // A type that an older build published is not forgotten by a newer one.
        Ok(Self(Arc::from(&*text)))
    }
}

impl Kind {
    /// Whether subscribers may be told of it.
    #[must_use]
    pub const fn is_public(self) -> bool {
        self.aggregate().is_public()
    }
}

impl Aggregate {
    /// Whether subscribers may be told of its events: what is about goods, carts, orders and sagas
    /// is theirs, what is about the engine's own keeping is not.
    #[must_use]
    pub const fn is_public(self) -> bool {
        match self {
            Self::Sku | Self::Stock | Self::Hold | Self::Order | Self::Saga | Self::Cart => true,
            Self::Token | Self::Callback | Self::Private | Self::Subscription => false,
        }
    }
}
