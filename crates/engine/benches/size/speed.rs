//! How fast a full store is beside one that has next to nothing, in turn.

use crate::common::{argument, spread};
use crate::starts::{fill, one};
use crate::{mib, open};
use evenkeel_engine::Engine;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Live holds of the store that has few.
const FEW: u64 = 1_000;

/// What becomes of the holds that fill a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They live.
    Live,
    /// They are released at once.
    Ended,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
        }
    }
}

struct Round {
    per_second: f64,
    p99_ms: f64,
}

/// Holds that are placed and released, in a closed loop.
async fn round(engine: &Engine, callers: u64, length: Duration) -> Round {
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (engine, stop) = (engine.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            let (mut dice, mut waits) = (fastrand::Rng::new(), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                one(&engine, Kind::Ended, &mut dice).await;
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    tokio::time::sleep(length).await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    while let Some(more) = tasks.join_next().await {
        waits.extend(more.expect("no caller panics"));
    }
    let seconds = begin.elapsed().as_secs_f64();
    waits.sort();
    Round {
        per_second: waits.len() as f64 / seconds,
        p99_ms: waits[waits.len() * 99 / 100].as_secs_f64() * 1_000.0,
    }
}

/// Rounds in turn on the full store and on one with few live holds, or none.
pub(crate) async fn print(kind: Kind, full: &Path, holds: u64) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let few = open(home.path()).await;
    fill(&few, Kind::Live, if kind == Kind::Live { FEW } else { 0 }).await;
    let full = open(full).await;
    let length = Duration::from_secs(argument("--seconds", 5));
    for callers in [64, 512] {
        let mut ratios = Vec::new();
        let mut figures = [Vec::new(), Vec::new()];
        let mut waits = [Vec::new(), Vec::new()];
        for number in 0..argument("--rounds", 3) {
            let mut rates = [0.0; 2];
            // Every other round the other way about.
            for turn in [number % 2, 1 - number % 2] {
                let engine = [&few, &full][turn as usize];
                let round = round(engine, callers, length).await;
                rates[turn as usize] = round.per_second;
                figures[turn as usize].push(round.per_second);
                waits[turn as usize].push(round.p99_ms);
            }
            ratios.push(rates[1] / rates[0]);
        }
        let [few, full] = figures.map(|it| spread(it)[0]);
        let [few_ms, full_ms] = waits.map(|it| spread(it)[0]);
        let [ratio, least, most] = spread(ratios);
        println!(
            "place and release, {callers} callers, {holds} {}: {full:.0} a second of {few:.0}, \
             {ratio:.2} ({least:.2}-{most:.2}); p99 {full_ms:.1} ms of {few_ms:.1}",
            kind.name()
        );
    }
    println!(
        "resident at the end: {} MiB, at most {} MiB",
        mib("VmRSS:"),
        mib("VmHWM:")
    );
    few.stop().await;
    full.stop().await;
}
