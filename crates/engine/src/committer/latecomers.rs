//! Names that are taken for new without a look, and work that joins a batch under the lock.
//!
//! A rush is new holds and orders under new keys. On a server, looking for names that this node
//! has never heard of is a tenth of a batch and never finds anything, so a store may say that they
//! seem new ([`crate::port::Store::seems_new`]). What has such names needs nothing but its SKUs'
//! rows, which are mostly at hand: if it came while the batch waited for the lock it joins it,
//! instead of waiting for the next.
//!
//! When a belief was wrong the store refuses the batch, which is done once more with everything
//! looked for, and for a while nothing is believed. Who is not accepted is judged again (see
//! `settle`).

use super::{Attempt, Committer};
use crate::commit::{Command, hold_name, order_name};
use crate::port::View;
use crate::queue::Waiting;
use std::time::Duration;

/// How long every name is looked for once one was taken for new that was not.
const DOUBT: Duration = Duration::from_secs(1);

impl Committer {
    /// Decides which names of a batch are looked for: at its first attempt those that do not seem
    /// new, later all.
    pub(super) fn believe(&self, part: &mut [Waiting], tries: u32) {
        let believes = tries == 0 && self.believes();
        for waiting in part {
            waiting.commit.touch.unseen = believes && self.seems_new(waiting);
        }
    }

    pub(super) fn believes(&self) -> bool {
        self.parts.clock.mono() >= self.doubts
    }

    /// Whether a commit makes something new under a new key, as far as this node has heard. One
    /// that was judged once is not believed.
    fn seems_new(&self, waiting: &Waiting) -> bool {
        let commit = &waiting.commit;
        let makes = match &commit.command {
            Command::Place(_) => true,
            Command::TakeOrder { ask, .. } => ask.hold.is_none(),
            _ => false,
        };
        let Some(key) = commit.key.filter(|_| makes && waiting.widened == 0) else {
            return false;
        };
        let holds = commit.touch.holds.iter().map(hold_name);
        let orders = commit.touch.orders.iter().map(order_name);
        let mut names = std::iter::once(key.name).chain(holds).chain(orders);
        names.all(|name| self.parts.store.seems_new(&name))
    }

    /// Lets in what came meanwhile and needs no look at the store.
    pub(super) fn let_in(&self, part: &mut Vec<Waiting>, view: &View) {
        // Where everything is looked for, nobody can do without.
        if !is_believed(part) {
            return;
        }
        let mono = self.parts.clock.mono();
        let size = part.iter().map(|it| it.commit.size()).sum();
        let joins = |waiting: &Waiting| {
            waiting.deadline.is_none_or(|until| until > mono)
                && self.ledger.covers(view, &waiting.commit.touch.rows)
                && self.seems_new(waiting)
        };
        let mut late = self.parts.queue.take_more((part.len(), size), joins);
        for waiting in &mut late {
            waiting.commit.touch.unseen = true;
        }
        part.append(&mut late);
    }

    /// A name was not new: the batch is done again.
    pub(super) fn doubt(&mut self, what: &str) -> Attempt {
        tracing::debug!(what, "a name that seemed new was not");
        self.doubts = self.parts.clock.mono() + DOUBT;
        Attempt::Again
    }
}

/// Whether names of some commit are taken for new.
pub(super) fn is_believed(part: &[Waiting]) -> bool {
    part.iter().any(|it| it.commit.touch.unseen)
}
