//! Stock as a double-entry ledger.
//!
//! Units of a (SKU, location) stand on seven accounts. An [`Operation`] names one legal pair of
//! them; there is no way to spell any other. Every move takes a positive quantity from one account
//! and gives it to another, so the accounts of a (SKU, location) always sum to zero, and every
//! account but `supply` (the world outside) stays at zero or above. Availability is a balance,
//! never a counter that something increments.

use crate::ids::{LocationId, Reference, SkuId};
use crate::quantity::{MAX, Quantity};
use serde::{Deserialize, Serialize};

/// Where units stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// The world outside; the only account that may be negative. Received units are `-supply`.
    Supply,
    /// Units that can be held.
    Available,
    /// Units set aside by a live hold.
    Held,
    /// Units of confirmed holds.
    Sold,
    /// Units on their way or with the customer.
    Shipped,
    /// Units that came back and were not yet looked at.
    Returned,
    /// Units lost, damaged or thrown away.
    WrittenOff,
}

impl Account {
    /// Every account, in the order in which [`Balances`] keeps them.
    pub const ALL: [Self; 7] = [
        Self::Supply,
        Self::Available,
        Self::Held,
        Self::Sold,
        Self::Shipped,
        Self::Returned,
        Self::WrittenOff,
    ];

    /// The account's name in bodies and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supply => "supply",
            Self::Available => "available",
            Self::Held => "held",
            Self::Sold => "sold",
            Self::Shipped => "shipped",
            Self::Returned => "returned",
            Self::WrittenOff => "written_off",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// The legal moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Units came in.
    Receive,
    /// Units were found at a count.
    Find,
    /// Units were set aside.
    Hold,
    /// A hold was given back.
    Release,
    /// A hold's deadline passed.
    Expire,
    /// Held units were sold.
    Confirm,
    /// Sold units went back on sale before shipping.
    Unsell,
    /// Sold units left.
    Ship,
    /// Shipped units came back.
    Return,
    /// Returned units went back on sale.
    Restock,
    /// Available units were written off.
    ScrapAvailable,
    /// Returned units were written off.
    ScrapReturned,
    /// Units left for another location.
    TransferOut,
    /// Units arrived from another location.
    TransferIn,
}

impl Operation {
    /// Every legal move.
    pub const ALL: [Self; 14] = [
        Self::Receive,
        Self::Find,
        Self::Hold,
        Self::Release,
        Self::Expire,
        Self::Confirm,
        Self::Unsell,
        Self::Ship,
        Self::Return,
        Self::Restock,
        Self::ScrapAvailable,
        Self::ScrapReturned,
        Self::TransferOut,
        Self::TransferIn,
    ];

    /// The account that gives and the account that takes.
    #[must_use]
    pub const fn accounts(self) -> (Account, Account) {
        match self {
            Self::Receive | Self::Find | Self::TransferIn => (Account::Supply, Account::Available),
            Self::Hold => (Account::Available, Account::Held),
            Self::Release | Self::Expire => (Account::Held, Account::Available),
            Self::Confirm => (Account::Held, Account::Sold),
            Self::Unsell => (Account::Sold, Account::Available),
            Self::Ship => (Account::Sold, Account::Shipped),
            Self::Return => (Account::Shipped, Account::Returned),
            Self::Restock => (Account::Returned, Account::Available),
            Self::ScrapAvailable => (Account::Available, Account::WrittenOff),
            Self::ScrapReturned => (Account::Returned, Account::WrittenOff),
            Self::TransferOut => (Account::Available, Account::Supply),
        }
    }

    /// The word that audit entries use; both scraps are `scrap`, told apart by their accounts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Find => "find",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Confirm => "confirm",
            Self::Unsell => "unsell",
            Self::Ship => "ship",
            Self::Return => "return",
            Self::Restock => "restock",
            Self::ScrapAvailable | Self::ScrapReturned => "scrap",
            Self::TransferOut => "transfer_out",
            Self::TransferIn => "transfer_in",
        }
    }
}

/// One guarded change between two accounts of a (SKU, location).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Which legal change it is.
    pub operation: Operation,
    /// Of which SKU.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// How many units, 1 to 2^53-1.
    pub quantity: Quantity,
    /// What it was done for: a hold's id, a purchase order.
    #[serde(rename = "ref")]
    pub reference: Reference,
}

/// The accounts of one (SKU, location). They sum to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Balances([i64; 7]);

impl Balances {
    /// Balances read back from a store, in the order of [`Account::ALL`]; not checked here:
    /// `verify` is what judges a store's numbers.
    #[must_use]
    pub const fn from_raw(accounts: [i64; 7]) -> Self {
        Self(accounts)
    }

    /// The accounts in the order of [`Account::ALL`].
    #[must_use]
    pub const fn raw(&self) -> [i64; 7] {
        self.0
    }

    /// Units on one account; negative for `supply` only.
    #[must_use]
    pub const fn get(&self, account: Account) -> i64 {
        self.0[account.index()]
    }

    /// Units that can be held.
    #[must_use]
    pub fn available(&self) -> u64 {
        u64::try_from(self.get(Account::Available)).unwrap_or(0)
    }

    /// Units ever received or found, less those transferred away.
    #[must_use]
    pub const fn received(&self) -> i64 {
        -self.get(Account::Supply)
    }

    /// The accounts after a move.
    ///
    /// # Errors
    /// [`Short`] when the giving account has too little, or the taking one would pass 2^53-1.
    pub fn after(self, operation: Operation, quantity: Quantity) -> Result<Self, Short> {
        let (from, to) = operation.accounts();
        let Self(next) = self.folded(operation, quantity);
        let gives = next[from.index()];
        if from != Account::Supply && gives < 0 {
            return Err(Short::Units);
        }
        if gives.unsigned_abs() > MAX || next[to.index()].unsigned_abs() > MAX {
            return Err(Short::Room);
        }
        Ok(Self(next))
    }

    /// The accounts after a move that is in a log, whether it could be made or not. A damaged store
    /// may hold any number: sums stop at the ends of 64 bits, they never wrap.
    #[must_use]
    pub fn folded(self, operation: Operation, quantity: Quantity) -> Self {
        let (from, to) = operation.accounts();
        let mut next = self.0;
        next[from.index()] = next[from.index()].saturating_sub(quantity.signed());
        next[to.index()] = next[to.index()].saturating_add(quantity.signed());
        Self(next)
    }
}

/// Why a move cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Short {
    /// The giving account has fewer units than the move takes.
    #[error("the account has too few units")]
    Units,
    /// An account would pass 2^53-1.
    #[error("the account would pass 2^53-1")]
    Room,
}

/// Why stock was not received or adjusted, in the order of checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(PartialOrd))]
#[serde(tag = "code")]
pub enum Rejection {
    /// No such SKU; momentary, it may be listed later.
    #[error("the SKU is not known")]
    #[serde(rename = "sku_unknown")]
    SkuUnknown,
    /// A negative adjust takes more than is available; momentary.
    #[error("fewer units are available than the adjustment takes")]
    #[serde(rename = "stock.insufficient")]
    Insufficient,
    /// An account would pass 2^53-1; momentary.
    #[error("an account would pass 9007199254740991 units")]
    #[serde(rename = "overflow")]
    Overflow,
}

/// What a receive, an adjust or a transfer does to a (SKU, location).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Units came in.
    Receive(Quantity),
    /// Units were found at a count; they count as received.
    Find(Quantity),
    /// Available units were written off.
    WriteOff(Quantity),
    /// Available units went to another location: they leave here and arrive there at once.
    Transfer(Quantity, LocationId),
}

impl Change {
    /// The legal move that makes this change.
    #[must_use]
    pub const fn operation(&self) -> (Operation, Quantity) {
        match self {
            Self::Receive(quantity) => (Operation::Receive, *quantity),
            Self::Find(quantity) => (Operation::Find, *quantity),
            Self::WriteOff(quantity) => (Operation::ScrapAvailable, *quantity),
            Self::Transfer(quantity, _) => (Operation::TransferOut, *quantity),
        }
    }

    /// Where units arrive that leave for another location.
    #[must_use]
    pub const fn arrives(&self) -> Option<&LocationId> {
        match self {
            Self::Transfer(_, to) => Some(to),
            Self::Receive(_) | Self::Find(_) | Self::WriteOff(_) => None,
        }
    }

    /// The command's name in the log.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        match self {
            Self::Receive(_) => "receive_stock",
            Self::Find(_) | Self::WriteOff(_) => "adjust_stock",
            Self::Transfer(..) => "transfer_stock",
        }
    }
}

/// Judges a change of stock by hand.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn change(listed: bool, balances: Balances, change: &Change) -> Result<Balances, Rejection> {
    if !listed {
        return Err(Rejection::SkuUnknown);
    }
    let (operation, quantity) = change.operation();
    moved(balances, operation, quantity)
}

/// What units that arrive from another location leave where they arrive.
///
/// # Errors
/// [`Rejection::Overflow`].
pub fn arrive(balances: Balances, quantity: Quantity) -> Result<Balances, Rejection> {
    moved(balances, Operation::TransferIn, quantity)
}

fn moved(
    balances: Balances,
    operation: Operation,
    quantity: Quantity,
) -> Result<Balances, Rejection> {
    let after = balances.after(operation, quantity);
    after.map_err(|short| match short {
        Short::Units => Rejection::Insufficient,
        Short::Room => Rejection::Overflow,
    })
}

#[cfg(test)]
mod tests;
