//! What very many holds cost: memory, disk, time to start, speed, and the end of all at once.
//!
//! Four parts, each on a SQLite store of its own, made by a process of its own that is killed or
//! ended; `--part` takes one of them. Figures compare only with figures of the same run.
//!
//! - `live`: holds with a day to live. Resident memory with all of them, in a process that has
//!   just started and in the one that made them; place and release a second beside those of a
//!   store with 1,000 live holds, in turn; bytes on disk of a hold, by table; how long a start
//!   takes until a request is answered, after an end in order, after `kill -9`, and (as root) with
//!   nothing of the file in memory.
//! - `ended`: the same ratio and starts on a store whose holds have ended, ids at random.
//! - `deadline`: holds with one deadline. Waits of places and confirms before it and while all are
//!   swept, how long that takes, and whether a place is ever refused what is overdue.
//!
//! `cargo bench -p evenkeel-engine --bench size -- [--part live|ended|deadline] [--holds N]
//! [--seconds S] [--rounds N] [--rate N]`
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark has callers and a stopwatch of its own"
)]

mod common;
#[path = "size/deadline.rs"]
mod deadline;
#[path = "size/disk.rs"]
mod disk;
#[path = "size/speed.rs"]
mod speed;
#[path = "size/starts.rs"]
mod starts;

use common::{argument, request, word};
use evenkeel_engine::commit::Command;
use evenkeel_engine::{Engine, Options, Request};
use evenkeel_rules::hold::Place;
use evenkeel_rules::ids::{CustomerId, SkuId};
use evenkeel_rules::limits::Limits;
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::process::{self, Stdio};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// SKUs of the holds that fill a store.
const SKUS: u64 = 1_000;
/// Callers that fill one.
const FILLERS: u64 = 2_048;
/// The life of a hold that is to stay.
const LONG: Millis = Millis(24 * 3_600_000);

/// An engine as `serve` has it, but that its holds may live for a day.
pub(crate) async fn open(dir: &Path) -> Engine {
    let mut options = Options {
        max_life: LONG,
        ..Options::default()
    };
    options.limits = Limits {
        holds: 10,
        abandon: 5,
    };
    let engine = Engine::start(common::ports(common::store(dir)), options).await;
    engine.expect("the store answers")
}

/// A hold of one unit by a customer who has no other.
pub(crate) fn place(dice: &mut fastrand::Rng, sku: SkuId, ttl: Millis) -> Request {
    let number = dice.u128(..);
    let place = Place {
        customer: CustomerId::new(&format!("c-{number:032x}")).expect("an id"),
        ..common::place(number, sku, ttl)
    };
    request(Command::Place(place), &format!("k-{number:032x}"))
}

/// This bench again, as a process of its own that does one thing with a directory.
pub(crate) fn itself(role: &str, dir: &Path) -> process::Command {
    let program = std::env::current_exe().expect("a bench is a file");
    let mut command = process::Command::new(program);
    command
        .args(std::env::args().skip(1))
        .args(["--role", role, "--dir"])
        .arg(dir)
        .stdout(Stdio::piped());
    command
}

/// Memory of this process in MiB, as a line of its status says; Linux only.
pub(crate) fn mib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|found| found.strip_prefix(line));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let holds = argument("--holds", 1_000_000);
    if let (Some(role), Some(dir)) = (word("--role"), word("--dir")) {
        return starts::play(&role, Path::new(&dir), holds).await;
    }
    let wanted = word("--part");
    let wants = |part: &str| wanted.as_deref().is_none_or(|wanted| wanted == part);
    for kind in [speed::Kind::Live, speed::Kind::Ended] {
        if wants(kind.name()) {
            let home = tempfile::tempdir().expect("a temporary directory");
            starts::filled(kind, home.path());
            disk::print(home.path(), holds);
            starts::print(home.path());
            speed::print(kind, home.path(), holds).await;
        }
    }
    if wants("deadline") {
        let home = tempfile::tempdir().expect("a temporary directory");
        deadline::print(home.path(), holds).await;
    }
}
