//! Subscriptions, what is parked of them, and what a SKU's stream tells.

use super::{
    Availability, Balances, EXACT_MAX, IdText, Life, REASON_MAX, SecretText, TypesText, UrlText,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A subscriber that is to be told of events.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct CreateSubscription {
    /// The subscription's id; made from the key if missing.
    id: Option<IdText>,
    /// Where events are posted: a public address, or one of `security.outbound_allow`.
    url: UrlText,
    /// Types as in `order.paid`, beginnings of types as in `order.*`, or `*`.
    #[schemars(length(min = 1, max = 20))]
    types: Vec<TypesText>,
    /// What signs the posts: `whsec_` and 24 to 64 bytes in base64; made if missing.
    secret: Option<SecretText>,
    /// The first position that it is told of; what comes after its creation if missing.
    #[schemars(range(min = 1, max = EXACT_MAX))]
    from: Option<i64>,
}

/// From where events are to be told again.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Replay {
    /// The first position.
    #[schemars(range(min = 1, max = EXACT_MAX))]
    from: i64,
    #[schemars(length(min = 1, max = REASON_MAX))]
    reason: Option<String>,
}

/// The next secret.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct Rotate {
    /// `whsec_` and 24 to 64 bytes in base64; made if missing.
    secret: Option<SecretText>,
}

/// Whether a subscription is served.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) enum SubscriptionState {
    Active,
    Paused,
    Deleted,
}

/// Who is told of what, and how far.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// Where events are posted; nothing for one that is read in process.
    pub(crate) url: Option<String>,
    pub(crate) types: Vec<String>,
    /// Shown once, in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    #[schemars(with = "SubscriptionState")]
    pub(crate) state: &'static str,
    /// Every wanted event up to this position was delivered, is parked, or was given up.
    pub(crate) checkpoint: u64,
    /// Positions that it has not passed.
    pub(crate) pending: u64,
    /// Streams that wait for a person.
    pub(crate) parked: u64,
    /// Tries in a row that nobody answered well.
    pub(crate) attempts: u32,
    /// What went wrong last, if it still does.
    pub(crate) last_error: Option<String>,
    #[serde(flatten)]
    pub(crate) life: Life,
}

/// Where a parked stream is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParkedState {
    /// It waits for a person.
    Parked,
    /// It is tried again.
    Retrying,
    /// It was delivered or given up.
    Ended,
}

/// A stream that a subscriber refused an event of: it waits with all its later events.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Parked {
    pub(crate) id: String,
    pub(crate) subscriber: String,
    /// As in `order:o-1`.
    pub(crate) stream: String,
    pub(crate) state: ParkedState,
    /// The position of the first event that was not delivered.
    pub(crate) from: u64,
    /// How many events wait.
    pub(crate) count: u64,
    /// What the subscriber answered.
    pub(crate) cause: String,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) since: String,
}

/// How available a SKU is: the data of its stream's events.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Available {
    pub(crate) sku: String,
    pub(crate) availability: Availability,
    /// For staff, operator, admin and auditor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock: Option<Vec<Balances>>,
}
