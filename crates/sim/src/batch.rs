//! Many seeds: shared out over threads, and added up in the order of the seeds.
//!
//! Each seed runs on one thread from beginning to end; how many threads there are changes nothing
//! but the time that a batch takes. One seed in a hundred runs twice and must leave one trace. A
//! batch of at least a hundred seeds counts only if every fault that was allowed fired and
//! every legal transition was reached; what was not is in `missing`, for smaller batches too, but
//! there it does not fail them. With a planted bug the batch ends at the first seed that catches
//! it.

use crate::auditor::{PAIRS, demands};
use crate::faults::{FaultKind, FaultSet};
use crate::planted::Planted;
use crate::run::{Options, SeedReport, run_seed};
use evenkeel_rules::event::{Aggregate, Kind};
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Seeds from which on a batch fails for what it did not reach.
const COUNTS_FROM: u64 = 100;
/// One seed in so many runs twice.
const TWICE_EVERY: u64 = 100;

/// Which seeds to run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOptions {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Which faults may fire.
    pub faults: FaultSet,
    /// The bug that is planted, if any.
    pub planted: Option<Planted>,
    /// How many threads; at least one runs.
    pub threads: usize,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Seeds that were run.
    pub done: u64,
    /// Seeds that failed.
    pub failed: u64,
}

/// A seed that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The invariant that did not hold first.
    pub invariant: String,
    /// How many log rows, answers and faults had been seen.
    pub step: u64,
    /// The command that shows it again.
    pub replay: String,
    /// What the invariant demands.
    pub expected: &'static str,
    /// What was found instead.
    pub found: String,
    /// The last log rows, answers and faults before it.
    pub before: Vec<String>,
}

/// Transitions between event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Transitions {
    /// How many legal ones were reached.
    pub reached: usize,
    /// How many legal ones there are.
    pub legal: usize,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// Whether every seed was green and the batch counts.
    pub ok: bool,
    /// Seeds that were run.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// Log rows, answers and faults.
    pub events: u64,
    /// A hash over all of them, in hexadecimal.
    pub trace_hash: String,
    /// Seeds that failed, in ascending order.
    pub failures: Vec<Failure>,
    /// How often each fault fired.
    pub faults: BTreeMap<&'static str, u64>,
    /// Transitions that were reached.
    pub transitions: Transitions,
    /// Faults that never fired and transitions that were never reached.
    pub missing: Vec<String>,
}

/// What came of one seed of a batch.
enum Ran {
    Well(Box<SeedReport>),
    Panicked(u64, String),
    /// Run twice, it left two traces.
    Differs(Box<SeedReport>),
}

impl Ran {
    fn is_red(&self) -> bool {
        match self {
            Self::Well(report) => !report.violations.is_empty(),
            Self::Panicked(..) | Self::Differs(_) => true,
        }
    }

    const fn seed(&self) -> u64 {
        match self {
            Self::Well(report) | Self::Differs(report) => report.seed,
            Self::Panicked(seed, _) => *seed,
        }
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

fn run_one(seed: u64, options: &Options) -> Ran {
    let run = || catch_unwind(AssertUnwindSafe(|| run_seed(seed, options)));
    let first = match run() {
        Ok(report) => Box::new(report),
        Err(panic) => return Ran::Panicked(seed, said(&*panic)),
    };
    if seed.is_multiple_of(TWICE_EVERY) && run().ok().as_ref() != Some(&*first) {
        return Ran::Differs(first);
    }
    Ran::Well(first)
}

/// Runs a batch of seeds; `progress` is told after each.
#[must_use]
pub fn run_batch(options: &BatchOptions, progress: &(dyn Fn(Progress) + Sync)) -> BatchReport {
    let next = AtomicU64::new(0);
    let caught = AtomicBool::new(false);
    let ran: Mutex<(BTreeMap<u64, Ran>, u64)> = Mutex::default();
    let each = Options {
        faults: options.faults.clone(),
        planted: options.planted,
    };
    let work = || {
        while !caught.load(Ordering::Acquire) {
            let number = next.fetch_add(1, Ordering::AcqRel);
            if number >= options.seeds {
                break;
            }
            let result = run_one(options.first_seed + number, &each);
            let red = result.is_red();
            if red && options.planted.is_some() {
                caught.store(true, Ordering::Release);
            }
            let mut ran = ran.lock();
            ran.0.insert(number, result);
            ran.1 += u64::from(red);
            let (done, failed) = (ran.0.len() as u64, ran.1);
            progress(Progress { done, failed });
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    add_up(options, ran.into_inner().0)
}

/// The command line that runs a seed again.
fn replay(seed: u64, options: &BatchOptions) -> String {
    let mut line = format!("evenkeel simulate --seed {seed}");
    if options.faults != FaultSet::all() {
        let names: Vec<&str> = options.faults.iter().map(FaultKind::name).collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(",")
        };
        line.push_str(&format!(" --faults {names}"));
    }
    if let Some(bug) = options.planted {
        line.push_str(&format!(" --planted {}", bug.name()));
    }
    line
}

fn failure(options: &BatchOptions, ran: &Ran) -> Option<Failure> {
    let seed = ran.seed();
    let (invariant, step, found) = match ran {
        Ran::Well(report) => {
            let first = report.violations.first()?;
            (first.invariant.to_owned(), first.step, first.what.clone())
        }
        Ran::Panicked(_, what) => ("panic".to_owned(), 0, what.clone()),
        Ran::Differs(report) => {
            let what = "run twice, it left two traces".to_owned();
            ("determinism".to_owned(), report.events, what)
        }
    };
    let before = match ran {
        Ran::Well(report) => report.before.clone(),
        Ran::Panicked(..) | Ran::Differs(_) => Vec::new(),
    };
    Some(Failure {
        seed,
        expected: demands(&invariant),
        invariant,
        step,
        replay: replay(seed, options),
        found,
        before,
    })
}

/// Every legal pair: of event types, and for orders of states.
fn legal() -> Vec<(Option<String>, String)> {
    let name = |kind: Kind| kind.name().to_owned();
    // The engine leaves what was set aside to people: nothing takes it in again yet.
    let left = (Some(Kind::CallbackSetAside), Kind::CallbackApplied);
    // People may decide anything about a subscription at any time: each event alone counts.
    let subscribed = Kind::ALL.iter().copied();
    let subscribed = subscribed.filter(|kind| kind.aggregate() == Aggregate::Subscription);
    let subscribed = subscribed.map(|kind| {
        let before = (!kind.begins()).then(|| "subscription".to_owned());
        (before, name(kind))
    });
    let kinds = Kind::legal_pairs().into_iter().filter(|pair| *pair != left);
    let kinds = kinds.map(|(before, next)| (before.map(name), name(next)));
    let kinds = kinds.chain(subscribed);
    let states = PAIRS.iter().map(|(machine, from, to)| {
        let before = Some(format!("{machine} {from}"));
        (before, format!("{machine} {to}"))
    });
    kinds.chain(states).collect()
}

fn add_up(options: &BatchOptions, ran: BTreeMap<u64, Ran>) -> BatchReport {
    let mut trace = Sha256::new();
    let mut report = BatchReport {
        ok: false,
        seeds: 0,
        first_seed: options.first_seed,
        events: 0,
        trace_hash: String::new(),
        failures: Vec::new(),
        faults: options.faults.iter().map(|kind| (kind.name(), 0)).collect(),
        transitions: Transitions {
            reached: 0,
            legal: 0,
        },
        missing: Vec::new(),
    };
    let mut reached: BTreeSet<(Option<String>, String)> = BTreeSet::new();
    for one in ran.values() {
        report.seeds += 1;
        report.failures.extend(failure(options, one));
        if let Ran::Well(seed) | Ran::Differs(seed) = one {
            report.events += seed.events;
            trace.update(seed.trace_hash);
            for (kind, count) in &seed.faults {
                *report.faults.entry(FaultKind::name(*kind)).or_default() += count;
            }
            reached.extend(seed.transitions.iter().cloned());
        }
        if !report.failures.is_empty() && options.planted.is_some() {
            break;
        }
    }
    report.trace_hash = evenkeel_engine::chain::hex(&trace.finalize());
    let never = report.faults.iter().filter(|(_, count)| **count == 0);
    report.missing = never.map(|(name, _)| (*name).to_owned()).collect();
    let legal = legal();
    report.transitions.legal = legal.len();
    for pair in legal {
        if reached.contains(&pair) {
            report.transitions.reached += 1;
        } else {
            let before = pair.0.as_deref().unwrap_or("nothing");
            report.missing.push(format!("{before} -> {}", pair.1));
        }
    }
    let counts = options.seeds < COUNTS_FROM || report.missing.is_empty();
    report.ok = report.failures.is_empty() && counts;
    report
}
