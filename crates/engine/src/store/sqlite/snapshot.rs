//! Reading from snapshots: a pool of connections, and the name index that fits what they see.
//!
//! Readers never wait for the writer unless a name that seems absent may be in rows that the index
//! has not heard of; then the index is brought up to the snapshot first.

use super::fault::fault;
use super::names::{self, Names, NamesOptions};
use super::readers::Reading;
use super::{Damage, Inner, rows, schema, timers};
use crate::commit::Name;
use crate::port::{At, Fault};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The name index as of one snapshot.
pub(super) struct Index<'a> {
    pub(super) conn: &'a Connection,
    find: &'a dyn Fn(&Name) -> rusqlite::Result<Option<names::Entry>>,
    pub(super) upto: names::Mark,
}

impl<'a> Index<'a> {
    fn new(
        conn: &'a Connection,
        find: &'a dyn Fn(&Name) -> rusqlite::Result<Option<names::Entry>>,
    ) -> Result<Self, Fault> {
        let (position, refusal) = rows::mark(conn)?;
        let upto = names::Mark { position, refusal };
        Ok(Self { conn, find, upto })
    }

    /// A name's entry; it can be of a row that the writer committed after the snapshot began.
    pub(super) fn get(&self, name: &Name) -> Result<Option<names::Entry>, Fault> {
        (self.find)(name).map_err(fault)
    }
}

impl Inner {
    pub(super) fn open(
        dir: &Path,
        conn: &Connection,
        (options, damage): (NamesOptions, Damage),
    ) -> Result<Self, Fault> {
        let names = Names::open(conn, options).map_err(fault)?;
        let inner = Self {
            dir: dir.to_owned(),
            filter: names.filter(),
            names: Mutex::new(names),
            timers: Mutex::new(timers::Timers::new(&timers::HOLDS)),
            dues: Mutex::new(timers::Timers::new(&timers::ROWS)),
            known_to: AtomicU64::new(0),
            news: Mutex::default(),
            readers: Arc::default(),
            syncs: crate::meter::syncs(),
        };
        conn.execute_batch("BEGIN").map_err(fault)?;
        let caught_up = inner.catch_up(&mut inner.names.lock(), conn);
        conn.execute_batch("ROLLBACK").map_err(fault)?;
        match caught_up {
            // Reading a name fails again, with the same words; reading everything else does not.
            Err(Fault::Corrupt(_)) if damage == Damage::Borne => Ok(inner),
            Err(fault) => Err(fault),
            Ok(()) => Ok(inner),
        }
    }

    /// Reads from one snapshot on a connection of the pool.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Self, &Connection) -> Result<T, Fault>,
    ) -> Result<At<T>, Fault> {
        let conn = self.reader()?;
        let snapshot = conn.unchecked_transaction().map_err(fault)?;
        let (position, _) = rows::mark(&conn)?;
        let rows = read(self, &conn);
        snapshot.rollback().map_err(fault)?;
        Ok(At {
            position,
            rows: rows?,
        })
    }

    /// Looks names up for a reader, without waiting for the writer if that is possible.
    ///
    /// `look` says whether it found every name. An absent one is believed only when all names of
    /// the snapshot are known; otherwise the index is locked and brought up to the snapshot first.
    pub(super) fn with_names<T>(
        &self,
        look: impl Fn(&Index<'_>) -> Result<(T, bool), Fault>,
    ) -> Result<At<T>, Fault> {
        let conn = self.reader()?;
        let found = {
            let reader = self.filter.read(&conn).map_err(fault)?;
            let find = |name: &Name| reader.get(name);
            let index = Index::new(reader.tx(), &find)?;
            let (rows, complete) = look(&index)?;
            let position = index.upto.position;
            let sure = complete || reader.known().reaches(index.upto);
            sure.then_some(At { position, rows })
        };
        drop(conn);
        if let Some(found) = found {
            return Ok(found);
        }
        let mut names = self.names.lock();
        self.read(|inner, conn| {
            inner.catch_up(&mut names, conn)?;
            let (rows, _) = look(&Index::new(conn, &|name| names.get(conn, name))?)?;
            Ok(rows)
        })
    }

    fn reader(&self) -> Result<Reading<'_>, Fault> {
        self.readers.begin(|| schema::open_reader(&self.dir))
    }
}
