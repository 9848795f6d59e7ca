//! The stores that a configuration names, opened, with the HTTP API over them.
//!
//! Writing starts the whole engine, committer and loops; reading starts nothing and can stand
//! beside another process that writes. Who may write is not decided here: `DIR/lock` is the
//! caller's to take first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_engine::archive::{Archive, Archived};
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::gateway::Gateway;
use evenkeel_engine::port::{Fault, Head, Ids, Outlet, Store, Views};
use evenkeel_engine::store::segments::SegmentDir;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::store::sqlite::{FILE, SqliteStore};
use evenkeel_engine::{Engine, Options, Ports};
use evenkeel_rules::time::Millis;
use metrics_exporter_prometheus::PrometheusHandle;

use super::failure::{Failure, Verdict};
use super::output;
use super::providers::Providers;
use crate::anchors::Anchors;
use crate::config::Config;
use crate::http::{Api, Replica, Settings, Webhooks};

/// An engine and the API over it.
pub(super) struct Open {
    /// The engine, to be stopped when done.
    pub(super) engine: Engine,
    /// The API.
    pub(super) api: Arc<Api>,
}

/// Opens the stores to be written; the caller holds the lock. Only who serves makes calls.
pub(super) async fn to_write(
    config: &Config,
    serving: Option<(PrometheusHandle, &Providers)>,
) -> Result<Open, Failure> {
    let store = store_to_write(config).await?;
    let (recorder, providers) = serving.unzip();
    let archived = through(config, store);
    let ports = Ports {
        outlet: providers.map(|it| Arc::clone(&it.gateway) as Arc<dyn Outlet>),
        gateway: providers.map(|it| Arc::clone(&it.gateway) as Arc<dyn Gateway>),
        ..ports(Arc::clone(&archived))
    };
    let started = Engine::start(ports, options(config)).await;
    let engine = started.map_err(|fault| told(config, &fault))?;
    let head = engine.head().await.map_err(|fault| told(config, &fault))?;
    match views_to_write(config, &head).await {
        Ok(views) => engine.keep_views(views),
        // Whoever sells goes on: lists are then read from the store itself.
        Err(fault) => tracing::warn!(%fault, "the projections cannot be opened"),
    }
    let about = About {
        recorder,
        webhooks: providers.map(|providers| providers.webhooks.clone()),
        replica: replica(config, &head).map_err(|fault| told(config, &fault))?,
    };
    Ok(over((engine, archived), config, about))
}

/// The file that says where a directory's ledger was moved to.
pub(super) const MOVED: &str = "moved";

/// Where a directory's ledger was moved to, if it was.
fn moved_to(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join(MOVED)).ok()?;
    Some(text.trim().to_owned())
}

/// The copy of the store that answers reads, where one is named.
fn replica(config: &Config, head: &Head) -> Result<Option<Arc<Replica>>, Fault> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::replica(config, head);
    }
    let _nobody = (config, head);
    Ok(None)
}

async fn store_to_write(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::to_write(config).await;
    }
    if let Some(place) = moved_to(&config.data) {
        let directory = config.data.display();
        return Err(Failure::Refused(format!(
            "{directory}: its ledger was moved to {place}\n\
             name that as store.url; what stands in {directory} is not sold from any more"
        )));
    }
    let opened = SqliteStore::open(&config.data, &SystemIds, NamesOptions::default());
    Ok(Arc::new(opened.map_err(|fault| told(config, &fault))?))
}

async fn views_to_write(config: &Config, head: &Head) -> Result<Arc<dyn Views>, Fault> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::views_to_write(config, head).await;
    }
    Ok(Arc::new(SqliteViews::open(&config.data, head)?))
}

/// The projections, to be read; nothing where there are none of this log.
pub(super) async fn views_to_read(config: &Config, head: &Head) -> Option<Arc<dyn Views>> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::views_to_read(config, head).await;
    }
    let views = SqliteViews::open_read_only(&config.data, head)?;
    Some(Arc::new(views))
}

/// Opens the stores to be read, beside whoever writes them.
pub(super) async fn to_read(config: &Config) -> Result<Open, Failure> {
    let archived = through(config, store_to_read(config).await?);
    let opened = Engine::read_only(ports(Arc::clone(&archived)), options(config)).await;
    let engine = opened.map_err(|fault| told(config, &fault))?;
    Ok(over((engine, archived), config, About::default()))
}

/// A directory's ledger with its segments, to be copied.
pub(super) async fn to_copy(config: &Config) -> Result<Arc<Archived>, Failure> {
    Ok(through(config, store_to_read(config).await?))
}

async fn store_to_read(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::to_read(config).await;
    }
    is_there(config)?;
    let store = SqliteStore::open_read_only(&config.data, NamesOptions::default());
    Ok(Arc::new(store.map_err(|fault| told(config, &fault))?))
}

/// Refuses a directory in which there is no store.
pub(super) fn is_there(config: &Config) -> Result<(), Failure> {
    if config.database.url.is_some() || config.data.join(FILE).exists() {
        return Ok(());
    }
    let directory = config.data.display();
    Err(Failure::Unreachable(format!(
        "there is no store in {directory}\n\
         make one with evenkeel serve --data {directory}, or name another directory"
    )))
}

/// Brings the stores to this build's schema; how many steps that took. The caller holds the lock.
pub(super) async fn migrate(config: &Config) -> Result<usize, Failure> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::migrate(config).await;
    }
    SqliteStore::migrate(&config.data, &SystemIds).map_err(|fault| told(config, &fault))
}

/// Asks the back ends of a configuration whether they would do.
pub(super) async fn connect(config: &Config) -> Result<Verdict, Failure> {
    #[cfg(feature = "postgres")]
    if config.database.url.is_some() {
        return super::database::connect(config).await;
    }
    let directory = config.data.display();
    if !config.data.join(FILE).exists() {
        return output::line(&format!(
            "{directory}: there is no store yet; serve makes one."
        ));
    }
    let store = store_to_read(config).await?;
    let head = store.head().await.map_err(|fault| told(config, &fault))?;
    output::line(&format!(
        "{directory}: SQLite, its log at position {}.",
        head.position
    ))
}

/// A store with the segments of its directory.
fn through(config: &Config, store: Arc<dyn Store>) -> Arc<Archived> {
    let files = SegmentDir::new(&segments_of(&config.data));
    Arc::new(Archived::new(store, Arc::new(files)))
}

/// Where the segments of a data directory are.
pub(super) fn segments_of(directory: &Path) -> PathBuf {
    directory.join("segments")
}

/// What only a server has.
#[derive(Default)]
struct About {
    recorder: Option<PrometheusHandle>,
    webhooks: Option<Webhooks>,
    replica: Option<Arc<Replica>>,
}

fn over((engine, store): (Engine, Arc<Archived>), config: &Config, about: About) -> Open {
    let About {
        recorder,
        webhooks,
        replica,
    } = about;
    let settings = Settings {
        ttl: Millis(config.ttl_ms),
        max_life: Millis(config.max_life_ms),
        confirming: Millis(config.confirming_ms),
        webhooks: webhooks.unwrap_or_else(|| config.webhooks()),
        outbound: config.outbound.allowed(),
        low_at: config.low_at,
        allocates: config.allocation.len() > 1,
        admin_apart: config.admin_listen.is_some(),
        rates: config.rates,
        anchors: Anchors::of(&config.data),
        replica,
        archive: Some(Arc::new(Archive::new(engine.clone(), store))),
    };
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let api = Api::new(engine.clone(), ids, settings, recorder);
    Open { engine, api }
}

fn ports(store: Arc<Archived>) -> Ports {
    let (clock, ids) = (Arc::new(SystemClock::default()), Arc::new(SystemIds));
    Ports {
        outlet: None,
        store,
        gate: None,
        gateway: None,
        clock,
        ids,
    }
}

/// The node's name among those that share the store. It has to be the same after a restart, and no
/// other node's: a directory has one writer, a database many, each with a directory of its own.
fn node(config: &Config) -> String {
    if config.database.url.is_none() {
        return config.listen.to_string();
    }
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy().into_owned();
    let directory = config.data.canonicalize();
    let directory = directory.unwrap_or_else(|_| config.data.clone());
    format!("{machine}:{}", directory.display())
}

fn options(config: &Config) -> Options {
    Options {
        max_life: Millis(config.max_life_ms),
        warn: Millis(config.warn_ms),
        allocation: config.allocation.clone(),
        limits: config.limits,
        node: Some(node(config)),
        order_mode: config.order_mode,
        call_timeout: Duration::from_millis(config.payment.timeout_ms),
        delivery_timeout: Duration::from_millis(config.delivery.timeout_ms),
        ..Options::default()
    }
}

/// A store that cannot be opened, as a person needs to know it.
pub(super) fn told(config: &Config, fault: &Fault) -> Failure {
    let directory = || config.data.display().to_string();
    let place = config.database.shown().unwrap_or_else(directory);
    let message = format!("{place}: {fault}");
    match fault {
        Fault::Corrupt(_) => Failure::Refused(message),
        Fault::Conflict
        | Fault::Fenced
        | Fault::Unavailable(_)
        | Fault::DiskFull
        | Fault::DeadlinePassed
        | Fault::TimedOut
        | Fault::Sync(_) => Failure::Unreachable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_on_one_database_have_names_of_their_own_and_keep_them() {
        let (one, two) = (tempfile::tempdir(), tempfile::tempdir());
        let named = |directory: &std::path::Path| {
            let mut config = Config {
                data: directory.to_owned(),
                ..Config::default()
            };
            config.database.url = Some("postgres://db/shop".to_owned());
            node(&config)
        };
        let one = one.expect("a scratch directory");
        let two = two.expect("a scratch directory");
        assert_eq!(named(one.path()), named(one.path()));
        assert_ne!(named(one.path()), named(two.path()));
        let alone = Config::default();
        assert_eq!(node(&alone), alone.listen.to_string());
    }
}
