//! Keeping the write-ahead log small.
//!
//! A second connection, on a thread of its own, copies the log into the database whenever it has
//! grown past a limit, beside the writer. A writer that never pauses always leaves frames behind
//! it, so the last step is the writer's own, once, between two batches; then SQLite starts the log
//! again from its beginning. Checkpoints are PASSIVE: they wait for nobody and block nobody.
//!
//! A log that a killed process left is copied and synced before anything of it is told to anybody:
//! that process may have died, or been stopped by a failed sync, with frames that only the system's
//! memory has, and such a sync is not made good by a later one, only by writing anew.

use super::fault::fault;
use crate::port::Fault;
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

/// Frames of 4 KiB after which the log is copied: 64 MiB. Each copy syncs the database: with
/// 8 MiB a store was filled with 1.5 M holds at 38 K commits a second instead of 49 K.
pub(super) const FRAMES_MAX: u32 = 16_384;
/// How often the second connection tries before it leaves the rest to the writer.
const PASSES: u32 = 3;

/// The watch over the log's size.
pub(super) struct Checkpoints {
    frames: Arc<AtomicU32>,
    frames_max: u32,
    /// The second connection has done what it can; the writer's turn.
    ripe: Arc<AtomicBool>,
    /// The disk did not confirm what the second connection wrote.
    failed: Arc<Mutex<Option<Fault>>>,
    /// Nothing once the thread is to end.
    wake: Option<SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The second connection is closed when this is gone: nobody else's file is touched after that.
impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

impl Checkpoints {
    /// Begins to watch what `writer` writes; `second` does the copying.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread that SQLite's checkpoints block"
    )]
    pub(super) fn watch(
        writer: &mut Connection,
        second: Connection,
        frames_max: u32,
    ) -> Result<Self, Fault> {
        let (frames, ripe) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (wake, woken) = sync_channel::<()>(1);
        let seen = Arc::clone(&frames);
        let count = move |_: &mut Wal, pages: std::ffi::c_int| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(count)).map_err(fault)?;
        let failed: Arc<Mutex<Option<Fault>>> = Arc::default();
        let (done, told) = (Arc::clone(&ripe), Arc::clone(&failed));
        let work = move || {
            while woken.recv().is_ok() {
                if let Some(fault) = several(&second) {
                    *told.lock() = Some(fault);
                }
                done.store(true, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint".to_owned());
        let started = thread.spawn(work);
        let started = started.map_err(|error| Fault::Unavailable(error.to_string()))?;
        Ok(Self {
            frames,
            frames_max,
            ripe,
            failed,
            wake: Some(wake),
            thread: Some(started),
        })
    }

    /// Called between two batches, with no transaction open.
    pub(super) fn between_batches(&self, writer: &Connection) -> Result<(), Fault> {
        if self.ripe.swap(false, Ordering::AcqRel) {
            if let Some(fault) = self.failed.lock().take() {
                return Err(fault);
            }
            passive(writer)?;
            return Ok(());
        }
        if self.frames.load(Ordering::Relaxed) < self.frames_max {
            return Ok(());
        }
        match self.wake.as_ref().map(|wake| wake.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
            Some(Err(TrySendError::Disconnected(()))) | None => Err(Fault::Unavailable(
                "the checkpoint thread has ended".to_owned(),
            )),
        }
    }
}

/// Copies and syncs the log that an earlier process left, as far as nobody reads it.
///
/// # Errors
/// A [`Fault`]: nothing of this store may be told.
pub(super) fn carry_over(conn: &Connection) -> Result<(), Fault> {
    passive(conn).map(drop)
}

/// Some checkpoints; the fault of a sync that failed. Whatever else goes wrong is tried again when
/// the log has grown further.
fn several(conn: &Connection) -> Option<Fault> {
    for _ in 0..PASSES {
        match passive(conn) {
            Ok(false) => {}
            Ok(true) => return None,
            Err(fault @ Fault::Sync(_)) => return Some(fault),
            Err(_) => return None,
        }
    }
    None
}

/// One PASSIVE checkpoint; whether all of the log is copied now.
fn passive(conn: &Connection) -> Result<bool, Fault> {
    let counts = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    let (frames, copied) = counts.map_err(fault)?;
    Ok(frames == copied)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_log_begins_again_while_the_writer_never_pauses() {
        const LIMIT: u32 = 64;
        let dir = tempfile::tempdir().expect("a directory");
        let open = || schema::open_writer(dir.path()).expect("it opens");
        let mut writer = open();
        writer
            .execute_batch("CREATE TABLE row(id INTEGER PRIMARY KEY, text BLOB)")
            .expect("a table");
        let checkpoints = Checkpoints::watch(&mut writer, open(), LIMIT).expect("a thread");
        let (mut before, mut began_again) = (0, 0);
        for _ in 0..50_000 {
            checkpoints
                .between_batches(&writer)
                .expect("it can be copied");
            writer
                .execute("INSERT INTO row(text) VALUES (zeroblob(20000))", [])
                .expect("a row");
            let frames = checkpoints.frames.load(Ordering::Relaxed);
            began_again += u32::from(frames < before);
            before = frames;
            if began_again == 3 {
                return;
            }
        }
        panic!("{before} frames, and it began again {began_again} times");
    }
}
