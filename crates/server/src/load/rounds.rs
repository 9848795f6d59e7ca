//! Rounds of work: the server under load and, in turn with it, the one it is compared with.
//!
//! Machines are noisy and get faster and slower while one looks, so two servers are compared in
//! one run by rounds that alternate; their ratio is worth more than either number.

use super::LoadArgs;
use super::fleet::{Hammer, Work};
use super::progress::Progress;
use super::stage::Stage;
use super::tally::{Recorder, Tally};
use crate::client::Target;
use crate::client::outside::{self, Crew};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Rounds are about this long when there are two sides.
const ROUND_SECONDS: u32 = 2;

/// What all rounds of the server itself came to.
#[derive(Debug)]
pub(super) struct Outcome<W> {
    pub(super) workers: Vec<W>,
    pub(super) tally: Tally,
    /// Time under load, without what lay between the rounds.
    pub(super) time: Duration,
    pub(super) bare: Option<Bare>,
}

/// The other server's part of a report.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bare {
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Answers a second of the server itself, divided by those of the other one.
    pub(super) ratio: f64,
}

/// How often, and how long each time: all seconds at once, or cut into rounds.
fn cut(seconds: u32, sides: u32) -> (u32, Duration) {
    let rounds = if sides == 1 {
        1
    } else {
        (seconds / ROUND_SECONDS).max(1)
    };
    (rounds, Duration::from_secs(seconds.into()) / rounds)
}

/// Answers a second.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is shown, not counted with"
)]
pub(super) fn rate(requests: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        (requests as f64 / time.as_secs_f64() * 10.0).round() / 10.0
    }
}

/// Has the workers work, and the other server's in turn with them.
///
/// # Errors
/// The other server's URL is none.
pub(super) async fn run<W: Work>(
    args: &LoadArgs,
    stage: &Arc<Stage>,
    recorder: &Arc<Recorder>,
    mut workers: Vec<W>,
) -> anyhow::Result<Outcome<W>> {
    let mut other = match &args.bare {
        Some(url) => Some(Other::new(&Target::new(url)?, stage, args.connections)),
        None => None,
    };
    let sides = if other.is_some() { 2 } else { 1 };
    let (rounds, length) = cut(args.seconds, sides);
    let progress = Progress::start(length * rounds * sides, recorder);
    let mut time = Duration::ZERO;
    for _ in 0..rounds {
        let (back, took) = round(workers, length).await;
        workers = back;
        time += took;
        if let Some(other) = &mut other {
            other.round(length).await;
        }
    }
    drop(progress);
    let tally = recorder.tally();
    let bare = other.map(|other| other.report(rate(tally.requests(), time)));
    Ok(Outcome {
        workers,
        tally,
        time,
        bare,
    })
}

async fn round<W: Work>(workers: Vec<W>, length: Duration) -> (Vec<W>, Duration) {
    let begun = outside::now();
    let mut crew = Crew::new();
    for worker in workers {
        crew.add(worker.work(begun + length));
    }
    (crew.all().await, begun.elapsed())
}

/// The server that ours is compared with.
struct Other {
    workers: Vec<Hammer>,
    recorder: Arc<Recorder>,
    time: Duration,
}

impl Other {
    fn new(target: &Target, stage: &Arc<Stage>, connections: u32) -> Self {
        let recorder = Arc::new(Recorder::default());
        let hammer = |number| Hammer::new(target, stage, &recorder, number);
        Self {
            workers: (0..connections).map(hammer).collect(),
            recorder,
            time: Duration::ZERO,
        }
    }

    async fn round(&mut self, length: Duration) {
        let (back, took) = round(std::mem::take(&mut self.workers), length).await;
        self.workers = back;
        self.time += took;
    }

    fn report(self, ours: f64) -> Bare {
        let tally = self.recorder.tally();
        let requests_per_second = rate(tally.requests(), self.time);
        let ratio = if requests_per_second > 0.0 {
            ours / requests_per_second
        } else {
            0.0
        };
        Bare {
            requests_per_second,
            p50_ms: tally.latency.quantile_ms(0.5),
            p99_ms: tally.latency.quantile_ms(0.99),
            ratio: (ratio * 1000.0).round() / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_add_up_to_the_time_asked_for() {
        for seconds in 1..60 {
            for sides in 1..=2 {
                let (rounds, length) = cut(seconds, sides);
                let whole = length * rounds;
                let off = Duration::from_secs(seconds.into()).abs_diff(whole);
                assert!(
                    off < Duration::from_micros(1),
                    "{seconds} s: {rounds} of {length:?}"
                );
            }
        }
        assert_eq!(cut(10, 1).0, 1);
        assert_eq!(cut(10, 2).0, 5);
    }
}
