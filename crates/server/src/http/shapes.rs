//! The bodies, as types: what is written into answers, and what the API document says of both.
//!
//! Answers are serialised from these very types, so the document cannot say another thing than the
//! answers do. Request bodies stand here for the document; they are read by
//! [`super::fields`], and a test holds the two together member by member.

mod archive;
mod callback;
mod cart;
mod hold;
mod import;
mod log;
mod order;
mod projection;
mod review;
mod saga;
mod sku;
mod status;
mod story;
mod subscription;
mod text;
mod token;
mod verify;

pub(crate) use archive::*;
pub(crate) use callback::*;
pub(crate) use cart::*;
pub(crate) use hold::*;
pub(crate) use import::*;
pub(crate) use log::*;
pub(crate) use order::*;
pub(crate) use projection::*;
pub(crate) use review::*;
pub(crate) use saga::*;
pub(crate) use sku::*;
pub(crate) use status::*;
pub(crate) use story::{Story, StoryCause, StoryEntry, StoryFinding, StoryNext, StorySubject};
pub(crate) use subscription::*;
pub(crate) use text::*;
pub(crate) use token::*;
pub(crate) use verify::Verify;

use schemars::JsonSchema;
use serde::Serialize;

/// Largest exact whole number in JSON.
pub(crate) const EXACT_MAX: u64 = evenkeel_rules::quantity::MAX;
/// The same, to be taken off.
const EXACT_MAX_SIGNED: i64 = EXACT_MAX.cast_signed();

/// What every aggregate shows of its life.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Life {
    /// Events in its history; what `If-Match` names.
    pub(crate) version: u64,
    /// When it entered its state.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) since: String,
    /// When something will happen to it by itself.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) next_due: Option<String>,
    /// Why it is in its state, if there is more to say.
    pub(crate) reason: Option<String>,
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    /// When it was changed last.
    #[schemars(extend("format" = "date-time"))]
    pub(crate) updated_at: String,
    /// Its last place in the log.
    pub(crate) position: u64,
}

/// An amount in minor units of a currency.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Money {
    /// Minor units.
    #[schemars(range(min = 0, max = EXACT_MAX))]
    pub(crate) amount: i64,
    /// A code of ISO 4217.
    #[schemars(extend("pattern" = currencies()))]
    pub(crate) currency: String,
}

/// An amount of at least one minor unit.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the API document")]
pub(crate) struct SomeMoney {
    /// Minor units.
    #[schemars(range(min = 1, max = EXACT_MAX))]
    amount: i64,
    /// A code of ISO 4217.
    #[schemars(extend("pattern" = currencies()))]
    currency: String,
}

/// Nothing more to say.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the list goes on; null at its end.
    pub(crate) next_cursor: Option<String>,
}
