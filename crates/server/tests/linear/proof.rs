//! That the checker can see: histories that are wrong, each beside one that is right, and the naive
//! way of deciding the same.

use crate::checker::{Call, holds};
use crate::model::Answer::{Ended, Is, NotFound, Placed, SoldOut, Unknown};
use crate::model::Ask::{Confirm, Look, Place, Release};
use crate::model::Life::{Confirmed, Held, Released};
use crate::model::{Answer, Ask, State};
use fastrand::Rng;

/// A call that began and ended at these moments.
fn call(began: u64, ended: u64, ask: Ask, answer: Answer) -> Call {
    Call {
        began,
        ended,
        ask,
        answer,
    }
}

/// Calls one after the other.
fn in_turn(calls: &[(Ask, Answer)]) -> Vec<Call> {
    let moments = (0..).step_by(2);
    let pairs = moments.zip(calls);
    pairs
        .map(|(at, (ask, answer))| call(at, at + 1, *ask, *answer))
        .collect()
}

/// The same calls all at once.
fn at_once(calls: &[(Ask, Answer)]) -> Vec<Call> {
    let mut all = in_turn(calls);
    for call in &mut all {
        call.ended = 1_000;
    }
    for (at, call) in (0..).zip(&mut all) {
        call.began = at;
    }
    all
}

#[test]
fn wrong_histories_are_seen() {
    // What is wrong, the calls in turn, and the units there are. Hold 0 is of one unit.
    let table: [(&str, &[(Ask, Answer)], u64); 10] = [
        ("an oversell", &[(Place(0), Placed), (Place(2), Placed)], 1),
        ("a false sold-out", &[(Place(0), SoldOut)], 1),
        (
            "a sold-out after a release",
            &[
                (Place(0), Placed),
                (Release(0), Is(Released)),
                (Place(2), SoldOut),
            ],
            1,
        ),
        (
            "a place on units that were sold",
            &[
                (Place(0), Placed),
                (Confirm(0), Is(Confirmed)),
                (Place(2), Placed),
            ],
            1,
        ),
        (
            "two endings",
            &[
                (Place(0), Placed),
                (Confirm(0), Is(Confirmed)),
                (Release(0), Is(Released)),
            ],
            1,
        ),
        (
            "the wrong winner",
            &[
                (Place(0), Placed),
                (Confirm(0), Is(Confirmed)),
                (Release(0), Ended(Released)),
            ],
            1,
        ),
        ("a lost hold", &[(Place(0), Placed), (Look(0), NotFound)], 1),
        (
            "a stale read",
            &[
                (Place(0), Placed),
                (Confirm(0), Is(Confirmed)),
                (Look(0), Is(Held)),
            ],
            1,
        ),
        (
            "a winner who asks again and is told sold out",
            &[(Place(0), Placed), (Place(0), SoldOut)],
            1,
        ),
        ("a hold of nobody", &[(Look(0), Is(Held))], 1),
    ];
    for (what, calls, units) in table {
        assert!(!holds(&in_turn(calls), units), "{what}");
    }
}

#[test]
fn what_is_wrong_in_turn_may_be_right_at_once() {
    let table: [&[(Ask, Answer)]; 4] = [
        &[
            (Place(0), Placed),
            (Confirm(0), Is(Confirmed)),
            (Look(0), Is(Held)),
        ],
        &[(Place(0), Placed), (Look(0), NotFound)],
        &[
            (Place(0), Placed),
            (Release(0), Is(Released)),
            (Place(2), SoldOut),
        ],
        &[
            (Place(0), Placed),
            (Place(0), SoldOut),
            (Place(2), Placed),
            (Release(2), Is(Released)),
        ],
    ];
    for calls in table {
        assert!(!holds(&in_turn(calls), 1), "in turn: {calls:?}");
        assert!(holds(&at_once(calls), 1), "at once: {calls:?}");
    }
    let oversold = [(Place(0), Placed), (Place(2), Placed), (Place(4), SoldOut)];
    assert!(
        !holds(&at_once(&oversold), 1),
        "no order sells one unit twice"
    );
}

#[test]
fn an_unknown_answer_may_be_an_effect_at_any_time_or_never() {
    let lost = call(0, 1, Place(0), Unknown);
    let later = call(4, 5, Place(2), SoldOut);
    assert!(
        holds(&[lost, call(2, 3, Place(2), SoldOut)], 1),
        "it was done"
    );
    assert!(
        holds(&[lost, call(2, 3, Place(2), Placed)], 1),
        "it was not"
    );
    assert!(
        holds(&[lost, call(2, 3, Look(0), NotFound), later], 1),
        "it was done late"
    );
    let back = call(6, 7, Look(0), NotFound);
    assert!(!holds(&[lost, later, back], 1), "what was done stays");
    assert!(!holds(
        &[call(2, 3, Place(0), Unknown), call(0, 1, Place(2), SoldOut)],
        1
    ));
}

#[test]
fn a_sold_out_may_be_older_than_a_look_and_not_than_an_answer_to_a_write() {
    // The unit is back in the store, and a look saw it, while the gate has not heard of it.
    let history = |release_ended: u64| {
        [
            call(0, 1, Place(0), Placed),
            call(2, release_ended, Release(0), Is(Released)),
            call(3, 4, Look(0), Is(Released)),
            call(6, 7, Place(2), SoldOut),
        ]
    };
    assert!(holds(&history(9), 1), "nobody was told of the release");
    assert!(!holds(&history(5), 1), "whoever gave it back was told so");
    let mut looked_late = history(9);
    looked_late[2] = call(3, 4, Look(0), NotFound);
    assert!(!holds(&looked_late, 1), "a look is never old");
}

/// Every order that respects time, tried out: slow, and plainly right.
fn naive(left: &[Call], state: State) -> bool {
    if left.is_empty() {
        return true;
    }
    (0..left.len()).any(|at| {
        let next = left[at];
        let in_time = !left.iter().any(|other| next.follows(other));
        let (said, after) = state.take(next.ask);
        let mut rest = left.to_vec();
        rest.remove(at);
        in_time && said == next.answer && naive(&rest, after)
    })
}

/// A few calls whose answers are what chance says.
fn guesses(rng: &mut Rng) -> Vec<Call> {
    let mut moments: Vec<u64> = (0..12).collect();
    rng.shuffle(&mut moments);
    let calls = rng.usize(1..=6);
    let call = |at: usize, rng: &mut Rng| {
        let (one, other) = (moments[2 * at], moments[2 * at + 1]);
        let hold = 2 * rng.usize(0..2);
        let answers = match rng.u8(0..4) {
            0 => (Place(hold), [Placed, SoldOut]),
            1 => (Confirm(hold), [Is(Confirmed), Ended(Released)]),
            2 => (Release(hold), [Is(Released), NotFound]),
            _ => (Look(hold), [Is(Held), NotFound]),
        };
        let answer = answers.1[rng.usize(0..2)];
        call(one.min(other), one.max(other), answers.0, answer)
    };
    (0..calls).map(|at| call(at, rng)).collect()
}

#[test]
fn the_search_decides_as_trying_every_order_does() {
    let mut rng = Rng::with_seed(20);
    let mut right = 0;
    const HISTORIES: u32 = 20_000;
    for _ in 0..HISTORIES {
        let calls = guesses(&mut rng);
        let expected = naive(&calls, State::with(1));
        assert_eq!(holds(&calls, 1), expected, "{calls:?}");
        right += u32::from(expected);
    }
    assert!(
        (1_000..HISTORIES - 1_000).contains(&right),
        "{right} are right"
    );
}

/// What the state machine itself would say, one request after the other.
fn honest(units: u64, rng: &mut Rng) -> Vec<(Ask, Answer)> {
    let mut state = State::with(units);
    let mut told = Vec::new();
    for _ in 0..24 {
        let ask = crate::wish(rng);
        let (said, after) = state.take(ask);
        told.push((ask, said));
        state = after;
    }
    told
}

#[test]
fn one_answer_that_is_another_is_seen_wherever_it_stands() {
    let mut rng = Rng::with_seed(21);
    let mut lies = 0;
    for _ in 0..200 {
        let units = rng.u64(1..=4);
        let told = honest(units, &mut rng);
        assert!(holds(&in_turn(&told), units), "{told:?}");
        for at in 0..told.len() {
            let (ask, said) = told[at];
            for other in ask.answers().iter().filter(|other| **other != said) {
                let mut lied = told.clone();
                lied[at].1 = *other;
                assert!(!holds(&in_turn(&lied), units), "{at} of {lied:?}");
                lies += 1;
            }
        }
    }
    assert!(lies > 5_000, "{lies} lies prove little");
}
