//! Taking an order: its lines are priced, its units held for it, and the charge intended, at once.

use super::{
    Adjustment, Decision, Line, Order, Patch, Pen, Reason, Rejection, Status, Units, UnitsChange,
};
use crate::event::Kind;
use crate::hold::{self, Asker, Hold, Known, Place, Supply, Wanted};
use crate::ids::{CustomerId, HoldId, OrderId};
use crate::money::{AMOUNT_MAX, Money};
use crate::payment::Payment;
use crate::saga::{Run, at};
use crate::stock::Move;
use crate::time::{LogTime, Millis};

/// A request for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The order's id, the client's or made from the key.
    pub id: OrderId,
    /// Whose it is to be.
    pub customer: CustomerId,
    /// What is wanted, as [`hold::sum`] returns it.
    pub lines: Vec<Wanted>,
    /// A hold that has the units already; one is placed if missing.
    pub hold: Option<HoldId>,
    /// How the customer pays.
    pub method: String,
    /// What the client believes it costs.
    pub expected_total: Option<Money>,
    /// What is added to or taken off the sum of the lines.
    pub adjustments: Vec<Adjustment>,
    /// How long the money may take, in ms.
    pub confirming: Millis,
}

/// What a taken order leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// The order as it was created; its first event carries the whole of it.
    pub created: Order,
    /// What happened in the same commit, for an order that costs nothing.
    pub then: Option<Decision>,
    /// The hold, confirming.
    pub hold: Hold,
    /// The units that were set aside for it now.
    pub moves: Vec<Move>,
}

/// Why an order was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// For the order's sake.
    Order(Rejection),
    /// For the units' sake.
    Hold(hold::Rejection),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Order(rejection)
    }
}

impl From<hold::Rejection> for Refused {
    fn from(rejection: hold::Rejection) -> Self {
        Self::Hold(rejection)
    }
}

/// The id of the hold that an order without one places. `hash` names it if the id is too long.
#[must_use]
pub fn hold_of(id: &OrderId, hash: &str) -> HoldId {
    HoldId::of_order(id)
        .or_else(|| HoldId::new(hash).ok())
        .expect("a hash in hexadecimal is an id")
}

/// Judges an order. `supply` has one entry per line; `given` is the hold that the order names, as
/// it stands, `made` the id under which one is placed otherwise; `taken` says that the order's id,
/// or that hold's, is in use.
///
/// # Errors
/// The first rejection that holds: what the order costs before the units, and the units last.
pub fn take(
    ask: &Ask,
    taken: bool,
    supply: &[Supply<'_>],
    (given, made): (Option<Known<'_>>, &HoldId),
    now: LogTime,
) -> Result<Take, Refused> {
    if let Some((line, _)) = ask
        .lines
        .iter()
        .zip(supply)
        .find(|(_, supply)| supply.terms.is_none())
    {
        let sku = line.sku.clone();
        return Err(hold::Rejection::SkuUnknown { sku }.into());
    }
    if taken {
        return Err(Rejection::AlreadyExists.into());
    }
    let (lines, total) = price(ask, supply)?;
    if let Some(expected) = ask.expected_total
        && expected != total
    {
        return Err(Rejection::PriceChanged { total }.into());
    }
    let (hold, moves) = match &ask.hold {
        Some(_) => (begin(ask, given, now)?, Vec::new()),
        None => place(ask, made, supply, now)?,
    };

    // From here on it succeeds.
    let created = create(ask, (lines, total), &hold, now);
    let then = (total.amount == 0).then(|| {
        let mut pen = Pen::new(&created, now);
        pen.settle_up(false);
        pen.end().expect("an order that costs nothing is paid")
    });
    Ok(Take {
        created,
        then,
        hold,
        moves,
    })
}

/// The order as its first event tells it.
fn create(ask: &Ask, (lines, total): (Vec<Line>, Money), hold: &Hold, now: LogTime) -> Order {
    Order {
        id: ask.id.clone(),
        customer: ask.customer.clone(),
        status: Status::Pending,
        reason: None,
        lines,
        adjustments: ask.adjustments.clone(),
        total,
        holds: vec![hold.id.clone()],
        units: Units::Held,
        requires_review: false,
        payment: Payment {
            method: ask.method.clone(),
            ..Payment::default()
        },
        shipment: None,
        saga: Run::begin(at::CHARGE, now),
        cancel: None,
        refunds: Vec::new(),
        watched: false,
        review: None,
        limit: now.plus(ask.confirming),
        warn: Millis(0),
        warned_of: None,
        since: now,
        created_at: now,
    }
}

/// A hold of the order's own: it was placed and began confirming at once, and was never changed.
fn place(
    ask: &Ask,
    made: &HoldId,
    supply: &[Supply<'_>],
    now: LogTime,
) -> Result<(Hold, Vec<Move>), Refused> {
    let place = Place {
        id: made.clone(),
        customer: ask.customer.clone(),
        lines: ask.lines.clone(),
        ttl: ask.confirming,
    };
    let (placed, moves) = hold::place(&place, false, supply, now)?;
    let placed = Hold {
        state: hold::State::Confirming,
        order: Some(ask.id.clone()),
        ..placed
    };
    Ok((placed, moves))
}

/// A hold that the client placed begins confirming for the order; its lines must be the order's.
fn begin(ask: &Ask, given: Option<Known<'_>>, now: LogTime) -> Result<Hold, Refused> {
    let asker = Asker {
        customer: Some(&ask.customer),
        expected: None,
    };
    let hold = hold::begin(given, asker, &ask.id, now)?;
    let same = |line: &hold::Line| {
        let alike = |it: &Wanted| it.sku == line.sku && it.location == line.location;
        let wanted = ask.lines.iter().find(|it| alike(it));
        wanted.is_some_and(|wanted| wanted.quantity == line.quantity)
    };
    if hold.lines.len() != ask.lines.len() || !hold.lines.iter().all(same) {
        return Err(Rejection::LinesDiffer.into());
    }
    Ok(hold)
}

/// Prices of the lines, and what they come to with the adjustments.
fn price(ask: &Ask, supply: &[Supply<'_>]) -> Result<(Vec<Line>, Money), Rejection> {
    let price = |supply: &Supply<'_>| {
        supply
            .terms
            .expect("the caller saw that it is listed")
            .price
    };
    let first = supply.first().map(|supply| price(supply).currency);
    let foreign = |(_, supply): &(&Wanted, &Supply<'_>)| Some(price(supply).currency) != first;
    if let Some((wanted, _)) = ask.lines.iter().zip(supply).find(foreign) {
        let sku = wanted.sku.clone();
        return Err(Rejection::Currency { sku });
    }
    let expected = ask.expected_total.map(|total| total.currency);
    if expected.is_some() && expected != first {
        return Err(Rejection::AmountCurrency);
    }
    let mut lines = Vec::with_capacity(ask.lines.len());
    let mut sum: Option<Money> = None;
    for (wanted, supply) in ask.lines.iter().zip(supply) {
        let price = price(supply);
        let part = price.checked_times(wanted.quantity.get());
        let part = part.ok_or(Rejection::Total)?;
        sum = match sum {
            Some(sum) => Some(sum.checked_add(part).ok_or(Rejection::Total)?),
            None => Some(part),
        };
        lines.push(Line {
            sku: wanted.sku.clone(),
            location: wanted.location.clone(),
            quantity: wanted.quantity,
            price: price.amount,
            returned: 0,
        });
    }
    let sum = sum.ok_or(Rejection::Total)?;
    let adjusted = ask
        .adjustments
        .iter()
        .try_fold(sum.amount, |sum, it| sum.checked_add(it.amount));
    let amount = adjusted.filter(|amount| (0..=AMOUNT_MAX).contains(amount));
    let total = Money {
        amount: amount.ok_or(Rejection::Total)?,
        currency: sum.currency,
    };
    Ok((lines, total))
}

impl Order {
    /// An order that nobody can place: its id was cancelled before anybody ordered under it.
    #[must_use]
    pub fn never(id: &OrderId, currency: crate::money::Currency, now: LogTime) -> Self {
        Self {
            id: id.clone(),
            customer: CustomerId::new("nobody").expect("a well-formed id"),
            status: Status::Rejected,
            reason: Some(Reason::CancelledBefore),
            lines: Vec::new(),
            adjustments: Vec::new(),
            total: Money {
                amount: 0,
                currency,
            },
            holds: Vec::new(),
            units: Units::Free,
            requires_review: false,
            payment: Payment::default(),
            shipment: None,
            saga: Run {
                state: crate::saga::State::Compensated,
                ..Run::begin(0, now)
            },
            cancel: None,
            refunds: Vec::new(),
            watched: false,
            review: None,
            limit: now,
            warn: Millis(0),
            warned_of: None,
            since: now,
            created_at: now,
        }
    }
}

impl Decision {
    /// A decision of one event that only notes what changed.
    #[must_use]
    pub fn note(was: &Order, now: Order, kind: Kind) -> Self {
        Self {
            events: vec![(kind, Patch::between(was, &now))],
            order: now,
            units: UnitsChange::None,
        }
    }
}
