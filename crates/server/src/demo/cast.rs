//! Who the buyers are, decided before the sale, so that its end can be foretold.
//!
//! Only those who never give up end with a unit: what the others hold or order always comes back,
//! unless their cancel comes too late. So the units sold must be the smaller of the units there are
//! and the willing, those who had to keep theirs among them.

use super::Faults;
use std::time::Duration;

/// A card that does what it should.
pub(super) const GOOD: &str = "tok_ok";
/// Longest time until somebody who changes its mind calls its order off.
const REGRET: Duration = Duration::from_millis(300);

/// What a buyer is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Never gives up: orders, with another card if the first is declined.
    Willing,
    /// Never gives up, and sends each request twice at once, with one key.
    DoubleClick,
    /// Never gives up; takes a hold first and orders on it.
    HoldFirst,
    /// Orders, and calls it off.
    Cancel,
    /// Orders with a card that pays too little; its money goes back at the limit.
    Short,
    /// Takes a hold with a short life and is never seen again.
    Abandon,
    /// Takes a hold and thinks better of it.
    Release,
    /// Goes away at the first refusal; does not keep what it gets either.
    GiveUp,
}

impl Temper {
    pub(super) fn is_willing(self) -> bool {
        matches!(self, Self::Willing | Self::DoubleClick | Self::HoldFirst)
    }

    /// How often it asks for a unit that is sold out.
    pub(super) fn tries(self) -> u32 {
        match self {
            Self::Willing | Self::DoubleClick | Self::HoldFirst => u32::MAX,
            Self::Abandon | Self::Release | Self::Cancel => 5,
            Self::GiveUp | Self::Short => 1,
        }
    }
}

/// Thirteen of twenty are willing; mixed, so that a handful of buyers is a mixture too.
const MIXTURE: [Temper; 20] = {
    use Temper::{Abandon, Cancel, DoubleClick, GiveUp, HoldFirst, Release, Short, Willing};
    [
        Willing,
        DoubleClick,
        Abandon,
        Willing,
        Cancel,
        HoldFirst,
        Short,
        DoubleClick,
        Willing,
        Abandon,
        Willing,
        HoldFirst,
        Release,
        DoubleClick,
        Willing,
        GiveUp,
        Willing,
        Cancel,
        DoubleClick,
        Willing,
    ]
};

/// The cards of the willing: every other one is good, two of sixteen are declined.
const CARDS: [&str; 16] = [
    GOOD,
    "tok_declined",
    GOOD,
    "tok_double_callback",
    GOOD,
    "tok_late",
    GOOD,
    "tok_never",
    GOOD,
    "tok_timeout_charged",
    GOOD,
    "tok_timeout_not_charged",
    GOOD,
    "tok_slow",
    GOOD,
    "tok_declined",
];

/// What a willing buyer wants back once it has what it wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// Some money, for a scratch.
    Part,
    /// All of it, once the parcel is on its way.
    All,
}

/// One buyer's part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) temper: Temper,
    /// The card of its first order.
    pub(super) card: &'static str,
    pub(super) wish: Wish,
    /// When it comes, counted from the opening.
    pub(super) arrives: Duration,
    /// How long it looks at what it has before it goes on.
    pub(super) thinks: Duration,
    /// Life of its hold; nothing: the server's own.
    pub(super) ttl_ms: Option<u64>,
}

/// Parts for so many buyers who arrive within a window: every other one in its first tenth.
/// Without faults all cards are good, and nobody pays too little.
pub(super) fn cast(
    buyers: u32,
    (window, faults): (Duration, Faults),
    rng: &mut fastrand::Rng,
) -> Vec<Part> {
    let part = |(number, temper): (u32, &Temper)| {
        let good = faults == Faults::None;
        let temper = match *temper {
            Temper::Short if good => Temper::Release,
            other => other,
        };
        // Who pays too little keeps others waiting until the limit: it comes early or not at all.
        let rush = number % 2 == 0 || temper == Temper::Short;
        let span = if rush { window / 10 } else { window };
        Part {
            temper,
            card: if good { GOOD } else { card(temper, rng) },
            wish: wish(temper, rng),
            arrives: span.mul_f64(rng.f64()),
            thinks: match temper {
                Temper::Cancel => REGRET.mul_f64(rng.f64()),
                _ => window.mul_f64(0.05 + 0.45 * rng.f64()),
            },
            ttl_ms: (temper == Temper::Abandon).then(|| rng.u64(1000..=2000)),
        }
    };
    (0..buyers).zip(MIXTURE.iter().cycle()).map(part).collect()
}

fn card(temper: Temper, rng: &mut fastrand::Rng) -> &'static str {
    match temper {
        Temper::Willing | Temper::DoubleClick | Temper::HoldFirst => CARDS[rng.usize(..16)],
        // Called off while its money is on its way, or behind that.
        Temper::Cancel if rng.bool() => "tok_late",
        Temper::Short => "tok_wrong_amount",
        Temper::Cancel | Temper::Abandon | Temper::Release | Temper::GiveUp => GOOD,
    }
}

fn wish(temper: Temper, rng: &mut fastrand::Rng) -> Wish {
    match rng.u8(..16) {
        0 | 1 if temper.is_willing() => Wish::Part,
        2 if temper.is_willing() => Wish::All,
        _ => Wish::Nothing,
    }
}

/// Units that the willing want: one each.
pub(super) fn willing(parts: &[Part]) -> u64 {
    parts.iter().filter(|part| part.temper.is_willing()).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(buyers: u32, faults: Faults) -> Vec<Part> {
        let mut rng = fastrand::Rng::with_seed(1);
        cast(buyers, (Duration::from_secs(3), faults), &mut rng)
    }

    #[test]
    fn thirteen_of_twenty_are_willing_and_every_temper_card_and_wish_is_there() {
        let parts = of(2000, Faults::Some);
        assert_eq!((parts.len(), willing(&parts)), (2000, 1300));
        for temper in MIXTURE {
            assert!(parts.iter().any(|part| part.temper == temper), "{temper:?}");
        }
        for card in CARDS.into_iter().chain(["tok_wrong_amount"]) {
            assert!(parts.iter().any(|part| part.card == card), "{card}");
        }
        for wish in [Wish::Part, Wish::All] {
            assert!(parts.iter().any(|part| part.wish == wish), "{wish:?}");
        }
    }

    #[test]
    fn nobody_who_is_willing_pays_too_little_and_nobody_else_wants_money_back() {
        for part in of(2000, Faults::Many) {
            let willing = part.temper.is_willing();
            assert!(!willing || part.card != "tok_wrong_amount");
            assert!(willing || part.wish == Wish::Nothing);
        }
    }

    #[test]
    fn without_faults_every_card_is_good_and_the_willing_are_as_many() {
        let parts = of(2000, Faults::None);
        assert_eq!(willing(&parts), 1300);
        let fine = |part: &Part| part.card == GOOD && part.temper != Temper::Short;
        assert!(parts.iter().all(fine));
    }

    #[test]
    fn all_arrive_in_the_window_and_half_of_them_at_its_beginning() {
        let (window, parts) = (Duration::from_secs(3), of(1000, Faults::Some));
        let fits = |part: &Part| part.arrives <= window && part.thinks <= window / 2;
        assert!(parts.iter().all(fits));
        let early = parts.iter().filter(|part| part.arrives <= window / 10);
        assert!(early.count() >= 500);
        let short = |part: &Part| part.ttl_ms.is_some_and(|ttl| (1000..=2000).contains(&ttl));
        let abandons = |part: &Part| part.temper == Temper::Abandon;
        assert!(parts.iter().all(|part| short(part) == abandons(part)));
    }

    #[test]
    fn a_single_buyer_is_willing() {
        assert_eq!(willing(&of(1, Faults::Some)), 1);
    }
}
