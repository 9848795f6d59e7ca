//! Texts come back byte for byte, and damage is never taken for a text.

use super::*;
use sha2::{Digest, Sha256};

const ROWS: [&str; 2] = [
    include_str!("../../../chain/format_1/golden.txt"),
    include_str!("../../../chain/format_1/orders.txt"),
];

fn rows() -> impl Iterator<Item = &'static str> {
    ROWS.into_iter()
        .flat_map(str::lines)
        .filter_map(|line| Some(line.split_once(' ')?.1))
}

fn comes_back(text: &[u8]) -> usize {
    let kept = squeeze(text);
    assert_eq!(*open(&kept), *text);
    kept.len()
}

/// Rows that were squeezed with it can be read with no other.
#[test]
fn the_dictionary_is_as_it_was_released() {
    let hash: [u8; 32] = Sha256::digest(DICTIONARY).into();
    assert_eq!(
        crate::chain::hex(&hash),
        "23c49493c38db10984ba4377c78120a14bdb7161ce783813ea0f27203aee5fe8"
    );
    assert!(compressor().is_ok(), "it can be loaded");
}

#[test]
fn rows_of_the_log_are_a_quarter_of_their_text() {
    let (mut before, mut after) = (0, 0);
    for row in rows() {
        before += row.len();
        after += comes_back(row.as_bytes());
    }
    assert!(after * 4 < before, "{before} bytes became {after}");
}

#[test]
fn any_text_comes_back() {
    let mut dice = fastrand::Rng::with_seed(7);
    let rows: Vec<&str> = rows().collect();
    for number in 0..4_000_usize {
        let mut text: Vec<u8> = Vec::new();
        for _ in 0..dice.usize(0..6) {
            match dice.u8(0..5) {
                0 => text.extend((0..dice.usize(0..40)).map(|_| dice.u8(..))),
                1 => text.extend(vec![dice.u8(..); dice.usize(0..400)]),
                2 => text.extend_from_slice(&DICTIONARY[dice.usize(..DICTIONARY.len())..]),
                _ => {
                    let row = rows[dice.usize(..rows.len())].as_bytes();
                    text.extend_from_slice(&row[dice.usize(..row.len())..]);
                }
            }
        }
        if number % 100 == 0 {
            text = text.repeat(200);
        }
        comes_back(&text);
    }
    for edge in ["", "{", "\0", "\u{1}", "{}", "\u{1}{}", "x"] {
        comes_back(edge.as_bytes());
    }
    for length in [TEXT_MAX - 1, TEXT_MAX, TEXT_MAX + 1] {
        assert!(comes_back(&vec![b'{'; length]) <= length);
        comes_back(&vec![0; length]);
    }
}

#[test]
fn a_text_of_an_older_schema_is_read_as_it_is() {
    for row in rows() {
        assert_eq!(*open(row.as_bytes()), *row.as_bytes());
    }
}

#[test]
fn damage_is_never_taken_for_the_text() {
    let mut dice = fastrand::Rng::with_seed(8);
    for row in rows() {
        let kept = squeeze(row.as_bytes()).into_owned();
        for cut in 0..kept.len() {
            assert_ne!(*open(&kept[..cut]), *row.as_bytes());
        }
        for _ in 0..200 {
            let mut damaged = kept.clone();
            let at = dice.usize(..damaged.len());
            damaged[at] ^= 1 << dice.u8(0..8);
            // It may be another text, whose hash is another; it is read in any case.
            drop(open(&damaged).into_owned());
        }
        let longer = [&kept[..], &[0]].concat();
        assert_eq!(*open(&longer), *longer, "it is no text");
    }
}
