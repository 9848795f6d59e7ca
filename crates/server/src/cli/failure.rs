//! How a command can end other than well, and the exit code of each.
//!
//! `Verdict` is an answer (true or false); `Failure` is that there was none. Messages go to
//! standard error, each line beginning with the program's name, as other tools do.

use std::io::Write;
use std::process::ExitCode;

/// What a command found, when it ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done, and what was asked is so.
    True,
    /// Done, and what was asked is not so: a violated invariant, nothing found.
    False,
}

impl Verdict {
    /// True or false by what was found.
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::True => ExitCode::SUCCESS,
            Self::False => ExitCode::from(1),
        }
    }
}

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server, or the machine, refused what was asked: exit code 1.
    #[error("{0}")]
    Refused(String),
    /// The command line, the configuration or the token is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// A back end does not answer, or another process holds the data directory: exit code 3.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }

    /// Says on standard error what went wrong.
    pub(crate) fn tell(&self) {
        for line in self.to_string().lines() {
            tell(line);
        }
    }
}

impl From<crate::config::Mistakes> for Failure {
    fn from(mistakes: crate::config::Mistakes) -> Self {
        Self::Usage(mistakes.to_string())
    }
}

/// Writes one line to standard error; a closed one is nobody's loss.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "evenkeel: {line}");
}
