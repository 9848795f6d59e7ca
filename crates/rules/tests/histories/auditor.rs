//! What believes neither the ledger nor the rules: sums of the moves that were committed, and the
//! history of each hold.

use evenkeel_rules::hold::{Ending, Hold, State};
use evenkeel_rules::ids::{LocationId, SkuId};
use evenkeel_rules::stock::{Account, Move};
use evenkeel_rules::time::{LogTime, Millis};
use std::collections::BTreeMap;

/// Longest life of a hold, in ms.
pub(crate) const MAX_LIFE: Millis = Millis(60);

/// A (SKU, location).
pub(crate) type Spot = (SkuId, LocationId);

/// Sums of moves that no rule has touched.
#[derive(Default)]
pub(crate) struct Auditor {
    accounts: BTreeMap<Spot, BTreeMap<&'static str, i128>>,
}

impl Auditor {
    /// Books a move and looks at both accounts at once: I1 holds at every prefix or it does not.
    pub(crate) fn book(&mut self, made: &Move) {
        let place = (made.sku.clone(), made.location.clone());
        let accounts = self.accounts.entry(place).or_default();
        let (from, to) = made.operation.accounts();
        let units = i128::from(made.quantity.get());
        *accounts.entry(from.name()).or_default() -= units;
        *accounts.entry(to.name()).or_default() += units;
        for (name, units) in &*accounts {
            assert!(
                *name == "supply" || *units >= 0,
                "I1: {name} is {units}: {made:?}"
            );
        }
        assert_eq!(accounts.values().sum::<i128>(), 0, "I2: {made:?}");
    }

    pub(crate) fn units(&self, place: &Spot, account: Account) -> i128 {
        let accounts = self.accounts.get(place);
        accounts
            .and_then(|accounts| accounts.get(account.name()))
            .copied()
            .unwrap_or(0)
    }
}

/// A hold with its hiself.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) hold: Hold,
    pub(crate) version: u64,
    /// Endings that were committed, each with its log time.
    pub(crate) endings: Vec<(Ending, LogTime)>,
    /// The deadlines that it was placed with and extended to.
    pub(crate) deadlines: Vec<LogTime>,
}

impl Story {
    /// I3, I4, the deadline's rule and the shares of a confirm.
    pub(crate) fn check(&self) {
        let hold = &self.hold;
        assert!(self.endings.len() <= 1, "I3: {self:?}");
        assert_eq!(
            hold.state == State::Held,
            self.endings.is_empty(),
            "{self:?}"
        );
        assert!(
            self.deadlines.is_sorted(),
            "no deadline moves backwards: {self:?}"
        );
        assert_eq!(self.deadlines.last(), Some(&hold.deadline), "{self:?}");
        let longest = hold.placed_at.plus(MAX_LIFE);
        assert!(
            hold.deadline <= longest,
            "no hold outlives the longest life: {self:?}"
        );
        for (ending, when) in &self.endings {
            match ending {
                Ending::Confirm | Ending::Release => {
                    assert!(*when < hold.deadline, "I4: a late ending: {self:?}");
                }
                Ending::Expire => assert!(*when >= hold.deadline, "I4: early: {self:?}"),
            }
            assert_eq!(hold.ended_at, Some(*when), "{self:?}");
        }
        for line in &hold.lines {
            let shares = match hold.state {
                State::Confirmed => line.confirmed.zip(line.released),
                State::Held | State::Confirming | State::Released | State::Expired => {
                    assert_eq!((line.confirmed, line.released), (None, None), "{self:?}");
                    continue;
                }
            };
            let (sold, rest) = shares.expect("a confirmed line says what was sold");
            assert_eq!(sold + rest, line.quantity.get(), "{self:?}");
        }
    }
}
