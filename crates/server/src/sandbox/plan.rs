//! What a card does: the table of tokens.

use std::time::Duration;

/// What becomes of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It is completed, at once or after some time in which it is pending.
    Completes(Duration),
    /// It has failed, with this code.
    Fails(&'static str),
}

/// How a charge with some token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) course: Course,
    /// How often its end is told by callback.
    pub(super) callbacks: u8,
    /// How the first attempt under a key is answered; a repeat is answered at once.
    pub(super) first: First,
    /// Minor units that are charged too few.
    pub(super) short: i64,
}

/// How the first attempt is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// After some time.
    After(Duration),
    /// Not at all, although it was done.
    Lost,
    /// Not at all, and nothing was done: the attempt never came to the bank.
    Unseen,
}

const OK: Plan = Plan {
    course: Course::Completes(Duration::ZERO),
    callbacks: 1,
    first: First::After(Duration::ZERO),
    short: 0,
};

/// A failure that nobody is called about: it is told at once.
const fn failed(code: &'static str) -> Plan {
    Plan {
        course: Course::Fails(code),
        callbacks: 0,
        ..OK
    }
}

/// What the knob for refusals makes of any token.
pub(super) const REFUSED: Plan = failed("refused");
const UNKNOWN: Plan = failed("unknown_token");

const PLANS: &[(&str, Plan)] = &[
    ("tok_ok", OK),
    (
        "tok_declined",
        Plan {
            callbacks: 1,
            ..failed("declined")
        },
    ),
    (
        "tok_slow",
        Plan {
            first: First::After(Duration::from_secs(3)),
            ..OK
        },
    ),
    (
        "tok_timeout_charged",
        Plan {
            first: First::Lost,
            ..OK
        },
    ),
    (
        "tok_timeout_not_charged",
        Plan {
            first: First::Unseen,
            ..OK
        },
    ),
    ("tok_double_callback", Plan { callbacks: 2, ..OK }),
    (
        "tok_late",
        Plan {
            course: Course::Completes(Duration::from_secs(5)),
            ..OK
        },
    ),
    (
        "tok_never",
        Plan {
            course: Course::Completes(Duration::from_secs(1)),
            callbacks: 0,
            ..OK
        },
    ),
    ("tok_wrong_amount", Plan { short: 1, ..OK }),
];

impl Plan {
    /// What the card with this token does.
    pub(super) fn of(token: &str) -> Self {
        let found = PLANS.iter().find(|(name, _)| *name == token);
        found.map_or(UNKNOWN, |(_, plan)| *plan)
    }
}
