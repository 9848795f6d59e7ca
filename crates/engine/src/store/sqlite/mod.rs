//! The SQLite store: one file, one writer, many readers.
//!
//! The caller of `lock` and `finish` does SQLite's work on its own thread and may block there: the
//! committer has a thread for that. Readers have read-only connections of their own and short
//! transactions, run beside the runtime. The write-ahead log is synced at every COMMIT
//! (`synchronous=FULL`) and kept small by a checkpoint thread.
//!
//! How names and timers are kept is this adapter's affair: see [`names`] and `timers`. It
//! decides nothing about holds or stock. The process that writes takes `DIR/lock` itself; two
//! adapters on one directory are allowed and stay correct, at the price of reading each other's
//! rows.

mod balances;
mod codec;
mod fault;
mod feed;
mod life;
pub mod names;
mod private;
mod readers;
mod rows;
mod schema;
mod shares;
mod snapshot;
mod squeeze;
mod subscriptions;
mod timers;
mod upkeep;
pub mod views;
mod wal;
mod write;

pub use super::dir::{make_dir, sync_dir};
use crate::chain;
use crate::commit::{Name, cart_name, hold_name, order_name, saga_name};
use crate::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, Ids, KeyRow, Listed, Locked,
    LogRow, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow, SegmentRow,
    Share, Store, SubscriptionRow, TokenRow, Touch, View,
};
use crate::worker::blocking;
use async_trait::async_trait;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use fault::fault;
use names::{NameFilter, Names, NamesOptions};
use parking_lot::Mutex;
use rusqlite::{Connection, params};
pub use schema::FILE;
pub use squeeze::open as text_of;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Marks an entry of the name index as a final refusal's number instead of a position.
const REFUSAL: u64 = 1 << 63;
/// Most rows of one read, so that no reader's transaction is long.
const ROWS_MAX: usize = 10_000;
/// Most SKUs of a read that shares what other readers know of balances, and makes them wait.
const SHARED_MAX: usize = 200;

/// The one writing connection and what it remembers.
struct Writer {
    conn: Connection,
    balances: balances::Ledger,
    checkpoints: Option<wal::Checkpoints>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = balances::carry_all(self) {
            tracing::debug!(%error, "news of balances stay for the next start");
        }
    }
}

struct Inner {
    dir: PathBuf,
    names: Mutex<Names>,
    filter: NameFilter,
    /// Deadlines of holds.
    timers: Mutex<timers::Timers>,
    /// When orders, sagas and callbacks are to be looked at.
    dues: Mutex<timers::Timers>,
    known_to: AtomicU64,
    /// For readers; the writer has its own.
    news: Mutex<balances::News>,
    readers: Arc<readers::Readers>,
    /// How long COMMITs take.
    syncs: metrics::Histogram,
}

/// A store in the file `evenkeel.db` of a directory.
pub struct SqliteStore {
    inner: Arc<Inner>,
    writer: Option<Arc<tokio::sync::Mutex<Writer>>>,
}

impl SqliteStore {
    /// Opens the store of a directory for writing and reading; makes both if they are missing.
    ///
    /// # Errors
    /// A [`Fault`]: the directory cannot be written, the file is not ours, or SQLite is too old.
    pub fn open(dir: &Path, ids: &dyn Ids, options: NamesOptions) -> Result<Self, Fault> {
        make_dir(dir).map_err(|error| Fault::Unavailable(error.to_string()))?;
        let mut conn = schema::open_writer(dir)?;
        wal::carry_over(&conn)?;
        schema::migrate(&conn)?;
        make_head(&conn, ids)?;
        let inner = Inner::open(dir, &conn, (options, Damage::Refused))?;
        inner.timers.lock().adopt(&conn)?;
        inner.dues.lock().adopt(&conn)?;
        let second = (schema::open_writer(dir)?, &inner.readers);
        let checkpoints = wal::Checkpoints::watch(&mut conn, second, wal::FRAMES_MAX)?;
        let checkpoints = Some(checkpoints);
        let writer = Writer {
            conn,
            balances: balances::Ledger::default(),
            checkpoints,
        };
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Ok(Self {
            inner: Arc::new(inner),
            writer: Some(writer),
        })
    }

    /// Opens the store of a directory for reading beside its writer.
    ///
    /// A log that is damaged is opened all the same: `verify` reads it and says what is wrong.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if there is no store, or it has a newer or an older schema.
    pub fn open_read_only(dir: &Path, options: NamesOptions) -> Result<Self, Fault> {
        if !dir.join(FILE).exists() {
            let what = format!("there is no store in {}", dir.display());
            return Err(Fault::Unavailable(what));
        }
        let conn = schema::open_reader(dir)?;
        schema::check_migrated(&conn)?;
        let inner = Inner::open(dir, &conn, (options, Damage::Borne))?;
        Ok(Self {
            inner: Arc::new(inner),
            writer: None,
        })
    }

    /// Applies the migrations that are missing; how many were applied.
    ///
    /// # Errors
    /// A [`Fault`]; nothing was applied.
    pub fn migrate(dir: &Path, ids: &dyn Ids) -> Result<usize, Fault> {
        make_dir(dir).map_err(|error| Fault::Unavailable(error.to_string()))?;
        let conn = schema::open_writer(dir)?;
        let applied = schema::migrate(&conn)?;
        make_head(&conn, ids)?;
        Ok(applied)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner, &Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<At<T>, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.read(read)).await
    }
}

/// What a log that cannot be read does to opening its store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Nobody writes behind a damaged log.
    Refused,
    /// `verify` has to read it.
    Borne,
}

impl SqliteStore {
    /// Reads balances: with what all readers know of them, or with news of its own.
    async fn read_news<T: Send + 'static>(
        &self,
        shared: bool,
        read: impl FnOnce(&balances::News, &Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<At<T>, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut own = balances::News::default();
            // Locked before the snapshot begins, so that it is never older than the news.
            let mut of_all = shared.then(|| inner.news.lock());
            let news = of_all.as_deref_mut().unwrap_or(&mut own);
            inner.read(|_, conn| {
                news.catch_up(conn)?;
                read(news, conn)
            })
        })
        .await
    }
}

/// Writes the head row of an empty log, if there is none.
fn make_head(conn: &Connection, ids: &dyn Ids) -> Result<(), Fault> {
    const INSERT: &str = "INSERT OR IGNORE INTO head(id, log, salt, incarnation, position, hash,
        time, format, refusals, batches) VALUES (1, 'main', ?1, 1, 0, ?2, 0, ?3, 0, x'')";
    let salt = ids.random();
    let origin = chain::origin("main", &salt);
    let format = evenkeel_rules::event::FORMAT;
    conn.execute(INSERT, params![&salt[..], &origin[..], format])
        .map_err(fault)?;
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        let Some(writer) = &self.writer else {
            return Err(Fault::Unavailable(
                "the store was opened for reading".to_owned(),
            ));
        };
        let writer = Arc::clone(writer).lock_owned().await;
        let (lock, view) = write::lock(Arc::clone(&self.inner), writer, touch)?;
        Ok((Box::new(lock), view))
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let conn = schema::open_writer(&inner.dir)?;
            conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
            Ok(rows::head(&conn)?.batches.contains(&batch))
        })
        .await
    }

    async fn head(&self) -> Result<Head, Fault> {
        Ok(self.read(|_, conn| rows::head(conn)).await?.rows)
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        self.read(move |_, conn| rows::log(conn, from, limit.min(ROWS_MAX)))
            .await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let name = hold_name(&id);
        blocking(move || {
            inner.with_names(|index| {
                let entry = index.get(&name)?;
                let entry = entry.filter(|entry| entry.at <= index.upto.position);
                let row = write::hold_of(index.conn, &id, entry)?;
                let found = row.is_some();
                Ok((row, found))
            })
        })
        .await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.read(move |_, conn| rows::holds(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        let id = id.clone();
        self.read_news(true, move |news, conn| {
            rows::sku(conn, &id)?
                .map(|row| rows::listed(conn, row, news))
                .transpose()
        })
        .await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        let limit = limit.min(ROWS_MAX);
        self.read_news(limit <= SHARED_MAX, move |news, conn| {
            rows::skus(conn, before, limit, news)
        })
        .await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.read(move |_, conn| rows::tokens(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        let secret = *secret;
        Ok(self
            .read(move |_, conn| rows::token_by_secret(conn, &secret))
            .await?
            .rows)
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            // Locked before the snapshot begins: see the invariant of the timers.
            let mut timers = inner.timers.lock();
            inner.read(|_, conn| {
                let until = until.max(rows::head(conn)?.time);
                let asked = (until, limit.min(ROWS_MAX));
                timers.due(conn, asked, |at| rows::due_hold(conn, at))
            })
        })
        .await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let name = order_name(&id);
        blocking(move || {
            inner.with_names(|index| {
                let entry = index.get(&name)?;
                let entry = entry.filter(|entry| entry.at <= index.upto.position);
                let row = life::order_of(index.conn, &id, entry)?;
                let found = row.is_some();
                Ok((row, found))
            })
        })
        .await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.read(move |_, conn| life::list(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let name = saga_name(&id);
        blocking(move || {
            inner.with_names(|index| {
                let entry = index.get(&name)?;
                let entry = entry.filter(|entry| entry.at <= index.upto.position);
                let row = life::saga_of(index.conn, &id, entry)?;
                let found = row.is_some();
                Ok((row, found))
            })
        })
        .await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.read(move |_, conn| life::list(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let name = cart_name(&id);
        blocking(move || {
            inner.with_names(|index| {
                let entry = index.get(&name)?;
                let entry = entry.filter(|entry| entry.at <= index.upto.position);
                let row = life::cart_of(index.conn, &id, entry)?;
                let found = row.is_some();
                Ok((row, found))
            })
        })
        .await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.read(move |_, conn| life::list(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.read(move |_, conn| life::row(conn, created)).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.read(move |_, conn| life::list(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.read(move |_, conn| life::flagged(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            // Locked before the snapshot begins: see the invariant of the timers.
            let mut dues = inner.dues.lock();
            inner.read(|_, conn| {
                let until = until.max(rows::head(conn)?.time);
                let asked = (until, limit.min(ROWS_MAX));
                dues.due(conn, asked, |at| life::due(conn, at))
            })
        })
        .await
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        let id = id.clone();
        self.read(move |_, conn| subscriptions::subscription(conn, &id))
            .await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.read(move |_, conn| subscriptions::list(conn, before, limit.min(ROWS_MAX)))
            .await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.read(move |_, conn| private::text(conn, id)).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        let (customer, asked) = (customer.clone(), (from, limit.min(ROWS_MAX)));
        self.read(move |_, conn| private::texts_of(conn, &customer, asked))
            .await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        let (inner, wanted) = (Arc::clone(&self.inner), names.to_vec());
        blocking(move || {
            inner.with_names(|index| {
                let newest = index.upto.refusal | REFUSAL;
                let row = |name| {
                    let entry = index.get(name)?.filter(|entry| entry.at <= newest);
                    write::key_row(index.conn, entry)
                };
                let rows = wanted.iter().map(row).collect::<Result<Vec<_>, Fault>>()?;
                // Who asks for nothing asks whether the index can be read.
                let found = !rows.is_empty() && rows.iter().all(Option::is_some);
                Ok((rows, found))
            })
        })
        .await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.read(move |_, conn| rows::refusals(conn, from, limit.min(ROWS_MAX)))
            .await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        let after = after.cloned();
        self.read(move |_, conn| shares::list(conn, after.as_ref(), limit.min(ROWS_MAX)))
            .await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.read_news(false, |news, conn| rows::stray_balances(conn, news))
            .await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.read(move |_, conn| upkeep::seals(conn, upto, limit.min(ROWS_MAX)))
            .await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.read(|_, conn| upkeep::segments(conn)).await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        Ok(self.read(|_, conn| upkeep::reads_from(conn)).await?.rows)
    }

    fn may_know(&self, name: &Name) -> bool {
        self.inner.filter.may_know(name)
    }

    fn known_to(&self) -> u64 {
        self.inner.known_to.load(Ordering::Acquire)
    }
}
