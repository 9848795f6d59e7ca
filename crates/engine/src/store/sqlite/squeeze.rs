//! Texts made small: JSON of known shapes, most of which is the same in every row.
//!
//! A text is kept as one Zstandard frame without its magic number, made with a dictionary that was
//! trained on typical rows, and comes back byte for byte. The first byte says how a text is kept,
//! so rows of older schemas are read as they are. The dictionary is part of the format: another one
//! needs another tag. What is damaged is handed out as it stands: whoever reads it finds that it is
//! no text, and `verify` says which.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, get_frame_content_size};

const DICTIONARY: &[u8] = include_bytes!("squeeze/dictionary.zstd");
/// A text that is kept as it is, and does not begin as JSON does.
const PLAIN: u8 = 0;
/// A text that was squeezed with the dictionary.
const SQUEEZED: u8 = 1;
/// What every frame begins with; not kept.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Longer texts are kept as they are: the dictionary is no help to them, and what a damaged row
/// claims to be must be bounded.
const TEXT_MAX: usize = 48_000;
/// Among the levels the last that costs a few microseconds a row.
const LEVEL: i32 = 3;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(compressor().expect("the dictionary is a valid one (a test)"));
    /// With the frame that it opens next: most of all calls are a page of the log, row by row.
    static DECOMPRESSOR: RefCell<(Decompressor<'static>, Vec<u8>)> = RefCell::new((
        Decompressor::with_prepared_dictionary(&DECODER)
            .expect("the dictionary is a valid one (a test)"),
        Vec::new(),
    ));
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
    Ok(compressor)
}

/// A text as it is kept where its size counts.
pub(super) fn squeeze(text: &[u8]) -> Cow<'_, [u8]> {
    if text.len() > TEXT_MAX {
        return plain(text);
    }
    let frame = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(text));
    match frame {
        // The magic number makes room for the tag.
        Ok(mut frame) if frame.starts_with(&MAGIC) && frame.len() - 3 < text.len() => {
            frame.drain(..MAGIC.len() - 1);
            frame[0] = SQUEEZED;
            frame.into()
        }
        Ok(_) | Err(_) => plain(text),
    }
}

/// A text as it is kept where the writer's time counts.
pub(super) fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    if text.first() == Some(&b'{') {
        text.into()
    } else {
        [&[PLAIN], text].concat().into()
    }
}

/// The text of what a column of texts or bodies keeps, for whoever reads the file itself. What
/// cannot be opened is given back as it stands.
#[must_use]
pub fn open(kept: &[u8]) -> Cow<'_, [u8]> {
    match kept.split_first() {
        Some((&PLAIN, text)) => text.into(),
        Some((&SQUEEZED, rest)) => expand(rest).map_or_else(|| kept.into(), Cow::from),
        Some(_) | None => kept.into(),
    }
}

fn expand(rest: &[u8]) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|(decompressor, frame)| {
        frame.clear();
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(rest);
        let length = usize::try_from(get_frame_content_size(frame).ok()??).ok()?;
        if length > TEXT_MAX {
            return None;
        }
        let text = decompressor.decompress(frame, length).ok()?;
        (text.len() == length).then_some(text)
    })
}

#[cfg(test)]
mod tests;
