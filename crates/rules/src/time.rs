//! Log time and durations.
//!
//! Every judgement about time is made on *log time*: microseconds since 1970-01-01T00:00:00Z,
//! never falling from one batch to the next. Rules receive it as an argument; nothing here reads a
//! clock.

use serde::{Deserialize, Serialize};

/// A moment on the log's clock, in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogTime(i64);

impl LogTime {
    /// A moment given in microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; the end of time when it would lie beyond it.
    #[must_use]
    pub const fn plus(self, duration: Millis) -> Self {
        Self(
            self.0
                .saturating_add_unsigned(duration.0.saturating_mul(1000)),
        )
    }

    /// The moment `duration` earlier; the beginning of time when it would lie before it.
    #[must_use]
    pub const fn minus(self, duration: Millis) -> Self {
        Self(
            self.0
                .saturating_sub_unsigned(duration.0.saturating_mul(1000)),
        )
    }

    /// How long before `later` this moment is, rounded down; zero when it is not before.
    #[must_use]
    pub const fn until(self, later: Self) -> Millis {
        let micros = later.0.saturating_sub(self.0);
        Millis(if micros > 0 {
            micros.unsigned_abs() / 1000
        } else {
            0
        })
    }
}

/// A length of time in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_plus_a_duration_is_later_and_never_wraps() {
        let start = LogTime::from_micros(5);
        assert_eq!(start.plus(Millis(2)), LogTime::from_micros(2_005));
        let end = LogTime::from_micros(i64::MAX);
        assert_eq!(end.plus(Millis(u64::MAX)), end);
    }

    #[test]
    fn a_moment_less_a_duration_is_earlier_and_never_wraps() {
        let end = LogTime::from_micros(5_000);
        assert_eq!(end.minus(Millis(2)), LogTime::from_micros(3_000));
        let start = LogTime::from_micros(i64::MIN);
        assert_eq!(start.minus(Millis(u64::MAX)), start);
    }

    #[test]
    fn the_time_until_an_earlier_moment_is_zero() {
        let (early, late) = (LogTime::from_micros(0), LogTime::from_micros(1_999));
        assert_eq!(early.until(late), Millis(1));
        assert_eq!(late.until(early), Millis(0));
    }
}
