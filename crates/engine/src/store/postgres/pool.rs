//! Reading from snapshots, on a bounded number of connections.
//!
//! Each read is one transaction in one round trip: it begins, asks where the head stands, asks for
//! its rows and ends. So rows and position are of one snapshot, on a replica as well. Who finds no
//! connection free waits for one; a connection that turns out to be dead is replaced once.

use super::fault::{chain, ends_session, fault};
use super::rows::{fixed, number, small};
use super::session::{Asked, Driver, Purpose, Session, within};
use super::tls::Tls;
use crate::port::{At, Fault, Head};
use crate::worker::Wires;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_postgres::{Config, Row};

/// How long a read may stay without an answer: longer than the server lets a statement take.
const READ_MAX: Duration = Duration::from_secs(65);

const MARK: &str = "SELECT position, salt, incarnation FROM head WHERE id = 1";
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A bounded number of reading connections to one server.
pub(super) struct Pool {
    wires: Arc<Wires>,
    shared: Arc<Shared>,
    /// The log that its rows must be of, where that is not what makes it that log.
    of: Option<Log>,
}

struct Shared {
    config: Config,
    tls: Tls,
    purpose: Purpose,
    room: Semaphore,
    idle: Mutex<Vec<Session>>,
}

/// Which log it is: its salt and its incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    salt: [u8; 16],
    incarnation: u32,
}

impl Log {
    pub(super) const fn of(head: &Head) -> Self {
        Self {
            salt: head.salt,
            incarnation: head.incarnation,
        }
    }
}

impl Pool {
    /// A pool that has not connected yet.
    pub(super) fn new(
        wires: Arc<Wires>,
        (config, tls): (Config, Tls),
        (purpose, most): (Purpose, usize),
    ) -> Self {
        let shared = Arc::new(Shared {
            config,
            tls,
            purpose,
            room: Semaphore::new(most.max(1)),
            idle: Mutex::default(),
        });
        let of = None;
        Self { wires, shared, of }
    }

    /// The same where another server may answer: rows of another log are not believed.
    pub(super) fn only_of(self, log: Log) -> Self {
        Self {
            of: Some(log),
            ..self
        }
    }

    /// Reads in one snapshot: the position of its head, and the rows of each statement.
    ///
    /// Once begun it goes on by itself: a caller that keeps several reads and attends to something
    /// else meanwhile must not sit on connections that this something waits for.
    pub(super) async fn read(
        &self,
        asked: impl Into<Arc<[Asked<'static>]>>,
    ) -> Result<At<Vec<Vec<Row>>>, Fault> {
        let (asked, shared, of) = (asked.into(), Arc::clone(&self.shared), self.of);
        // Not the thread itself: it ends with the store, and its tasks with it.
        let wires = Arc::downgrade(&self.wires);
        let read = async move { shared.read(&wires, &asked, of).await };
        self.wires.run(read).await?
    }
}

impl Shared {
    async fn read(
        &self,
        wires: &Weak<Wires>,
        asked: &[Asked<'static>],
        of: Option<Log>,
    ) -> Result<At<Vec<Vec<Row>>>, Fault> {
        let _room = self.room.acquire().await;
        let idle = self.idle.lock().pop();
        if let Some(session) = idle {
            match self.read_on(session, asked, of).await {
                Err(Failed { lost: true, .. }) => {}
                done => return done.map_err(|failed| failed.fault),
            }
        }
        let wires = wires.upgrade();
        let wires = wires.ok_or_else(|| Fault::Unavailable("the store was closed".to_owned()))?;
        let connection = (&self.config, &self.tls);
        let driver = Driver::Wires(&wires);
        let session = Session::open(driver, connection, self.purpose).await?;
        drop(wires);
        let done = self.read_on(session, asked, of).await;
        done.map_err(|failed| failed.fault)
    }

    async fn read_on(
        &self,
        session: Session,
        asked: &[Asked<'static>],
        of: Option<Log>,
    ) -> Result<At<Vec<Vec<Row>>>, Failed> {
        let statements = asked.iter().map(|it| &*it.sql);
        session
            .prepare(std::iter::once(MARK).chain(statements))
            .await?;
        let mut all = Vec::with_capacity(asked.len() + 1);
        let mark = [Asked::new(MARK)];
        all.extend(mark.iter());
        all.extend(asked);
        let asked = session.pipeline(Some(BEGIN), &all, Some("COMMIT"));
        let answers = within(READ_MAX, asked).await?;
        let mut rows = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer {
                Ok(answer) => rows.push(answer),
                Err(error) => {
                    if !ends_session(&error) && !session.is_closed() {
                        session.roll_back();
                        self.idle.lock().push(session);
                    }
                    return Err(error.into());
                }
            }
        }
        self.idle.lock().push(session);
        rows.pop();
        let rest = rows.split_off(2);
        let head = rows.last().and_then(|rows| rows.first());
        let head = head.ok_or_else(|| Fault::Corrupt("the head row is gone".to_owned()))?;
        if let Some(of) = of {
            let found = Log {
                salt: fixed(head, 1)?,
                incarnation: small(head, 2)?,
            };
            if found != of {
                return Err(Fault::Unavailable("it has another log".to_owned()).into());
            }
        }
        let position = number(head, 0)?;
        Ok(At {
            position,
            rows: rest,
        })
    }
}

/// Why a read failed, and whether its connection was found dead.
struct Failed {
    fault: Fault,
    lost: bool,
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        let lost = ends_session(&error);
        if lost {
            tracing::debug!(error = chain(&error), "a reading connection was lost");
        }
        Self {
            fault: fault(&error),
            lost,
        }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, lost: false }
    }
}
