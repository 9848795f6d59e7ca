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
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(
            "# HELP evenkeel_http_server_requests_total Requests that were answered.\n\
             # TYPE evenkeel_http_server_requests_total counter\n",
        );
        for (row, method) in METHODS.iter().enumerate() {
            let cells = &self.answers[row * STATUSES..(row + 1) * STATUSES];
            for (status, cell) in cells.iter().enumerate() {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    writeln!(
                        page,
                        "evenkeel_http_server_requests_total{{http_request_method=\"{method}\",\
                         http_response_status_code=\"{status}\"}} {count}"
                    )
                    .expect("text grows in memory");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_method_and_status() {
        let meter = Meter::new(None);
        meter.count(&Method::POST, StatusCode::CONFLICT);
        meter.count(&Method::POST, StatusCode::CONFLICT);
        meter.count(&Method::PATCH, StatusCode::METHOD_NOT_ALLOWED);
        let page = meter.page();
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
