//! How long answers took, by route and class of status.
//!
//! One cell of counters for each route and class, found by two numbers: an observation is two
//! relaxed atomic additions, without a lock, a look-up by name or memory of its own. So it never
//! waits, and nothing piles up that somebody would have to read.

use super::put;
use super::table::DURATION;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds, and in seconds as they are shown.
const BOUNDS: [(u64, &str); 14] = [
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
];
/// Classes of status, from 1xx to 5xx.
const CLASSES: usize = 5;

/// One histogram.
#[derive(Debug, Default)]
struct Cell {
    /// Not cumulative; the last is for what is beyond every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The histograms of all routes.
#[derive(Debug)]
pub(super) struct Latencies {
    /// Method and pattern of each route; the last stands for what belongs to none.
    routes: Vec<(&'static str, &'static str)>,
    cells: Vec<Cell>,
}

impl Latencies {
    /// Empty histograms of these routes: method and pattern, as their numbers say.
    pub(super) fn new(mut routes: Vec<(&'static str, &'static str)>) -> Self {
        routes.push(("other", "none"));
        let cells = std::iter::repeat_with(Cell::default);
        Self {
            cells: cells.take(routes.len() * CLASSES).collect(),
            routes,
        }
    }

    /// The pattern of the route with this number.
    pub(super) fn pattern(&self, route: usize) -> &'static str {
        self.routes[route].1
    }

    /// Notes an answer with a status, of the route with a number or of none.
    pub(super) fn observe(&self, route: Option<usize>, status: u16, took: Duration) {
        let route = route.unwrap_or(self.routes.len() - 1);
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        let Some(cell) = self.cells.get(route * CLASSES + class) else {
            return;
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        cell.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        cell.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The samples of every histogram that is not empty.
    pub(super) fn show(&self, page: &mut String) {
        for (at, cell) in self.cells.iter().enumerate() {
            let counts = cell
                .buckets
                .each_ref()
                .map(|one| one.load(Ordering::Relaxed));
            let all: u64 = counts.iter().sum();
            if all == 0 {
                continue;
            }
            let ((method, route), class) = (self.routes[at / CLASSES], at % CLASSES + 1);
            let labels = format!(
                "http_request_method=\"{method}\",http_route=\"{route}\",\
                 http_response_status_class=\"{class}xx\""
            );
            let mut so_far = 0;
            let bounds = BOUNDS.iter().map(|(_, shown)| *shown).chain(["+Inf"]);
            for (count, bound) in counts.iter().zip(bounds) {
                so_far += count;
                put(
                    page,
                    format_args!("{DURATION}_bucket{{{labels},le=\"{bound}\"}} {so_far}\n"),
                );
            }
            let micros = cell.micros.load(Ordering::Relaxed);
            let seconds = Duration::from_micros(micros).as_secs_f64();
            put(page, format_args!("{DURATION}_sum{{{labels}}} {seconds}\n"));
            put(page, format_args!("{DURATION}_count{{{labels}}} {all}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_and_are_shown_as_what_they_are() {
        for (micros, shown) in BOUNDS {
            let seconds: f64 = shown.parse().expect("a number");
            assert_eq!(
                Duration::from_secs_f64(seconds),
                Duration::from_micros(micros)
            );
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn an_answer_is_counted_in_every_bucket_that_it_fits_into() {
        let latencies = Latencies::new(vec![("GET", "/a"), ("POST", "/b")]);
        latencies.observe(Some(1), 409, Duration::from_micros(1_000));
        latencies.observe(Some(1), 404, Duration::from_micros(1_001));
        latencies.observe(Some(1), 201, Duration::from_secs(60));
        latencies.observe(None, 404, Duration::ZERO);
        let mut page = String::new();
        latencies.show(&mut page);
        let line = |kind: &str, labels: &str, value: &str| {
            let found = format!("{DURATION}{kind}{{{labels}}} {value}\n");
            assert!(page.contains(&found), "{found} is not in {page}");
        };
        let labels = |method: &str, route: &str, class: &str| {
            format!(
                "http_request_method=\"{method}\",http_route=\"{route}\",\
                 http_response_status_class=\"{class}\""
            )
        };
        let refused = labels("POST", "/b", "4xx");
        line("_bucket", &format!("{refused},le=\"0.0005\""), "0");
        line("_bucket", &format!("{refused},le=\"0.001\""), "1");
        line("_bucket", &format!("{refused},le=\"0.0025\""), "2");
        line("_bucket", &format!("{refused},le=\"+Inf\""), "2");
        line("_sum", &refused, "0.002001");
        line("_count", &refused, "2");
        let done = labels("POST", "/b", "2xx");
        line("_bucket", &format!("{done},le=\"10\""), "0");
        line("_bucket", &format!("{done},le=\"+Inf\""), "1");
        let nowhere = labels("other", "none", "4xx");
        line("_bucket", &format!("{nowhere},le=\"0.00025\""), "1");
        assert!(!page.contains("/a"), "an empty histogram is not shown");
    }
}
