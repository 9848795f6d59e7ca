//! Random histories of receive, adjust, place, pull, confirm, release, extend and expire, driven by
//! the rules alone: whatever was accepted keeps I1 to I4, balances are the fold of the moves, and a
//! partial confirm accounts for every unit. The ledger looks after each step.

use ledger::{Ledger, Outcome, Step};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;

mod auditor;
mod ledger;

/// Lines of a request: few units of few places, so that they meet.
fn lines() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop::collection::vec((0..4_usize, 1..4_u64), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let hold = 0..32_usize;
    let place = 0..4_usize;
    prop_oneof![
        2 => (0..20_u8).prop_map(Step::Wait),
        2 => (place.clone(), 1..8_u64).prop_map(|(place, n)| Step::Receive(place, n)),
        1 => (place.clone(), 1..3_u64).prop_map(|(place, n)| Step::Find(place, n)),
        1 => (place, 1..4_u64).prop_map(|(place, n)| Step::WriteOff(place, n)),
        5 => (hold.clone(), lines(), 1..40_u64)
            .prop_map(|(id, lines, ttl)| Step::Place(id, lines, ttl)),
        1 => hold.clone().prop_map(Step::Confirm),
        2 => (hold.clone(), lines()).prop_map(|(hold, lines)| Step::ConfirmPart(hold, lines)),
        1 => hold.clone().prop_map(Step::Release),
        1 => (hold.clone(), 1..90_u64).prop_map(|(hold, ttl)| Step::Extend(hold, ttl)),
        2 => hold.prop_map(Step::Expire),
    ]
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120)
}

fn live(history: &[Step]) -> Vec<Outcome> {
    let mut ledger = Ledger::new();
    let outcomes = history.iter().map(|step| ledger.take(step)).collect();
    ledger.finish();
    outcomes
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_accepted_history_keeps_the_invariants_of_stock_and_holds(history in histories()) {
        live(&history);
    }

    #[test]
    fn the_same_history_has_the_same_outcomes(history in histories()) {
        prop_assert_eq!(live(&history), live(&history));
    }
}

/// Histories that never reach a transition would prove nothing about it.
#[test]
fn the_histories_reach_every_transition_and_every_refusal() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut reached = BTreeSet::new();
    for _ in 0..600 {
        let history = histories().new_tree(&mut runner).expect("a history");
        reached.extend(live(&history.current()));
    }
    let done = [
        "change",
        "place",
        "place with pull",
        "confirm",
        "confirm part",
        "release",
        "extend",
        "expire",
    ];
    for name in done {
        assert!(reached.contains(&Outcome::Done(name)), "{name}");
    }
    let ended = [
        "hold.confirmed",
        "hold.released",
        "hold.expired",
        "not_found",
    ];
    let refused = [
        ("change", &["stock.insufficient"][..]),
        (
            "place",
            &["already_exists", "limit_exceeded", "stock.sold_out"],
        ),
        (
            "confirm",
            &["unchanged", "hold.released", "hold.expired", "not_found"],
        ),
        ("confirm part", &ended),
        ("confirm part", &["unchanged", "more_than_held"]),
        (
            "release",
            &["unchanged", "hold.confirmed", "hold.expired", "not_found"],
        ),
        ("extend", &ended),
        ("expire", &ended),
        ("expire", &["not_due"]),
    ];
    for (name, codes) in refused {
        for code in codes {
            let outcome = Outcome::Refused(name, (*code).to_owned());
            assert!(reached.contains(&outcome), "{outcome:?}");
        }
    }
}
