//! Judging commands on subscriptions.
//!
//! What is decided about one is a fact; how far it has come is bookkeeping and takes no position.
//! A reader's step is accepted only from the checkpoint and the version that it was read at, so
//! that two readers of one subscription never both pass the same events; what is to take effect
//! with it is judged first, and a refusal of that leaves the checkpoint where it was.

use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Outcome, Step, Subscribing};
use crate::port::{SubscriptionRow, SubscriptionWrite, Touch};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{self, Act, Ask, Asked, At, Decision};

impl Judge<'_> {
    pub(super) fn subscribing(
        &mut self,
        commit: &Commit,
        asked: &Subscribing,
    ) -> Result<Outcome, Stop> {
        match asked {
            Subscribing::Create { ask, secret } => self.subscribe(commit, ask, secret),
            Subscribing::Change {
                id, act, private, ..
            } => self.change_subscription(commit, id, (act, private)),
            Subscribing::Advance { id, step, .. } => self.advance(commit, id, step),
        }
    }

    fn subscription(&self, id: &SubscriptionId) -> Result<Option<&SubscriptionRow>, Stop> {
        let row = self.view.subscriptions.get(id).map(Option::as_ref);
        row.ok_or_else(|| Stop::Widen(Box::new(wants(id))))
    }

    /// Where and when a decision would fall.
    fn here(&self) -> At {
        At {
            position: self.next_position(),
            now: self.now,
        }
    }

    fn subscribe(&mut self, commit: &Commit, ask: &Ask, secret: &str) -> Result<Outcome, Stop> {
        let taken = self.subscription(&ask.id)?.is_some();
        let decision = subscription::create(ask, taken, self.here())?;
        self.subscription_decided(commit, None, (decision, secret))
    }

    fn change_subscription(
        &mut self,
        commit: &Commit,
        id: &SubscriptionId,
        (act, private): (&Act, &str),
    ) -> Result<Outcome, Stop> {
        let row = self.subscription(id)?.cloned();
        if let Some(row) = &row {
            self.fence(commit, row.created)?;
        }
        let asked = Asked {
            stands: row.as_ref().map(|row| (&row.body, &row.progress)),
            version: row.as_ref().map_or(0, |row| row.version),
            expected: commit.expected,
        };
        match subscription::decide(asked, act, self.here())? {
            Some(decision) => self.subscription_decided(commit, row, (decision, private)),
            None => {
                let row = row.expect("a rule accepts only a subscription that exists");
                Ok(Outcome::Unchanged {
                    position: self.head().position,
                    effect: Effect::Subscription(Box::new(row)),
                })
            }
        }
    }

    fn subscription_decided(
        &mut self,
        commit: &Commit,
        row: Option<SubscriptionRow>,
        (decision, private): (Decision, &str),
    ) -> Result<Outcome, Stop> {
        let Decision {
            subscription,
            progress,
            kind,
        } = decision;
        let was = row.as_ref().map(|row| row.version);
        let version = was.unwrap_or(0) + 1;
        let draft = Draft {
            kind,
            id: subscription.id.to_string(),
            version,
            previous: row.as_ref().map_or(0, |row| row.last),
            data: serde_json::to_vec(&subscription).expect("a subscription is plain JSON"),
        };
        let position = self.accept(commit, &[draft], &[])?;
        self.keep_private(position, None, private);
        let row = SubscriptionRow {
            created: row.map_or(position, |row| row.created),
            last: position,
            version,
            body: subscription,
            progress,
        };
        self.put_subscription(row.clone(), was);
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Subscription(Box::new(row)),
        })
    }

    fn advance(
        &mut self,
        commit: &Commit,
        id: &SubscriptionId,
        step: &Step,
    ) -> Result<Outcome, Stop> {
        let Some(row) = self.subscription(id)?.cloned() else {
            return Err(subscription::Rejection::NotFound.into());
        };
        self.fence(commit, row.created)?;
        // Whoever reads on from another state of things must read again.
        if row.version != step.seen {
            return Err(subscription::Rejection::Version.into());
        }
        let head = self.head().position;
        let follows = row.progress.advance(step.from, &step.next, head);
        follows.map_err(|_| Stop::Fenced)?;
        let outcome = match &step.effect {
            None => self.nothing_told(),
            Some(effect) => {
                let inner = Commit {
                    command: effect.clone(),
                    ..commit.clone()
                };
                // What a handler does it does under its own subscription's lease.
                self.under = commit.command.lease();
                let outcome = self.judge(&inner);
                self.under = None;
                outcome?
            }
        };
        let was = Some(row.version);
        let progress = step.next.clone();
        self.put_subscription(SubscriptionRow { progress, ..row }, was);
        Ok(outcome)
    }

    /// Puts a subscription's new row into the view and among the writes, once per batch.
    fn put_subscription(&mut self, row: SubscriptionRow, was: Option<u64>) {
        let id = row.body.id.clone();
        self.view.subscriptions.insert(id, Some(row.clone()));
        let same = |write: &&mut SubscriptionWrite| write.row.created == row.created;
        match self.writes.subscriptions.iter_mut().find(same) {
            Some(write) => write.row = row,
            None => self
                .writes
                .subscriptions
                .push(SubscriptionWrite { row, was }),
        }
    }

    /// Every row that it is known to want.
    pub(super) fn subscribing_wants(&self, commit: &Commit, asked: &Subscribing) -> Touch {
        let mut touch = wants(asked.id());
        if let Some(effect) = asked.effect() {
            let inner = Commit {
                command: Command::clone(effect),
                ..commit.clone()
            };
            touch.widen(self.needs(&inner));
        }
        touch
    }
}

/// The row that every command on a subscription wants.
pub(crate) fn wants(id: &SubscriptionId) -> Touch {
    Touch {
        subscriptions: vec![id.clone()],
        ..Touch::default()
    }
}
