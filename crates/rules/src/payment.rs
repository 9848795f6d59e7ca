//! Payments: facts are amounts.
//!
//! ```text
//! PENDING -> COMPLETED -> REFUNDED      PENDING -> FAILED -> COMPLETED
//! ```
//!
//! A payment is what providers said of it: transactions, each with one amount and one status, and
//! refunds. The status is a function of the amounts, and each amount is a sum over distinct
//! (transaction, kind), so neither the order in which news come nor how often they come changes
//! it. Money that was captured beats any attempt that failed. There is one payment per order, and
//! all its amounts are in the order's currency.

use serde::{Deserialize, Serialize};

/// Where a payment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Nothing is known of money yet.
    Pending,
    /// Money was captured.
    Completed,
    /// Every attempt ended without money.
    Failed,
    /// All that was captured went back.
    Refunded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Completed, Self::Failed, Self::Refunded];

    /// The status as bodies spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Refunded => "REFUNDED",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether a payment may pass from here to there in one step.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Pending, Self::Completed | Self::Failed)
            | (Self::Completed, Self::Refunded)
            | (Self::Failed, Self::Completed) => true,
            (Self::Pending | Self::Completed | Self::Failed | Self::Refunded, _) => false,
        }
    }
}

/// What a provider says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// The money has moved.
    Completed,
    /// It has not moved yet.
    Pending,
    /// It will not move.
    Failed,
}

/// One transaction that the provider named when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The provider's name for it.
    pub transaction: String,
    /// What the provider says of it.
    pub status: Settled,
    /// Minor units that the provider answered; a callback cannot change them.
    pub amount: i64,
}

/// Money that the provider gave back without being asked by us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The transaction that was given back.
    pub transaction: String,
    /// Minor units.
    pub amount: i64,
}

/// A payment as it stands, but for the refunds that the order asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// How the customer pays, as the client named it.
    pub method: String,
    /// Transactions, in the order in which the provider named them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub charges: Vec<Charge>,
    /// What the provider gave back by itself; it counts once the money it gives back is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub returned: Vec<Returned>,
    /// Whether an attempt ended without money.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub failed: bool,
}

impl Payment {
    /// Minor units that the provider has taken or may still take.
    #[must_use]
    pub fn authorised(&self) -> i64 {
        self.sum(|charge| charge.status != Settled::Failed)
    }

    /// Minor units that the provider has taken.
    #[must_use]
    pub fn captured(&self) -> i64 {
        self.sum(|charge| charge.status == Settled::Completed)
    }

    fn sum(&self, counts: impl Fn(&Charge) -> bool) -> i64 {
        let counted = self.charges.iter().filter(|charge| counts(charge));
        counted.fold(0_i64, |sum, charge| sum.saturating_add(charge.amount))
    }

    /// The transactions whose money the provider has taken.
    pub fn completed(&self) -> impl Iterator<Item = &Charge> {
        let completed = |charge: &&Charge| charge.status == Settled::Completed;
        self.charges.iter().filter(completed)
    }

    /// Minor units of one transaction that the provider says it gave back by itself.
    #[must_use]
    pub fn returned_of(&self, transaction: &str) -> i64 {
        let all = self.returned.iter();
        let here = all.filter(|back| back.transaction == transaction);
        here.fold(0_i64, |sum, back| sum.saturating_add(back.amount))
    }

    /// Whether the provider named a transaction that it did not end without money.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let live = |charge: &Charge| charge.status != Settled::Failed;
        self.charges.iter().any(live)
    }

    /// Whether the provider named a transaction that has not moved yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        let pending = |charge: &Charge| charge.status == Settled::Pending;
        self.charges.iter().any(pending)
    }

    /// The transaction with this name.
    #[must_use]
    pub fn charge(&self, transaction: &str) -> Option<&Charge> {
        self.charges
            .iter()
            .find(|charge| charge.transaction == transaction)
    }

    /// Takes in what the provider answered. A transaction that has completed stays so, and its
    /// amount is the one that was answered first; whether anything is new.
    pub fn learn(&mut self, transaction: &str, status: Settled, amount: i64) -> bool {
        let before = (self.charges.clone(), self.failed);
        match self
            .charges
            .iter_mut()
            .find(|charge| charge.transaction == transaction)
        {
            Some(known) => match (known.status, status) {
                (Settled::Completed, _) | (_, Settled::Pending) => {}
                (Settled::Pending | Settled::Failed, Settled::Completed) => {
                    known.status = Settled::Completed;
                }
                (Settled::Pending | Settled::Failed, Settled::Failed) => {
                    known.status = Settled::Failed;
                }
            },
            None => self.charges.push(Charge {
                transaction: transaction.to_owned(),
                status,
                amount,
            }),
        }
        self.failed |= status == Settled::Failed;
        before != (self.charges.clone(), self.failed)
    }
}

#[cfg(test)]
mod tests;
