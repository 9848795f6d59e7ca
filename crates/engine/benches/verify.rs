//! How long `verify` takes, and how much memory, on a store with many log rows.
//!
//! Fills a directory of its own with holds that end (half the rows place, half end; 1,000 SKUs,
//! random ids and keys), then verifies it in a process of its own, so that the peak memory is
//! that of verifying alone (Linux only). Figures of one machine compare only with its own.
//!
//! `cargo bench -p evenkeel-engine --bench verify -- [--rows N]`

mod common;

use common::{argument, hold_and_end, list, ports, start, store, word};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, Invariant, verify};
use std::path::Path;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 1_024;

async fn fill(dir: &Path, rows: u64) {
    let engine = start(ports(store(dir))).await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let engine = engine.clone();
        #[expect(clippy::disallowed_methods, reason = "callers of the bench")]
        tasks.spawn(async move {
            if caller < SKUS {
                list(&engine, caller).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    for caller in 0..CALLERS {
        let engine = engine.clone();
        #[expect(clippy::disallowed_methods, reason = "callers of the bench")]
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(caller);
            for _ in 0..rows / 2 / CALLERS {
                hold_and_end(&engine, &mut dice, SKUS).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    engine.stop().await;
}

/// Peak memory of this process in MiB; Linux only.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

async fn look(dir: &Path) {
    #[expect(clippy::disallowed_methods, reason = "the bench's stopwatch")]
    let begin = Instant::now();
    let store = SqliteStore::open_read_only(dir, NamesOptions::default());
    let store = store.expect("the store opens");
    let opened = begin.elapsed().as_secs_f64();
    let report = verify(&store, Inputs::default()).await;
    let report = report.expect("the store answers");
    assert!(report.ok, "nothing was damaged");
    println!(
        "{} rows, {} names, {} holds: verified in {:.1} s (opened in {opened:.2} s), peak {} MiB",
        report.position,
        report.check(Invariant::I6).checked,
        report.check(Invariant::I15).checked,
        begin.elapsed().as_secs_f64() - opened,
        peak_mib()
    );
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    if let Some(dir) = word("--dir") {
        return look(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    fill(dir.path(), argument("--rows", 1_000_000)).await;
    let own = std::env::current_exe().expect("the bench runs");
    let mut child = std::process::Command::new(own);
    let ended = child.arg("--dir").arg(dir.path()).status();
    assert!(ended.expect("it starts").success(), "it verifies");
}
