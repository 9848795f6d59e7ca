//! The server's log, read and understood without the engine's code: hashes, holds, balances.

use crate::buyer::asked;
use crate::server::Wire;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What the log says up to a position.
#[derive(Default)]
pub(crate) struct Ledger {
    position: u64,
    hash: Option<String>,
    /// Lines and state of each hold.
    holds: BTreeMap<String, (Vec<(String, u64)>, &'static str)>,
    /// Hashes of the keys that did something.
    keys: BTreeSet<String>,
    /// Units by SKU and account.
    units: BTreeMap<(String, &'static str), i64>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn holds(&self) -> usize {
        self.holds.len()
    }

    pub(crate) fn lines(&self, id: &str) -> Option<&Vec<(String, u64)>> {
        self.holds.get(id).map(|(lines, _)| lines)
    }

    pub(crate) fn state(&self, id: &str) -> Option<&'static str> {
        self.holds.get(id).map(|(_, state)| *state)
    }

    /// Reads on to the log's end. Panics where the chain is broken or an entry cannot be.
    pub(crate) fn read_on(&mut self, wire: &mut Wire) {
        loop {
            let from = self.position + 1;
            let page = wire.get(&format!("/v1/log?from={from}&limit=200&proof=true"));
            assert_eq!(page.status, 200, "{page:?}");
            let items = page.body["items"].as_array().expect("a page has items");
            for item in items {
                self.take(item);
            }
            if page.body["next_cursor"].is_null() {
                return;
            }
        }
    }

    fn take(&mut self, item: &Value) {
        let member = |name: &str| item[name].as_str().expect("an entry has its proof");
        let (before, text) = (member("previous_hash"), member("text"));
        if let Some(known) = &self.hash {
            assert_eq!(before, known, "another hash at {}", self.position);
        }
        let hash = Sha256::new_with_prefix(bytes(before)).chain_update(text);
        let hash = digits(&hash.finalize());
        assert_eq!(hash, member("hash"), "the chain is broken: {item:#}");
        let entry: Value = serde_json::from_str(text).expect("a text is JSON");
        assert_eq!(entry["position"], self.position + 1, "a gap in the log");
        self.hash = Some(hash);
        self.position += 1;
        if entry["fingerprint"].is_string() {
            let key = entry["cause"]["id"].as_str().expect("a cause has an id");
            let fresh = self.keys.insert(key.to_owned());
            assert!(fresh, "a key took effect twice: {text}");
        }
        for event in entry["events"].as_array().expect("an entry has events") {
            self.note(event);
        }
        for moved in entry["moves"].as_array().expect("an entry has moves") {
            self.shift(moved);
        }
    }

    fn note(&mut self, event: &Value) {
        let stream = event["stream"].as_str().expect("an event has a stream");
        let Some(id) = stream.strip_prefix("hold:") else {
            return;
        };
        if event["type"] == "stock.held" {
            let held = (asked(&event["data"]), "held");
            let twice = self.holds.insert(id.to_owned(), held);
            assert!(twice.is_none(), "{id} was placed twice");
            return;
        }
        let state = match event["type"].as_str().expect("an event has a type") {
            "stock.confirmed" => "confirmed",
            "stock.released" => "released",
            "stock.expired" => "expired",
            kind => panic!("{id} ended as {kind}"),
        };
        let hold = self.holds.get_mut(id).expect("what ends was placed");
        assert_eq!(hold.1, "held", "{id} ended twice");
        hold.1 = state;
    }

    fn shift(&mut self, moved: &Value) {
        let (from, to) = match moved["operation"].as_str().expect("a move has a verb") {
            "receive" => ("supply", "available"),
            "hold" => ("available", "held"),
            "confirm" => ("held", "sold"),
            "release" | "expire" => ("held", "available"),
            verb => panic!("nobody asked for {verb}"),
        };
        let sku = moved["sku"].as_str().expect("a move has a SKU");
        let units = moved["quantity"].as_i64().expect("a move has units");
        *self.units.entry((sku.to_owned(), to)).or_default() += units;
        let left = self.units.entry((sku.to_owned(), from)).or_default();
        *left -= units;
        assert!(from == "supply" || *left >= 0, "oversold: {moved}");
    }

    /// The balances that the server shows are those of the log, and no unit came or went.
    pub(crate) fn check_balances(&mut self, wire: &mut Wire, sku: &str, received: u64) {
        // The sweep goes on meanwhile: an answer is compared at the position that it names.
        let shown = loop {
            self.read_on(wire);
            let shown = wire.get(&format!("/v1/skus/{sku}"));
            if shown.position == Some(self.position) {
                break shown;
            }
        };
        let stock = &shown.body["stock"][0];
        let count = |name: &str| stock[name].as_i64().expect("a balance is a number");
        for account in ["available", "held", "sold"] {
            let logged = self.units.get(&(sku.to_owned(), account)).copied();
            assert_eq!(count(account), logged.unwrap_or(0), "{account} of {sku}");
        }
        assert_eq!(stock["received"], received, "{sku}");
        let parts = count("available") + count("held") + count("sold");
        assert_eq!(parts, count("received"), "units of {sku} came or went");
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
            u8::from_str_radix(pair, 16).expect("a hash is hexadecimal")
        })
        .collect()
}
