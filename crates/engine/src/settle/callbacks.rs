//! Judging callbacks: keeping them, and taking them in.

use super::orders::accepted;
use super::{Draft, Judge, Stop};
use crate::body::ErasedData;
use crate::callback::{Callback, SetAside, State, Turn};
use crate::chain::hex;
use crate::commit::{Commit, Effect, Key, Outcome, Received, Timer};
use crate::port::{CallbackRow, KeyRow, Mark, OrderRow, PrivateId, Row, RowWrite, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::order::{self, Heard, News, Status, Tries, Word};
use evenkeel_rules::retry::Schedule;
use evenkeel_rules::time::Millis;
use sha2::{Digest, Sha256};

/// How often a callback that has to wait is looked at again.
const WAITING: Schedule = Schedule {
    base: Millis(250),
    cap: Millis(60_000),
};
/// After this time a callback that still has to wait is a finding.
const ALARM: Millis = Millis(300_000);
/// After this time it is set aside.
const PATIENCE: Millis = Millis(86_400_000);
/// After this time what the provider has not confirmed when asked contradicts it.
const EARLY: Millis = Millis(120_000);

/// Whether what a callback says cannot simply be taken in: nobody knows its order, or the order has
/// ended without the money that it brings news of.
fn waits(order: Option<&OrderRow>, heard: Option<&Heard>, received: &Received) -> bool {
    let Some(row) = order else {
        return true;
    };
    let paid = matches!(&received.news, News::Money { word, .. } if *word == Word::Completed);
    let ended = matches!(row.body.status, Status::Expired | Status::Cancelled);
    paid && ended && heard != Some(&Heard::Known)
}

/// Whether it is about a charge that the provider is not being asked about.
fn is_unasked(row: &OrderRow, received: &Received) -> bool {
    let of_charge = matches!(&received.news, News::Money { word, .. } if *word != Word::Refunded);
    of_charge && row.body.status != Status::Pending && !row.body.watched
}

impl Judge<'_> {
    /// Keeps a callback under the provider's id for it. The same again is a replay; another body
    /// under the same id is kept too, set aside, and so is what contradicts what is known already.
    pub(super) fn store_callback(
        &mut self,
        commit: &Commit,
        received: &Received,
    ) -> Result<Outcome, Stop> {
        let key = Key::of_callback(received);
        let widen = || {
            Stop::Widen(Box::new(Touch {
                keys: vec![key.name],
                orders: vec![received.order.clone()],
                ..Touch::default()
            }))
        };
        let known = self.view.keys.get(&key.name).ok_or_else(widen)?.clone();
        let other_body = match known {
            Some(KeyRow {
                mark: Mark::Position(position),
                fingerprint,
            }) if fingerprint == key.fingerprint => {
                return Ok(Outcome::Replay { position });
            }
            Some(_) => true,
            None => false,
        };
        let order = self.order(&received.order)?.cloned();
        let customer = order.as_ref().map(|row| row.body.customer.clone());
        let heard = |row: &OrderRow| order::hear(&row.body, &received.news, false, self.now);
        let heard = order.as_ref().map(heard);
        let parked = waits(order.as_ref(), heard.as_ref(), received);
        let why = if other_body {
            Some(SetAside::OtherBody)
        } else {
            let alone = order.as_ref().is_some_and(|row| is_unasked(row, received));
            let contradicts = match heard {
                Some(Heard::Contradicts) => true,
                // Nobody is asked about the charge, so nothing that came would explain it.
                Some(Heard::Early) => alone,
                Some(Heard::Known | Heard::Changed(_)) | None => false,
            };
            contradicts.then_some(SetAside::Contradicts)
        };
        let row = self.new_callback(received, why);
        let id = row.created.to_string();
        let data = serde_json::to_vec(&row.body).expect("a callback is plain JSON");
        let draft = Draft {
            kind: Kind::CallbackStored,
            id,
            version: 1,
            previous: 0,
            data,
        };
        let key = (!other_body).then_some(&key);
        let position = self.accept_under(key, commit, &[draft], &[])?;
        self.keep_private(position, customer.as_ref(), &received.raw);
        self.put_callback(row.clone(), None);
        if let Some(order) = order.filter(|_| why == Some(SetAside::Contradicts)) {
            self.ask_now(order);
        }
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Callback {
                row: Box::new(row),
                parked,
            },
        })
    }

    fn new_callback(&self, received: &Received, why: Option<SetAside>) -> CallbackRow {
        let position = self.next_position();
        let state = match why {
            Some(_) => State::Quarantined,
            None => State::Stored,
        };
        let sha256: [u8; 32] = Sha256::digest(&received.raw).into();
        Row {
            created: position,
            last: position,
            version: 1,
            body: Callback {
                state,
                sender: received.sender,
                provider: received.provider.clone(),
                event: received.event.clone(),
                order: received.order.clone(),
                news: received.news.clone(),
                sha256: hex(&sha256),
                stored_at: self.now,
                why,
            },
            tries: Tries::default(),
            due: why.is_none().then_some(self.now),
            flagged: why.is_some(),
        }
    }

    fn put_callback(&mut self, row: CallbackRow, was: Option<u64>) {
        if let Some(due) = row.due {
            let created = row.created;
            self.writes.dues.push(Timer { due, created });
        }
        self.view.callbacks.insert(row.created, Some(row.clone()));
        let mut writes = self.writes.callbacks.iter_mut();
        match writes.find(|write| write.row.created == row.created) {
            Some(write) => write.row = row,
            None => self.writes.callbacks.push(RowWrite { row, was }),
        }
    }

    fn callback(&self, created: u64) -> Result<Option<&CallbackRow>, Stop> {
        let touch = || Touch {
            callbacks: vec![created],
            ..Touch::default()
        };
        let row = self.view.callbacks.get(&created).map(Option::as_ref);
        row.ok_or_else(|| Stop::Widen(Box::new(touch())))
    }

    /// Takes a stored callback in: its fact and the mark that it was taken in are one commit.
    pub(super) fn apply_callback(
        &mut self,
        commit: &Commit,
        created: u64,
    ) -> Result<Outcome, Stop> {
        let Some(row) = self.callback(created)?.cloned() else {
            return Err(Stop::Corrupt(format!("callback {created} is gone")));
        };
        if row.body.state != State::Stored {
            return Ok(self.nothing_told());
        }
        self.fence(commit, created)?;
        let Some(order) = self.order(&row.body.order)?.cloned() else {
            return self.wait(commit, row, SetAside::UnknownOrder);
        };
        let spare = self.spare(&order.body)?;
        match order::hear(&order.body, &row.body.news, spare, self.now) {
            Heard::Changed(decision) => {
                let (row, draft) = self.turned(row, State::Applied, None);
                let order = self.decided(commit, order, *decision, vec![draft])?;
                let was = Some(row.version - 1);
                self.put_callback(row, was);
                Ok(accepted(order.last, order))
            }
            Heard::Known => self.turn(commit, row, State::Applied, None),
            Heard::Early => {
                self.ask_now(order);
                self.wait(commit, row, SetAside::Contradicts)
            }
            Heard::Contradicts => {
                self.ask_now(order);
                self.turn(commit, row, State::Quarantined, Some(SetAside::Contradicts))
            }
        }
    }

    /// Has the provider asked at once what it knows of an order.
    fn ask_now(&mut self, order: OrderRow) {
        if order.due.is_some_and(|due| due > self.now) {
            let (was, due) = (Some(order.version), Some(self.now));
            self.put_order(Row { due, ..order }, was);
        }
    }

    /// What a callback says cannot be judged yet.
    fn wait(&mut self, commit: &Commit, row: CallbackRow, why: SetAside) -> Result<Outcome, Stop> {
        let patience = match why {
            SetAside::Contradicts => EARLY,
            SetAside::UnknownOrder | SetAside::OtherBody => PATIENCE,
        };
        if row.body.stored_at.plus(patience) <= self.now {
            return self.turn(commit, row, State::Quarantined, Some(why));
        }
        let calls = row.tries.calls.saturating_add(1);
        let was = Some(row.version);
        self.put_callback(
            Row {
                due: Some(self.now.plus(WAITING.bound(calls))),
                flagged: row.body.stored_at.plus(ALARM) <= self.now,
                tries: Tries {
                    calls,
                    last: self.now,
                    ..row.tries
                },
                ..row
            },
            was,
        );
        Ok(self.nothing_told())
    }

    fn turned(
        &self,
        row: CallbackRow,
        state: State,
        why: Option<SetAside>,
    ) -> (CallbackRow, Draft) {
        let kind = match state {
            State::Applied => Kind::CallbackApplied,
            State::Stored | State::Quarantined => Kind::CallbackSetAside,
        };
        let version = row.version + 1;
        let data = serde_json::to_vec(&Turn { state, why }).expect("two words are plain JSON");
        let draft = Draft {
            kind,
            id: row.created.to_string(),
            version,
            previous: row.last,
            data,
        };
        let row = Row {
            last: self.next_position(),
            version,
            body: Callback {
                state,
                why,
                ..row.body
            },
            due: None,
            flagged: state == State::Quarantined,
            ..row
        };
        (row, draft)
    }

    fn turn(
        &mut self,
        commit: &Commit,
        row: CallbackRow,
        state: State,
        why: Option<SetAside>,
    ) -> Result<Outcome, Stop> {
        let was = Some(row.version);
        let (row, draft) = self.turned(row, state, why);
        let position = self.accept(commit, &[draft], &[])?;
        self.put_callback(row.clone(), was);
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Callback {
                row: Box::new(row),
                parked: false,
            },
        })
    }

    /// Erases private texts; that somebody did is a fact, what stood there is not.
    pub(super) fn erase(
        &mut self,
        commit: &Commit,
        (customer, texts): (&CustomerId, &[PrivateId]),
        reason: &str,
    ) -> Result<Outcome, Stop> {
        let position = self.next_position();
        let data = ErasedData {
            customer: customer.clone(),
            texts: texts.len(),
        };
        let draft = Draft {
            kind: Kind::PrivateErased,
            id: position.to_string(),
            version: 1,
            previous: 0,
            data: serde_json::to_vec(&data).expect("it is plain JSON"),
        };
        self.accept(commit, &[draft], &[])?;
        self.writes.erased.extend_from_slice(texts);
        // Nobody's text: the next erasure of this customer leaves it standing.
        self.keep_private(position, None, reason);
        let effect = Effect::Erased(texts.len());
        Ok(Outcome::Accepted { position, effect })
    }
}
