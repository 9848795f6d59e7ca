//! The server's own metrics by name; those of the engine are listed there.

use evenkeel_engine::meter::{Kind, Metric};

/// Answers by what was asked and how it ended.
pub(super) const REQUESTS: &str = "evenkeel_http_server_requests_total";
/// How long answers took.
pub(super) const DURATION: &str = "evenkeel_http_server_request_duration_seconds";
/// Connections that are open.
pub(super) const CONNECTIONS: &str = "evenkeel_http_server_open_connections";
/// Problems that were answered.
pub(super) const REFUSALS: &str = "evenkeel_refusals_total";

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

/// What the server measures beside the engine.
pub(super) const OWN: &[Metric] = &[
    gauge("evenkeel_ready", &[], "1 if requests are served, 0 if not."),
    gauge(
        "evenkeel_uptime_seconds",
        &[],
        "Since the start of the process.",
    ),
    gauge(
        "evenkeel_log_position",
        &[],
        "The position of the log's head.",
    ),
    gauge(
        "evenkeel_waiting_commits",
        &["lane"],
        "Commits that wait for their batch.",
    ),
    gauge(
        "evenkeel_loop_lag_positions",
        &["loop"],
        "How far a loop is behind the log's head.",
    ),
    gauge(
        "evenkeel_loop_lag_seconds",
        &["loop"],
        "Since a loop's last good round.",
    ),
    gauge(
        "evenkeel_outbox_pending_positions",
        &[],
        "Positions that some active subscriber has not passed.",
    ),
    gauge(
        "evenkeel_outbox_oldest_seconds",
        &[],
        "Since the oldest of them was committed.",
    ),
    gauge(
        "evenkeel_parked",
        &[],
        "Streams and callbacks that wait for a person.",
    ),
    gauge(
        CONNECTIONS,
        &["listener"],
        "Connections that are open, idle ones among them.",
    ),
    Metric {
        name: REQUESTS,
        kind: Kind::Counter,
        labels: &["http_request_method", "http_response_status_code"],
        help: "Requests that were answered.",
    },
    Metric {
        name: DURATION,
        kind: Kind::Histogram,
        labels: &[
            "http_request_method",
            "http_route",
            "http_response_status_class",
        ],
        help: "From a request that is there whole until its answer is made; a stream of events \
               counts until it begins. What belongs to no route has `other` and `none`.",
    },
    Metric {
        name: "evenkeel_rate_refused_total",
        kind: Kind::Counter,
        labels: &["policy"],
        help: "Requests beyond those that a token or an address may make in a second, by policy.",
    },
    Metric {
        name: "evenkeel_replica_reads_total",
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "Reads that a replica was asked for: `answered`, `behind` or `failed`; of the last \
               two the primary answered.",
    },
    Metric {
        name: "evenkeel_spans_lost_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Spans of traces that could not be sent; only in builds with the feature `otel`.",
    },
    Metric {
        name: REFUSALS,
        kind: Kind::Counter,
        labels: &["code"],
        help: "Problem documents that were answered, by their code.",
    },
];

/// The metric of this name.
pub(super) fn named(name: &str) -> &'static Metric {
    let metric = OWN.iter().find(|metric| metric.name == name);
    metric.expect("what the server shows is in its table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_engine::meter::METRICS;
    use std::fmt::Write as _;

    #[test]
    fn the_page_of_metrics_is_what_the_tables_say() {
        let mut wanted =
            String::from("\n| metric | kind | labels | meaning |\n|---|---|---|---|\n");
        let mut rows: Vec<&Metric> = OWN.iter().chain(METRICS).collect();
        rows.sort_unstable_by_key(|metric| metric.name);
        assert!(
            rows.windows(2).all(|pair| pair[0].name < pair[1].name),
            "a name stands twice"
        );
        for Metric {
            name,
            kind,
            labels,
            help,
        } in rows
        {
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, labels) = (kind.name(), labels.join(", "));
            writeln!(wanted, "| `{name}` | {kind} | {labels} | {help} |")
                .expect("text grows in memory");
        }
        crate::reference::hold_to("metrics.md", &wanted);
    }
}
