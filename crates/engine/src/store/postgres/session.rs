//! One connection, its settings and its prepared statements.
//!
//! Statements are prepared before they are needed, so that what follows is one round trip however
//! many statements it has: they are sent one behind the other, and only then is the first answer
//! waited for.

use super::fault::{chain, fault};
use super::schema::SCHEMA;
use super::tls::Tls;
use crate::clock::SystemClock;
use crate::port::{Clock as _, Fault, Map};
use crate::worker::{Wires, keep_here};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, Row, Statement};

/// How long making a connection may take, for each address.
const CONNECT: Duration = Duration::from_secs(5);
/// How long whatever a batch asks may stay without an answer before the connection counts as lost:
/// longer than the server lets it take. A network that swallows what it was given may say nothing
/// for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);
/// How long the network may keep what was sent before the connection counts as lost.
const UNACKED: Duration = Duration::from_secs(10);

/// What a session is for, which decides its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Batches: short, under the lock.
    Batches,
    /// Reads of rows by their keys, from snapshots.
    Rows,
    /// Lists that are filtered and sorted, from snapshots.
    Lists,
    /// Migrations and rebuilding of views, which may take long.
    Upkeep,
}

impl Purpose {
    /// The session's settings. A node that is paused inside a batch must not stop the others: the
    /// server ends its transaction after a second. A server that answers before a commit is on
    /// disk is told not to; one that was asked for more than that is left alone. Every statement
    /// of a batch finds its rows by keys, whatever the planner knows of young tables; so does every
    /// read of rows, for which making a plan anew costs more than the read.
    const fn settings(self) -> [&'static str; 2] {
        match self {
            Self::Batches => [BATCHES, BY_KEYS],
            Self::Rows => [READS, BY_KEYS],
            Self::Lists => [READS, ""],
            Self::Upkeep => [UPKEEP, ""],
        }
    }
}

const BATCHES: &str = "SET idle_in_transaction_session_timeout = '1s'; SET lock_timeout = '5s';
    SET statement_timeout = '10s'; SET default_transaction_read_only = off;";
const READS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s';
    SET statement_timeout = '60s'; SET default_transaction_read_only = on;";
const UPKEEP: &str = "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '60s';
    SET statement_timeout = 0; SET default_transaction_read_only = off;";
const BY_KEYS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off;";

/// Settings of every session.
const SETTINGS: &str = "SET jit = off; SET default_transaction_isolation = 'read committed';
    SET default_transaction_deferrable = off; SET client_min_messages = warning;
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
      WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false);";

/// A statement with its values.
pub(super) struct Asked<'a> {
    /// The statement.
    pub(super) sql: std::borrow::Cow<'static, str>,
    /// Its values.
    pub(super) values: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

impl<'a> Asked<'a> {
    /// A statement without values yet.
    pub(super) fn new(sql: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self {
            sql: sql.into(),
            values: Vec::new(),
        }
    }

    /// The same with its next value.
    pub(super) fn with(mut self, value: impl ToSql + Sync + Send + 'a) -> Self {
        self.values.push(Box::new(value));
        self
    }
}

/// Waits so long, and no longer.
///
/// # Errors
/// [`Fault::Unavailable`] when the time is over; whatever was sent may still take effect.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Fault> {
    let over = SystemClock::new();
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = over.sleep(limit) => Err(Fault::Unavailable("no answer in time".to_owned())),
    }
}

/// Who drives a connection.
#[derive(Clone, Copy)]
pub(super) enum Driver<'a> {
    /// The store's own thread: the session may be used from any runtime.
    Wires(&'a Wires),
    /// The runtime that it is opened on, and on which it is used: no thread is woken for an answer,
    /// and statements that are sent one behind the other leave together.
    Here,
}

/// One connection.
pub(super) struct Session {
    client: Client,
    prepared: Mutex<Map<String, Statement>>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    pub(super) async fn open(
        driver: Driver<'_>,
        (config, tls): (&Config, &Tls),
        purpose: Purpose,
    ) -> Result<Self, Fault> {
        let mut config = config.clone();
        config.connect_timeout(CONNECT).tcp_user_timeout(UNACKED);
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("evenkeel");
        }
        let tls = tls.clone();
        let connect = async move { within(PATIENCE, config.connect(tls)).await };
        let connected = match driver {
            Driver::Wires(wires) => wires.run(connect).await??,
            Driver::Here => connect.await?,
        };
        let (client, connection) = connected.map_err(|error| Fault::Unavailable(chain(&error)))?;
        let driven = async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = chain(&error), "a connection to the store ended");
            }
        };
        match driver {
            Driver::Wires(wires) => wires.keep(driven),
            Driver::Here => keep_here(driven),
        }
        let session = Self {
            client,
            prepared: Mutex::default(),
        };
        let path = format!("SET search_path = {SCHEMA}, pg_catalog;");
        let [limits, plans] = purpose.settings();
        let settings = [SETTINGS, &path, limits, plans].concat();
        within(PATIENCE, session.run(&settings)).await??;
        Ok(session)
    }

    /// The client itself, for what is asked rarely.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements without values.
    pub(super) async fn run(&self, statements: &str) -> Result<(), Fault> {
        let done = self.client.batch_execute(statements).await;
        done.map_err(|error| fault(&error))
    }

    /// Sends a ROLLBACK behind what was sent before, without waiting for it.
    pub(super) fn roll_back(&self) {
        let _sent = self.client.batch_execute("ROLLBACK").now_or_never();
    }

    /// Prepares what is not prepared yet, in one round trip.
    pub(super) async fn prepare<'a>(
        &self,
        statements: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let known = self.prepared.lock().clone();
        let missing: Vec<&str> = statements.filter(|it| !known.contains_key(*it)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let asked = missing.iter().map(|sql| boxed(self.client.prepare(sql)));
        let made = in_order(asked.collect()).await;
        let mut prepared = self.prepared.lock();
        for (sql, made) in missing.into_iter().zip(made) {
            prepared.insert(sql.to_owned(), made?);
        }
        Ok(())
    }

    /// A statement that was prepared.
    fn prepared(&self, sql: &str) -> Statement {
        let prepared = self.prepared.lock();
        prepared
            .get(sql)
            .expect("a statement is prepared before it is sent")
            .clone()
    }

    /// Sends a transaction in one round trip: what begins it, its statements, what ends it. The
    /// statements were prepared. The answers are in that order, the first and the last without
    /// rows.
    pub(super) async fn pipeline(
        &self,
        begin: Option<&'static str>,
        asked: &[impl std::borrow::Borrow<Asked<'_>> + Sync],
        end: Option<&'static str>,
    ) -> Vec<Result<Vec<Row>, Error>> {
        let mut all: Vec<Answer<'_>> = Vec::with_capacity(asked.len() + 2);
        all.extend(begin.map(|sql| self.bare(sql)));
        for one in asked {
            let one: &Asked<'_> = one.borrow();
            let statement = self.prepared(&one.sql);
            all.push(boxed(async move {
                let values: Vec<&(dyn ToSql + Sync)> = one
                    .values
                    .iter()
                    .map(|value| &**value as &(dyn ToSql + Sync))
                    .collect();
                self.client.query(&statement, &values).await
            }));
        }
        all.extend(end.map(|sql| self.bare(sql)));
        in_order(all).await
    }

    /// Prepares what is not prepared yet and sends it as [`Session::pipeline`] does; the answers,
    /// or the first that is an error.
    pub(super) async fn ask(
        &self,
        begin: Option<&'static str>,
        asked: &[Asked<'_>],
        end: Option<&'static str>,
    ) -> Result<Vec<Vec<Row>>, Fault> {
        let prepared = self.prepare(asked.iter().map(|it| &*it.sql)).await;
        prepared.map_err(|error| fault(&error))?;
        let answers = self.pipeline(begin, asked, end).await.into_iter();
        answers
            .map(|it| it.map_err(|error| fault(&error)))
            .collect()
    }

    fn bare<'a>(&'a self, sql: &'static str) -> Answer<'a> {
        boxed(async move {
            self.client.batch_execute(sql).await?;
            Ok(Vec::new())
        })
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send + 'a>>;

fn boxed<'a, T>(
    future: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}

/// Waits for all of them. Each is begun in its turn: a statement is sent when it is polled first,
/// and the server does what it was sent first.
async fn in_order<T>(mut all: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = Vec::new();
    done.resize_with(all.len(), || None);
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *done = Some(value),
                Poll::Pending => waits = true,
            }
        }
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    let all = done.into_iter();
    all.map(|one| one.expect("all have ended")).collect()
}
