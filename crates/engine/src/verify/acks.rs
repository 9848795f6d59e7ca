//! The answers that clients got, as `load` and `demo` write them: one JSON object a line.
//!
//! Members may be null or missing where a client does not know them; a member that is not known
//! here is passed over. A last line without its end is what a killed writer leaves, and is not
//! read.

use crate::chain::Hash;
use serde::Deserialize;
use std::io::BufRead;

/// One line of a request.
#[derive(Debug, Clone, Deserialize)]
pub struct AckLine {
    /// Of which SKU.
    pub sku: String,
    /// How many units.
    pub quantity: u64,
    /// Where; `main` if missing.
    #[serde(default)]
    pub location: Option<String>,
}

/// One request and what came of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Ack {
    /// Its idempotency key.
    #[serde(default)]
    pub key: Option<String>,
    /// The customer whose token sent it, or whom it names.
    #[serde(default)]
    pub customer: Option<String>,
    /// The id of what it is about, where the client knows it.
    #[serde(default)]
    pub id: Option<String>,
    /// `POST`, `PUT` and so on.
    #[serde(default)]
    pub method: String,
    /// The path, or the route with its parameters in braces.
    #[serde(default)]
    pub route: String,
    /// When the answer was there, as the client wrote it.
    #[serde(default)]
    pub answered_at: Option<String>,
    /// The HTTP status; nothing when no answer came.
    #[serde(default)]
    pub status: Option<u16>,
    /// The problem's code, for a refusal.
    #[serde(default)]
    pub code: Option<String>,
    /// The position that the answer named.
    #[serde(default)]
    pub token: Option<String>,
    /// What was asked for, for a hold.
    #[serde(default)]
    pub lines: Option<Vec<AckLine>>,
    /// Whether the probe buyer asked, who buys what is left once all is quiet.
    #[serde(default)]
    pub probe: bool,
}

/// All answers of a file.
#[derive(Debug, Default)]
pub struct Acks {
    pub(super) all: Vec<Ack>,
    pub(super) unreadable: Option<String>,
}

impl Acks {
    /// Reads a file to its end. A line that cannot be read is remembered: the checks that need the
    /// file are then not checkable, and say which line it is.
    #[must_use]
    pub fn read(mut from: impl BufRead) -> Self {
        let mut acks = Self::default();
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let bad = match from.read_until(b'\n', &mut line) {
                Ok(_) if !line.ends_with(b"\n") => break,
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => match serde_json::from_slice(&line) {
                    Ok(ack) => {
                        acks.all.push(ack);
                        continue;
                    }
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            acks.unreadable = Some(format!("line {number} of the acks file: {bad}"));
            break;
        }
        acks
    }
}

/// The anchors of a file: one `position hash` a line.
///
/// # Errors
/// Which line is something else. A last line without its end was not wholly written and is passed
/// over.
pub fn read_anchors(text: &str) -> Result<Vec<(u64, Hash)>, String> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let anchor = |line: &str| {
        let (position, hash) = line.split_once(' ')?;
        Some((position.parse().ok()?, crate::chain::unhex(hash.trim())?))
    };
    let lines = whole
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (usize, &str)| {
        anchor(line).ok_or_else(|| format!("line {} is not an anchor: {line}", number + 1))
    };
    lines.map(read).collect()
}
