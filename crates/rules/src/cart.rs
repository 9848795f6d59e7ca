//! Carts: what a customer means to buy, with its units set aside.
//!
//! ```text
//! open -> checked_out
//! ```
//!
//! Each line has a hold of its own, `cart:<id>:<sku>`, and the two succeed together or not at all.
//! What became of a hold since the last write is not written here: a line whose hold is no longer
//! live, because somebody released it or its deadline passed, is *lost*, and a cart that has lost
//! all its lines shows itself as expired. Setting a line again holds it again.
//!
//! Every write moves the deadlines of all live holds to now + ttl, and none beyond the longest life
//! of a hold after the first of them. These functions never see a store.

use crate::hold::{self, Asker, Ending, Hold, Known, Place, Supply, Wanted};
use crate::ids::{CartId, CustomerId, HoldId, LocationId, OrderId, SkuId};
use crate::money::Money;
use crate::quantity::Quantity;
use crate::stock::Move;
use crate::time::{LogTime, Millis};
use serde::{Deserialize, Serialize};

mod reject;
pub use reject::{Refused, Rejection};

/// Where a cart is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Lines may be set and taken out.
    Open,
    /// It became an order.
    CheckedOut,
}

/// One line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Of which SKU; a cart has one line of each at most.
    pub sku: SkuId,
    /// Where its units are.
    pub location: LocationId,
    /// How many.
    pub quantity: Quantity,
    /// What one of them costs, as of when the line was set.
    pub price: Money,
    /// Until when they are set aside, as of the last write.
    pub deadline: LogTime,
    /// Whether they were no longer set aside at the last write; they may be lost since.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub lost: bool,
}

/// A cart as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// Its id.
    pub id: CartId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Where it is in its life.
    pub state: State,
    /// In the order in which they were first set.
    pub lines: Vec<Line>,
    /// Since when it has had a live hold without a pause: its longest life begins here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_since: Option<LogTime>,
    /// What it became.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<OrderId>,
    /// When it was begun.
    pub created_at: LogTime,
    /// When it was changed last.
    pub updated_at: LogTime,
}

/// What is asked of a cart, as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The cart, if there is one.
    pub cart: Option<&'a Cart>,
    /// Events in its stream.
    pub version: u64,
    /// The customer whose carts the asker may see; nothing means every customer's.
    pub customer: Option<&'a CustomerId>,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
}

/// A line as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Of which SKU.
    pub sku: SkuId,
    /// How many units; nothing takes the line out.
    pub quantity: Option<Quantity>,
    /// How long the cart's units stay set aside from now on.
    pub ttl: Millis,
}

/// The holds of a cart's lines, as they stand.
#[derive(Debug, Clone, Copy)]
pub struct Holds<'a> {
    /// The one of the line that is set, if there is one.
    pub own: Option<&'a Hold>,
    /// Those of all other lines.
    pub others: &'a [&'a Hold],
}

/// What setting a line leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The cart.
    pub cart: Cart,
    /// The line's hold as it ended for this, and how.
    pub ended: Option<(Hold, Ending)>,
    /// The line's hold as it was placed.
    pub placed: Option<Hold>,
    /// Holds that have a later deadline now.
    pub extended: Vec<Hold>,
    /// The moves of the ended and then of the placed one.
    pub moves: Vec<Move>,
}

/// Begins a cart.
///
/// # Errors
/// [`Rejection::AlreadyExists`] if the id is taken.
pub fn begin(
    id: &CartId,
    customer: &CustomerId,
    taken: bool,
    now: LogTime,
) -> Result<Cart, Rejection> {
    if taken {
        return Err(Rejection::AlreadyExists);
    }
    Ok(Cart {
        id: id.clone(),
        customer: customer.clone(),
        state: State::Open,
        lines: Vec::new(),
        held_since: None,
        order: None,
        created_at: now,
        updated_at: now,
    })
}

/// Sets a line, or takes it out; nothing if there was none to take out. `supply` is what the ledger
/// says of the line's units, those of its own hold among the available.
///
/// # Errors
/// The first rejection that holds: the cart before the units.
pub fn set(
    asked: Asked<'_>,
    set: &Set,
    holds: Holds<'_>,
    (supply, max_life): (&Supply<'_>, Millis),
    now: LogTime,
) -> Result<Option<Change>, Refused> {
    let cart = asked.admit()?;
    let Some(quantity) = set.quantity else {
        return take_out(cart, set, (holds, max_life), now);
    };
    let mut after = cart.clone();
    after.updated_at = now;
    after.put_line(&set.sku, quantity, supply)?;
    let own = holds.own.map(|hold| cart.own(&set.sku, hold)).transpose()?;
    let live = own.filter(|hold| hold.is_live(now));
    let deadline = after.prolong(live, holds.others, (set.ttl, max_life), now)?;
    let same = live.filter(|hold| hold.lines[0].quantity == quantity);
    // A hold that was extended by hand may end later; nothing makes it shorter.
    let kept = same.map_or(deadline, |hold| hold.deadline.max(deadline));
    after.note_holds(Some((&set.sku, kept)), (holds.others, deadline), now);
    if let Some(same) = same {
        let extended = later(holds.others.iter().copied().chain([same]), deadline, now);
        return Ok(Some(Change {
            cart: after,
            ended: None,
            placed: None,
            extended,
            moves: Vec::new(),
        }));
    }
    let (ended, mut moves) = match own {
        Some(hold) => end(hold, now)?,
        None => (None, Vec::new()),
    };
    let place = Place {
        id: HoldId::of_cart(&cart.id, &set.sku),
        customer: cart.customer.clone(),
        lines: vec![Wanted {
            sku: set.sku.clone(),
            location: LocationId::main(),
            quantity,
        }],
        ttl: set.ttl,
    };
    let counted = own.filter(|hold| hold.state == hold::State::Held);
    let has = counted.map_or(0, |hold| hold::own_share(&hold.lines[0]));
    let supply = Supply {
        has: supply.has.saturating_sub(has),
        ..*supply
    };
    let (placed, held) = hold::place(&place, false, &[supply], now)?;
    let placed = Hold { deadline, ..placed };
    moves.extend(held);
    Ok(Some(Change {
        cart: after,
        ended,
        placed: Some(placed),
        extended: later(holds.others.iter().copied(), deadline, now),
        moves,
    }))
}

/// Takes a line out; its hold ends if it had not.
fn take_out(
    cart: &Cart,
    set: &Set,
    (holds, max_life): (Holds<'_>, Millis),
    now: LogTime,
) -> Result<Option<Change>, Refused> {
    let Some(at) = cart.lines.iter().position(|line| line.sku == set.sku) else {
        return Ok(None);
    };
    let mut after = cart.clone();
    after.updated_at = now;
    after.lines.remove(at);
    let held = holds.own.filter(|hold| hold.state == hold::State::Held);
    let (ended, moves) = match held {
        Some(hold) => end(hold, now)?,
        None => (None, Vec::new()),
    };
    let any = holds.others.iter().any(|hold| hold.is_live(now));
    let extended = if any {
        let deadline = after.prolong(None, holds.others, (set.ttl, max_life), now)?;
        after.note_holds(None, (holds.others, deadline), now);
        later(holds.others.iter().copied(), deadline, now)
    } else {
        after.held_since = None;
        after.note_holds(None, (holds.others, now), now);
        Vec::new()
    };
    Ok(Some(Change {
        cart: after,
        ended,
        placed: None,
        extended,
        moves,
    }))
}

/// A hold as it ends for the sake of its line, unless it has ended.
fn end(hold: &Hold, now: LogTime) -> Result<(Option<(Hold, Ending)>, Vec<Move>), hold::Rejection> {
    let known = Known { hold, version: 0 };
    if hold.is_overdue(now) {
        let (after, moves) = hold::expire(Some(hold), now)?;
        return Ok((Some((after, Ending::Expire)), moves));
    }
    match hold.state {
        hold::State::Held => match hold::release(Some(known), Asker::default(), now)? {
            hold::Change::Changed(after, moves) => Ok((Some((after, Ending::Release)), moves)),
            hold::Change::Unchanged => Ok((None, Vec::new())),
        },
        hold::State::Released | hold::State::Expired => Ok((None, Vec::new())),
        // An order has it, or somebody bought it outright.
        hold::State::Confirming => Err(hold::Rejection::Confirming),
        hold::State::Confirmed => Err(hold::Rejection::Confirmed {
            ended_at: hold.ended_at.unwrap_or(hold.deadline),
        }),
    }
}

/// The live holds whose deadline is earlier, as they stand with it.
fn later<'a>(holds: impl Iterator<Item = &'a Hold>, deadline: LogTime, now: LogTime) -> Vec<Hold> {
    let live = holds.filter(|hold| hold.is_live(now) && hold.deadline < deadline);
    let move_to = |hold: &Hold| Hold {
        deadline,
        changed_at: Some(now),
        ..hold.clone()
    };
    live.map(move_to).collect()
}

/// Checks a cart out for an order: every line must have its units. The cart as it stands then.
///
/// # Errors
/// A [`Rejection`], in declared order.
pub fn check_out(
    asked: Asked<'_>,
    order: &OrderId,
    hold: impl Fn(&HoldId) -> Option<Hold>,
    now: LogTime,
) -> Result<(Cart, Vec<Hold>), Rejection> {
    let cart = asked.admit()?;
    if cart.lines.is_empty() {
        return Err(Rejection::Empty);
    }
    let mut holds = Vec::with_capacity(cart.lines.len());
    for line in &cart.lines {
        let held = hold(&HoldId::of_cart(&cart.id, &line.sku));
        let held = held.filter(|held| !cart.has_lost(line, Some(held), now));
        let sku = || line.sku.clone();
        holds.push(held.ok_or_else(|| Rejection::LineLost { sku: sku() })?);
    }
    let after = Cart {
        state: State::CheckedOut,
        order: Some(order.clone()),
        updated_at: now,
        ..cart.clone()
    };
    Ok((after, holds))
}

impl<'a> Asked<'a> {
    fn admit(self) -> Result<&'a Cart, Rejection> {
        let cart = self.cart.ok_or(Rejection::NotFound)?;
        if self.customer.is_some_and(|one| *one != cart.customer) {
            return Err(Rejection::NotFound);
        }
        if self.expected.is_some_and(|it| it != self.version) {
            return Err(Rejection::Version);
        }
        match cart.state {
            State::Open => Ok(cart),
            State::CheckedOut => Err(Rejection::CheckedOut),
        }
    }
}

impl Cart {
    /// The ids of its lines' holds, in order.
    pub fn holds(&self) -> impl Iterator<Item = HoldId> {
        let id = |line: &Line| HoldId::of_cart(&self.id, &line.sku);
        self.lines.iter().map(id)
    }

    /// What its lines come to; nothing for a cart without any.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        let parts = self.lines.iter().map(|line| {
            let price = line.price.checked_times(line.quantity.get());
            price.expect("the line was set only because it can be said")
        });
        parts.reduce(|sum, part| {
            let sum = sum.checked_add(part);
            sum.expect("the line was set only because it can be said")
        })
    }

    /// Whether a line's units are no longer set aside for it.
    #[must_use]
    pub fn has_lost(&self, line: &Line, hold: Option<&Hold>, now: LogTime) -> bool {
        !hold.is_some_and(|hold| {
            hold.is_live(now)
                && self.own(&line.sku, hold).is_ok()
                && hold.lines[0].quantity == line.quantity
        })
    }

    /// The hold, if it is that of the line: another customer's, or another line's, is not.
    fn own<'a>(&self, sku: &SkuId, hold: &'a Hold) -> Result<&'a Hold, hold::Rejection> {
        let one = hold.lines.len() == 1;
        let here = |line: &hold::Line| line.sku == *sku && line.location == LocationId::main();
        if one && hold.lines.iter().all(here) && hold.customer == self.customer {
            Ok(hold)
        } else {
            Err(hold::Rejection::AlreadyExists)
        }
    }

    fn put_line(
        &mut self,
        sku: &SkuId,
        quantity: Quantity,
        supply: &Supply<'_>,
    ) -> Result<(), Refused> {
        let unknown = || hold::Rejection::SkuUnknown { sku: sku.clone() };
        let price = supply.terms.ok_or_else(unknown)?.price;
        let mut others = self.lines.iter().filter(|line| line.sku != *sku);
        if others.any(|line| line.price.currency != price.currency) {
            return Err(Rejection::Currency { sku: sku.clone() }.into());
        }
        let line = Line {
            sku: sku.clone(),
            location: LocationId::main(),
            quantity,
            price,
            deadline: LogTime::default(),
            lost: false,
        };
        match self.lines.iter().position(|known| known.sku == *sku) {
            Some(at) => self.lines[at] = line,
            None if self.lines.len() >= hold::LINES_MAX => return Err(Rejection::Full.into()),
            None => self.lines.push(line),
        }
        let part = |line: &Line| line.price.checked_times(line.quantity.get());
        let mut parts = self.lines.iter().map(part);
        let first = parts.next().flatten().ok_or(Rejection::Total)?;
        let sum = parts.try_fold(first, |sum, part| sum.checked_add(part?));
        sum.map(|_| ()).ok_or(Rejection::Total.into())
    }

    /// Notes on each line what this write leaves of its hold; `own` is the line that is set, with
    /// its hold's deadline.
    fn note_holds(
        &mut self,
        own: Option<(&SkuId, LogTime)>,
        (others, deadline): (&[&Hold], LogTime),
        now: LogTime,
    ) {
        let mut lines = std::mem::take(&mut self.lines);
        for line in &mut lines {
            let id = HoldId::of_cart(&self.id, &line.sku);
            let hold = others.iter().copied().find(|hold| hold.id == id);
            let own = own.filter(|(sku, _)| **sku == line.sku);
            (line.deadline, line.lost) = match (own, hold) {
                (Some((_, deadline)), _) => (deadline, false),
                (None, Some(hold)) if !self.has_lost(line, Some(hold), now) => {
                    (hold.deadline.max(deadline), false)
                }
                (None, Some(_) | None) => (line.deadline, true),
            };
        }
        self.lines = lines;
    }

    /// The deadline that all live holds get with a write, `held_since` being set for it.
    fn prolong(
        &mut self,
        own: Option<&Hold>,
        others: &[&Hold],
        (ttl, max_life): (Millis, Millis),
        now: LogTime,
    ) -> Result<LogTime, hold::Rejection> {
        let any = own.is_some() || others.iter().any(|hold| hold.is_live(now));
        let since = self.held_since.filter(|_| any).unwrap_or(now);
        self.held_since = Some(since);
        let last = since.plus(max_life);
        if last <= now {
            // Only extending a hold by hand can bring a cart here.
            return Err(hold::Rejection::Expired { ended_at: last });
        }
        Ok(now.plus(ttl).min(last))
    }
}

#[cfg(test)]
mod tests;
