//! The acks file: every answer that was got, one JSON object a line, for `verify --acks`.
//!
//! `{"key", "customer", "id", "method", "route", "sent_at", "answered_at", "status", "error"?,
//! "code"?, "token"?, "replayed"?, "lines"?}`. `customer` is that of the token (null for shop,
//! operator and admin: their keys have no customer in their scope); `token` is `as_of` of a
//! sold-out answer, else the `Evenkeel-Position` of a write; `lines` is what the hold is about.
//!
//! Written in full, never sampled. Lines are put together in memory and written by a thread of
//! its own in pieces of 64 KiB; when the disk cannot follow, the generator waits for it.

use crate::client::outside::{self, WallClock};
use crate::client::{Reply, member};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;
use tokio::task::JoinHandle;

const PIECE: usize = 64 * 1024;
/// Pieces that may wait for the disk: 16 MiB.
const WAITING: usize = 256;

/// What a line says of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) key: &'a str,
    pub(crate) customer: Option<&'a str>,
    /// The hold that the request names; a placed one's id is taken from the answer.
    pub(crate) id: Option<&'a str>,
    pub(crate) route: &'a str,
    /// SKU and units asked for.
    pub(crate) lines: Option<(&'a str, u64)>,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// The file, being written.
#[derive(Debug)]
pub(crate) struct AcksFile {
    writer: JoinHandle<std::io::Result<()>>,
}

/// What lines are handed to; the file is whole when all of them are dropped.
#[derive(Debug)]
pub(crate) struct AckLog {
    piece: Vec<u8>,
    pieces: SyncSender<Vec<u8>>,
    stamps: Stamps,
}

impl AcksFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn create(path: &Path) -> std::io::Result<(Self, AckLog)> {
        let file = File::create(path)?;
        let (pieces, written) = sync_channel(WAITING);
        let writer = outside::aside(move || write_all(file, &written));
        let log = AckLog {
            piece: Vec::with_capacity(PIECE),
            pieces,
            stamps: Stamps::start(),
        };
        Ok((Self { writer }, log))
    }

    /// Waits until everything is in the file; the [`AckLog`] must have been dropped.
    ///
    /// # Errors
    /// A line could not be written.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        Ok(self.writer.await??)
    }
}

fn write_all(mut file: File, pieces: &Receiver<Vec<u8>>) -> std::io::Result<()> {
    for piece in pieces {
        file.write_all(&piece)?;
    }
    Ok(())
}

impl Drop for AckLog {
    fn drop(&mut self) {
        self.pass_on();
    }
}

impl AckLog {
    /// Writes down an answer.
    pub(crate) fn answered(&mut self, line: &Line<'_>, reply: &Reply<'_>) {
        let id = match line.id {
            Some(id) => Some(id),
            None if reply.status < 300 => member(reply.body, "id"),
            None => None,
        };
        self.begin(line, id);
        self.put(",\"status\":");
        let _ = write!(self.piece, "{}", reply.status);
        let code = reply.code();
        self.optional(",\"code\":", code);
        let sold_out = code == Some("stock.sold_out");
        let as_of = if sold_out {
            member(reply.body, "as_of")
        } else {
            None
        };
        self.optional(",\"token\":", as_of.or(reply.position));
        if reply.replayed {
            self.put(",\"replayed\":true");
        }
        self.end(line);
    }

    /// Writes down that there was no answer.
    pub(crate) fn broke(&mut self, line: &Line<'_>, word: &str) {
        self.begin(line, line.id);
        self.put(",\"status\":null");
        self.optional(",\"error\":", Some(word));
        self.end(line);
    }

    fn begin(&mut self, line: &Line<'_>, id: Option<&str>) {
        self.put("{\"key\":");
        self.text(line.key);
        self.put(",\"customer\":");
        self.text_or_null(line.customer);
        self.put(",\"id\":");
        self.text_or_null(id);
        self.put(",\"method\":\"POST\",\"route\":");
        self.text(line.route);
        self.put(",\"sent_at\":\"");
        self.stamps.put(&mut self.piece, line.sent);
        self.put("\",\"answered_at\":\"");
        self.stamps.put(&mut self.piece, line.answered);
        self.put("\"");
    }

    fn end(&mut self, line: &Line<'_>) {
        if let Some((sku, quantity)) = line.lines {
            self.put(",\"lines\":[{\"sku\":");
            self.text(sku);
            let _ = write!(self.piece, ",\"quantity\":{quantity}}}]");
        }
        self.put("}\n");
        if self.piece.len() > PIECE - 1024 {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        // The writer is gone only after an error of its own, which `finish` reports.
        let _ = self.pieces.send(piece);
    }

    fn put(&mut self, text: &str) {
        self.piece.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name);
            self.text(value);
        }
    }

    fn text_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.put("null"),
        }
    }

    fn text(&mut self, value: &str) {
        let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
        if value.bytes().all(plain) {
            self.piece.push(b'"');
            self.put(value);
            self.piece.push(b'"');
        } else {
            let quoted = serde_json::to_string(value).expect("a text is always JSON");
            self.put(&quoted);
        }
    }
}

/// Writes times as RFC 3339; the part down to the second is made once a second.
#[derive(Debug)]
struct Stamps {
    clock: WallClock,
    second: i64,
    text: String,
}

impl Stamps {
    fn start() -> Self {
        Self {
            clock: WallClock::start(),
            second: i64::MIN,
            text: String::new(),
        }
    }

    fn put(&mut self, to: &mut Vec<u8>, at: Instant) {
        let millis = self.clock.millis(at);
        let second = millis.div_euclid(1000);
        if second != self.second {
            self.second = second;
            let whole = jiff::Timestamp::from_second(second).unwrap_or_default();
            self.text = whole.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        let _ = write!(to, "{}.{:03}Z", self.text, millis.rem_euclid(1000));
    }
}

#[cfg(test)]
mod tests;
