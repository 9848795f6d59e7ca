//! Sagas over anybody's services: the doors, the turns, and random lives.
//!
//! A world beside the machine has the services: what ran there, what was undone. Answers get lost,
//! services refuse and are away, runners die between a call and its report; at the end every saga
//! is completed with every step run, or undone without a trace, or stuck where a person is needed.

use super::*;
use crate::event::Kind;
use crate::saga::State;
use crate::tests::at;
use proptest::prelude::*;
use std::collections::BTreeMap;

const C: Nature = Nature::Compensatable;
const P: Nature = Nature::Pivot;
const R: Nature = Nature::Retriable;

fn step(number: usize, nature: Nature, undoable: bool) -> Step {
    Step {
        name: StepName::new(&format!("s-{number}")).expect("an id"),
        url: format!("http://example.com/{number}"),
        undo_url: undoable.then(|| format!("http://example.com/{number}/undo")),
        nature,
        timeout: Millis(2_000),
    }
}

fn ask(steps: &[(Nature, bool)]) -> Ask {
    let steps = steps.iter().enumerate();
    Ask {
        id: SagaId::new("trip-7").expect("an id"),
        steps: steps.map(|(at, it)| step(at, it.0, it.1)).collect(),
        give_up_after: GIVE_UP_AFTER,
        bodies: None,
    }
}

fn begun(steps: &[(Nature, bool)]) -> Journey {
    start(&ask(steps), false, at(0)).expect("a fresh id")
}

fn asked(journey: &Journey) -> Asked<'_> {
    Asked {
        journey: Some(journey),
        version: 1,
        expected: None,
    }
}

/// The saga after a call's answer.
fn after(journey: &Journey, told: Told, now: LogTime) -> Journey {
    let turn = journey.turn().expect("it needs a call");
    match journey.report(Tries::default(), (turn, told), now) {
        Report::Changed(decision) => {
            let patched = decision.patch.apply(journey.clone());
            assert_eq!(
                patched.as_ref(),
                Some(&decision.journey),
                "the log folds back"
            );
            decision.journey
        }
        Report::Tried(tries) => {
            assert_eq!((tries.calls, tries.last), (1, now));
            journey.clone()
        }
        Report::Stale => panic!("the call was needed"),
    }
}

fn kind_of(journey: &Journey, told: Told) -> Option<Kind> {
    let turn = journey.turn().expect("it needs a call");
    match journey.report(Tries::default(), (turn, told), at(1)) {
        Report::Changed(decision) => Some(decision.kind),
        Report::Tried(_) | Report::Stale => None,
    }
}

#[test]
fn natures_stand_in_the_one_order_that_makes_sense() {
    for lawful in [
        &[C][..],
        &[P],
        &[R],
        &[C, C, P, R, R],
        &[C, R],
        &[P, R],
        &[C, P],
    ] {
        assert_eq!(misplaced(lawful), None, "{lawful:?}");
    }
    for (wrong, place) in [
        (&[P, P][..], 1),
        (&[P, C], 1),
        (&[R, C], 1),
        (&[R, P], 1),
        (&[C, P, R, P], 3),
        (&[C, P, C, P], 2),
    ] {
        assert_eq!(misplaced(wrong), Some(place), "{wrong:?}");
    }
}

#[test]
fn ids_of_the_engines_own_sagas_are_reserved() {
    for own in ["order:o-1", "cancel:o-1", "refund:", "order:"] {
        assert!(is_reserved(own), "{own}");
    }
    for free in ["order", "orders:1", "trip-7", "my:order:1"] {
        assert!(!is_reserved(free), "{free}");
    }
}

#[test]
fn an_id_is_taken_once() {
    let no = start(&ask(&[(C, true)]), true, at(0));
    assert_eq!(no, Err(Rejection::AlreadyExists));
    assert!(Rejection::AlreadyExists.is_final());
}

#[test]
fn words_are_refused_in_declared_order() {
    let journey = begun(&[(C, true)]);
    let nobody = Asked {
        journey: None,
        version: 0,
        expected: Some(9),
    };
    let other = Asked {
        expected: Some(9),
        ..asked(&journey)
    };
    for word in [retry, compensate] {
        assert_eq!(word(nobody, at(1)), Err(Rejection::NotFound));
        assert_eq!(word(other, at(1)), Err(Rejection::Version));
    }
    let illegal = |to| {
        Err(Rejection::IllegalTransition {
            from: State::Running,
            to,
        })
    };
    assert_eq!(retry(asked(&journey), at(1)), illegal(State::Running));
    let mut undone = compensate(asked(&journey), at(1)).expect("it runs").journey;
    undone = after(&undone, Told::Done, at(2));
    assert_eq!(undone.run.state, State::Compensated);
    let no = compensate(asked(&undone), at(3));
    let from = State::Compensated;
    let to = State::Compensating;
    assert_eq!(no, Err(Rejection::IllegalTransition { from, to }));
}

#[test]
fn three_steps_are_called_in_order_under_their_keys() {
    let mut journey = begun(&[(C, true), (P, false), (R, false)]);
    for (number, done) in ["trip-7/s-0", "trip-7/s-1", "trip-7/s-2"]
        .iter()
        .enumerate()
    {
        let turn = journey.turn().expect("a call");
        assert_eq!((usize::from(turn.step), turn.undo), (number, false));
        assert_eq!(journey.key(turn), *done);
        journey = after(&journey, Told::Done, at(1));
    }
    assert_eq!(journey.run.state, State::Completed);
    assert_eq!(journey.turn(), None);
    assert_eq!(journey.marks, [Mark::Done; 3]);
}

#[test]
fn a_refusal_undoes_what_was_done_and_not_what_was_refused() {
    let mut journey = begun(&[(C, true), (C, false), (C, true), (P, false)]);
    for _ in 0..3 {
        journey = after(&journey, Told::Done, at(1));
    }
    journey = after(&journey, Told::Refused, at(2));
    let mut keys = Vec::new();
    while let Some(turn) = journey.turn() {
        keys.push(journey.key(turn));
        journey = after(&journey, Told::Done, at(3));
    }
    assert_eq!(keys, ["trip-7/s-2/undo", "trip-7/s-0/undo"]);
    assert_eq!(journey.run.state, State::Compensated);
    let (undone, done) = (Mark::Undone, Mark::Done);
    assert_eq!(journey.marks, [undone, done, undone, Mark::Refused]);
}

#[test]
fn a_refusal_behind_an_unknown_outcome_undoes_the_step_too() {
    let journey = begun(&[(C, true), (P, false)]);
    let unknown = after(&journey, Told::Unknown, at(1));
    let refused = after(&unknown, Told::Refused, at(2));
    assert_eq!(
        refused.turn(),
        Some(Turn {
            step: 0,
            undo: true
        })
    );
    let refused_at_once = after(&journey, Told::Refused, at(2));
    assert_eq!(refused_at_once.run.state, State::Compensated);
}

#[test]
fn what_is_not_known_in_its_time_is_given_up() {
    let first = begun(&[(C, true), (P, true), (R, true)]);
    let late = first.limit();
    assert_eq!(late, at(0).plus(GIVE_UP_AFTER));
    for told in [Told::Unknown, Told::NotSent] {
        let early = after(&first, told, at(0).plus(Millis(GIVE_UP_AFTER.0 - 1)));
        assert_eq!(early.run.state, State::Running, "{told:?}");
        assert_eq!(early.limit(), late, "its time counts from the intent");
        let over = after(&early, told, late);
        // It may have run: it is undone itself.
        assert_eq!(
            over.turn(),
            Some(Turn {
                step: 0,
                undo: true
            })
        );
        let stuck = after(&over, told, late.plus(PATIENCE));
        assert_eq!((stuck.run.state, stuck.run.back), (State::Stuck, true));
    }
    let pivot = after(&first, Told::Done, at(1));
    assert_eq!(pivot.limit(), at(1).plus(PATIENCE));
    let stuck = after(&pivot, Told::Unknown, pivot.limit());
    assert_eq!((stuck.run.state, stuck.run.back), (State::Stuck, false));
    assert!(stuck.is_flagged());
}

#[test]
fn a_refused_undoing_is_stuck_and_goes_on_only_backward() {
    let journey = begun(&[(C, true), (P, false)]);
    let journey = after(&after(&journey, Told::Done, at(1)), Told::Refused, at(2));
    let stuck = after(&journey, Told::Refused, at(3));
    assert_eq!((stuck.run.state, stuck.run.back), (State::Stuck, true));
    assert_eq!(stuck.marks[0], Mark::Done, "it is not undone");
    assert!(compensate(asked(&stuck), at(4)).is_err());
    let again = retry(asked(&stuck), at(4)).expect("it is stuck").journey;
    assert_eq!(
        again.turn(),
        Some(Turn {
            step: 0,
            undo: true
        })
    );
    let end = after(&again, Told::Done, at(5));
    assert_eq!(end.run.state, State::Compensated);
}

#[test]
fn a_person_may_turn_a_saga_until_the_pivot_may_run() {
    let goes = |journey: &Journey| compensate(asked(journey), at(9)).is_ok();
    let first = begun(&[(C, true), (P, false), (R, true)]);
    let turned = compensate(asked(&first), at(9)).expect("before the pivot");
    assert_eq!(
        turned.journey.marks[0],
        Mark::Unknown,
        "a call may be under way"
    );
    assert_eq!(
        turned.journey.turn(),
        Some(Turn {
            step: 0,
            undo: true
        })
    );
    let pivot = after(&first, Told::Done, at(1));
    assert!(!goes(&pivot), "the pivot may run at this moment");
    let behind = after(&pivot, Told::Done, at(2));
    assert!(!goes(&behind));
    let stuck = after(&behind, Told::Refused, at(3));
    assert_eq!(stuck.run.state, State::Stuck);
    assert!(!goes(&stuck));
    let undoable = begun(&[(P, true), (R, false)]);
    assert!(goes(&undoable), "a pivot that can be undone");
    assert!(
        !goes(&after(&undoable, Told::Done, at(1))),
        "and was passed"
    );
    let without = begun(&[(C, true), (R, true)]);
    let stuck = after(&after(&without, Told::Done, at(1)), Told::Refused, at(2));
    let turned = compensate(asked(&stuck), at(3)).expect("there is no pivot");
    let turn = Turn {
        step: 0,
        undo: true,
    };
    assert_eq!(
        turned.journey.turn(),
        Some(turn),
        "what was refused is not undone"
    );
    let again = retry(asked(&stuck), at(3)).expect("it is stuck").journey;
    let turned = compensate(asked(&again), at(4)).expect("there is no pivot");
    let turn = Turn {
        step: 1,
        undo: true,
    };
    assert_eq!(turned.journey.turn(), Some(turn), "it was asked since");
}

#[test]
fn a_report_about_another_call_changes_nothing() {
    let journey = begun(&[(C, true), (C, true)]);
    let second = after(&journey, Told::Done, at(1));
    let old = Turn {
        step: 0,
        undo: false,
    };
    let told = (old, Told::Refused);
    assert_eq!(second.report(Tries::default(), told, at(2)), Report::Stale);
    let turned = compensate(asked(&second), at(2)).expect("it runs").journey;
    let forward = Turn {
        step: 1,
        undo: false,
    };
    let told = (forward, Told::Done);
    assert_eq!(turned.report(Tries::default(), told, at(3)), Report::Stale);
}

#[test]
fn each_outcome_has_its_event() {
    let running = begun(&[(C, true), (C, true)]);
    let running = after(&running, Told::Done, at(1));
    let back = after(&running, Told::Refused, at(1));
    for (journey, told, kind) in [
        (&running, Told::Done, Kind::StepDone),
        (&running, Told::Unknown, Kind::StepUnknown),
        (&running, Told::Refused, Kind::StepRefused),
        (&back, Told::Done, Kind::StepUndone),
        (&back, Told::Unknown, Kind::StepUnknown),
        (&back, Told::Refused, Kind::StepRefused),
    ] {
        assert_eq!(kind_of(journey, told), Some(kind), "{told:?}");
    }
    assert_eq!(kind_of(&running, Told::NotSent), None);
}

#[test]
fn retries_wait_for_their_drawn_time_and_never_beyond_the_limit() {
    let journey = begun(&[(C, true)]);
    let tries = |calls, last| Tries {
        calls,
        last,
        ..Tries::default()
    };
    let due = |tries, random| journey.due(tries, random).expect("it runs").at;
    assert_eq!(due(Tries::default(), 7), at(0));
    assert_eq!(due(tries(1, at(0)), u64::MAX), at(0).plus(Millis(200)));
    assert_eq!(due(tries(1, at(0)), 0), at(0));
    let limit = journey.limit();
    let close = at(0).plus(Millis(GIVE_UP_AFTER.0 - 1));
    assert_eq!(due(tries(9, close), u64::MAX), limit);
}

/// What the services of a random life know.
#[derive(Debug, Default, Clone)]
struct Services {
    /// How often a step ran in effect.
    ran: BTreeMap<u8, u32>,
    undone: Vec<u8>,
}

impl Services {
    /// A call arrives: it has its effect once, and none behind its undoing.
    fn arrive(&mut self, turn: Turn) {
        let undone = self.undone.contains(&turn.step);
        if turn.undo && !undone {
            self.undone.push(turn.step);
        } else if !turn.undo && !undone {
            self.ran.entry(turn.step).or_insert(1);
        }
    }
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Done,
    AnswerLost,
    NeverArrives,
    Refused,
    NotSent,
    /// It is done, and the runner dies before it is reported.
    RunnerDies,
}

fn fates() -> impl Strategy<Value = Vec<(Fate, u32)>> {
    let fate = prop_oneof![
        6 => Just(Fate::Done),
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::NeverArrives),
        1 => Just(Fate::Refused),
        1 => Just(Fate::NotSent),
        2 => Just(Fate::RunnerDies),
    ];
    let waits = prop_oneof![4 => 0_u32..3, 1 => 30_000_u32..200_000];
    proptest::collection::vec((fate, waits), 0..60)
}

fn plans() -> impl Strategy<Value = Vec<(Nature, bool)>> {
    let first = proptest::collection::vec(any::<bool>().prop_map(|it| (C, it)), 0..4);
    let pivot = proptest::option::of(Just((P, false)));
    let last = proptest::collection::vec(any::<bool>().prop_map(|it| (R, it)), 0..3);
    let all = (first, pivot, last).prop_map(|(mut steps, pivot, last)| {
        steps.extend(pivot);
        steps.extend(last);
        steps
    });
    all.prop_filter("a saga has a step", |steps| !steps.is_empty())
}

/// Runs one life: the fates that were drawn, and then everything succeeds.
fn live(plan: &[(Nature, bool)], fates: Vec<(Fate, u32)>) -> (Journey, Services) {
    let mut journey = begun(plan);
    let (mut services, mut now, mut went_back) = (Services::default(), at(0), false);
    let mut fates = fates.into_iter();
    let mut refused = std::collections::BTreeSet::new();
    while let Some(turn) = journey.turn() {
        let (fate, wait) = fates.next().unwrap_or((Fate::Done, 0));
        now = now.plus(Millis(u64::from(wait) + 1));
        assert!(turn.undo || !went_back, "forward never after backward");
        went_back |= turn.undo;
        if turn.undo {
            let mark = journey.mark(turn.step);
            assert!(
                mark.may_have_run(),
                "only what may have run is undone: {mark:?}"
            );
        }
        let ran = services.ran.contains_key(&turn.step);
        let told = match fate {
            // A service keeps to what it said under a key, and refuses none that it did.
            Fate::Refused if turn.undo || !ran => {
                refused.insert((turn.step, turn.undo));
                Some(Told::Refused)
            }
            _ if refused.contains(&(turn.step, turn.undo)) => Some(Told::Refused),
            Fate::Refused | Fate::Done => {
                services.arrive(turn);
                Some(Told::Done)
            }
            Fate::AnswerLost => {
                services.arrive(turn);
                Some(Told::Unknown)
            }
            Fate::NeverArrives => Some(Told::Unknown),
            Fate::NotSent => Some(Told::NotSent),
            Fate::RunnerDies => {
                services.arrive(turn);
                None
            }
        };
        if let Some(told) = told {
            journey = after(&journey, told, now);
        }
    }
    (journey, services)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_life_ends_whole_or_undone_or_with_a_person(plan in plans(), fates in fates()) {
        let (journey, services) = live(&plan, fates);
        let undone = &services.undone;
        prop_assert!(undone.is_sorted_by(|one, next| one > next), "in reverse order");
        match journey.run.state {
            State::Completed => {
                prop_assert_eq!(services.ran.len(), plan.len());
                prop_assert!(undone.is_empty());
                prop_assert!(journey.marks.iter().all(|mark| *mark == Mark::Done));
            }
            State::Compensated => {
                for step in services.ran.keys() {
                    let undoable = plan[usize::from(*step)].1;
                    prop_assert_eq!(undone.contains(step), undoable, "step {}", step);
                    prop_assert!(plan[usize::from(*step)].0 != P, "the pivot did not run");
                }
            }
            State::Stuck => prop_assert!(journey.is_flagged()),
            State::Running | State::Compensating => prop_assert!(false, "it has not ended"),
        }
    }
}
