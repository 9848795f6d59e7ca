//! What every command that touches stores or a server begins with: configuration and runtime.
//!
//! Environment variables are read here and nowhere else, so that what a command depends on can be
//! listed: the `EVENKEEL_SECTION__KEY` variables, `EVENKEEL_URL` and `EVENKEEL_TOKEN`.

use std::io::IsTerminal;
use std::path::Path;

use tracing::level_filters::LevelFilter;

use super::failure::Failure;
use crate::config::{Config, DATA, Given, Loaded, load};
use crate::telemetry::{self, Logs, Traces};

/// The environment as pairs of text; what is not UTF-8 cannot be ours.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |of: std::ffi::OsString| of.into_string().ok();
    std::env::vars_os().filter_map(move |(name, value)| Some((text(name)?, text(value)?)))
}

/// A variable that is not configuration; an empty one counts as not set.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The configuration of a command: the file, the variables, and `--data` over both.
pub(super) fn configured(
    file: Option<&Path>,
    data: Option<&Path>,
    mut flags: Vec<Given>,
) -> Result<Loaded, Failure> {
    if let Some(data) = data {
        let url = format!("sqlite://{}", data.display());
        flags.push(Given::flag("store.url", DATA, url));
    }
    Ok(load(file, variables(), flags)?)
}

/// The runtime that a command lives in.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(|error| Failure::Refused(format!("the runtime cannot start: {error}")))
}

/// Begins to log, and to trace, as the configuration says; the recorder of metrics is there.
pub(super) fn begin_logs(config: &Config) -> Result<Traces, Failure> {
    let colours = std::io::stderr().is_terminal() && variable("NO_COLOR").is_none();
    let logs = Logs {
        level: config.log_level,
        format: config.log_format,
        colours,
    };
    telemetry::begin(logs, config.otlp_url.as_deref()).map_err(Failure::Usage)
}

/// Logs what matters to standard error, for a command that has no configuration of logs.
pub(super) fn log_warnings() -> Result<(), Failure> {
    let config = Config {
        log_level: LevelFilter::WARN,
        ..Config::default()
    };
    begin_logs(&config).map(drop)
}
