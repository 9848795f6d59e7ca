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
use evenkeel_engine::port::{Fault, Ids, Outlet};
use evenkeel_engine::store::segments::SegmentDir;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::store::sqlite::{FILE, SqliteStore};
use evenkeel_engine::{Engine, Options, Ports};
use evenkeel_rules::time::Millis;
use metrics_exporter_prometheus::PrometheusHandle;

use super::failure::Failure;
use super::providers::Providers;
use crate::anchors::Anchors;
use crate::config::Config;
use crate::http::{Api, Settings, Webhooks};

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
    let store = SqliteStore::open(&config.data, &SystemIds, NamesOptions::default())
        .map_err(|fault| told(&config.data, &fault))?;
    let (recorder, providers) = serving.unzip();
    let archived = through(config, store);
    let ports = Ports {
        outlet: providers.map(|it| Arc::clone(&it.gateway) as Arc<dyn Outlet>),
        gateway: providers.map(|it| Arc::clone(&it.gateway) as Arc<dyn Gateway>),
        ..ports(Arc::clone(&archived))
    };
    let started = Engine::start(ports, options(config)).await;
    let engine = started.map_err(|fault| told(&config.data, &fault))?;
    let views = match engine.head().await {
        Ok(head) => SqliteViews::open(&config.data, &head),
        Err(fault) => Err(fault),
    };
    match views {
        Ok(views) => engine.keep_views(Arc::new(views)),
        // Whoever sells goes on: lists are then read from the store itself.
        Err(fault) => tracing::warn!(%fault, "the projections cannot be opened"),
    }
    let webhooks = providers.map(|providers| providers.webhooks.clone());
    Ok(over((engine, archived), config, (recorder, webhooks)))
}

/// Opens the stores to be read, beside whoever writes them.
pub(super) async fn to_read(config: &Config) -> Result<Open, Failure> {
    if !config.data.join(FILE).exists() {
        let directory = config.data.display();
        return Err(Failure::Unreachable(format!(
            "there is no store in {directory}\n\
             make one with evenkeel serve --data {directory}, or name another directory"
        )));
    }
    let store = SqliteStore::open_read_only(&config.data, NamesOptions::default());
    let store = store.map_err(|fault| told(&config.data, &fault))?;
    let archived = through(config, store);
    let opened = Engine::read_only(ports(Arc::clone(&archived)), options(config)).await;
    let engine = opened.map_err(|fault| told(&config.data, &fault))?;
    Ok(over((engine, archived), config, (None, None)))
}

/// Brings the stores to this build's schema; how many steps that took. The caller holds the lock.
pub(super) fn migrate(config: &Config) -> Result<usize, Failure> {
    SqliteStore::migrate(&config.data, &SystemIds).map_err(|fault| told(&config.data, &fault))
}

/// A store with the segments of its directory.
fn through(config: &Config, store: SqliteStore) -> Arc<Archived> {
    let files = SegmentDir::new(&segments_of(&config.data));
    Arc::new(Archived::new(Arc::new(store), Arc::new(files)))
}

/// Where the segments of a data directory are.
pub(super) fn segments_of(directory: &Path) -> PathBuf {
    directory.join("segments")
}

fn over(
    (engine, store): (Engine, Arc<Archived>),
    config: &Config,
    (recorder, webhooks): (Option<PrometheusHandle>, Option<Webhooks>),
) -> Open {
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

fn options(config: &Config) -> Options {
    Options {
        max_life: Millis(config.max_life_ms),
        warn: Millis(config.warn_ms),
        allocation: config.allocation.clone(),
        limits: config.limits,
        node: Some(config.listen.to_string()),
        order_mode: config.order_mode,
        call_timeout: Duration::from_millis(config.payment.timeout_ms),
        delivery_timeout: Duration::from_millis(config.delivery.timeout_ms),
        ..Options::default()
    }
}

/// A store that cannot be opened, as a person needs to know it.
pub(super) fn told(directory: &Path, fault: &Fault) -> Failure {
    let message = format!("{}: {fault}", directory.display());
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
