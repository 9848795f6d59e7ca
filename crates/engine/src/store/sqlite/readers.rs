//! Who reads, and how the writer gets a moment without readers.
//!
//! SQLite's log begins again only when all of it is copied and nobody reads from it. Readers that
//! overlap without a pause never leave such a moment, and one that stays holds the log up alone. So
//! the writer can ask for one: those who begin to read wait, those who read come to their end, and
//! whoever does not within a quarter of a second is interrupted.

use crate::port::Fault;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, InterruptHandle};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

/// Idle connections that are kept.
const KEPT: usize = 8;
/// How long the writer waits for those who read: five times what a page may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long it waits for those who were interrupted.
const INTERRUPTED: Duration = Duration::from_millis(250);

#[derive(Default)]
struct State {
    /// Nobody begins to read.
    closed: bool,
    next: u64,
    reading: BTreeMap<u64, InterruptHandle>,
}

/// The readers of one file.
#[derive(Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    state: Mutex<State>,
    changed: Condvar,
}

/// A connection that reads.
pub(super) struct Reading<'a> {
    readers: &'a Readers,
    /// There until it is dropped.
    conn: Option<Connection>,
    ticket: u64,
}

impl Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take().filter(Connection::is_autocommit) {
            let mut idle = self.readers.idle.lock();
            if idle.len() < KEPT {
                idle.push(conn);
            }
        }
        self.readers.state.lock().reading.remove(&self.ticket);
        self.readers.changed.notify_all();
    }
}

impl Readers {
    /// A connection to read from; `open` makes one if none is idle.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn begin(
        &self,
        open: impl FnOnce() -> Result<Connection, Fault>,
    ) -> Result<Reading<'_>, Fault> {
        let idle = self.idle.lock().pop();
        let conn = idle.map_or_else(open, Ok)?;
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.closed);
        let ticket = state.next;
        state.next += 1;
        state.reading.insert(ticket, conn.get_interrupt_handle());
        Ok(Reading {
            readers: self,
            conn: Some(conn),
            ticket,
        })
    }

    /// Does something while nobody reads; nothing if somebody does not end even when interrupted.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.state.lock();
        state.closed = true;
        let busy = |state: &mut State| !state.reading.is_empty();
        let mut waited = self.changed.wait_while_for(&mut state, busy, PATIENCE);
        if waited.timed_out() {
            let count = state.reading.len();
            tracing::warn!(count, "readers that stay too long are interrupted");
            state.reading.values().for_each(InterruptHandle::interrupt);
            waited = self.changed.wait_while_for(&mut state, busy, INTERRUPTED);
        }
        drop(state);
        let done = (!waited.timed_out()).then(work);
        self.state.lock().closed = false;
        self.changed.notify_all();
        done
    }
}
