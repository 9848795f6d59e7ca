//! Texts made small: JSON of known shapes, most of which is the same in every row.
//!
//! A text is kept as literals and copies out of what came before it, and before it comes a
//! dictionary of typical rows (LZ77, byte by byte; no entropy coding). It comes back byte for byte.
//! The first byte says how a text is kept, so rows of older schemas are read as they are. The
//! dictionary is part of the format: another one needs another tag. What is damaged is handed out
//! as it stands: whoever reads it finds that it is no text, and `verify` says which.

use super::codec::{read_number, write_number};
use std::borrow::Cow;
use std::sync::LazyLock;

const DICTIONARY: &[u8] = include_bytes!("squeeze/dictionary.txt");
/// A text that is kept as it is, and does not begin as JSON does.
const PLAIN: u8 = 0;
/// A text that was squeezed with the dictionary.
const SQUEEZED: u8 = 1;
/// Longer texts are kept as they are: every place has to fit sixteen bits.
const TEXT_MAX: usize = 48_000;
/// Shortest copy that is worth its three bytes.
const COPY_MIN: usize = 4;
/// What fits into half a byte; the rest follows.
const NIBBLE_MAX: usize = 15;
const SLOT_BITS: u32 = 12;

/// Where four bytes, and where eight, stood last; 0 for nowhere.
struct Places {
    four: Vec<u16>,
    eight: Vec<u16>,
}

static KNOWN: LazyLock<Places> = LazyLock::new(|| {
    let mut places = Places::empty();
    for at in 1..DICTIONARY.len() {
        places.note(DICTIONARY, at);
    }
    places
});

fn slot(bytes: &[u8], at: usize, count: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + count)?;
    let mut number = [0; 8];
    number[..count].copy_from_slice(bytes);
    let hash = u64::from_le_bytes(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> (64 - SLOT_BITS)).ok()
}

impl Places {
    fn empty() -> Self {
        let none = || vec![0; 1 << SLOT_BITS];
        Self {
            four: none(),
            eight: none(),
        }
    }

    fn note(&mut self, bytes: &[u8], at: usize) {
        let place = u16::try_from(at).expect("texts are bounded so that places fit");
        if let Some(slot) = slot(bytes, at, 4) {
            self.four[slot] = place;
        }
        if let Some(slot) = slot(bytes, at, 8) {
            self.eight[slot] = place;
        }
    }

    /// The longest copy of what begins at a place: its length, and how far back it is.
    fn copy(&self, bytes: &[u8], at: usize) -> (usize, usize) {
        let four = slot(bytes, at, 4).map(|slot| self.four[slot]);
        let eight = slot(bytes, at, 8).map(|slot| self.eight[slot]);
        let places = four.into_iter().chain(eight).map(usize::from);
        let known = places.filter(|place| *place > 0);
        let copies = known.map(|place| {
            let same = bytes[place..].iter().zip(&bytes[at..]);
            (same.take_while(|(a, b)| a == b).count(), at - place)
        });
        copies.max_by_key(|copy| copy.0).unwrap_or((0, 0))
    }
}

/// A text as it is kept.
pub(super) fn squeeze(text: &[u8]) -> Cow<'_, [u8]> {
    let is_json = text.first() == Some(&b'{');
    let squeezed = (text.len() <= TEXT_MAX).then(|| copies(text));
    match squeezed.filter(|squeezed| squeezed.len() < text.len()) {
        Some(squeezed) => squeezed.into(),
        None if is_json => text.into(),
        None => [&[PLAIN], text].concat().into(),
    }
}

fn copies(text: &[u8]) -> Vec<u8> {
    let all = [DICTIONARY, text].concat();
    let mut fresh = Places::empty();
    let mut out = vec![SQUEEZED];
    write_number(&mut out, text.len() as u64);
    let (mut at, mut written) = (DICTIONARY.len(), DICTIONARY.len());
    while at < all.len() {
        let (length, back) = KNOWN.copy(&all, at).max(fresh.copy(&all, at));
        let next = at + length.max(1);
        if length >= COPY_MIN {
            write_literals(&mut out, &all[written..at], Some(length));
            write_number(&mut out, back as u64);
            written = next;
        }
        let end = if length >= COPY_MIN { next } else { at + 1 };
        for place in at..end {
            fresh.note(&all, place);
        }
        at = end;
    }
    if written < all.len() {
        write_literals(&mut out, &all[written..], None);
    }
    out
}

/// Half a byte each for the numbers of literals and of copied bytes, what does not fit there, and
/// the literals.
fn write_literals(out: &mut Vec<u8>, literals: &[u8], copied: Option<usize>) {
    let numbers = [literals.len(), copied.map_or(0, |copied| copied - COPY_MIN)];
    let halves = numbers.map(|number| number.min(NIBBLE_MAX) as u8);
    out.push(halves[0] << 4 | halves[1]);
    for number in numbers {
        if number >= NIBBLE_MAX {
            write_number(out, (number - NIBBLE_MAX) as u64);
        }
    }
    out.extend_from_slice(literals);
}

/// The text of what was kept.
pub(super) fn open(kept: &[u8]) -> Cow<'_, [u8]> {
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
    let end = DICTIONARY.len() + length;
    let mut all = Vec::with_capacity(end);
    all.extend_from_slice(DICTIONARY);
    while all.len() < end {
        let (&halves, after) = rest.split_first()?;
        rest = after;
        let mut numbers = [halves >> 4, halves & 15].map(usize::from);
        for number in &mut numbers {
            if *number == NIBBLE_MAX {
                let more = usize::try_from(read_number(&mut rest)?).ok()?;
                *number = number.checked_add(more)?;
            }
        }
        let (literals, after) = rest.split_at_checked(numbers[0])?;
        rest = after;
        all.extend_from_slice(literals);
        if all.len() >= end {
            break;
        }
        let back = usize::try_from(read_number(&mut rest)?).ok()?;
        let from = all.len().checked_sub(back).filter(|_| back > 0)?;
        let copied = numbers[1].checked_add(COPY_MIN)?;
        if copied > end - all.len() {
            return None;
        }
        // A copy may reach into what it is copying.
        for place in from..from + copied {
            all.push(all[place]);
        }
    }
    let whole = all.len() == end && rest.is_empty();
    whole.then(|| all.split_off(DICTIONARY.len()))
}

#[cfg(test)]
mod tests;
