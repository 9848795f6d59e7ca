//! Batches of seeds: green, complete, the same again, and without the faults that are not allowed.

use evenkeel_sim::{
    BatchOptions, BatchReport, FaultKind, FaultSet, Options, Progress, run_batch, run_seed,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds that the command line's batches do not run.
const FIRST: u64 = 50_000;

fn batch(seeds: u64, faults: FaultSet) -> BatchReport {
    let options = BatchOptions {
        first_seed: FIRST,
        seeds,
        faults,
        planted: None,
        threads: 2,
    };
    run_batch(&options, &|_| {})
}

#[test]
fn two_hundred_seeds_are_green_and_reach_everything() {
    let done = AtomicU64::new(0);
    let options = BatchOptions {
        first_seed: FIRST,
        seeds: 200,
        faults: FaultSet::all(),
        planted: None,
        threads: 2,
    };
    let report = run_batch(&options, &|progress: Progress| {
        done.fetch_max(progress.done, Ordering::Relaxed);
    });
    assert_eq!(report.failures, []);
    assert_eq!(report.missing, Vec::<String>::new());
    assert!(report.ok);
    assert_eq!(report.transitions.reached, report.transitions.legal);
    assert_eq!(report.transitions.legal, 88);
    assert_eq!(report.faults.len(), FaultKind::ALL.len());
    assert!(report.faults.values().all(|count| *count > 0));
    assert_eq!((report.seeds, done.into_inner()), (200, 200));
}

#[test]
fn a_seed_does_the_same_again_and_another_seed_does_not() {
    let run = |seed| run_seed(seed, &Options::default());
    for seed in FIRST..FIRST + 5 {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(FIRST).trace_hash, run(FIRST + 1).trace_hash);
}

#[test]
fn a_batch_is_the_same_on_one_thread_as_on_many() {
    let run = |threads| {
        let options = BatchOptions {
            first_seed: FIRST,
            seeds: 12,
            faults: FaultSet::all(),
            planted: None,
            threads,
        };
        run_batch(&options, &|_| {})
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_fault_that_is_off_never_fires() {
    let some = [FaultKind::StoreCrash, FaultKind::ReplyLost];
    let names = some.map(FaultKind::name).join(",");
    let report = batch(20, FaultSet::parse(&names).expect("both are known"));
    assert!(report.ok, "{:?}", report.failures);
    let fired: Vec<&str> = report.faults.keys().copied().collect();
    assert_eq!(fired, ["reply_lost", "store_crash"]);
    assert!(report.faults.values().all(|count| *count > 0));
}

#[test]
fn each_fault_fires_alone_and_leaves_every_invariant_held() {
    for kind in FaultKind::ALL {
        let name = kind.name();
        // Looking up an unknown outcome can only fail where an outcome is unknown.
        let with = match kind {
            FaultKind::ResolveUnavailable => "commit_unknown,resolve_unavailable",
            // Almost nothing is undone unless something was refused.
            FaultKind::UndoRefused => "step_refused,undo_refused",
            // Only a charge that has failed can be paid after all.
            FaultKind::ChargeRevives => "charge_fails,charge_revives",
            _ => name,
        };
        // A jump stops a node for ten seconds at least, so that few are thrown; not every seed
        // calls parcels off, few are given up, and subscribers live in one seed of four.
        let seeds = match kind {
            FaultKind::ClockJump => 60,
            FaultKind::UndoRefused => 100,
            FaultKind::ChargeRefused
            | FaultKind::ChargeRevives
            | FaultKind::RecallRefused
            | FaultKind::CallbackStray
            | FaultKind::CallbackUnnamed
            | FaultKind::DeliveryFails
            | FaultKind::ChargedBack
            | FaultKind::SubscriberDown
            | FaultKind::SubscriberGone
            | FaultKind::PostRefused
            | FaultKind::PausedBeforePost
            | FaultKind::PausedAfterPost
            | FaultKind::KillBeforePost
            | FaultKind::KillAfterPost => 40,
            _ => 15,
        };
        let report = batch(seeds, FaultSet::parse(with).expect("its own name is known"));
        assert_eq!(report.failures, [], "{name}");
        assert!(report.faults[name] > 0, "{name} never fired");
    }
}

#[test]
fn a_quiet_world_is_green_and_nothing_fires() {
    let report = batch(20, FaultSet::none());
    assert!(report.ok, "{:?}", report.failures);
    assert!(report.faults.is_empty());
}

#[test]
fn a_batch_that_counts_fails_for_what_it_did_not_reach() {
    let unknown = FaultSet::parse("resolve_unavailable").expect("it is known");
    let report = batch(100, unknown);
    assert_eq!(report.failures, []);
    assert_eq!(
        report.missing.first().map(String::as_str),
        Some("resolve_unavailable")
    );
    assert!(!report.ok);
}
