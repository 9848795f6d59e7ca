//! The laws of an order's step: what may become of each of its parts.
//!
//! A step is a pair of bodies with the event between them. What the pair breaks is I7; that its
//! units went where the row's moves and its hold's event say is I2 and I11. Nothing here looks at
//! more than one step: what must be true of an order as it stands is [`super::money`]'s.

use super::fold::{Fold, subject, wrong};
use super::report::{Book, Draft, Invariant, Kind as Wrong};
use crate::chain::EntryEvent;
use crate::commit::{hold_name, order_name};
use evenkeel_rules::event::Kind;
use evenkeel_rules::order::{Line, Order, Refund, ReviewState, Status, Units};
use evenkeel_rules::saga::{State, at};
use evenkeel_rules::shipment::Status as Parcel;
use evenkeel_rules::stock::{Move, Operation};
use evenkeel_rules::time::LogTime;
use serde_json::json;

/// A step of an order.
pub(super) struct Pair<'a> {
    /// Before; nothing if the event begins the order, or if that is not known.
    pub(super) was: Option<&'a Order>,
    /// After.
    pub(super) now: &'a Order,
    pub(super) kind: Kind,
    pub(super) at: LogTime,
}

type Moves<'a> = std::slice::Iter<'a, Move>;

impl Fold {
    /// Judges a step; whether the row's next moves are its.
    pub(super) fn changed(
        &mut self,
        event: &EntryEvent,
        pair: &Pair<'_>,
        moves: &mut Moves<'_>,
        book: &mut Book,
    ) -> bool {
        let broken = match pair.was {
            Some(was) => broken(was, pair),
            None if event.previous == 0 => begun(pair),
            None => None,
        };
        if let Some(what) = broken {
            self.illegal(event, what, book);
        }
        if !self.hold_agrees(pair) {
            let units = |order: &Order| json!(order.units);
            let draft = Draft {
                expected: json!(pair.was.map(units)),
                found: units(pair.now),
                detail: format!(
                    "no event of its hold in this row explains {}",
                    pair.kind.name()
                ),
                ..wrong(Wrong::UnitsDiffer, subject(event), self.position)
            };
            book.find(Invariant::I11, draft);
        }
        match pair.was {
            Some(was) => takes(was, pair, moves),
            None => {
                skip_own(moves);
                true
            }
        }
    }

    /// Whether the hold's event of the same row is what the order's units need.
    fn hold_agrees(&mut self, pair: &Pair<'_>) -> bool {
        let now = pair.now;
        let name = order_name(&now.id);
        let Some(hold) = now.holds.last().map(hold_name) else {
            return now.units == Units::Free;
        };
        let mut has = |kinds: &[Kind]| self.row.takes(&name, &hold, kinds);
        match (pair.was.map(|was| was.units), now.units) {
            (None, Units::Held) if pair.kind.begins() => has(&[Kind::Held, Kind::Confirming]),
            (None, _) => true,
            (Some(Units::Held), Units::Sold) => has(&[Kind::Confirmed]),
            (Some(Units::Held), Units::Free) => has(&[Kind::Released]),
            (Some(_), _) => true,
        }
    }
}

/// What an order's first event may not show.
fn begun(pair: &Pair<'_>) -> Option<&'static str> {
    let (now, at) = (pair.now, pair.at);
    let times = now.since == at && now.created_at == at;
    let alone = now.refunds.is_empty() && now.shipment.is_none() && now.cancel.is_none();
    let fresh = now.payment.charges.is_empty() && now.payment.returned.is_empty();
    let status = match pair.kind {
        Kind::OrderRejected => now.status == Status::Rejected && now.units == Units::Free,
        _ => now.status == Status::Pending && now.units == Units::Held && priced(now),
    };
    let life = now.created_at.until(now.limit);
    let untold = now.warned_of.is_none() && (now.warn.is_zero() || now.warn < life);
    (!(times && alone && fresh && status && untold)).then_some("no order begins like this")
}

/// Whether the total is that of the lines and adjustments.
fn priced(order: &Order) -> bool {
    let line = |line: &Line| {
        i64::try_from(line.quantity.get())
            .ok()?
            .checked_mul(line.price)
    };
    let lines = order.lines.iter().map(line);
    let mut all = lines.chain(order.adjustments.iter().map(|it| Some(it.amount)));
    let sum = all.try_fold(0_i64, |sum, part| sum.checked_add(part?));
    sum == Some(order.total.amount) && order.total.amount >= 0
}

/// The first law that a step breaks.
fn broken(was: &Order, pair: &Pair<'_>) -> Option<&'static str> {
    let now = pair.now;
    let laws = [
        (status(was, pair), "its status may not become that"),
        (
            paid(was, now),
            "the status of its payment may not become that",
        ),
        (parcel(was, now), "its parcel may not get there"),
        (
            refunds(&was.refunds, &now.refunds),
            "a refund may not become that",
        ),
        (sagas(was, now), "a saga may not get there"),
        (units(was, pair), "its units may not go there"),
        (lines(was, pair), "its lines may not become that"),
        (
            was.limit == now.limit || pair.kind == Kind::OrderResolved,
            "its limit moved by itself",
        ),
        (review(was, now), "its review may not become that"),
        (
            warned(was, pair),
            "nobody may be told now that its time runs out",
        ),
    ];
    let first = laws.into_iter().find(|(holds, _)| !holds);
    first.map(|(_, what)| what)
}

fn status(was: &Order, pair: &Pair<'_>) -> bool {
    let told = match pair.kind {
        Kind::OrderPaid => Some(Status::Paid),
        Kind::OrderConfirmed => Some(Status::Confirmed),
        Kind::OrderShipped => Some(Status::Shipped),
        Kind::OrderDelivered => Some(Status::Delivered),
        Kind::OrderRefunded => Some(Status::Refunded),
        Kind::OrderCancelled => Some(Status::Cancelled),
        Kind::OrderExpired => Some(Status::Expired),
        _ => None,
    };
    let now = pair.now;
    match told {
        Some(told) => now.status == told && was.status.next(told).is_ok() && now.since == pair.at,
        None => now.status == was.status && now.since == was.since,
    }
}

fn paid(was: &Order, now: &Order) -> bool {
    let (before, after) = (was.payment_status(), now.payment_status());
    before == after || before.may_become(after)
}

/// A parcel goes its way under its name; one that was dropped may be asked for anew.
fn parcel(was: &Order, now: &Order) -> bool {
    let asking = was.saga.state == State::Running && was.saga.step == at::DELIVER;
    match (&was.shipment, &now.shipment) {
        (None, None) => true,
        (None, Some(now)) => now.status == Parcel::Requested,
        (Some(_), None) => false,
        (Some(was), Some(now)) => {
            let dropped = matches!(was.status, Parcel::Cancelled | Parcel::Failed);
            let renamed = was.delivery.is_some() && was.delivery != now.delivery;
            let anew = asking && dropped && renamed && now.delivery.is_some();
            let from = if anew { Parcel::Requested } else { was.status };
            (anew || !renamed) && (from == now.status || from.next(now.status).is_ok())
        }
    }
}

fn refunds(was: &[Refund], now: &[Refund]) -> bool {
    let kept = |(was, now): (&Refund, &Refund)| {
        let same = was.id == now.id
            && was.amount == now.amount
            && was.why == now.why
            && was.charge == now.charge;
        let ended = was.run.state.is_ended();
        same && (!ended || was.run == now.run)
    };
    let fresh = |refund: &Refund| refund.amount > 0 && refund.run.state == State::Running;
    let ids = |at: usize| now[..at].iter().all(|other| other.id != now[at].id);
    now.len() >= was.len()
        && was.iter().zip(now).all(kept)
        && now[was.len()..].iter().all(fresh)
        && (was.len()..now.len()).all(ids)
}

/// A saga that has ended stays so, but for the two that facts from outside open again: money that
/// came late, and a parcel that was given up after all.
fn sagas(was: &Order, now: &Order) -> bool {
    let late = now.status == Status::Confirmed && was.status == Status::Paid;
    let order = match (was.saga.state, now.saga.state) {
        (State::Completed, after) => matches!(after, State::Completed | State::Stuck),
        (State::Compensated, State::Compensated) => true,
        (State::Compensated, after) => after == State::Running && late,
        (State::Running | State::Compensating | State::Stuck, _) => true,
    };
    let cancel = match (&was.cancel, &now.cancel) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(was), Some(now)) if was.run.state == State::Completed => was == now,
        (Some(was), Some(now)) => was.run.state.is_ended() || was.goal == now.goal,
    };
    order && cancel
}

fn units(was: &Order, pair: &Pair<'_>) -> bool {
    let now = pair.now;
    let legal = match (was.units, now.units) {
        (Units::Held, Units::Sold) => pair.kind == Kind::OrderConfirmed,
        (Units::Held, Units::Free) => {
            matches!(pair.kind, Kind::OrderCancelled | Kind::OrderExpired)
        }
        (Units::Free, Units::Sold) => {
            // The hold's id comes with the row's last event.
            pair.kind == Kind::OrderConfirmed
        }
        (Units::Sold, Units::Free) => pair.kind == Kind::OrderCalledOff,
        (Units::Sold, Units::Left) => pair.kind == Kind::OrderShipped,
        (before, after) => before == after,
    };
    legal && now.holds.starts_with(&was.holds)
}

fn lines(was: &Order, pair: &Pair<'_>) -> bool {
    let now = pair.now;
    let back = pair.kind == Kind::OrderReturned;
    let kept = |(was, now): (&Line, &Line)| {
        let count = now.returned >= was.returned && now.returned <= now.quantity.get();
        let rest = Line {
            returned: was.returned,
            ..now.clone()
        };
        rest == *was && count
    };
    let all = was.lines.len() == now.lines.len() && was.lines.iter().zip(&now.lines).all(kept);
    all && (was.lines != now.lines) == back && (!back || was.units == Units::Left)
}

fn review(was: &Order, now: &Order) -> bool {
    match (&was.review, &now.review) {
        (None, None) => true,
        (None, Some(now)) => now.state == ReviewState::Open,
        (Some(_), None) => false,
        (Some(was), Some(now)) => {
            let opened = now.state == ReviewState::Open && now.opened_at >= was.opened_at;
            was == now || opened || was.state == ReviewState::Open
        }
    }
}

/// A limit is told of once, before it and not too long before, while the order waits; and nothing
/// else comes with it. Where a person moves the limit, that may leave no time to tell of it.
fn warned(was: &Order, pair: &Pair<'_>) -> bool {
    let now = pair.now;
    if pair.kind == Kind::OrderExpiring {
        let told = Order {
            warned_of: Some(was.limit),
            ..was.clone()
        };
        return was.warn_at(pair.at).is_some_and(|at| at <= pair.at) && told == *now;
    }
    let moved = was.limit != now.limit && now.warned_of == Some(now.limit);
    was.warned_of == now.warned_of || moved
}

const fn is_own(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Unsell
            | Operation::Ship
            | Operation::Return
            | Operation::Restock
            | Operation::ScrapReturned
    )
}

/// Passes over the moves that only an order makes, where whose they are cannot be told.
pub(super) fn skip_own(moves: &mut Moves<'_>) {
    let all = moves.as_slice();
    let own = all.iter().take_while(|made| is_own(made.operation)).count();
    moves.by_ref().take(own).for_each(drop);
}

/// Takes the moves that a step must have made from the front of `moves`, in order.
fn takes(was: &Order, pair: &Pair<'_>, moves: &mut Moves<'_>) -> bool {
    let whole = match (was.units, pair.now.units) {
        (Units::Sold, Units::Free) => Operation::Unsell,
        (Units::Sold, Units::Left) => Operation::Ship,
        _ if pair.kind == Kind::OrderReturned => return takes_back(was, pair.now, moves),
        _ => return true,
    };
    if was.holds.is_empty() {
        return false;
    }
    let expected = was.moves(whole, None);
    expected.iter().all(|made| moves.next() == Some(made))
}

/// The moves of a return: units of some lines come back, and all go on sale again or none.
fn takes_back(was: &Order, now: &Order, moves: &mut Moves<'_>) -> bool {
    let Some(hold) = was.holds.last() else {
        return false;
    };
    let all = moves.as_slice();
    let is_back = |made: &&Move| made.operation == Operation::Return;
    let count = all.iter().take_while(is_back).count();
    let (back, rest) = all.split_at(count);
    let then = &rest[..count.min(rest.len())];
    moves.by_ref().take(count + then.len()).for_each(drop);
    let same = |(back, then): (&Move, &Move)| {
        let same = Move {
            operation: then.operation,
            ..back.clone()
        };
        let first = rest[0].operation;
        same == *then
            && then.operation == first
            && matches!(first, Operation::Restock | Operation::ScrapReturned)
            && back.reference.as_str() == hold.as_str()
    };
    let of = |line: &Line| {
        let here = |made: &&Move| made.sku == line.sku && made.location == line.location;
        back.iter()
            .filter(here)
            .map(|made| made.quantity.get())
            .sum::<u64>()
    };
    let mut pairs = was.lines.iter().zip(&now.lines);
    let came: u64 = back.iter().map(|made| made.quantity.get()).sum();
    let told: u64 = pairs
        .clone()
        .map(|(was, now)| now.returned.saturating_sub(was.returned))
        .sum();
    count > 0
        && then.len() == count
        && back.iter().zip(then).all(same)
        && came == told
        && pairs.all(|(was, now)| of(now) == now.returned.saturating_sub(was.returned))
}
