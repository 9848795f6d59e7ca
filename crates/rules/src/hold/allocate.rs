//! Allocation: which locations the units of a line come from that names none.
//!
//! A shop that sells out of several locations says in which order they are drawn on. A line is
//! taken whole from the first of them that has all of it; where none has, it is split, each
//! location giving what it has in that order. Lines that name a location come first: what they
//! want is not there for the others. Nothing is refused here: what is too much stays with the
//! first location, and whoever judges the lines finds it short there.

use super::{Hold, Wanted, sum};
use crate::ids::{LocationId, SkuId};
use crate::quantity::Quantity;

impl Wanted {
    /// Whether the line leaves open where its units come from.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        self.location.is_anywhere()
    }
}

/// Gives every line a location: `order` is where units may come from, the first first, and
/// `available` how many of a SKU there are at a location. With an empty order everything is at
/// `main`. The lines of one SKU and location are one line in the answer.
#[must_use]
pub fn allocate(
    lines: &[Wanted],
    order: &[LocationId],
    available: impl Fn(&SkuId, &LocationId) -> u64,
) -> Vec<Wanted> {
    let main = [LocationId::main()];
    let order = if order.is_empty() { &main[..] } else { order };
    let named = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.is_anywhere());
    let mut parts: Vec<(usize, Wanted)> = named.map(|(at, line)| (at, line.clone())).collect();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.is_anywhere())
    {
        let rest = |location: &LocationId| {
            let alike = |part: &Wanted| part.sku == line.sku && part.location == *location;
            let here = parts.iter().filter(|(_, part)| alike(part));
            let taken = here.fold(0_u64, |sum, (_, part)| {
                sum.saturating_add(part.quantity.get())
            });
            available(&line.sku, location).saturating_sub(taken)
        };
        let rests: Vec<u64> = order.iter().map(rest).collect();
        for (location, quantity) in split(line.quantity, order, &rests) {
            let sku = line.sku.clone();
            let part = Wanted {
                sku,
                location,
                quantity,
            };
            parts.push((at, part));
        }
    }
    // As the request named them, each in the order of allocation.
    parts.sort_by_key(|(at, _)| *at);
    let parts: Vec<Wanted> = parts.into_iter().map(|(_, part)| part).collect();
    // A sum beyond every number is judged, and refused, unsummed.
    sum(&parts).unwrap_or(parts)
}

/// What each location gives of a line, in order of allocation; `rests` is what each has left.
fn split(wanted: Quantity, order: &[LocationId], rests: &[u64]) -> Vec<(LocationId, Quantity)> {
    let whole = rests.iter().position(|rest| *rest >= wanted.get());
    if let Some(whole) = whole {
        return vec![(order[whole].clone(), wanted)];
    }
    let short = rests
        .iter()
        .fold(wanted.get(), |left, rest| left.saturating_sub(*rest));
    let mut left = wanted.get() - short;
    let mut parts = Vec::with_capacity(order.len());
    for (number, (location, rest)) in order.iter().zip(rests).enumerate() {
        let mut units = left.min(*rest);
        left -= units;
        if number == 0 {
            units += short;
        }
        if let Ok(quantity) = Quantity::new(units) {
            parts.push((location.clone(), quantity));
        }
    }
    parts
}

impl Hold {
    /// Gives lines that name no location those of the hold's own lines of their SKU, in order.
    /// What is more than is held stays with the first of them.
    #[must_use]
    pub fn allocate(&self, lines: &[Wanted]) -> Vec<Wanted> {
        let mut all = Vec::with_capacity(lines.len());
        let named = lines.iter().filter(|line| !line.is_anywhere());
        all.extend(named.cloned());
        for line in lines.iter().filter(|line| line.is_anywhere()) {
            let own = self.lines.iter().filter(|held| held.sku == line.sku);
            let order: Vec<LocationId> = own.map(|held| held.location.clone()).collect();
            let held = |sku: &SkuId, location: &LocationId| {
                let here = |held: &&super::Line| held.sku == *sku && held.location == *location;
                let line = self.lines.iter().find(here);
                line.map_or(0, |held| held.quantity.get())
            };
            all.push(line.clone());
            all = allocate(&all, &order, held);
        }
        all
    }
}
