//! The PostgreSQL store: one schema in a database, any number of nodes.
//!
//! A batch is two round trips: `lock` begins, locks the head row and reads what the batch touches;
//! `finish` writes it in bulk and commits. Batches of one log are serial across all nodes because
//! each waits for the head row, so READ COMMITTED suffices and no other lock is ever waited for. A
//! node that is paused in between is ended by the server after a second (see [`session`]).
//!
//! Readers have a bounded number of connections, each read one snapshot. It decides nothing about
//! holds or stock. Deadlines are a partial index, names a plain unique one: what SQLite needs
//! runs and minutes for costs a factor of two here.

pub mod check;
mod fault;
mod life;
mod lock;
mod names;
mod pool;
mod read;
mod rows;
mod schema;
mod session;
mod tls;
mod upkeep;
mod view;
pub mod views;
mod write;

use crate::port::{BatchId, Fault, Head, Ids, Writes};
use crate::worker::Wires;
use fault::fault;
use lock::Writer;
use names::{Bits, Names, Range, Upto};
use parking_lot::Mutex;
use pool::{Log, Pool};
use rows::{Sixteen, sql};
use session::{Asked, Driver, PATIENCE, Purpose, Session, within};
use std::path::PathBuf;
use std::sync::Arc;
use tls::Tls;
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

/// Most rows of one read, so that no reader's transaction is long.
const ROWS_MAX: usize = 10_000;
/// Names that are read at a time.
const NAMES_MAX: i64 = 50_000;

/// How to reach a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=require`, or the same as words.
    pub url: String,
    /// Certificates that are trusted, in a PEM file; those of the public web if missing.
    pub ca: Option<PathBuf>,
    /// The password, where it is not in the URL.
    pub password: Option<String>,
    /// Most connections for reads, at least 1. Batches have one of their own.
    pub readers: usize,
}

impl PostgresOptions {
    /// A URL with the usual number of connections.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca: None,
            password: None,
            readers: 8,
        }
    }

    /// Whether the URL can be read at all.
    ///
    /// # Errors
    /// Why not, in words; without the password.
    pub fn readable(&self) -> Result<(), String> {
        let config: Config = self.url.parse().map_err(|error| fault::chain(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host".to_owned());
        }
        Ok(())
    }

    /// Where to connect, and how.
    fn parsed(&self, access: Access) -> Result<(Config, Tls), Fault> {
        self.readable().map_err(Fault::Unavailable)?;
        let mut config: Config = self
            .url
            .parse()
            .map_err(|error| Fault::Unavailable(fault::chain(&error)))?;
        if let Some(password) = &self.password {
            config.password(password);
        }
        // Of several servers one takes writes: the primary, whichever that is at the moment. What
        // feeds a decision is read there too.
        if access == Access::Write && config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok((config, Tls::new(self.ca.as_deref())?))
    }
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

struct Inner {
    wires: Arc<Wires>,
    config: Config,
    tls: Tls,
    pool: Pool,
    names: Names,
    /// Filters of full ranges of names that are still to be kept.
    to_keep: Mutex<Vec<(Range, Bits)>>,
    clock: crate::clock::SystemClock,
    /// How long batches take to be written and committed.
    syncs: metrics::Histogram,
}

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    inner: Arc<Inner>,
    writer: Option<Arc<tokio::sync::Mutex<Writer>>>,
}

impl PostgresStore {
    /// Opens the store of a database for writing and reading; makes its tables if they are
    /// missing.
    ///
    /// # Errors
    /// A [`Fault`]: the server cannot be reached, the user lacks rights, or a newer program has
    /// been there.
    pub async fn open(options: &PostgresOptions, ids: &dyn Ids) -> Result<Self, Fault> {
        let inner = Inner::new(options, Access::Write)?;
        let session = inner.session(Purpose::Upkeep).await?;
        check::refuse_old(&session).await?;
        schema::migrate(&session, ids).await?;
        drop(session);
        Self::over(inner, Some(Arc::default())).await
    }

    /// Opens the store of a database for reading.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if there is no store, or it has a newer or an older schema.
    pub async fn open_read_only(options: &PostgresOptions) -> Result<Self, Fault> {
        let inner = Inner::new(options, Access::Read)?;
        let session = inner.session(Purpose::Rows).await?;
        schema::check_migrated(&session).await?;
        drop(session);
        Self::over(inner, None).await
    }

    /// Gives an empty store the identity of the log that is to be copied into it; whether it was
    /// empty. Until the copy is whole its head says that it is not.
    ///
    /// # Errors
    /// A [`Fault`] of the server.
    pub async fn adopt(&self, head: &Head) -> Result<bool, Fault> {
        const QUERY: &str = "UPDATE head SET log = $1, salt = $2, incarnation = $3, hash = $4,
            format = $5 WHERE id = 1 AND position = 0 AND refusals = 0";
        let session = self.inner.session(Purpose::Upkeep).await?;
        let origin = crate::chain::origin(&head.log, &head.salt);
        let done = session
            .client()
            .execute(
                QUERY,
                &[
                    &head.log,
                    &&head.salt[..],
                    &i64::from(head.incarnation),
                    &&origin[..],
                    &i64::from(crate::moving::UNFINISHED),
                ],
            )
            .await;
        Ok(done.map_err(|error| fault(&error))? == 1)
    }

    /// A copy of a store on another server, which may be behind: reads say by their position how
    /// far. It does not connect before it is asked something, and writes nothing.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] for a URL or certificates that cannot be read. Each read answers
    /// with it too where the server has another log than this head's.
    pub fn replica(options: &PostgresOptions, head: &Head) -> Result<Self, Fault> {
        let mut inner = Inner::new(options, Access::Read)?;
        inner.pool = inner.pool.only_of(Log::of(head));
        Ok(Self {
            inner: Arc::new(inner),
            writer: None,
        })
    }

    /// Applies the migrations that are missing; how many were applied.
    ///
    /// # Errors
    /// A [`Fault`]; nothing was applied.
    pub async fn migrate(options: &PostgresOptions, ids: &dyn Ids) -> Result<usize, Fault> {
        let inner = Inner::new(options, Access::Write)?;
        let session = inner.session(Purpose::Upkeep).await?;
        schema::migrate(&session, ids).await
    }

    async fn over(
        inner: Inner,
        writer: Option<Arc<tokio::sync::Mutex<Writer>>>,
    ) -> Result<Self, Fault> {
        inner.adopt_filters().await?;
        inner.catch_up().await?;
        let inner = Arc::new(inner);
        Ok(Self { inner, writer })
    }
}

impl Inner {
    fn new(options: &PostgresOptions, access: Access) -> Result<Self, Fault> {
        let (config, tls) = options.parsed(access)?;
        let wires = Arc::new(Wires::new("postgres")?);
        let connection = (config.clone(), tls.clone());
        Ok(Self {
            pool: Pool::new(
                Arc::clone(&wires),
                connection,
                (Purpose::Rows, options.readers),
            ),
            wires,
            config,
            tls,
            names: Names::default(),
            to_keep: Mutex::default(),
            clock: crate::clock::SystemClock::new(),
            syncs: crate::meter::syncs(),
        })
    }

    async fn session(&self, purpose: Purpose) -> Result<Session, Fault> {
        let driver = Driver::Wires(&self.wires);
        Session::open(driver, (&self.config, &self.tls), purpose).await
    }

    /// The session that batches are written on, which is driven by whoever writes them.
    async fn writing_session(&self) -> Result<Session, Fault> {
        let connection = (&self.config, &self.tls);
        Session::open(Driver::Here, connection, Purpose::Batches).await
    }

    /// Looks for a batch's id in the head, which is locked on a new connection first: that waits
    /// for the old transaction to end.
    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        const LOOK: &str = "SELECT batches FROM head WHERE id = 1 FOR UPDATE";
        let session = self.session(Purpose::Batches).await?;
        let look = [Asked::new(LOOK)];
        let asked = session.ask(Some("BEGIN"), &look, Some("ROLLBACK"));
        let answers = within(PATIENCE, asked).await??;
        let row = answers.iter().flatten().next();
        let row = row.ok_or_else(|| Fault::Corrupt("the head row is gone".to_owned()))?;
        let (ids, _) = rows::get::<&[u8]>(row, 0)?.as_chunks::<16>();
        Ok(ids.contains(&batch))
    }

    /// Takes over the filters that were kept.
    async fn adopt_filters(&self) -> Result<(), Fault> {
        const QUERY: &str = "SELECT refusals, number, bits FROM name_filter
            WHERE (refusals, number) > ($1, $2) ORDER BY refusals, number LIMIT 256";
        let mut after = (false, -1_i64);
        loop {
            let asked = [Asked::new(QUERY).with(after.0).with(after.1)];
            let answer = self.pool.read(asked).await?.rows;
            let Some(last) = answer.first().and_then(|rows| rows.last()) else {
                return Ok(());
            };
            after = (rows::get(last, 0)?, rows::get(last, 1)?);
            for row in answer.iter().flatten() {
                let range = (rows::get(row, 0)?, rows::number(row, 1)?);
                self.names.adopt(range, Bits(rows::get(row, 2)?));
            }
        }
    }

    /// Hears of names up to the head.
    async fn catch_up(&self) -> Result<(), Fault> {
        const HEAD: &str = "SELECT position, refusals FROM head WHERE id = 1";
        const NEWER: &str = "SELECT name, at FROM name WHERE at > $1 ORDER BY at LIMIT $2";
        const REFUSED: &str = "SELECT name, at FROM name WHERE at < $1 ORDER BY at DESC LIMIT $2";
        loop {
            let Upto { position, refusals } = self.names.upto();
            let asked = [
                Asked::new(HEAD),
                Asked::new(NEWER).with(sql(position)).with(NAMES_MAX),
                Asked::new(REFUSED).with(-sql(refusals)).with(NAMES_MAX),
            ];
            let answers = self.pool.read(asked).await?.rows;
            let [head, newer, refused] = &answers[..] else {
                return Err(Fault::Corrupt("three answers were asked for".to_owned()));
            };
            let head = head.first();
            let head = head.ok_or_else(|| Fault::Corrupt("the head row is gone".to_owned()))?;
            let mut upto = Upto {
                position: rows::number(head, 0)?,
                refusals: rows::number(head, 1)?,
            };
            let mut more = false;
            // A page that is full ends within a position: that one is read again.
            if newer.len() as i64 >= NAMES_MAX
                && let Some(last) = newer.last()
            {
                upto.position = rows::number(last, 1)?.saturating_sub(1).max(position);
                more = true;
            }
            if refused.len() as i64 >= NAMES_MAX
                && let Some(last) = refused.last()
            {
                upto.refusals = rows::get::<i64>(last, 1)?.unsigned_abs();
                more = true;
            }
            let names = newer
                .iter()
                .chain(refused)
                .map(|row| Ok((rows::get::<Sixteen>(row, 0)?.0, rows::get::<i64>(row, 1)?)));
            let names: Vec<_> = names.collect::<Result<_, Fault>>()?;
            let full = self.names.heard(names.into_iter(), upto);
            self.to_keep.lock().extend(full);
            if !more {
                return Ok(());
            }
        }
    }

    /// Takes in the names of a batch that is durable.
    fn wrote(self: &Arc<Self>, writes: &Writes) {
        let full = self.names.wrote(writes);
        if !full.is_empty() {
            self.to_keep.lock().extend(full);
            self.keep_beside();
        }
    }

    /// Keeps filters beside the batches, if there are any.
    fn keep_beside(self: &Arc<Self>) {
        if self.to_keep.lock().is_empty() {
            return;
        }
        // The thread goes with the store: a task that holds the store would keep both for ever.
        let weak = Arc::downgrade(self);
        self.wires.keep(async move {
            let Some(inner) = weak.upgrade() else {
                return;
            };
            if let Err(fault) = inner.keep_filters().await {
                tracing::debug!(%fault, "a filter of names was not kept");
            }
        });
    }

    /// Keeps filters of full ranges, whoever else does.
    async fn keep_filters(&self) -> Result<(), Fault> {
        const INSERT: &str = "INSERT INTO name_filter(refusals, number, bits)
            VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let full = std::mem::take(&mut *self.to_keep.lock());
        if full.is_empty() {
            return Ok(());
        }
        let session = self.session(Purpose::Upkeep).await?;
        for ((refusals, number), bits) in full {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&refusals, &sql(number), &bits.0];
            let kept = session.client().execute(INSERT, &values).await;
            kept.map_err(|error| fault(&error))?;
        }
        Ok(())
    }
}
