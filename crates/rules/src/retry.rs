//! When something is tried again: capped exponential delays with full jitter, and a budget.
//!
//! A delay is drawn from zero to a bound that doubles with each try up to a cap, so that those who
//! failed together do not come back together. The budget bounds what retries may add to the load of
//! a provider in trouble: each first try earns a tenth of a retry, and so does time. Each answer,
//! whatever it says, earns two: who answers is not in trouble, so what waited for it goes on at a
//! pace that doubles with each round. Randomness and time are arguments.

use crate::time::{LogTime, Millis};

/// How delays grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Bound of the first delay.
    pub base: Millis,
    /// Bound that no delay passes.
    pub cap: Millis,
}

/// How calls to providers are tried again.
pub const CALLS: Schedule = Schedule {
    base: Millis(200),
    cap: Millis(60_000),
};

impl Schedule {
    /// The longest delay before the try after `tries` tries.
    #[must_use]
    pub fn bound(self, tries: u32) -> Millis {
        let factor = 1_u64
            .checked_shl(tries.saturating_sub(1))
            .unwrap_or(u64::MAX);
        let factor = if tries > 64 { u64::MAX } else { factor };
        Millis(self.base.0.saturating_mul(factor).min(self.cap.0))
    }

    /// The delay before the try after `tries` tries, with `random` out of all 64-bit numbers: from
    /// nothing to the whole bound, each as likely as the other.
    #[must_use]
    pub fn delay(self, tries: u32, random: u64) -> Millis {
        let bound = u128::from(self.bound(tries).0) + 1;
        let drawn = (u128::from(random) * bound) >> 64;
        Millis(u64::try_from(drawn).unwrap_or(self.cap.0))
    }
}

/// Hundredths of a retry that each first try earns: while nobody answers, retries are at most a
/// tenth of all calls.
const EARNED: u64 = 10;
/// Hundredths that each answer earns: what it cost to ask, and one more.
const ANSWERED: u64 = 2 * COST;
/// Hundredths that one retry costs.
const COST: u64 = 100;
/// Most hundredths that are saved up.
const SAVED_MAX: u64 = 100 * COST;
/// Hundredths that each second earns, so that an idle node may still try again.
const PER_SECOND: u64 = 10 * COST;

/// How many retries may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    saved: u64,
    since: LogTime,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub const fn full(now: LogTime) -> Self {
        Self {
            saved: SAVED_MAX,
            since: now,
        }
    }

    /// Notes a first try.
    pub fn earn(&mut self) {
        self.saved = (self.saved + EARNED).min(SAVED_MAX);
    }

    /// Notes that a provider answered.
    pub fn answered(&mut self) {
        self.saved = (self.saved + ANSWERED).min(SAVED_MAX);
    }

    /// Takes a retry out of the budget; whether there was one.
    #[must_use]
    pub fn spend(&mut self, now: LogTime) -> bool {
        let earned = self.since.until(now).0.saturating_mul(PER_SECOND) / 1000;
        if earned > 0 {
            self.saved = self.saved.saturating_add(earned).min(SAVED_MAX);
            self.since = now;
        }
        let enough = self.saved >= COST;
        if enough {
            self.saved -= COST;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_are_drawn_from_all_of_it() {
        let bounds = [1, 2, 3, 9, 10, 63, 64, 65, 1_000].map(|tries| CALLS.bound(tries).0);
        let cap = CALLS.cap.0;
        assert_eq!(bounds, [200, 400, 800, 51_200, cap, cap, cap, cap, cap]);
        assert_eq!(CALLS.delay(3, 0), Millis(0));
        assert_eq!(CALLS.delay(3, u64::MAX), Millis(800));
        assert_eq!(CALLS.delay(3, u64::MAX / 2), Millis(400));
    }

    #[test]
    fn a_budget_lets_through_what_it_saved_and_then_a_tenth() {
        let now = LogTime::from_micros(0);
        let mut budget = Budget::full(now);
        let mut spent = 0;
        while budget.spend(now) {
            spent += 1;
        }
        assert_eq!(spent, 100);
        for _ in 0..9 {
            budget.earn();
        }
        assert!(
            !budget.spend(now),
            "nine first tries earn less than one retry"
        );
        budget.earn();
        assert!(budget.spend(now) && !budget.spend(now));
        let later = now.plus(Millis(1_000));
        let again = std::iter::repeat_with(|| budget.spend(later)).take_while(|got| *got);
        assert_eq!(again.count(), 10, "ten a second even without first tries");
        budget.answered();
        assert!(
            budget.spend(later) && budget.spend(later),
            "two for an answer"
        );
        assert!(!budget.spend(later));
    }
}
