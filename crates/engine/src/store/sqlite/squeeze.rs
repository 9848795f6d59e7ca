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
const SLOTS: usize = 1 << 12;

/// Bytes behind a text, so that eight can be read at each of its places.
const MARGIN: [u8; 8] = [0; 8];

/// Where four bytes, and where eight, stood last; 0 for nowhere.
struct Places {
    four: Box<[u16; SLOTS]>,
    eight: Box<[u16; SLOTS]>,
}

static KNOWN: LazyLock<Places> = LazyLock::new(|| {
    let mut places = Places::empty();
    let bytes = [DICTIONARY, &MARGIN].concat();
    for at in 1..DICTIONARY.len() {
        places.note(word(&bytes, at), at);
    }
    places
});

fn word(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes[at..].first_chunk();
    u64::from_le_bytes(*eight.expect("the margin is behind every place"))
}

/// The slots of the first four bytes, and of all eight.
fn slots(word: u64) -> (usize, usize) {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = |word: u64| (word.wrapping_mul(FACTOR) >> 52) as usize;
    (hash(word << 32), hash(word))
}

/// How many bytes are the same at two places, up to an end.
fn same(bytes: &[u8], (one, other): (usize, usize), end: usize) -> usize {
    let mut count = 0;
    while other + count < end {
        let differ = word(bytes, one + count) ^ word(bytes, other + count);
        if differ != 0 {
            count += differ.trailing_zeros() as usize / 8;
            break;
        }
        count += 8;
    }
    count.min(end - other)
}

impl Places {
    fn empty() -> Self {
        Self {
            four: Box::new([0; SLOTS]),
            eight: Box::new([0; SLOTS]),
        }
    }

    fn note(&mut self, word: u64, at: usize) {
        let (four, eight) = slots(word);
        // Texts are bounded so that every place fits.
        (self.four[four], self.eight[eight]) = (at as u16, at as u16);
    }
}

/// The longest copy of what begins at a place: its length, and how far back it is.
fn copy(bytes: &[u8], at: usize, fresh: &Places) -> (usize, usize) {
    let end = bytes.len() - MARGIN.len();
    let (four, eight) = slots(word(bytes, at));
    let longest = |places: [u16; 2]| {
        let places = places.map(usize::from).into_iter();
        let copies = places
            .filter(|place| *place > 0)
            .map(|place| (same(bytes, (place, at), end), at - place));
        copies.max().unwrap_or((0, 0))
    };
    let long = longest([KNOWN.eight[eight], fresh.eight[eight]]);
    if long.0 >= 8 {
        return long;
    }
    longest([KNOWN.four[four], fresh.four[four]])
}

/// A text as it is kept where its size counts: one of a KiB costs the writer 3 us.
pub(super) fn squeeze(text: &[u8]) -> Cow<'_, [u8]> {
    let squeezed = (text.len() <= TEXT_MAX).then(|| copies(text));
    match squeezed.filter(|squeezed| squeezed.len() < text.len()) {
        Some(squeezed) => squeezed.into(),
        None => plain(text),
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

fn copies(text: &[u8]) -> Vec<u8> {
    let all = [DICTIONARY, text, &MARGIN].concat();
    let end = DICTIONARY.len() + text.len();
    let mut fresh = Places::empty();
    let mut out = Vec::with_capacity(text.len() / 2 + 16);
    out.push(SQUEEZED);
    write_number(&mut out, text.len() as u64);
    let (mut at, mut written) = (DICTIONARY.len(), DICTIONARY.len());
    while at < end {
        let (length, back) = copy(&all, at, &fresh);
        let next = if length >= COPY_MIN {
            at + length
        } else {
            at + 1
        };
        if length >= COPY_MIN {
            write_literals(&mut out, &all[written..at], Some(length));
            write_number(&mut out, back as u64);
            written = next;
        }
        for place in at..next {
            fresh.note(word(&all, place), place);
        }
        at = next;
    }
    if written < end {
        write_literals(&mut out, &all[written..end], None);
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
