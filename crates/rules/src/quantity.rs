//! Units, counted with checks.
//!
//! A [`Quantity`] is 1 to 2^53-1, the whole numbers that every JSON reader keeps exactly. There is
//! no zero and no negative quantity: nothing can be moved "by nothing" or backwards.

use serde::{Deserialize, Serialize};

/// Largest quantity, position and balance: 2^53-1.
pub const MAX: u64 = (1 << 53) - 1;

/// Why a number is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to 9007199254740991")]
pub struct BadQuantity;

/// A number of units, 1 to [`MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Quantity(u64);

impl Quantity {
    /// One unit.
    pub const ONE: Self = Self(1);

    /// Takes a number of units.
    ///
    /// # Errors
    /// [`BadQuantity`] for 0 and for more than [`MAX`].
    pub const fn new(units: u64) -> Result<Self, BadQuantity> {
        if units == 0 || units > MAX {
            return Err(BadQuantity);
        }
        Ok(Self(units))
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of units as a signed number; it always fits.
    #[must_use]
    pub fn signed(self) -> i64 {
        i64::try_from(self.0).expect("a quantity is at most 2^53-1")
    }

    /// The sum, or nothing when it is more than [`MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0 + other.0).ok()
    }
}

impl TryFrom<u64> for Quantity {
    type Error = BadQuantity;
    fn try_from(units: u64) -> Result<Self, BadQuantity> {
        Self::new(units)
    }
}

impl From<Quantity> for u64 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_from_one_to_the_largest_exact_json_number() {
        for (units, fits) in [(0, false), (1, true), (MAX, true), (MAX + 1, false)] {
            assert_eq!(Quantity::new(units).is_ok(), fits, "{units}");
        }
    }

    #[test]
    fn a_sum_over_the_limit_is_nothing() {
        let most = Quantity::new(MAX).expect("the limit is a quantity");
        assert_eq!(most.checked_add(Quantity::ONE), None);
        assert_eq!(
            Quantity::ONE.checked_add(Quantity::ONE),
            Quantity::new(2).ok()
        );
    }
}
