//! What this node knows of each customer's live and abandoned holds.
//!
//! It hears of every hold that this node's batches write, before anybody is told, and of requests
//! that are on their way: five hundred at once are counted as they come. What other nodes do it
//! does not hear; a restart forgets everything. The limits protect, they promise nothing, and a
//! request whose key or id may be known goes to the judge: a winner's retry is never refused here.
//!
//! A cart's holds count as one, and an order's as one. Memory is bounded: beyond
//! [`CUSTOMERS_MAX`] customers, those of whom nothing counts are forgotten, and if that is not
//! enough nobody new is limited. They are kept in parts, so that nobody waits while all of them are
//! looked through.

use crate::commit::{Command, Name, hold_of};
use crate::engine::Shared;
use crate::execute::{Refusal, Request};
use crate::port::{Fault, Map, Writes};
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::ids::{CustomerId, HoldId};
use evenkeel_rules::limits::{self, Abandon, Limits, Rejection};
use evenkeel_rules::time::{LogTime, Millis};
use parking_lot::Mutex;
use std::hash::BuildHasher as _;

/// Most customers that are remembered.
const CUSTOMERS_MAX: usize = 100_000;
/// Parts that they are kept in.
const PARTS: usize = 64;
/// Most customers of a part.
const PART_MAX: usize = CUSTOMERS_MAX / PARTS;
/// How long a hold past its deadline is still waited for: another node may have ended it.
const GRACE: Millis = Millis(60_000);
/// How often all customers are looked through at most, and all holds of one: a rush of new ones
/// meets a full table with every request, and one customer may have any number of holds.
const TIDY_EVERY: Millis = Millis(1_000);

/// All customers.
#[derive(Debug)]
pub(crate) struct Caps {
    limits: Limits,
    parts: [Mutex<Part>; PARTS],
}

/// Some of the customers.
#[derive(Debug, Default)]
struct Part {
    customers: Map<CustomerId, Customer>,
    /// When all of them were looked through.
    tidied: Option<LogTime>,
}

#[derive(Debug, Default)]
struct Customer {
    /// Live holds by what they count as: the deadline of each, none while it is confirming.
    live: Map<String, Map<HoldId, Option<LogTime>>>,
    /// The first deadline of those holds, or an earlier time.
    first: Option<LogTime>,
    /// Requests on their way, by what they would count as.
    asked: Map<String, usize>,
    abandon: Abandon,
    /// When all of its holds were looked through.
    tidied: Option<LogTime>,
}

/// A request that was let in; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    caps: &'a Caps,
    customer: CustomerId,
    group: String,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut part = self.caps.part(&self.customer).lock();
        let Some(customer) = part.customers.get_mut(&self.customer) else {
            return;
        };
        if let Some(count) = customer.asked.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                customer.asked.remove(&self.group);
            }
        }
    }
}

/// What a hold counts as: itself, or the cart whose line it is of.
fn group_of(hold: &Hold) -> String {
    let id = hold.id.as_str();
    let line = hold.lines.first().filter(|_| hold.id.is_of_cart());
    let cart = line.and_then(|line| id.strip_suffix(line.sku.as_str())?.strip_suffix(':'));
    cart.unwrap_or(id).to_owned()
}

/// Whether a hold came to nothing: it expired, or its order waited for money until its limit.
fn came_to_nothing(hold: &Hold) -> bool {
    let unpaid = || hold.id.is_of_order() && hold.ended_at.is_some_and(|at| hold.deadline <= at);
    match hold.state {
        State::Expired => true,
        State::Released => unpaid(),
        State::Held | State::Confirming | State::Confirmed => false,
    }
}

/// Whether what was looked through then need not be yet. A clock that was set back keeps nothing.
fn is_done(tidied: Option<LogTime>, now: LogTime) -> bool {
    tidied.is_some_and(|at| at <= now && now < at.plus(TIDY_EVERY))
}

impl Customer {
    /// Whether a group still has a hold that may be live.
    fn is_live(&self, group: &str, now: LogTime) -> bool {
        let holds = self.live.get(group);
        let live = |deadline: &Option<LogTime>| deadline.is_none_or(|deadline| now < deadline);
        holds.is_some_and(|holds| holds.values().any(live))
    }

    /// Groups that count, those on their way among them.
    fn count(&self, now: LogTime) -> u64 {
        let live = self.live.keys().filter(|group| self.is_live(group, now));
        let coming = self.asked.keys().filter(|group| !self.is_live(group, now));
        (live.count() + coming.count()) as u64
    }

    /// Forgets holds that nobody told the end of, unless that was done just now.
    fn tidy_at_times(&mut self, now: LogTime) {
        if !is_done(self.tidied, now) {
            self.tidied = Some(now);
            self.tidy(now);
        }
    }

    /// Forgets holds that nobody told the end of: none before the first of them is due.
    fn tidy(&mut self, now: LogTime) {
        let waits = |deadline: &Option<LogTime>| deadline.is_none_or(|at| now < at.plus(GRACE));
        if waits(&self.first) {
            return;
        }
        for holds in self.live.values_mut() {
            holds.retain(|_, deadline| waits(deadline));
        }
        self.live.retain(|_, holds| !holds.is_empty());
        let left = self.live.values().flat_map(Map::values);
        self.first = left.flatten().min().copied();
    }

    /// Takes in a live hold, with its deadline unless it is confirming.
    fn insert(&mut self, group: String, id: HoldId, deadline: Option<LogTime>) {
        let holds = self.live.entry(group).or_default();
        holds.insert(id, deadline);
        self.first = self.first.into_iter().chain(deadline).min();
    }

    fn is_idle(&self, now: LogTime) -> bool {
        self.live.is_empty() && self.asked.is_empty() && self.abandon.is_forgotten(now)
    }
}

impl Part {
    /// Whether a customer is there or has room.
    fn has_room(&self, id: &CustomerId) -> bool {
        self.customers.len() < PART_MAX || self.customers.contains_key(id)
    }

    /// Forgets those of whom nothing counts, unless that was done just now.
    fn make_room(&mut self, now: LogTime) {
        if is_done(self.tidied, now) {
            return;
        }
        self.tidied = Some(now);
        self.customers.retain(|_, customer| {
            customer.tidy(now);
            !customer.is_idle(now)
        });
    }
}

impl Caps {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            parts: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// The part that a customer is in.
    fn part(&self, id: &CustomerId) -> &Mutex<Part> {
        let hash = foldhash::fast::FixedState::default().hash_one(id);
        // The map within a part goes by the lower bits.
        &self.parts[(hash >> 32) as usize % PARTS]
    }

    /// Lets a request in, or says why not.
    fn admit(
        &self,
        (id, group): (CustomerId, String),
        now: LogTime,
    ) -> Result<Option<Permit<'_>>, Rejection> {
        let mut part = self.part(&id).lock();
        if !part.has_room(&id) {
            part.make_room(now);
            if !part.has_room(&id) {
                return Ok(None);
            }
        }
        let customer = part.customers.entry(id.clone()).or_default();
        customer.tidy_at_times(now);
        // What is there already is not another one.
        let counted = customer.is_live(&group, now) || customer.asked.contains_key(&group);
        if !counted {
            // Who may have any number of holds may have very many: they are not counted.
            let limited = self.limits.holds > 0;
            let live = if limited { customer.count(now) } else { 0 };
            limits::place(self.limits, live, &customer.abandon, now)?;
        }
        *customer.asked.entry(group.clone()).or_default() += 1;
        Ok(Some(Permit {
            caps: self,
            customer: id,
            group,
        }))
    }

    /// Hears what a durable batch did to holds.
    pub(crate) fn absorb(&self, writes: &Writes) {
        if self.limits.is_off() || writes.holds.is_empty() {
            return;
        }
        for write in &writes.holds {
            self.hear(&write.row.hold);
        }
    }

    fn hear(&self, hold: &Hold) {
        let mut part = self.part(&hold.customer).lock();
        let group = group_of(hold);
        let deadline = match hold.state {
            State::Held => Some(hold.deadline),
            State::Confirming => None,
            State::Confirmed | State::Released | State::Expired => {
                let Some(customer) = part.customers.get_mut(&hold.customer) else {
                    return;
                };
                let Some(holds) = customer.live.get_mut(&group) else {
                    return;
                };
                let known = holds.remove(&hold.id).is_some();
                if known && holds.is_empty() {
                    customer.live.remove(&group);
                    if came_to_nothing(hold) {
                        let at = hold.ended_at.unwrap_or(hold.deadline);
                        customer.abandon.expire(self.limits, at);
                    }
                }
                return;
            }
        };
        if part.has_room(&hold.customer) {
            let customer = part.customers.entry(hold.customer.clone()).or_default();
            customer.insert(group, hold.id.clone(), deadline);
        }
    }
}

/// Lets in a request that would set units aside, unless its customer has too much already. `id` is
/// the name of what it sets them aside for, where that has one. The request counts until the permit
/// is dropped.
///
/// # Errors
/// A momentary [`Refusal`], or a [`Fault`] of the store.
pub(crate) async fn admit<'a>(
    shared: &'a Shared,
    request: &Request,
    id: Option<Name>,
) -> Result<Option<Permit<'a>>, Refusal> {
    if shared.caps.limits.is_off() {
        return Ok(None);
    }
    let Some((customer, group)) = asked(shared, request).await? else {
        return Ok(None);
    };
    let mut names = request
        .key
        .as_ref()
        .map(|key| key.name)
        .into_iter()
        .chain(id);
    if names.any(|name| shared.store.may_know(&name)) {
        return Ok(None);
    }
    let admitted = shared.caps.admit((customer, group), shared.clock.now());
    admitted.map_err(|rejection| {
        shared.at_door.limit_refused.increment(1);
        Refusal::Rejected {
            rejection: rejection.into(),
            position: shared.gate.position(),
            replayed: false,
        }
    })
}

/// For whom a request sets units aside, and what it counts as.
async fn asked(shared: &Shared, request: &Request) -> Result<Option<(CustomerId, String)>, Fault> {
    Ok(match &request.command {
        Command::Place(place) => Some((place.customer.clone(), place.id.to_string())),
        Command::TakeOrder { ask, .. } if ask.hold.is_none() => {
            let group = hold_of(&ask.id).to_string();
            Some((ask.customer.clone(), group))
        }
        Command::SetLine { id, line } if line.quantity.is_some() => {
            let owner = match &request.owner {
                Some(owner) => Some(owner.clone()),
                None => {
                    let row = shared.store.cart(id).await?.rows;
                    row.map(|row| row.body.customer)
                }
            };
            owner.map(|owner| (owner, format!("cart:{id}")))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
