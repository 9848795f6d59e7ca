//! What one customer may keep from the others: live holds, and holds that come to nothing.
//!
//! Two limits that protect and promise nothing: a node keeps them by what it sees, and forgets them
//! when it starts again. A cart counts as one hold, and so does an order. Whoever lets
//! [`Limits::abandon`] of them expire within [`WINDOW`] may place none for a minute; after the next
//! so many for two, four, and so on to [`LONGEST`]. An hour without another makes it a minute
//! again. Refusals are momentary: the very same request may be accepted later.

use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// How long an expiry is remembered.
pub const WINDOW: Millis = Millis(600_000);
/// How long the first refusal lasts.
pub const FIRST: Millis = Millis(60_000);
/// How long the longest refusal lasts, and how long it takes to be forgotten.
pub const LONGEST: Millis = Millis(3_600_000);

/// The limits of a node; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most live holds of one customer.
    pub holds: u64,
    /// How many expiries within [`WINDOW`] make a customer wait.
    pub abandon: u64,
}

impl Limits {
    /// Whether there is nothing to keep.
    #[must_use]
    pub const fn is_off(self) -> bool {
        self.holds == 0 && self.abandon == 0
    }
}

/// Why a customer may place nothing more, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// Too many of its holds expired; momentary.
    #[error("too many holds of this customer expired")]
    #[serde(rename = "rate_limited")]
    Abandoned {
        /// How long it is to wait, in ms.
        wait: Millis,
        /// So many within [`WINDOW`] are too many.
        most: u64,
    },
    /// It has as many live holds as one customer may have; momentary.
    #[error("more live holds than one customer may have")]
    #[serde(rename = "limit.customer")]
    Holds {
        /// Most that one customer may have.
        most: u64,
    },
}

/// Judges whether a customer with so many live holds, this one not among them, may place another.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn place(limits: Limits, live: u64, abandon: &Abandon, now: LogTime) -> Result<(), Rejection> {
    if let Some(wait) = abandon.wait(now).filter(|_| limits.abandon > 0) {
        let most = limits.abandon;
        return Err(Rejection::Abandoned { wait, most });
    }
    if limits.holds > 0 && live >= limits.holds {
        let most = limits.holds;
        return Err(Rejection::Holds { most });
    }
    Ok(())
}

/// What is remembered of a customer's holds that came to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abandon {
    /// When holds expired since the last refusal began, the oldest first.
    expired: Vec<LogTime>,
    /// Refusals in a row.
    times: u32,
    /// When the last one ends.
    until: Option<LogTime>,
}

impl Abandon {
    /// Notes that a hold of the customer expired.
    pub fn expire(&mut self, limits: Limits, at: LogTime) {
        if limits.abandon == 0 {
            return;
        }
        self.expired.retain(|then| then.plus(WINDOW) > at);
        self.expired.push(at);
        if (self.expired.len() as u64) < limits.abandon {
            return;
        }
        self.expired.clear();
        if self.is_over(at) {
            self.times = 0;
        }
        let doubled = FIRST.0.checked_shl(self.times).unwrap_or(LONGEST.0);
        self.until = Some(at.plus(Millis(doubled.min(LONGEST.0))));
        // Beyond this it is the longest anyway.
        self.times = (self.times + 1).min(16);
    }

    /// How long the customer is to wait before it may place again.
    #[must_use]
    pub fn wait(&self, now: LogTime) -> Option<Millis> {
        let until = self.until.filter(|until| now < *until)?;
        Some(now.until(until))
    }

    /// Whether nothing of it counts any more.
    #[must_use]
    pub fn is_forgotten(&self, now: LogTime) -> bool {
        let old = |then: &LogTime| then.plus(WINDOW) <= now;
        self.expired.iter().all(old) && (self.until.is_none() || self.is_over(now))
    }

    fn is_over(&self, now: LogTime) -> bool {
        self.until.is_some_and(|until| until.plus(LONGEST) <= now)
    }
}

#[cfg(test)]
mod tests;
