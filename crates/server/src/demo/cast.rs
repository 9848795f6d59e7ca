//! Who the buyers are, decided before the sale, so that its end can be foretold.
//!
//! Only those who never give up end with a sale: what the others hold always comes back. So the
//! units sold must be the smaller of the units there are and the willing.

use std::time::Duration;

/// What a buyer is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Never gives up; pays in the end.
    Willing,
    /// Never gives up, and sends each request twice at once, with one key.
    DoubleClick,
    /// Takes a hold with a short life and is never seen again.
    Abandon,
    /// Takes a hold and thinks better of it.
    Release,
    /// Goes away at the first refusal; does not keep what it gets either.
    GiveUp,
}

impl Temper {
    pub(super) fn is_willing(self) -> bool {
        matches!(self, Self::Willing | Self::DoubleClick)
    }
}

/// Thirteen of twenty are willing; mixed, so that a handful of buyers is a mixture too.
const MIXTURE: [Temper; 20] = {
    use Temper::{Abandon, DoubleClick, GiveUp, Release, Willing};
    [
        Willing,
        DoubleClick,
        Abandon,
        Willing,
        Release,
        Willing,
        GiveUp,
        DoubleClick,
        Willing,
        Abandon,
        Willing,
        Willing,
        Release,
        DoubleClick,
        Willing,
        GiveUp,
        Willing,
        Abandon,
        DoubleClick,
        Willing,
    ]
};

/// One buyer's part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) temper: Temper,
    /// When it comes, counted from the opening.
    pub(super) arrives: Duration,
    /// How long it looks at its hold before it pays or gives it back.
    pub(super) thinks: Duration,
    /// Life of its hold; nothing: the server's own.
    pub(super) ttl_ms: Option<u64>,
}

/// Parts for so many buyers who arrive within a window: every other one in its first tenth.
pub(super) fn cast(buyers: u32, window: Duration, rng: &mut fastrand::Rng) -> Vec<Part> {
    let part = |(number, temper): (u32, &Temper)| {
        let rush = number % 2 == 0;
        let span = if rush { window / 10 } else { window };
        Part {
            temper: *temper,
            arrives: span.mul_f64(rng.f64()),
            thinks: window.mul_f64(0.05 + 0.45 * rng.f64()),
            ttl_ms: (*temper == Temper::Abandon).then(|| rng.u64(1000..=2000)),
        }
    };
    (0..buyers).zip(MIXTURE.iter().cycle()).map(part).collect()
}

/// Units that the willing want: one each.
pub(super) fn willing(parts: &[Part]) -> u64 {
    parts.iter().filter(|part| part.temper.is_willing()).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_of_twenty_are_willing_and_every_temper_is_there() {
        let mut rng = fastrand::Rng::with_seed(1);
        let parts = cast(2000, Duration::from_secs(3), &mut rng);
        assert_eq!((parts.len(), willing(&parts)), (2000, 1300));
        for temper in MIXTURE {
            assert!(parts.iter().any(|part| part.temper == temper), "{temper:?}");
        }
    }

    #[test]
    fn all_arrive_in_the_window_and_half_of_them_at_its_beginning() {
        let window = Duration::from_secs(3);
        let parts = cast(1000, window, &mut fastrand::Rng::with_seed(2));
        assert!(
            parts
                .iter()
                .all(|part| part.arrives <= window && part.thinks <= window / 2)
        );
        assert!(
            parts
                .iter()
                .filter(|part| part.arrives <= window / 10)
                .count()
                >= 500
        );
        let short = |part: &Part| part.ttl_ms.is_some_and(|ttl| (1000..=2000).contains(&ttl));
        assert!(
            parts
                .iter()
                .all(|part| short(part) == (part.temper == Temper::Abandon))
        );
    }

    #[test]
    fn a_single_buyer_is_willing() {
        let parts = cast(1, Duration::from_secs(1), &mut fastrand::Rng::with_seed(3));
        assert_eq!(willing(&parts), 1);
    }
}
