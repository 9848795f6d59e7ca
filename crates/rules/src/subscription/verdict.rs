//! What an answer to a posted event means.
//!
//! A subscriber that is not there, or says that it is in trouble, is tried again for ever: that
//! says nothing of the event. One that refuses the event itself gets it parked. In between are
//! answers that may mean either; they count against the event only while others are accepted.

use super::DOUBTS_MAX;

/// What was heard of a posted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// An answer with this status.
    Status(u16),
    /// A broker has it, durably.
    Taken,
    /// A broker refuses this very event for good: it is too large, say.
    Refused,
    /// Nothing, in time; it may have arrived.
    Nothing,
    /// It was not sent: no such host, nobody listens, the address is blocked.
    NotSent,
}

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It is delivered.
    Delivered,
    /// The subscriber is in trouble: the same again later, for as long as it takes.
    Again,
    /// The subscriber or the event: the same again later, but not for ever while others pass.
    Doubtful,
    /// This event is refused for good: its stream is parked.
    Refused,
    /// The subscriber wants nothing any more: the subscription is paused.
    Gone,
}

/// Judges an answer; `doubts` are the doubtful answers that this event got while others passed.
#[must_use]
pub const fn judge(heard: Heard, doubts: u32) -> Judged {
    match heard {
        Heard::Status(200..=299) | Heard::Taken => Judged::Delivered,
        Heard::Status(410) => Judged::Gone,
        // The place has moved, or is busy: that is about the place.
        Heard::Status(300..=399 | 408 | 425 | 429) => Judged::Again,
        Heard::Status(409) => doubtful(doubts),
        Heard::Status(400..=499) | Heard::Refused => Judged::Refused,
        Heard::Status(502..=504) => Judged::Again,
        Heard::Status(500..=599) => doubtful(doubts),
        Heard::Status(_) | Heard::Nothing | Heard::NotSent => Judged::Again,
    }
}

const fn doubtful(doubts: u32) -> Judged {
    if doubts < DOUBTS_MAX {
        Judged::Doubtful
    } else {
        Judged::Refused
    }
}
