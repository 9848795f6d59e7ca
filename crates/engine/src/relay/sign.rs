//! Signatures of posts, in the form of Standard Webhooks.
//!
//! What is signed is `{id}.{timestamp}.{body}`, over the bytes of the body as they are. While a
//! secret is replaced both sign, the newer first, so whoever checks with either accepts.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{PAD, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret's text begins with.
pub const PREFIX: &str = "whsec_";
/// Fewest bytes of a secret.
pub const SECRET_MIN: usize = 24;
/// Most bytes of a secret.
pub const SECRET_MAX: usize = 64;

/// Other implementations write secrets with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and 24 to 64 bytes in base64")]
pub struct BadSecret;

/// Secrets that sign together.
#[derive(Clone)]
pub(crate) struct Ring(Vec<Hmac<Sha256>>);

impl Ring {
    /// Takes secrets, the newest first; one that is none signs nothing.
    pub(crate) fn new<T: AsRef<str>>(secrets: &[T]) -> Self {
        let keys = secrets.iter().filter_map(|it| key(it.as_ref()).ok());
        let keyed = |key: Vec<u8>| Hmac::new_from_slice(&key).expect("HMAC takes any length");
        Self(keys.map(keyed).collect())
    }

    /// The value of the header of signatures.
    pub(crate) fn sign(&self, (id, timestamp): (&str, &str), body: &[u8]) -> String {
        let signed = self.0.iter().map(|key| {
            let mut mac = key.clone();
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

/// Whether a text that a client sent may be a secret.
///
/// # Errors
/// [`BadSecret`].
pub fn check_secret(text: &str) -> Result<(), BadSecret> {
    key(text).map(drop)
}

/// A secret of these bytes, as text.
#[must_use]
pub fn secret_of(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

fn key(secret: &str) -> Result<Vec<u8>, BadSecret> {
    let encoded = secret.strip_prefix(PREFIX).ok_or(BadSecret)?;
    let key = LENIENT.decode(encoded).map_err(|_| BadSecret)?;
    if (SECRET_MIN..=SECRET_MAX).contains(&key.len()) {
        Ok(key)
    } else {
        Err(BadSecret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_signed_as_the_standard_says() {
        // The example of the specification of Standard Webhooks.
        let ring = Ring::new(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let signed = ring.sign(
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_beside_each_other() {
        let (old, new) = (secret_of(&[1; 24]), secret_of(&[2; 24]));
        let both = Ring::new(&[&new, &old]).sign(("a", "1"), b"{}");
        let one = |secret| Ring::new(&[secret]).sign(("a", "1"), b"{}");
        assert_eq!(both, format!("{} {}", one(&new), one(&old)));
    }

    #[test]
    fn a_secret_is_prefixed_base64_of_24_to_64_bytes() {
        let long = |bytes: usize| check_secret(&secret_of(&vec![7; bytes]));
        assert_eq!(long(24), Ok(()));
        assert_eq!(long(64), Ok(()));
        for bytes in [0, 23, 65] {
            assert_eq!(long(bytes), Err(BadSecret), "{bytes}");
        }
        assert_eq!(check_secret("whsec_*"), Err(BadSecret));
        assert_eq!(check_secret(&"x".repeat(32)), Err(BadSecret));
    }
}
