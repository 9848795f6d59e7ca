//! Signatures of webhooks: made for those we send, judged on those we are sent.
//!
//! The form is that of Standard Webhooks. Three headers, `webhook-id`, `webhook-timestamp` (unix
//! seconds) and `webhook-signature`; what is signed is `{id}.{timestamp}.{body}`, over the bytes of
//! the body as they are, so whoever re-serialises a body breaks its signature. A [`Ring`] holds
//! several secrets: the first signs, all verify, and so a secret is replaced without a gap.
//!
//! Kept: a body is told apart from a forgery in constant time, and its age is judged only after its
//! signature. Never done here: reading a clock, parsing a body, remembering ids (a replay within
//! the window is for whoever stores them).

pub(crate) mod verify;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{PAD, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use evenkeel_engine::port::Ids;
use evenkeel_rules::time::LogTime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderName;
use sha2::Sha256;

/// The header that names an event; the same in each of its deliveries.
pub(crate) const ID: HeaderName = HeaderName::from_static("webhook-id");
/// The header that says when a delivery was signed, in unix seconds.
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header of the signatures.
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret's text begins with when the rest is base64.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret that is made here.
const SECRET_BYTES: usize = 24;
/// Longest id.
const ID_MAX: usize = 255;

/// Other implementations write secrets with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSecret {
    /// There is none, or one without a byte.
    #[error("a webhook secret is not empty")]
    Empty,
    /// `whsec_` announces base64, and what follows is none.
    #[error("a webhook secret that begins with whsec_ goes on in base64")]
    Base64,
}

/// Secrets: the first signs, all verify.
#[derive(Clone)]
pub(crate) struct Ring(Vec<Hmac<Sha256>>);

impl std::fmt::Debug for Ring {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ring({} secrets)", self.0.len())
    }
}

impl Ring {
    /// Takes secrets as they are configured: `whsec_` and base64, or else text taken as it is.
    ///
    /// # Errors
    /// [`BadSecret`] for the first that is none, and for an empty list.
    pub(crate) fn new<T: AsRef<str>>(secrets: &[T]) -> Result<Self, BadSecret> {
        let keyed = |secret: &T| {
            let key = key(secret.as_ref())?;
            Ok(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
        };
        let ring: Vec<_> = secrets.iter().map(keyed).collect::<Result<_, _>>()?;
        if ring.is_empty() {
            return Err(BadSecret::Empty);
        }
        Ok(Self(ring))
    }

    /// Signs a delivery of an event at a moment, with the first secret.
    ///
    /// # Panics
    /// When the id is not 1 to 255 visible ASCII characters: ids of events are made by us.
    pub(crate) fn sign(&self, id: &str, at: LogTime, body: &[u8]) -> Signed {
        assert!(is_id(id), "the id of an event is visible ASCII");
        let timestamp = seconds(at).to_string();
        let signer = self.0.first().expect("a ring is never empty");
        let tag = fed(signer, (id, &timestamp), body).finalize().into_bytes();
        Signed {
            id: id.to_owned(),
            timestamp,
            signature: format!("v1,{}", STANDARD.encode(tag)),
        }
    }
}

/// The values of the three headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
}

impl Signed {
    /// Names and values; all of them are visible ASCII.
    pub(crate) fn headers(&self) -> [(HeaderName, &str); 3] {
        [
            (ID, &self.id),
            (TIMESTAMP, &self.timestamp),
            (SIGNATURE, &self.signature),
        ]
    }
}

/// A new random secret: `whsec_` and 24 bytes in base64.
pub(crate) fn new_secret(ids: &dyn Ids) -> String {
    let bytes = [ids.random(), ids.random()].concat();
    format!("{PREFIX}{}", STANDARD.encode(&bytes[..SECRET_BYTES]))
}

fn key(secret: &str) -> Result<Vec<u8>, BadSecret> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => LENIENT.decode(encoded).map_err(|_| BadSecret::Base64)?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(BadSecret::Empty);
    }
    Ok(key)
}

/// The code of a delivery under a secret, not yet read off.
///
/// The parts are joined by dots and an id may hold dots; the reading is still one, because a
/// timestamp is digits only and no JSON object begins with a digit.
fn fed(secret: &Hmac<Sha256>, (id, timestamp): (&str, &str), body: &[u8]) -> Hmac<Sha256> {
    let mut mac = secret.clone();
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

fn seconds(moment: LogTime) -> i64 {
    moment.micros().div_euclid(1_000_000)
}

fn is_id(id: &str) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
