//! Judging commands on orders.

use super::allocation::places;
use super::units::{Facts, again_id};
use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Key, Outcome, Timer, hold_of, order_name};
use crate::port::{Map, NameWrite, OrderRow, PrivateRow, Row, RowWrite, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{self, Supply, Wanted};
use evenkeel_rules::ids::{CustomerId, LocationId, OrderId, SkuId};
use evenkeel_rules::money::Currency;
use evenkeel_rules::order::{self, Ask, Asked, Decision, Order, Patch, Report, Tries};
use evenkeel_rules::time::{LogTime, Millis};

/// How long whoever committed an order's next call has to make it, before anybody else does.
pub(super) const HANDOFF: Millis = Millis(1_000);

/// What a decision about an order follows from: a key of the judge's choice, and events.
#[derive(Default)]
pub(super) struct First<'a> {
    pub(super) key: Option<&'a Key>,
    pub(super) drafts: Vec<Draft>,
}

impl Judge<'_> {
    pub(super) fn order(&self, id: &OrderId) -> Result<Option<&OrderRow>, Stop> {
        let touch = || Touch {
            orders: vec![id.clone()],
            ..Touch::default()
        };
        let row = self.view.orders.get(id).map(Option::as_ref);
        row.ok_or_else(|| Stop::Widen(Box::new(touch())))
    }

    pub(super) fn take_order(
        &mut self,
        commit: &Commit,
        ask: &Ask,
        private: &str,
    ) -> Result<Outcome, Stop> {
        let made = hold_of(&ask.id);
        let given = match &ask.hold {
            Some(id) => self.hold(id)?.cloned(),
            None => None,
        };
        let in_use = ask.hold.is_none() && self.hold(&made)?.is_some();
        let taken = self.order(&ask.id)?.is_some() || in_use;
        let now = self.now;
        // A hold that is given has its units where it has them.
        let open = ask.lines.iter().any(Wanted::is_anywhere);
        let of_hold = given.as_ref().filter(|_| open);
        let of_hold = of_hold.map(|row| with_lines(ask, row.hold.allocate(&ask.lines)));
        let ask = of_hold.as_ref().unwrap_or(ask);
        let rule = |lines: Option<&[Wanted]>, supply: &[Supply<'_>]| {
            let known = given.as_ref().map(|row| hold::Known {
                hold: &row.hold,
                version: row.version,
            });
            let located = lines.map(|lines| with_lines(ask, lines.to_vec()));
            let ask = located.as_ref().unwrap_or(ask);
            order::take(ask, taken, supply, (known, &made), now)
        };
        // Units that a given hold has were counted when it was placed.
        let who = ask.hold.is_none().then_some(&ask.customer);
        let (pulled, take) = self.decide((&ask.lines, who), rule)?;
        let take = take.warned_before(self.context.warn);

        let mut facts = Facts {
            moves: take.moves,
            ..Facts::default()
        };
        self.expire_pulled(pulled, &mut facts)?;
        let hold = match given.clone() {
            Some(row) => {
                let was = Some(row.version);
                self.draft(&mut facts.drafts, row, take.hold, (Kind::Confirming, was))
            }
            None => self.draft_new(&mut facts.drafts, take.hold),
        };
        facts.holds.push(hold.clone());
        let row = self.draft_taken((take.created, take.then), hold, &mut facts)?;
        let outcome = self.write_taken(commit, row, (&facts, private))?;
        if let Some(row) = given {
            self.tell_gate(&row.hold, false);
        }
        Ok(outcome)
    }

    /// Drafts the first events of an order whose hold was drafted last.
    pub(super) fn draft_taken(
        &self,
        (created, then): (Order, Option<Decision>),
        hold: super::holds::Drafted,
        facts: &mut Facts,
    ) -> Result<OrderRow, Stop> {
        let row = self.new_order(created);
        let row = self.first_event(row, Kind::OrderCreated, &mut facts.drafts);
        match then {
            None => Ok(row),
            // The hold that this very commit placed is sold in it.
            Some(decision) => self.sell_at_once(row, decision, hold, facts),
        }
    }

    /// Writes an order that was taken, with all that was drafted for it.
    pub(super) fn write_taken(
        &mut self,
        commit: &Commit,
        row: OrderRow,
        (facts, private): (&Facts, &str),
    ) -> Result<Outcome, Stop> {
        let position = self.accept_facts(commit.key.as_ref(), commit, facts)?;
        self.write_order_holds(facts);
        self.keep_private(position, Some(&row.body.customer), private);
        let (name, fingerprint) = (order_name(&row.body.id), [0; 16]);
        self.writes.names.push(NameWrite {
            name,
            position,
            fingerprint,
        });
        let row = self.write_order(row, None);
        Ok(accepted(position, row))
    }

    /// Writes the holds of an order's commit as they stand after all of its events.
    pub(super) fn write_order_holds(&mut self, facts: &Facts) {
        for (row, was) in &facts.holds {
            let body = serde_json::to_vec(&row.hold).expect("a hold is plain JSON");
            self.write_hold(row, body, *was);
            if row.hold.state == hold::State::Expired {
                self.tell_gate(&row.hold, false);
            }
        }
    }

    fn new_order(&self, order: Order) -> OrderRow {
        Row {
            created: self.next_position(),
            last: 0,
            version: 0,
            body: order,
            tries: Tries::default(),
            due: None,
            flagged: false,
        }
    }

    /// An order's first event carries the whole of it.
    fn first_event(&self, row: OrderRow, kind: Kind, drafts: &mut Vec<Draft>) -> OrderRow {
        let data = serde_json::to_vec(&row.body).expect("an order is plain JSON");
        let id = row.body.id.to_string();
        drafts.push(Draft {
            kind,
            id,
            version: 1,
            previous: 0,
            data,
        });
        Row {
            last: self.next_position(),
            version: 1,
            ..row
        }
    }

    fn sell_at_once(
        &self,
        row: OrderRow,
        decision: Decision,
        (hold, was): super::holds::Drafted,
        facts: &mut Facts,
    ) -> Result<OrderRow, Stop> {
        let closed = hold::close(&hold.hold, hold::Ending::Confirm, self.now);
        let (after, moves) =
            closed.ok_or_else(|| Stop::Corrupt("a hold for an order is not confirming".into()))?;
        let (sold, _) = self.draft(&mut facts.drafts, hold, after, (Kind::Confirmed, was));
        facts.moves.extend(moves);
        *facts.holds.last_mut().expect("the hold was drafted") = (sold, was);
        Ok(self.draft_events(row, decision.order, decision.events, &mut facts.drafts))
    }

    /// Drafts an order's events; the row as it stands after them.
    pub(super) fn draft_events(
        &self,
        row: OrderRow,
        order: Order,
        events: Vec<(Kind, Patch)>,
        drafts: &mut Vec<Draft>,
    ) -> OrderRow {
        let mut row = row;
        let position = self.next_position();
        for (kind, patch) in events {
            row.version += 1;
            drafts.push(Draft {
                kind,
                id: order.id.to_string(),
                version: row.version,
                previous: row.last,
                data: serde_json::to_vec(&patch).expect("a patch is plain JSON"),
            });
            row.last = position;
        }
        row.body = order;
        row.tries = Tries::default();
        row
    }

    pub(super) fn change_order(&mut self, commit: &Commit, id: &OrderId) -> Result<Outcome, Stop> {
        let row = self.order(id)?.cloned();
        let asked = Asked {
            order: row.as_ref().map(|row| &row.body),
            version: row.as_ref().map_or(0, |row| row.version),
            customer: commit.owner.as_ref(),
            expected: commit.expected,
        };
        let now = self.now;
        let (decision, reason) = match &commit.command {
            Command::CancelOrder { .. } if order::tombstone(asked.order, commit.owner.as_ref()) => {
                return self.forbid(commit, id);
            }
            Command::CancelOrder { reason, .. } => (order::cancel(asked, now)?, reason.as_ref()),
            Command::RefundOrder {
                refund,
                amount,
                reason,
                ..
            } => {
                let decision = order::refund(asked, (refund, *amount), now)?;
                (Some(decision), reason.as_ref())
            }
            Command::ReturnOrder { lines, restock, .. } => {
                let decision = order::return_units(asked, lines, *restock, now)?;
                (Some(decision), None)
            }
            Command::ResolveOrder {
                go_on,
                confirming,
                reason,
                ..
            } => {
                let decision = order::resolve(asked, *go_on, *confirming, now)?;
                (Some(decision), reason.as_ref())
            }
            other => unreachable!("{} does not change an order", other.name()),
        };
        let row = row.expect("a rule accepts only an order that exists");
        let Some(decision) = decision else {
            let position = self.head().position;
            let effect = Effect::Order(Box::new(row));
            return Ok(Outcome::Unchanged { position, effect });
        };
        let customer = row.body.customer.clone();
        let row = self.decided(commit, row, decision, First::default())?;
        if let Some(reason) = reason {
            self.keep_private(row.last, Some(&customer), reason);
        }
        Ok(accepted(row.last, row))
    }

    /// An id that was cancelled before anybody ordered under it is nobody's for ever. The asker is
    /// told that there is no such order, now and whenever it asks again.
    fn forbid(&mut self, commit: &Commit, id: &OrderId) -> Result<Outcome, Stop> {
        let euro = Currency::new("EUR").expect("the euro is listed");
        let row = self.new_order(Order::never(id, euro, self.now));
        let mut drafts = Vec::with_capacity(1);
        let row = self.first_event(row, Kind::OrderRejected, &mut drafts);
        let position = self.accept_under(None, commit, &drafts, &[])?;
        let (name, fingerprint) = (order_name(id), [0; 16]);
        self.writes.names.push(NameWrite {
            name,
            position,
            fingerprint,
        });
        self.write_order(row, None);
        Ok(Outcome::Refused {
            rejection: order::Rejection::NotFound.into(),
            position,
        })
    }

    /// Writes a decision about an order, behind the events that it follows from.
    pub(super) fn decided(
        &mut self,
        commit: &Commit,
        row: OrderRow,
        decision: Decision,
        first: First<'_>,
    ) -> Result<OrderRow, Stop> {
        let was = Some(row.version);
        let Decision {
            mut order,
            mut events,
            units,
        } = decision;
        let holds = order.holds.len();
        let mut facts = self.draft_units(&row, &mut order, &units)?;
        if order.holds.len() != holds
            && let Some((_, patch)) = events.last_mut()
        {
            patch.holds = Some(order.holds.clone());
        }
        let row = self.draft_events(row, order, events, &mut facts.drafts);
        facts.drafts.splice(..0, first.drafts);
        self.accept_facts(first.key.or(commit.key.as_ref()), commit, &facts)?;
        self.write_order_holds(&facts);
        Ok(self.write_order(row, was))
    }

    pub(super) fn report(&mut self, commit: &Commit, id: &OrderId) -> Result<Outcome, Stop> {
        let Command::Report {
            task,
            told,
            seen,
            random,
            ..
        } = &commit.command
        else {
            unreachable!("only a report comes here");
        };
        let Some(row) = self.order(id)?.cloned() else {
            return Err(Stop::Corrupt(format!("order {id} is gone")));
        };
        self.fence(commit, row.created)?;
        let spare = self.spare(&row.body)?;
        // A call that the order no longer needs says facts, and counts for no try.
        let tries = if *seen == row.version {
            row.tries
        } else {
            Tries::default()
        };
        match order::report(&row.body, tries, (*task, told), spare, self.now) {
            Report::Changed(decision) => {
                let row = self.decided(commit, row, *decision, First::default())?;
                Ok(accepted(row.last, row))
            }
            Report::Tried(tries) if *seen == row.version => {
                self.tried(row, tries, *random);
                Ok(self.nothing_told())
            }
            Report::Tried(_) => Ok(self.nothing_told()),
        }
    }

    pub(super) fn nothing_told(&self) -> Outcome {
        Outcome::Unchanged {
            position: self.head().position,
            effect: Effect::Tried,
        }
    }

    /// Counts a try: bookkeeping.
    pub(super) fn tried(&mut self, row: OrderRow, tries: Tries, random: u64) {
        let due = next_look(&row.body, (tries, random), self.now);
        let was = Some(row.version);
        self.put_order(Row { tries, due, ..row }, was);
    }

    /// Writes an order's row as its events leave it, and sets when it is looked at next.
    pub(super) fn write_order(&mut self, row: OrderRow, was: Option<u64>) -> OrderRow {
        let due = first_look(&row.body, self.now);
        let flagged = row.body.is_flagged();
        let row = Row {
            due,
            flagged,
            ..row
        };
        self.put_order(row.clone(), was);
        row
    }

    /// Puts an order's row into the view and among the writes, once per order and batch.
    pub(super) fn put_order(&mut self, row: OrderRow, was: Option<u64>) {
        let id = row.body.id.clone();
        let stood = self.view.orders.insert(id, Some(row.clone())).flatten();
        let armed = stood.and_then(|row| row.due);
        self.writes.dues.extend(to_arm(&row, armed));
        put_row(&mut self.writes.orders, &mut self.dirty_orders, (row, was));
    }

    pub(super) fn keep_private(
        &mut self,
        position: u64,
        customer: Option<&CustomerId>,
        text: &str,
    ) {
        if text.is_empty() {
            return;
        }
        self.writes.private.push(PrivateRow {
            id: (position, 0),
            customer: customer.cloned(),
            text: text.to_owned(),
            erased_at: None,
        });
    }

    /// Rows that a command on an order may want, as far as the view tells.
    pub(super) fn wants_of(&self, id: &OrderId) -> Touch {
        let mut touch = Touch {
            orders: vec![id.clone()],
            ..Touch::default()
        };
        if let Some(Some(row)) = self.view.orders.get(id) {
            add_wants(&mut touch, &row.body);
            touch.shares = self.shares_of_order(&row.body);
        }
        touch
    }
}

/// The rows that anything which may happen to an order wants beside its own.
pub(crate) fn add_wants(touch: &mut Touch, order: &Order) {
    touch.holds.extend(order.holds.last().cloned());
    if order.status == order::Status::Expired {
        touch.holds.push(again_id(order));
    }
    for line in &order.lines {
        want(touch, &line.sku, &line.location);
    }
}

/// The same with its lines located.
fn with_lines(ask: &Ask, lines: Vec<Wanted>) -> Ask {
    Ask {
        lines,
        ..ask.clone()
    }
}

fn want(touch: &mut Touch, sku: &SkuId, location: &LocationId) {
    touch.rows.skus.push(sku.clone());
    touch.rows.balances.push((sku.clone(), location.clone()));
}

/// The timer that a row needs, unless the one that is armed says the same.
pub(super) fn to_arm<T>(row: &Row<T>, armed: Option<LogTime>) -> Option<Timer> {
    let due = row.due.filter(|due| armed != Some(*due))?;
    let created = row.created;
    Some(Timer { due, created })
}

/// Puts a row among the writes, once per row and batch.
pub(super) fn put_row<T>(
    writes: &mut Vec<RowWrite<T>>,
    dirty: &mut Map<u64, usize>,
    (row, was): (Row<T>, Option<u64>),
) {
    match dirty.get(&row.created) {
        Some(&at) => writes[at].row = row,
        None => {
            dirty.insert(row.created, writes.len());
            writes.push(RowWrite { row, was });
        }
    }
}

/// When an order that an event left like this is looked at: for its next call, unless whoever
/// committed it has made that by then, or to tell its customer that it runs out.
pub(crate) fn first_look(order: &Order, at: LogTime) -> Option<LogTime> {
    let call = order.due(Tries::default(), 0);
    let call = call.map(|due| due.at.max(at.plus(HANDOFF)));
    call.into_iter().chain(order.warn_at(at)).min()
}

/// When an order is looked at whose present task was tried so often; `random` spreads retries.
fn next_look(order: &Order, (tries, random): (Tries, u64), now: LogTime) -> Option<LogTime> {
    let call = order.due(tries, random).map(|due| due.at);
    call.into_iter().chain(order.warn_at(now)).min()
}

/// The rows that taking an order wants.
pub(crate) fn take_wants(ask: &Ask, order: &[LocationId]) -> Touch {
    let mut touch = Touch {
        orders: vec![ask.id.clone()],
        holds: vec![match &ask.hold {
            Some(id) => id.clone(),
            None => hold_of(&ask.id),
        }],
        ..Touch::default()
    };
    let skus = ask.lines.iter().map(|line| line.sku.clone());
    touch.rows.skus.extend(skus);
    touch.rows.balances = places(&ask.lines, order);
    touch
}

pub(super) fn accepted(position: u64, row: OrderRow) -> Outcome {
    Outcome::Accepted {
        position,
        effect: Effect::Order(Box::new(row)),
    }
}
