//! One request on its way through the steps, and one answer on its way back.
//!
//! A [`Call`] is what the steps before the handler have made sure of: which route, who asks, under
//! which key. A handler first reads the request without looking at any state and returns what it
//! is going to do as an [`Act`], which runs only when the role may do it: so a body that does not
//! fit is refused before the role is, and the role before anything about the object.

use super::body::{Body, Live};
use super::fields::{self, Fields};
use super::json;
use super::problem::{Code, Problem};
use super::query::decode;
use super::route::Route;
use bytes::Bytes;
use evenkeel_rules::ids::BadId;
use evenkeel_rules::token::Token;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;

/// What a handler is going to do once the role is known to be right.
pub(crate) type Act<'a> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'a>>;

/// A request that is known to belong to a route.
pub(crate) struct Call<'a> {
    pub(crate) route: &'a Route,
    /// The path's one variable segment, as sent.
    pub(crate) segment: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) caller: &'a Arc<Token>,
    /// The idempotency key, without quotes.
    pub(crate) key: Option<&'a str>,
    /// What a provider calls its event, whose body it has signed.
    pub(crate) event: Option<String>,
}

/// A body that was read: its meaning, and the one form that all its spellings share.
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) canonical: Vec<u8>,
}

impl<'a> Call<'a> {
    /// Reads the body, an object.
    ///
    /// # Errors
    /// 400 for what is not JSON of one meaning, 422 with every member that does not fit.
    pub(crate) fn read<T>(
        &self,
        read: impl for<'v> FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Result<Read<T>, Problem> {
        let tree = json::parse(self.body)?;
        let value = fields::read(&tree, read)?;
        let mut canonical = Vec::with_capacity(self.body.len());
        json::canonical(&tree, &mut canonical);
        Ok(Read { value, canonical })
    }

    /// The id in the path.
    ///
    /// # Errors
    /// [`BadId`] also for what is not percent-encoded UTF-8.
    pub(crate) fn id<T>(&self, new: fn(&str) -> Result<T, BadId>) -> Result<T, BadId> {
        new(&decode(self.segment, false).ok_or(BadId::Character)?)
    }

    /// The id in the path of a route on which a bad one is simply not there.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn known_id<T>(&self, new: fn(&str) -> Result<T, BadId>) -> Result<T, Problem> {
        self.id(new).map_err(|_| Problem::new(Code::NotFound))
    }
}

/// An answer that is no problem.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Body,
    kind: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

impl Answer {
    fn of(kind: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            body: Body::from(body.into()),
            kind,
            headers: Vec::new(),
        }
    }

    /// 200 with a JSON body.
    pub(crate) fn json(body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("an answer's shape is written to memory");
        Self::of(JSON, body)
    }

    /// 200 with a JSON body that was written before.
    pub(crate) fn written_json(body: Bytes) -> Self {
        Self::of(JSON, body)
    }

    /// 200 with a page.
    pub(crate) fn html(body: Bytes) -> Self {
        Self::of(HTML, body)
    }

    /// 200 with plain text.
    pub(crate) fn text(body: impl Into<Bytes>) -> Self {
        Self::of(TEXT, body)
    }

    /// 200 with metrics in the format of Prometheus.
    pub(crate) fn metrics(body: String) -> Self {
        Self::of(METRICS, body)
    }

    /// 200 with server-sent events.
    pub(crate) fn events(live: Live) -> Self {
        Self {
            body: Body::Live(live),
            ..Self::of(EVENTS, Bytes::new())
        }
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// Another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A header more.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The version that an `If-Match` may name.
    pub(crate) fn version(self, version: u64) -> Self {
        let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes");
        self.header(ETAG, tag)
    }

    /// The whole answer.
    pub(crate) fn render(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.kind);
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}
