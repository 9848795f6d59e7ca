//! Traces to a collector: OTLP over HTTP, in JSON.
//!
//! Spans wait in a bounded queue, are sent a few hundred at a time, and are lost, and counted,
//! where the collector does not take them: a trace is never worth a request. Nothing is sent twice.

use super::spans::{Span, Spans, Value};
use crate::client::{Caller, Limits, Outgoing, Target, Wire, outside};
use evenkeel_engine::chain::hex;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use metrics::Counter;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;

/// Most spans that wait to be sent.
const WAITING_MAX: usize = 8_192;
/// Most spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long spans wait for others to be sent with.
const EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(2),
};

/// Sends what it is given.
pub(super) struct Sender {
    source: mpsc::Receiver<Span>,
    wire: Wire,
    lost: Counter,
}

/// What listens to spans, and what sends them to a collector at this URL.
///
/// # Errors
/// The URL is not `http://HOST:PORT`.
pub(super) fn channel(url: &str) -> Result<(Spans, Sender), String> {
    let target = Target::new(url).map_err(|error| error.to_string())?;
    let (sink, source) = mpsc::channel(WAITING_MAX);
    let lost = metrics::counter!("evenkeel_spans_lost_total");
    let spans = Spans {
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
        sink,
        lost: lost.clone(),
    };
    let wire = Wire::new(&target, LIMITS);
    Ok((spans, Sender { source, wire, lost }))
}

impl Sender {
    /// Sends until `stop` turns true, and then what waits.
    pub(super) async fn run(mut self, mut stop: Receiver<bool>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut fails = false;
        loop {
            let stopping = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => true,
                () = outside::pause(EVERY) => false,
            };
            loop {
                while batch.len() < BATCH_MAX
                    && let Ok(span) = self.source.try_recv()
                {
                    batch.push(span);
                }
                if batch.is_empty() {
                    break;
                }
                let sent = self.send(&batch).await;
                if !sent {
                    self.lost.increment(batch.len() as u64);
                }
                if !sent && !fails {
                    tracing::warn!("the collector of traces does not take them; they are lost");
                }
                fails = !sent;
                batch.clear();
                if fails {
                    break;
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// Whether the collector took them.
    async fn send(&mut self, batch: &[Span]) -> bool {
        let body = serde_json::to_vec(&request(batch)).expect("a tree is written to memory");
        let request = Outgoing {
            method: "POST",
            path: "/v1/traces",
            caller: &Caller::nobody(),
            key: None,
            body: Some(&body),
        };
        let reply = self.wire.exchange(&request).await;
        reply.is_ok_and(|reply| (200..300).contains(&reply.status))
    }
}

/// The request's body.
fn request(batch: &[Span]) -> Json {
    let spans: Vec<Json> = batch.iter().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            attribute("service.name", &Value::Text("evenkeel".to_owned())),
            attribute("service.version", &Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
        ]},
        "scopeSpans": [{"scope": {"name": "evenkeel"}, "spans": spans}],
    }]})
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({"stringValue": text}),
        // Integers are text there: they have 64 bits.
        Value::Number(number) => json!({"intValue": number.to_string()}),
    };
    json!({"key": key, "value": value})
}

fn span(span: &Span) -> Json {
    let field = |name: &str| span.fields.iter().find(|(key, _)| *key == name);
    let text = |name: &str| match field(name) {
        Some((_, Value::Text(text))) => Some(text.as_str()),
        Some((_, Value::Number(_))) | None => None,
    };
    let name = match (text("http.request.method"), text("http.route")) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        (Some(method), None) => method.to_owned(),
        (None, _) => span.name.to_owned(),
    };
    let kind = match text("span.kind") {
        Some("server") => 2,
        Some("client") => 3,
        Some(_) | None => 1,
    };
    let failed = match field("http.response.status_code") {
        Some((_, Value::Number(status))) => *status >= 500,
        Some((_, Value::Text(_))) | None => false,
    };
    let fields = span.fields.iter().filter(|(key, _)| *key != "span.kind");
    let attributes: Vec<Json> = fields.map(|(key, value)| attribute(key, value)).collect();
    let nanos = |micros: i64| (i128::from(micros) * 1_000).to_string();
    json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "parentSpanId": span.parent.map_or_else(String::new, |id| hex(&id)),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.begun.micros()),
        "endTimeUnixNano": nanos(span.ended.micros()),
        "attributes": attributes,
        "status": {"code": if failed { 2 } else { 0 }},
    })
}

#[cfg(test)]
mod tests;
