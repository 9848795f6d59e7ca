//! Who makes an order's first calls where its flow runs on events.
//!
//! Each effect in the world outside has one handler. It reads the events behind which its call may
//! be wanted, and asks the order as it stands now whether it is: an event that was read twice, or
//! late, finds an order that went on, and nothing is called. Only the first call of a task is a
//! handler's; whatever was tried before, or may have been done, is asked after by its due time.
//!
//! What came of a call is judged by [`super::report`], whoever made it. No handler ever writes a
//! failure of its own: a call that nobody saw the end of is an unknown one.

use super::{Order, Task, Tries};
use crate::event::Kind;
use crate::saga::{State, at};
use crate::time::LogTime;

/// One handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Handler {
    /// Asks for the money of an order that was taken.
    Charge,
    /// Asks for the delivery of one that was paid.
    Deliver,
    /// Has the delivery of one that somebody cancels called off.
    Recall,
    /// Gives money back.
    Refund,
}

impl Handler {
    /// Every handler.
    pub const ALL: [Self; 4] = [Self::Charge, Self::Deliver, Self::Recall, Self::Refund];

    /// Its name, which is that of its checkpoint.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charge => "order-charge",
            Self::Deliver => "order-deliver",
            Self::Recall => "order-recall",
            Self::Refund => "order-refund",
        }
    }

    /// The types that it reads. A person's word may let any of them try on. A checkpoint is kept
    /// with its types: a handler that is to read others gets another name.
    #[must_use]
    pub const fn reads(self) -> &'static [Kind] {
        match self {
            Self::Charge => &[Kind::OrderCreated, Kind::OrderResolved],
            Self::Deliver => &[Kind::DeliveryRequested, Kind::OrderResolved],
            // A parcel can be called off once the provider has named it.
            Self::Recall => &[
                Kind::CancelRequested,
                Kind::DeliveryInitiated,
                Kind::OrderResolved,
            ],
            Self::Refund => &[Kind::RefundRequested, Kind::OrderResolved],
        }
    }

    /// Whether a task is one that it begins.
    const fn begins(self, task: Task) -> bool {
        match task {
            Task::Charge => matches!(self, Self::Charge),
            Task::Deliver => matches!(self, Self::Deliver),
            Task::Recall => matches!(self, Self::Recall),
            Task::Refund(_) => matches!(self, Self::Refund),
            Task::AskCharge | Task::AskDelivery | Task::AskRefund(_) => false,
        }
    }
}

impl Order {
    /// The calls that a handler has to make for the order now: those that it needs, that are this
    /// handler's, and that nobody tried yet.
    #[must_use]
    pub fn handled(&self, tries: Tries, handler: Handler, now: LogTime) -> Vec<Task> {
        if tries.calls > 0 {
            return Vec::new();
        }
        let charging = self.saga.state == State::Running && self.saga.step != at::DELIVER;
        let wanted = if charging {
            let due = self.charge_due(tries, 0);
            due.map(|due| (due.task, due.at)).into_iter().collect()
        } else {
            self.wanted(tries)
        };
        let wanted = wanted.into_iter();
        let now = wanted.filter(|(task, at)| handler.begins(*task) && *at <= now);
        now.map(|(task, _)| task).collect()
    }
}
