//! Durable holds a second, in process, on the SQLite store.
//!
//! A closed loop: each caller places a hold with a random id, key and deadline (1 to 15 minutes)
//! and waits until it is on disk. `--fill N` first makes N holds that have ended in a second
//! store. Prints for each store, number of callers and number of SKUs the median of the rounds with
//! the lowest and highest, the waits, the committer's processor time per hold, and the ratio to the
//! empty store. Figures compare only with figures of the same run.
//!
//! `--callers N` runs one case only, with so many callers on one SKU.
//!
//! `cargo bench -p evenkeel-engine --bench holds -- [--fill N] [--seconds S] [--rounds N]
//! [--callers N]`
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers and a stopwatch of its own"
)]

mod common;

use common::{argument, ask, list, place, ports, request, sku, start, store, times};
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::Ids;
use evenkeel_engine::{Engine, Request};
use evenkeel_rules::time::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The SKUs of the holds that fill a store.
const FILL_SKUS: u64 = 1_000;

fn hold(dice: &mut fastrand::Rng, skus: u64) -> Request {
    let number = dice.u128(..);
    let ttl = Millis(dice.u64(60_000..900_000));
    let place = place(number, sku(dice.u64(..skus)), ttl);
    request(Command::Place(place), &format!("k-{number:032x}"))
}

async fn fit_out(engine: &Engine, skus: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..skus {
        let engine = engine.clone();
        tasks.spawn(async move { list(&engine, number).await });
    }
    while tasks.join_next().await.is_some() {}
}

struct Round {
    per_second: f64,
    committer_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

async fn round(engine: &Engine, callers: u64, skus: u64, length: Duration) -> Round {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    let begin = Instant::now();
    let used = threads()["committer"] * 1e6;
    for _ in 0..callers {
        let (engine, stop) = (engine.clone(), Arc::clone(&stop));
        let seed = u128::from_le_bytes(SystemIds.random()) as u64;
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut waits = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                engine.execute(hold(&mut dice, skus)).await.expect("placed");
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
    let committer_us = (threads()["committer"] * 1e6 - used) / waits.len() as f64;
    waits.sort();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize].as_secs_f64() * 1_000.0;
    Round {
        per_second: waits.len() as f64 / seconds,
        committer_us,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    }
}

/// Makes holds and releases them, many at a time.
async fn fill(engine: &Engine, holds: u64) {
    let engine = engine.clone();
    let once = move || {
        let engine = engine.clone();
        async move {
            let asked = hold(&mut fastrand::Rng::new(), FILL_SKUS);
            let Command::Place(placed) = &asked.command else {
                unreachable!("a place")
            };
            let id = placed.id.clone();
            engine.execute(asked).await.expect("placed");
            ask(&engine, Command::Release { id }, "").await;
        }
    };
    times(holds, 2_048, once).await;
}

/// Processor time of each thread so far, by name, in seconds; Linux only.
fn threads() -> BTreeMap<String, f64> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let mut used = BTreeMap::new();
    for task in tasks.flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).ok();
        let (Some(name), Some(times)) = (read("comm"), read("schedstat")) else {
            continue;
        };
        let spent = times.split(' ').next().and_then(|text| text.parse().ok());
        *used.entry(name.trim().to_owned()).or_default() += spent.unwrap_or(0.0) / 1e9;
    }
    used
}

/// The median of some rounds, and the lowest and highest.
fn line(mut rounds: Vec<Round>) -> (f64, String) {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let median = &rounds[rounds.len() / 2];
    let (least, most) = (rounds[0].per_second, rounds[rounds.len() - 1].per_second);
    let text = format!(
        "{:>8.0} ({least:.0}-{most:.0}) {:>12.2} {:>8.2} {:>19.2}",
        median.per_second, median.p50_ms, median.p99_ms, median.committer_us
    );
    (median.per_second, text)
}

/// Callers and SKUs of each case.
fn cases() -> Vec<(u64, u64)> {
    match argument("--callers", 0) {
        0 => vec![(64, 1), (512, 1), (64, 10_000), (512, 10_000)],
        callers => vec![(callers, 1)],
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let (filled, seconds) = (argument("--fill", 0), argument("--seconds", 5));
    let cases = cases();
    let mut stores = Vec::new();
    for holds in [0, filled] {
        if holds == 0 && !stores.is_empty() {
            continue;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = start(ports(store(dir.path()))).await;
        let skus = cases.iter().map(|case| case.1).max().unwrap_or(1);
        fit_out(&engine, skus.max(if holds > 0 { FILL_SKUS } else { 1 })).await;
        let begin = Instant::now();
        fill(&engine, holds).await;
        let took = begin.elapsed().as_secs_f64();
        println!("{holds} ended holds made in {took:.1} s");
        stores.push((dir, engine, holds));
    }
    // Round by round over all cases and stores: what else the machine does meets each of them.
    let mut rounds: BTreeMap<_, Vec<Round>> = BTreeMap::new();
    let mut used: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
    for _ in 0..argument("--rounds", 3) {
        for &case in &cases {
            for (_, engine, holds) in &stores {
                let before = threads();
                let round = round(engine, case.0, case.1, Duration::from_secs(seconds)).await;
                rounds.entry((*holds, case)).or_default().push(round);
                let of_store = used.entry(*holds).or_default();
                for (name, now) in threads() {
                    let spent = now - before.get(&name).unwrap_or(&0.0);
                    *of_store.entry(name).or_default() += spent;
                }
            }
        }
    }
    println!(
        "   ended callers   skus   holds/s (lowest-highest)     p50 ms   p99 ms   \
         committer us/hold   of the empty store"
    );
    let mut empty = BTreeMap::new();
    for ((holds, case), rounds) in rounds {
        let (per_second, text) = line(rounds);
        let base = *empty.entry(case).or_insert(per_second);
        println!(
            "{holds:>8} {:>7} {:>6}   {text} {:>20.2}",
            case.0,
            case.1,
            per_second / base
        );
    }
    for (holds, threads) in used {
        let spent = threads.iter().filter(|(_, spent)| **spent >= 0.1);
        let spent: Vec<String> = spent
            .map(|(name, spent)| format!("{name} {spent:.1}"))
            .collect();
        println!("{holds} ended: processor seconds {}", spent.join(", "));
    }
    for (_, engine, _) in stores {
        engine.stop().await;
    }
}
