//! The locked store: what happens between `lock` and `finish`, and when it goes wrong.
//!
//! A session that failed is never used again, so what it may still be doing cannot mix with the
//! next batch. A session that was idle may be dead without anybody knowing: the first statement of
//! a batch that finds that out begins once more on a new one, because nothing was written yet.

use super::fault::{ends_session, fault, of_commit};
use super::session::{PATIENCE, Session, within};
use super::view::{self, Plan};
use super::{Inner, write};
use crate::port::{Clock as _, Fault, Locked, Touch, View, Writes};
use async_trait::async_trait;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio_postgres::{Error, Row};

/// How long a batch may be judged before its session is listened to once more.
const LONG: Duration = Duration::from_millis(200);

/// The one session that writes batches, once there is one.
#[derive(Default)]
pub(super) struct Writer {
    session: Option<Session>,
}

/// The locked store. Dropped, it rolls back.
pub(super) struct PgLock {
    inner: Arc<Inner>,
    writer: OwnedMutexGuard<Writer>,
    open: bool,
    /// When the head was locked, by the monotonic clock.
    since: Duration,
}

impl Drop for PgLock {
    fn drop(&mut self) {
        if let (true, Some(session)) = (self.open, &self.writer.session) {
            session.roll_back();
        }
    }
}

/// Locks the head and reads what the batch touches.
pub(super) async fn lock(
    inner: Arc<Inner>,
    writer: OwnedMutexGuard<Writer>,
    touch: &Touch,
) -> Result<(PgLock, View), Fault> {
    let mut lock = PgLock {
        inner,
        writer,
        open: false,
        since: Duration::ZERO,
    };
    let plan = Plan::new(touch);
    let reused = lock.connect().await?;
    let view = match lock.begin(&plan, touch).await {
        Err(Fault::Unavailable(_)) if reused && lock.writer.session.is_none() => {
            lock.connect().await?;
            lock.begin(&plan, touch).await?
        }
        begun => begun?,
    };
    Ok((lock, view))
}

/// The first answer that is an error, and its place.
fn first_error(answers: Vec<Result<Vec<Row>, Error>>) -> Result<Vec<Vec<Row>>, (usize, Error)> {
    let mut rows = Vec::with_capacity(answers.len());
    for (at, answer) in answers.into_iter().enumerate() {
        rows.push(answer.map_err(|error| (at, error))?);
    }
    Ok(rows)
}

/// Lets this thread's connections take in what came meanwhile: first what the system has is asked
/// for, then they are driven.
async fn listen() {
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
}

impl PgLock {
    /// Has a session; whether it was used before.
    async fn connect(&mut self) -> Result<bool, Fault> {
        if self.writer.session.as_ref().is_some_and(Session::is_closed) {
            self.writer.session = None;
        }
        if self.writer.session.is_some() {
            return Ok(true);
        }
        let session = self.inner.writing_session().await?;
        let all: Vec<Cow<'static, str>> = [view::statements(), write::statements()].concat();
        let prepared = within(PATIENCE, session.prepare(all.iter().map(|it| &**it))).await?;
        prepared.map_err(|error| fault(&error))?;
        self.writer.session = Some(session);
        Ok(false)
    }

    fn session(&self) -> Result<&Session, Fault> {
        let session = self.writer.session.as_ref();
        session.ok_or_else(|| Fault::Unavailable("the connection was lost".to_owned()))
    }

    async fn begin(&mut self, plan: &Plan<'_>, touch: &Touch) -> Result<View, Fault> {
        self.open = true;
        let session = self.session()?;
        let begun = session.pipeline(Some("BEGIN"), &plan.asked, None);
        let answers = match within(PATIENCE, begun).await {
            Ok(answers) => answers,
            Err(silent) => {
                self.give_up();
                return Err(silent);
            }
        };
        match first_error(answers) {
            Ok(rows) => {
                self.since = self.inner.clock.mono();
                plan.view(touch, &rows[1..])
            }
            Err((_, error)) => {
                self.failed(&error);
                Err(fault(&error))
            }
        }
    }

    /// Gives the session up: what it may still be doing ends with it.
    fn give_up(&mut self) {
        self.open = false;
        self.writer.session = None;
    }

    /// Rolls back, or gives the session up if the error ended it.
    fn failed(&mut self, error: &Error) {
        self.open = false;
        match &self.writer.session {
            Some(session) if !ends_session(error) && !session.is_closed() => session.roll_back(),
            _ => self.writer.session = None,
        }
    }
}

#[async_trait]
impl Locked for PgLock {
    async fn finish(mut self: Box<Self>, writes: &Writes) -> Result<(), Fault> {
        let session = self.session()?;
        if self.inner.clock.mono().saturating_sub(self.since) > LONG {
            listen().await;
        }
        if session.is_closed() {
            // Nothing was sent: the server ended the session of a batch that took too long.
            self.writer.session = None;
            return Err(Fault::Conflict);
        }
        let plan = write::plan(writes);
        let begun = self.inner.clock.mono();
        let asked = session.pipeline(None, &plan, Some(write::COMMIT));
        let Ok(answers) = within(PATIENCE, asked).await else {
            self.give_up();
            return Err(Fault::TimedOut);
        };
        self.inner
            .syncs
            .record(self.inner.clock.mono().saturating_sub(begun));
        match first_error(answers) {
            Ok(_) => {
                self.open = false;
                self.inner.wrote(writes);
                Ok(())
            }
            Err((at, error)) => {
                self.failed(&error);
                let told = match error.as_db_error() {
                    // A statement before COMMIT failed: the server rolls back, whatever follows.
                    Some(_) if at < plan.len() => fault(&error),
                    _ => of_commit(&error),
                };
                if told == Fault::TimedOut {
                    self.writer.session = None;
                }
                Err(told)
            }
        }
    }
}
