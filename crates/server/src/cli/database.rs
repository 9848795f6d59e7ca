//! A database server as the store: opened, migrated and looked at.

use std::sync::Arc;

use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::{Clock as _, Fault, Head, Store, Views};
use evenkeel_engine::store::postgres::check::{self, Finding, Severity};
use evenkeel_engine::store::postgres::views::PostgresViews;
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};

use super::failure::{Failure, Verdict};
use super::output;
use super::stores::told;
use crate::config::{Config, Database};
use crate::http::Replica;

/// How to reach the server.
fn options(database: &Database) -> PostgresOptions {
    PostgresOptions {
        url: database.url.clone().unwrap_or_default(),
        ca: database.ca.clone(),
        password: database.password.clone(),
        readers: usize::try_from(database.connections).unwrap_or(usize::MAX),
    }
}

/// Opens the store to be written; says in the log what of the server's settings loses orders.
pub(super) async fn to_write(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let options = options(&config.database);
    let opened = PostgresStore::open(&options, &SystemIds).await;
    let store = opened.map_err(|fault| told(config, &fault))?;
    match look(&options).await {
        Ok(checked) => {
            let losing = checked.findings.into_iter();
            for found in losing.filter(|found| found.severity == Severity::Loses) {
                tracing::warn!(cure = found.cure, "the database server: {}", found.what);
            }
        }
        Err(fault) => tracing::warn!(%fault, "the database server's settings cannot be read"),
    }
    Ok(Arc::new(store))
}

async fn look(options: &PostgresOptions) -> Result<check::Checked, Fault> {
    let clock = evenkeel_engine::clock::SystemClock::new();
    check::check(options, || clock.now()).await
}

/// Opens the store to be read.
pub(super) async fn to_read(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let opened = PostgresStore::open_read_only(&options(&config.database)).await;
    Ok(Arc::new(opened.map_err(|fault| told(config, &fault))?))
}

/// The projections, to be written.
pub(super) async fn views_to_write(config: &Config, head: &Head) -> Result<Arc<dyn Views>, Fault> {
    let views = PostgresViews::open(&options(&config.database), head).await?;
    Ok(Arc::new(views))
}

/// The projections, to be read; nothing where there are none of this log.
pub(super) async fn views_to_read(config: &Config, head: &Head) -> Option<Arc<dyn Views>> {
    let views = PostgresViews::open_read_only(&options(&config.database), head).await?;
    Some(Arc::new(views))
}

/// Opens an empty database for the log of this head; nothing where it is not empty.
pub(super) async fn empty(config: &Config, head: &Head) -> Result<Option<Arc<dyn Store>>, Failure> {
    let opened = PostgresStore::open(&options(&config.database), &SystemIds).await;
    let store = opened.map_err(|fault| told(config, &fault))?;
    let adopted = store.adopt(head).await;
    let adopted = adopted.map_err(|fault| told(config, &fault))?;
    Ok(adopted.then(|| Arc::new(store) as Arc<dyn Store>))
}

/// The copy of the store that answers reads, where one is named.
pub(super) fn replica(config: &Config, head: &Head) -> Result<Option<Arc<Replica>>, Fault> {
    let Some(url) = &config.database.replica else {
        return Ok(None);
    };
    let options = PostgresOptions {
        url: url.clone(),
        ..options(&config.database)
    };
    let store = PostgresStore::replica(&options, head)?;
    let views = PostgresViews::replica(&options, head)?;
    let replica = Replica::new(Arc::new(store), Arc::new(views));
    Ok(Some(Arc::new(replica)))
}

/// Brings the store to this build's schema; how many steps that took.
pub(super) async fn migrate(config: &Config) -> Result<usize, Failure> {
    let migrated = PostgresStore::migrate(&options(&config.database), &SystemIds).await;
    migrated.map_err(|fault| told(config, &fault))
}

/// Tells of a server what may cost an order, each with its cure; true where nothing does.
pub(super) async fn connect(config: &Config) -> Result<Verdict, Failure> {
    let checked = look(&options(&config.database)).await;
    let checked = checked.map_err(|fault| told(config, &fault))?;
    let place = config.database.shown().unwrap_or_default();
    output::line(&format!("{place}: {}", checked.version))?;
    for found in &checked.findings {
        output::line(&lines(found))?;
    }
    let is_bad = |found: &Finding| found.severity != Severity::Advice;
    let holds = !checked.findings.iter().any(is_bad);
    if checked.findings.is_empty() {
        output::line("The server's settings and rights are right.")?;
    }
    Ok(Verdict::of(holds))
}

fn lines(found: &Finding) -> String {
    let word = match found.severity {
        Severity::Refuses => "does not work",
        Severity::Loses => "loses data",
        Severity::Advice => "advice",
    };
    format!("{word}: {}\n  cure: {}", found.what, found.cure)
}
