//! Names: of keys in their scope, and of ids.
//!
//! A name is what the name index knows; who has it cannot tell what it was made of. A key is named
//! in the scope of a customer or of nobody, a callback by its provider's own id for it, an id by
//! its kind. Two kinds never share a name.

use super::Received;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::idempotency::Fingerprint;
use evenkeel_rules::ids::{
    BadId, CartId, CustomerId, HoldId, OrderId, RefundId, SagaId, SubscriptionId,
};
use evenkeel_rules::order;
use sha2::{Digest, Sha256};

/// The first 16 bytes of the SHA-256 of a key in its scope, or of an id.
pub type Name = [u8; 16];

/// A caller's name for one intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Hash of the key in its scope: see [`Key::new`].
    pub name: Name,
    /// Hash of what is asked.
    pub fingerprint: Fingerprint,
}

impl Key {
    /// Names a key in the scope of a customer, or in the scope of no customer. `intent` is the
    /// route and the parsed body in a canonical form: member order and spaces do not count.
    #[must_use]
    pub fn new(customer: Option<&CustomerId>, key: &str, intent: &[&[u8]]) -> Self {
        let mut named = Sha256::new_with_prefix(b"key\0");
        named.update(customer.map_or("", CustomerId::as_str));
        named.update([0]);
        named.update(key);
        let mut asked = Sha256::new();
        for part in intent {
            asked.update(part);
            asked.update([0]);
        }
        Self {
            name: first_half(named),
            fingerprint: first_half(asked),
        }
    }

    /// The hold id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_hold_id(&self) -> HoldId {
        HoldId::new(&self.made()).expect("hex digits are an id")
    }

    /// The order id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_order_id(&self) -> OrderId {
        OrderId::new(&self.made()).expect("hex digits are an id")
    }

    /// The saga id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_saga_id(&self) -> SagaId {
        SagaId::new(&self.made()).expect("hex digits are an id")
    }

    /// The cart id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_cart_id(&self) -> CartId {
        CartId::new(&self.made()).expect("32 hex digits are an id")
    }

    /// The subscription id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_subscription_id(&self) -> SubscriptionId {
        SubscriptionId::new(&self.made()).expect("hex digits are an id")
    }

    /// The refund id that is made from this key when the client chose none.
    #[must_use]
    pub fn made_refund_id(&self) -> RefundId {
        RefundId::new(&self.made()).expect("hex digits are an id")
    }

    fn made(&self) -> String {
        crate::chain::hex(&self.name)
    }

    /// Names a callback by the provider's own id for it; the fingerprint is of its raw body.
    #[must_use]
    pub fn of_callback(received: &Received) -> Self {
        let mut named = Sha256::new_with_prefix(b"callback\0");
        named.update(received.sender.name());
        named.update([0]);
        named.update(&received.provider);
        named.update([0]);
        named.update(&received.event);
        Self {
            name: first_half(named),
            fingerprint: first_half(Sha256::new_with_prefix(&received.raw)),
        }
    }
}

/// The name under which a hold's id stands in the name index.
#[must_use]
pub fn hold_name(id: &HoldId) -> Name {
    first_half(Sha256::new_with_prefix(b"hold\0").chain_update(id.as_str()))
}

/// The name under which an order's id stands in the name index.
#[must_use]
pub fn order_name(id: &OrderId) -> Name {
    first_half(Sha256::new_with_prefix(b"order\0").chain_update(id.as_str()))
}

/// The name under which the id of a saga over anybody's services stands in the name index.
#[must_use]
pub fn saga_name(id: &SagaId) -> Name {
    first_half(Sha256::new_with_prefix(b"saga\0").chain_update(id.as_str()))
}

/// The name under which a cart's id stands in the name index.
#[must_use]
pub fn cart_name(id: &CartId) -> Name {
    first_half(Sha256::new_with_prefix(b"cart\0").chain_update(id.as_str()))
}

/// The name under which something's id stands in the name index; nothing for what has none there.
///
/// # Errors
/// The text is no id of such a thing.
pub fn name_of(aggregate: Aggregate, id: &str) -> Result<Option<Name>, BadId> {
    Ok(match aggregate {
        Aggregate::Hold => Some(hold_name(&HoldId::new(id)?)),
        Aggregate::Order => Some(order_name(&OrderId::new(id)?)),
        Aggregate::Saga => Some(saga_name(&SagaId::new(id)?)),
        Aggregate::Cart => Some(cart_name(&CartId::new(id)?)),
        Aggregate::Sku
        | Aggregate::Stock
        | Aggregate::Token
        | Aggregate::Callback
        | Aggregate::Private
        | Aggregate::Subscription => None,
    })
}

/// The id of the hold that an order without one places for itself.
#[must_use]
pub fn hold_of(id: &OrderId) -> HoldId {
    order::hold_of(id, &crate::chain::hex(&order_name(id)))
}

fn first_half(hash: Sha256) -> [u8; 16] {
    let whole: [u8; 32] = hash.finalize().into();
    *whole
        .first_chunk()
        .expect("a SHA-256 is longer than 16 bytes")
}
