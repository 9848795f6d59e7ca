//! How many requests a second one buyer's token, or one address without a token, may make.
//!
//! A window of a second begins with the first request that falls into none; what is over the limit
//! in it is refused, and the next one begins anew. So the limit is exact, and one number and one
//! time are all that is kept of a client. It counts on the monotonic clock, each node for itself.
//!
//! Memory is bounded: windows that are over are forgotten when a shard is full, and when all in it
//! are of this second, whoever is new is let through uncounted. It never refuses anybody for
//! another's requests, but for addresses that one machine has anyhow: of IPv6 the first 64 bits.

use super::problem::{Code, Problem};
use bytes::Bytes;
use evenkeel_rules::ids::TokenId;
use foldhash::fast::FixedState;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};
use metrics::Counter;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::Duration;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(1);
/// Parts of a table, each with a lock of its own.
const SHARDS: usize = 32;
/// Most clients of a shard: 131,072 of a table, some 6 MiB.
const CLIENTS_MAX: usize = 4_096;

/// Most requests a second; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most {
    /// Of one buyer's token.
    pub(crate) token: u64,
    /// Of one address, of requests that carry no valid token.
    pub(crate) address: u64,
}

impl Default for Most {
    fn default() -> Self {
        Self {
            token: 1_000,
            address: 1_000,
        }
    }
}

/// Both limits and whom they count.
pub(crate) struct Rates {
    tokens: Table,
    addresses: Table,
}

impl Rates {
    /// Nobody was counted yet.
    pub(crate) fn new(most: Most) -> Self {
        Self {
            tokens: Table::new("token", most.token),
            addresses: Table::new("address", most.address),
        }
    }

    /// Counts a request of a buyer's token at a monotonic time.
    ///
    /// # Errors
    /// 429 when it is one too many.
    pub(crate) fn token(&self, token: &TokenId, mono: Duration) -> Result<(), Problem> {
        // Two tokens with one hash would share a limit: one pair in 2^64.
        let name = || u128::from(FixedState::default().hash_one(token));
        self.tokens.count(name, mono)
    }

    /// Counts a request without a valid token.
    ///
    /// # Errors
    /// 429 when it is one too many.
    pub(crate) fn address(&self, address: IpAddr, mono: Duration) -> Result<(), Problem> {
        self.addresses.count(|| place_of(address), mono)
    }
}

/// What of an address one client cannot change.
fn place_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    count: u64,
}

impl Window {
    fn is_over(&self, mono: Duration) -> bool {
        mono.saturating_sub(self.began) >= WINDOW
    }
}

#[derive(Default)]
struct Shard {
    clients: HashMap<u128, Window, FixedState>,
    /// When it was last looked through for windows that are over.
    tidied: Duration,
}

struct Table {
    /// The policy's name.
    name: &'static str,
    most: u64,
    shards: Vec<Mutex<Shard>>,
    refused: Counter,
}

impl Table {
    fn new(name: &'static str, most: u64) -> Self {
        Self {
            name,
            most,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            refused: metrics::counter!("evenkeel_rate_refused_total", "policy" => name),
        }
    }

    fn count(&self, client: impl Fn() -> u128, mono: Duration) -> Result<(), Problem> {
        if self.most == 0 {
            return Ok(());
        }
        let client = client();
        let shard = FixedState::default().hash_one(client) >> 59;
        let shard = &self.shards[usize::try_from(shard).expect("five bits")];
        let left = shard.lock().count(client, self.most, mono);
        left.map_or(Ok(()), |left| Err(self.refusal(left)))
    }

    /// 429, with the policy and with when its window ends.
    fn refusal(&self, left: Duration) -> Problem {
        self.refused.increment(1);
        let text = |text: String| {
            let value = HeaderValue::from_maybe_shared(Bytes::from(text));
            value.expect("digits and names are visible ASCII")
        };
        let (name, most, window) = (self.name, self.most, WINDOW.as_secs());
        let seconds = whole_seconds(left);
        Problem::new(Code::RateLimited)
            .header(RETRY_AFTER, text(seconds.to_string()))
            .header(
                HeaderName::from_static("ratelimit-policy"),
                text(format!("\"{name}\";q={most};w={window}")),
            )
            .header(
                HeaderName::from_static("ratelimit"),
                text(format!("\"{name}\";r=0;t={seconds}")),
            )
    }
}

/// Seconds as headers say them: at least so long, and at least one.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1_000))
        .unwrap_or(u64::MAX)
        .max(1)
}

impl Shard {
    /// Counts a request; how long the window goes on, if it is one too many.
    fn count(&mut self, client: u128, most: u64, mono: Duration) -> Option<Duration> {
        if let Some(window) = self.clients.get_mut(&client) {
            if window.is_over(mono) {
                *window = Window {
                    began: mono,
                    count: 1,
                };
                return None;
            }
            if window.count >= most {
                return Some(WINDOW - mono.saturating_sub(window.began));
            }
            window.count += 1;
            return None;
        }
        if self.clients.len() >= CLIENTS_MAX {
            self.tidy(mono);
        }
        if self.clients.len() < CLIENTS_MAX {
            let window = Window {
                began: mono,
                count: 1,
            };
            self.clients.insert(client, window);
        }
        None
    }

    /// Forgets windows that are over, at most ten times a second: it looks at all of them.
    fn tidy(&mut self, mono: Duration) {
        if mono.saturating_sub(self.tidied) >= WINDOW / 10 {
            self.tidied = mono;
            self.clients.retain(|_, window| !window.is_over(mono));
        }
    }
}

#[cfg(test)]
mod tests;
