//! The payment provider's truth.
//!
//! A charge or a refund has one record per key, made when its first request arrives, and a repeat
//! is answered from it. A refusal is recorded too: under that key nothing will ever be done. No
//! more goes back of a charge than was taken.

use super::{Happening, Later, ms, post, tell};
use crate::auditor::Fact;
use crate::faults::FaultKind;
use crate::planted::Planted;
use crate::world::World;
use evenkeel_engine::gateway::{Receipt, Reply, Settled};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::money::Money;
use evenkeel_rules::order::Word;
use std::collections::BTreeMap;

/// How an effect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is known under its key.
    Unknown,
    /// It was refused, and never will be done.
    Refused,
    /// It was done, or will be, or failed.
    Known(Settled),
}

/// One charge or refund.
#[derive(Debug, Clone)]
struct Entry {
    order: OrderId,
    transaction: String,
    /// The charge that a refund takes back.
    of: String,
    amount: Money,
    stands: Standing,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    charges: BTreeMap<String, Entry>,
    refunds: BTreeMap<String, Entry>,
    /// What the provider gave back by itself, by transaction.
    charged_back: BTreeMap<String, i64>,
    /// What people paid back by another way, by order.
    by_hand: BTreeMap<String, i64>,
    named: u64,
}

fn reply(entry: &Entry) -> Reply {
    match entry.stands {
        Standing::Unknown => Reply::NeverSeen,
        Standing::Refused => Reply::Refused {
            code: Some("declined".to_owned()),
        },
        Standing::Known(status) => Reply::Money(Receipt {
            transaction: entry.transaction.clone(),
            status,
            amount: entry.amount,
            code: None,
        }),
    }
}

/// How long money is on its way: mostly a moment, now and then past every limit.
fn under_way(world: &World) -> std::time::Duration {
    let longest = [300, 2_000, 9_000, 1_500_000][world.any(4)];
    ms(world.dice(|dice| dice.range(20, longest)))
}

impl Ledger {
    fn name(&mut self, word: &str) -> String {
        self.named += 1;
        format!("{word}-{}", self.named)
    }

    pub(super) fn refund_stands(&self, key: &str) -> Standing {
        let known = self.refunds.get(key);
        known.map_or(Standing::Unknown, |entry| entry.stands)
    }

    pub(super) fn ask_charge(&self, key: &str) -> Reply {
        self.charges.get(key).map_or(Reply::NeverSeen, reply)
    }

    pub(super) fn ask_refund(&self, key: &str) -> Reply {
        self.refunds.get(key).map_or(Reply::NeverSeen, reply)
    }

    pub(super) fn charge(
        &mut self,
        world: &World,
        (key, order): (&str, &OrderId),
        (amount, token): (Money, &str),
    ) -> (Reply, Later) {
        if let Some(known) = self.charges.get(key) {
            return (reply(known), Vec::new());
        }
        let mut later = Vec::new();
        let mut amount = amount;
        let stands = if token.is_empty() || world.fires(FaultKind::ChargeRefused) {
            Standing::Refused
        } else if world.fires(FaultKind::ChargePending) {
            let settles = Happening::ChargeSettles(key.to_owned(), true);
            later.push((under_way(world), settles));
            Standing::Known(Settled::Pending)
        } else if world.fires(FaultKind::ChargeFails) {
            if world.any(3) == 0 {
                later.extend(revives(world, key));
                Standing::Known(Settled::Failed)
            } else {
                let settles = Happening::ChargeSettles(key.to_owned(), false);
                later.push((under_way(world), settles));
                Standing::Known(Settled::Pending)
            }
        } else {
            Standing::Known(Settled::Completed)
        };
        if amount.amount > 1 && world.fires(FaultKind::WrongAmount) {
            amount.amount += if world.any(2) == 0 { 1 } else { -1 };
        }
        let entry = Entry {
            order: order.clone(),
            transaction: self.name("t"),
            of: String::new(),
            amount,
            stands,
        };
        later.extend(charge_told(world, key, (&entry, false)));
        let said = reply(&entry);
        self.charges.insert(key.to_owned(), entry);
        (said, later)
    }

    pub(super) fn charge_settles(&mut self, world: &World, key: &str, completed: bool) -> Later {
        let Some(entry) = self.charges.get_mut(key) else {
            return Vec::new();
        };
        let revived = entry.stands == Standing::Known(Settled::Failed);
        entry.stands = Standing::Known(if completed {
            Settled::Completed
        } else {
            Settled::Failed
        });
        let mut later = charge_told(world, key, (entry, revived));
        if !completed {
            later.extend(revives(world, key));
        }
        later
    }

    /// The provider gives some of a charge back by itself, as a bank does.
    pub(super) fn charge_back(&mut self, world: &World, key: &str) -> Later {
        let Some(entry) = self.charges.get(key).cloned() else {
            return Vec::new();
        };
        // What a person paid by another way is not charged back as well.
        let by_hand = self.by_hand.get(entry.order.as_str()).copied();
        let gone = self.back_of(&entry.transaction) + by_hand.unwrap_or(0);
        let left = entry.amount.amount - gone;
        if left < 1 {
            return Vec::new();
        }
        let part = [left, 1, (left / 2).max(1)][world.any(3)];
        let name = entry.transaction.clone();
        self.charged_back.insert(name.clone(), part);
        let fact = Fact::Refunded {
            key: format!("{key}/back"),
            order: entry.order.to_string(),
            charge: name.clone(),
            amount: part,
        };
        tell(world, &fact);
        let amount = Money {
            amount: part,
            ..entry.amount
        };
        post::money(world, &entry.order, (Word::Refunded, &name, amount), true)
    }

    /// A person pays so much of what is left of an order's charges by another way; how much.
    pub(super) fn pay_by_hand(&mut self, order: &str, amount: i64) -> i64 {
        let completed = Standing::Known(Settled::Completed);
        let mine = |entry: &&Entry| entry.order.as_str() == order && entry.stands == completed;
        let left = |entry: &Entry| entry.amount.amount - self.back_of(&entry.transaction);
        let left: i64 = self.charges.values().filter(mine).map(left).sum();
        let paid = self.by_hand.entry(order.to_owned()).or_default();
        let part = amount.min(left - *paid).max(0);
        *paid += part;
        part
    }

    /// What of a charge went back, or is about to.
    fn back_of(&self, transaction: &str) -> i64 {
        let live = |entry: &&Entry| {
            let going = Standing::Known(Settled::Pending);
            let gone = Standing::Known(Settled::Completed);
            entry.of == transaction && (entry.stands == going || entry.stands == gone)
        };
        let amounts = self.refunds.values().filter(live);
        let back: i64 = amounts.map(|entry| entry.amount.amount).sum();
        back + self.charged_back.get(transaction).copied().unwrap_or(0)
    }

    pub(super) fn refund(
        &mut self,
        world: &World,
        (key, order): (&str, &OrderId),
        (transaction, amount): (&str, Money),
    ) -> (Reply, Later) {
        let forgets = world.planted == Some(Planted::RefundTwice);
        if let Some(known) = self.refunds.get(key).filter(|_| !forgets) {
            return (reply(known), Vec::new());
        }
        let completed = Standing::Known(Settled::Completed);
        let taken = |entry: &&Entry| entry.transaction == transaction && entry.stands == completed;
        let taken = self.charges.values().find(taken);
        let taken = taken.map_or(0, |entry| entry.amount.amount);
        let too_much = self.back_of(transaction) + amount.amount > taken;
        let mut later = Vec::new();
        let stands = if too_much && !forgets || world.fires(FaultKind::RefundRefused) {
            Standing::Refused
        } else if world.fires(FaultKind::RefundPending) {
            let settles = Happening::RefundSettles(key.to_owned(), true);
            later.push((under_way(world), settles));
            Standing::Known(Settled::Pending)
        } else if world.fires(FaultKind::RefundFails) {
            let settles = Happening::RefundSettles(key.to_owned(), false);
            later.push((under_way(world), settles));
            Standing::Known(Settled::Pending)
        } else {
            completed
        };
        let entry = Entry {
            order: order.clone(),
            transaction: self.name("r"),
            of: transaction.to_owned(),
            amount,
            stands,
        };
        later.extend(refund_told(world, key, &entry));
        let said = reply(&entry);
        self.refunds.insert(key.to_owned(), entry);
        (said, later)
    }

    pub(super) fn refund_settles(&mut self, world: &World, key: &str, completed: bool) -> Later {
        let Some(entry) = self.refunds.get_mut(key) else {
            return Vec::new();
        };
        entry.stands = Standing::Known(if completed {
            Settled::Completed
        } else {
            Settled::Failed
        });
        refund_told(world, key, entry)
    }
}

/// Tells of a charge as it now stands.
fn charge_told(world: &World, key: &str, (entry, sure): (&Entry, bool)) -> Later {
    let word = match entry.stands {
        Standing::Known(Settled::Completed) => Word::Completed,
        Standing::Known(Settled::Failed) => Word::Failed,
        Standing::Known(Settled::Pending) | Standing::Unknown | Standing::Refused => {
            return Vec::new();
        }
    };
    if word == Word::Completed {
        let fact = Fact::Charged {
            key: key.to_owned(),
            order: entry.order.to_string(),
            transaction: entry.transaction.clone(),
            amount: entry.amount.amount,
        };
        tell(world, &fact);
    }
    let news = (word, entry.transaction.as_str(), entry.amount);
    let mut later = post::money(world, &entry.order, news, sure);
    if word == Word::Completed && world.fires(FaultKind::ChargedBack) {
        let goes = Happening::ChargedBack(key.to_owned());
        later.push((under_way(world), goes));
    }
    later
}

/// A charge that has failed is paid after all one day, now and then.
fn revives(world: &World, key: &str) -> Later {
    let fires = world.fires(FaultKind::ChargeRevives);
    let settles = || Happening::ChargeSettles(key.to_owned(), true);
    fires
        .then(|| (under_way(world), settles()))
        .into_iter()
        .collect()
}

/// Tells of a refund as it now stands.
fn refund_told(world: &World, key: &str, entry: &Entry) -> Later {
    if entry.stands != Standing::Known(Settled::Completed) {
        return Vec::new();
    }
    let fact = Fact::Refunded {
        key: key.to_owned(),
        order: entry.order.to_string(),
        charge: entry.of.clone(),
        amount: entry.amount.amount,
    };
    tell(world, &fact);
    let news = (Word::Refunded, entry.transaction.as_str(), entry.amount);
    post::money(world, &entry.order, news, false)
}
