//! Finding out soon that somebody answers again.
//!
//! Delays between tries grow to a minute, so a row that waits alone behind a long outage would
//! notice the end of it a minute late. Of each party that last answered nothing, one row that
//! waits for it is kept in mind and asked again every [`EVERY`], whatever its due time and the
//! budget say: one call a second is no load, and the first answer lets the others through.
//!
//! What a node knew of outages is gone when it starts, so the first rows that wait for another try
//! since before then are tried once at the start.
//!
//! A row is kept by its name only and read again before it is tried: what changed it meanwhile
//! decides. Asking early is as safe as asking late, because every call has a key.

use crate::engine::Shared;
use crate::gateway::Call;
use crate::port::{DueRow, Fault};
use evenkeel_rules::ids::{OrderId, SagaId};
use evenkeel_rules::order::Tries;
use evenkeel_rules::retry::CALLS;
use evenkeel_rules::time::LogTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long nobody asks a party that does not answer, at most.
const EVERY: Duration = Duration::from_millis(1_000);
/// Most parties that are kept in mind; those beyond are found out about by due times.
const PARTIES_MAX: usize = 256;
/// Rows that are tried once at the start.
const FIRST: usize = 32;

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Payment,
    Delivery,
    /// Anybody's service, by its URL.
    Service(String),
}

impl Party {
    pub(super) fn of(call: &Call) -> Self {
        match call {
            Call::Charge { .. }
            | Call::AskCharge { .. }
            | Call::Refund { .. }
            | Call::AskRefund { .. } => Self::Payment,
            Call::Deliver { .. } | Call::AskDelivery { .. } | Call::CancelDelivery { .. } => {
                Self::Delivery
            }
            Call::Step { url, .. } => Self::Service(url.clone()),
        }
    }
}

/// The name of a row that calls are made for.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Order(OrderId),
    Saga(SagaId),
}

/// What came of a call, as far as it tells of whom was called.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) party: Party,
    /// Whether it said anything.
    pub(super) answered: bool,
    /// For which row.
    pub(super) row: Caller,
}

/// A party that answered nothing last.
#[derive(Debug)]
struct Silent {
    /// The last that was not answered.
    row: Caller,
    /// On the clock that only goes forward.
    next: Duration,
}

/// Who does not answer, and who waits for it.
#[derive(Debug)]
pub(super) struct Probe {
    silent: BTreeMap<Party, Silent>,
    /// When this node started; nothing once what waited then was tried.
    started: Option<LogTime>,
}

impl Probe {
    /// Knows of no outage yet.
    pub(super) const fn new(started: LogTime) -> Self {
        Self {
            silent: BTreeMap::new(),
            started: Some(started),
        }
    }

    /// Notes whether a party answered a call that was over at this moment, and for whom it was.
    pub(super) fn note(&mut self, heard: Heard, mono: Duration) {
        let Heard {
            party,
            answered,
            row,
        } = heard;
        if answered {
            self.silent.remove(&party);
        } else if let Some(silent) = self.silent.get_mut(&party) {
            silent.row = row;
        } else if self.silent.len() < PARTIES_MAX {
            let next = mono + EVERY;
            self.silent.insert(party, Silent { row, next });
        }
    }

    /// The rows to be tried before their time, read anew.
    pub(super) async fn rows(
        &mut self,
        shared: &Shared,
        now: LogTime,
    ) -> Result<Vec<DueRow>, Fault> {
        let mono = shared.clock.mono();
        let mut rows = Vec::new();
        if let Some(started) = self.started
            && shared.held.is_any(mono)
        {
            let soon = shared.store.due_rows(now.plus(CALLS.cap), FIRST).await?;
            let before = |row: &DueRow| tries(row).is_some_and(|tries| tries.last <= started);
            rows.extend(soon.rows.into_iter().filter(before));
            self.started = None;
        }
        for silent in self
            .silent
            .values_mut()
            .filter(|silent| silent.next <= mono)
        {
            silent.next = mono + EVERY;
            let row = match &silent.row {
                Caller::Order(id) => shared.store.order(id).await?.rows.map(DueRow::Order),
                Caller::Saga(id) => shared.store.saga(id).await?.rows.map(DueRow::Saga),
            };
            rows.extend(row);
        }
        rows.retain(|row| tries(row).is_some_and(|tries| tries.calls > 0));
        Ok(rows)
    }
}

/// How often a row was tried, if calls are made for it.
const fn tries(row: &DueRow) -> Option<&Tries> {
    match row {
        DueRow::Order(row) => Some(&row.tries),
        DueRow::Saga(row) => Some(&row.tries),
        DueRow::Callback(_) => None,
    }
}
