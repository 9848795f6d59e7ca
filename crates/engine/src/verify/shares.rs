//! Customers' shares of SKUs that limit them: folded from the log, and against their rows.
//!
//! A hold's events say which of its units count, and how many are still held or sold; the moves of
//! its order say which of the sold ones came back. Both are in the log, so a share is recomputed
//! from it alone. That a place stayed within the limit is judged where it stands in the log, by the
//! entry that its SKU had then (I7); that the rows are the fold, at the head (I8).

use super::fold::{Fold, wrong};
use super::report::{Draft, Invariant, Kind as Wrong, Subject};
use super::rows::PAGE;
use super::walk::{Sink, Walk};
use crate::chain::{hex, unhex};
use crate::commit::{Name, hold_name};
use crate::port::{Fault, Map, Share};
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{Hold, Line, State};
use evenkeel_rules::ids::{CustomerId, HoldId, SkuId};
use evenkeel_rules::stock::{Move, Operation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A hold some of whose units count.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counted {
    customer: CustomerId,
    /// By (SKU, location): units that are held or sold now.
    units: Vec<(Line, u64)>,
}

/// All shares, and what they are made of.
#[derive(Debug, Default)]
pub(super) struct Shares {
    holds: Map<Name, Counted>,
    units: BTreeMap<Share, u64>,
    /// SKUs whose units were counted since their limit was set: all later ones are.
    counting: BTreeSet<SkuId>,
}

/// Shares as a seal has them: of holds only those that have units yet.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SealedShares {
    holds: Vec<(String, Counted)>,
    units: Vec<(Share, u64)>,
    counting: BTreeSet<SkuId>,
}

impl Shares {
    /// What a seal is to have of them.
    pub(super) fn sealed(&self) -> SealedShares {
        let has_units = |counted: &Counted| counted.units.iter().any(|(_, units)| *units > 0);
        let holds = self.holds.iter().filter(|(_, counted)| has_units(counted));
        let mut holds: Vec<_> = holds
            .map(|(name, counted)| (hex(name), counted.clone()))
            .collect();
        holds.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let units = self.units.iter();
        SealedShares {
            holds,
            units: units
                .map(|(share, units)| (share.clone(), *units))
                .collect(),
            counting: self.counting.clone(),
        }
    }

    /// The same read back; nothing if a name is none.
    pub(super) fn opened(sealed: SealedShares) -> Option<Self> {
        let holds = sealed.holds.into_iter();
        let holds = holds.map(|(name, counted)| Some((unhex(&name)?, counted)));
        Some(Self {
            holds: holds.collect::<Option<_>>()?,
            units: sealed.units.into_iter().collect(),
            counting: sealed.counting,
        })
    }

    /// Units came to a share or left it.
    fn change(&mut self, share: Share, (was, now): (u64, u64)) -> u64 {
        let units = self.units.entry(share).or_default();
        *units = units.saturating_sub(was).saturating_add(now);
        *units
    }

    /// A SKU's entry was put.
    pub(super) fn put(&mut self, sku: &SkuId, limited: bool) {
        if !limited {
            self.counting.remove(sku);
        }
    }
}

/// Units of a line that count, as a hold in this state leaves them.
fn units_of(hold: &Hold, line: &Line) -> u64 {
    match hold.state {
        State::Held | State::Confirming => line.quantity.get(),
        State::Confirmed => line.confirmed.unwrap_or(0),
        State::Released | State::Expired => 0,
    }
}

impl Fold {
    /// Takes a hold's event in; what of it may not be, if anything.
    pub(super) fn share_event(&mut self, kind: Kind, hold: &Hold) -> Option<&'static str> {
        let mut broken = None;
        if kind == Kind::Held {
            broken = hold.lines.iter().find_map(|line| self.counts_rightly(line));
        }
        let counted = || hold.lines.iter().filter(|line| line.counted);
        if counted().next().is_none() {
            return broken;
        }
        let name = hold_name(&hold.id);
        let before = self.shares.holds.remove(&name);
        let mut units = Vec::with_capacity(hold.lines.len());
        for line in counted() {
            let same =
                |(was, _): &&(Line, u64)| was.sku == line.sku && was.location == line.location;
            let before = before.as_ref().and_then(|it| it.units.iter().find(same));
            let (was, now) = (before.map_or(0, |(_, units)| *units), units_of(hold, line));
            let share = (line.sku.clone(), hold.customer.clone());
            let after = self.shares.change(share, (was, now));
            units.push((line.clone(), now));
            if kind == Kind::Held && self.is_beyond(&line.sku, after) {
                broken = broken.or(Some("its customer has more than the SKU allows one"));
            }
        }
        let customer = hold.customer.clone();
        self.shares.holds.insert(name, Counted { customer, units });
        broken.filter(|_| self.lost.gone.is_empty())
    }

    fn limit_of(&self, sku: &SkuId) -> Option<u64> {
        let (_, entry) = self.skus.get(sku)?.entry.as_ref()?;
        entry.terms.max_per_customer.map(|most| most.get())
    }

    fn is_beyond(&self, sku: &SkuId, units: u64) -> bool {
        self.limit_of(sku).is_some_and(|most| units > most)
    }

    /// Whether a placed line counts if and only if its SKU has a limit. A limit that was set before
    /// there were shares counted nothing at first.
    fn counts_rightly(&mut self, line: &Line) -> Option<&'static str> {
        let limited = self.limit_of(&line.sku).is_some();
        if line.counted && limited {
            self.shares.counting.insert(line.sku.clone());
        }
        match (line.counted, limited) {
            (true, false) => Some("its units count, and the SKU has no limit"),
            (false, true) if self.shares.counting.contains(&line.sku) => {
                Some("its units do not count, and the SKU has a limit")
            }
            (true, true) | (false, _) => None,
        }
    }

    /// Takes in that sold units came back.
    pub(super) fn share_move(&mut self, made: &Move) {
        if !matches!(made.operation, Operation::Unsell | Operation::Return) {
            return;
        }
        let Ok(hold) = HoldId::new(made.reference.as_str()) else {
            return;
        };
        let Some(counted) = self.shares.holds.get_mut(&hold_name(&hold)) else {
            return;
        };
        let same =
            |(line, _): &&mut (Line, u64)| line.sku == made.sku && line.location == made.location;
        let Some((_, units)) = counted.units.iter_mut().find(same) else {
            return;
        };
        let was = *units;
        *units = was.saturating_sub(made.quantity.get());
        let (now, share) = (*units, (made.sku.clone(), counted.customer.clone()));
        self.shares.change(share, (was, now));
    }
}

/// Compares every share's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn compare(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let mut after: Option<Share> = None;
    // What the log made by the first page has a row on some page.
    let mut missing: Option<BTreeSet<Share>> = None;
    loop {
        let page = match walk.store.shares(after.as_ref(), PAGE).await {
            Ok(page) => page,
            Err(Fault::Corrupt(what)) => {
                let subject = Subject::new("share", "unreadable");
                let draft = wrong(Wrong::BalanceEdited, subject, to.at);
                let detail = format!("customers' shares cannot be read: {what}");
                to.book.find(Invariant::I8, Draft { detail, ..draft });
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        let missing = missing.get_or_insert_with(|| to.fold.shares.units.keys().cloned().collect());
        to.book.checked(Invariant::I8, page.rows.len());
        for (share, units) in &page.rows {
            missing.remove(share);
            differ(share, Some(*units), to);
        }
        match page.rows.last() {
            Some((last, _)) if page.rows.len() == PAGE => after = Some(last.clone()),
            _ => break,
        }
    }
    for share in missing.unwrap_or_default() {
        differ(&share, None, to);
    }
    Ok(())
}

/// Reports a share whose row is not what the log adds up to.
fn differ(share: &Share, stands: Option<u64>, to: &mut Sink<'_>) {
    let folded = to.fold.shares.units.get(share).copied();
    if folded == stands {
        return;
    }
    if !to.fold.lost.gone.is_empty() || !to.fold.lost.doubtful.is_empty() {
        // What a lost row held is not known: the difference may be its.
        to.fold.lost.explained += 1;
        return;
    }
    let (sku, customer) = share;
    let draft = Draft {
        expected: json!({"customer": customer, "units": folded}),
        found: json!({"customer": customer, "units": stands}),
        detail: format!("the units that {customer} has are not what the log adds up to"),
        ..wrong(Wrong::BalanceEdited, Subject::new("sku", sku), to.at)
    };
    to.book.find(Invariant::I8, draft);
}
