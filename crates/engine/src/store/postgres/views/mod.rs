//! The read models in PostgreSQL: beside the ledger, in the same schema, for all nodes at once.
//!
//! They are not written through the judge: they hold nothing that the log does not say, and are
//! folded again where they are missing. A transaction locks the lines of the projections whose
//! checkpoint it moves, so of two nodes that fold the same page one finds the checkpoint moved and
//! is told [`Fault::Conflict`]. A power cut may take the newest rows, with their checkpoint. It
//! decides nothing: what rows are is said by the fold that it is handed.

mod bulk;
mod passage;
mod read;
mod schema;
mod write;

use super::fault::fault;
use super::pool::{Log, Pool};
use super::rows::{self, get, number, sql};
use super::session::{Asked, Driver, Purpose, Session};
use super::tls::Tls;
use super::{Access, PostgresOptions, ROWS_MAX};
use crate::port::{
    At, AuditFilter, AuditRow, Fault, FoldInto, Head, HoldFilter, HoldRow, Listed, Map,
    OrderFilter, OrderView, Projection, Relayed, SetAside, Side, Standing, Step, Views,
};
use crate::worker::{Wires, giving_way};
use async_trait::async_trait;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio_postgres::{Config, Row};

/// How often a list is tried again when its set was deleted meanwhile.
const TRIES: usize = 4;

/// The one session that writes, once there is one.
type Writer = Option<Session>;

struct Inner {
    wires: Arc<Wires>,
    config: Config,
    tls: Tls,
    pool: Pool,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    /// The numbers of the live sets, as they were found last.
    live: Mutex<Map<Projection, i64>>,
}

/// Read models in PostgreSQL.
pub struct PostgresViews {
    inner: Arc<Inner>,
}

/// A projection's line, with the numbers of its sets.
struct Line {
    live: i64,
    building: Option<i64>,
    standing: Standing,
}

const LINES: &str = "SELECT name, live, checkpoint, building, built,
    (SELECT count(*) FROM set_aside WHERE projection = name AND set_aside.number = live)
    FROM projection";

fn projection(name: &str) -> Result<Projection, Fault> {
    let found = Projection::from_name(name);
    found.ok_or_else(|| Fault::Corrupt(format!("a projection named {name}")))
}

fn line(row: &Row) -> Result<Line, Fault> {
    let building: Option<i64> = get(row, 3)?;
    let built = number(row, 4)?;
    Ok(Line {
        live: get(row, 1)?,
        building,
        standing: Standing {
            projection: projection(get(row, 0)?)?,
            checkpoint: number(row, 2)?,
            building: building.map(|_| built),
            failed: number(row, 5)?,
        },
    })
}

fn lines(rows: &[Row]) -> Result<Vec<Line>, Fault> {
    let mut lines = rows.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    lines.sort_unstable_by_key(|line| line.standing.projection);
    Ok(lines)
}

fn line_of(lines: Vec<Line>, of: Projection) -> Result<Line, Fault> {
    let mut lines = lines.into_iter();
    let found = lines.find(|line| line.standing.projection == of);
    found.ok_or_else(|| Fault::Corrupt(format!("the projection {} is gone", of.name())))
}

impl Inner {
    fn new(options: &PostgresOptions, access: Access) -> Result<Self, Fault> {
        let (config, tls) = options.parsed(access)?;
        let wires = Arc::new(Wires::new("views")?);
        let connection = (config.clone(), tls.clone());
        let readers = options.readers.div_ceil(2);
        Ok(Self {
            pool: Pool::new(Arc::clone(&wires), connection, (Purpose::Lists, readers)),
            wires,
            config,
            tls,
            writer: Arc::default(),
            live: Mutex::default(),
        })
    }

    async fn session(&self) -> Result<Session, Fault> {
        let connection = (&self.config, &self.tls);
        let driver = Driver::Wires(&self.wires);
        let session = Session::open(driver, connection, Purpose::Upkeep).await?;
        session.run("SET synchronous_commit = off").await?;
        Ok(session)
    }

    /// The writer, with a session that is not known to be dead.
    async fn writer(&self) -> Result<tokio::sync::OwnedMutexGuard<Writer>, Fault> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        if writer.as_ref().is_none_or(Session::is_closed) {
            *writer = Some(self.session().await?);
        }
        Ok(writer)
    }
}

/// The session of a writer that has one.
fn session(writer: &Writer) -> Result<&Session, Fault> {
    writer
        .as_ref()
        .ok_or_else(|| Fault::Unavailable("the connection was lost".to_owned()))
}

/// The lines of all projections, locked: whoever moves a checkpoint waits here. In a transaction
/// that stands, or that is begun.
async fn locked_lines(session: &Session, begin: Option<&'static str>) -> Result<Vec<Line>, Fault> {
    const LOCK: &str = "SELECT 1 FROM projection ORDER BY name FOR UPDATE";
    let asked = [Asked::new(LOCK), Asked::new(LINES)];
    let mut answers = session.ask(begin, &asked, None).await?;
    lines(&answers.pop().unwrap_or_default())
}

/// Does something in one transaction: all of it or nothing.
async fn within<T>(
    writer: &mut Writer,
    work: impl AsyncFnOnce(&Session) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let done = async {
        let session = session(writer)?;
        session.run("BEGIN").await?;
        let done = work(session).await?;
        session.run("COMMIT").await?;
        Ok(done)
    }
    .await;
    if done.is_err() {
        give_up(writer);
    }
    done
}

/// Rolls back, or lets go of a session that is gone.
fn give_up(writer: &mut Writer) {
    match writer {
        Some(session) if !session.is_closed() => session.roll_back(),
        _ => *writer = None,
    }
}

impl PostgresViews {
    /// Opens the views of a database; where they are missing, of another shape or of another log
    /// they are made anew, empty.
    ///
    /// # Errors
    /// A [`Fault`]: the server cannot be reached, or the user lacks rights.
    pub async fn open(options: &PostgresOptions, head: &Head) -> Result<Self, Fault> {
        let inner = Inner::new(options, Access::Write)?;
        let session = inner.session().await?;
        schema::found(&session, head).await?;
        let inner = Arc::new(inner);
        *inner.writer.lock().await = Some(session);
        Ok(Self { inner })
    }

    /// Opens the views of a database for reading; nothing where there are none of this shape and
    /// of this log, or they cannot be read.
    pub async fn open_read_only(options: &PostgresOptions, head: &Head) -> Option<Self> {
        let inner = Inner::new(options, Access::Read).ok()?;
        let session = inner.session().await.ok()?;
        let ours = schema::is_ours(&session, head).await.ok()?;
        ours.then(|| Self {
            inner: Arc::new(inner),
        })
    }

    /// Copies of them on another server, as [`super::PostgresStore::replica`] is of the store.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] for a URL or certificates that cannot be read.
    pub fn replica(options: &PostgresOptions, head: &Head) -> Result<Self, Fault> {
        let mut inner = Inner::new(options, Access::Read)?;
        inner.pool = inner.pool.only_of(Log::of(head));
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Reads live rows of a projection with statements over its set, whose number is asked for
    /// again in the same snapshot: a set that was deleted meanwhile is not believed.
    async fn listed(
        &self,
        of: Projection,
        asked: impl Fn(i64) -> Vec<Asked<'static>>,
    ) -> Result<At<Vec<Vec<Row>>>, Fault> {
        let mut last = Fault::Conflict;
        for _ in 0..TRIES {
            let known = self.inner.live.lock().get(&of).copied();
            let statements = known.map(&asked).unwrap_or_default();
            let mut all = vec![Asked::new(LINES)];
            all.extend(statements);
            match self.inner.pool.read(all).await {
                Ok(At { mut rows, .. }) => {
                    let rest = rows.split_off(1);
                    let line = line_of(lines(&rows.concat())?, of)?;
                    if known == Some(line.live) {
                        return Ok(At {
                            position: line.standing.checkpoint,
                            rows: rest,
                        });
                    }
                    self.inner.live.lock().insert(of, line.live);
                }
                // Its table is gone, perhaps because its set is.
                Err(fault @ Fault::Corrupt(_)) if known.is_some() => {
                    self.inner.live.lock().remove(&of);
                    last = fault;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    /// The rows of one statement.
    async fn list<T>(
        &self,
        of: Projection,
        asked: impl Fn(i64) -> Asked<'static>,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<At<Vec<T>>, Fault> {
        let At { position, rows } = self.listed(of, |set| vec![asked(set)]).await?;
        let rows = rows.iter().flatten().map(read).collect::<Result<_, _>>()?;
        Ok(At { position, rows })
    }
}

/// Begins the transaction of a step; which sets it writes.
async fn stepped(session: &Session, step: &Step) -> Result<Map<Projection, i64>, Fault> {
    let mut numbers = Map::default();
    for line in locked_lines(session, Some("BEGIN")).await? {
        let Standing { projection, .. } = line.standing;
        if !step.projections.contains(&projection) {
            continue;
        }
        let (number, stands) = match step.side {
            Side::Live => (Some(line.live), Some(line.standing.checkpoint)),
            Side::Building => (line.building, line.standing.building),
        };
        let (Some(number), true) = (number, stands == Some(step.after)) else {
            return Err(Fault::Conflict);
        };
        numbers.insert(projection, number);
    }
    Ok(numbers)
}

/// What moves the checkpoints of a step.
fn moved(step: &Step) -> Asked<'static> {
    let names: Vec<&str> = step.projections.iter().map(|it| it.name()).collect();
    let query = match step.side {
        Side::Live => "UPDATE projection SET checkpoint = $2 WHERE name = ANY($1)",
        Side::Building => "UPDATE projection SET built = $2 WHERE name = ANY($1)",
    };
    Asked::new(query).with(names).with(sql(step.to))
}

/// Folds a page in one transaction, on a thread that may wait: one round trip that begins it, those
/// of the rows that the fold asks for, and one that writes and commits.
fn folded(
    (wires, writer): (&Wires, &mut Writer),
    step: &Step,
    fold: FoldInto,
) -> Result<(), Fault> {
    let session = session(writer)?;
    let numbers = wires.wait(stepped(session, step))?;
    let mut rows = write::Rows::new((wires, session), (&numbers, step.after));
    fold(&mut rows)?;
    let mut all = rows.flush();
    all.push(moved(step));
    wires.wait(session.ask(None, &all, Some("COMMIT")))?;
    Ok(())
}

/// Makes a second set.
async fn begun(session: &Session, of: Projection) -> Result<(), Fault> {
    if let Some(number) = line_of(locked_lines(session, None).await?, of)?.building {
        schema::delete(session, of, number).await?;
    }
    const NEXT: &str = "UPDATE view_meta SET sets = sets + 1 RETURNING sets";
    let row = session.client().query_one(NEXT, &[]).await;
    let number: i64 = get(&row.map_err(|error| fault(&error))?, 0)?;
    schema::make(session, of, number).await?;
    const QUERY: &str = "UPDATE projection SET building = $2, built = 0 WHERE name = $1";
    let told = session
        .client()
        .execute(QUERY, &[&of.name(), &number])
        .await;
    told.map_err(|error| fault(&error))?;
    Ok(())
}

async fn switched(session: &Session, of: Projection, least: u64) -> Result<bool, Fault> {
    let line = line_of(locked_lines(session, None).await?, of)?;
    let (Some(number), Some(built)) = (line.building, line.standing.building) else {
        return Ok(false);
    };
    if built < least {
        return Ok(false);
    }
    schema::show(session, of, number).await?;
    schema::delete(session, of, line.live).await?;
    const QUERY: &str = "UPDATE projection SET live = building, checkpoint = built,
        building = NULL, built = 0 WHERE name = $1";
    let told = session.client().execute(QUERY, &[&of.name()]).await;
    told.map_err(|error| fault(&error))?;
    Ok(true)
}

#[async_trait]
impl Views for PostgresViews {
    async fn standing(&self) -> Result<Vec<Standing>, Fault> {
        let rows = self.inner.pool.read([Asked::new(LINES)]).await?.rows;
        let lines = lines(&rows.concat())?;
        Ok(lines.into_iter().map(|line| line.standing).collect())
    }

    fn is_on_a_server(&self) -> bool {
        true
    }

    async fn write(&self, step: Step, fold: FoldInto) -> Result<(), Fault> {
        let mut writer = self.inner.writer().await?;
        let wires = Arc::clone(&self.inner.wires);
        giving_way("project", move || {
            let done = folded((&wires, &mut writer), &step, fold);
            if done.is_err() {
                give_up(&mut writer);
            }
            done
        })
        .await
    }

    async fn begin(&self, projection: Projection) -> Result<(), Fault> {
        let mut writer = self.inner.writer().await?;
        within(&mut writer, async |session| {
            begun(session, projection).await
        })
        .await
    }

    async fn switch(&self, projection: Projection, least: u64) -> Result<bool, Fault> {
        let mut writer = self.inner.writer().await?;
        let done = within(&mut writer, async |session| {
            switched(session, projection, least).await
        });
        done.await
    }

    async fn orders(
        &self,
        filter: &OrderFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<OrderView>>, Fault> {
        let asked = |set| read::orders(set, filter, (before, limit));
        self.list(Projection::Orders, asked, read::order).await
    }

    async fn holds(
        &self,
        filter: &HoldFilter,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<HoldRow>>, Fault> {
        let asked = |set| read::holds(set, filter, (before, limit));
        self.list(Projection::Holds, asked, read::hold).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        let asked = |set| read::skus(set, (before, limit)).into();
        let At { position, rows } = self.listed(Projection::Stock, asked).await?;
        let [skus, stock] = &rows[..] else {
            return Err(Fault::Corrupt("two answers were asked for".to_owned()));
        };
        let rows = rows::listed(skus.iter().map(read::sku), stock)?;
        Ok(At { position, rows })
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        from: (u64, u64),
        limit: usize,
    ) -> Result<At<Vec<AuditRow>>, Fault> {
        let asked = |set| read::audit(set, filter, (from, limit));
        self.list(Projection::Audit, asked, read::audit_row).await
    }

    async fn relayed(&self, now: Relayed, at: LogTime) -> Result<(), Fault> {
        let mut writer = self.inner.writer().await?;
        let session = session(&writer)?;
        let noted = passage::note(session, &now, at).await;
        if noted.is_err() {
            give_up(&mut writer);
        }
        noted
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, Fault> {
        const QUERY: &str = "SELECT a.projection, a.position, a.idx, a.why FROM set_aside a
            JOIN projection p ON p.name = a.projection AND p.live = a.number
            ORDER BY a.position, a.idx, a.projection LIMIT $1";
        let limit = sql(limit.min(ROWS_MAX) as u64);
        let asked = [Asked::new(QUERY).with(limit)];
        let rows = self.inner.pool.read(asked).await?.rows;
        let aside = rows.iter().flatten().map(|row| {
            Ok(SetAside {
                projection: projection(get(row, 0)?)?,
                position: number(row, 1)?,
                index: number(row, 2)?,
                why: get(row, 3)?,
            })
        });
        aside.collect()
    }
}
