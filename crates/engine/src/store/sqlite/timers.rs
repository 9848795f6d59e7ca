//! Timers: rows by minute and batch on disk, a sorted set of the minutes that matter in memory.
//!
//! Random deadlines put straight into an index would be a second random B-tree; a row per (minute,
//! batch) is appended instead, with the due times of that batch in one blob. Minutes that are past,
//! running or about to begin are held in memory, in order. Timers are ended lazily: an entry is
//! dropped when it is looked at and its hold has ended or has another deadline, and the rows of a
//! past minute are deleted once none of its entries is left.
//!
//! The invariant: an entry is dropped only by somebody whose snapshot was begun while this set was
//! locked, so a deadline that was set a moment ago is never taken for a stale one.

use super::fault::fault;
use super::{codec, rows};
use crate::commit::Timer;
use crate::port::{Fault, HoldRow};
use evenkeel_rules::hold::State;
use evenkeel_rules::time::{LogTime, Millis};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: i64 = 60_000_000;
/// How long before a minute begins its rows are read.
const AHEAD: Millis = Millis(5_000);
/// Most rows of ended minutes that one batch deletes.
const DELETE_MAX: usize = 64;

fn minute(due: LogTime) -> i64 {
    due.micros().div_euclid(MINUTE)
}

/// The timers in memory.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Minutes up to and including this one are in memory; nothing is before the first look.
    loaded: Option<i64>,
    /// The position up to which batches are in memory.
    known: u64,
    entries: BTreeSet<(LogTime, u64)>,
    /// How many rows each minute in memory has on disk.
    on_disk: BTreeMap<i64, usize>,
}

impl Timers {
    /// Reads what is due soon and not in memory yet, and what others wrote since.
    fn load(&mut self, conn: &Connection, until: LogTime) -> Result<(), Fault> {
        let (position, _) = rows::mark(conn)?;
        let reaches = minute(until.plus(AHEAD));
        if let Some(loaded) = self.loaded
            && self.known < position
        {
            const FOREIGN: &str = "SELECT minute, entries FROM timer
                WHERE minute <= ?1 AND first > ?2";
            self.read(conn, FOREIGN, params![loaded, rows::sql(self.known)])?;
        }
        self.known = self.known.max(position);
        if self.loaded.is_none_or(|loaded| loaded < reaches) {
            const NEWER: &str = "SELECT minute, entries FROM timer
                WHERE minute > ?1 AND minute <= ?2";
            let after = self.loaded.unwrap_or(i64::MIN);
            self.read(conn, NEWER, params![after, reaches])?;
            self.loaded = Some(reaches);
        }
        Ok(())
    }

    fn read(
        &mut self,
        conn: &Connection,
        query: &str,
        params: impl rusqlite::Params,
    ) -> Result<(), Fault> {
        let rows = rows::all(conn, query, params, |row| {
            let entries: Vec<u8> = row.get(1).map_err(fault)?;
            Ok((
                row.get::<_, i64>(0).map_err(fault)?,
                codec::read_timers(&entries)?,
            ))
        })?;
        for (minute, timers) in rows {
            *self.on_disk.entry(minute).or_default() += 1;
            self.entries
                .extend(timers.iter().map(|timer| (timer.due, timer.created)));
        }
        Ok(())
    }

    /// Live holds due at or before a moment, oldest deadline first. `conn` is in a transaction that
    /// was begun while this set was locked.
    pub(super) fn due(
        &mut self,
        conn: &Connection,
        until: LogTime,
        limit: usize,
    ) -> Result<Vec<HoldRow>, Fault> {
        self.load(conn, until)?;
        let mut found = Vec::new();
        let mut stale = Vec::new();
        for &(due, created) in self.entries.range(..=(until, u64::MAX)) {
            if found.len() >= limit {
                break;
            }
            match rows::hold(conn, created)? {
                Some(row) if row.hold.state == State::Held && row.hold.deadline == due => {
                    found.push(row);
                }
                Some(_) | None => stale.push((due, created)),
            }
        }
        for entry in &stale {
            self.entries.remove(entry);
        }
        Ok(found)
    }

    /// Takes in the timers of a batch of one's own that is committed.
    pub(super) fn committed(&mut self, was: u64, position: u64, timers: &[Timer]) {
        if self.known != was {
            // Somebody wrote in between: the rows are read at the next look.
            return;
        }
        self.known = position;
        let Some(loaded) = self.loaded else {
            return;
        };
        let mut minutes = BTreeSet::new();
        for timer in timers.iter().filter(|timer| minute(timer.due) <= loaded) {
            self.entries.insert((timer.due, timer.created));
            minutes.insert(minute(timer.due));
        }
        for minute in minutes {
            *self.on_disk.entry(minute).or_default() += 1;
        }
    }

    /// Minutes on disk of which nothing is left, with all before them: safe to delete.
    pub(super) fn ended(&mut self, now: LogTime) -> Vec<i64> {
        let mut ended = Vec::new();
        let mut rows = 0;
        for (&of, &count) in self.on_disk.range(..minute(now)) {
            let (from, to) = (of * MINUTE, (of + 1) * MINUTE);
            let range = (LogTime::from_micros(from), 0)..(LogTime::from_micros(to), 0);
            rows += count;
            if self.entries.range(range).next().is_some() || rows > DELETE_MAX.max(count) {
                break;
            }
            ended.push(of);
        }
        ended
    }

    /// Forgets minutes whose rows were deleted.
    pub(super) fn deleted(&mut self, minutes: &[i64]) {
        for minute in minutes {
            self.on_disk.remove(minute);
        }
    }
}

/// Writes a batch's timers: one row per minute.
pub(super) fn write(conn: &Connection, first: u64, timers: &[Timer]) -> Result<(), Fault> {
    if timers.is_empty() {
        return Ok(());
    }
    let mut by_minute: BTreeMap<i64, Vec<&Timer>> = BTreeMap::new();
    for timer in timers {
        by_minute.entry(minute(timer.due)).or_default().push(timer);
    }
    const INSERT: &str = "INSERT INTO timer(minute, first, entries) VALUES (?1, ?2, ?3)";
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    for (minute, timers) in by_minute {
        let entries = codec::timers(timers.into_iter());
        insert
            .execute(params![minute, rows::sql(first), entries])
            .map_err(fault)?;
    }
    Ok(())
}

/// Deletes the rows of ended minutes.
pub(super) fn delete(conn: &Connection, minutes: &[i64]) -> Result<(), Fault> {
    let mut delete = conn
        .prepare_cached("DELETE FROM timer WHERE minute = ?1")
        .map_err(fault)?;
    for minute in minutes {
        delete.execute([minute]).map_err(fault)?;
    }
    Ok(())
}
