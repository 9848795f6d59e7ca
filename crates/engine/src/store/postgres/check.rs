//! What a server's settings and rights mean for the store: said before they cost an order.
//!
//! It reads and changes nothing. A finding names what stands there, what it costs and the cure.

use super::fault::fault;
use super::rows::{get, time};
use super::schema::SCHEMA;
use super::session::{Purpose, Session};
use super::{Access, Inner, PostgresOptions};
use crate::clock::{APART_MAX, apart};
use crate::port::Fault;
use evenkeel_rules::time::LogTime;

/// Oldest server that is supported, as `server_version_num` has it.
const LEAST: (i32, i32) = (150_000, 15);

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The store does not work with it.
    Refuses,
    /// An acknowledged order may be lost by it.
    Loses,
    /// It costs speed, or is worth knowing.
    Advice,
}

/// Something about a server that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What stands there, and what it costs.
    pub what: String,
    /// What to do about it.
    pub cure: String,
}

fn finding(severity: Severity, what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding {
        severity,
        what: what.into(),
        cure: cure.into(),
    }
}

/// What was looked at.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The server's version, in words.
    pub version: String,
    /// All that was found.
    pub findings: Vec<Finding>,
}

/// Looks at a server; `now` is the node's clock.
///
/// # Errors
/// [`Fault::Unavailable`] if it cannot be reached.
pub async fn check(
    options: &PostgresOptions,
    now: impl Fn() -> LogTime + Send,
) -> Result<Checked, Fault> {
    let inner = Inner::new(options, Access::Write)?;
    let session = inner.session(Purpose::Rows).await?;
    let mut findings = Vec::new();
    let version = version(&session, &mut findings).await?;
    settings(&session, &mut findings).await?;
    rights(&session, &mut findings).await?;
    standbys(&session, &mut findings).await?;
    room(&session, options.readers, &mut findings).await?;
    let asked = now();
    let row = one(
        &session,
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    )
    .await?;
    let apart = apart(time(&row, 0)?, (asked, now()));
    if apart > APART_MAX {
        let apart = apart.as_millis();
        findings.push(finding(
            Severity::Refuses,
            format!("the server's clock is {apart} ms from this machine's"),
            "keep both by NTP: a node so far off writes nothing",
        ));
    }
    Ok(Checked { version, findings })
}

/// Refuses a server that is too old, before anything is made in it.
pub(super) async fn refuse_old(session: &Session) -> Result<(), Fault> {
    let mut findings = Vec::new();
    version(session, &mut findings).await?;
    match findings.pop() {
        Some(found) => Err(Fault::Unavailable(format!(
            "{}: {}",
            found.what, found.cure
        ))),
        None => Ok(()),
    }
}

async fn one(session: &Session, query: &str) -> Result<tokio_postgres::Row, Fault> {
    let row = session.client().query_one(query, &[]).await;
    row.map_err(|error| fault(&error))
}

async fn version(session: &Session, findings: &mut Vec<Finding>) -> Result<String, Fault> {
    const QUERY: &str = "SELECT current_setting('server_version'),
        current_setting('server_version_num')::int4";
    let row = one(session, QUERY).await?;
    let (text, number): (String, i32) = (get(&row, 0)?, get(&row, 1)?);
    if number < LEAST.0 {
        findings.push(finding(
            Severity::Refuses,
            format!("PostgreSQL {text} is older than {}", LEAST.1),
            format!("upgrade the server to PostgreSQL {} or newer", LEAST.1),
        ));
    }
    Ok(format!("PostgreSQL {text}"))
}

/// Settings that lose data when they have this value: what happens, and the cure.
const LOSING: [(&str, &str, &str, &str); 6] = [
    (
        "fsync",
        "off",
        "a power cut loses or destroys the database",
        "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
    ),
    (
        "full_page_writes",
        "off",
        "a power cut may leave torn pages behind",
        "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
    ),
    (
        "synchronous_commit",
        "off",
        "a crash loses what was acknowledged a moment before; Evenkeel turns it on for its own \
         batches",
        "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();",
    ),
    (
        "zero_damaged_pages",
        "on",
        "damaged pages are read as empty ones",
        "ALTER SYSTEM RESET zero_damaged_pages; SELECT pg_reload_conf();",
    ),
    (
        "ignore_checksum_failure",
        "on",
        "damaged pages are believed",
        "ALTER SYSTEM RESET ignore_checksum_failure; SELECT pg_reload_conf();",
    ),
    (
        "data_sync_retry",
        "on",
        "a write that the disk did not confirm is taken for written later",
        "set data_sync_retry = off in postgresql.conf and restart the server",
    ),
];

async fn settings(session: &Session, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    // The session's own value may be Evenkeel's: what stands is what a session begins with.
    const QUERY: &str = "SELECT CASE WHEN current_setting($1, true) IS NULL THEN '' ELSE
        coalesce((SELECT reset_val FROM pg_settings WHERE name = $1), current_setting($1)) END";
    for (name, bad, what, cure) in LOSING {
        let row = session.client().query_one(QUERY, &[&name]).await;
        let row = row.map_err(|error| fault(&error))?;
        if get::<&str>(&row, 0)? == bad {
            let what = format!("{name} = {bad}: {what}");
            findings.push(finding(Severity::Loses, what, cure));
        }
    }
    let row = one(session, "SELECT current_setting('server_encoding')").await?;
    let encoding: &str = get(&row, 0)?;
    if encoding != "UTF8" {
        findings.push(finding(
            Severity::Refuses,
            format!(
                "the database's encoding is {encoding}, and names of SKUs may be in any script"
            ),
            "CREATE DATABASE evenkeel ENCODING 'UTF8' TEMPLATE template0; and name that one",
        ));
    }
    let row = one(session, "SELECT current_setting('data_checksums')").await?;
    if get::<&str>(&row, 0)? == "off" {
        findings.push(finding(
            Severity::Advice,
            "data_checksums = off: a page that the disk changed is not noticed by the server",
            "stop the server and run pg_checksums --enable; `evenkeel verify` notices it in the \
             log",
        ));
    }
    Ok(())
}

async fn rights(session: &Session, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    const QUERY: &str = "SELECT current_user::text, current_database()::text,
        pg_is_in_recovery(),
        (SELECT true FROM pg_namespace WHERE nspname = 'evenkeel'),
        has_database_privilege(current_database(), 'CREATE'),
        coalesce((SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
          FROM pg_namespace WHERE nspname = 'evenkeel'), false)";
    let row = one(session, QUERY).await?;
    let (user, database): (&str, &str) = (get(&row, 0)?, get(&row, 1)?);
    if get(&row, 2)? {
        findings.push(finding(
            Severity::Refuses,
            "the server is a standby: nothing can be written to it",
            "name the primary in store.url",
        ));
    }
    let has_schema = get::<Option<bool>>(&row, 3)?.unwrap_or(false);
    let (may_make, may_use): (bool, bool) = (get(&row, 4)?, get(&row, 5)?);
    if !has_schema && !may_make {
        findings.push(finding(
            Severity::Refuses,
            format!("{user} may not make the schema {SCHEMA} in {database}"),
            format!("CREATE SCHEMA {SCHEMA} AUTHORIZATION \"{user}\";"),
        ));
    }
    if has_schema && !may_use {
        findings.push(finding(
            Severity::Refuses,
            format!("{user} may not make tables in the schema {SCHEMA}"),
            format!("GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO \"{user}\";"),
        ));
    }
    Ok(())
}

async fn standbys(session: &Session, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    const QUERY: &str = "SELECT (SELECT count(*) FROM pg_stat_replication),
        current_setting('synchronous_standby_names') <> '',
        coalesce((SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), '')";
    let row = one(session, QUERY).await?;
    let (count, named): (i64, bool) = (get(&row, 0)?, get(&row, 1)?);
    if count > 0 && !named {
        findings.push(finding(
            Severity::Loses,
            format!(
                "{count} standbys follow, and synchronous_standby_names is empty: one that is \
                 promoted may lack acknowledged orders"
            ),
            "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf();",
        ));
    }
    if named && get::<&str>(&row, 2)? == "local" {
        findings.push(finding(
            Severity::Loses,
            "synchronous_commit = local: a batch is acknowledged before any standby has it",
            "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();",
        ));
    }
    Ok(())
}

async fn room(session: &Session, readers: usize, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    const QUERY: &str = "SELECT current_setting('max_connections')::int8
        - current_setting('superuser_reserved_connections')::int8,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')";
    let row = one(session, QUERY).await?;
    let (most, taken): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
    // Batches, an unknown commit, migrations and views have one each.
    let needs = i64::try_from(readers).unwrap_or(i64::MAX).saturating_add(4);
    if most.saturating_sub(taken) < needs {
        findings.push(finding(
            Severity::Advice,
            format!("{taken} of {most} connections are taken, and a node may need {needs}"),
            "raise max_connections, or lower store.connections",
        ));
    }
    Ok(())
}
