//! What the engine measures: the names, and handles that are looked up once.
//!
//! [`METRICS`] is the one list of the engine's metrics; what is not in it is measured by nobody.
//! What is measured for every request or batch has a handle made when the engine is built:
//! observing is then an atomic addition, or for a histogram a push to a lock-free list of the
//! handle's own. The recorder's table of names, which has locks, is only asked where something is
//! rare: calls of providers, posts, rounds of the sweep. So the recorder has to be installed
//! before the engine is built; without one nothing is kept.
//!
//! No label is ever made of what a client sent.

use crate::clock::SystemClock;
use crate::commit::Lane;
use crate::port::Clock;
use crate::queue::Waiting;
use metrics::{Counter, Histogram};

/// The target of spans: whoever makes traces listens to it, and to nothing else.
pub const SPANS: &str = "evenkeel::spans";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Stands at something when it is looked at.
    Gauge,
    /// How often it was at most how much.
    Histogram,
}

impl Kind {
    /// The word for it in Prometheus' text format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Begins with `evenkeel_`; ends with `_total` if, and only if, it is a counter.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The labels that tell its values apart.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// Every metric of the engine.
pub const METRICS: &[Metric] = &[
    metric(
        "evenkeel_batch_commits",
        Kind::Histogram,
        &[],
        "Commits of one batch.",
    ),
    metric(
        "evenkeel_batch_lane_commits",
        Kind::Histogram,
        &["lane"],
        "Commits that one lane had in a batch; batches in which it had none are not counted.",
    ),
    metric(
        "evenkeel_batch_duration_seconds",
        Kind::Histogram,
        &[],
        "From the begin of a batch until it is on disk.",
    ),
    metric(
        "evenkeel_sync_duration_seconds",
        Kind::Histogram,
        &[],
        "COMMIT of a batch: its rows go to the write-ahead log, which is synced (fsync).",
    ),
    metric(
        "evenkeel_commit_unknown_total",
        Kind::Counter,
        &[],
        "Batches of which it was not known at first whether they were committed.",
    ),
    metric(
        "evenkeel_gate_refused_total",
        Kind::Counter,
        &[],
        "Holds that were refused before the ledger was asked.",
    ),
    metric(
        "evenkeel_gate_unsure_total",
        Kind::Counter,
        &[],
        "Holds for which the gate knew too few units and the ledger was asked all the same: the \
         key or the id may be known, or the store has not caught up with the gate.",
    ),
    metric(
        "evenkeel_limit_refused_total",
        Kind::Counter,
        &[],
        "Requests whose customer had too many live or abandoned holds.",
    ),
    metric(
        "evenkeel_overload_refused_total",
        Kind::Counter,
        &[],
        "Commits that were refused because they would have waited, or had waited, too long.",
    ),
    metric(
        "evenkeel_swept_holds_total",
        Kind::Counter,
        &[],
        "Holds that were ended after their deadline.",
    ),
    metric(
        "evenkeel_sweep_overdue_seconds",
        Kind::Gauge,
        &[],
        "How far the hold that the last round of the sweep found most overdue was past its \
         deadline; 0 if none was due.",
    ),
    metric(
        "evenkeel_provider_calls_total",
        Kind::Counter,
        &["call", "reply"],
        "Calls to providers, by what was asked and what came of it.",
    ),
    metric(
        "evenkeel_retries_held_back_total",
        Kind::Counter,
        &[],
        "Retries that waited because the budget of retries was used up.",
    ),
    metric(
        "evenkeel_posts_total",
        Kind::Counter,
        &["judged"],
        "Posts to subscribers, by what their answer was taken for.",
    ),
];

/// Tells the recorder what metrics mean, so that it shows it beside them.
pub fn describe(metrics: &'static [Metric]) {
    for metric in metrics {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

/// What is counted at the door, for every request.
#[derive(Debug)]
pub(crate) struct AtDoor {
    pub(crate) gate_refused: Counter,
    pub(crate) gate_unsure: Counter,
    pub(crate) limit_refused: Counter,
    pub(crate) overload_refused: Counter,
}

impl AtDoor {
    pub(crate) fn new() -> Self {
        Self {
            gate_refused: metrics::counter!("evenkeel_gate_refused_total"),
            gate_unsure: metrics::counter!("evenkeel_gate_unsure_total"),
            limit_refused: metrics::counter!("evenkeel_limit_refused_total"),
            overload_refused: metrics::counter!("evenkeel_overload_refused_total"),
        }
    }
}

/// What is measured of each batch; the committer's alone.
#[derive(Debug)]
pub(crate) struct OfBatches {
    commits: Histogram,
    lanes: [Histogram; Lane::ALL.len()],
    pub(crate) duration: Histogram,
    pub(crate) unknown: Counter,
}

impl OfBatches {
    pub(crate) fn new() -> Self {
        let lane = |lane: Lane| {
            let name = lane.name();
            metrics::histogram!("evenkeel_batch_lane_commits", "lane" => name)
        };
        Self {
            commits: metrics::histogram!("evenkeel_batch_commits"),
            lanes: Lane::ALL.map(lane),
            duration: metrics::histogram!("evenkeel_batch_duration_seconds"),
            unknown: metrics::counter!("evenkeel_commit_unknown_total"),
        }
    }

    /// Notes how large a batch is when it is attempted first.
    pub(crate) fn taken(&self, batch: &[Waiting]) {
        let mut lanes = [0_u32; Lane::ALL.len()];
        for waiting in batch {
            lanes[waiting.commit.command.lane() as usize] += 1;
        }
        self.commits.record(lanes.iter().sum::<u32>());
        for (histogram, commits) in self.lanes.iter().zip(lanes) {
            if commits > 0 {
                histogram.record(commits);
            }
        }
    }
}

/// How long stores take to make a batch durable.
pub(crate) fn syncs() -> Histogram {
    metrics::histogram!("evenkeel_sync_duration_seconds")
}

/// Does some work and notes how long it took by the machine's own clock, which nothing but the
/// histogram ever sees.
pub(crate) fn timed<T>(into: &Histogram, work: impl FnOnce() -> T) -> T {
    let clock = SystemClock::new();
    let done = work();
    into.record(clock.mono());
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_stands_once_and_says_whether_it_is_a_counter() {
        let mut names = BTreeSet::new();
        for Metric { name, kind, .. } in METRICS {
            assert!(names.insert(name), "{name} stands twice");
            assert!(name.starts_with("evenkeel_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        }
    }

    #[test]
    fn each_lane_has_the_place_that_its_histogram_has() {
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            assert_eq!(lane as usize, at, "{}", lane.name());
        }
    }
}
