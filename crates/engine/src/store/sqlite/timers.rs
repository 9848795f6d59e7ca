//! Timers: rows by minute and batch on disk, a sorted set of the minutes that matter in memory.
//!
//! Random deadlines put straight into an index would be a second random B-tree; a row per (minute,
//! batch) is appended instead, with the due times of that batch in one blob. A small batch would
//! still dirty a page for each minute: its timers are one row of *news*, and a later batch writes
//! what waits there into rows by minute. Minutes that are past, running or about to begin are held
//! in memory, in order. Timers are ended lazily: an entry is dropped when it is looked at and its
//! hold has ended or has another deadline, and the rows of a past minute are deleted once none of
//! its entries is left.
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
use std::ops::RangeInclusive;

const MINUTE: i64 = 60_000_000;
/// How long before a minute begins its rows are read.
const AHEAD: Millis = Millis(5_000);
/// Most rows of ended minutes that one batch deletes.
const DELETE_MAX: usize = 64;
/// Timers that wait in news before they are written by minute.
const WAITING_MAX: usize = 512;

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
    /// Timers of one's own that are in news, and not by minute yet.
    waiting: Vec<Timer>,
    /// The rows of news that they are in.
    news: Vec<u64>,
}

/// What a batch did; it counts once the batch is committed.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// Minutes whose rows were deleted.
    ended: Vec<i64>,
    /// Minutes that got a row with all that waited; nothing if this batch's timers wait too.
    carried: Option<BTreeSet<i64>>,
}

impl Timers {
    /// Takes over the news that the last process left.
    pub(super) fn adopt(&mut self, conn: &Connection) -> Result<(), Fault> {
        for (first, timers) in news_after(conn, 0)? {
            self.news.push(first);
            self.waiting.extend(timers);
        }
        Ok(())
    }

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
            self.note_news(conn, self.known, i64::MIN..=loaded)?;
        }
        self.known = self.known.max(position);
        if self.loaded.is_none_or(|loaded| loaded < reaches) {
            const NEWER: &str = "SELECT minute, entries FROM timer
                WHERE minute > ?1 AND minute <= ?2";
            let after = self.loaded.unwrap_or(i64::MIN);
            self.read(conn, NEWER, params![after, reaches])?;
            self.note_news(conn, 0, after.saturating_add(1)..=reaches)?;
            self.loaded = Some(reaches);
        }
        Ok(())
    }

    fn note_news(
        &mut self,
        conn: &Connection,
        after: u64,
        minutes: RangeInclusive<i64>,
    ) -> Result<(), Fault> {
        for (_, timers) in news_after(conn, after)? {
            let due = timers.iter().filter(|it| minutes.contains(&minute(it.due)));
            self.entries.extend(due.map(|it| (it.due, it.created)));
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

    /// Writes a batch's timers, and deletes the rows of ended minutes.
    pub(super) fn write(
        &mut self,
        conn: &Connection,
        was: u64,
        now: LogTime,
        timers: &[Timer],
    ) -> Result<Staged, Fault> {
        let ended = self.ended(was, now);
        delete(conn, "DELETE FROM timer WHERE minute = ?1", &ended)?;
        let carried = if self.waiting.len() + timers.len() < WAITING_MAX {
            write_news(conn, was + 1, timers)?;
            None
        } else {
            let news: Vec<i64> = self.news.iter().map(|first| rows::sql(*first)).collect();
            delete(conn, "DELETE FROM timer_news WHERE first = ?1", &news)?;
            let all = self.waiting.iter().chain(timers);
            Some(write_minutes(conn, was + 1, all)?)
        };
        Ok(Staged { ended, carried })
    }

    /// Takes in the timers of a batch of one's own that is committed.
    pub(super) fn committed(&mut self, was: u64, position: u64, timers: &[Timer], staged: Staged) {
        for minute in &staged.ended {
            self.on_disk.remove(minute);
        }
        if staged.carried.is_some() {
            self.waiting.clear();
            self.news.clear();
        } else if !timers.is_empty() {
            self.waiting.extend(timers);
            self.news.push(was + 1);
        }
        if self.known != was {
            // Somebody wrote in between: the rows are read at the next look.
            return;
        }
        self.known = position;
        let Some(loaded) = self.loaded else {
            return;
        };
        for timer in timers.iter().filter(|timer| minute(timer.due) <= loaded) {
            self.entries.insert((timer.due, timer.created));
        }
        for minute in staged.carried.into_iter().flatten() {
            if minute <= loaded {
                *self.on_disk.entry(minute).or_default() += 1;
            }
        }
    }

    /// Minutes on disk of which nothing is left, with all before them: safe to delete, unless
    /// somebody else wrote since the last look.
    fn ended(&self, was: u64, now: LogTime) -> Vec<i64> {
        let mut ended = Vec::new();
        if self.known != was {
            return ended;
        }
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
}

/// Rows of news after a position: the first position of their batch, and its timers.
fn news_after(conn: &Connection, after: u64) -> Result<Vec<(u64, Vec<Timer>)>, Fault> {
    const QUERY: &str = "SELECT first, entries FROM timer_news WHERE first > ?1";
    rows::all(conn, QUERY, [rows::sql(after)], |row| {
        let entries: Vec<u8> = row.get(1).map_err(fault)?;
        let first = row.get::<_, i64>(0).map_err(fault)?.cast_unsigned();
        Ok((first, codec::read_timers(&entries)?))
    })
}

fn write_news(conn: &Connection, first: u64, timers: &[Timer]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO timer_news(first, entries) VALUES (?1, ?2)";
    if timers.is_empty() {
        return Ok(());
    }
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    let entries = codec::timers(timers.iter());
    insert
        .execute(params![rows::sql(first), entries])
        .map_err(fault)?;
    Ok(())
}

/// Writes one row per minute; which minutes.
fn write_minutes<'a>(
    conn: &Connection,
    first: u64,
    timers: impl Iterator<Item = &'a Timer>,
) -> Result<BTreeSet<i64>, Fault> {
    let mut by_minute: BTreeMap<i64, Vec<&Timer>> = BTreeMap::new();
    for timer in timers {
        by_minute.entry(minute(timer.due)).or_default().push(timer);
    }
    const INSERT: &str = "INSERT INTO timer(minute, first, entries) VALUES (?1, ?2, ?3)";
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    for (minute, timers) in &by_minute {
        let entries = codec::timers(timers.iter().copied());
        insert
            .execute(params![minute, rows::sql(first), entries])
            .map_err(fault)?;
    }
    Ok(by_minute.into_keys().collect())
}

fn delete(conn: &Connection, statement: &str, keys: &[i64]) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut delete = conn.prepare_cached(statement).map_err(fault)?;
    for key in keys {
        delete.execute([key]).map_err(fault)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
