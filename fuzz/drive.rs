//! Drives a fuzz target without libFuzzer: its seeds, then its seeds mutated.
//!
//! Included by the tests that run in CI. `PROPTEST_CASES` says how many inputs each target gets,
//! and with `EVENKEEL_LONG` it is 20,000 at least; a failure is shrunk and printed. It knows
//! nothing of what a target does.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

/// Pieces that readers care about.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b".",
    b"-",
    b"+",
    b"*",
    b"%",
    b"=",
    b"&",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud800",
    b"%00",
    b"1e9",
    b"-0",
    b"9007199254740992",
    b"18446744073709551616",
    b"null",
    b"content-length: 1\n",
    b"transfer-encoding: chunked\n",
    b"v1,",
    b"whsec_",
    b"[[",
    b"'''",
    b"~1",
    b"..",
    b"\xc3\xa9",
];

/// Inputs of a target where there is time.
const LONG: u32 = 20_000;

/// One change of an input: which kind, where, how much, and with which byte.
type Change = (u8, u16, u16, u8);

/// Runs a target on its seeds and on what becomes of them.
pub(crate) fn all(target: &str, run: impl Fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        run(seed);
    }
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("EVENKEEL_LONG").is_some_and(|value| !value.is_empty()) {
        config.cases = config.cases.max(LONG);
    }
    let driven = TestRunner::new(config).run(&inputs(seeds), |bytes| {
        run(&bytes);
        Ok(())
    });
    driven.unwrap_or_else(|found| panic!("{target}: {found}"));
}

/// The files of the target's seeds, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let files = std::fs::read_dir(root.join(target)).expect("every target has seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seed");
    let read = |path: &_| std::fs::read(path).expect("a seed is readable");
    paths.iter().map(read).collect()
}

/// Bytes of any kind, and more often seeds with a few changes.
fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..240);
    let change = (0..8_u8, any::<u16>(), any::<u16>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..10);
    let mutated = (any::<prop::sample::Index>(), changes).prop_map(move |(index, changes)| {
        let mut input = index.get(&seeds).clone();
        for change in changes {
            mutate(&mut input, change, &seeds);
        }
        input
    });
    prop_oneof![1 => bytes, 7 => mutated]
}

fn mutate(input: &mut Vec<u8>, (kind, at, much, byte): Change, seeds: &[Vec<u8>]) {
    let at = usize::from(at) % (input.len() + 1);
    let end = at + usize::from(much) % (input.len() - at + 1).min(40);
    let piece = PIECES[usize::from(much) % PIECES.len()];
    match kind {
        0 => input.insert(at, byte),
        1 => drop(input.splice(at..at, piece.iter().copied())),
        2 => drop(input.drain(at..end)),
        3 => {
            let twice = input[at..end].to_vec();
            drop(input.splice(at..at, twice));
        }
        4 => input.truncate(at),
        5 => {
            let other = &seeds[usize::from(byte) % seeds.len()];
            let from = usize::from(much) % (other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        6 => drop(input.splice(at..end, piece.iter().copied())),
        _ => {
            if let Some(one) = input.get_mut(at) {
                *one = byte;
            }
        }
    }
}
