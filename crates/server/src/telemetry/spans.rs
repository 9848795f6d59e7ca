//! From spans of the code to spans of a trace.
//!
//! A span is handed on when it ends, without waiting: where too many wait to be sent it is lost
//! and counted. Ids are drawn; the trace of a request is the caller's where it named one.

use evenkeel_engine::port::{Clock, Ids};
use evenkeel_rules::time::LogTime;
use metrics::Counter;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The value of a span's attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

/// A span of a trace; it is in the making until it ends.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: &'static str,
    pub(super) begun: LogTime,
    pub(super) ended: LogTime,
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// Listens to spans.
pub(super) struct Spans {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) sink: mpsc::Sender<Span>,
    pub(super) lost: Counter,
}

impl Spans {
    fn drawn(&self) -> [u8; 8] {
        *self.ids.random().first_chunk().expect("8 of 16 bytes")
    }
}

/// What a span's fields say.
#[derive(Default)]
struct Said {
    fields: Vec<(&'static str, Value)>,
    /// The span of another process that this one is part of.
    remote: Option<([u8; 16], [u8; 8])>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Said {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.put(field, Value::Number(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "traceparent" => self.remote = remote(value),
            _ => self.put(field, Value::Text(value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }
}

/// Trace and span of a W3C `traceparent`; nothing where it is not exactly one.
pub(super) fn remote(text: &str) -> Option<([u8; 16], [u8; 8])> {
    let mut parts = text.split('-');
    let version = bytes::<1>(parts.next()?)?;
    let (trace, id) = (bytes::<16>(parts.next()?)?, bytes::<8>(parts.next()?)?);
    let _flags = bytes::<1>(parts.next()?)?;
    let ends = parts.next().is_none() || version != [0];
    let named = trace != [0; 16] && id != [0; 8] && version != [0xff];
    (ends && named).then_some((trace, id))
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 2 * N || !hex.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut said = Said::default();
        attributes.record(&mut said);
        let of_parent = |parent: &Span| (parent.trace, parent.id);
        let parent = span.parent();
        let parent = parent.and_then(|it| it.extensions().get::<Span>().map(of_parent));
        let parent = said.remote.or(parent);
        let now = self.clock.now();
        span.extensions_mut().replace(Span {
            trace: parent.map_or_else(|| self.ids.random(), |(trace, _)| trace),
            id: self.drawn(),
            parent: parent.map(|(_, id)| id),
            name: attributes.metadata().name(),
            begun: now,
            ended: now,
            fields: said.fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut said = Said::default();
        values.record(&mut said);
        if let Some(span) = span.extensions_mut().get_mut::<Span>() {
            span.fields.extend(said.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(mut span) = span.extensions_mut().remove::<Span>() else {
            return;
        };
        // A wall clock that was set back makes no span that ends before it began.
        span.ended = self.clock.now().max(span.begun);
        if self.sink.try_send(span).is_err() {
            self.lost.increment(1);
        }
    }
}
