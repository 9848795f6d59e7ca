//! The HTTP API: who may ask what, in which order refusals are found, and what answers look like.
//!
//! A request goes from the listener (`serve`, `wire`) through the numbered steps of `answer` to
//! the handler that the route table (`route`, `routes`) names, and from there to the engine.
//! `problem` is the one catalogue of refusals, `refusal` the one place where what the engine says
//! becomes one of them, `shapes` the one place where bodies are described.
//!
//! Nothing here decides about stock, holds or keys: that is the engine's. Nothing here contains
//! SQL, reads a clock of its own, or tells a client what went on inside.

mod answer;
mod body;
mod call;
mod docs;
pub(crate) mod fields;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
pub(crate) mod head;
pub(crate) mod json;
mod manual;
mod meter;
mod openapi;
pub(crate) mod problem;
pub(crate) mod query;
mod rate;
mod reads;
mod refusal;
mod render;
mod replica;
mod route;
mod routes;
mod serve;
mod shapes;
mod streams;
pub(crate) mod time;
mod trace;
mod wire;

pub(crate) use answer::{Door, Payload, measured};
pub(crate) use meter::install as install_metrics;
pub(crate) use openapi::document as openapi_document;
pub(crate) use rate::Most;
pub(crate) use replica::Replica;
pub(crate) use serve::{read as read_body, serve};

use crate::anchors::Anchors;
use crate::webhook::Ring;
use bytes::Bytes;
use evenkeel_engine::Engine;
use evenkeel_engine::archive::Archive;
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::port::Ids;
use evenkeel_rules::ids::TokenId;
use evenkeel_rules::time::{LogTime, Millis};
use evenkeel_rules::token::{Role, Token};
use http::HeaderMap;
use meter::Meter;
use metrics_exporter_prometheus::PrometheusHandle;
use problem::{Code, Problem};
use rate::Rates;
use route::Routes;
use std::sync::Arc;
use std::time::Duration;
use streams::Streams;

/// What a deployment's configuration says to the API.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How long a hold lives if its request does not say.
    pub(crate) ttl: Millis,
    /// The longest that a request may ask for.
    pub(crate) max_life: Millis,
    /// How long an order's money may take.
    pub(crate) confirming: Millis,
    /// The secrets under which providers sign.
    pub(crate) webhooks: Webhooks,
    /// Where the steps of sagas may lead.
    pub(crate) outbound: Outbound,
    /// At most this many available units are `low`.
    pub(crate) low_at: u64,
    /// Whether there are several locations that a line may leave open.
    pub(crate) allocates: bool,
    /// Whether health and metrics have a listener of their own.
    pub(crate) admin_apart: bool,
    /// How many requests a second one client may make.
    pub(crate) rates: Most,
    /// What was known of the log's chain before.
    pub(crate) anchors: Anchors,
    /// A copy of the store for reads, where there is one.
    pub(crate) replica: Option<Arc<Replica>>,
    /// What moves the log's old part, where there is such a thing.
    pub(crate) archive: Option<Arc<Archive>>,
}

/// The secrets under which providers sign their callbacks; without one none is believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Webhooks {
    /// Those of the payment provider.
    pub(crate) payment: Option<Ring>,
    /// Those of the delivery provider.
    pub(crate) delivery: Option<Ring>,
}

/// The API over one engine.
pub(crate) struct Api {
    engine: Engine,
    ids: Arc<dyn Ids>,
    settings: Settings,
    routes: Routes,
    meter: Meter,
    rates: Rates,
    /// Who asks where nobody has to say.
    nobody: Arc<Token>,
    /// Monotonic time of the start.
    started: Duration,
    /// Held while the whole log is read: one at a time is enough.
    verifying: tokio::sync::Mutex<()>,
    /// How many clients listen to server-sent events.
    streams: Streams,
    openapi: Bytes,
}

impl Api {
    /// The API over an engine; `recorder` keeps the engine's metrics, if there is one.
    pub(crate) fn new(
        engine: Engine,
        ids: Arc<dyn Ids>,
        settings: Settings,
        recorder: Option<PrometheusHandle>,
    ) -> Arc<Self> {
        let routes = Routes::new();
        let id = TokenId::new("nobody").expect("a word is an id");
        let openapi = serde_json::to_vec(&openapi::document()).expect("a document is plain JSON");
        Arc::new(Self {
            started: engine.clock().mono(),
            engine,
            ids,
            rates: Rates::new(settings.rates),
            settings,
            meter: Meter::new(routes.names(), recorder),
            routes,
            nobody: Arc::new(Token {
                id,
                role: Role::Auditor,
                customer: None,
                created_at: LogTime::default(),
                revoked_at: None,
            }),
            verifying: tokio::sync::Mutex::default(),
            streams: Streams::default(),
            openapi: Bytes::from(openapi),
        })
    }

    /// The wall clock.
    fn now(&self) -> LogTime {
        self.engine.clock().now()
    }

    /// What has to be done now and then.
    fn upkeep(&self) {
        self.meter.upkeep();
    }

    /// Waits a little before the next connection is taken.
    async fn pause(&self, duration: Duration) {
        self.engine.clock().sleep(duration).await;
    }

    /// Whether a path is served at a door.
    fn serves(&self, path: &str, door: &Door) -> bool {
        let operators = matches!(path, "/livez" | "/readyz" | "/metrics");
        match door {
            Door::Main | Door::Client(_) => !(operators && self.settings.admin_apart),
            Door::Admin => operators,
            Door::Inside(_) => true,
        }
    }

    /// Who the bearer of the request's token is; a buyer's requests are counted by token, and those
    /// of nobody that is known by address.
    async fn caller(&self, headers: &HeaderMap, door: &Door) -> Result<Arc<Token>, Problem> {
        let found = match head::bearer(headers) {
            Some(secret) => self.engine.token(secret).await,
            None => Ok(None),
        };
        let Some(token) = found.map_err(|fault| refusal::of_read(&fault))? else {
            self.count_unknown(door)?;
            return Err(Problem::new(Code::Unauthenticated));
        };
        if token.role == Role::Buyer {
            self.rates.token(&token.id, self.engine.clock().mono())?;
        }
        Ok(token)
    }

    /// Counts a request that carries no valid token.
    ///
    /// # Errors
    /// 429 when its address made too many.
    fn count_unknown(&self, door: &Door) -> Result<(), Problem> {
        match door {
            Door::Client(address) => self.rates.address(*address, self.engine.clock().mono()),
            Door::Main | Door::Admin | Door::Inside(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
