//! The configuration: one TOML file, environment variables over it, command-line flags over both.
//!
//! It owns the one table of keys (`keys.rs`), from which the file is read, the variables are named,
//! `config show` is printed and the reference page is checked. Every value remembers where it came
//! from, so that a mistake is reported with its file and line, and the nearest valid key.
//!
//! Invariant: a `Config` that exists has passed every range and every rule between keys. It never
//! accepts a key that does nothing, and it never opens what it names: that is the command's work.

mod keys;
mod locations;
mod mistake;
mod outbound;
mod providers;
mod read;
mod store;
mod telemetry;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use evenkeel_engine::OrderMode;
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::limits::Limits;

use crate::http::Most;

pub(crate) use keys::{KEYS, Value};
pub(crate) use mistake::{Mistake, Mistakes};
pub(crate) use outbound::Allowed;
pub(crate) use providers::Provider;
pub(crate) use store::Database;
pub(crate) use telemetry::LogFormat;

/// The values that a command runs with, all of them checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where the HTTP API listens.
    pub(crate) listen: SocketAddr,
    /// Where health and metrics listen; none: on the API's listener.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The directory of the SQLite store, of the lock and of the first token.
    pub(crate) data: PathBuf,
    /// The database server that keeps the ledger, if one does.
    pub(crate) database: Database,
    /// A hold's life when the request names none, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// The longest life that a request or an extension may give a hold, in milliseconds.
    pub(crate) max_life_ms: u64,
    /// How long an order's money may take, in milliseconds.
    pub(crate) confirming_ms: u64,
    /// How long before that is over the customer is told, in milliseconds; 0: never.
    pub(crate) warn_ms: u64,
    /// Who makes the first calls of orders.
    pub(crate) order_mode: OrderMode,
    /// Where providers reach the HTTP API; where it listens, if missing.
    pub(crate) public_url: Option<String>,
    /// The payment provider.
    pub(crate) payment: Provider,
    /// The delivery provider.
    pub(crate) delivery: Provider,
    /// The product service; it signs nothing.
    pub(crate) product: Provider,
    /// What steps of sagas may be sent to beside the public internet.
    pub(crate) outbound: Allowed,
    /// At this many available units or fewer a SKU is shown as `low`.
    pub(crate) low_at: u64,
    /// Where units come from when a line does not say; `main` among them, each once.
    pub(crate) allocation: Vec<LocationId>,
    /// How much one customer may keep from the others.
    pub(crate) limits: Limits,
    /// How many requests a second one client may make.
    pub(crate) rates: Most,
    /// The least severe level that is logged.
    pub(crate) log_level: tracing::level_filters::LevelFilter,
    /// How logs are written.
    pub(crate) log_format: LogFormat,
    /// Where traces are sent; none: nowhere.
    pub(crate) otlp_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7411)),
            admin_listen: None,
            data: PathBuf::from("evenkeel-data"),
            database: Database::default(),
            ttl_ms: 600_000,
            max_life_ms: 3_600_000,
            confirming_ms: 900_000,
            warn_ms: 0,
            order_mode: OrderMode::default(),
            public_url: None,
            payment: Provider::default(),
            delivery: Provider::default(),
            product: Provider::default(),
            outbound: Allowed::default(),
            low_at: 10,
            limits: Limits {
                holds: 10,
                abandon: 5,
            },
            rates: Most::default(),
            allocation: vec![LocationId::main()],
            log_level: tracing::level_filters::LevelFilter::INFO,
            log_format: LogFormat::default(),
            otlp_url: None,
        }
    }
}

/// The flag that names the data directory.
pub(crate) const DATA: &str = "--data";

/// Where a value came from; the later in this list wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Variable(String),
    /// A flag of the command.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line } => write!(out, "{}:{line}", path.display()),
            Self::Variable(name) => out.write_str(name),
            Self::Flag(name) => out.write_str(name),
        }
    }
}

/// A value as somebody wrote it: for which key, and where.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The key's path, such as `holds.ttl_ms`; always one of the table's.
    pub(crate) key: &'static str,
    /// What was written.
    pub(crate) value: Value,
    /// Where it was written.
    pub(crate) origin: Origin,
}

impl Given {
    /// A value that a command-line flag gives.
    pub(crate) fn flag(key: &'static str, flag: &'static str, text: impl Into<String>) -> Self {
        Self {
            key,
            value: Value::Text(text.into()),
            origin: Origin::Flag(flag),
        }
    }
}

/// A checked configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    origins: Vec<(&'static str, Origin)>,
}

impl Loaded {
    /// Where the value of this key came from.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        let found = self.origins.iter().rev().find(|(name, _)| *name == key);
        found.map_or(&Origin::Default, |(_, origin)| origin)
    }
}

/// Reads the file if one is named, then the variables, then the flags.
///
/// Every mistake is reported, not only the first: a wrong file is mended in one go.
pub(crate) fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
    flags: Vec<Given>,
) -> Result<Loaded, Mistakes> {
    let mut mistakes = Vec::new();
    let mut given = Vec::new();
    if let Some(path) = file {
        read::file(path, &mut given, &mut mistakes);
    }
    read::variables(variables, &mut given, &mut mistakes);
    given.extend(flags);
    judge(given, mistakes)
}

/// Reads a file's text alone: nothing else was said.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn of_text(text: &str) -> Result<Loaded, Mistakes> {
    let (mut given, mut mistakes) = (Vec::new(), Vec::new());
    let path = Path::new("evenkeel.toml");
    read::text_of(path, text, &mut given, &mut mistakes);
    judge(given, mistakes)
}

/// Judges each value by its key, and then the values together.
fn judge(given: Vec<Given>, mut mistakes: Vec<Mistake>) -> Result<Loaded, Mistakes> {
    let mut config = Config::default();
    let mut origins = Vec::new();
    for one in given {
        let key = keys::find(one.key).expect("a given value names a key of the table");
        // The flag says where a node's own files are, whatever keeps the ledger.
        let is_place = one.origin == Origin::Flag(DATA);
        let server = config.database.url.clone().filter(|_| is_place);
        let set = (key.set)(&mut config, &one.value);
        if server.is_some() {
            config.database.url = server;
        }
        match set {
            Ok(()) => origins.push((one.key, one.origin)),
            Err(why) => mistakes.push(Mistake::at(one.origin, format!("{} {why}", key.path))),
        }
    }
    let loaded = Loaded { config, origins };
    check_between(&loaded, &mut mistakes);
    mistakes.sort_by_key(Mistake::line);
    if mistakes.is_empty() {
        Ok(loaded)
    } else {
        Err(Mistakes(mistakes))
    }
}

/// The rules between keys; each mistake is placed at the key that somebody wrote.
fn check_between(loaded: &Loaded, mistakes: &mut Vec<Mistake>) {
    let Config {
        ttl_ms,
        max_life_ms,
        confirming_ms,
        warn_ms,
        listen,
        admin_listen,
        ..
    } = loaded.config;
    if ttl_ms > max_life_ms {
        let written = match loaded.origin("holds.ttl_ms") {
            Origin::Default => "holds.max_life_ms",
            Origin::File { .. } | Origin::Variable(_) | Origin::Flag(_) => "holds.ttl_ms",
        };
        let what = format!("holds.ttl_ms, {ttl_ms}, exceeds holds.max_life_ms, {max_life_ms}");
        mistakes.push(Mistake::at(loaded.origin(written), what));
    }
    if warn_ms > 0 && warn_ms >= confirming_ms {
        let what =
            format!("holds.warn_ms, {warn_ms}, is not below holds.confirming_ms, {confirming_ms}");
        mistakes.push(Mistake::at(loaded.origin("holds.warn_ms"), what));
    }
    if admin_listen == Some(listen) && listen.port() != 0 {
        let what = "server.admin_listen equals server.listen; leave it out to share the listener";
        mistakes.push(Mistake::at(loaded.origin("server.admin_listen"), what));
    }
}
