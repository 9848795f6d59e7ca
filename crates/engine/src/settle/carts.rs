//! Judging commands on carts: a line and its hold, and a cart and its order, in one commit each.

use super::holds::Drafted;
use super::units::Facts;
use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Outcome, Timer, cart_name, hold_of};
use crate::port::{CartRow, HoldRow, NameWrite, Row, RowWrite, Touch};
use evenkeel_rules::cart::{self, Asked, Cart, Change, Holds, Set};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{self, Ending, Hold, Known, State, Supply, Wanted};
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, LocationId};
use evenkeel_rules::order::{self, Ask, Tries};
use evenkeel_rules::quantity::Quantity;

impl Judge<'_> {
    fn cart(&self, id: &CartId) -> Result<Option<&CartRow>, Stop> {
        let touch = || Touch {
            carts: vec![id.clone()],
            ..Touch::default()
        };
        let row = self.view.carts.get(id).map(Option::as_ref);
        row.ok_or_else(|| Stop::Widen(Box::new(touch())))
    }

    pub(super) fn begin_cart(
        &mut self,
        commit: &Commit,
        id: &CartId,
        customer: &CustomerId,
    ) -> Result<Outcome, Stop> {
        let taken = self.cart(id)?.is_some();
        let body = cart::begin(id, customer, taken, self.now)?;
        let row = Row {
            created: self.next_position(),
            last: 0,
            version: 0,
            body: body.clone(),
            tries: Tries::default(),
            due: None,
            flagged: false,
        };
        let mut facts = Facts::default();
        let row = self.draft_cart(&mut facts, row, (Kind::CartUpdated, body));
        let position = self.accept_facts(commit.key.as_ref(), commit, &facts)?;
        let (name, fingerprint) = (cart_name(id), [0; 16]);
        self.writes.names.push(NameWrite {
            name,
            position,
            fingerprint,
        });
        self.put_cart(row.clone(), None);
        Ok(accepted(row))
    }

    pub(super) fn set_line(
        &mut self,
        commit: &Commit,
        id: &CartId,
        set: &Set,
    ) -> Result<Outcome, Stop> {
        let row = self.cart(id)?.cloned();
        let own = self.hold(&HoldId::of_cart(id, &set.sku))?.cloned();
        let others = match &row {
            Some(row) => self.holds_of_cart(&row.body)?,
            None => Vec::new(),
        };
        let is_own = |it: &HoldRow| own.as_ref().is_some_and(|own| own.created == it.created);
        let others: Vec<HoldRow> = others.into_iter().filter(|it| !is_own(it)).collect();
        let known: Vec<&Hold> = others.iter().map(|it| &it.hold).collect();
        let holds = Holds {
            own: own.as_ref().map(|own| &own.hold),
            others: &known,
        };
        let asked = asked(commit, row.as_ref());
        let (now, max_life) = (self.now, self.context.max_life);
        // A cart's lines say where their units are: at `main`.
        let rule = |_: Option<&[Wanted]>, supply: &[Supply<'_>]| {
            cart::set(asked, set, holds, (&supply[0], max_life), now)
        };
        // What the line's own hold has is there for the line.
        let freed = holds.own.filter(|own| own.state == State::Held);
        let lines = [Wanted {
            sku: set.sku.clone(),
            location: LocationId::main(),
            quantity: set.quantity.unwrap_or(Quantity::ONE),
        }];
        let customer = row.as_ref().map(|row| &row.body.customer);
        let (pulled, change) = self.decide_with((&lines, customer), freed, rule)?;
        let row = row.ok_or(cart::Rejection::NotFound)?;
        let Some(change) = change else {
            let position = self.head().position;
            let effect = Effect::Cart(Box::new(row));
            return Ok(Outcome::Unchanged { position, effect });
        };
        let before: Vec<HoldRow> = own.into_iter().chain(others).collect();
        let was = Some(row.version);
        let mut facts = Facts {
            moves: change.moves.clone(),
            ..Facts::default()
        };
        self.expire_pulled(pulled, &mut facts)?;
        self.draft_line(&mut facts, &before, &change);
        let row = self.draft_cart(&mut facts, row, (Kind::CartUpdated, change.cart));
        self.accept_facts(commit.key.as_ref(), commit, &facts)?;
        self.write_cart_holds(&facts, &before);
        self.put_cart(row.clone(), was);
        Ok(accepted(row))
    }

    /// Drafts what becomes of a line's hold, and then of the others.
    fn draft_line(&self, facts: &mut Facts, before: &[HoldRow], change: &Change) {
        let known = |id: &HoldId| before.iter().find(|row| row.hold.id == *id).cloned();
        let mut own: Option<Drafted> = None;
        if let Some((ended, how)) = &change.ended {
            let row = known(&ended.id).expect("a hold that ends was there");
            let was = Some(row.version);
            let kind = match how {
                Ending::Expire => Kind::Expired,
                Ending::Release | Ending::Confirm => Kind::Released,
            };
            own = Some(self.draft(&mut facts.drafts, row, ended.clone(), (kind, was)));
        }
        if let Some(placed) = &change.placed {
            let stood = own.or_else(|| {
                let row = known(&placed.id)?;
                let was = Some(row.version);
                Some((row, was))
            });
            own = Some(match stood {
                Some((row, was)) => {
                    self.draft(&mut facts.drafts, row, placed.clone(), (Kind::Held, was))
                }
                None => self.draft_new(&mut facts.drafts, placed.clone()),
            });
        }
        facts.holds.extend(own);
        for extended in &change.extended {
            let row = known(&extended.id).expect("a hold that is extended was there");
            let was = Some(row.version);
            let after = extended.clone();
            let drafted = self.draft(&mut facts.drafts, row, after, (Kind::Extended, was));
            facts.holds.push(drafted);
        }
    }

    /// Writes the holds of a cart's commit, sets their timers and tells the gate.
    fn write_cart_holds(&mut self, facts: &Facts, before: &[HoldRow]) {
        self.write_order_holds(facts);
        for (row, _) in &facts.holds {
            let stood = before.iter().find(|it| it.created == row.created);
            let stood = stood.filter(|it| it.hold.state == State::Held);
            if let Some(stood) = stood.filter(|_| row.hold.state != State::Expired) {
                self.tell_gate(&stood.hold, false);
            }
            if row.hold.state == State::Held {
                self.tell_gate(&row.hold, true);
                let (due, created) = (row.hold.deadline, row.created);
                self.writes.timers.push(Timer { due, created });
            }
        }
    }

    pub(super) fn check_out(&mut self, commit: &Commit, id: &CartId) -> Result<Outcome, Stop> {
        let Command::CheckOut {
            order,
            method,
            confirming,
            private,
            ..
        } = &commit.command
        else {
            unreachable!("only a check-out comes here");
        };
        let row = self.cart(id)?.cloned();
        let before = match &row {
            Some(row) => self.holds_of_cart(&row.body)?,
            None => Vec::new(),
        };
        let held = |id: &HoldId| {
            let row = before.iter().find(|row| row.hold.id == *id);
            row.map(|row| row.hold.clone())
        };
        let asked = asked(commit, row.as_ref());
        let (body, holds) = cart::check_out(asked, order, held, self.now)?;
        let made = hold_of(order);
        let taken = self.order(order)?.is_some() || self.hold(&made)?.is_some();
        let ask = Ask {
            id: order.clone(),
            customer: body.customer.clone(),
            lines: body.lines.iter().map(wanted).collect(),
            hold: Some(made.clone()),
            method: method.clone(),
            expected_total: body.total(),
            adjustments: Vec::new(),
            confirming: *confirming,
        };
        let supply = self.supply((&ask.lines, Some(&ask.customer)), &[])?;
        let refs: Vec<&Hold> = holds.iter().collect();
        let (gathered, ended, moves) = hold::gather(&made, &refs, &supply, self.now)?;
        let (known, version) = (&gathered, 1);
        let known = Some(Known {
            hold: known,
            version,
        });
        let take = order::take(&ask, taken, &supply, (known, &made), self.now)?;
        let take = take.warned_before(self.context.warn);

        let mut facts = Facts {
            moves,
            ..Facts::default()
        };
        for after in ended {
            let row = before.iter().find(|row| row.hold.id == after.id).cloned();
            let row = row.expect("a hold that is gathered was there");
            let was = Some(row.version);
            let drafted = self.draft(&mut facts.drafts, row, after, (Kind::Released, was));
            facts.holds.push(drafted);
        }
        let (placed, _) = self.draft_new(&mut facts.drafts, gathered.clone());
        let how = (Kind::Confirming, None);
        let hold = self.draft(&mut facts.drafts, placed, take.hold, how);
        facts.holds.push(hold.clone());
        let taken = self.draft_taken((take.created, take.then), hold, &mut facts)?;
        let row = row.expect("a rule accepts only a cart that exists");
        let was = Some(row.version);
        let row = self.draft_cart(&mut facts, row, (Kind::CartCheckedOut, body));
        let outcome = self.write_taken(commit, taken, (&facts, private))?;
        for row in &before {
            self.tell_gate(&row.hold, false);
        }
        self.put_cart(row, was);
        Ok(outcome)
    }

    /// The holds of a cart's lines, as they stand.
    fn holds_of_cart(&self, cart: &Cart) -> Result<Vec<HoldRow>, Stop> {
        let mut rows = Vec::with_capacity(cart.lines.len());
        for id in cart.holds() {
            rows.extend(self.hold(&id)?.cloned());
        }
        Ok(rows)
    }

    /// Drafts a cart's next event, which carries the whole of it; the row as it stands after it.
    fn draft_cart(&self, facts: &mut Facts, row: CartRow, (kind, body): (Kind, Cart)) -> CartRow {
        let version = row.version + 1;
        facts.drafts.push(Draft {
            kind,
            id: body.id.to_string(),
            version,
            previous: row.last,
            data: serde_json::to_vec(&body).expect("a cart is plain JSON"),
        });
        Row {
            last: self.next_position(),
            version,
            body,
            ..row
        }
    }

    /// Puts a cart's row into the view and among the writes, once per cart and batch.
    fn put_cart(&mut self, row: CartRow, was: Option<u64>) {
        let id = row.body.id.clone();
        self.view.carts.insert(id, Some(row.clone()));
        match self.dirty_carts.get(&row.created) {
            Some(&at) => self.writes.carts[at].row = row,
            None => {
                let at = self.writes.carts.len();
                self.dirty_carts.insert(row.created, at);
                self.writes.carts.push(RowWrite { row, was });
            }
        }
    }

    /// Rows that a command on a cart may want, as far as the view tells.
    pub(super) fn wants_of_cart(&self, command: &Command) -> Touch {
        let (Command::SetLine { id, .. } | Command::CheckOut { id, .. }) = command else {
            return Touch::default();
        };
        let row = self.view.carts.get(id).and_then(Option::as_ref);
        cart_wants(command, row.map(|row| &row.body))
    }
}

/// The rows that a command on a cart that stands like this wants.
pub(crate) fn cart_wants(command: &Command, cart: Option<&Cart>) -> Touch {
    let mut touch = Touch::default();
    let mut skus = Vec::new();
    match command {
        Command::BeginCart { id, .. } => touch.carts.push(id.clone()),
        Command::SetLine { id, line } => {
            touch.carts.push(id.clone());
            touch.holds.push(HoldId::of_cart(id, &line.sku));
            skus.push(line.sku.clone());
        }
        Command::CheckOut { id, order, .. } => {
            touch.carts.push(id.clone());
            touch.orders.push(order.clone());
            touch.holds.push(hold_of(order));
        }
        _ => return touch,
    }
    if let Some(cart) = cart {
        touch.holds.extend(cart.holds());
        skus.extend(cart.lines.iter().map(|line| line.sku.clone()));
        let counted = skus.iter().cloned();
        touch.shares = counted.map(|sku| (sku, cart.customer.clone())).collect();
    }
    let main = |sku: &_| (Clone::clone(sku), LocationId::main());
    touch.rows.balances = skus.iter().map(main).collect();
    touch.rows.skus = skus;
    touch
}

fn wanted(line: &cart::Line) -> Wanted {
    Wanted {
        sku: line.sku.clone(),
        location: line.location.clone(),
        quantity: line.quantity,
    }
}

fn asked<'a>(commit: &'a Commit, row: Option<&'a CartRow>) -> Asked<'a> {
    Asked {
        cart: row.map(|row| &row.body),
        version: row.map_or(0, |row| row.version),
        customer: commit.owner.as_ref(),
        expected: commit.expected,
    }
}

fn accepted(row: CartRow) -> Outcome {
    Outcome::Accepted {
        position: row.last,
        effect: Effect::Cart(Box::new(row)),
    }
}
