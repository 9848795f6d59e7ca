//! Keeping the write-ahead log small.
//!
//! A second connection, on a thread of its own, copies the log into the database whenever it has
//! grown past a limit, beside the writer. A writer that never pauses always leaves frames behind
//! it, so the last step is the writer's own, once, between two batches; then SQLite starts the log
//! again from its beginning. Checkpoints are PASSIVE: they wait for nobody and block nobody.
//!
//! That fails while somebody reads from the log. At twice the limit the writer takes a moment
//! without readers for it (see [`Readers::alone`]), so the log does not grow with those who read.
//! Readers in another process cannot be asked; their pages are short.
//!
//! A log that a killed process left is copied and synced before anything of it is told to anybody:
//! that process may have died, or been stopped by a failed sync, with frames that only the system's
//! memory has, and such a sync is not made good by a later one, only by writing anew.

use super::fault::fault;
use super::readers::Readers;
use crate::port::Fault;
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};

/// Frames of 4 KiB after which the log is copied: 64 MiB. Each copy syncs the database: with
/// 8 MiB a store was filled with 1.5 M holds at 38 K commits a second instead of 49 K.
pub(super) const FRAMES_MAX: u32 = 16_384;
/// How often the second connection tries before it leaves the rest to the writer.
const PASSES: u32 = 3;

/// The watch over the log's size.
pub(super) struct Checkpoints {
    frames: Arc<AtomicU32>,
    frames_max: u32,
    /// Frames from which on the writer copies the log alone.
    alone_from: AtomicU32,
    readers: Weak<Readers>,
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
    /// Begins to watch what `writer` writes; `second` does the copying. Who reads in this process
    /// reads through `readers`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread that SQLite's checkpoints block"
    )]
    pub(super) fn watch(
        writer: &mut Connection,
        (second, readers): (Connection, &Arc<Readers>),
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
            alone_from: AtomicU32::new(frames_max.saturating_mul(2)),
            readers: Arc::downgrade(readers),
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
        let frames = self.frames.load(Ordering::Relaxed);
        if frames < self.frames_max {
            let alone_from = self.frames_max.saturating_mul(2);
            self.alone_from.store(alone_from, Ordering::Relaxed);
            return Ok(());
        }
        if frames >= self.alone_from.load(Ordering::Relaxed) {
            return self.alone(writer, frames);
        }
        match self.wake.as_ref().map(|wake| wake.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
            Some(Err(TrySendError::Disconnected(()))) | None => Err(Fault::Unavailable(
                "the checkpoint thread has ended".to_owned(),
            )),
        }
    }
}

impl Checkpoints {
    /// Copies the log while nobody reads from it. If somebody does all the same, it is tried again
    /// when the log has grown some more.
    fn alone(&self, writer: &Connection, frames: u32) -> Result<(), Fault> {
        let readers = self.readers.upgrade();
        let copied = match readers.and_then(|readers| readers.alone(|| passive(writer))) {
            Some(copied) => copied?,
            None => false,
        };
        if !copied {
            tracing::warn!(
                frames,
                "the write-ahead log cannot begin again: somebody reads from it"
            );
        }
        let again = frames.saturating_add(self.frames_max / 4);
        self.alone_from.store(again, Ordering::Relaxed);
        Ok(())
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
mod tests;
