//! What is fuzzed of the server: one plain function for each parser of foreign bytes.
//!
//! Each takes any bytes, reads them as its parser would, and asserts what must be true of whatever
//! came of it. None may panic, hang or read with two meanings. The tests drive them with seeds that
//! were mutated, in numbers that `PROPTEST_CASES` sets; `fuzz/` drives the same functions with
//! libFuzzer. Compiled for tests and for `fuzz/` only.

use crate::http::fuzz::headers;
use crate::webhook::Ring;
use crate::webhook::verify::Verdict;
use crate::{config, csv};
use evenkeel_rules::time::LogTime;

pub use crate::client::fuzz::replies;
pub use crate::http::fuzz::{callbacks, heads, json, queries, times, wires};

/// The moment at which deliveries come.
const NOW: LogTime = LogTime::from_micros(1_800_000_000_000_000);

/// A table that was read is read again from what is written of it.
pub fn tables(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(table) = csv::read(text) else {
        return;
    };
    let width = table.columns.len();
    assert!(table.records.iter().all(|record| record.len() == width));
    let values = |record: &Vec<String>| csv::line(record.iter().map(String::as_str));
    let mut lines = vec![values(&table.columns)];
    lines.extend(table.records.iter().map(values));
    // With the mark, so that one that begins the first name is not taken for it.
    let again = format!("\u{feff}{}\n", lines.join("\n"));
    assert_eq!(csv::read(&again), Ok(table), "{again:?}");
}

/// A configuration is accepted whole, or its mistakes are named with lines that the file has.
pub fn configurations(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match config::of_text(text) {
        Ok(loaded) => {
            let config = loaded.config;
            assert!(config.ttl_ms <= config.max_life_ms, "{text}");
            assert!(config.warn_ms == 0 || config.warn_ms < config.confirming_ms);
        }
        Err(mistakes) => {
            assert!(!mistakes.0.is_empty(), "{text}");
            let lines = text.matches('\n').count() + 1;
            for mistake in mistakes.0 {
                let said = mistake.to_string();
                let line = said.strip_prefix("evenkeel.toml:");
                let line = line.and_then(|rest| rest.split(':').next()?.parse().ok());
                let line: usize = line.unwrap_or_else(|| panic!("without a line: {said}"));
                assert!((1..=lines).contains(&line), "{said} of {lines} lines");
            }
        }
    }
}

/// Nobody who does not know the secret signs a body; what is signed is taken, and nothing like it.
pub fn signatures(bytes: &[u8]) {
    let ring = Ring::new(&["a secret of the shop"]).expect("a secret is not empty");
    let (lines, body) = headers(bytes);
    let forged = ring.verify(&lines, body, NOW);
    assert!(
        !matches!(forged, Verdict::Ok(_) | Verdict::Stale),
        "{lines:?}"
    );
    let signed = ring.sign("event-1", NOW, body);
    let mut honest = ::http::HeaderMap::new();
    for (name, value) in signed.headers() {
        let value = ::http::HeaderValue::from_str(value).expect("visible ASCII");
        honest.insert(name, value);
    }
    let taken = ring.verify(&honest, body, NOW);
    assert_eq!(taken, Verdict::Ok("event-1".to_owned()));
    let longer = [body, b"\n"].concat();
    assert_eq!(ring.verify(&honest, &longer, NOW), Verdict::BadSignature);
}

/// A secret is keyed or refused; what is keyed verifies what it signs.
pub fn secrets(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(ring) = Ring::new(&[text]) {
        let signed = ring.sign("event-1", NOW, b"{}");
        assert!(signed.signature.starts_with("v1,"), "{text:?}");
        assert!(!text.is_empty());
    }
}

#[cfg(test)]
mod tests;
