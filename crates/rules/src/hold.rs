//! Holds: units set aside until a deadline.
//!
//! ```text
//! held -> confirmed | released | expired
//! held -> confirming -> confirmed | released
//! ```
//!
//! A hold has one or many lines, all or none. It ends once: the first ending wins, every later one
//! is told which it was. Its deadline is data, judged on log time: from the deadline on it can no
//! longer be confirmed, released or extended, whether or not the sweep has been there, and before
//! it nothing can expire it. (Elsewhere a hold is called a reservation.) While money is being moved
//! for its order it is *confirming*: its deadline counts no more, and only the order ends it.
//!
//! These functions never see a store: who may ask, which units are available and what the clock
//! says are arguments.

use crate::ids::{CustomerId, HoldId, LocationId, OrderId, Reference, SkuId};
use crate::quantity::Quantity;
use crate::sku::Terms;
use crate::stock::{Move, Operation};
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

mod again;
mod allocate;
mod end;
mod gather;
mod order;
mod place;
mod share;
pub use again::{again, is_spare};
pub use allocate::allocate;
pub use end::{Ending, confirm, expire, extend, release};
pub use gather::gather;
pub(crate) use gather::own_share;
pub use order::{begin, close};
pub use place::{Place, Supply, place, pull, sum};
pub use share::{moves_share, share_after};

/// Most lines of one request.
pub const LINES_MAX: usize = 100;
/// Most overdue holds that one place ends for its own sake.
pub const PULL_MAX: usize = 64;

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its units are set aside.
    Held,
    /// Its units are set aside while money is being moved for its order.
    Confirming,
    /// Its units are sold, all or a part.
    Confirmed,
    /// It was given back.
    Released,
    /// Its deadline passed.
    Expired,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Held,
        Self::Confirming,
        Self::Confirmed,
        Self::Released,
        Self::Expired,
    ];

    /// The state's name in bodies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirming => "confirming",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state after an ending.
    ///
    /// # Errors
    /// [`Illegal`] when the hold has ended before.
    pub fn next(self, ending: Ending) -> Result<Self, Illegal> {
        match (self, ending) {
            (Self::Held | Self::Confirming, Ending::Confirm) => Ok(Self::Confirmed),
            (Self::Held | Self::Confirming, Ending::Release) => Ok(Self::Released),
            (Self::Held, Ending::Expire) => Ok(Self::Expired),
            (Self::Confirming, Ending::Expire)
            | (Self::Confirmed | Self::Released | Self::Expired, _) => Err(Illegal),
        }
    }
}

/// A pair of states that no hold may pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hold has ended")]
pub struct Illegal;

/// One line of a hold: units of one (SKU, location).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Of which SKU.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Units that were set aside.
    pub quantity: Quantity,
    /// Units that a confirm sold; present once confirmed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirmed: Option<u64>,
    /// Units that a partial confirm gave back; present once confirmed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released: Option<u64>,
    /// Whether its units count in the customer's share: the SKU had a `max_per_customer` when they
    /// were placed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub counted: bool,
}

/// A line as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which SKU.
    pub sku: SkuId,
    /// Where; [`LocationId::anywhere`] leaves it to the order of allocation.
    pub location: LocationId,
    /// How many units.
    pub quantity: Quantity,
}

/// A hold as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id, the client's or made from the key.
    pub id: HoldId,
    /// For whom the units are set aside.
    pub customer: CustomerId,
    /// Where it is in its life.
    pub state: State,
    /// What is set aside, one line per (SKU, location).
    pub lines: Vec<Line>,
    /// When it was placed.
    pub placed_at: LogTime,
    /// From this moment on it can only expire.
    pub deadline: LogTime,
    /// When it was changed last; missing while it stands as placed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_at: Option<LogTime>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_at: Option<LogTime>,
    /// The order that its units are for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<OrderId>,
}

impl Hold {
    /// The moves that take `operation` over all of the hold's units.
    fn moves(&self, operation: Operation) -> Vec<Move> {
        let reference = Reference::from(&self.id);
        let line = |line: &Line| Move {
            operation,
            sku: line.sku.clone(),
            location: line.location.clone(),
            quantity: line.quantity,
            reference: reference.clone(),
        };
        self.lines.iter().map(line).collect()
    }

    /// Whether the hold is live and before its deadline.
    #[must_use]
    pub fn is_live(&self, now: LogTime) -> bool {
        self.state == State::Held && now < self.deadline
    }

    /// Whether the hold is live and past its deadline: it waits to be expired.
    #[must_use]
    pub fn is_overdue(&self, now: LogTime) -> bool {
        self.state == State::Held && self.deadline <= now
    }
}

/// What a command on a hold may look at beside the hold itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// The customer whose holds the asker may see; nothing means every customer's.
    pub customer: Option<&'a CustomerId>,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
}

/// A hold and the version of its stream.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The hold.
    pub hold: &'a Hold,
    /// Events in its stream.
    pub version: u64,
}

/// What an accepted command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The hold stands like this now, and these units moved.
    Changed(Hold, Vec<Move>),
    /// It had ended this very way before: nothing is written.
    Unchanged,
}

/// Why a command on a hold was refused, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// There is no such hold, or it is another customer's; momentary.
    #[error("there is no such hold")]
    #[serde(rename = "not_found")]
    NotFound,
    /// A line names a SKU that is not listed; momentary.
    #[error("the SKU {sku} is not known")]
    #[serde(rename = "sku_unknown")]
    SkuUnknown {
        /// The first such SKU.
        sku: SkuId,
    },
    /// The caller expected another version (`If-Match`); momentary.
    #[error("the hold has another version than expected")]
    #[serde(rename = "version")]
    Version,
    /// The id belongs to a hold that another key made; final.
    #[error("the id is in use")]
    #[serde(rename = "already_exists")]
    AlreadyExists,
    /// More units of a SKU than one order may have; momentary.
    #[error("more units of {sku} than one order may have")]
    #[serde(rename = "limit_exceeded")]
    LimitExceeded {
        /// The first such SKU.
        sku: SkuId,
    },
    /// A SKU is outside its sale window; momentary.
    #[error("{sku} is not on sale now")]
    #[serde(rename = "sale.not_open")]
    SaleNotOpen {
        /// The first such SKU.
        sku: SkuId,
    },
    /// More units of a SKU than one customer may have; momentary.
    #[error("more units of {sku} than one customer may have")]
    #[serde(rename = "limit.customer")]
    LimitCustomer {
        /// The first such SKU.
        sku: SkuId,
        /// Most units that one customer may have.
        most: Quantity,
        /// Units that the customer has.
        has: u64,
    },
    /// Too few units are available; momentary.
    #[error("too few units of {sku} are available")]
    #[serde(rename = "stock.sold_out")]
    SoldOut {
        /// The first SKU that is short.
        sku: SkuId,
    },
    /// It was confirmed, or confirmed with other lines; final.
    #[error("the hold was confirmed")]
    #[serde(rename = "hold.confirmed")]
    Confirmed {
        /// When it ended.
        ended_at: LogTime,
    },
    /// It was released; final.
    #[error("the hold was released")]
    #[serde(rename = "hold.released")]
    Released {
        /// When it ended.
        ended_at: LogTime,
    },
    /// Money is being moved for its order; momentary.
    #[error("the hold is confirming")]
    #[serde(rename = "hold.confirming")]
    Confirming,
    /// Its deadline passed; final, swept or not.
    #[error("the hold has expired")]
    #[serde(rename = "hold.expired")]
    Expired {
        /// When it ended: the deadline while the sweep has not been there.
        ended_at: LogTime,
    },
    /// A confirm names more units than are held, or units that are not; momentary.
    #[error("line {line} names more units than are held")]
    #[serde(rename = "more_than_held")]
    MoreThanHeld {
        /// Which line of the request.
        line: usize,
    },
    /// Asked to expire before its deadline; only the sweep asks, nobody is told.
    #[error("the deadline has not passed")]
    #[serde(rename = "not_due")]
    NotDue,
}

impl Rejection {
    /// Whether the decision can never change, so that it is written with its key and replayed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::AlreadyExists
            | Self::Confirmed { .. }
            | Self::Released { .. }
            | Self::Expired { .. } => true,
            Self::NotFound
            | Self::SkuUnknown { .. }
            | Self::Version
            | Self::LimitExceeded { .. }
            | Self::SaleNotOpen { .. }
            | Self::LimitCustomer { .. }
            | Self::SoldOut { .. }
            | Self::Confirming
            | Self::MoreThanHeld { .. }
            | Self::NotDue => false,
        }
    }
}

#[cfg(test)]
mod tests;
