//! Several nodes on one PostgreSQL, and what operations do to each of them: killed, stopped for a
//! while (also between the lock and the commit of a batch), added, started with a wrong clock; and
//! what they do to the database. `docs/survives.md` says what each test shows.
//!
//! Every suite has a server of its own, started here, in a folder and on a port of its own, one
//! sandbox that plays the providers for all nodes, and a small balancer before them. What an answer
//! promised must be found afterwards by `verify --acks`.
//!
//! `EVENKEEL_LONG=1` (set by `./test --long`) runs the full form.

#![cfg(all(target_os = "linux", feature = "postgres"))]

#[path = "../common/answer.rs"]
mod answer;
#[path = "../faults/layer.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod layer;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/run.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod run;
#[path = "../../../engine/tests/servers/mod.rs"]
#[expect(dead_code, reason = "the engine's own tests use more of it")]
mod servers;
#[path = "../faults/wire.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod wire;

mod clock;
mod database;
mod full;
mod load;
mod locked;
mod moving;
mod pause;
mod proxy;
mod replica;
mod restored;
mod shop;
mod stand;
mod subscriber;
mod takeover;
mod together;
mod upgrade;

use run::{pass, times, until};
use std::time::Instant;

/// The moment.
#[expect(
    clippy::disallowed_methods,
    reason = "how long others wait is measured in real time"
)]
fn now() -> Instant {
    Instant::now()
}
