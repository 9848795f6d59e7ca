//! Judging that an order's customer is told that its time runs out.
//!
//! The runner asks when the order's due time says so; whether it is time is judged here, on log
//! time, so that two who ask tell it once. What the order needs from the outside is as it was: its
//! tries are kept, and a call that is not made because of this is still due.

use super::orders::{First, accepted};
use super::{Judge, Stop};
use crate::commit::{Commit, Outcome};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order;

impl Judge<'_> {
    pub(super) fn warn_order(
        &mut self,
        commit: &Commit,
        id: &OrderId,
        random: u64,
    ) -> Result<Outcome, Stop> {
        let Some(row) = self.order(id)?.cloned() else {
            return Err(Stop::Corrupt(format!("order {id} is gone")));
        };
        self.fence(commit, row.created)?;
        let Some(decision) = order::warn(&row.body, self.now) else {
            return Ok(self.nothing_told());
        };
        let tries = row.tries;
        let mut row = self.decided(commit, row, decision, First::default())?;
        if tries.calls > 0 {
            self.tried(row.clone(), tries, random);
            row.tries = tries;
        }
        Ok(accepted(row.last, row))
    }
}
