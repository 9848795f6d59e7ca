//! Placing a hold, and pulling units out of overdue ones for it.

use super::{
    CustomerId, Hold, HoldId, Line, LocationId, LogTime, Millis, Operation, PULL_MAX, Quantity,
    Rejection, SkuId, State, Terms, Wanted, share,
};
use crate::quantity::MAX;
use crate::stock::Move;

/// A request to set units aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The hold's id, the client's or made from the key.
    pub id: HoldId,
    /// For whom.
    pub customer: CustomerId,
    /// One line per (SKU, location), as [`sum`] returns them; lines that were not summed are
    /// judged and answered as their sum all the same.
    pub lines: Vec<Wanted>,
    /// How long the units stay set aside, in ms.
    pub ttl: Millis,
}

/// What the ledger says about one line of a place.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    /// The SKU's terms, if it is listed.
    pub terms: Option<&'a Terms>,
    /// Units of the line's (SKU, location) that are available.
    pub available: u64,
    /// Units of the SKU that the customer has, if the SKU limits them; 0 otherwise.
    pub has: u64,
}

/// Sums the lines of one SKU and location into one, in order of first appearance.
///
/// Demand is judged as a sum: two lines of three units are six units, however they are written.
/// Nothing is returned when a sum passes 2^53-1.
#[must_use]
pub fn sum(lines: &[Wanted]) -> Option<Vec<Wanted>> {
    let mut summed: Vec<Wanted> = Vec::with_capacity(lines.len());
    for line in lines {
        let same = |seen: &&mut Wanted| seen.sku == line.sku && seen.location == line.location;
        match summed.iter_mut().find(same) {
            Some(seen) => seen.quantity = seen.quantity.checked_add(line.quantity)?,
            None => summed.push(line.clone()),
        }
    }
    Some(summed)
}

/// Judges a place. `supply` has one entry per line, in the same order; `taken` says that the id
/// belongs to a hold already (its own key would have been answered as a replay before this).
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order: the id before the units, always.
pub fn place(
    command: &Place,
    taken: bool,
    supply: &[Supply<'_>],
    now: LogTime,
) -> Result<(Hold, Vec<Move>), Rejection> {
    assert_eq!(
        command.lines.len(),
        supply.len(),
        "one entry of supply per line"
    );
    let lines = || command.lines.iter().zip(supply);
    if let Some((line, _)) = lines().find(|(_, supply)| supply.terms.is_none()) {
        return Err(Rejection::SkuUnknown {
            sku: line.sku.clone(),
        });
    }
    if taken {
        return Err(Rejection::AlreadyExists);
    }
    if let Some(sku) = over_the_limit(&command.lines, supply) {
        return Err(Rejection::LimitExceeded { sku });
    }
    let closed = |terms: &&Terms| terms.sale.is_some_and(|window| !window.is_open(now));
    if let Some(terms) = supply.iter().filter_map(|supply| supply.terms).find(closed) {
        return Err(Rejection::SaleNotOpen {
            sku: terms.sku.clone(),
        });
    }
    let wanted = command.lines.iter().map(|line| (&line.sku, line.quantity));
    if let Some(refused) = share::beyond(wanted, supply) {
        return Err(refused);
    }
    // The line that refuses an oversell. Of lines that nobody summed, the sum counts.
    let short = |(line, at): &(&Wanted, &Supply<'_>)| at.available.min(MAX) < demand(command, line);
    if let Some((line, _)) = lines().find(short) {
        return Err(Rejection::SoldOut {
            sku: line.sku.clone(),
        });
    }

    // From here on it succeeds.
    let summed = sum(&command.lines).expect("a demand of at most 2^53-1 was found to be available");
    let line = |wanted: Wanted| Line {
        counted: is_limited(&wanted.sku, supply),
        sku: wanted.sku,
        location: wanted.location,
        quantity: wanted.quantity,
        confirmed: None,
        released: None,
    };
    let hold = Hold {
        id: command.id.clone(),
        customer: command.customer.clone(),
        state: State::Held,
        lines: summed.into_iter().map(line).collect(),
        placed_at: now,
        deadline: now.plus(command.ttl),
        changed_at: None,
        ended_at: None,
        order: None,
    };
    let moves = hold.moves(Operation::Hold);
    Ok((hold, moves))
}

/// Whether one customer may have only so many units of a SKU.
pub(super) fn is_limited(sku: &SkuId, supply: &[Supply<'_>]) -> bool {
    let terms = supply.iter().filter_map(|supply| supply.terms);
    terms
        .filter(|terms| terms.max_per_customer.is_some())
        .any(|terms| terms.sku == *sku)
}

/// Units that all lines of the line's SKU and location want together.
fn demand(command: &Place, line: &Wanted) -> u64 {
    let alike = |other: &&Wanted| other.sku == line.sku && other.location == line.location;
    let alike = command.lines.iter().filter(alike);
    alike.fold(0, |sum, other| sum.saturating_add(other.quantity.get()))
}

/// The first SKU of which the lines together want more than one order may have.
fn over_the_limit(lines: &[Wanted], supply: &[Supply<'_>]) -> Option<SkuId> {
    let limited = supply.iter().filter_map(|supply| {
        let terms = supply.terms?;
        Some((&terms.sku, terms.max_per_order?))
    });
    for (sku, most) in limited {
        let of_sku = lines.iter().filter(|line| line.sku == *sku);
        let wanted: Option<Quantity> = of_sku
            .map(|line| Some(line.quantity))
            .reduce(|sum, quantity| sum?.checked_add(quantity?))
            .flatten();
        if wanted.is_none_or(|wanted| wanted > most) {
            return Some(sku.clone());
        }
    }
    None
}

/// Chooses which overdue holds to end so that `line` finds its units, oldest deadline first.
///
/// The units may come from any of `places`, which have `available` together: the line's own
/// location, or those of the order of allocation. `front` is the overdue front in any order; holds
/// that are not overdue or hold nothing of the SKU at these places are passed over. The answer has
/// indices into `front`, at most [`PULL_MAX`], and is empty when even all of them together would
/// not do.
#[must_use]
pub fn pull(
    line: &Wanted,
    (places, available): (&[LocationId], u64),
    front: &[&Hold],
    now: LogTime,
) -> Vec<usize> {
    let units_of = |hold: &Hold| -> u64 {
        let here = |held: &&Line| held.sku == line.sku && places.contains(&held.location);
        let units = hold.lines.iter().filter(here);
        units.fold(0, |sum, held| sum.saturating_add(held.quantity.get()))
    };
    let mut due: Vec<usize> = (0..front.len())
        .filter(|&index| front[index].is_overdue(now) && units_of(front[index]) > 0)
        .collect();
    due.sort_by(|&a, &b| (front[a].deadline, &front[a].id).cmp(&(front[b].deadline, &front[b].id)));
    let mut found = available;
    let mut chosen = Vec::new();
    for index in due.into_iter().take(PULL_MAX) {
        if found >= line.quantity.get() {
            break;
        }
        found = found.saturating_add(units_of(front[index]));
        chosen.push(index);
    }
    if found < line.quantity.get() {
        chosen.clear();
    }
    chosen
}
