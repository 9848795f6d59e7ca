//! The read models in SQLite: `views.db` in the data directory, or memory.
//!
//! The file is the one thing that is not written through the judge: it holds nothing that the log
//! does not say, is deleted by whoever likes, and is folded again at the next start. One connection
//! writes; readers have connections of their own and see one transaction's rows with that
//! transaction's checkpoint. It decides nothing: what rows are is said by the fold that it is
//! handed.

mod passage;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use schema::VIEWS_FILE;

use super::fault::fault;
use super::readers::Readers;
use super::rows::sql;
use super::wal::Checkpoints;
use crate::port::{
    At, AuditFilter, AuditRow, Fault, FoldInto, Head, HoldFilter, HoldRow, Listed, Map,
    OrderFilter, OrderView, Projection, Relayed, SetAside, Side, Standing, Step, Views,
};
use crate::worker::{blocking, giving_way};
use async_trait::async_trait;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use schema::Indexed;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Frames of 4 KiB after which the write-ahead log is copied, beside the writer: 32 MiB.
const FRAMES_MAX: u32 = 8_192;

struct Inner {
    /// Where the file is; nothing for views in memory, which have one connection for all.
    dir: Option<PathBuf>,
    /// Closed before the writer, which is the one that can put its log away.
    readers: Arc<Readers>,
    /// Ended before the writer too.
    checkpoints: Option<Checkpoints>,
    writer: Mutex<Connection>,
}

/// Read models in SQLite.
pub struct SqliteViews {
    inner: Arc<Inner>,
}

/// A projection's line, with the numbers of its sets.
struct Line {
    live: i64,
    building: Option<i64>,
    standing: Standing,
    /// How many of its indexes the second set has.
    ready: usize,
}

fn projection(name: &str) -> Result<Projection, Fault> {
    let found = Projection::from_name(name);
    found.ok_or_else(|| Fault::Corrupt(format!("a projection named {name}")))
}

fn lines(conn: &Connection) -> Result<Vec<Line>, Fault> {
    const QUERY: &str = "SELECT name, live, checkpoint, building, built, ready,
        (SELECT count(*) FROM set_aside WHERE projection = name AND number = live)
        FROM projection";
    let mut lines = super::rows::all(conn, QUERY, [], |row| {
        let building: Option<i64> = row.get(3).map_err(fault)?;
        let built = read::number(row, 4)?;
        Ok(Line {
            live: row.get(1).map_err(fault)?,
            building,
            standing: Standing {
                projection: projection(&row.get::<_, String>(0).map_err(fault)?)?,
                checkpoint: read::number(row, 2)?,
                building: building.map(|_| built),
                failed: read::number(row, 6)?,
            },
            ready: usize::try_from(read::number(row, 5)?).unwrap_or(usize::MAX),
        })
    })?;
    lines.sort_unstable_by_key(|line| line.standing.projection);
    Ok(lines)
}

fn line(conn: &Connection, of: Projection) -> Result<Line, Fault> {
    let mut lines = lines(conn)?.into_iter();
    let found = lines.find(|line| line.standing.projection == of);
    found.ok_or_else(|| Fault::Corrupt(format!("the projection {} is gone", of.name())))
}

impl Inner {
    /// Does something in one transaction: all of it or nothing.
    fn transaction<T>(
        &self,
        begin: &str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let writer = self.writer.lock();
        let done = within(&writer, begin, work)?;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.between_batches(&writer)?;
        }
        Ok(done)
    }

    /// Reads in one transaction.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let Some(dir) = &self.dir else {
            return self.transaction("BEGIN", work);
        };
        let conn = self.readers.begin(|| schema::open_reader(dir))?;
        within(&conn, "BEGIN", work)
    }
}

/// Rolls back what was not committed, also when the work panics.
struct Guard<'a>(&'a Connection);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction of the views was not rolled back");
        }
    }
}

fn within<T>(
    conn: &Connection,
    begin: &str,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    conn.execute_batch(begin).map_err(fault)?;
    let guard = Guard(conn);
    let done = work(conn)?;
    conn.execute_batch("COMMIT").map_err(fault)?;
    drop(guard);
    Ok(done)
}

const WRITING: &str = "BEGIN IMMEDIATE";

impl SqliteViews {
    /// Opens the views of a directory; a file that is missing, of another shape or of another log
    /// is made anew, empty.
    ///
    /// # Errors
    /// A [`Fault`]: the directory cannot be written.
    pub fn open(dir: &Path, head: &Head) -> Result<Self, Fault> {
        let mut conn = schema::open_writer(dir, head)?;
        let readers = Arc::default();
        let second = (schema::opened(dir)?, &readers);
        let checkpoints = Checkpoints::watch(&mut conn, second, FRAMES_MAX)?;
        let writing = (conn, Some(checkpoints));
        Ok(Self::over(Some(dir.to_owned()), writing, readers))
    }

    /// Opens the views of a directory beside whoever writes them; nothing where there are none of
    /// this shape and of this log, or they cannot be read.
    #[must_use]
    pub fn open_read_only(dir: &Path, head: &Head) -> Option<Self> {
        let conn = schema::open_reader(dir).ok()?;
        let ours = schema::is_ours(&conn, head);
        ours.then(|| Self::over(Some(dir.to_owned()), (conn, None), Arc::default()))
    }

    /// Views in memory, empty.
    ///
    /// # Errors
    /// A [`Fault`] of SQLite.
    pub fn in_memory(head: &Head) -> Result<Self, Fault> {
        let conn = Connection::open_in_memory().map_err(fault)?;
        schema::set_up(&conn)?;
        schema::found(&conn, head)?;
        Ok(Self::over(None, (conn, None), Arc::default()))
    }

    fn over(
        dir: Option<PathBuf>,
        (writer, checkpoints): (Connection, Option<Checkpoints>),
        readers: Arc<Readers>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                dir,
                writer: Mutex::new(writer),
                checkpoints,
                readers,
            }),
        }
    }

    /// Runs work beside the runtime; on it for views in memory, which never wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if self.inner.dir.is_none() {
            return work(&self.inner);
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }

    /// Writes in one transaction, behind everybody who waits for an answer.
    async fn fold<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if self.inner.dir.is_none() {
            return self.inner.transaction(WRITING, work);
        }
        let inner = Arc::clone(&self.inner);
        giving_way("project", move || inner.transaction(WRITING, work)).await
    }

    /// Reads live rows of a projection, whose set has the number that `read` is given.
    async fn listed<T: Send + 'static>(
        &self,
        of: Projection,
        read: impl FnOnce(&Connection, i64) -> Result<T, Fault> + Send + 'static,
    ) -> Result<At<T>, Fault> {
        self.run(move |inner| {
            inner.read(|conn| {
                let line = line(conn, of)?;
                Ok(At {
                    position: line.standing.checkpoint,
                    rows: read(conn, line.live)?,
                })
            })
        })
        .await
    }
}

/// Moves the checkpoints of a step; which sets it writes.
fn stepped(conn: &Connection, step: &Step) -> Result<Map<Projection, i64>, Fault> {
    let mut numbers = Map::default();
    for line in lines(conn)? {
        let Standing { projection, .. } = line.standing;
        if !step.projections.contains(&projection) {
            continue;
        }
        let (number, stands, query) = match step.side {
            Side::Live => (
                Some(line.live),
                Some(line.standing.checkpoint),
                "UPDATE projection SET checkpoint = ?2 WHERE name = ?1",
            ),
            Side::Building => (
                line.building,
                line.standing.building,
                "UPDATE projection SET built = ?2 WHERE name = ?1",
            ),
        };
        let (Some(number), true) = (number, stands == Some(step.after)) else {
            return Err(Fault::Conflict);
        };
        conn.execute(query, params![projection.name(), sql(step.to)])
            .map_err(fault)?;
        numbers.insert(projection, number);
    }
    Ok(numbers)
}

/// Makes a second set; it begins with so many of its indexes.
fn begun(conn: &Connection, of: Projection, ready: usize) -> Result<(), Fault> {
    if let Some(number) = line(conn, of)?.building {
        schema::delete(conn, of, number)?;
    }
    conn.execute("UPDATE meta SET sets = sets + 1", [])
        .map_err(fault)?;
    let number: i64 = conn
        .query_row("SELECT sets FROM meta", [], |row| row.get(0))
        .map_err(fault)?;
    schema::make(conn, of, number)?;
    for at in 0..ready {
        schema::index(conn, of, (number, at))?;
    }
    const QUERY: &str =
        "UPDATE projection SET building = ?2, built = 0, ready = ?3 WHERE name = ?1";
    conn.execute(QUERY, params![of.name(), number, sql(ready as u64)])
        .map_err(fault)?;
    Ok(())
}

/// Makes the next index of a second set. Where the log begins a stream twice, the set is made again
/// with the index that finds that out row by row.
fn readied(conn: &Connection, of: Projection, (number, ready): (i64, usize)) -> Result<(), Fault> {
    if schema::index(conn, of, (number, ready))? == Indexed::Twice {
        return begun(conn, of, ready + 1);
    }
    const QUERY: &str = "UPDATE projection SET ready = ?2 WHERE name = ?1";
    conn.execute(QUERY, params![of.name(), sql(ready as u64 + 1)])
        .map_err(fault)?;
    Ok(())
}

fn switched(conn: &Connection, of: Projection, least: u64) -> Result<bool, Fault> {
    let line = line(conn, of)?;
    let (Some(number), Some(built)) = (line.building, line.standing.building) else {
        return Ok(false);
    };
    if line.ready < schema::indexes(of).len() {
        readied(conn, of, (number, line.ready))?;
        return Ok(false);
    }
    if built < least {
        return Ok(false);
    }
    schema::show(conn, of, number)?;
    schema::delete(conn, of, line.live)?;
    const QUERY: &str = "UPDATE projection SET live = building, checkpoint = built,
        building = NULL, built = 0, ready = 0 WHERE name = ?1";
    conn.execute(QUERY, [of.name()]).map_err(fault)?;
    Ok(true)
}

#[async_trait]
impl Views for SqliteViews {
    async fn standing(&self) -> Result<Vec<Standing>, Fault> {
        let standing = |inner: &Inner| {
            let lines = inner.read(lines)?;
            Ok(lines.into_iter().map(|line| line.standing).collect())
        };
        self.run(standing).await
    }

    async fn write(&self, step: Step, fold: FoldInto) -> Result<(), Fault> {
        self.fold(move |conn| {
            let numbers = stepped(conn, &step)?;
            fold(&mut write::Rows::new(conn, numbers, &step)?)
        })
        .await
    }

    async fn begin(&self, projection: Projection) -> Result<(), Fault> {
        self.fold(move |conn| begun(conn, projection, 0)).await
    }

    async fn switch(&self, projection: Projection, least: u64) -> Result<bool, Fault> {
        self.fold(move |conn| switched(conn, projection, least))
            .await
    }

    async fn orders(
        &self,
        filter: &OrderFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<OrderView>>, Fault> {
        let filter = filter.clone();
        self.listed(Projection::Orders, move |conn, set| {
            read::orders(conn, set, &filter, (before, limit))
        })
        .await
    }

    async fn holds(
        &self,
        filter: &HoldFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<HoldRow>>, Fault> {
        let filter = filter.clone();
        self.listed(Projection::Holds, move |conn, set| {
            read::holds(conn, set, &filter, (before, limit))
        })
        .await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.listed(Projection::Stock, move |conn, set| {
            read::skus(conn, set, (before, limit))
        })
        .await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        from: (u64, u64),
        limit: usize,
    ) -> Result<At<Vec<AuditRow>>, Fault> {
        let filter = filter.clone();
        self.listed(Projection::Audit, move |conn, set| {
            read::audit(conn, set, &filter, (from, limit))
        })
        .await
    }

    async fn relayed(&self, now: Relayed, at: LogTime) -> Result<(), Fault> {
        self.run(move |inner| inner.transaction(WRITING, |conn| passage::note(conn, &now, at)))
            .await
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, Fault> {
        self.run(move |inner| inner.read(|conn| read::aside(conn, limit)))
            .await
    }
}
