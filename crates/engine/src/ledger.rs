//! The warm ledger: what the judge remembers from batch to batch.
//!
//! It is a bounded cache of catalogue entries and balances, stamped with the position and batch
//! that it is exact at. The locked head says whether that is still so; if another node wrote in
//! between, the cache is thrown away and every touched row is read again. Losing it changes speed
//! and nothing else: a conformance test runs the same history with and without it.

use crate::commit::Command;
use crate::port::{BatchId, Map, Place, Rows, Share, SkuRow, View};
use crate::settle::allocation::locations;
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{CustomerId, LocationId, SkuId};
use evenkeel_rules::stock::Balances;

/// Entries after which the cache starts again from nothing.
const ENTRIES_MAX: usize = 1_000_000;

/// Rows known to be exact at one position.
#[derive(Debug, Default)]
pub struct Ledger {
    exact_at: Option<(u64, BatchId)>,
    pub(crate) skus: Map<SkuId, Option<SkuRow>>,
    pub(crate) balances: Map<Place, Option<Balances>>,
}

impl Ledger {
    /// The position and batch at which the rows are exact.
    #[must_use]
    pub fn exact_at(&self) -> Option<(u64, BatchId)> {
        self.exact_at
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes in what the locked store said; what it contradicts is forgotten first.
    pub(crate) fn merge(&mut self, view: &mut View) {
        if !view.confirms(self.exact_at) {
            self.clear();
        }
        if self.skus.len() + self.balances.len() > ENTRIES_MAX {
            self.clear();
        }
        self.skus.extend(view.skus.drain());
        self.balances.extend(view.balances.drain());
    }

    /// Whether rows are at hand under a lock, whose view was not taken in yet: nobody's share of
    /// them is limited.
    pub(crate) fn covers(&self, view: &View, rows: &Rows) -> bool {
        let exact = view.confirms(self.exact_at);
        let sku = |id: &SkuId| {
            let known = view.skus.get(id);
            let row = known.or_else(|| self.skus.get(id).filter(|_| exact));
            row.and_then(Option::as_ref)
                .is_some_and(|row| row.sku.terms.max_per_customer.is_none())
        };
        let balances = |place: &Place| {
            view.balances.contains_key(place) || exact && self.balances.contains_key(place)
        };
        rows.skus.iter().all(sku) && rows.balances.iter().all(balances)
    }

    /// Stamps the rows as exact at a head: it is locked or was just committed.
    pub(crate) fn stamp(&mut self, stamp: Option<(u64, BatchId)>) {
        self.exact_at = stamp;
    }

    /// Whether one customer may have only so many units of a SKU, as far as the cache knows.
    pub(crate) fn is_limited(&self, sku: &SkuId) -> bool {
        let row = self.skus.get(sku).and_then(Option::as_ref);
        row.is_some_and(|row| row.sku.terms.max_per_customer.is_some())
    }

    /// The shares by which a command is judged, as far as the cache knows: what it does not know is
    /// asked for by the judge.
    pub(crate) fn shares_of(&self, command: &Command) -> Vec<Share> {
        let (customer, lines): (&CustomerId, &[Wanted]) = match command {
            Command::Place(place) => (&place.customer, &place.lines),
            Command::TakeOrder { ask, .. } if ask.hold.is_none() => (&ask.customer, &ask.lines),
            _ => return Vec::new(),
        };
        let limited = lines.iter().filter(|line| self.is_limited(&line.sku));
        limited
            .map(|line| (line.sku.clone(), customer.clone()))
            .collect()
    }

    /// Whether a place has too few units as far as the cache knows: a reason to look at the
    /// overdue front, never to refuse.
    fn seems_short(&self, place: &Place, wanted: u64) -> bool {
        let known = self.balances.get(place);
        known.is_some_and(|row| row.map_or(0, |balances| balances.available()) < wanted)
    }

    /// Whether some line seems to find too few units. `places` are those of the lines, in order, as
    /// long as each names its location; `order` is where units of the others come from.
    pub(crate) fn lacks(
        &self,
        lines: &[Wanted],
        (places, order): (&[Place], &[LocationId]),
    ) -> bool {
        if !lines.iter().any(Wanted::is_anywhere) {
            let mut wanted = lines.iter().zip(places);
            return wanted.any(|(line, place)| self.seems_short(place, line.quantity.get()));
        }
        let units = |line: &Wanted| {
            let at = |location| self.balances.get(&(line.sku.clone(), location)).copied();
            let rows = locations(line, order).into_iter().map(at);
            let has = rows.map(|row| Some(row?.map_or(0, |balances| balances.available())));
            has.sum::<Option<u64>>()
        };
        let short = |line: &Wanted| units(line).is_some_and(|has| has < line.quantity.get());
        lines.iter().any(short)
    }
}
