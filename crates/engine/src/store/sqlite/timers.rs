//! Timers: rows by minute and batch on disk, a sorted set of the minutes that matter in memory.
//!
//! Random deadlines put straight into an index would be a second random B-tree; a row per (minute,
//! batch) is appended instead, with the due times of that batch in one blob. A small batch would
//! still dirty a page for each minute: its timers are one row of *news*, and a later batch writes
//! what waits there into rows by minute. Minutes that are past, running or about to begin are held
//! in memory, in order. Timers are ended lazily: an entry is dropped when it is looked at and its
//! row has ended or is due at another time, and the rows of a past minute are deleted once none of
//! its entries is left. Deadlines of holds and due times of orders and callbacks are two sets.
//!
//! Batches that write timers are numbered; the newest row of news has the last batch's number, and
//! is there even if nothing waits in it. The invariant: an entry is dropped only by somebody whose
//! snapshot was begun while this set was locked, so a deadline that was set a moment ago is never
//! taken for a stale one.

use super::fault::fault;
use super::{codec, rows};
use crate::commit::Timer;
use crate::port::Fault;
use evenkeel_rules::time::{LogTime, Millis};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

const MINUTE: i64 = 60_000_000;
/// How long before a minute begins its rows are read: in time for millions of its timers.
const AHEAD: Millis = Millis(20_000);
/// Most rows of ended minutes that one batch deletes.
const DELETE_MAX: usize = 64;
/// Timers that wait in news before they are written by minute.
const WAITING_MAX: usize = 512;
/// Rows of minutes that are read at once.
const ROWS_AT_ONCE: usize = 32;
/// Entries in memory that are enough to end while more are past.
const ENOUGH: usize = 65_536;

fn minute(due: LogTime) -> i64 {
    due.micros().div_euclid(MINUTE)
}

/// The statements over one set's two tables.
#[derive(Debug)]
pub(super) struct Tables {
    foreign: &'static str,
    newer: &'static str,
    news_after: &'static str,
    mark: &'static str,
    insert_minute: &'static str,
    delete_minute: &'static str,
    insert_news: &'static str,
    delete_news: &'static str,
}

macro_rules! tables {
    ($minutes:literal, $news:literal) => {
        Tables {
            foreign: concat!(
                "SELECT minute, entries, first FROM ",
                $minutes,
                " WHERE minute <= ?1 AND first > ?2"
            ),
            newer: concat!(
                "SELECT minute, entries, first FROM ",
                $minutes,
                " WHERE (minute, first) > (?1, ?2) AND minute <= ?3 ORDER BY minute, first LIMIT ?4"
            ),
            news_after: concat!("SELECT first, entries FROM ", $news, " WHERE first > ?1"),
            mark: concat!("SELECT coalesce(max(first), 0) FROM ", $news),
            insert_minute: concat!(
                "INSERT INTO ",
                $minutes,
                "(minute, first, entries) VALUES (?1, ?2, ?3)"
            ),
            delete_minute: concat!("DELETE FROM ", $minutes, " WHERE minute = ?1"),
            insert_news: concat!("INSERT INTO ", $news, "(first, entries) VALUES (?1, ?2)"),
            delete_news: concat!("DELETE FROM ", $news, " WHERE first = ?1"),
        }
    };
}

/// Deadlines of holds.
pub(super) static HOLDS: Tables = tables!("timer", "timer_news");
/// When orders and callbacks are to be looked at.
pub(super) static ROWS: Tables = tables!("due", "due_news");

/// The timers in memory.
#[derive(Debug)]
pub(super) struct Timers {
    tables: &'static Tables,
    /// Minutes up to and including this one are in memory; nothing is before the first look.
    loaded: Option<i64>,
    /// The last row in memory of the minute behind those, if some of it is.
    within: Option<(i64, i64)>,
    /// The number up to which batches are in memory.
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
    /// The number of the last batch before this one that wrote timers.
    was: u64,
    /// This batch's number; nothing if it wrote no timers.
    number: Option<u64>,
    /// Minutes whose rows were deleted.
    ended: Vec<i64>,
    /// Minutes that got a row with all that waited; nothing if this batch's timers wait too.
    carried: Option<BTreeSet<i64>>,
}

impl Timers {
    /// A set that has looked at nothing.
    pub(super) const fn new(tables: &'static Tables) -> Self {
        Self {
            tables,
            loaded: None,
            within: None,
            known: 0,
            entries: BTreeSet::new(),
            on_disk: BTreeMap::new(),
            waiting: Vec::new(),
            news: Vec::new(),
        }
    }

    /// Takes over the news that the last process left.
    pub(super) fn adopt(&mut self, conn: &Connection) -> Result<(), Fault> {
        for (first, timers) in self.news_after(conn, 0)? {
            self.news.push(first);
            self.waiting.extend(timers);
        }
        Ok(())
    }

    /// Reads what is due soon and not in memory yet, and what others wrote since.
    fn load(&mut self, conn: &Connection, until: LogTime) -> Result<(), Fault> {
        let mark = self.mark(conn)?;
        let reaches = minute(until.plus(AHEAD));
        if let Some(loaded) = self.loaded
            && self.known < mark
        {
            let foreign = self.tables.foreign;
            self.read(conn, foreign, params![loaded, rows::sql(self.known)])?;
            self.note_news(conn, self.known, i64::MIN..=loaded)?;
        }
        self.known = self.known.max(mark);
        while self.loaded.is_none_or(|loaded| loaded < reaches) && !self.is_enough(until) {
            self.load_some(conn, reaches)?;
            if self.has(until) {
                // The minutes that begin soon are read bit by bit, one at each look.
                break;
            }
        }
        Ok(())
    }

    /// Reads some rows of the minutes that follow those in memory.
    fn load_some(&mut self, conn: &Connection, reaches: i64) -> Result<(), Fault> {
        let after = self.loaded.unwrap_or(i64::MIN);
        let (minute, first) = self.within.unwrap_or((after, i64::MAX));
        let most = rows::sql(ROWS_AT_ONCE as u64);
        let params = params![minute, first, reaches, most];
        let read = self.read(conn, self.tables.newer, params)?;
        let (loaded, within) = match read.last() {
            Some(&last) if read.len() == ROWS_AT_ONCE => (last.0 - 1, Some(last)),
            _ => (reaches, None),
        };
        if after < loaded {
            self.note_news(conn, 0, after.saturating_add(1)..=loaded)?;
            self.loaded = Some(loaded);
        }
        self.within = within;
        Ok(())
    }

    /// Whether all that is due at a moment is in memory.
    fn has(&self, until: LogTime) -> bool {
        self.loaded.is_some_and(|loaded| loaded >= minute(until))
    }

    /// Whether there is enough to end of a long past, of which more is still to be read.
    fn is_enough(&self, until: LogTime) -> bool {
        let past = self.within.is_some_and(|(at, _)| at < minute(until));
        past && self.entries.len() >= ENOUGH
    }

    fn note_news(
        &mut self,
        conn: &Connection,
        after: u64,
        minutes: RangeInclusive<i64>,
    ) -> Result<(), Fault> {
        for (_, timers) in self.news_after(conn, after)? {
            let due = timers.iter().filter(|it| minutes.contains(&minute(it.due)));
            self.entries.extend(due.map(|it| (it.due, it.created)));
        }
        Ok(())
    }

    /// Takes rows in; the minute of each, and the number of its batch.
    fn read(
        &mut self,
        conn: &Connection,
        query: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<(i64, i64)>, Fault> {
        let rows = rows::all(conn, query, params, |row| {
            let entries: Vec<u8> = row.get(1).map_err(fault)?;
            let key = (row.get(0).map_err(fault)?, row.get(2).map_err(fault)?);
            Ok((key, codec::read_timers(&entries)?))
        })?;
        let keys: Vec<(i64, i64)> = rows.iter().map(|(key, _)| *key).collect();
        for (minute, _) in &keys {
            *self.on_disk.entry(*minute).or_default() += 1;
        }
        let timers = rows.into_iter().flat_map(|(_, timers)| timers);
        let found: Vec<_> = timers.map(|timer| (timer.due, timer.created)).collect();
        if found.len() > self.entries.len() {
            // One by one takes several times as long.
            self.entries.append(&mut found.into_iter().collect());
        } else {
            self.entries.extend(found);
        }
        Ok(keys)
    }

    /// Rows due at or before a moment, oldest first. `live` says which row an entry is of, if that
    /// row is still due then. `conn` is in a transaction that was begun while this set was locked.
    pub(super) fn due<T>(
        &mut self,
        conn: &Connection,
        (until, limit): (LogTime, usize),
        live: impl Fn(Timer) -> Result<Option<T>, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut found = Vec::new();
        loop {
            self.load(conn, until)?;
            let mut stale = Vec::new();
            found.clear();
            for &(due, created) in self.entries.range(..=(until, u64::MAX)) {
                if found.len() >= limit {
                    break;
                }
                match live(Timer { due, created })? {
                    Some(row) => found.push(row),
                    None => stale.push((due, created)),
                }
            }
            for entry in &stale {
                self.entries.remove(entry);
            }
            if self.has(until) || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Forgets timers of rows that ended in a batch of one's own: nobody looks them up again.
    pub(super) fn drop_ended(&mut self, timers: impl Iterator<Item = Timer>) {
        for timer in timers {
            self.entries.remove(&(timer.due, timer.created));
        }
    }

    /// Writes a batch's timers, and deletes the rows of ended minutes.
    pub(super) fn write(
        &self,
        conn: &Connection,
        now: LogTime,
        timers: &[Timer],
    ) -> Result<Staged, Fault> {
        let was = self.mark(conn)?;
        let ended = self.ended(was, now);
        delete(conn, self.tables.delete_minute, &ended)?;
        let carries = self.waiting.len() + timers.len() >= WAITING_MAX;
        let number = (carries || !timers.is_empty()).then_some(was + 1);
        let mut carried = None;
        if let Some(number) = number {
            // The newest row of news is the mark, so it is there even if nothing waits in it.
            self.write_news(conn, number, if carries { &[] } else { timers })?;
            if carries {
                let news: Vec<i64> = self.news.iter().map(|first| rows::sql(*first)).collect();
                delete(conn, self.tables.delete_news, &news)?;
                let all = self.waiting.iter().chain(timers);
                carried = Some(self.write_minutes(conn, number, all)?);
            }
        }
        Ok(Staged {
            was,
            number,
            ended,
            carried,
        })
    }

    /// Takes in the timers of a batch of one's own that is committed.
    pub(super) fn committed(&mut self, timers: &[Timer], staged: Staged) {
        for minute in &staged.ended {
            self.on_disk.remove(minute);
        }
        let Some(number) = staged.number else {
            return;
        };
        if staged.carried.is_some() {
            self.waiting.clear();
            self.news.clear();
        } else {
            self.waiting.extend(timers);
        }
        self.news.push(number);
        if self.known != staged.was {
            // Somebody wrote in between: the rows are read at the next look.
            return;
        }
        self.known = number;
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
        // Of the minute behind those that are loaded there may be more.
        let most = minute(now).min(self.loaded.map_or(i64::MIN, |loaded| loaded + 1));
        for (&of, &count) in self.on_disk.range(..most) {
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

    /// The number of the last batch that wrote timers.
    fn mark(&self, conn: &Connection) -> Result<u64, Fault> {
        let mut mark = conn.prepare_cached(self.tables.mark).map_err(fault)?;
        let mark: i64 = mark.query_row([], |row| row.get(0)).map_err(fault)?;
        Ok(mark.cast_unsigned())
    }

    /// Rows of news after a batch: the number of theirs, and its timers.
    fn news_after(&self, conn: &Connection, after: u64) -> Result<Vec<(u64, Vec<Timer>)>, Fault> {
        rows::all(conn, self.tables.news_after, [rows::sql(after)], |row| {
            let entries: Vec<u8> = row.get(1).map_err(fault)?;
            let first = row.get::<_, i64>(0).map_err(fault)?.cast_unsigned();
            Ok((first, codec::read_timers(&entries)?))
        })
    }

    fn write_news(&self, conn: &Connection, number: u64, timers: &[Timer]) -> Result<(), Fault> {
        let mut insert = conn
            .prepare_cached(self.tables.insert_news)
            .map_err(fault)?;
        let entries = codec::timers(timers.iter());
        insert
            .execute(params![rows::sql(number), entries])
            .map_err(fault)?;
        Ok(())
    }

    /// Writes one row per minute; which minutes.
    fn write_minutes<'a>(
        &self,
        conn: &Connection,
        number: u64,
        timers: impl Iterator<Item = &'a Timer>,
    ) -> Result<BTreeSet<i64>, Fault> {
        let mut by_minute: BTreeMap<i64, Vec<&Timer>> = BTreeMap::new();
        for timer in timers {
            by_minute.entry(minute(timer.due)).or_default().push(timer);
        }
        let mut insert = conn
            .prepare_cached(self.tables.insert_minute)
            .map_err(fault)?;
        for (minute, timers) in &by_minute {
            let entries = codec::timers(timers.iter().copied());
            insert
                .execute(params![minute, rows::sql(number), entries])
                .map_err(fault)?;
        }
        Ok(by_minute.into_keys().collect())
    }
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
