//! One intent, one effect: how a key that came before is judged.
//!
//! A key is the caller's name for one intent, a [`Fingerprint`] the hash of that intent. A key
//! that is not known is fresh; one known with the same fingerprint is answered as the first time;
//! with another fingerprint it is refused; and one whose batch has an unknown outcome is in
//! flight. Keys never expire.

use serde::{Deserialize, Serialize};

/// The first 16 bytes of the SHA-256 of what was asked.
pub type Fingerprint = [u8; 16];

/// What is known of a key when a command arrives with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nobody used it.
    Absent,
    /// It was used for the intent with this fingerprint.
    Used(Fingerprint),
    /// It is part of a batch whose outcome is not known yet.
    Unresolved,
}

/// What to do with a command that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Judge the command.
    Fresh,
    /// Answer as the first time; no second effect.
    Replay,
}

/// Why a key was refused, in the order of checking. Both are momentary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code")]
pub enum Rejection {
    /// The same key is being worked on; the same request later gives the answer.
    #[error("a request with this key is still running")]
    #[serde(rename = "in_flight")]
    InFlight,
    /// The key was used for another intent.
    #[error("this key was used for another request")]
    #[serde(rename = "key_reused")]
    KeyReused,
}

/// Judges a key.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn judge(known: Known, asked: &Fingerprint) -> Result<Verdict, Rejection> {
    match known {
        Known::Unresolved => Err(Rejection::InFlight),
        Known::Used(first) if first != *asked => Err(Rejection::KeyReused),
        Known::Used(_) => Ok(Verdict::Replay),
        Known::Absent => Ok(Verdict::Fresh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_fresh_replayed_mismatched_or_in_flight() {
        let (same, other) = ([1; 16], [2; 16]);
        let table = [
            (Known::Unresolved, Err(Rejection::InFlight)),
            (Known::Used(other), Err(Rejection::KeyReused)),
            (Known::Used(same), Ok(Verdict::Replay)),
            (Known::Absent, Ok(Verdict::Fresh)),
        ];
        for (known, expected) in table {
            assert_eq!(judge(known, &same), expected, "{known:?}");
        }
    }
}
