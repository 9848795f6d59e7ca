//! The envelope of an event, and the list of all event types.
//!
//! An event is a fact about one stream (one aggregate's history): its version is one more than the
//! event before it, whose position it names, so a story is walked back without an index. Its data
//! carries what the aggregate's body shows after it. [`FORMAT`] is the newest shape of a log row
//! that this build knows; the store says which one writers may use: data of an older one is upcast
//! when it is read, and downcast when it is written.

use serde::{Deserialize, Serialize};

#[cfg(feature = "next-format")]
mod next;
mod upcast;

pub use upcast::{UPCASTERS, Upcaster, downcast, downcast_by, upcast, upcast_by};

/// The newest shape of log rows that was released.
pub const RELEASED: u32 = 1;

/// The newest shape of log rows that this build reads and writes: that which was released, but for
/// the build that plays the next release in tests.
pub const FORMAT: u32 = if cfg!(feature = "next-format") {
    RELEASED + 1
} else {
    RELEASED
};

macro_rules! kinds {
    ($($aggregate:ident $kind:ident = $name:literal, $doc:literal;)*) => {
        /// What happened. The text form is the type that brokers and logs show.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = $doc] #[serde(rename = $name)] $kind,)*
        }

        impl Kind {
            /// Every event type.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The type's name, as in `stock.held`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$kind => $doc,)*
                }
            }

            /// Which aggregate's streams hold this type.
            #[must_use]
            pub const fn aggregate(self) -> Aggregate {
                match self {
                    $(Self::$kind => Aggregate::$aggregate,)*
                }
            }
        }
    };
}

kinds! {
    Sku SkuCreated = "sku.created", "A SKU was listed.";
    Sku SkuUpdated = "sku.updated", "A SKU's entry was replaced.";
    Stock StockReceived = "stock.received", "Units came in.";
    Stock StockAdjusted = "stock.adjusted", "Units were found or written off by hand.";
    Stock StockTransferred = "stock.transferred", "Units went to another location.";
    Hold Held = "stock.held", "A hold was placed; for an order, it is confirming at once.";
    Hold Extended = "stock.extended", "A hold's deadline was moved.";
    Hold Confirming = "stock.confirming", "An order began on a hold.";
    Hold Confirmed = "stock.confirmed", "A hold was confirmed, whole or in part.";
    Hold Released = "stock.released", "A hold was given back.";
    Hold Expired = "stock.expired", "A hold's deadline passed.";
    Token TokenCreated = "token.created", "A bearer token was made.";
    Token TokenRevoked = "token.revoked", "A bearer token was revoked.";
    Order OrderCreated = "order.created", "An order was taken.";
    Order OrderRejected = "order.rejected", "An id was cancelled before anybody ordered under it.";
    Order OrderPaid = "order.paid", "Its money is there.";
    Order OrderConfirmed = "order.confirmed", "Its units are sold.";
    Order OrderShipped = "order.shipped", "Its units have left.";
    Order OrderDelivered = "order.delivered", "The customer has it.";
    Order OrderCancelled = "order.cancelled", "It was called off.";
    Order OrderExpiring = "order.expiring", "Its money is not there, and its time runs out.";
    Order OrderExpired = "order.expired", "Its money was not there in time.";
    Order OrderRefunded = "order.refunded", "All its money went back.";
    Order OrderUpdated = "order.updated", "Something else about it changed.";
    Order OrderReturned = "order.returned", "Units of it came back.";
    Order OrderCalledOff = "order.called_off", "Its delivery was called off; its units went back.";
    Order CancelRequested = "order.cancel_requested", "Somebody asked for its end.";
    Order CancelRefused = "order.cancel_refused", "Its delivery could no longer be called off.";
    Order OrderReviewed = "order.review_opened", "A person has to look at it.";
    Order OrderResolved = "order.review_closed", "A person decided.";
    Order PaymentPending = "payment.pending", "The provider named a transaction that waits.";
    Order PaymentCompleted = "payment.completed", "Money was captured.";
    Order PaymentFailed = "payment.failed", "An attempt ended without money.";
    Order RefundRequested = "payment.refund_requested", "Money is to go back.";
    Order PaymentRefunded = "payment.refunded", "Money went back.";
    Order RefundFailed = "payment.refund_failed", "The provider refused to give money back.";
    Order DeliveryRequested = "delivery.requested", "A delivery is to be asked for.";
    Order DeliveryInitiated = "delivery.initiated", "The provider has taken the delivery on.";
    Order DeliveryInTransit = "delivery.in_transit", "The parcel is on its way.";
    Order DeliveryDelivered = "delivery.delivered", "The parcel is with the customer.";
    Order DeliveryFailed = "delivery.failed", "The provider gave the delivery up.";
    Order DeliveryCancelled = "delivery.cancelled", "The provider called the delivery off.";
    Order SagaUnknown = "saga.unknown", "A call's outcome is not known: the provider is asked.";
    Order SagaCompleted = "saga.completed", "Every step of the order saga was done.";
    Order SagaStuck = "saga.stuck", "A person is needed.";
    Saga SagaStarted = "saga.started", "A saga over somebody's services was begun.";
    Saga StepDone = "saga.step_done", "A step was done: the next one is intended, or none is left.";
    Saga StepUnknown = "saga.step_unknown", "A step, or its undoing, may have run.";
    Saga StepRefused = "saga.step_refused", "A step, or its undoing, was refused.";
    Saga StepGivenUp = "saga.step_given_up", "A step, or its undoing, was tried for long enough.";
    Saga StepUndone = "saga.step_undone", "A step was undone: the one before it is next, if any.";
    Saga SagaRetried = "saga.retried", "A person let a stuck saga try on.";
    Saga SagaTurned = "saga.turned", "A person had a saga undone.";
    Cart CartUpdated = "cart.updated", "A cart was begun, or a line of it was set or taken out.";
    Cart CartCheckedOut = "cart.checked_out", "A cart became an order.";
    Callback CallbackStored = "callback.stored", "A provider's callback was stored.";
    Callback CallbackApplied = "callback.applied", "A callback was taken in, or was known already.";
    Callback CallbackSetAside = "callback.quarantined", "A callback contradicts what is known.";
    Private PrivateErased = "private.erased", "Private texts of a customer were erased.";
    Subscription SubscriptionCreated = "subscription.created", "A subscription was made.";
    Subscription SubscriptionPaused = "subscription.paused", "Deliveries to it were stopped.";
    Subscription SubscriptionResumed = "subscription.resumed", "Events are delivered again.";
    Subscription SubscriptionReplayed = "subscription.replayed", "Its checkpoint was moved.";
    Subscription SecretRotated = "subscription.rotated", "Another secret signs from now on.";
    Subscription Parked = "subscription.parked", "A stream was set aside: an event was refused.";
    Subscription ParkedRetried = "subscription.retried", "A parked stream is tried again.";
    Subscription ParkedDelivered = "subscription.caught_up", "A parked stream was delivered.";
    Subscription ParkedDropped = "subscription.dropped", "What waited of a stream was given up.";
    Subscription SubscriptionDeleted = "subscription.deleted", "A subscription was ended.";
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
    /// `order:<id>`: the order with its payment, its shipment and its sagas.
    Order,
    /// `saga:<id>`: a saga over anybody's services.
    Saga,
    /// `cart:<id>`.
    Cart,
    /// `callback:<id>`: what a provider sent, by the position that stored it.
    Callback,
    /// `private:<id>`: an erasure, by its position; its one event is its whole history.
    Private,
    /// `subscription:<id>`: who is told of what.
    Subscription,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 10] = [
        Self::Sku,
        Self::Stock,
        Self::Hold,
        Self::Token,
        Self::Order,
        Self::Saga,
        Self::Cart,
        Self::Callback,
        Self::Private,
        Self::Subscription,
    ];

    /// The word before the colon of a stream's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Stock => "stock",
            Self::Hold => "hold",
            Self::Token => "token",
            Self::Order => "order",
            Self::Saga => "saga",
            Self::Cart => "cart",
            Self::Callback => "callback",
            Self::Private => "private",
            Self::Subscription => "subscription",
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
    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether `next` may follow this type in one stream, or begin a stream when `before` is
    /// nothing. `verify` and the simulator's auditor judge histories by it (I7).
    #[must_use]
    pub fn may_follow(before: Option<Self>, next: Self) -> bool {
        let Some(before) = before else {
            return next.begins();
        };
        if before.aggregate() != next.aggregate() || next.begins() && !before.repeats(next) {
            return false;
        }
        match next.aggregate() {
            Aggregate::Sku | Aggregate::Stock => true,
            Aggregate::Token => before == Self::TokenCreated,
            Aggregate::Hold => match (before, next) {
                // Only a cart's line is held again, under the id that it always has.
                (Self::Released | Self::Expired, Self::Held) => true,
                (Self::Held | Self::Extended, _) => next != Self::Held,
                (Self::Confirming, _) => matches!(next, Self::Confirmed | Self::Released),
                _ => false,
            },
            Aggregate::Cart => before == Self::CartUpdated,
            // What may follow what in an order or a saga is a matter of its states.
            Aggregate::Order => before != Self::OrderRejected,
            Aggregate::Saga => true,
            Aggregate::Callback => before != Self::CallbackApplied && before != next,
            Aggregate::Private => false,
            Aggregate::Subscription => before != Self::SubscriptionDeleted,
        }
    }

    /// Whether it is the first of a stream.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(
            self,
            Self::SkuCreated
                | Self::StockReceived
                | Self::StockAdjusted
                | Self::Held
                | Self::TokenCreated
                | Self::OrderCreated
                | Self::OrderRejected
                | Self::SagaStarted
                | Self::CartUpdated
                | Self::CallbackStored
                | Self::PrivateErased
                | Self::SubscriptionCreated
        )
    }

    /// Whether a type that begins a stream may also stand further on in it.
    fn repeats(self, next: Self) -> bool {
        match self.aggregate() {
            Aggregate::Stock => next.aggregate() == Aggregate::Stock,
            Aggregate::Cart => next == Self::CartUpdated,
            Aggregate::Hold => next == Self::Held,
            Aggregate::Sku
            | Aggregate::Token
            | Aggregate::Order
            | Aggregate::Saga
            | Aggregate::Callback
            | Aggregate::Private
            | Aggregate::Subscription => false,
        }
    }

    /// Every legal pair of consecutive types, with nothing before a stream's first event, but for
    /// orders, sagas and subscriptions: theirs are pairs of states.
    #[must_use]
    pub fn legal_pairs() -> Vec<(Option<Self>, Self)> {
        let of_states = |kind: Self| {
            matches!(
                kind.aggregate(),
                Aggregate::Order | Aggregate::Saga | Aggregate::Subscription
            )
        };
        let all = || {
            Self::ALL
                .iter()
                .copied()
                .filter(move |kind| !of_states(*kind))
        };
        let befores = std::iter::once(None).chain(all().map(Some));
        befores
            .flat_map(|before| all().map(move |next| (before, next)))
            .filter(|(before, next)| Self::may_follow(*before, *next))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name_and_belongs_to_one_aggregate() {
        for kind in Kind::ALL.iter().copied() {
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
        for ending in [Kind::Confirmed, Kind::TokenRevoked, Kind::CartCheckedOut] {
            assert!(
                pairs.iter().all(|(before, _)| *before != Some(ending)),
                "{ending:?}"
            );
        }
        for ending in [Kind::Released, Kind::Expired] {
            let after = pairs.iter().filter(|(before, _)| *before == Some(ending));
            let after: Vec<_> = after.map(|(_, next)| *next).collect();
            assert_eq!(after, [Kind::Held], "a cart's line may be held again");
        }
        assert_eq!(pairs.len(), 39);
    }

    #[test]
    fn a_stream_name_is_an_aggregate_and_an_id() {
        assert_eq!(Aggregate::split("hold:h:1"), Some((Aggregate::Hold, "h:1")));
        assert_eq!(Aggregate::split("basket:c-1"), None);
        assert_eq!(Aggregate::split("hold"), None);
    }
}
