//! What the process tells its operator beside metrics: logs, and traces where they are configured.
//!
//! Logs go to standard error, as text or as one JSON object a line. What is logged are ids of
//! things, codes and faults: never a customer, an address, a token or a key, at whatever level; a
//! test of the real binary looks for them. Spans are at the level `trace` under a target of their
//! own, [`evenkeel_engine::meter::SPANS`]: unless something listens to it, a span costs one
//! comparison.
//!
//! Traces are sent by a build with the feature `otel`, and only where `telemetry.otlp_url` says.

mod lines;
#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
mod spans;

use crate::config::LogFormat;
use lines::Lines;
use tokio::sync::watch::Receiver;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

/// What is logged, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs {
    /// The least severe level.
    pub(crate) level: LevelFilter,
    pub(crate) format: LogFormat,
    /// Whether text is coloured.
    pub(crate) colours: bool,
}

/// What is to be sent while the server runs.
#[derive(Default)]
pub(crate) struct Traces {
    #[cfg(feature = "otel")]
    sender: Option<otlp::Sender>,
}

impl Traces {
    /// Sends traces until `stop` turns true, and then what is left.
    #[cfg(feature = "otel")]
    pub(crate) async fn run(self, stop: Receiver<bool>) {
        if let Some(sender) = self.sender {
            sender.run(stop).await;
        }
    }

    /// Nothing is traced in this build.
    #[cfg(not(feature = "otel"))]
    pub(crate) async fn run(self, _stop: Receiver<bool>) {}
}

/// Begins to log from a level on, and to trace where a URL says so; the recorder of metrics has to
/// be there before. A second begin in one process (a test) keeps what the first one made.
///
/// # Errors
/// The URL is none that traces can be sent to.
pub(crate) fn begin(logs: Logs, otlp_url: Option<&str>) -> Result<Traces, String> {
    let layers = vec![logs.layer()];
    let (layers, traces) = with_traces(layers, otlp_url)?;
    let _kept = tracing_subscriber::registry().with(layers).try_init();
    Ok(traces)
}

impl Logs {
    fn layer(self) -> Box<dyn Layer<Registry> + Send + Sync> {
        // Of what libraries tell below a warning nobody here can say that nothing private is in it.
        let wanted = Targets::new()
            .with_default(self.level.min(LevelFilter::WARN))
            .with_target("evenkeel", self.level);
        match self.format {
            LogFormat::Text => tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(self.colours)
                .with_filter(wanted)
                .boxed(),
            LogFormat::Json => Lines::new().with_filter(wanted).boxed(),
        }
    }
}

#[cfg(feature = "otel")]
fn with_traces(mut layers: Layers, url: Option<&str>) -> Result<(Layers, Traces), String> {
    let Some(url) = url else {
        return Ok((layers, Traces::default()));
    };
    let (spans, sender) = otlp::channel(url)?;
    let wanted = Targets::new().with_target(evenkeel_engine::meter::SPANS, LevelFilter::TRACE);
    layers.push(spans.with_filter(wanted).boxed());
    let sender = Some(sender);
    Ok((layers, Traces { sender }))
}

/// The configuration refuses a URL in this build.
#[cfg(not(feature = "otel"))]
fn with_traces(layers: Layers, url: Option<&str>) -> Result<(Layers, Traces), String> {
    match url {
        None => Ok((layers, Traces::default())),
        Some(_) => Err("traces need a build with the feature otel".to_owned()),
    }
}
