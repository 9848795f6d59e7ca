//! Judging what came: the three headers, the signatures, the age.

use super::{ID, Ring, SIGNATURE, TIMESTAMP, fed, is_id, seconds};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_rules::time::LogTime;
use hmac::{Hmac, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// A signature may be this many seconds old, or ahead.
const TOLERANCE: u64 = 300;
/// Most signatures in one header: each costs a comparison with each secret.
const SIGNATURES_MAX: usize = 16;

/// What came of judging a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A header is missing: 401 `unauthenticated`.
    Missing,
    /// A header stands twice or is not of the form: 401 `unauthenticated`.
    Malformed,
    /// No secret of the ring made any of the signatures: 401 `unauthenticated`.
    BadSignature,
    /// Signed well, more than 300 seconds ago or ahead: 401 `stale`.
    Stale,
    /// Signed well and in time; the event's id.
    Ok(String),
}

impl Ring {
    /// Judges a delivery by its headers, its body's bytes and the time at which it came.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8], now: LogTime) -> Verdict {
        let Delivery {
            id,
            timestamp,
            signatures,
        } = match Delivery::read(headers) {
            Ok(delivery) => delivery,
            Err(verdict) => return verdict,
        };
        let matches = |secret: &Hmac<Sha256>| {
            let mac = fed(secret, (id, timestamp), body);
            // Every pair is compared, whatever came of those before.
            signatures.iter().fold(false, |any, signature| {
                any | mac.clone().verify_slice(signature).is_ok()
            })
        };
        if !self.0.iter().fold(false, |any, one| any | matches(one)) {
            return Verdict::BadSignature;
        }
        match timestamp.parse::<i64>() {
            Ok(signed) if signed.abs_diff(seconds(now)) <= TOLERANCE => Verdict::Ok(id.to_owned()),
            Ok(_) | Err(_) => Verdict::Stale,
        }
    }
}

/// The headers of a delivery, read.
struct Delivery<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Delivery<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, Verdict> {
        let [id, timestamp, signatures] = [ID, TIMESTAMP, SIGNATURE].map(|name| {
            let mut values = headers.get_all(name).iter();
            let value = values.next().ok_or(Verdict::Missing)?;
            match (value.to_str(), values.next()) {
                (Ok(text), None) => Ok(text),
                (Err(_), _) | (_, Some(_)) => Err(Verdict::Malformed),
            }
        });
        let delivery = Self {
            id: id?,
            timestamp: timestamp?,
            signatures: listed(signatures?).ok_or(Verdict::Malformed)?,
        };
        let digits = delivery.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        if is_id(delivery.id) && digits && !delivery.timestamp.is_empty() {
            Ok(delivery)
        } else {
            Err(Verdict::Malformed)
        }
    }
}

/// The signatures of the one version that is known; what is none is passed over, for a list may
/// hold those of versions to come.
fn listed(text: &str) -> Option<Vec<Vec<u8>>> {
    let known = |entry: &str| STANDARD.decode(entry.strip_prefix("v1,")?).ok();
    let found: Vec<_> = text.split(' ').filter_map(known).collect();
    let count = found.len();
    (1..=SIGNATURES_MAX).contains(&count).then_some(found)
}
