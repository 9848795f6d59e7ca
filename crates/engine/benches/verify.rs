//! How long `verify` takes, and how much memory, on a store with many log rows.
//!
//! Fills a directory of its own with holds that end (half the rows place, half end; 1,000 SKUs,
//! random ids and keys), then verifies it in a process of its own, so that the peak memory is
//! that of verifying alone (Linux only). Figures of one machine compare only with its own.
//!
//! First from zero; then beside 64 callers who make some 500 holds a second, in one process, as a
//! server does it: from zero, and from the seal that this left; from the seal alone; and from zero
//! beside 64 callers who never pause. Then nine tenths of the log are archived, and it is folded
//! from zero once more.
//!
//! `cargo bench -p evenkeel-engine --bench verify -- [--rows N]`

mod common;
mod timed;

use common::{argument, hold_and_end, list, ports, start, store, word};
use evenkeel_engine::Engine;
use evenkeel_engine::archive::{Archive, Archived, Ask, keep_seals};
use evenkeel_engine::port::Store;
use evenkeel_engine::store::segments::SegmentDir;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, Invariant, Report, verify};
use evenkeel_engine::worker::apart;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use timed::Timed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 1_024;
/// Those who go on while it is verified.
const CLIENTS: u64 = 64;
/// Their pause between one hold and the next: some 500 holds a second, each of two commits.
const PAUSE: Duration = Duration::from_millis(128);

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
    let files = SegmentDir::new(&dir.join("segments"));
    let store = Archived::new(Arc::new(store), Arc::new(files));
    let store = Timed::new(Arc::new(store));
    let opened = begin.elapsed().as_secs_f64();
    let inputs = Inputs {
        deep: word("--mode").as_deref() == Some("zero"),
        ..Inputs::default()
    };
    let report = verify(&store, inputs).await;
    let report = report.expect("the store answers");
    assert!(report.ok, "nothing was damaged");
    println!(
        "from {} to {}, {} names, {} rows: verified in {:.1} s (opened in {opened:.2} s), \
         longest read {:.1} ms, peak {} MiB",
        report.folded_from,
        report.position,
        report.check(Invariant::I6).checked,
        report.check(Invariant::I15).checked,
        begin.elapsed().as_secs_f64() - opened,
        store.longest.load(Ordering::Relaxed) as f64 / 1_000.0,
        peak_mib()
    );
}

/// Holds and their ends by callers who go on until they are told to stop; how many so far.
struct Traffic {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Traffic {
    fn begin(engine: &Engine, pause: Duration) -> Self {
        let (done, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..CLIENTS {
            let (engine, done, stop) = (engine.clone(), Arc::clone(&done), Arc::clone(&stop));
            #[expect(clippy::disallowed_methods, reason = "callers of the bench")]
            tasks.spawn(async move {
                let mut dice = fastrand::Rng::with_seed(1 << 40 | caller);
                while !stop.load(Ordering::Relaxed) {
                    hold_and_end(&engine, &mut dice, SKUS).await;
                    done.fetch_add(2, Ordering::Relaxed);
                    if !pause.is_zero() {
                        #[expect(clippy::disallowed_methods, reason = "a caller's pause")]
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        }
        Self { done, stop, tasks }
    }

    /// Commits a second while `work` goes on.
    async fn during<T>(&self, work: impl Future<Output = T>) -> (T, f64) {
        #[expect(clippy::disallowed_methods, reason = "the bench's stopwatch")]
        let begin = Instant::now();
        let before = self.done.load(Ordering::Relaxed);
        let done = work.await;
        let count = self.done.load(Ordering::Relaxed) - before;
        (done, count as f64 / begin.elapsed().as_secs_f64())
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Verifies from zero or from the last seal beside callers who pause between their holds, or never
/// do.
async fn beside(
    engine: &Engine,
    store: &Arc<dyn Store>,
    (deep, pause): (bool, Duration),
) -> Report {
    let timed = Arc::new(Timed::new(Arc::clone(store)));
    let traffic = Traffic::begin(engine, pause);
    #[expect(clippy::disallowed_methods, reason = "as long as it takes to be seen")]
    let alone = traffic
        .during(tokio::time::sleep(Duration::from_secs(5)))
        .await
        .1;
    let shared = Arc::clone(&timed);
    let whole = apart(async move {
        let inputs = Inputs {
            deep,
            ..Inputs::default()
        };
        verify(&*shared, inputs).await
    });
    #[expect(clippy::disallowed_methods, reason = "the bench's stopwatch")]
    let begin = Instant::now();
    let (report, beside) = traffic.during(whole).await;
    let took = begin.elapsed().as_secs_f64();
    traffic.end().await;
    let report = report.expect("the store answers");
    assert!(report.ok, "nothing was damaged");
    println!(
        "beside {CLIENTS} callers who pause {} ms, from {} to {}: verified in {took:.1} s, \
         longest read {:.1} ms; {alone:.0} commits/s alone, {beside:.0} beside it",
        pause.as_millis(),
        report.folded_from,
        report.position,
        timed.longest.load(Ordering::Relaxed) as f64 / 1_000.0,
    );
    report
}

async fn archived(dir: &Path) -> (Engine, Arc<Archived>) {
    let files = SegmentDir::new(&dir.join("segments"));
    let archived = Arc::new(Archived::new(store(dir), Arc::new(files)));
    let engine = start(ports(Arc::clone(&archived) as Arc<dyn Store>)).await;
    (engine, archived)
}

/// Verifies beside who writes on, from zero and then from the seal that this leaves.
async fn seal_and_go_on(dir: &Path) {
    let (engine, archived) = archived(dir).await;
    let archived: Arc<dyn Store> = archived;
    let report = beside(&engine, &archived, (true, PAUSE)).await;
    keep_seals(&engine, &report).await.expect("it is kept");
    let seal = engine.store().seals(u64::MAX, 1).await.expect("readable");
    println!("a seal of {} bytes", seal.rows[0].text.len());
    beside(&engine, &archived, (false, PAUSE)).await;
    engine.stop().await;
}

/// Verifies from zero beside callers who never pause.
async fn beside_a_crowd(dir: &Path) {
    let (engine, archived) = archived(dir).await;
    let archived: Arc<dyn Store> = archived;
    beside(&engine, &archived, (true, Duration::ZERO)).await;
    engine.stop().await;
}

/// Moves nine tenths of the log out, a tenth a segment.
async fn archive(dir: &Path, rows: u64) {
    let (engine, archived) = archived(dir).await;
    let mover = Archive::new(engine.clone(), archived);
    let ask = Ask {
        before: rows * 9 / 10 + 1,
        rows: rows / 10,
    };
    #[expect(clippy::disallowed_methods, reason = "the bench's stopwatch")]
    let begin = Instant::now();
    let done = mover.run(ask, Inputs::default()).await;
    let done = done.expect("nothing is damaged");
    let bytes: u64 = done.segments.iter().map(|row| row.bytes).sum();
    println!(
        "archived {} rows in {:.1} s, {:.0} bytes a row",
        done.floor - 1,
        begin.elapsed().as_secs_f64(),
        bytes as f64 / (done.floor - 1) as f64
    );
    engine.stop().await;
}

fn child(dir: &Path, mode: &str) {
    let own = std::env::current_exe().expect("the bench runs");
    let mut child = std::process::Command::new(own);
    let ended = child.arg("--dir").arg(dir).args(["--mode", mode]).status();
    assert!(ended.expect("it starts").success(), "it verifies");
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    if let Some(dir) = word("--dir") {
        return look(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let rows = argument("--rows", 1_000_000);
    fill(dir.path(), rows).await;
    child(dir.path(), "zero");
    seal_and_go_on(dir.path()).await;
    child(dir.path(), "seal");
    beside_a_crowd(dir.path()).await;
    archive(dir.path(), rows).await;
    child(dir.path(), "zero");
}
