//! Telling the customer of an order that its time runs out.
//!
//! An order that waits for its money has its units until its limit. A while before it, if the shop
//! wants that, one event says so, in time to do something about it. Which limit was told of is part
//! of the order: each is told of once, whoever asks and however often, and one that a person moved
//! is told of again. How long before is fixed when the order is taken, as the limit is.
//!
//! It changes nothing else: neither what the order needs nor when it ends. It never comes at or
//! after the limit, nor for an order that waits no more.

use super::{Decision, Order, Pen, Status, Take};
use crate::event::Kind;
use crate::time::{LogTime, Millis};

impl Order {
    /// When the customer is to be told that the order runs out; a moment that has passed means now.
    /// Nothing if nobody is to be told any more.
    #[must_use]
    pub fn warn_at(&self, now: LogTime) -> Option<LogTime> {
        let waits = self.status == Status::Pending && now < self.limit;
        let told = self.warn.is_zero() || self.warned_of == Some(self.limit);
        (waits && !told).then(|| self.limit.minus(self.warn))
    }

    /// The limit moves. A life that is no longer than the warning comes before its end has none.
    pub(super) fn wait_on(&mut self, life: Millis, now: LogTime) {
        self.limit = now.plus(life);
        if life <= self.warn {
            self.warned_of = Some(self.limit);
        }
    }
}

impl Take {
    /// The same, to be warned of its end so long before. Nobody is warned of an order that is paid
    /// already, or that lives no longer than that.
    #[must_use]
    pub fn warned_before(mut self, warn: Millis) -> Self {
        let order = &mut self.created;
        if self.then.is_none() && warn < order.created_at.until(order.limit) {
            order.warn = warn;
        }
        self
    }
}

/// Judges whether it is time to tell the customer; nothing if it is not, or was done.
#[must_use]
pub fn warn(order: &Order, now: LogTime) -> Option<Decision> {
    order.warn_at(now).filter(|at| *at <= now)?;

    // From here on it succeeds.
    let mut pen = Pen::new(order, now);
    pen.order.warned_of = Some(order.limit);
    pen.write(Kind::OrderExpiring);
    pen.end()
}
