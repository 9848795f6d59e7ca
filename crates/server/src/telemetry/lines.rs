//! Logs as JSON: one object a line, with `time`, `level`, `target`, `message` and the event's own
//! fields beside them.

use crate::http::time;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::port::Clock as _;
use serde_json::{Map, Value};
use std::fmt::Debug;
use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Writes each event to standard error.
pub(super) struct Lines {
    clock: SystemClock,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            clock: SystemClock::new(),
        }
    }

    fn line(&self, event: &Event<'_>) -> Vec<u8> {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = fields.0;
        let meta = event.metadata();
        line.insert("time".to_owned(), time::text(self.clock.now()).into());
        line.insert("level".to_owned(), meta.level().as_str().into());
        line.insert("target".to_owned(), meta.target().into());
        let mut text = serde_json::to_vec(&line).expect("plain values are written to memory");
        text.push(b'\n');
        text
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Whole lines at once: two threads never share one. Nobody can be told that it failed.
        let _not_logged = std::io::stderr().lock().write_all(&self.line(event));
    }
}

/// An event's fields as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Keeps what would be written.
    struct Kept(Lines, Arc<Mutex<Vec<u8>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.1.lock().extend(self.0.line(event));
        }
    }

    #[test]
    fn an_event_is_one_line_with_its_fields_as_they_are() {
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let layer = Kept(Lines::new(), Arc::clone(&kept));
        let logger = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(logger, || {
            tracing::warn!(worker = "sweep", tries = 3_u64, level = "x", "two\nlines");
        });
        let text = String::from_utf8(kept.lock().clone()).expect("text");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["message"], "two\nlines");
        assert_eq!(line["worker"], "sweep");
        assert_eq!(line["tries"], 3);
        assert_eq!(line["level"], "WARN", "a field does not hide what it is");
        assert!(
            line["time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z'))
        );
        assert!(line["target"].is_string());
    }
}
