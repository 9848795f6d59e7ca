//! Texts made small: JSON of known shapes, most of which is the same in every row.
//!
//! A text is kept as an LZ4 block with a dictionary of typical rows before it, and comes back byte
//! for byte. The first byte says how a text is kept, so rows of older schemas are read as they are.
//! The dictionary is part of the format: another one needs another tag. What is damaged is handed
//! out as it stands: whoever reads it finds that it is no text, and `verify` says which.

use super::codec::{read_number, write_number};
use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use std::borrow::Cow;

const DICTIONARY: &[u8] = include_bytes!("squeeze/dictionary.txt");
/// A text that is kept as it is, and does not begin as JSON does.
const PLAIN: u8 = 0;
/// A text that was squeezed with the dictionary.
const SQUEEZED: u8 = 1;
/// Longer texts are kept as they are: the dictionary is no help to them, and what a damaged row
/// claims to be must be bounded.
const TEXT_MAX: usize = 48_000;

/// A text as it is kept where its size counts.
pub(super) fn squeeze(text: &[u8]) -> Cow<'_, [u8]> {
    if text.len() > TEXT_MAX {
        return plain(text);
    }
    let mut squeezed = vec![SQUEEZED];
    write_number(&mut squeezed, text.len() as u64);
    squeezed.extend_from_slice(&compress_with_dict(text, DICTIONARY));
    if squeezed.len() < text.len() {
        squeezed.into()
    } else {
        plain(text)
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

fn expand(mut rest: &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(read_number(&mut rest)?).ok()?;
    if length > TEXT_MAX {
        return None;
    }
    let text = decompress_with_dict(rest, length, DICTIONARY).ok()?;
    (text.len() == length).then_some(text)
}

#[cfg(test)]
mod tests;
