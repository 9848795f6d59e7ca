//! What the sandbox was asked, line by line in a file, so that it knows its ledger after a restart.
//!
//! A line is a request that may have an effect (an intent, or knobs that were turned), with the
//! moment at which it came, or the id of a callback that somebody stored. Kept: a request is in the
//! file before anything of it is done, and so before it is answered; doing the lines again from the
//! first to the last leads to the same state, because time and chance are taken from them.
//!
//! Callbacks that nobody stored yet are sent again. A last line without its end was never acted
//! upon and is cut off. It outlives the process, not the machine: nothing is flushed to the disk.

use super::mail::Letter;
use super::outcome::Now;
use super::{World, routes};
use crate::http::head;
use bytes::Bytes;
use evenkeel_rules::time::LogTime;
use http::Request;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A request with a possible effect.
    Asked {
        /// When it came, in microseconds since 1970.
        at: i64,
        method: String,
        /// With its query.
        path: String,
        key: Option<String>,
        body: String,
    },
    /// Somebody stored the callback of an event.
    Taken(String),
}

/// The file, being written.
#[derive(Debug)]
pub(super) struct Journal(File);

impl Journal {
    /// Goes on behind what is there.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Writes a request down. One that is refused for its headers or for not being text leaves no
    /// line.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn asked(&mut self, parts: &Parts, body: &Bytes, at: LogTime) -> io::Result<()> {
        let (Ok(key), Ok(body)) = (head::key(&parts.headers), str::from_utf8(body)) else {
            return Ok(());
        };
        if !body.is_empty() && !head::is_json(&parts.headers) {
            return Ok(());
        }
        self.write(&Line::Asked {
            at: at.micros(),
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            key: key.map(str::to_owned),
            body: body.to_owned(),
        })
    }

    /// Writes down that a callback needs not be sent again.
    pub(super) fn taken(&mut self, letter: &Letter) {
        if let Err(error) = self.write(&Line::Taken(letter.event_id())) {
            // It is sent once more after a restart, which is allowed of callbacks.
            tracing::warn!(%error, "the journal cannot be written");
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line).expect("a line is plain data");
        text.push('\n');
        self.0.write_all(text.as_bytes())
    }
}

/// Does again what a file says, in a world where nothing was done yet; how long before the clock's
/// own beginning it began.
///
/// # Errors
/// It cannot be read, or a line is none of ours.
pub(super) fn replay(path: &Path, world: &mut World, now: Now) -> io::Result<Duration> {
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Duration::ZERO),
        Err(error) => return Err(error),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(u64::try_from(whole).expect("a length fits"))?;
        text.truncate(whole);
    }
    let lines: Vec<Line> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let moments = lines.iter().filter_map(|line| match line {
        Line::Asked { at, .. } => Some(*at),
        Line::Taken(_) => None,
    });
    let oldest = moments.min().map_or(Duration::ZERO, |at| ago(now, at));
    let before = oldest.saturating_sub(now.mono);
    let mut taken = BTreeSet::new();
    for line in lines {
        match line {
            Line::Asked {
                at,
                method,
                path,
                key,
                body,
            } => {
                let moment = Now {
                    wall: LogTime::from_micros(at),
                    mono: (before + now.mono).saturating_sub(ago(now, at)),
                };
                let request = request((&method, &path), key.as_deref())?;
                routes::again(world, (&request, &Bytes::from(body)), moment);
            }
            Line::Taken(id) => {
                taken.insert(id);
            }
        }
    }
    world.mail.forget(&taken);
    Ok(before)
}

/// How long ago a moment was; no time for one that is still to come.
fn ago(now: Now, at: i64) -> Duration {
    let micros = now.wall.micros().saturating_sub(at);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The head of a request as it came.
fn request((method, path): (&str, &str), key: Option<&str>) -> io::Result<Parts> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(()).map_err(io::Error::other)?;
    Ok(request.into_parts().0)
}
