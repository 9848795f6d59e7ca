//! The demo's own account of its orders, and what it proves when compared with two others.
//!
//! Pure: what buyers were told, what the server shows and what the bank's ledger says go in,
//! sentences about what does not agree come out. Kept: each order stands in all three, its buyer
//! has it or has all its money back, and the money agrees to the cent, order by order.

use super::bank::Ledger;
use super::orders::{Shown, Stand};
use super::stage::PRICE;
use std::collections::{BTreeMap, BTreeSet};

/// An order by its answers.
#[derive(Debug, Clone)]
pub(super) struct Bought {
    pub(super) id: Box<str>,
    /// The card that it was to be paid with.
    pub(super) card: &'static str,
    pub(super) stand: Stand,
    /// Minor units that the shop was asked to give back, and said that it will.
    pub(super) back: i64,
}

impl Bought {
    /// Minor units that are owed for it: its price, less what the shop grants.
    fn owed(&self) -> i64 {
        match self.stand {
            Stand::Kept => PRICE - self.back,
            Stand::Open | Stand::Lost => 0,
        }
    }
}

/// All orders by their answers.
#[derive(Debug, Default)]
pub(super) struct Tab(pub(super) Vec<Bought>);

/// Money in minor units, over all orders.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Money {
    /// What the server says was captured.
    pub(super) captured: i64,
    /// What it says went back.
    pub(super) refunded: i64,
    /// What by the answers buyers owe for what they have.
    pub(super) owed: i64,
}

/// At most so many sentences.
const NOTES_MAX: usize = 20;

impl Tab {
    /// An order of which there is much to tell.
    pub(super) fn eventful(&self) -> Option<Box<str>> {
        let cards = [
            "tok_late",
            "tok_timeout_charged",
            "tok_never",
            "tok_double_callback",
        ];
        let kept = |order: &&Bought| order.stand == Stand::Kept;
        let worth = |order: &&Bought| {
            let place = cards.iter().position(|card| *card == order.card);
            std::cmp::Reverse(place.unwrap_or(cards.len()))
        };
        let order = self.0.iter().filter(kept).max_by_key(worth);
        Some(order.or_else(|| self.0.first())?.id.clone())
    }

    /// Orders by card.
    pub(super) fn cards(&self) -> BTreeMap<&'static str, u64> {
        let mut cards = BTreeMap::new();
        for order in &self.0 {
            *cards.entry(order.card).or_default() += 1;
        }
        cards
    }

    /// What the money comes to.
    pub(super) fn money(&self, shown: &[Shown]) -> Money {
        Money {
            captured: shown.iter().map(|it| it.payment.captured.amount).sum(),
            refunded: shown.iter().map(|it| it.payment.refunded.amount).sum(),
            owed: self.0.iter().map(Bought::owed).sum(),
        }
    }

    /// What does not agree. `undecided` says that there were requests that never came to an answer.
    pub(super) fn judge(&self, shown: &[Shown], ledger: &Ledger, undecided: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if ledger.pending > 0 {
            let pending = ledger.pending;
            notes.push(format!("the bank has {pending} movements that are pending"));
        }
        let known: BTreeMap<&str, &Shown> = shown.iter().map(|it| (&*it.id, it)).collect();
        for bought in &self.0 {
            match known.get(&*bought.id) {
                Some(shown) => notes.extend(bought.differs(shown)),
                None => notes.push(format!("order {} is unknown", bought.id)),
            }
        }
        let answered: BTreeSet<&str> = self.0.iter().map(|it| &*it.id).collect();
        let charged = ledger.kept.keys().filter(|id| !known.contains_key(&***id));
        notes.extend(charged.map(|id| format!("the bank charged for {id}, which is no order")));
        for it in shown {
            let (ours, theirs) = (it.kept(), ledger.kept.get(&it.id).copied().unwrap_or(0));
            if ours != theirs {
                notes.push(format!(
                    "order {}: we have {ours} cents, the bank says {theirs}",
                    it.id
                ));
            }
            if !it.is_quiet() {
                notes.push(format!("order {} is still {}", it.id, it.status));
            }
            if !undecided && !answered.contains(&*it.id) {
                notes.push(format!("order {} was never answered", it.id));
            }
        }
        notes.truncate(NOTES_MAX);
        notes
    }
}

impl Bought {
    /// What its buyer was told and the server does not show.
    fn differs(&self, shown: &Shown) -> Option<String> {
        let Self { id, stand, .. } = self;
        let (found, status) = (shown.stand(), &shown.status);
        let unpaid = *stand == Stand::Lost && shown.kept() == 0;
        if found != *stand && !(unpaid && status == "EXPIRED") {
            return Some(format!(
                "order {id} was {stand:?} by its answers, is {status}"
            ));
        }
        let (owed, kept) = (self.owed(), shown.kept());
        (owed != kept).then(|| format!("order {id}: {owed} cents are owed, {kept} were kept"))
    }
}

#[cfg(test)]
mod tests;
