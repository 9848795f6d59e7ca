//! What was answered, counted and timed; and the page of all metrics.
//!
//! Answers are counted in plain counters, found by number and not by name: this runs for every
//! request, on every thread, so an observation is a few relaxed atomic additions and never a lock.
//! Everything else that the engine measures is kept by the recorder, whose text this page ends
//! with.
//!
//! No label is made of what a client sent: a route is its pattern, a refusal its code.

mod latency;
mod table;

use super::answer::Door;
use super::problem::Code;
use evenkeel_engine::meter::{METRICS, Metric, describe};
use http::{Method, StatusCode};
use latency::Latencies;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "other"];
const STATUSES: usize = 600;
const LISTENERS: [&str; 2] = ["main", "admin"];
/// Bounds of the engine's histograms of time, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Bounds of its histograms of sizes.
const SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// Something that is looked at when the page is made.
pub(crate) struct Gauge {
    /// A name of the table.
    pub(crate) name: &'static str,
    /// Labels with their braces, or nothing; and the value.
    pub(crate) values: Vec<(String, f64)>,
}

/// Makes the recorder that keeps what the engine measures, for this process: before the engine is
/// started, or it measures for nobody.
///
/// # Errors
/// There is one already.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_commits".to_owned()), &SIZES)?
        .install_recorder()?;
    describe(METRICS);
    describe(table::OWN);
    Ok(recorder)
}

/// An answer, for the meter.
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a Method,
    pub(crate) status: StatusCode,
    /// The number of its route, if it has one.
    pub(crate) route: Option<usize>,
    /// Why it was refused, if it was.
    pub(crate) refused: Option<Code>,
    pub(crate) took: Duration,
}

/// What is counted.
pub(crate) struct Meter {
    answers: Vec<AtomicU64>,
    latencies: Latencies,
    refusals: Vec<AtomicU64>,
    connections: [Arc<AtomicU64>; LISTENERS.len()],
    recorder: Option<PrometheusHandle>,
}

/// A connection that counts as open for as long as this lives.
pub(crate) struct Connected(Arc<AtomicU64>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn zeros(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

impl Meter {
    /// Counters at zero, for routes by their numbers: method and pattern of each. `recorder` keeps
    /// the engine's metrics, if there is one.
    pub(crate) fn new(
        routes: Vec<(&'static str, &'static str)>,
        recorder: Option<PrometheusHandle>,
    ) -> Self {
        Self {
            answers: zeros(METHODS.len() * STATUSES),
            latencies: Latencies::new(routes),
            refusals: zeros(Code::ALL.len()),
            connections: Default::default(),
            recorder,
        }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, answered: &Answered<'_>) {
        let row = match *answered.method {
            Method::GET => 0,
            Method::POST => 1,
            Method::PUT => 2,
            Method::DELETE => 3,
            _ => 4,
        };
        let status = answered.status.as_u16();
        if let Some(cell) = self.answers.get(row * STATUSES + usize::from(status)) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(code) = answered.refused {
            self.refusals[code as usize].fetch_add(1, Ordering::Relaxed);
        }
        let (route, took) = (answered.route, answered.took);
        self.latencies.observe(route, status, took);
    }

    /// The pattern of the route with this number.
    pub(crate) fn pattern(&self, route: usize) -> &'static str {
        self.latencies.pattern(route)
    }

    /// Counts a connection that was taken at a door, until what this gives is dropped.
    pub(crate) fn connected(&self, door: &Door) -> Connected {
        let listener = match door {
            Door::Main | Door::Client(_) | Door::Inside(_) => 0,
            Door::Admin => 1,
        };
        let open = Arc::clone(&self.connections[listener]);
        open.fetch_add(1, Ordering::Relaxed);
        Connected(open)
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
        for Gauge { name, values } in gauges {
            begin(&mut page, name);
            for (labels, value) in values {
                put(&mut page, format_args!("{name}{labels} {value}\n"));
            }
        }
        let name = table::CONNECTIONS;
        begin(&mut page, name);
        for (listener, open) in LISTENERS.iter().zip(&self.connections) {
            let open = open.load(Ordering::Relaxed);
            let labels = format_args!("listener=\"{listener}\"");
            put(&mut page, format_args!("{name}{{{labels}}} {open}\n"));
        }
        self.show_answers(&mut page);
        self.show_refusals(&mut page);
        begin(&mut page, table::DURATION);
        self.latencies.show(&mut page);
        page + &self
            .recorder
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }

    fn show_answers(&self, page: &mut String) {
        let name = table::REQUESTS;
        begin(page, name);
        for (row, method) in METHODS.iter().enumerate() {
            let cells = &self.answers[row * STATUSES..(row + 1) * STATUSES];
            for (status, cell) in cells.iter().enumerate() {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    put(
                        page,
                        format_args!(
                            "{name}{{http_request_method=\"{method}\",\
                             http_response_status_code=\"{status}\"}} {count}\n"
                        ),
                    );
                }
            }
        }
    }

    fn show_refusals(&self, page: &mut String) {
        let name = table::REFUSALS;
        begin(page, name);
        for (code, cell) in Code::ALL.iter().zip(&self.refusals) {
            let (code, count) = (code.meaning().code, cell.load(Ordering::Relaxed));
            if count > 0 {
                put(page, format_args!("{name}{{code=\"{code}\"}} {count}\n"));
            }
        }
    }
}

/// What stands above a metric's samples.
fn begin(page: &mut String, name: &str) {
    let Metric { help, kind, .. } = table::named(name);
    let kind = kind.name();
    put(
        page,
        format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
    );
}

fn put(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    page.write_fmt(arguments).expect("text grows in memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(method: &Method, refused: Code) -> Answered<'_> {
        let status = StatusCode::from_u16(refused.meaning().status);
        Answered {
            method,
            status: status.expect("a status of the catalogue"),
            route: None,
            refused: Some(refused),
            took: Duration::from_millis(1),
        }
    }

    #[test]
    fn answers_are_counted_by_method_and_status_and_refusals_by_code() {
        let meter = Meter::new(Vec::new(), None);
        meter.count(&answered(&Method::POST, Code::SoldOut));
        meter.count(&answered(&Method::POST, Code::SoldOut));
        meter.count(&answered(&Method::POST, Code::HoldExpired));
        meter.count(&answered(&Method::PATCH, Code::MethodNotAllowed));
        let page = meter.page(&[]);
        let line = |method: &str, status: u16, count: u64| {
            format!(
                "evenkeel_http_server_requests_total{{http_request_method=\"{method}\",\
                 http_response_status_code=\"{status}\"}} {count}\n"
            )
        };
        assert!(page.contains(&line("POST", 409, 3)), "{page}");
        assert!(page.contains(&line("other", 405, 1)), "{page}");
        for (code, count) in [("stock.sold_out", 2), ("hold.expired", 1)] {
            let line = format!("evenkeel_refusals_total{{code=\"{code}\"}} {count}\n");
            assert!(page.contains(&line), "{page}");
        }
    }

    #[test]
    fn each_code_has_the_place_that_its_counter_has() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, at);
        }
    }

    #[test]
    fn a_connection_counts_until_it_ends() {
        let meter = Meter::new(Vec::new(), None);
        let shows = |open: u64| {
            let page = meter.page(&[]);
            let line =
                format!("evenkeel_http_server_open_connections{{listener=\"admin\"}} {open}\n");
            assert!(page.contains(&line), "{page}");
        };
        let (one, other) = (meter.connected(&Door::Admin), meter.connected(&Door::Admin));
        let _main = meter.connected(&Door::Main);
        shows(2);
        drop((one, other));
        shows(0);
    }
}
