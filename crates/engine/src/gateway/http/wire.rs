//! Sends one request and says what was heard.
//!
//! Connections are kept and used again. A kept one may have been closed by the other side just as
//! we send; then, and only then, the request is sent once more, on a fresh connection: its key
//! makes that safe, and [`Heard::Answer`] says so, because the first copy may have arrived. What
//! may have arrived is never reported as not sent.

use super::dial::{Dial, Marks, Resolve};
use super::tls::Connector;
use crate::gateway::outbound::Outbound;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioTimer;
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Most bytes of an answer's body.
pub const BODY_MAX: usize = 256 * 1024;
/// Most bytes of an answer's head.
pub const HEAD_MAX: usize = 64 * 1024;
/// Most idle connections to one host.
pub const IDLE_MAX: usize = 256;
/// How long a connection stays idle: less than the five seconds after which common servers close.
pub const IDLE_FOR: Duration = Duration::from_secs(4);

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("evenkeel/", env!("CARGO_PKG_VERSION")));

/// One request, ready to be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// Nothing for a question, which has no effect to be repeated.
    pub(super) key: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// What else its head says.
    pub(super) headers: HeaderMap,
}

impl Sending {
    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        if let Some(key) = &self.key {
            headers.insert(KEY, key.clone());
            headers.insert(CONTENT_TYPE, JSON);
        }
        request
    }
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    Answer {
        status: StatusCode,
        /// Nothing if it did not end in time, broke off or is larger than [`BODY_MAX`].
        body: Option<Bytes>,
        /// Whether this is the answer to a second copy.
        again: bool,
        /// After how many seconds it wants to be asked again.
        retry_after: Option<u64>,
    },
    /// Nothing, or not enough; something may have arrived.
    Nothing,
    /// No byte of the request left.
    NotSent { why: String },
}

/// Runs the client's connections; they end when they break, or idle for too long.
#[derive(Debug, Clone, Copy)]
struct Tasks;

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of outgoing connections, which end with their pool"
    )]
    fn execute(&self, connection: F) {
        tokio::spawn(connection);
    }
}

type Http = Client<Connector, Full<Bytes>>;

/// Connections under one guard: a pool is never shared by URLs of different trust.
pub(super) struct Wire {
    kept: Http,
    /// Keeps nothing: every request opens a connection of its own.
    fresh: Http,
}

impl Wire {
    pub(super) fn new(guard: Option<Outbound>, names: Arc<dyn Resolve>) -> Self {
        let guard = guard.map(Arc::new);
        let connector = Connector::new(Dial { guard, names });
        let client = |idle_max: usize| {
            Client::builder(Tasks)
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(idle_max)
                .http1_max_buf_size(HEAD_MAX)
                .build(connector.clone())
        };
        Self {
            kept: client(IDLE_MAX),
            fresh: client(0),
        }
    }

    /// Sends it and waits for the end of the answer, at most `timeout` for everything.
    pub(super) async fn exchange(&self, sending: &Sending, timeout: Duration) -> Heard {
        let mut so_far = SoFar::default();
        let body = match tokio::time::timeout(timeout, self.run(sending, &mut so_far)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return so_far.failed(&error),
            Err(_) => None,
        };
        so_far.heard(body)
    }

    async fn run(&self, sending: &Sending, so_far: &mut SoFar) -> Result<Option<Bytes>, Error> {
        let response = match so_far.ask(&self.kept, sending).await {
            Err(_) if so_far.went_stale() => {
                so_far.again = true;
                so_far.ask(&self.fresh, sending).await?
            }
            other => other?,
        };
        so_far.status = Some(response.status());
        let retry_after = response.headers().get(RETRY_AFTER);
        so_far.retry_after = retry_after.and_then(|it| it.to_str().ok()?.trim().parse().ok());
        if let Some(marks) = response.extensions().get::<Arc<Marks>>() {
            marks.used.store(true, Ordering::Release);
        }
        let body = Limited::new(response.into_body(), BODY_MAX);
        Ok(body.collect().await.ok().map(|all| all.to_bytes()))
    }
}

/// How far an exchange has come, so that running out of time does not forget it.
#[derive(Default)]
struct SoFar {
    /// Says the connection that the request was given to, once it was.
    connection: Option<CaptureConnection>,
    again: bool,
    status: Option<StatusCode>,
    retry_after: Option<u64>,
}

impl SoFar {
    async fn ask(&mut self, http: &Http, sending: &Sending) -> Result<Response<Incoming>, Error> {
        let mut request = sending.request();
        self.connection = Some(capture_connection(&mut request));
        http.request(request).await
    }

    fn was_given_away(&self) -> bool {
        let given = |one: &CaptureConnection| one.connection_metadata().is_some();
        self.again || self.connection.as_ref().is_some_and(given)
    }

    fn went_stale(&self) -> bool {
        let mut extras = Extensions::new();
        if let Some(connection) = &self.connection
            && let Some(connected) = connection.connection_metadata().as_ref()
        {
            connected.get_extras(&mut extras);
        }
        let marks = extras.get::<Arc<Marks>>();
        marks.is_some_and(|marks| marks.went_stale())
    }

    fn heard(self, body: Option<Bytes>) -> Heard {
        match self.status {
            Some(status) => Heard::Answer {
                status,
                body,
                again: self.again,
                retry_after: self.retry_after,
            },
            None if self.was_given_away() => Heard::Nothing,
            None => Heard::NotSent {
                why: "no connection in time".to_owned(),
            },
        }
    }

    fn failed(&self, error: &Error) -> Heard {
        // The client repeats by itself what it could not begin to write; if it then finds nobody to
        // connect to, nothing has left, although a connection had been given the request.
        if self.again || (self.was_given_away() && !error.is_connect()) {
            return Heard::Nothing;
        }
        Heard::NotSent { why: story(error) }
    }
}

/// An error with what caused it, for operators.
fn story(error: &Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        story = format!("{story}: {error}");
        cause = error.source();
    }
    story
}
