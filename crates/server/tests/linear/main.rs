//! Histories of the real server could have happened one request after the other.
//!
//! Clients on connections of their own place, confirm, release and look at holds of one SKU at the
//! same time, and write down when each request set out, when its answer came and what it said. For
//! every round a search looks for an order of the requests that respects time and in which the hold
//! state machine with that many units gives just these answers. The same histories with one answer
//! changed show that the search sees lies where requests overlap; `proof` shows what else it sees.
//!
//! `LINEAR_SEED` repeats a run's choices; what the threads make of them differs from run to run.
//! With `EVENKEEL_LONG` there are thousands of rounds.

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/run.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod run;

mod checker;
mod model;
mod proof;
mod server;

use checker::{Call, MOST};
use fastrand::Rng;
use model::{Answer, Ask, HOLDS, Life};
use server::{Server, Wire};
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;

const CLIENTS: usize = 6;
/// Requests of each client in a round.
const ASKS: usize = 8;
const ROUNDS: (u64, u64) = (150, 5_000);
/// How often each history is held against the state machine with one answer changed.
const LIES: usize = 4;
/// Units that a round has, drawn from these: too few for all its holds.
const UNITS: [u64; 4] = [1, 2, 3, 4];

fn seed() -> u64 {
    let given = std::env::var("LINEAR_SEED").ok();
    given.map_or_else(
        || fastrand::u64(..),
        |text| text.parse().expect("LINEAR_SEED is a whole number"),
    )
}

fn wish(rng: &mut Rng) -> Ask {
    let hold = rng.usize(0..HOLDS);
    match rng.u8(0..10) {
        0..=4 => Ask::Place(hold),
        5 | 6 => Ask::Release(hold),
        7 => Ask::Confirm(hold),
        _ => Ask::Look(hold),
    }
}

/// One round: all clients at once, each asking one thing after the other.
fn round(wires: &mut [Wire], sku: &str, rng: &mut Rng) -> Vec<Call> {
    let (now, start) = (AtomicU64::new(0), Barrier::new(wires.len()));
    let clients = (0..)
        .zip(wires.iter_mut())
        .map(|(number, wire)| (number, wire, rng.fork()));
    let client = |(number, wire, mut rng): (u32, &mut Wire, Rng)| {
        let _first = start.wait();
        let mut calls = Vec::with_capacity(ASKS);
        for turn in 0..ASKS {
            let own = format!("{sku}-{number}-{turn}");
            calls.extend(wire.call(sku, wish(&mut rng), (&now, &own)));
        }
        calls
    };
    let client = &client;
    std::thread::scope(|scope| {
        let threads = clients.map(|hand| scope.spawn(move || client(hand)));
        let threads: Vec<_> = threads.collect();
        let calls = threads.into_iter().map(|thread| thread.join());
        calls
            .flat_map(|calls| calls.expect("a client comes to its end"))
            .collect()
    })
}

/// The history with one answer that is another.
fn with_a_lie(calls: &[Call], rng: &mut Rng) -> Vec<Call> {
    let mut lied = calls.to_vec();
    let call = &mut lied[rng.usize(0..calls.len())];
    let others = call.ask.answers().iter().copied();
    let others: Vec<Answer> = others.filter(|other| *other != call.answer).collect();
    call.answer = others[rng.usize(0..others.len())];
    lied
}

/// What all rounds together came to.
#[derive(Debug, Default)]
struct Sum {
    calls: Vec<Call>,
    overlaps: usize,
    /// Histories with one answer changed, and those of them that have no order.
    lies: usize,
    seen: usize,
}

impl Sum {
    /// Holds one history against the state machine, and lies about it.
    fn judge(&mut self, calls: &[Call], units: u64, rng: &mut Rng) {
        assert!(
            checker::holds(calls, units),
            "with {units} units this has no order: {calls:#?}"
        );
        for _ in 0..LIES {
            self.lies += 1;
            self.seen += usize::from(!checker::holds(&with_a_lie(calls, rng), units));
        }
        let pairs = calls.windows(2);
        self.overlaps += pairs.filter(|pair| pair[1].began < pair[0].ended).count();
        self.calls.extend(calls);
    }

    /// How often each answer was given that these histories are to have.
    fn kinds(&self) -> [usize; 8] {
        let kinds = [
            Answer::Placed,
            Answer::SoldOut,
            Answer::NotFound,
            Answer::Is(Life::Held),
            Answer::Is(Life::Confirmed),
            Answer::Is(Life::Released),
            Answer::Ended(Life::Confirmed),
            Answer::Ended(Life::Released),
        ];
        kinds.map(|kind| self.calls.iter().filter(|call| call.answer == kind).count())
    }
}

#[test]
fn every_history_of_the_real_server_has_an_order_that_explains_it() {
    const { assert!(CLIENTS * ASKS <= MOST, "a history is small") };
    let seed = seed();
    println!("LINEAR_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let rounds = run::times(ROUNDS.0, ROUNDS.1);
    let directory = tempfile::tempdir().expect("a scratch directory");
    let server = Server::start(directory.path());
    let mut wires: Vec<Wire> = (0..CLIENTS).map(|_| server.wire()).collect();
    let mut sum = Sum::default();
    for number in 0..rounds {
        let units = UNITS[rng.usize(0..UNITS.len())];
        let sku = format!("r-{number}");
        wires[0].stock(&sku, units);
        let mut calls = round(&mut wires, &sku, &mut rng);
        calls.sort_by_key(|call| call.began);
        sum.judge(&calls, units, &mut rng);
    }
    let (kinds, all) = (sum.kinds(), sum.calls.len());
    let Sum {
        overlaps,
        lies,
        seen,
        ..
    } = sum;
    println!("{rounds} rounds, {all} calls, {overlaps} overlaps, answers {kinds:?}");
    println!("{seen} of {lies} histories with one answer changed have no order");
    let told = kinds.iter().all(|count| *count > 0);
    assert!(told, "not all was told: {kinds:?}");
    assert!(overlaps > all / 2, "{overlaps} overlaps are no contest");
    assert!(seen > lies / 4 * 3, "{seen} of {lies} lies were seen");
}
