//! The knobs: how the stand-in services misbehave, and the dice that decide when.
//!
//! A draw is a hash of the seed and of what it is drawn for (a purpose, a key, an attempt), never
//! of what was drawn before it. The same keys therefore meet the same faults under the same seed,
//! in whatever order and however many at once they come.

use crate::http::fields::{self, Fields};
use crate::http::json::Value;
use crate::http::problem::Problem;
use evenkeel_rules::quantity::MAX;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest time that an answer can be made to take: longer is what `down` is for.
const LATENCY_MAX: i64 = 60_000;

/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Payment,
    Delivery,
    Product,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::Payment, Self::Delivery, Self::Product];

    /// Its name, which is also the first part of its paths.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Product => "product",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// Everything that can be set while the sandbox runs. Rates are from 0.0, never, to 1.0, always.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Knobs {
    /// Added to every answer of a service.
    pub(super) latency: Duration,
    /// Of the intents that come, those that are refused.
    pub(super) refuse_rate: f64,
    /// Of the requests that have their effect, those whose answer never comes.
    pub(super) unknown_rate: f64,
    /// Of the callbacks, those that are sent twice.
    pub(super) duplicate_rate: f64,
    /// Of the callbacks, those that are held back behind a later one of the same order.
    pub(super) reorder_rate: f64,
    /// Services that neither do anything nor call back.
    pub(super) down: BTreeSet<Service>,
    /// Another seed is another run of bad luck.
    pub(super) seed: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            refuse_rate: 0.0,
            unknown_rate: 0.0,
            duplicate_rate: 0.0,
            reorder_rate: 0.0,
            down: BTreeSet::new(),
            seed: 0,
        }
    }
}

impl Knobs {
    /// The set with the members of a body in place of its own; what the body leaves out stays.
    ///
    /// # Errors
    /// The 422 problem that names what does not fit; then nothing is set.
    pub(super) fn turned(&self, body: &Value<'_>) -> Result<Self, Problem> {
        fields::read(body, |fields| {
            let latency = fields.integer_or_none("latency_ms", 0, LATENCY_MAX);
            let refuse_rate = rate(fields, "refuse_rate");
            let unknown_rate = rate(fields, "unknown_rate");
            let duplicate_rate = rate(fields, "duplicate_rate");
            let reorder_rate = rate(fields, "reorder_rate");
            let down = fields.optional("down", services);
            let seed_max = i64::try_from(MAX).expect("2^53-1 fits");
            let seed = fields.integer_or_none("seed", 0, seed_max);
            let latency = latency?.map(|ms| Duration::from_millis(ms.unsigned_abs()));
            Some(Self {
                latency: latency.unwrap_or(self.latency),
                refuse_rate: refuse_rate?.unwrap_or(self.refuse_rate),
                unknown_rate: unknown_rate?.unwrap_or(self.unknown_rate),
                duplicate_rate: duplicate_rate?.unwrap_or(self.duplicate_rate),
                reorder_rate: reorder_rate?.unwrap_or(self.reorder_rate),
                down: down?.unwrap_or_else(|| self.down.clone()),
                seed: seed?.map_or(self.seed, i64::unsigned_abs),
            })
        })
    }

    /// The whole set, as it is shown.
    pub(super) fn shown(&self) -> serde_json::Value {
        let down: Vec<_> = self.down.iter().map(|service| service.name()).collect();
        json!({
            "latency_ms": u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
            "refuse_rate": self.refuse_rate,
            "unknown_rate": self.unknown_rate,
            "duplicate_rate": self.duplicate_rate,
            "reorder_rate": self.reorder_rate,
            "down": down,
            "seed": self.seed,
        })
    }

    /// A number from 0.0 up to, but not, 1.0: always the same for the same seed and words.
    pub(super) fn draw(&self, words: &[&str]) -> f64 {
        let mut hash = Sha256::new_with_prefix(self.seed.to_be_bytes());
        for word in words {
            hash.update(word);
            hash.update([0]);
        }
        let bytes: [u8; 32] = hash.finalize().into();
        let first = u32::from_be_bytes(*bytes.first_chunk().expect("32 bytes are more than 4"));
        f64::from(first) / (f64::from(u32::MAX) + 1.0)
    }
}

fn rate(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Option<f64>> {
    fields.optional(name, |value| {
        let rate = match value {
            Value::Integer(0) => 0.0,
            Value::Integer(1) => 1.0,
            Value::Integer(..0) => return Err("min"),
            Value::Integer(_) => return Err("max"),
            Value::Decimal(text) => text.parse::<f64>().map_err(|_| "type")?,
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Object(_) => {
                return Err("type");
            }
        };
        if rate < 0.0 {
            Err("min")
        } else if rate > 1.0 {
            Err("max")
        } else {
            Ok(rate)
        }
    })
}

fn services(value: &Value<'_>) -> Result<BTreeSet<Service>, &'static str> {
    let Value::List(items) = value else {
        return Err("type");
    };
    let service = |item: &Value<'_>| Service::named(fields::text(item)?).ok_or("enum");
    items.iter().map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::parse;

    fn turned(knobs: &Knobs, body: &str) -> Result<Knobs, String> {
        let value = parse(body.as_bytes()).expect("it is JSON");
        let document = |problem: Problem| String::from_utf8_lossy(&problem.document("")).into();
        knobs.turned(&value).map_err(document)
    }

    #[test]
    fn a_body_turns_what_it_names_and_leaves_the_rest() {
        let body = r#"{"latency_ms": 20, "refuse_rate": 0.25, "unknown_rate": 1, "seed": 7,
            "duplicate_rate": 1e-1, "reorder_rate": 0, "down": ["product", "payment"]}"#;
        let first = turned(&Knobs::default(), body).expect("all of it fits");
        let shown = json!({
            "latency_ms": 20, "refuse_rate": 0.25, "unknown_rate": 1.0, "duplicate_rate": 0.1,
            "reorder_rate": 0.0, "down": ["payment", "product"], "seed": 7,
        });
        assert_eq!(first.shown(), shown);
        let second = turned(&first, r#"{"down": []}"#).expect("it fits");
        let up = Knobs {
            down: BTreeSet::new(),
            ..first
        };
        assert_eq!(second, up);
    }

    #[test]
    fn what_does_not_fit_is_named_and_turns_nothing() {
        for (body, pointer, code) in [
            (r#"{"refuse_rate": 1.5}"#, "/refuse_rate", "max"),
            (r#"{"refuse_rate": 2}"#, "/refuse_rate", "max"),
            (r#"{"refuse_rate": 1e999}"#, "/refuse_rate", "max"),
            (r#"{"unknown_rate": -0.1}"#, "/unknown_rate", "min"),
            (r#"{"unknown_rate": -1}"#, "/unknown_rate", "min"),
            (r#"{"reorder_rate": "1"}"#, "/reorder_rate", "type"),
            (r#"{"latency_ms": 60001}"#, "/latency_ms", "max"),
            (r#"{"latency_ms": 1.5}"#, "/latency_ms", "type"),
            (r#"{"seed": -1}"#, "/seed", "min"),
            (r#"{"down": ["bank"]}"#, "/down", "enum"),
            (r#"{"down": "payment"}"#, "/down", "type"),
            (r#"{"rate": 1}"#, "/rate", "unknown_member"),
        ] {
            let problem = turned(&Knobs::default(), body).expect_err(body);
            let violation = format!(r#"{{"pointer":"{pointer}","code":"{code}"}}"#);
            assert!(problem.contains(&violation), "{body}: {problem}");
        }
    }

    #[test]
    fn draws_repeat_under_one_seed_and_differ_under_another() {
        let (one, other) = (
            Knobs::default(),
            Knobs {
                seed: 1,
                ..Knobs::default()
            },
        );
        assert_eq!(
            one.draw(&["a", "b"]).to_bits(),
            one.draw(&["a", "b"]).to_bits()
        );
        assert_ne!(
            one.draw(&["a", "b"]).to_bits(),
            one.draw(&["ab", ""]).to_bits()
        );
        assert_ne!(one.draw(&["a"]).to_bits(), other.draw(&["a"]).to_bits());
    }

    #[test]
    fn a_rate_is_about_as_frequent_as_it_says() {
        let knobs = Knobs::default();
        let hits = (0..10_000)
            .filter(|number: &u32| knobs.draw(&["refuse", &number.to_string()]) < 0.3)
            .count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }
}
