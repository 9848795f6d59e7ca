//! What is done to the servers in mid-sale, and when.

use super::Faults;
use std::time::Duration;

/// How long the delivery service is down.
const DOWN: Duration = Duration::from_secs(1);

/// One thing that goes wrong, or ends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// The engine is killed with -9, and started again.
    Kill,
    /// Callbacks come twice and in the wrong order from here on.
    Restless,
    /// The delivery service is down.
    DeliveryDown,
    /// It is up again.
    DeliveryUp,
    /// The providers are ended and started again.
    Restart,
}

impl Blow {
    /// What a person who watches is told.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Kill => "kill -9 of the server",
            Self::Restless => "from here on callbacks come twice and in the wrong order",
            Self::DeliveryDown => "the delivery provider is down",
            Self::DeliveryUp => "the delivery provider is up again",
            Self::Restart => "the providers were ended and started again",
        }
    }
}

/// What happens to a sale whose buyers arrive within a window, in order of time from its opening.
pub(super) fn blows(faults: Faults, window: Duration) -> Vec<(Duration, Blow)> {
    let shares: &[(f64, Blow)] = match faults {
        Faults::None => &[],
        Faults::Some => &[
            (0.0, Blow::Restless),
            (0.05, Blow::DeliveryDown),
            (0.4, Blow::Kill),
        ],
        Faults::Many => &[
            (0.0, Blow::Restless),
            (0.05, Blow::DeliveryDown),
            (0.2, Blow::Kill),
            (0.5, Blow::Kill),
            (0.65, Blow::Restart),
            (0.8, Blow::Kill),
        ],
    };
    let mut blows = Vec::new();
    for (share, blow) in shares {
        let at = window.mul_f64(*share);
        blows.push((at, *blow));
        if *blow == Blow::DeliveryDown {
            blows.push((at + DOWN, Blow::DeliveryUp));
        }
    }
    blows.sort_by_key(|(at, _)| *at);
    blows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(faults: Faults, blow: Blow) -> usize {
        let blows = blows(faults, Duration::from_secs(3));
        assert!(blows.is_sorted_by_key(|(at, _)| *at));
        blows.iter().filter(|(_, it)| *it == blow).count()
    }

    #[test]
    fn what_goes_down_comes_up_again_and_many_is_more_than_some() {
        for faults in [Faults::None, Faults::Some, Faults::Many] {
            let downs = count(faults, Blow::DeliveryDown);
            assert_eq!(downs, count(faults, Blow::DeliveryUp), "{faults:?}");
            assert_eq!(downs, count(faults, Blow::Restless), "{faults:?}");
        }
        let kills = [Faults::None, Faults::Some, Faults::Many].map(|it| count(it, Blow::Kill));
        assert_eq!(kills, [0, 1, 3]);
        assert_eq!(count(Faults::Many, Blow::Restart), 1);
    }
}
