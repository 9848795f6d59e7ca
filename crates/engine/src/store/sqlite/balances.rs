//! Balances: a row per place, and the newest balances of many places in one row per batch.
//!
//! A batch over thousands of SKUs would dirty a page of the database for nearly every balance. A
//! batch that moves many places appends all their balances as one row of *news* instead, and takes
//! a few places from older news into their own rows, going round in order of the place's number.
//! Once a round is complete, the news from before it are deleted.
//!
//! The invariant: what stands at a place is in the news of the highest position that names it; a
//! place that no news names is in its own row. So a row is written directly only for a place that
//! no news names. Each row says which position it is from, for readers that hold older news.

use super::fault::fault;
use super::rows::{self, sql};
use super::{Writer, codec, schema};
use crate::port::{BalanceWrite, Fault, Map, Place};
use evenkeel_rules::stock::Balances;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, VecDeque};

/// Batches that move at most so many places write their rows directly.
const DIRECT_MAX: usize = 4;
/// A round over fewer places in news than this takes eight batches' worth of places.
const SLOW_BELOW: usize = 100_000;
/// Places that every batch takes into their rows, however few it moves.
const CARRIED_MIN: usize = 4;
/// Rows of old news that a batch deletes, beside a 64th of all there are.
const DELETED_MIN: usize = 2;

/// What news say of a place.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u64,
    stands: Balances,
    /// Whether the place's own row says so too.
    carried: bool,
}

/// The newest of all news in a snapshot of the store.
#[derive(Debug, Default)]
pub(super) struct News {
    upto: u64,
    entries: BTreeMap<i64, Entry>,
    /// Entries after the last reading from the beginning.
    fresh: usize,
}

impl News {
    /// Takes in what was written since the last look. `conn` is in a transaction that was begun
    /// after the last look.
    pub(super) fn catch_up(&mut self, conn: &Connection) -> Result<(), Fault> {
        if self.entries.len() > 2 * self.fresh + 1_000 {
            *self = Self::default();
        }
        let begins = self.upto == 0;
        let (position, _) = rows::mark(conn)?;
        self.read(conn, |_| ())?;
        self.upto = position;
        if begins {
            self.fresh = self.entries.len();
        }
        Ok(())
    }

    fn read(&mut self, conn: &Connection, mut seen: impl FnMut(u64)) -> Result<(), Fault> {
        const QUERY: &str = "SELECT position, places FROM balance_news WHERE position > ?1
            ORDER BY position";
        let mut statement = conn.prepare_cached(QUERY).map_err(fault)?;
        let mut found = statement.query([sql(self.upto)]).map_err(fault)?;
        while let Some(row) = found.next().map_err(fault)? {
            let at = row.get::<_, i64>(0).map_err(fault)?.cast_unsigned();
            let places = row.get_ref(1).map_err(fault)?;
            let places = places
                .as_blob()
                .map_err(|error| Fault::Corrupt(error.to_string()))?;
            for (place, stands) in codec::read_news(places)? {
                let carried = false;
                let entry = Entry {
                    at,
                    stands,
                    carried,
                };
                self.entries.insert(place, entry);
            }
            seen(at);
        }
        Ok(())
    }

    /// What stands at a place, by its number.
    pub(super) fn stands(&self, conn: &Connection, place: i64) -> Result<Option<Balances>, Fault> {
        let row = row(conn, place)?;
        let news = self.entries.get(&place);
        Ok(match (row, news) {
            (Some((at, stands)), Some(entry)) if at > entry.at => Some(stands),
            (Some(_), Some(entry)) => Some(entry.stands),
            // News of a place without a row cannot be: the row is gone.
            (row, _) => row.map(|(_, stands)| stands),
        })
    }

    /// The same, by name.
    pub(super) fn of(&self, conn: &Connection, place: &Place) -> Result<Option<Balances>, Fault> {
        match number(conn, place)? {
            Some(number) => self.stands(conn, number),
            None => Ok(None),
        }
    }
}

fn row(conn: &Connection, place: i64) -> Result<Option<(u64, Balances)>, Fault> {
    const QUERY: &str = "SELECT at, accounts FROM balance WHERE place = ?1";
    let mut statement = conn.prepare_cached(QUERY).map_err(fault)?;
    let found = statement.query_row([place], |row| {
        let accounts = codec::read_balances(row.get_ref(1)?.as_blob()?);
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), accounts))
    });
    match found.optional().map_err(fault)? {
        Some((at, accounts)) => Ok(Some((at, accounts?))),
        None => Ok(None),
    }
}

/// A place's number.
fn number(conn: &Connection, place: &Place) -> Result<Option<i64>, Fault> {
    const QUERY: &str = "SELECT id FROM place WHERE sku = ?1 AND location = ?2";
    let mut statement = conn.prepare_cached(QUERY).map_err(fault)?;
    let named = params![place.0.as_str(), place.1.as_str()];
    let found = statement.query_row(named, |row| row.get(0));
    found.optional().map_err(fault)
}

/// The writer's side: which places it knows, and how far they are carried into their rows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    news: News,
    /// Numbers of places, learnt as they are met.
    numbers: Map<Place, i64>,
    /// Positions of the news on disk, ascending.
    on_disk: VecDeque<u64>,
    /// The place that was looked at last in this round.
    cursor: i64,
    /// News up to here were there when this round began.
    began: u64,
    /// News up to here are in their places' rows.
    carried_to: u64,
    /// News up to here were deleted.
    deleted_to: u64,
}

/// What a batch did with news; it counts once the batch is committed.
#[derive(Debug, Default)]
pub(super) struct Staged {
    appended: Vec<(i64, Balances)>,
    carried: Vec<i64>,
    dropped: Vec<i64>,
    deleted: usize,
    /// Where the round stands; nothing if it is complete.
    cursor: Option<i64>,
}

impl Ledger {
    /// Makes sure of knowing all news up to the locked head. What other writers did in between is
    /// read from the beginning: they may have written rows directly.
    pub(super) fn refresh(&mut self, conn: &Connection, head: u64) -> Result<(), Fault> {
        if self.news.upto == head {
            return Ok(());
        }
        self.news = News::default();
        self.on_disk.clear();
        let Self { news, on_disk, .. } = self;
        news.read(conn, |at| on_disk.push_back(at))?;
        self.news.upto = head;
        (self.cursor, self.began) = (0, head);
        (self.carried_to, self.deleted_to) = (0, 0);
        Ok(())
    }

    /// What stands at a place.
    pub(super) fn stands(
        &mut self,
        conn: &Connection,
        place: &Place,
    ) -> Result<Option<Balances>, Fault> {
        match self.number(conn, place)? {
            Some(number) => match self.news.entries.get(&number) {
                Some(entry) => Ok(Some(entry.stands)),
                None => Ok(row(conn, number)?.map(|(_, stands)| stands)),
            },
            None => Ok(None),
        }
    }

    fn number(&mut self, conn: &Connection, place: &Place) -> Result<Option<i64>, Fault> {
        if let Some(number) = self.numbers.get(place) {
            return Ok(Some(*number));
        }
        let found = number(conn, place)?;
        if let Some(number) = found {
            self.numbers.insert(place.clone(), number);
        }
        Ok(found)
    }

    /// Writes the balances of a batch that ends at `position`.
    pub(super) fn write(
        &mut self,
        conn: &Connection,
        position: u64,
        writes: &[BalanceWrite],
    ) -> Result<Staged, Fault> {
        const UPDATE: &str = "UPDATE balance SET at = ?2, accounts = ?3
            WHERE place = ?1 AND accounts = ?4";
        let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
        let mut staged = Staged::default();
        for BalanceWrite { place, was, now } in writes {
            let other = || Fault::Corrupt(format!("{} at {} has other balances", place.0, place.1));
            let Some(was) = was else {
                insert(conn, place, position, *now)?;
                continue;
            };
            let number = self.number(conn, place)?.ok_or_else(other)?;
            match self.news.entries.get(&number) {
                Some(entry) if entry.stands == *was => staged.appended.push((number, *now)),
                Some(_) => return Err(other()),
                None if writes.len() <= DIRECT_MAX => {
                    let (was, now) = (codec::balances(*was), codec::balances(*now));
                    let written = update.execute(params![number, sql(position), now, was]);
                    if written.map_err(fault)? != 1 {
                        return Err(other());
                    }
                }
                None => match row(conn, number)? {
                    Some((_, stands)) if stands == *was => staged.appended.push((number, *now)),
                    _ => return Err(other()),
                },
            }
        }
        if !staged.appended.is_empty() {
            const INSERT: &str = "INSERT INTO balance_news(position, places) VALUES (?1, ?2)";
            let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
            let places = codec::news(&staged.appended);
            insert
                .execute(params![sql(position), places])
                .map_err(fault)?;
        }
        self.carry(conn, writes.len(), &mut staged)?;
        self.delete(conn, &mut staged)?;
        Ok(staged)
    }

    /// Takes some places from news into their rows. The more places are in news, the more of them
    /// each batch takes, so that the news stay few.
    fn carry(&self, conn: &Connection, moved: usize, staged: &mut Staged) -> Result<(), Fault> {
        let waiting = self.news.entries.len();
        let share = moved * waiting / SLOW_BELOW;
        let most = share.clamp(moved / 8, moved).max(CARRIED_MIN);
        let mut looked = 0;
        staged.cursor = Some(self.cursor);
        for (&place, entry) in self.news.entries.range(self.cursor + 1..) {
            if looked == 4 * most || (!entry.carried && staged.carried.len() == most) {
                return Ok(());
            }
            if !entry.carried {
                set(conn, place, entry)?;
                staged.carried.push(place);
            } else if entry.at <= self.deleted_to {
                staged.dropped.push(place);
            }
            (looked, staged.cursor) = (looked + 1, Some(place));
        }
        staged.cursor = None;
        Ok(())
    }

    /// Deletes some of the news that are in their places' rows.
    fn delete(&self, conn: &Connection, staged: &mut Staged) -> Result<(), Fault> {
        let most = DELETED_MIN + self.on_disk.len() / 64;
        const DELETE: &str = "DELETE FROM balance_news WHERE position = ?1";
        let mut delete = conn.prepare_cached(DELETE).map_err(fault)?;
        for at in self.on_disk.iter().take(most) {
            if *at > self.carried_to {
                break;
            }
            delete.execute([sql(*at)]).map_err(fault)?;
            staged.deleted += 1;
        }
        Ok(())
    }

    /// Takes in what a committed batch did.
    pub(super) fn committed(&mut self, position: u64, staged: Staged) {
        for place in staged.carried {
            if let Some(entry) = self.news.entries.get_mut(&place) {
                entry.carried = true;
            }
        }
        for place in staged.dropped {
            self.news.entries.remove(&place);
        }
        for at in self.on_disk.drain(..staged.deleted) {
            self.deleted_to = at;
        }
        self.cursor = staged.cursor.unwrap_or(0);
        if staged.cursor.is_none() {
            self.carried_to = self.began;
            self.began = position;
        }
        if !staged.appended.is_empty() {
            self.on_disk.push_back(position);
        }
        for (place, stands) in staged.appended {
            let (at, carried) = (position, false);
            let entry = Entry {
                at,
                stands,
                carried,
            };
            self.news.entries.insert(place, entry);
        }
        self.news.upto = position;
    }
}

fn insert(conn: &Connection, place: &Place, position: u64, now: Balances) -> Result<(), Fault> {
    const PLACE: &str = "INSERT INTO place(sku, location) VALUES (?1, ?2)";
    const INSERT: &str = "INSERT INTO balance(place, at, accounts) VALUES (?1, ?2, ?3)";
    let mut named = conn.prepare_cached(PLACE).map_err(fault)?;
    let number = named.insert([place.0.as_str(), place.1.as_str()]);
    let number = number.map_err(fault)?;
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    insert
        .execute(params![number, sql(position), codec::balances(now)])
        .map_err(fault)?;
    Ok(())
}

/// Writes what news say into the place's row.
fn set(conn: &Connection, place: i64, entry: &Entry) -> Result<(), Fault> {
    const UPDATE: &str = "UPDATE balance SET at = ?2, accounts = ?3 WHERE place = ?1";
    let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
    let written = params![place, sql(entry.at), codec::balances(entry.stands)];
    match update.execute(written).map_err(fault)? {
        1 => Ok(()),
        _ => Err(Fault::Corrupt(format!("balance {place} is gone"))),
    }
}

/// Takes all news into their rows, so that a store at rest has none. What fails changes nothing:
/// the next one to open the store reads the news.
pub(super) fn carry_all(writer: &mut Writer) -> Result<(), Fault> {
    let Writer { conn, balances, .. } = writer;
    let carried = schema::locked(conn, || {
        let (head, _) = rows::mark(conn)?;
        balances.refresh(conn, head)?;
        let all = &balances.news.entries;
        for (place, entry) in all.iter().filter(|(_, entry)| !entry.carried) {
            set(conn, *place, entry)?;
        }
        conn.execute_batch("DELETE FROM balance_news")
            .map_err(fault)
    });
    *balances = Ledger::default();
    carried
}

#[cfg(test)]
mod tests;
