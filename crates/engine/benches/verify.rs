//! How long `verify` takes, and how much memory, on a store with many log rows.
//!
//! Fills a directory of its own with holds that end (half the rows place, half end; 1,000 SKUs,
//! random ids and keys), then verifies it in a process of its own, so that the peak memory is
//! that of verifying alone (Linux only). Figures of one machine compare only with its own.
//!
//! `cargo bench -p evenkeel-engine --bench verify -- [--rows N]`

use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, Invariant, verify};
use evenkeel_engine::{Engine, Options, Ports, Request};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: u64 = 1_000;
const CALLERS: u64 = 1_024;

fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number}")).expect("an id")
}

async fn ask(engine: &Engine, command: Command, key: &str) {
    let request = Request {
        command,
        key: Some(Key::new(None, key, &[key.as_bytes()])),
        actor: TokenId::new("t-bench").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    };
    engine.execute(request).await.expect("accepted");
}

async fn list(engine: &Engine, number: u64) {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: sku(number),
        name: "Lamp".to_owned(),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    ask(engine, Command::PutSku { terms }, &format!("put-{number}")).await;
    let command = Command::ChangeStock {
        sku: sku(number),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(1 << 40).expect("units")),
        reference: None,
        reason: None,
    };
    ask(engine, command, &format!("receive-{number}")).await;
}

async fn hold(engine: &Engine, dice: &mut fastrand::Rng) {
    let number = dice.u128(..);
    let id = HoldId::new(&format!("h-{number:032x}")).expect("an id");
    let place = Place {
        id: id.clone(),
        customer: CustomerId::new(&format!("c-{}", number % 1_000_000)).expect("an id"),
        lines: vec![Wanted {
            sku: sku(dice.u64(..SKUS)),
            location: LocationId::main(),
            quantity: Quantity::ONE,
        }],
        ttl: Millis(dice.u64(600_000..900_000)),
    };
    ask(engine, Command::Place(place), &format!("p-{number:032x}")).await;
    let end = match number % 2 {
        0 => Command::Confirm { id, lines: None },
        _ => Command::Release { id },
    };
    ask(engine, end, &format!("e-{number:032x}")).await;
}

async fn fill(dir: &Path, rows: u64) {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    let ports = Ports {
        outlet: None,
        store: Arc::new(store.expect("the directory can be opened")),
        gate: None,
        gateway: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let engine = Engine::start(ports, Options::default()).await;
    let engine = engine.expect("the store answers");
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
                hold(&engine, &mut dice).await;
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

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    if let Some(dir) = argument("--dir") {
        return look(Path::new(&dir)).await;
    }
    let rows = argument("--rows").map_or(Ok(1_000_000), |text| text.parse());
    let dir = tempfile::tempdir().expect("a temporary directory");
    fill(dir.path(), rows.expect("--rows wants a whole number")).await;
    let own = std::env::current_exe().expect("the bench runs");
    let mut child = std::process::Command::new(own);
    let ended = child.arg("--dir").arg(dir.path()).status();
    assert!(ended.expect("it starts").success(), "it verifies");
}
