//! Which row of the log is to be believed, and what was done to those that are not.
//!
//! A row is good when its hash covers the row before it, its text says its own position, and the
//! row behind it (or the head) covers its hash. Where that fails, what the neighbours say names
//! the damage exactly:
//!
//! - the row behind is chained to the row before: this one was inserted;
//! - this row and the next say later positions: rows before it were removed and the gap closed;
//! - the row behind covers the hash that this text gives: only the hash was edited;
//! - the row behind covers the hash that stands: the text was edited, here or, with its hash, on
//!   the row before. Then the state rows are asked, see [`super::witness`].

use super::report::{Book, Invariant};
use super::walk::Walk;
use super::witness;
use crate::chain::{Entry, Hash, link};
use crate::port::{Fault, LogRow};

/// A row and what its text says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) slot: u64,
    pub(super) hash: Hash,
    pub(super) text: Vec<u8>,
    pub(super) entry: Result<Entry, String>,
}

impl Parsed {
    pub(super) fn new(row: LogRow) -> Self {
        Self {
            slot: row.position,
            hash: row.hash,
            entry: Entry::read(&row.text),
            text: row.text,
        }
    }

    /// The position that the text says.
    pub(super) fn says(&self) -> Option<u64> {
        self.entry.as_ref().ok().map(|entry| entry.position)
    }

    /// Whether the row's hash is that of its text behind this one.
    pub(super) fn covers(&self, previous: &Hash) -> bool {
        link(previous, &self.text) == self.hash
    }
}

/// What is the matter with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is what was written.
    Good,
    /// No commit wrote it.
    Inserted,
    /// Its text is not what was written, for this reason; what it did is not known.
    Text(&'static str),
    /// Its hash is not its text's; this one is.
    Hash(Hash),
    /// It is hashed as it stands, but its text says another position, or cannot be read.
    Wording,
    /// The rows up to this position are gone, and the later ones closed up.
    After(u64),
    /// It is good; the row before it was rewritten together with its hash.
    Rewritten,
}

impl Walk<'_> {
    /// Whether the row behind a slot covers a hash, or the head has it; nothing if neither tells.
    pub(super) fn goes_on_from(&self, slot: u64, hash: &Hash) -> Option<bool> {
        let head = || (self.tip == self.head.position).then(|| self.head.hash == *hash);
        match self.buffer.front() {
            None => head(),
            Some(next) => {
                let shifted = next.says() == Some(self.place(slot));
                if !self.is_within(next.slot) && !shifted {
                    return head();
                }
                (next.slot == slot + 1).then(|| next.covers(hash))
            }
        }
    }

    /// Judges the next row; the one behind it is at the front of the buffer, if there is one.
    pub(super) async fn judge(&self, row: &Parsed, book: &mut Book) -> Result<Verdict, Fault> {
        book.checked(Invariant::I16, 1);
        if !self.is_within(row.slot) || row.slot <= self.slot {
            return Ok(Verdict::Inserted);
        }
        let place = self.place(row.slot);
        let covers = self.previous.is_none_or(|previous| row.covers(&previous));
        let is_itself = covers && row.says() == Some(place);
        let is_last = self.tip == self.head.position && place == self.head.position;
        if is_itself && is_last && row.hash == self.head.hash {
            return Ok(Verdict::Good);
        }
        let next_says = self.buffer.front().and_then(Parsed::says);
        if is_itself && self.goes_on_from(row.slot, &row.hash) != Some(false) {
            let doubled = next_says == Some(place);
            return Ok(if doubled {
                Verdict::Inserted
            } else {
                Verdict::Good
            });
        }

        // From here on something is wrong with this row or with one beside it.
        let skipped = self.previous;
        let unchained = skipped.and_then(|hash| self.goes_on_from(row.slot, &hash)) == Some(true);
        if next_says == Some(place) && unchained {
            return Ok(Verdict::Inserted);
        }
        if let Some(says) = row.says().filter(|says| *says > place) {
            let ends = says == self.head.position || row.hash == self.head.hash;
            if next_says == Some(says + 1) || (next_says.is_none() && ends) {
                return Ok(Verdict::After(says));
            }
        }
        if is_itself && !is_last {
            return Ok(Verdict::Good);
        }
        if is_itself {
            // The head names another row: is it the row that was changed, or the head?
            let genuine = witness::vouches(self.store, row, place).await? == Some(true);
            let text = Verdict::Text("the head names another hash for it");
            return Ok(if genuine { Verdict::Good } else { text });
        }
        if covers {
            return Ok(Verdict::Wording);
        }
        self.unlinked(row).await
    }

    /// Judges a row whose hash does not cover the row before it.
    async fn unlinked(&self, row: &Parsed) -> Result<Verdict, Fault> {
        if let Some(previous) = self.previous {
            let computed = link(&previous, &row.text);
            if self.goes_on_from(row.slot, &computed) == Some(true) {
                return Ok(Verdict::Hash(computed));
            }
        }
        if let Some(prior) = &self.prior
            && witness::vouches(self.store, &prior.row, prior.at).await? == Some(false)
        {
            return Ok(Verdict::Rewritten);
        }
        Ok(Verdict::Text("its hash does not cover its text"))
    }
}
