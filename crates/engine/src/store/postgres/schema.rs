//! Tables and migrations of the PostgreSQL store.
//!
//! Everything stands in a schema of its own, `evenkeel`, so that a database may be shared with
//! other programs. Hot rows are appended: log, holds, orders, sagas, carts, callbacks and private
//! texts are keyed by position. Names are a plain unique tree of 16 bytes: a random key costs a
//! factor of two here, not eight to thirteen as in SQLite. Ids compare as bytes (`COLLATE "C"`),
//! bodies are bytes that are never looked into, there are no triggers and no time of the database.
//!
//! Migrations run in one transaction under an advisory lock: of two nodes that start at once, one
//! waits and finds nothing to do.

use super::fault::fault;
use super::session::Session;
use crate::chain;
use crate::port::{Fault, Ids};

/// The schema that all tables are in.
pub(super) const SCHEMA: &str = "evenkeel";
/// The advisory lock of those who migrate: "evenkeel" in ASCII.
const MIGRATING: i64 = 0x6576_656e_6b65_656c;

/// The migrations, oldest first; the one row of `migrated` counts those that were applied.
pub(super) const MIGRATIONS: [&str; 2] = [TABLES, ENDED];

const TABLES: &str = r#"
CREATE TABLE head(id smallint PRIMARY KEY CHECK (id = 1), log text NOT NULL, salt bytea NOT NULL,
  incarnation bigint NOT NULL, position bigint NOT NULL, hash bytea NOT NULL, time bigint NOT NULL,
  format bigint NOT NULL, refusals bigint NOT NULL, batches bytea NOT NULL, leases text NOT NULL,
  floor bigint NOT NULL);
CREATE TABLE log(position bigint PRIMARY KEY, hash bytea NOT NULL, text bytea NOT NULL);
CREATE TABLE name(name uuid NOT NULL, at bigint NOT NULL, fingerprint uuid NOT NULL);
CREATE UNIQUE INDEX name_name ON name(name) WITH (fillfactor = 70);
CREATE INDEX name_at ON name(at);
CREATE TABLE name_filter(refusals boolean NOT NULL, number bigint NOT NULL, bits bytea NOT NULL,
  PRIMARY KEY (refusals, number));
CREATE TABLE seal(position bigint PRIMARY KEY, text bytea NOT NULL);
CREATE TABLE segment(first bigint PRIMARY KEY, last bigint NOT NULL, before bytea NOT NULL,
  hash bytea NOT NULL, digest bytea NOT NULL, bytes bigint NOT NULL);
CREATE TABLE refusal(number bigint PRIMARY KEY, name uuid NOT NULL, fingerprint uuid NOT NULL,
  text text NOT NULL);
CREATE TABLE hold(created bigint PRIMARY KEY, last bigint NOT NULL, version bigint NOT NULL,
  due bigint, body bytea NOT NULL) WITH (fillfactor = 70);
CREATE INDEX hold_due ON hold(due, created) WHERE due IS NOT NULL;
CREATE TABLE sku(created bigint PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
  last bigint NOT NULL, version bigint NOT NULL, stock_last bigint NOT NULL,
  stock_version bigint NOT NULL, locations text NOT NULL, body bytea NOT NULL)
  WITH (fillfactor = 70);
CREATE TABLE balance(sku text COLLATE "C" NOT NULL, location text COLLATE "C" NOT NULL,
  supply bigint NOT NULL, available bigint NOT NULL, held bigint NOT NULL, sold bigint NOT NULL,
  shipped bigint NOT NULL, returned bigint NOT NULL, written_off bigint NOT NULL,
  PRIMARY KEY (sku, location)) WITH (fillfactor = 50);
CREATE TABLE share(sku text COLLATE "C" NOT NULL, customer text COLLATE "C" NOT NULL,
  units bigint NOT NULL, PRIMARY KEY (sku, customer)) WITH (fillfactor = 70);
CREATE TABLE token(created bigint PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
  secret bytea NOT NULL UNIQUE, last bigint NOT NULL, version bigint NOT NULL,
  body bytea NOT NULL);
CREATE TABLE order_row(created bigint PRIMARY KEY, last bigint NOT NULL, version bigint NOT NULL,
  calls bigint NOT NULL, sent bigint NOT NULL, sent_at bigint NOT NULL, again boolean NOT NULL,
  called bigint NOT NULL, due bigint, flagged boolean NOT NULL, body bytea NOT NULL)
  WITH (fillfactor = 50);
CREATE TABLE saga(LIKE order_row INCLUDING ALL);
CREATE TABLE cart(LIKE order_row INCLUDING ALL);
CREATE TABLE callback(LIKE order_row INCLUDING ALL);
CREATE INDEX order_due ON order_row(due, created) WHERE due IS NOT NULL;
CREATE INDEX saga_due ON saga(due, created) WHERE due IS NOT NULL;
CREATE INDEX callback_due ON callback(due, created) WHERE due IS NOT NULL;
CREATE INDEX order_flagged ON order_row(created) WHERE flagged;
CREATE INDEX saga_flagged ON saga(created) WHERE flagged;
CREATE INDEX callback_flagged ON callback(created) WHERE flagged;
CREATE TABLE private(position bigint NOT NULL, part smallint NOT NULL,
  customer text COLLATE "C", text bytea NOT NULL, erased_at bigint, PRIMARY KEY (position, part));
CREATE TABLE subscription(created bigint PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
  last bigint NOT NULL, version bigint NOT NULL, body bytea NOT NULL, progress bytea NOT NULL)
  WITH (fillfactor = 30);
ALTER TABLE head SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE balance SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
"#;

/// Where earlier incarnations of the log ended.
const ENDED: &str = "ALTER TABLE head ADD COLUMN ended text NOT NULL DEFAULT ''";

/// Applies the migrations that are missing and makes the head row; how many were applied.
pub(super) async fn migrate(session: &Session, ids: &dyn Ids) -> Result<usize, Fault> {
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATING})");
    session.run(&begin).await?;
    let applied = migrate_locked(session, ids).await;
    let end = if applied.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    session.run(end).await?;
    applied
}

async fn migrate_locked(session: &Session, ids: &dyn Ids) -> Result<usize, Fault> {
    let known = version(session).await?;
    check_version(known)?;
    if known == 0 {
        // Whoever may not make schemas may be given one.
        let make = format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}");
        if !has_schema(session).await? {
            session.run(&make).await?;
        }
        session
            .run(
                "CREATE TABLE migrated(id smallint PRIMARY KEY CHECK (id = 1),
                  version bigint NOT NULL); INSERT INTO migrated VALUES (1, 0);",
            )
            .await?;
    }
    for migration in &MIGRATIONS[known..] {
        session.run(migration).await?;
    }
    let now = MIGRATIONS.len();
    if known < now {
        session
            .run(&format!("UPDATE migrated SET version = {now}"))
            .await?;
    }
    make_head(session, ids).await?;
    Ok(now - known)
}

async fn has_schema(session: &Session) -> Result<bool, Fault> {
    const QUERY: &str = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
    let row = session.client().query_one(QUERY, &[&SCHEMA]).await;
    super::rows::get(&row.map_err(|error| fault(&error))?, 0)
}

/// The number of migrations that the database has had; 0 where there are no tables.
async fn version(session: &Session) -> Result<usize, Fault> {
    let table = format!("SELECT to_regclass('{SCHEMA}.migrated') IS NOT NULL");
    let row = session.client().query_one(&table, &[]).await;
    if !super::rows::get::<bool>(&row.map_err(|error| fault(&error))?, 0)? {
        return Ok(0);
    }
    let row = session
        .client()
        .query_opt("SELECT version FROM migrated", &[])
        .await
        .map_err(|error| fault(&error))?;
    let row = row.ok_or_else(|| Fault::Corrupt("the number of migrations is gone".to_owned()))?;
    Ok(usize::try_from(super::rows::number(&row, 0)?).unwrap_or(usize::MAX))
}

/// Refuses a database that a newer program has migrated.
fn check_version(version: usize) -> Result<(), Fault> {
    if version > MIGRATIONS.len() {
        let what = format!("schema {version} is newer than this program");
        return Err(Fault::Unavailable(what));
    }
    Ok(())
}

/// Refuses a database that lacks migrations, for those who cannot apply them.
pub(super) async fn check_migrated(session: &Session) -> Result<(), Fault> {
    let version = version(session).await?;
    check_version(version)?;
    let what = match version {
        0 => "the store was never migrated".to_owned(),
        _ if version < MIGRATIONS.len() => {
            format!("schema {version} is older than this program: migrate the store first")
        }
        _ => return Ok(()),
    };
    Err(Fault::Unavailable(what))
}

/// Writes the head row of an empty log, if there is none.
async fn make_head(session: &Session, ids: &dyn Ids) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO head(id, log, salt, incarnation, position, hash, time,
        format, refusals, batches, leases, floor)
        VALUES (1, 'main', $1, 1, 0, $2, 0, $3, 0, '', '', 1) ON CONFLICT DO NOTHING";
    let salt = ids.random();
    let origin = chain::origin("main", &salt);
    let format = i64::from(evenkeel_rules::event::FORMAT);
    session
        .client()
        .execute(INSERT, &[&&salt[..], &&origin[..], &format])
        .await
        .map_err(|error| fault(&error))?;
    Ok(())
}
