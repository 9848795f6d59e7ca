//! What a service has been asked for under which key, and what it made of it.
//!
//! Kept: one key is one intent. The same body under a key finds the entry of the first time,
//! another body is refused, and an id is a hash of its key, so that it is the same after a restart.
//! Bounded: [`Book::room`] says when no entry may be added; entries are never dropped, for a
//! ledger that forgets proves nothing.

use crate::http::json::{self, Value};
use crate::http::problem::{Code, Problem};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Most entries of one kind: some 100 MB of memory.
const ENTRIES_MAX: usize = 200_000;

/// A hash of what a body means, whatever its spaces and the order of its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print([u8; 32]);

impl Print {
    pub(super) fn of(body: &Value<'_>) -> Self {
        let mut text = Vec::new();
        json::canonical(body, &mut text);
        Self(Sha256::digest(&text).into())
    }
}

/// What a key is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    New,
    /// The same body: the entry with this number.
    Same(usize),
}

/// An entry with what it is found by.
#[derive(Debug)]
pub(super) struct Row<T> {
    pub(super) key: Arc<str>,
    /// The provider's name for it: of the transaction, of the delivery.
    pub(super) id: Arc<str>,
    print: Print,
    /// How often it was asked for, the first time included.
    pub(super) asked: u32,
    pub(super) entry: T,
}

/// The entries of one kind, in the order in which they came.
#[derive(Debug)]
pub(super) struct Book<T> {
    /// What the ids of this kind begin with.
    prefix: &'static str,
    rows: Vec<Row<T>>,
    by_key: BTreeMap<Arc<str>, usize>,
    by_id: BTreeMap<Arc<str>, usize>,
}

impl<T> Book<T> {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            rows: Vec::new(),
            by_key: BTreeMap::new(),
            by_id: BTreeMap::new(),
        }
    }

    /// Whether one more entry may come.
    ///
    /// # Errors
    /// `unavailable`, a definite no, when the book is full.
    pub(super) fn room(&self) -> Result<(), Problem> {
        room(self.rows.len())
    }

    /// Looks a key up, and counts that it was asked for again.
    ///
    /// # Errors
    /// `key_reused` when it is known for another body.
    pub(super) fn seen(&mut self, key: &str, print: Print) -> Result<Seen, Problem> {
        let Some(at) = self.by_key.get(key).copied() else {
            return Ok(Seen::New);
        };
        let row = &mut self.rows[at];
        if row.print != print {
            return Err(Problem::new(Code::KeyReused));
        }
        row.asked = row.asked.saturating_add(1);
        Ok(Seen::Same(at))
    }

    /// Adds an entry under a key that is not known; its number.
    pub(super) fn add(&mut self, (key, print): (&str, Print), entry: T) -> usize {
        let at = self.rows.len();
        let row = Row {
            key: Arc::from(key),
            id: Arc::from(id(self.prefix, key)),
            print,
            asked: 1,
            entry,
        };
        let known = self.by_key.insert(Arc::clone(&row.key), at);
        assert!(known.is_none(), "a key has one entry");
        self.by_id.insert(Arc::clone(&row.id), at);
        self.rows.push(row);
        at
    }

    pub(super) fn at(&self, at: usize) -> &Row<T> {
        &self.rows[at]
    }

    pub(super) fn at_mut(&mut self, at: usize) -> &mut Row<T> {
        &mut self.rows[at]
    }

    pub(super) fn of_key(&self, key: &str) -> Option<&Row<T>> {
        self.by_key.get(key).map(|at| &self.rows[*at])
    }

    /// The number of the entry with this id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row<T>> {
        self.rows.iter()
    }
}

/// Whether a list with so many entries may have one more.
///
/// # Errors
/// `unavailable`, a definite no, when it is full.
pub(super) fn room(entries: usize) -> Result<(), Problem> {
    if entries < ENTRIES_MAX {
        return Ok(());
    }
    let full = "The sandbox's memory is full; it is emptied by a restart.";
    Err(Problem::new(Code::Unavailable).detail(full))
}

fn id(prefix: &str, key: &str) -> String {
    let hash: [u8; 32] = Sha256::new_with_prefix(prefix)
        .chain_update([0])
        .chain_update(key)
        .finalize()
        .into();
    hash[..10]
        .iter()
        .fold(format!("{prefix}-"), |mut id, byte| {
            write!(id, "{byte:02x}").expect("text grows in memory");
            id
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(body: &str) -> Print {
        Print::of(&json::parse(body.as_bytes()).expect("it is JSON"))
    }

    #[test]
    fn a_key_is_one_intent_however_its_body_is_written() {
        let mut book = Book::new("tx");
        let first = print(r#"{"a":1,"b":2}"#);
        assert_eq!(book.seen("k", first).ok(), Some(Seen::New));
        let at = book.add(("k", first), ());
        let spaced = print(r#"{ "b": 2, "a": 1 }"#);
        assert_eq!(book.seen("k", spaced).ok(), Some(Seen::Same(at)));
        let other = book.seen("k", print(r#"{"a":1,"b":3}"#));
        assert_eq!(
            other.map_err(|problem| problem.code()),
            Err(Code::KeyReused)
        );
        assert_eq!(book.at(at).asked, 2, "a refused repeat does not count");
    }

    #[test]
    fn an_id_is_the_same_after_a_restart_and_of_its_kind() {
        let of = |prefix: &'static str, key: &str| {
            let mut book = Book::new(prefix);
            let at = book.add((key, print("{}")), ());
            let id = book.at(at).id.to_string();
            assert_eq!(book.find(&id), Some(at));
            id
        };
        assert_eq!(of("tx", "k"), of("tx", "k"));
        assert_ne!(of("tx", "k"), of("tx", "l"));
        assert_ne!(of("tx", "k")[3..], of("rf", "k")[3..]);
    }

    #[test]
    fn a_full_book_is_a_definite_no() {
        let mut book = Book::new("tx");
        let same = print("{}");
        for number in 0..ENTRIES_MAX {
            assert!(book.room().is_ok());
            book.add((&number.to_string(), same), ());
        }
        let full = book.room().map_err(|problem| problem.code());
        assert_eq!(full, Err(Code::Unavailable));
    }
}
