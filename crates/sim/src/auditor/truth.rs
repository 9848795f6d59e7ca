//! What the providers did, as they told the auditor when it happened.
//!
//! One effect per key (I6), no more back than was taken (I10). At the end the engine's amounts of
//! each order are compared with these, to the cent.

use super::Found;
use std::collections::{BTreeMap, BTreeSet};

/// Something that happened at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Money was taken.
    Charged {
        /// The effect's key.
        key: String,
        /// What for.
        order: String,
        /// The provider's name for it.
        transaction: String,
        /// Minor units.
        amount: i64,
    },
    /// Money was given back.
    Refunded {
        /// The effect's key.
        key: String,
        /// What for.
        order: String,
        /// The provider's name for the charge.
        charge: String,
        /// Minor units.
        amount: i64,
    },
    /// A person gave money back by another way.
    PaidByHand {
        /// What for.
        order: String,
        /// Minor units.
        amount: i64,
    },
    /// A parcel got somewhere.
    Parcel {
        /// The effect's key.
        key: String,
        /// What for.
        order: String,
        /// The provider's name for it.
        delivery: String,
        /// Where it is, as `IN_TRANSIT`.
        status: &'static str,
    },
    /// A step of a saga ran.
    StepRan {
        /// The effect's key.
        key: String,
    },
    /// Whatever a step of a saga did was undone.
    StepUndone {
        /// The key of the step.
        key: String,
    },
}

/// One order's money at the provider.
#[derive(Debug, Default)]
struct Account {
    /// What each transaction took.
    taken: BTreeMap<String, i64>,
    /// What of each transaction went back.
    back: BTreeMap<String, i64>,
    by_hand: i64,
}

/// Everything that the providers did.
#[derive(Debug, Default)]
pub(super) struct Truth {
    accounts: BTreeMap<String, Account>,
    /// Effects by key: how many.
    effects: BTreeMap<String, u32>,
    /// Where each order's parcel is.
    parcels: BTreeMap<String, (String, &'static str)>,
    /// Steps of sagas that ran.
    ran: BTreeSet<String>,
    /// Steps of sagas that were undone: which of all it was.
    undone: BTreeMap<String, u64>,
}

impl Truth {
    pub(super) fn take(&mut self, fact: &Fact, found: &mut Found) {
        match fact {
            Fact::Charged {
                key,
                order,
                transaction,
                amount,
            } => {
                self.once(key, found);
                let account = self.accounts.entry(order.clone()).or_default();
                account.taken.insert(transaction.clone(), *amount);
            }
            Fact::Refunded {
                key,
                order,
                charge,
                amount,
            } => {
                self.once(key, found);
                let account = self.accounts.entry(order.clone()).or_default();
                let back = account.back.entry(charge.clone()).or_default();
                *back += amount;
                if *back > account.taken.get(charge).copied().unwrap_or(0) {
                    let what = format!("more went back of {charge} than was taken");
                    found.push(("I10", what));
                }
            }
            Fact::StepRan { key } => {
                self.once(key, found);
                if self.undone.contains_key(key) {
                    found.push(("I13", format!("{key} ran after it was undone")));
                }
                self.ran.insert(key.clone());
            }
            Fact::StepUndone { key } => {
                self.once(&format!("{key}/undo"), found);
                let number = self.undone.len() as u64;
                self.undone.insert(key.clone(), number);
            }
            Fact::PaidByHand { order, amount } => {
                self.accounts.entry(order.clone()).or_default().by_hand += amount;
            }
            Fact::Parcel {
                order,
                delivery,
                status,
                ..
            } => {
                let parcel = (delivery.clone(), *status);
                let before = self.parcels.insert(order.clone(), parcel);
                if before.is_some_and(|(known, _)| known != *delivery) {
                    found.push(("I6", format!("two parcels were brought for {order}")));
                }
            }
        }
    }

    fn once(&mut self, key: &str, found: &mut Found) {
        let times = self.effects.entry(key.to_owned()).or_default();
        *times += 1;
        if *times > 1 {
            found.push(("I6", format!("{key} took effect {times} times")));
        }
    }

    /// Whether a transaction took just this for an order.
    pub(super) fn has_taken(&self, order: &str, (transaction, amount): (&str, i64)) -> bool {
        let account = self.accounts.get(order);
        account.is_some_and(|account| account.taken.get(transaction) == Some(&amount))
    }

    /// What was taken for an order, and what of it went back.
    pub(super) fn net(&self, order: &str) -> (i64, i64) {
        self.accounts.get(order).map_or((0, 0), |account| {
            let taken = account.taken.values().sum();
            let back: i64 = account.back.values().sum();
            (taken, back + account.by_hand)
        })
    }

    /// Whether a step of a saga ran.
    pub(super) fn ran(&self, key: &str) -> bool {
        self.ran.contains(key)
    }

    /// When a step of a saga was undone, among all that were.
    pub(super) fn undone(&self, key: &str) -> Option<u64> {
        self.undone.get(key).copied()
    }

    /// Every step that ran.
    pub(super) fn steps(&self) -> impl Iterator<Item = &String> {
        self.ran.iter()
    }

    /// Where an order's parcel is.
    pub(super) fn parcel(&self, order: &str) -> Option<&'static str> {
        self.parcels.get(order).map(|(_, status)| *status)
    }

    /// The orders of which the providers know something.
    pub(super) fn orders(&self) -> impl Iterator<Item = &String> {
        self.accounts.keys().chain(self.parcels.keys())
    }
}
