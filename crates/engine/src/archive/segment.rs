//! The file of a segment: rows of the log that left the database.
//!
//! It is a Zstandard file that any `zstd -d` opens: the rows' texts, one a line, in frames of
//! [`FRAME_ROWS`] rows, and behind them a skippable frame with the index. The index has the chain's
//! hash at the end of each frame, so a frame that is read proves itself: its texts, hashed on from
//! the frame before it, must come to that hash. No hash of a row is stored; all follow from the
//! texts. The index has a SHA-256, which the database remembers and the file is named by; dice in
//! it see to it that no two files ever have the same one.

use crate::chain::{Hash, link};
use crate::port::{LogRow, SegmentRow};
use sha2::{Digest, Sha256};
use std::io::Read;

/// Rows of one frame: what one row costs to read, against how small all become.
pub const FRAME_ROWS: u64 = 512;
/// Texts of a frame may not be longer than this, whatever a damaged file claims.
const FRAME_MAX: u64 = 1 << 28;
/// The first bytes of the index: a skippable frame.
const SKIPPABLE: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
/// The last bytes of a file.
const END: &[u8; 8] = b"EVKSEG2\n";
/// Bytes at the end of a file that say how long its index is.
pub const TAIL: usize = 4 + END.len();
/// Bytes of the index without its frames.
const FIXED: usize = 8 + 8 + 32 + 16 + 32;
/// Bytes of a frame in the index.
const ENTRY: usize = 8 + 4 + 32;
/// Among the levels the last that packs a million rows in seconds.
const LEVEL: i32 = 6;

/// Where a frame stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte.
    pub from: u64,
    /// Its bytes.
    pub length: u32,
    /// The chain's hash at its last row.
    hash: Hash,
}

/// Writes a segment, row by row.
pub struct Packer {
    first: u64,
    next: u64,
    before: Hash,
    dice: [u8; 16],
    hash: Hash,
    texts: Vec<u8>,
    frames: Vec<Frame>,
    from: u64,
}

impl Packer {
    /// Begins the segment of a position; `before` is the chain's hash in front of it, `dice`
    /// are what makes this file another one than all others of that segment.
    #[must_use]
    pub fn begin(first: u64, before: Hash, dice: [u8; 16]) -> Self {
        Self {
            first,
            next: first,
            before,
            dice,
            hash: before,
            texts: Vec::new(),
            frames: Vec::new(),
            from: 0,
        }
    }

    /// Takes the next row in; bytes to append to the file, if a frame is full.
    ///
    /// # Errors
    /// The row does not follow the one before it.
    pub fn push(&mut self, row: &LogRow) -> Result<Option<Vec<u8>>, String> {
        let position = row.position;
        if position != self.next || link(&self.hash, &row.text) != row.hash {
            return Err(format!("log row {position} does not follow the one before"));
        }
        if row.text.contains(&b'\n') {
            return Err(format!("the text of log row {position} is not one line"));
        }
        (self.next, self.hash) = (position + 1, row.hash);
        self.texts.extend_from_slice(&row.text);
        self.texts.push(b'\n');
        if (self.next - self.first).is_multiple_of(FRAME_ROWS) {
            return self.frame().map(Some);
        }
        Ok(None)
    }

    fn frame(&mut self) -> Result<Vec<u8>, String> {
        let frame = zstd::bulk::compress(&self.texts, LEVEL);
        let frame = frame.map_err(|error| error.to_string())?;
        self.texts.clear();
        let length = u32::try_from(frame.len()).map_err(|_| "a frame is too long")?;
        let (from, hash) = (self.from, self.hash);
        self.frames.push(Frame { from, length, hash });
        self.from += u64::from(length);
        Ok(frame)
    }

    /// Ends the segment: the last bytes of the file, and what the database is to remember.
    ///
    /// # Errors
    /// It has no row, or more than a file has room for.
    pub fn end(mut self) -> Result<(Vec<u8>, SegmentRow), String> {
        let appended = self.from;
        let mut bytes = Vec::new();
        if !self.texts.is_empty() {
            bytes = self.frame()?;
        }
        let last = self.next - 1;
        if last < self.first {
            return Err("a segment has at least one row".to_owned());
        }
        let mut index = Vec::with_capacity(FIXED + self.frames.len() * ENTRY);
        index.extend_from_slice(&self.first.to_le_bytes());
        index.extend_from_slice(&last.to_le_bytes());
        index.extend_from_slice(&self.before);
        index.extend_from_slice(&self.dice);
        for frame in &self.frames {
            index.extend_from_slice(&frame.from.to_le_bytes());
            index.extend_from_slice(&frame.length.to_le_bytes());
            index.extend_from_slice(&frame.hash);
        }
        let digest: Hash = Sha256::digest(&index).into();
        index.extend_from_slice(&digest);
        let payload = u32::try_from(index.len() + TAIL).map_err(|_| "an index is too long")?;
        bytes.extend_from_slice(&SKIPPABLE);
        bytes.extend_from_slice(&payload.to_le_bytes());
        bytes.extend_from_slice(&index);
        bytes.extend_from_slice(&payload.to_le_bytes());
        bytes.extend_from_slice(END);
        let row = SegmentRow {
            first: self.first,
            last,
            before: self.before,
            hash: self.hash,
            index: digest,
            bytes: appended + bytes.len() as u64,
        };
        Ok((bytes, row))
    }
}

/// The index of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its first position.
    pub first: u64,
    /// Its last position.
    pub last: u64,
    before: Hash,
    frames: Vec<Frame>,
    digest: Hash,
}

/// How many bytes the index of a file has at its end, [`TAIL`] included, by the last [`TAIL`] ones.
///
/// # Errors
/// They are not those of a segment.
pub fn index_length(tail: &[u8]) -> Result<u32, String> {
    let (length, end) = tail.split_first_chunk::<4>().ok_or("it has no end")?;
    if end != END {
        return Err("it does not end as a segment does".to_owned());
    }
    Ok(u32::from_le_bytes(*length))
}

impl Index {
    /// Reads the last bytes of a file, as many as [`index_length`] says.
    ///
    /// # Errors
    /// They are not those that were written.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let broken = || "its index is damaged".to_owned();
        let index = bytes.len().checked_sub(TAIL).map(|end| &bytes[..end]);
        let (index, digest) = index
            .and_then(|index| index.split_last_chunk::<32>())
            .ok_or_else(broken)?;
        let same = <[u8; 32]>::from(Sha256::digest(index)) == *digest;
        let (first, rest) = index.split_first_chunk::<8>().ok_or_else(broken)?;
        let (last, rest) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
        let (before, rest) = rest.split_first_chunk::<32>().ok_or_else(broken)?;
        let (_dice, rest) = rest.split_first_chunk::<16>().ok_or_else(broken)?;
        let frames = rest.chunks_exact(ENTRY).map(|entry| {
            let (from, rest) = entry.split_first_chunk::<8>()?;
            let (length, hash) = rest.split_first_chunk::<4>()?;
            Some(Frame {
                from: u64::from_le_bytes(*from),
                length: u32::from_le_bytes(*length),
                hash: *hash.first_chunk::<32>()?,
            })
        });
        let frames: Vec<Frame> = frames.collect::<Option<_>>().ok_or_else(broken)?;
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let rows = (last + 1).checked_sub(first).ok_or_else(broken)?;
        if !same || frames.is_empty() || rows.div_ceil(FRAME_ROWS) != frames.len() as u64 {
            return Err(broken());
        }
        Ok(Self {
            first,
            last,
            before: *before,
            frames,
            digest: *digest,
        })
    }

    /// What the database is to remember of a file of so many bytes.
    #[must_use]
    pub fn row(&self, bytes: u64) -> SegmentRow {
        SegmentRow {
            first: self.first,
            last: self.last,
            before: self.before,
            hash: self.frames.last().map_or(self.before, |frame| frame.hash),
            index: self.digest,
            bytes,
        }
    }

    /// Every frame, in order.
    #[must_use]
    pub fn all(&self) -> &[Frame] {
        &self.frames
    }

    /// The frame that has a position, with its number.
    #[must_use]
    pub fn frame_of(&self, position: u64) -> Option<(usize, Frame)> {
        let at = position.checked_sub(self.first)? / FRAME_ROWS;
        let at = usize::try_from(at).ok()?;
        Some((at, *self.frames.get(at)?)).filter(|_| position <= self.last)
    }

    /// The rows of a frame, from its bytes.
    ///
    /// # Errors
    /// They are not those that were written: the chain says so.
    pub fn open(&self, at: usize, bytes: &[u8]) -> Result<Vec<LogRow>, String> {
        let from = self.first + at as u64 * FRAME_ROWS;
        let broken = || format!("the rows from {from} on are damaged");
        let frame = self.frames.get(at).ok_or_else(broken)?;
        let rows = (self.last + 1 - from).min(FRAME_ROWS);
        let mut texts = Vec::new();
        let opened = zstd::stream::read::Decoder::new(bytes).map_err(|_| broken())?;
        let read = opened.take(FRAME_MAX).read_to_end(&mut texts);
        read.map_err(|_| broken())?;
        let mut hash = match at.checked_sub(1) {
            Some(before) => self.frames[before].hash,
            None => self.before,
        };
        let lines = texts.strip_suffix(b"\n").ok_or_else(broken)?;
        let rows_of = (from..).zip(lines.split(|byte| *byte == b'\n'));
        let all: Vec<LogRow> = rows_of
            .map(|(position, text)| {
                hash = link(&hash, text);
                LogRow {
                    position,
                    hash,
                    text: text.to_vec(),
                }
            })
            .collect();
        if all.len() as u64 != rows || hash != frame.hash {
            return Err(broken());
        }
        Ok(all)
    }
}
