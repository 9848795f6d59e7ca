//! Judging callbacks: keeping them, and taking them in.
//!
//! What a callback says is taken in with the commit that keeps it where the order stands ready for
//! it; what has to wait, is late or comes before the provider's own answer, is left to the loop.

use super::orders::{First, accepted};
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
/// After this time it is set aside, whoever still has to answer.
const PATIENCE: Millis = Millis(86_400_000);
/// After this time what the provider has not confirmed, though it answered, contradicts it.
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

/// That a callback is kept, as its first event.
fn stored(row: &CallbackRow) -> Draft {
    Draft {
        kind: Kind::CallbackStored,
        id: row.created.to_string(),
        version: 1,
        previous: 0,
        data: serde_json::to_vec(&row.body).expect("a callback is plain JSON"),
    }
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
        let spare = match &order {
            Some(row) => self.spare(&row.body)?,
            None => false,
        };
        let heard = |row: &OrderRow| order::hear(&row.body, &received.news, spare, self.now);
        let heard = order.as_ref().map(heard);
        let parked = waits(order.as_ref(), heard.as_ref(), received);
        let why = if other_body {
            Some(SetAside::OtherBody)
        } else {
            (heard == Some(Heard::Contradicts)).then_some(SetAside::Contradicts)
        };
        let key = (!other_body).then_some(key);
        let fresh = self.new_callback(received, why);
        let kept = match (order, heard) {
            (Some(order), Some(heard)) if why.is_none() && !parked => {
                self.take_at_once(commit, key.as_ref(), &fresh, (&order, heard))?
            }
            (order, _) => {
                let order = order.filter(|_| why == Some(SetAside::Contradicts));
                self.only_keep(commit, key.as_ref(), &fresh, (order, &received.news))?
            }
        };
        let position = kept.created;
        self.keep_private(position, customer.as_ref(), &received.raw);
        self.put_callback(kept.clone(), None);
        Ok(Outcome::Accepted {
            position,
            effect: Effect::Callback {
                row: Box::new(kept),
                parked,
            },
        })
    }

    /// Keeps a callback, and has the provider of an order that it contradicts asked.
    fn only_keep(
        &mut self,
        commit: &Commit,
        key: Option<&Key>,
        fresh: &CallbackRow,
        (contradicted, news): (Option<OrderRow>, &News),
    ) -> Result<CallbackRow, Stop> {
        let mut drafts = vec![stored(fresh)];
        let question = contradicted.map(|order| self.question(order, news, &mut drafts));
        self.accept_under(key, commit, &drafts, &[])?;
        if let Some(question) = question {
            self.ask(question);
        }
        Ok(fresh.clone())
    }

    /// Keeps a callback and takes it in with the same commit, where nothing has to be waited for.
    /// What hinders its effect does not hinder that it is kept.
    fn take_at_once(
        &mut self,
        commit: &Commit,
        key: Option<&Key>,
        fresh: &CallbackRow,
        (order, heard): (&OrderRow, Heard),
    ) -> Result<CallbackRow, Stop> {
        let (row, turn) = self.turned(fresh.clone(), State::Applied, None);
        let drafts = vec![stored(fresh), turn];
        let taken = match heard {
            Heard::Known => self.accept_under(key, commit, &drafts, &[]).map(drop),
            Heard::Changed(decision) => {
                let order = order.clone();
                let first = First { key, drafts };
                self.decided(commit, order, *decision, first).map(drop)
            }
            Heard::Early | Heard::Contradicts => {
                return self.only_keep(commit, key, fresh, (None, &fresh.body.news));
            }
        };
        match taken {
            Ok(()) => Ok(row),
            Err(stop @ Stop::Widen(_)) => Err(stop),
            Err(_) => self.only_keep(commit, key, fresh, (None, &fresh.body.news)),
        }
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
            return self.wait(commit, row);
        };
        let spare = self.spare(&order.body)?;
        match order::hear(&order.body, &row.body.news, spare, self.now) {
            Heard::Changed(decision) => {
                let (row, draft) = self.turned(row, State::Applied, None);
                let first = First {
                    key: None,
                    drafts: vec![draft],
                };
                let order = self.decided(commit, order, *decision, first)?;
                let was = Some(row.version - 1);
                self.put_callback(row, was);
                Ok(accepted(order.last, order))
            }
            Heard::Known => self.turn(commit, row, (State::Applied, None), Vec::new()),
            Heard::Early if self.may_explain(&row, &order) => self.early(commit, row, order),
            Heard::Early | Heard::Contradicts => {
                let mut drafts = Vec::new();
                let question = self.question(order, &row.body.news, &mut drafts);
                let why = Some(SetAside::Contradicts);
                let outcome = self.turn(commit, row, (State::Quarantined, why), drafts)?;
                self.ask(question);
                Ok(outcome)
            }
        }
    }

    /// Whether what the provider is about to answer may say what a callback says.
    fn may_explain(&self, row: &CallbackRow, order: &OrderRow) -> bool {
        let stored = row.body.stored_at;
        let patience = if order::is_asked(&order.body) {
            PATIENCE
        } else {
            EARLY
        };
        stored.plus(patience) > self.now
    }

    /// What a callback says was not heard from the provider: the provider is asked, and the
    /// callback waits for its answer.
    fn early(
        &mut self,
        commit: &Commit,
        row: CallbackRow,
        order: OrderRow,
    ) -> Result<Outcome, Stop> {
        let mut drafts = Vec::new();
        let question = self.question(order, &row.body.news, &mut drafts);
        self.postpone(row);
        if drafts.is_empty() {
            self.ask(question);
            return Ok(self.nothing_told());
        }
        self.accept(commit, &drafts, &[])?;
        let order = self.ask(question);
        Ok(accepted(order.last, order))
    }

    /// The order as it is when its provider is asked anew, and the version that it has now. That a
    /// charge is asked about again, which nobody was asking about, is a fact of the order's.
    fn question(&self, order: OrderRow, news: &News, drafts: &mut Vec<Draft>) -> (OrderRow, u64) {
        let was = order.version;
        let of_money = matches!(news, News::Money { .. });
        let watch = of_money.then(|| order::watch(&order.body, self.now));
        let row = match watch.flatten() {
            Some(watch) => self.draft_events(order, watch.order, watch.events, drafts),
            None => order,
        };
        (row, was)
    }

    /// Has the provider asked at once what it knows of an order.
    fn ask(&mut self, (row, was): (OrderRow, u64)) -> OrderRow {
        if row.version > was {
            return self.write_order(row, Some(was));
        }
        if row.due.is_some_and(|due| due > self.now) {
            let due = Some(self.now);
            self.put_order(Row { due, ..row.clone() }, Some(was));
        }
        row
    }

    /// Nobody knows the order: what a callback says cannot be judged yet.
    fn wait(&mut self, commit: &Commit, row: CallbackRow) -> Result<Outcome, Stop> {
        if row.body.stored_at.plus(PATIENCE) <= self.now {
            let turn = (State::Quarantined, Some(SetAside::UnknownOrder));
            return self.turn(commit, row, turn, Vec::new());
        }
        self.postpone(row);
        Ok(self.nothing_told())
    }

    /// Has a callback looked at again later.
    fn postpone(&mut self, row: CallbackRow) {
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
        (state, why): (State, Option<SetAside>),
        more: Vec<Draft>,
    ) -> Result<Outcome, Stop> {
        let was = Some(row.version);
        let (row, draft) = self.turned(row, state, why);
        let mut drafts = vec![draft];
        drafts.extend(more);
        let position = self.accept(commit, &drafts, &[])?;
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
