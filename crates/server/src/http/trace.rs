//! A request as a span of a trace, for whoever listens to [`SPANS`].
//!
//! Named by the OpenTelemetry conventions. It says the route's pattern, never the path: a path has
//! ids in it, and ids of carts or holds may be somebody's.

use evenkeel_engine::meter::SPANS;
use http::request::Parts;
use http::{Method, StatusCode};
use tracing::Span;
use tracing::field::Empty;

/// The span of a request, part of its caller's trace where that is named.
pub(super) fn request(parts: &Parts) -> Span {
    // Only ids pass, not what else a client may write there. Looked at only if somebody listens.
    let id = |byte: u8| byte == b'-' || byte.is_ascii_hexdigit();
    let parent = || {
        let text = parts.headers.get("traceparent")?.to_str().ok()?;
        Some(text).filter(|text| text.len() == 55 && text.bytes().all(id))
    };
    tracing::trace_span!(
        target: SPANS,
        "request",
        span.kind = "server",
        http.request.method = method(&parts.method),
        http.route = Empty,
        http.response.status_code = Empty,
        traceparent = parent(),
    )
}

/// Notes how it ended.
pub(super) fn answered(span: &Span, route: Option<&'static str>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    if let Some(route) = route {
        span.record("http.route", route);
    }
    span.record("http.response.status_code", u64::from(status.as_u16()));
}

/// A method that the API has, or the word for any other: a client may make up its own.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "_OTHER",
    }
}
