//! Who may ask: finding the token behind a secret, and tokens of consistency.
//!
//! A secret is 32 random bytes, shown once and kept as its SHA-256. Known tokens are remembered,
//! by hash, until a token event passes by in the log; a hash that nobody knows is asked of the
//! store each time. A [`Position`] is the opaque text that names a place in the log.

use crate::port::{Fault, Map, Store, TokenRow};
use evenkeel_rules::token::Token;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a secret begins with, so that one is recognised where it should not be.
pub const SECRET_PREFIX: &str = "ek_";
/// Most tokens that are remembered.
const REMEMBERED_MAX: usize = 200_000;

/// The SHA-256 under which a secret is kept.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Tokens that were seen lately, by the hash of their secret.
#[derive(Default)]
pub struct Tokens {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    tokens: Map<[u8; 32], Arc<Token>>,
    /// Rises when tokens are forgotten: what was read before that is not remembered after it.
    generation: u64,
}

impl Tokens {
    /// The live token with this secret; nothing if there is none or it was revoked.
    ///
    /// # Errors
    /// A [`Fault`] of the store: whether it exists is not known.
    pub async fn find(&self, store: &dyn Store, secret: &str) -> Result<Option<Arc<Token>>, Fault> {
        let hash = hash(secret);
        let generation = {
            let known = self.known.read();
            if let Some(token) = known.tokens.get(&hash) {
                return Ok(Some(Arc::clone(token)));
            }
            known.generation
        };
        let Some(TokenRow { token, .. }) = store.token(&hash).await? else {
            return Ok(None);
        };
        if token.revoked_at.is_some() {
            return Ok(None);
        }
        let token = Arc::new(token);
        let mut known = self.known.write();
        if known.generation == generation {
            if known.tokens.len() >= REMEMBERED_MAX {
                known.tokens.clear();
            }
            known.tokens.insert(hash, Arc::clone(&token));
        }
        Ok(Some(token))
    }

    /// Forgets all tokens: one of them was revoked.
    pub fn forget(&self) {
        let mut known = self.known.write();
        known.tokens.clear();
        known.generation += 1;
    }
}

/// A place in a log: `<log>.<incarnation>:<position>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The log's id.
    pub log: String,
    /// Rises with every restore of a backup.
    pub incarnation: u32,
    /// The place.
    pub position: u64,
}

/// The text is not a place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of consistency")]
pub struct BadPosition;

impl Position {
    /// The log and its incarnation, as in `main.1`.
    #[must_use]
    pub fn of(&self) -> String {
        format!("{}.{}", self.log, self.incarnation)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}:{}", self.log, self.incarnation, self.position)
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (name, position) = text.rsplit_once(':').ok_or(BadPosition)?;
        let (log, incarnation) = name.rsplit_once('.').ok_or(BadPosition)?;
        let plain = !log.is_empty() && log.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if !plain || !digits(position) || !digits(incarnation) || text.len() > 256 {
            return Err(BadPosition);
        }
        Ok(Self {
            log: log.to_owned(),
            incarnation: incarnation.parse().map_err(|_| BadPosition)?,
            position: position.parse().map_err(|_| BadPosition)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_written_and_read_back() {
        let position = Position {
            log: "main".to_owned(),
            incarnation: 1,
            position: 812,
        };
        assert_eq!(position.to_string(), "main.1:812");
        assert_eq!("main.1:812".parse(), Ok(position));
        for bad in [
            "",
            "main",
            "main.1",
            "main:1",
            "main.x:1",
            "main.1:-1",
            ".1:1",
            "m,n.1:2",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(BadPosition), "{bad}");
        }
    }
}
