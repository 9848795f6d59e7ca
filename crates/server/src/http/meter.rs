//! What was answered, counted; and the page of all metrics.
//!
//! Answers are counted by method and status in plain counters, looked up in no table: this runs
//! for every request. Everything else that the engine measures is kept by the recorder, whose text
//! this page ends with.

use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "other"];
const STATUSES: usize = 600;

/// Something that is looked at when the page is made.
pub(crate) struct Gauge {
    /// Begins with `evenkeel_`.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Labels with their braces, or nothing; and the value.
    pub(crate) values: Vec<(String, f64)>,
}

/// Says what the engine's metrics mean; the recorder shows it beside them.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "evenkeel_gate_refused_total",
        "Holds that were refused before the ledger was asked."
    );
    metrics::describe_counter!(
        "evenkeel_limit_refused_total",
        "Requests whose customer had too many live or abandoned holds."
    );
    metrics::describe_counter!(
        "evenkeel_rate_refused_total",
        "Requests beyond those that a token or an address may make in a second, by policy."
    );
    metrics::describe_counter!(
        "evenkeel_overload_refused_total",
        "Commits that were refused because they would have waited, or had waited, too long."
    );
    metrics::describe_counter!(
        "evenkeel_swept_holds_total",
        "Holds that were ended after their deadline."
    );
    metrics::describe_counter!(
        "evenkeel_commit_unknown_total",
        "Batches of which it was not known at first whether they were committed."
    );
    metrics::describe_counter!(
        "evenkeel_provider_calls_total",
        "Calls to providers, by what was asked and what came of it."
    );
    metrics::describe_counter!(
        "evenkeel_retries_held_back_total",
        "Retries that waited because the budget of retries was used up."
    );
    metrics::describe_histogram!("evenkeel_batch_commits", "Commits of one batch.");
    metrics::describe_histogram!(
        "evenkeel_batch_duration_seconds",
        "From the begin of a batch until it is on disk."
    );
}

/// Counters of answers.
pub(crate) struct Meter {
    answers: Vec<AtomicU64>,
    recorder: Option<PrometheusHandle>,
}

impl Meter {
    /// Counters at zero; `recorder` keeps the engine's metrics, if there is one.
    pub(crate) fn new(recorder: Option<PrometheusHandle>) -> Self {
        let cells = METHODS.len() * STATUSES;
        Self {
            answers: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            recorder,
        }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, method: &Method, status: StatusCode) {
        let row = match *method {
            Method::GET => 0,
            Method::POST => 1,
            Method::PUT => 2,
            Method::DELETE => 3,
            _ => 4,
        };
        let cell = row * STATUSES + usize::from(status.as_u16());
        if let Some(cell) = self.answers.get(cell) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Folds what was measured since the last time: measurements that nobody reads pile up.
    pub(crate) fn upkeep(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.run_upkeep();
        }
    }

    /// The page, in the text format of Prometheus.
    pub(crate) fn page(&self, gauges: &[Gauge]) -> String {
        let mut page = String::new();
        for Gauge { name, help, values } in gauges {
            put(
                &mut page,
                format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"),
            );
            for (labels, value) in values {
                put(&mut page, format_args!("{name}{labels} {value}\n"));
            }
        }
        page.push_str(
            "# HELP evenkeel_http_server_requests_total Requests that were answered.\n\
             # TYPE evenkeel_http_server_requests_total counter\n",
        );
        for (row, method) in METHODS.iter().enumerate() {
            let cells = &self.answers[row * STATUSES..(row + 1) * STATUSES];
            for (status, cell) in cells.iter().enumerate() {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    put(
                        &mut page,
                        format_args!(
                            "evenkeel_http_server_requests_total{{http_request_method=\
                             \"{method}\",http_response_status_code=\"{status}\"}} {count}\n"
                        ),
                    );
                }
            }
        }
        page + &self
            .recorder
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }
}

fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    page.write_fmt(arguments).expect("text grows in memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_method_and_status() {
        let meter = Meter::new(None);
        meter.count(&Method::POST, StatusCode::CONFLICT);
        meter.count(&Method::POST, StatusCode::CONFLICT);
        meter.count(&Method::PATCH, StatusCode::METHOD_NOT_ALLOWED);
        let page = meter.page(&[]);
        let line = |method: &str, status: u16, count: u64| {
            format!(
                "evenkeel_http_server_requests_total{{http_request_method=\"{method}\",\
                 http_response_status_code=\"{status}\"}} {count}\n"
            )
        };
        assert!(page.contains(&line("POST", 409, 2)), "{page}");
        assert!(page.contains(&line("other", 405, 1)), "{page}");
    }
}
