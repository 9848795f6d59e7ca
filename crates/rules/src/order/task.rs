//! What an order needs from the outside next, and when.
//!
//! Everything here follows from the order as it stands and from how often its present task was
//! tried; the tries are bookkeeping, kept beside the order and never part of its story.

use super::{Order, Status};
use crate::retry::{CALLS, Schedule};
use crate::saga::{State, at};
use crate::shipment;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// A call that an order needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The payment provider is asked for the money.
    Charge,
    /// The payment provider is asked what became of the charge.
    AskCharge,
    /// The delivery provider is asked to take the order on.
    Deliver,
    /// The delivery provider is asked where the order is.
    AskDelivery,
    /// The delivery provider is asked to call it off.
    Recall,
    /// The payment provider is asked to give money back: the refund's place in the order.
    Refund(usize),
    /// The payment provider is asked what became of a refund.
    AskRefund(usize),
}

/// How often the present task was tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Calls since the order changed last.
    pub calls: u32,
    /// Times that the effect itself was asked for since then.
    pub sent: u32,
    /// When it was asked for last; the beginning of time before the first.
    #[serde(default)]
    pub sent_at: LogTime,
    /// Whether the provider said that it never saw the effect: it is to be sent again.
    pub again: bool,
    /// When the last call ended; the beginning of time before the first.
    pub last: LogTime,
}

/// When a task is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The task.
    pub task: Task,
    /// Not before this moment.
    pub at: LogTime,
}

/// When a charge that was not done is asked after again, counted from the order's end.
pub const WATCH_MS: [u64; 4] = [60_000, 600_000, 3_600_000, 86_400_000];

/// How often a payment that is pending is asked after.
const PENDING: Schedule = Schedule {
    base: Millis(1_000),
    cap: Millis(60_000),
};
/// How often a parcel that nobody sends news of is asked after.
const TRACKED: Schedule = Schedule {
    base: Millis(5_000),
    cap: Millis(600_000),
};

/// How long a retry waits grows with the tries that were not answered: a provider that says that
/// it has never seen a call is there, and gets it at once.
const fn rounds(tries: Tries) -> u32 {
    if tries.again { 1 } else { tries.calls }
}

impl Order {
    /// What the order needs next. `random` spreads retries: see [`Schedule::delay`].
    ///
    /// What it needs of several providers is tried in turn, so that one that is down does not hold
    /// up the others.
    #[must_use]
    pub fn due(&self, tries: Tries, random: u64) -> Option<Due> {
        if self.saga.state == State::Running && self.saga.step != at::DELIVER {
            return self.charge_due(tries, random);
        }
        let wanted = self.wanted(tries);
        if wanted.is_empty() {
            let (watch, track) = (self.watch_due(tries, random), self.track_due(tries, random));
            return watch.into_iter().chain(track).min_by_key(|due| due.at);
        }
        // What was asked and is to be sent again is the same turn.
        let turn = tries.calls.saturating_sub(u32::from(tries.again));
        let turn = usize::try_from(turn).unwrap_or(0) % wanted.len();
        let (task, since) = wanted[turn];
        let delay = CALLS.delay(rounds(tries), random);
        let at = if tries.calls == 0 {
            since
        } else {
            tries.last.plus(delay)
        };
        Some(Due { task, at })
    }

    /// Behind the charge: each call that is needed now, and since when.
    pub(super) fn wanted(&self, tries: Tries) -> Vec<(Task, LogTime)> {
        let mut wanted = Vec::new();
        if self.saga.state == State::Running {
            let task = self.or_ask(tries, Task::Deliver, Task::AskDelivery);
            wanted.push((task, self.saga.since));
        } else if let Some(cancel) = &self.cancel
            && cancel.run.state == State::Running
            && cancel.run.step == at::RECALL
            && self.parcel_is_named()
        {
            wanted.push((Task::Recall, cancel.run.since));
        }
        for (number, refund) in self.refunds.iter().enumerate() {
            let asks = refund.run.unknown && !tries.again || refund.transaction.is_some();
            let task = if asks {
                Task::AskRefund(number)
            } else {
                Task::Refund(number)
            };
            if refund.run.state == State::Running {
                wanted.push((task, refund.run.since));
            }
        }
        wanted
    }

    /// The watched charge is asked after at its moments, and behind the last one until the question
    /// is answered.
    fn watch_due(&self, tries: Tries, random: u64) -> Option<Due> {
        let moments = WATCH_MS.iter().map(|wait| self.since.plus(Millis(*wait)));
        let next = moments.filter(|at| *at > tries.last).min();
        let again = || tries.last.plus(PENDING.delay(tries.calls, random));
        let due = Due {
            task: Task::AskCharge,
            at: next.unwrap_or_else(again),
        };
        self.watched.then_some(due)
    }

    /// Whether the provider named the parcel, so that it can be asked about it.
    fn parcel_is_named(&self) -> bool {
        let named = |shipment: &shipment::Shipment| shipment.delivery.is_some();
        self.shipment.as_ref().is_some_and(named)
    }

    fn or_ask(&self, tries: Tries, act: Task, ask: Task) -> Task {
        if self.saga.unknown && !tries.again {
            ask
        } else {
            act
        }
    }

    pub(super) fn charge_due(&self, tries: Tries, random: u64) -> Option<Due> {
        let known = self.payment.is_named() || self.payment.failed;
        let over = tries.last >= self.limit;
        let task = if known || over {
            Task::AskCharge
        } else {
            self.or_ask(tries, Task::Charge, Task::AskCharge)
        };
        let schedule = if known { PENDING } else { CALLS };
        let at = match (known, tries.calls) {
            (false, 0) => self.saga.since,
            (true, 0) => self.saga.since.plus(schedule.bound(1)),
            (_, _) => tries.last.plus(schedule.delay(rounds(tries), random)),
        };
        // The limit is the last moment to ask: whatever is known then decides.
        let at = if tries.last < self.limit {
            at.min(self.limit)
        } else {
            at
        };
        Some(Due { task, at })
    }

    /// News of a parcel come by callback; one that nobody sends news of is asked after.
    fn track_due(&self, tries: Tries, random: u64) -> Option<Due> {
        let live = matches!(self.status, Status::Confirmed | Status::Shipped);
        let shipment = self.shipment.as_ref().filter(|_| live)?;
        let going = match shipment.status {
            shipment::Status::Requested => shipment.delivery.is_some(),
            shipment::Status::Initiated | shipment::Status::InTransit => true,
            shipment::Status::Delivered
            | shipment::Status::Cancelled
            | shipment::Status::Failed => false,
        };
        let since = if tries.calls == 0 {
            shipment.since
        } else {
            tries.last
        };
        let calls = tries.calls + 1;
        let half = Millis(TRACKED.bound(calls).0 / 2);
        let at = since.plus(half).plus(
            Schedule {
                base: half,
                cap: half,
            }
            .delay(1, random),
        );
        let task = Task::AskDelivery;
        going.then_some(Due { task, at })
    }
}
