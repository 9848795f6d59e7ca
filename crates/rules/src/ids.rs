//! Names that clients choose, checked once where they enter.
//!
//! An id is 1 to 128 characters of `[A-Za-z0-9][A-Za-z0-9._:~-]*`; a SKU at most 60. Ids are
//! compared byte by byte: no case folding, no trimming, no normalisation. A value of one of these
//! types is always well formed, so nothing behind the door checks it again.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Most characters of an id.
pub const ID_MAX: usize = 128;
/// Most characters of a SKU and of a cart's id: `cart:<id>:<sku>` must still be an id.
pub const SKU_MAX: usize = 60;
/// Most characters of a step's name.
pub const STEP_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// No character at all.
    #[error("an id has at least one character")]
    Empty,
    /// More characters than the type allows.
    #[error("an id has at most {max} characters")]
    TooLong {
        /// The limit that was passed.
        max: usize,
    },
    /// A character outside `[A-Za-z0-9._:~-]`, or a first one that is not a letter or digit.
    #[error("an id is made of A-Z a-z 0-9 . _ : ~ - and begins with a letter or digit")]
    Character,
}

fn check(text: &str, max: usize) -> Result<(), BadId> {
    let bytes = text.as_bytes();
    let first = bytes.first().ok_or(BadId::Empty)?;
    if bytes.len() > max {
        return Err(BadId::TooLong { max });
    }
    let tail = |b: &u8| b.is_ascii_alphanumeric() || b"._:~-".contains(b);
    if !first.is_ascii_alphanumeric() || !bytes.iter().all(tail) {
        return Err(BadId::Character);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        ///
        /// Cheap to clone: the text is shared.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that a client sent.
            ///
            /// # Errors
            /// [`BadId`] says what is wrong with it.
            pub fn new(text: &str) -> Result<Self, BadId> {
                check(text, $max)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A stock keeping unit.
    SkuId,
    SKU_MAX
);
id!(
    /// A place that has units of its own: a warehouse, a channel's share, a safety stock.
    LocationId,
    ID_MAX
);
id!(
    /// A hold.
    HoldId,
    ID_MAX
);
id!(
    /// An opaque reference to a customer; there is no customer aggregate and no personal data.
    CustomerId,
    ID_MAX
);
id!(
    /// A bearer token's public name; the secret is never part of it.
    TokenId,
    ID_MAX
);
id!(
    /// An order; its payment, shipment and saga share the id.
    OrderId,
    ID_MAX
);
id!(
    /// A saga over anybody's services.
    SagaId,
    ID_MAX
);
id!(
    /// A cart.
    CartId,
    SKU_MAX
);
id!(
    /// A subscription.
    SubscriptionId,
    ID_MAX
);
id!(
    /// A step's name, one of its saga's: `<saga>/<step>/undo` must still be a key.
    StepName,
    STEP_MAX
);
id!(
    /// A refund, one of an order's.
    RefundId,
    ID_MAX
);
id!(
    /// What a move refers to: a hold's id, a purchase order, a reason's ticket.
    Reference,
    ID_MAX
);

impl LocationId {
    /// The location meant when a request names none.
    #[must_use]
    pub fn main() -> Self {
        Self(Arc::from("main"))
    }

    /// No place at all: what a line says that leaves its location to the order of allocation. No
    /// client can send it, and nothing is ever written with it.
    #[must_use]
    pub fn anywhere() -> Self {
        Self(Arc::from("*"))
    }

    /// Whether it is no place: see [`LocationId::anywhere`].
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        &*self.0 == "*"
    }
}

impl From<&HoldId> for Reference {
    fn from(id: &HoldId) -> Self {
        Self(Arc::clone(&id.0))
    }
}

impl HoldId {
    /// The id of the hold that an order places for itself; nothing if it would be too long.
    #[must_use]
    pub fn of_order(order: &OrderId) -> Option<Self> {
        Self::new(&format!("order:{order}")).ok()
    }

    /// The id of the hold of a cart's line. Two carts whose ids and SKUs run together share one:
    /// whose it is says the hold.
    #[must_use]
    pub fn of_cart(cart: &CartId, sku: &SkuId) -> Self {
        let text = format!("cart:{cart}:{sku}");
        Self::new(&text).expect("both have at most 60 characters")
    }

    /// Whether only the engine itself makes holds with such an id: for a cart's line, for an order,
    /// and for an order that was paid late.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        let own = ["cart:", "order:", "late:"];
        own.iter().any(|prefix| self.0.starts_with(prefix))
    }

    /// Whether it is that of an order that placed it for itself.
    #[must_use]
    pub fn is_of_order(&self) -> bool {
        self.0.starts_with("order:")
    }

    /// Whether it may be that of a cart's line, which may be placed again once it has ended.
    #[must_use]
    pub fn is_of_cart(&self) -> bool {
        self.0.starts_with("cart:")
    }
}

#[cfg(test)]
mod tests;
