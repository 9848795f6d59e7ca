//! Where the units of lines come from that name no location, as the judge sees it.
//!
//! The rule is [`hold::allocate`]; here it is told what the ledger has, under the lock. Whoever
//! names rows names all places of the order for such a line, and the judge alone chooses among
//! them: an allocation is never made from what somebody saw earlier.

use super::{Judge, Stop};
use crate::port::Place;
use evenkeel_rules::hold::{self, Hold, Wanted};
use evenkeel_rules::ids::{LocationId, SkuId};

/// The locations that a line's units may come from.
pub(crate) fn locations(line: &Wanted, order: &[LocationId]) -> Vec<LocationId> {
    if !line.is_anywhere() {
        vec![line.location.clone()]
    } else if order.is_empty() {
        vec![LocationId::main()]
    } else {
        order.to_vec()
    }
}

/// The places that lines may touch.
pub(crate) fn places(lines: &[Wanted], order: &[LocationId]) -> Vec<Place> {
    let of = |line: &Wanted| {
        let sku = line.sku.clone();
        let all = locations(line, order).into_iter();
        all.map(move |location| (sku.clone(), location))
    };
    lines.iter().flat_map(of).collect()
}

impl Judge<'_> {
    /// The locations that a line's units may come from.
    pub(super) fn locations(&self, line: &Wanted) -> Vec<LocationId> {
        locations(line, self.context.allocation)
    }

    /// Units of a place that are available once these holds have ended.
    pub(super) fn units_at(
        &self,
        (sku, location): (&SkuId, &LocationId),
        freed: &[&Hold],
    ) -> Result<u64, Stop> {
        if self.listed(sku)?.is_none() {
            return Ok(0);
        }
        let stands = self.balances(&(sku.clone(), location.clone()))?;
        let stands = stands.map_or(0, |balances| balances.available());
        let lines = freed.iter().flat_map(|hold| &hold.lines);
        let here = lines.filter(|line| line.sku == *sku && line.location == *location);
        Ok(here.fold(stands, |sum, line| sum.saturating_add(line.quantity.get())))
    }

    /// The lines with a location each; nothing if all of them name one.
    pub(super) fn allocated(
        &self,
        lines: &[Wanted],
        freed: &[&Hold],
    ) -> Result<Option<Vec<Wanted>>, Stop> {
        if !lines.iter().any(Wanted::is_anywhere) {
            return Ok(None);
        }
        let mut stands: Vec<(&SkuId, LocationId, u64)> = Vec::with_capacity(lines.len());
        for line in lines.iter().filter(|line| line.is_anywhere()) {
            for location in self.locations(line) {
                let units = self.units_at((&line.sku, &location), freed)?;
                stands.push((&line.sku, location, units));
            }
        }
        let available = |sku: &SkuId, location: &LocationId| {
            let mut known = stands.iter();
            let known = known.find(|(of, at, _)| *of == sku && at == location);
            known.map_or(0, |(_, _, units)| *units)
        };
        let order = self.context.allocation;
        Ok(Some(hold::allocate(lines, order, available)))
    }
}
