//! What the generator's loop knows of a side: how to ask it and when it has answered.
//!
//! A side writes whole requests and judges whole answers; it never reads or waits itself.

/// What the bytes that came so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Not a whole answer.
    NotYet,
    /// The answer that was expected.
    Wanted,
    /// A whole answer, but another one.
    Other,
}

/// One connection's partner.
pub(crate) trait Side: Send {
    /// What is said before the first request, each answered before the next.
    fn greetings(&mut self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Appends the next request.
    fn ask(&mut self, outgoing: &mut Vec<u8>);

    /// Judges what came since the request was sent.
    ///
    /// # Errors
    /// It is no answer in the side's protocol.
    fn answered(&mut self, bytes: &[u8]) -> anyhow::Result<Answered>;
}

/// Names that no other round, connection or request has.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    dice: fastrand::Rng,
}

impl Names {
    pub(crate) fn new() -> Self {
        let dice = fastrand::Rng::new();
        Self { dice }
    }

    /// A number that is met once.
    pub(crate) fn unique(&mut self) -> u128 {
        self.dice.u128(..)
    }

    /// One of so many.
    pub(crate) fn one_of(&mut self, many: u32) -> u32 {
        self.dice.u32(..many.max(1))
    }
}
