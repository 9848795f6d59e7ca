//! The one judge.
//!
//! [`settle`] is a pure function, the same for every store: commit by commit, in order, it looks
//! at the key, runs the command's rule on the view as the earlier ones left it and with log time,
//! accepts or refuses each on its own, assigns versions, deadlines and positions, and writes and
//! hashes the text. A rule runs once, here. A row that is not in the view is not absent: the
//! verdict is then [`Verdict::Widen`], never a refusal.
//!
//! It never waits, reads a clock or touches a store, and nothing that it decides is told to
//! anybody before the store has committed it.

use crate::chain::{Cause, NewEvent, Text, link};
use crate::commit::{Command, Commit, Key, Outcome, Rejection, hold_name};
use crate::ledger::Ledger;
use crate::port::{
    BATCHES_KEPT, BalanceWrite, BatchId, Fault, Head, HoldRow, HoldWrite, KeyRow, LogRow, Map,
    Mark, NameWrite, News, Place, Rows, Share, Touch, View, Writes,
};
use evenkeel_rules::event::{FORMAT, Kind};
use evenkeel_rules::ids::{HoldId, LocationId};
use evenkeel_rules::stock::{Balances, Move};
use evenkeel_rules::time::{LogTime, Millis};

pub(crate) mod allocation;
mod callbacks;
pub(crate) mod carts;
mod catalogue;
mod front;
mod holds;
mod keys;
mod leases;
mod needs;
pub(crate) mod orders;
pub(crate) mod sagas;
pub(crate) mod shares;
pub(crate) mod subscriptions;
mod units;
mod unseen;
mod upkeep;
mod warn;
use front::Front;

/// What the log says of a commit that a reader made in answer to an event, under its own lease.
pub(crate) const HANDLER: &str = "handler";

/// What a batch is judged with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The node's clock; log time is this or the head's, whichever is later.
    pub clock: LogTime,
    /// The batch's id.
    pub batch: BatchId,
    /// Longest life of a hold, however often it is extended.
    pub max_life: Millis,
    /// How long before its limit the customer of an order is told; never, if zero.
    pub warn: Millis,
    /// Where units come from when a line does not say; `main` alone if empty.
    pub allocation: &'a [LocationId],
}

/// What the judge says of one commit.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// To be told once the batch is durable.
    Told(Outcome),
    /// It needs rows that nobody asked for.
    Widen(Box<Touch>),
    /// What the store holds cannot be.
    Failed(Fault),
}

/// A judged batch.
#[derive(Debug)]
pub struct Settled {
    /// What to write; nothing if no commit writes anything.
    pub writes: Option<Writes>,
    /// One verdict per commit, in order.
    pub verdicts: Vec<Verdict>,
    /// What the gate is to be told once the batch is durable.
    pub news: News,
}

/// Why judging a commit stopped.
enum Stop {
    Widen(Box<Touch>),
    Refused(Rejection),
    /// A newer lease exists: whoever has it goes on.
    Fenced,
    Corrupt(String),
}

impl<R: Into<Rejection>> From<R> for Stop {
    fn from(rejection: R) -> Self {
        Self::Refused(rejection.into())
    }
}

/// Judges a batch. `ledger` is merged with the view and left as the batch leaves it: whoever
/// fails to commit the writes must clear it.
#[must_use]
pub fn settle(
    ledger: &mut Ledger,
    mut view: View,
    commits: &[&Commit],
    context: Context<'_>,
) -> Settled {
    if view.head.format > FORMAT {
        return too_new(&view, commits);
    }
    ledger.merge(&mut view);
    let front = Front::of(&mut view, commits);
    let mut judge = Judge::new(ledger, (view, front), context);
    let verdicts = commits.iter().map(|commit| judge.verdict(commit)).collect();
    judge.finish(verdicts)
}

/// A node that knows less than the store's writers may use judges nothing: it could not read what
/// the others wrote, and would write what they do not expect any more.
fn too_new(view: &View, commits: &[&Commit]) -> Settled {
    let format = view.head.format;
    let failed = || Fault::Corrupt(format!("log format {format} is newer than this program"));
    let verdicts = commits.iter().map(|_| Verdict::Failed(failed()));
    let head = &view.head;
    Settled {
        writes: None,
        verdicts: verdicts.collect(),
        news: News {
            after: head.position,
            position: head.position,
            time: head.time,
            ..News::default()
        },
    }
}

/// The working state of one batch.
struct Judge<'a> {
    ledger: &'a mut Ledger,
    view: View,
    front: Option<Front>,
    now: LogTime,
    context: Context<'a>,
    was: u64,
    writes: Writes,
    dirty_holds: Map<u64, usize>,
    dirty_balances: Map<Place, usize>,
    dirty_orders: Map<u64, usize>,
    dirty_sagas: Map<u64, usize>,
    dirty_carts: Map<u64, usize>,
    dirty_shares: Map<Share, usize>,
    news: News,
    /// The lease of the reader whose effect is judged.
    under: Option<u64>,
}

/// An event that waits for its commit to be accepted.
struct Draft {
    kind: Kind,
    id: String,
    version: u64,
    previous: u64,
    data: Vec<u8>,
}

impl<'a> Judge<'a> {
    fn new(
        ledger: &'a mut Ledger,
        (view, front): (View, Option<Front>),
        context: Context<'a>,
    ) -> Self {
        let now = context.clock.max(view.head.time);
        let head = view.head.clone();
        let news = News {
            after: head.position,
            time: now,
            ..News::default()
        };
        let writes = Writes::onto(head);
        let (dirty_holds, dirty_balances) = (Map::default(), Map::default());
        let was = writes.was;
        Self {
            ledger,
            view,
            front,
            now,
            context,
            was,
            writes,
            dirty_holds,
            dirty_balances,
            dirty_orders: Map::default(),
            dirty_sagas: Map::default(),
            dirty_carts: Map::default(),
            dirty_shares: Map::default(),
            news,
            under: None,
        }
    }

    fn head(&self) -> &Head {
        &self.writes.head
    }

    /// The position that the next accepted commit gets.
    fn next_position(&self) -> u64 {
        self.head().position + 1
    }

    fn verdict(&mut self, commit: &Commit) -> Verdict {
        let believed = self.believe(commit);
        let judged = self.judge(commit);
        match judged.map_err(|stop| self.unproven(believed, stop)) {
            Ok(outcome) => Verdict::Told(outcome),
            Err(Stop::Widen(mut touch)) => {
                touch.widen(self.needs(commit));
                Verdict::Widen(touch)
            }
            Err(Stop::Fenced) => Verdict::Failed(Fault::Fenced),
            Err(Stop::Corrupt(what)) => Verdict::Failed(Fault::Corrupt(what)),
            Err(Stop::Refused(rejection)) => {
                if rejection.is_final() {
                    self.refuse_for_good(commit, &rejection);
                }
                let position = self.head().position;
                Verdict::Told(Outcome::Refused {
                    rejection,
                    position,
                })
            }
        }
    }

    /// The key first, then the command's rule: duplicates before availability, always.
    fn judge(&mut self, commit: &Commit) -> Result<Outcome, Stop> {
        if let Command::StoreCallback(received) = &commit.command {
            return self.store_callback(commit, received);
        }
        if let Some(replayed) = self.replay(commit)? {
            return Ok(replayed);
        }
        match &commit.command {
            Command::PutSku { terms } => self.put_sku(commit, terms),
            Command::ChangeStock { sku, location, .. } => {
                self.change_stock(commit, &(sku.clone(), location.clone()))
            }
            Command::Place(place) => self.place(commit, place),
            Command::Confirm { id, .. } | Command::Release { id } | Command::Extend { id, .. } => {
                self.change_hold(commit, id)
            }
            Command::Expire { id } => self.expire(commit, id),
            Command::CreateToken { id, .. } => self.create_token(commit, id),
            Command::RevokeToken { id } => self.revoke_token(commit, id),
            Command::TakeOrder { ask, private } => self.take_order(commit, ask, private),
            Command::CancelOrder { id, .. }
            | Command::RefundOrder { id, .. }
            | Command::ReturnOrder { id, .. }
            | Command::ResolveOrder { id, .. } => self.change_order(commit, id),
            Command::BeginCart { id, customer } => self.begin_cart(commit, id, customer),
            Command::SetLine { id, line } => self.set_line(commit, id, line),
            Command::CheckOut { id, .. } => self.check_out(commit, id),
            Command::Report { id, .. } => self.report(commit, id),
            Command::WarnOrder { id, random, .. } => self.warn_order(commit, id, *random),
            Command::StartSaga { ask, bodies } => self.start_saga(commit, ask, bodies),
            Command::RetrySaga { id, reason } | Command::CompensateSaga { id, reason } => {
                self.change_saga(commit, id, reason.as_deref())
            }
            Command::ReportStep { id, .. } => self.report_step(commit, id),
            Command::StoreCallback(received) => self.store_callback(commit, received),
            Command::ApplyCallback { created, .. } => self.apply_callback(commit, *created),
            Command::Beat { node, joined, ttl } => self.beat(node, *joined, *ttl),
            Command::RaiseFormat => self.raise_format(),
            Command::Restored => Ok(self.restored()),
            Command::Upkeep(asked) => self.keep_up(asked),
            Command::Erase {
                customer,
                texts,
                reason,
            } => self.erase(commit, (customer, texts), reason),
            Command::Subscription(asked) => self.subscribing(commit, asked),
        }
    }

    /// Accepts a commit: its moves are made, its facts get the next position, its key is taken.
    fn accept(&mut self, commit: &Commit, drafts: &[Draft], moves: &[Move]) -> Result<u64, Stop> {
        self.accept_under(commit.key.as_ref(), commit, drafts, moves)
    }

    /// The same under a key of the judge's choice, or under none.
    fn accept_under(
        &mut self,
        key: Option<&Key>,
        commit: &Commit,
        drafts: &[Draft],
        moves: &[Move],
    ) -> Result<u64, Stop> {
        self.apply(moves)?;
        let position = self.next_position();
        let about = drafts.first().map_or("", |draft| draft.id.as_str());
        let cause = Cause {
            kind: self.under.map_or(commit.command.name(), |_| HANDLER),
            key: key.map(|key| (&key.name, &key.fingerprint)),
            id: about,
            actor: commit.actor.as_str(),
            lease: self.under.or(commit.command.lease()),
        };
        let format = self.head().format;
        let mut text = Text::begin(position, self.now, format, cause);
        for Draft {
            kind,
            id,
            version,
            previous,
            data,
        } in drafts
        {
            let (kind, version, previous) = (*kind, *version, *previous);
            text.event(&NewEvent {
                kind,
                id,
                version,
                previous,
                data,
            });
        }
        let text = text.end(moves);
        let hash = link(&self.head().hash, &text);
        self.writes.log.push(LogRow {
            position,
            hash,
            text,
        });
        self.writes.head.position = position;
        self.writes.head.hash = hash;
        if let Some(key) = key {
            let (name, fingerprint) = (key.name, key.fingerprint);
            self.writes.names.push(NameWrite {
                name,
                position,
                fingerprint,
            });
            let mark = Mark::Position(position);
            self.view
                .keys
                .insert(name, Some(KeyRow { mark, fingerprint }));
        }
        Ok(position)
    }

    /// Makes all moves or none.
    fn apply(&mut self, moves: &[Move]) -> Result<(), Stop> {
        let mut after: Vec<(Place, Option<Balances>, Balances)> = Vec::with_capacity(moves.len());
        for entry in moves {
            let place = (entry.sku.clone(), entry.location.clone());
            let at = match after.iter().position(|(seen, ..)| *seen == place) {
                Some(at) => at,
                None => {
                    let known = self.balances(&place);
                    let stands = known.map_err(|stop| self.with_places(stop, moves))?;
                    after.push((place, stands, stands.unwrap_or_default()));
                    after.len() - 1
                }
            };
            let next = after[at].2.after(entry.operation, entry.quantity);
            after[at].2 = next.map_err(|short| {
                Stop::Corrupt(format!("{} {}: {short}", entry.operation.word(), entry.sku))
            })?;
        }
        for (place, was, now) in after {
            self.ledger.balances.insert(place.clone(), Some(now));
            match self.dirty_balances.get(&place) {
                Some(&at) => self.writes.balances[at].now = now,
                None => {
                    self.dirty_balances
                        .insert(place.clone(), self.writes.balances.len());
                    self.writes.balances.push(BalanceWrite { place, was, now });
                }
            }
        }
        Ok(())
    }

    fn balances(&self, place: &Place) -> Result<Option<Balances>, Stop> {
        let rows = || Rows {
            balances: vec![place.clone()],
            ..Rows::default()
        };
        let widen = || {
            Stop::Widen(Box::new(Touch {
                rows: rows(),
                ..Touch::default()
            }))
        };
        self.ledger.balances.get(place).copied().ok_or_else(widen)
    }

    fn hold(&self, id: &HoldId) -> Result<Option<&HoldRow>, Stop> {
        let widen = || {
            Stop::Widen(Box::new(Touch {
                holds: vec![id.clone()],
                ..Touch::default()
            }))
        };
        self.view
            .holds
            .get(id)
            .map(Option::as_ref)
            .ok_or_else(widen)
    }

    /// Puts a hold's new row into the view and among the writes, once per hold and batch.
    fn write_hold(&mut self, row: &HoldRow, body: Vec<u8>, was: Option<u64>) {
        self.view
            .holds
            .insert(row.hold.id.clone(), Some(row.clone()));
        if let Some(&at) = self.dirty_holds.get(&row.created) {
            let write = &mut self.writes.holds[at];
            (write.row, write.body) = (row.clone(), body);
            return;
        }
        self.dirty_holds
            .insert(row.created, self.writes.holds.len());
        self.writes.holds.push(HoldWrite {
            row: row.clone(),
            body,
            was,
        });
        if was.is_none() {
            let (name, fingerprint) = (hold_name(&row.hold.id), [0; 16]);
            let position = row.created;
            self.writes.names.push(NameWrite {
                name,
                position,
                fingerprint,
            });
        }
    }

    fn finish(mut self, verdicts: Vec<Verdict>) -> Settled {
        let refusals = !self.writes.refusals.is_empty();
        self.news.position = self.head().position;
        let stands = |write: &BalanceWrite| (write.place.clone(), write.now.available());
        self.news.available = self.writes.balances.iter().map(stands).collect();
        for place in &self.news.searched {
            let row = self.ledger.balances.get(place).copied().flatten();
            let available = row.map_or(0, |balances| balances.available());
            self.news.available.push((place.clone(), available));
        }
        let kept = &self.writes;
        let bookkeeping = !kept.orders.is_empty()
            || !kept.sagas.is_empty()
            || !kept.callbacks.is_empty()
            || !kept.subscriptions.is_empty()
            || kept.head.leases != self.view.head.leases
            || kept.head.format != self.view.head.format
            || kept.head.incarnation != self.view.head.incarnation
            || !kept.upkeep.is_empty();
        if self.writes.log.is_empty() && !refusals && !bookkeeping {
            self.ledger.stamp(self.view.head.stamp());
            return Settled {
                writes: None,
                verdicts,
                news: self.news,
            };
        }
        assert!(self.head().position >= self.was, "a position never falls");
        let head = &mut self.writes.head;
        head.time = self.now;
        head.batches.push_back(self.context.batch);
        while head.batches.len() > BATCHES_KEPT {
            head.batches.pop_front();
        }
        self.ledger.stamp(head.stamp());
        Settled {
            writes: Some(self.writes),
            verdicts,
            news: self.news,
        }
    }
}

#[cfg(test)]
mod tests;
