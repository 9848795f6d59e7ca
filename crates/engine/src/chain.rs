//! The text of a log row, and the hashes that chain the rows.
//!
//! [`Text`] writes a commit's facts once, as one JSON object; those exact bytes are hashed and
//! stored and never serialised again. Hash 0 covers the log's id and a random salt; hash n covers
//! hash n-1 and the text of row n. [`Entry`] reads a row back.

use crate::commit::{Name, name_of};
use evenkeel_rules::event::{Aggregate, FORMAT, Kind, downcast, upcast};
use evenkeel_rules::idempotency::Fingerprint;
use evenkeel_rules::ids::BadId;
use evenkeel_rules::stock::Move;
use evenkeel_rules::time::LogTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::Write;

/// A link of the chain.
pub type Hash = [u8; 32];

/// Hash 0 of a log.
#[must_use]
pub fn origin(log: &str, salt: &[u8; 16]) -> Hash {
    Sha256::new_with_prefix(log)
        .chain_update([0])
        .chain_update(salt)
        .finalize()
        .into()
}

/// The hash of a row whose predecessor has the hash `previous`.
#[must_use]
pub fn link(previous: &Hash, text: &[u8]) -> Hash {
    Sha256::new_with_prefix(previous)
        .chain_update(text)
        .finalize()
        .into()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let mut digits = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        digits.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    String::from_utf8(digits).expect("digits are ASCII")
}

/// Bytes from hexadecimal digits; nothing if the text is anything else or of another length.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// One event to be written: everything but the position, which the text has once.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// What happened.
    pub kind: Kind,
    /// The id of the aggregate; the stream is `<aggregate>:<id>`.
    pub id: &'a str,
    /// Its number in the stream, from 1.
    pub version: u64,
    /// The position of the stream's event before it; 0 for the first.
    pub previous: u64,
    /// What the aggregate's body shows after it, as JSON in this build's format.
    pub data: &'a [u8],
}

/// Why a commit was made.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The command's name, or the loop's.
    pub kind: &'a str,
    /// The key's hash with the fingerprint, for a command that had one.
    pub key: Option<(&'a Name, &'a Fingerprint)>,
    /// What it is about, for a commit without key.
    pub id: &'a str,
    /// The token that asked, or `engine`.
    pub actor: &'a str,
    /// The lease under which the engine acted, where nodes share the store.
    pub lease: Option<u64>,
}

/// Writes a row's text, part by part.
#[derive(Debug)]
pub struct Text {
    bytes: Vec<u8>,
    format: u32,
}

impl Text {
    /// Begins a text in the format that the store's writers may use.
    #[must_use]
    pub fn begin(position: u64, at: LogTime, format: u32, cause: Cause<'_>) -> Self {
        let bytes = Vec::with_capacity(640);
        let mut text = Self { bytes, format };
        text.raw("{\"position\":");
        text.number(position);
        text.raw(",\"at\":");
        text.put(format_args!("{}", at.micros()));
        text.raw(",\"format\":");
        text.number(u64::from(format));
        text.raw(",\"cause\":{\"kind\":\"");
        text.raw(cause.kind);
        text.raw("\",\"id\":\"");
        match cause.key {
            Some((name, fingerprint)) => {
                text.hex(name);
                text.lease(cause.lease);
                text.raw("},\"fingerprint\":\"");
                text.hex(fingerprint);
                text.raw("\"");
            }
            None => {
                text.raw(cause.id);
                text.lease(cause.lease);
                text.raw("},\"fingerprint\":null");
            }
        }
        text.raw(",\"actor\":\"");
        text.raw(cause.actor);
        text.raw("\",\"events\":[");
        text
    }

    /// Ends the cause's id, and adds the lease if there is one.
    fn lease(&mut self, lease: Option<u64>) {
        self.raw("\"");
        if let Some(token) = lease {
            self.raw(",\"lease\":");
            self.number(token);
        }
    }

    /// Adds an event, its data in the text's format.
    pub fn event(&mut self, event: &NewEvent<'_>) {
        self.comma();
        self.raw("{\"stream\":\"");
        self.raw(event.kind.aggregate().word());
        self.raw(":");
        self.raw(event.id);
        self.raw("\",\"version\":");
        self.number(event.version);
        self.raw(",\"previous\":");
        self.number(event.previous);
        self.raw(",\"type\":\"");
        self.raw(event.kind.name());
        self.raw("\",\"data\":");
        if self.format < FORMAT {
            let data = std::str::from_utf8(event.data).expect("JSON is text");
            self.raw(&downcast(event.kind, data, self.format));
        } else {
            self.bytes.extend_from_slice(event.data);
        }
        self.raw("}");
    }

    /// Ends the text with its moves.
    #[must_use]
    pub fn end(mut self, moves: &[Move]) -> Vec<u8> {
        self.raw("],\"moves\":[");
        for entry in moves {
            self.comma();
            serde_json::to_writer(&mut self.bytes, entry).expect("a move is plain JSON");
        }
        self.raw("]}");
        self.bytes
    }

    /// Separates list members; the text never ends in `[` after the first.
    fn comma(&mut self) {
        if self.bytes.last() != Some(&b'[') {
            self.raw(",");
        }
    }

    fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.put(format_args!("{number}"));
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.bytes
            .write_fmt(arguments)
            .expect("writing to memory does not fail");
    }

    fn hex(&mut self, bytes: &[u8]) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        for byte in bytes {
            self.bytes
                .extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A log row's text, read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The position that the text says.
    pub position: u64,
    /// Log time.
    pub at: LogTime,
    /// The shape of the text.
    pub format: u32,
    /// Why.
    pub cause: EntryCause,
    /// Hash of what was asked, in hexadecimal, for a command with a key.
    pub fingerprint: Option<String>,
    /// The token that asked, or `engine`.
    pub actor: String,
    /// The events.
    pub events: Vec<EntryEvent>,
    /// The moves.
    pub moves: Vec<Move>,
}

/// Why a commit was made, read back.
#[derive(Debug, Deserialize)]
pub struct EntryCause {
    /// The command's name, or the loop's.
    pub kind: String,
    /// The key's hash in hexadecimal, or what it is about.
    pub id: String,
    /// The lease under which the engine acted.
    #[serde(default)]
    pub lease: Option<u64>,
}

/// An event, read back.
#[derive(Debug, Deserialize)]
pub struct EntryEvent {
    /// `<aggregate>:<id>`.
    pub stream: String,
    /// Its number in the stream, from 1.
    pub version: u64,
    /// The position of the stream's event before it; 0 for the first.
    pub previous: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What the aggregate's body shows after it, in this build's format.
    pub data: Box<RawValue>,
}

impl Entry {
    /// Reads a row's text.
    ///
    /// # Errors
    /// What is wrong with it, in words; a text of a newer format is refused, never guessed at.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut entry: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if entry.format > FORMAT {
            return Err(format!(
                "format {} is newer than this program",
                entry.format
            ));
        }
        if entry.format < FORMAT {
            for event in &mut entry.events {
                let data = upcast(event.kind, entry.format, event.data.get())?;
                if let Cow::Owned(data) = data {
                    let data = RawValue::from_string(data);
                    event.data = data.map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(entry)
    }

    /// The key that the commit had: its name and fingerprint.
    #[must_use]
    pub fn key(&self) -> Option<(Name, Fingerprint)> {
        let fingerprint = unhex(self.fingerprint.as_deref()?)?;
        Some((unhex(&self.cause.id)?, fingerprint))
    }

    /// The names that the commit made: its key, and the ids of the holds, orders, sagas and carts
    /// that it began, whose fingerprint is zeros.
    ///
    /// # Errors
    /// An event of something under an id that is none.
    pub fn names(&self) -> Result<Vec<(Name, Fingerprint)>, BadId> {
        let mut names: Vec<_> = self.key().into_iter().collect();
        for event in &self.events {
            let aggregate = event.kind.aggregate();
            let begins = match event.kind {
                Kind::Held | Kind::CartUpdated => event.version == 1,
                Kind::SagaStarted => true,
                kind => aggregate == Aggregate::Order && kind.begins(),
            };
            if begins {
                let name = name_of(aggregate, event.id())?;
                names.extend(name.map(|name| (name, [0; 16])));
            }
        }
        Ok(names)
    }
}

impl EntryEvent {
    /// Reads the data as the type that the event's kind has.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_str(self.data.get()).map_err(|error| error.to_string())
    }

    /// The id after the stream's colon.
    #[must_use]
    pub fn id(&self) -> &str {
        self.stream.split_once(':').map_or("", |(_, id)| id)
    }
}

#[cfg(test)]
mod tests;
