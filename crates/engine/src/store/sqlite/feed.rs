//! Feeding the name index from the log: what it did not hear of, because another node wrote it or
//! because the process ended before a run was written.
//!
//! A damaged log is fed as far as it can be read: the index never has two entries for one name, and
//! never one from beyond the head. It judges nothing; what is damaged, `verify` finds.

use super::fault::fault;
use super::names::{self, Names};
use super::rows;
use super::{Inner, REFUSAL};
use crate::chain::Entry;
use crate::port::Fault;
use rusqlite::Connection;
use std::sync::atomic::Ordering;

type Named = (names::Name, names::Entry);

/// Names that one row of the log made.
fn names_of(entry: &Entry) -> Result<Vec<Named>, Fault> {
    let at = entry.position;
    let names = entry.names();
    let names = names.map_err(|error| Fault::Corrupt(format!("log row {at}: {error}")))?;
    let made = names.into_iter();
    Ok(made
        .map(|(name, fingerprint)| (name, names::Entry { at, fingerprint }))
        .collect())
}

/// Feeds the index with the names of one row. A damaged log may have a name twice: the first row
/// keeps it, and `verify` finds the other.
fn insert_unknown(
    names: &mut Names,
    conn: &Connection,
    mut made: Vec<Named>,
    upto: names::Mark,
) -> Result<(), Fault> {
    made.sort_unstable_by_key(|(name, _)| *name);
    made.dedup_by_key(|(name, _)| *name);
    let mut unknown = Vec::with_capacity(made.len());
    for (name, entry) in made {
        if names.get(conn, &name).map_err(fault)?.is_none() {
            unknown.push((name, entry));
        }
    }
    names.insert(unknown.into_iter(), upto);
    Ok(())
}

impl Inner {
    /// Feeds the index with what the log has beyond it. `conn` is in a transaction.
    pub(super) fn catch_up(&self, names: &mut Names, conn: &Connection) -> Result<(), Fault> {
        const ROWS: usize = 4_096;
        names.refresh(conn).map_err(fault)?;
        let (position, refusal) = rows::mark(conn)?;
        while names.known().position < position {
            let from = names.known().position + 1;
            let rows = rows::log(conn, from, ROWS)?;
            // A row beyond the head is not of this log, whoever put it there.
            let rows = rows.into_iter().filter(|row| row.position <= position);
            let rows: Vec<_> = rows.collect();
            if rows.is_empty() {
                return Err(Fault::Corrupt(format!("log row {from} is gone")));
            }
            for row in rows {
                let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
                let upto = names::Mark {
                    position: row.position,
                    refusal: names.known().refusal,
                };
                insert_unknown(names, conn, names_of(&entry)?, upto)?;
            }
        }
        while names.known().refusal < refusal {
            let from = names.known().refusal + 1;
            let rows = rows::refusals(conn, from, ROWS)?;
            if rows.first().is_none_or(|row| row.number > refusal) {
                return Err(Fault::Corrupt(format!("refusal {from} is gone")));
            }
            for row in rows.into_iter().filter(|row| row.number <= refusal) {
                let upto = names::Mark {
                    position: names.known().position,
                    refusal: row.number,
                };
                let (at, fingerprint) = (row.number | REFUSAL, row.fingerprint);
                let made = vec![(row.name, names::Entry { at, fingerprint })];
                insert_unknown(names, conn, made, upto)?;
            }
        }
        self.known_to.fetch_max(position, Ordering::Release);
        Ok(())
    }
}
