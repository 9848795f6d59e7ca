//! Judging recorded histories: session, monotonic and causal reads (I17).
//!
//! A history is what sessions did, one after the other: wrote, read, told one another. A session's
//! *frontier* is the highest position that it wrote at, read at or was told of. No read may be
//! answered at a position before what its level promises, and what it showed must be what the log
//! says at the position that it claims: a claim that is newer than the rows is the worse lie. The
//! checker knows nothing of how reads are answered.

use std::collections::BTreeMap;

/// What a read promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing but that it is true of some position.
    Eventual,
    /// Everything that the session wrote or read.
    Session,
    /// Everything that the session read.
    Monotonic,
    /// Everything that the session wrote or read, or that somebody who told it something had.
    Causal,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Eventual, Self::Session, Self::Monotonic, Self::Causal];
}

/// Something that a session did.
#[derive(Debug, Clone)]
pub enum Act {
    /// It wrote, at a position.
    Wrote(u64),
    /// It read.
    Read {
        /// What was promised.
        level: Level,
        /// The position that the answer claims.
        at: u64,
        /// What it showed: streams and their versions.
        saw: Vec<(String, u64)>,
    },
    /// It told another session something.
    Told(usize),
}

/// What a session has seen, by how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// It wrote.
    pub wrote: u64,
    /// It read.
    pub read: u64,
    /// It was told of.
    pub told: u64,
}

impl Seen {
    /// The position that a read of a level must reach.
    #[must_use]
    pub fn wanted(&self, level: Level) -> u64 {
        match level {
            Level::Eventual => 0,
            Level::Session => self.wrote.max(self.read),
            Level::Monotonic => self.read,
            Level::Causal => self.wrote.max(self.read).max(self.told),
        }
    }

    /// Takes in what a session did; what it tells is taken in by [`Seen::hear`].
    pub fn note(&mut self, act: &Act) {
        match act {
            Act::Wrote(position) => self.wrote = self.wrote.max(*position),
            Act::Read { at, .. } => self.read = self.read.max(*at),
            Act::Told(_) => {}
        }
    }

    /// Takes in what another session tells.
    pub fn hear(&mut self, other: Self) {
        self.told = self.told.max(other.wanted(Level::Causal));
    }
}

/// Versions of streams by position: what the log says.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    streams: BTreeMap<String, Vec<u64>>,
}

impl Truth {
    /// Notes the next event of a stream.
    pub fn note(&mut self, stream: &str, position: u64) {
        let positions = self.streams.entry(stream.to_owned()).or_default();
        positions.push(position);
    }

    /// How many events a stream has at a position.
    #[must_use]
    pub fn version(&self, stream: &str, at: u64) -> u64 {
        let positions = self.streams.get(stream);
        positions.map_or(0, |all| {
            all.partition_point(|position| *position <= at) as u64
        })
    }
}

/// What is wrong with a history: the first read that breaks a promise.
///
/// # Errors
/// The invariant that it breaks, I17 for a read that is too old and I8 for one that does not show
/// what the log says at its position, and what was found, in words.
pub fn check(history: &[(usize, Act)], truth: &Truth) -> Result<(), (&'static str, String)> {
    let mut sessions: BTreeMap<usize, Seen> = BTreeMap::new();
    for (number, (session, act)) in history.iter().enumerate() {
        let seen = *sessions.entry(*session).or_default();
        if let Act::Read { level, at, saw } = act {
            let wanted = seen.wanted(*level);
            if *at < wanted {
                let what = format!(
                    "step {number}: a {level:?} read of session {session} was answered at {at}, \
                     and it had seen {wanted}"
                );
                return Err(("I17", what));
            }
            for (stream, version) in saw {
                let true_version = truth.version(stream, *at);
                if *version != true_version {
                    let what = format!(
                        "step {number}: session {session} was shown version {version} of {stream} \
                         at {at}, where it has version {true_version}"
                    );
                    return Err(("I8", what));
                }
            }
        }
        if let Act::Told(other) = act {
            sessions.entry(*other).or_default().hear(seen);
        }
        sessions.entry(*session).or_default().note(act);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(level: Level, at: u64, saw: &[(&str, u64)]) -> Act {
        let saw = saw
            .iter()
            .map(|(stream, version)| ((*stream).to_owned(), *version));
        Act::Read {
            level,
            at,
            saw: saw.collect(),
        }
    }

    fn truth() -> Truth {
        let mut truth = Truth::default();
        for (stream, position) in [("hold:a", 2), ("hold:b", 4), ("hold:a", 5)] {
            truth.note(stream, position);
        }
        truth
    }

    #[test]
    fn a_history_that_keeps_every_promise_is_taken() {
        let history = [
            (0, Act::Wrote(2)),
            (0, read(Level::Session, 3, &[("hold:a", 1), ("hold:b", 0)])),
            (0, Act::Told(1)),
            (1, read(Level::Causal, 3, &[("hold:a", 1)])),
            (2, read(Level::Eventual, 0, &[])),
            (
                1,
                read(Level::Monotonic, 5, &[("hold:a", 2), ("hold:b", 1)]),
            ),
            (1, read(Level::Eventual, 1, &[("hold:a", 0)])),
        ];
        assert_eq!(check(&history, &truth()), Ok(()));
    }

    #[test]
    fn each_broken_promise_is_found() {
        let wrote = || (0, Act::Wrote(4));
        let cases = [
            (
                "own writes",
                vec![wrote(), (0, read(Level::Session, 3, &[]))],
            ),
            (
                "own reads, in a session",
                vec![
                    (0, read(Level::Eventual, 5, &[])),
                    (0, read(Level::Session, 4, &[])),
                ],
            ),
            (
                "own reads",
                vec![
                    (0, read(Level::Eventual, 5, &[])),
                    (0, read(Level::Monotonic, 4, &[])),
                ],
            ),
            (
                "what somebody told",
                vec![wrote(), (0, Act::Told(1)), (1, read(Level::Causal, 3, &[]))],
            ),
            (
                "what somebody told whom somebody told",
                vec![
                    wrote(),
                    (0, Act::Told(1)),
                    (1, Act::Told(2)),
                    (2, read(Level::Causal, 3, &[])),
                ],
            ),
            (
                "rows that are older than the claim",
                vec![(0, read(Level::Eventual, 5, &[("hold:a", 1)]))],
            ),
            (
                "rows that are newer than the claim",
                vec![(0, read(Level::Eventual, 4, &[("hold:a", 2)]))],
            ),
        ];
        for (what, history) in cases {
            assert!(check(&history, &truth()).is_err(), "{what}");
        }
        let free = [wrote(), (0, read(Level::Monotonic, 3, &[("hold:b", 0)]))];
        assert_eq!(check(&free, &truth()), Ok(()), "a write is no read");
    }
}
