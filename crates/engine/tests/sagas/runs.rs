//! Which runs there are: every saga, every mood, every place to die, and a runner that wakes late.

use crate::bank::{Effect, MOODS, Mood};
use crate::conformance::world::until;
use crate::play::{End, Play, Point, Saga};
use evenkeel_engine::OrderMode;
use evenkeel_rules::order::{Status, Units};
use evenkeel_rules::saga::{Nature, REGISTRY, Step};

/// Every registered saga in every mode, with its steps and a name for the two.
fn sagas() -> impl Iterator<Item = (OrderMode, Saga, &'static [Step], String)> {
    let all = |mode: OrderMode| {
        REGISTRY
            .iter()
            .map(move |(name, steps)| (mode, *name, *steps))
    };
    let all = OrderMode::ALL.into_iter().flat_map(all);
    all.map(|(mode, name, steps)| {
        let shown = format!("{name}, {}", mode.name());
        (mode, Saga::named(name), steps, shown)
    })
}

/// The steps of a saga that happen outside, each effect once.
fn effects(steps: &[Step]) -> Vec<(Effect, Nature)> {
    let outside = |step: &Step| Effect::of(step.action).map(|effect| (effect, step.nature));
    steps.iter().filter_map(outside).collect()
}

/// How a saga has to end if one of its steps is taken like this and all else goes well.
fn expected((saga, effect, nature): (Saga, Effect, Nature), mood: Mood) -> End {
    let no = match nature {
        Nature::Compensatable | Nature::Pivot => End::Compensated,
        // What the shop gives back of its own will is simply not given.
        Nature::Retriable if saga == Saga::Refund => End::Compensated,
        Nature::Retriable => End::Flagged,
    };
    match mood {
        Mood::Done | Mood::Pending | Mood::NotSent | Mood::Lost | Mood::TimedOut => End::Completed,
        // A parcel that the provider gave up needs no calling off; and that it was called off
        // shows when it is asked where it is.
        Mood::Failed | Mood::DoneInSilence if effect == Effect::Recall => End::Completed,
        Mood::Refused | Mood::Failed => no,
        // It did not arrive three times: it is watched for a day, and then it is not done.
        Mood::NeverSeen if effect == Effect::Charge => End::Compensated,
        Mood::NeverSeen | Mood::Silent | Mood::DoneInSilence => End::Flagged,
    }
}

/// Every place at which a run in this mood can stop: before and after each write and each call.
async fn points((mode, saga): (OrderMode, Saga), mood: Option<(Effect, Mood)>) -> Vec<Point> {
    let mut play = Play::begin(mode, saga).await;
    if let Some((effect, mood)) = mood {
        play.bank.set_mood(effect, mood);
    }
    let (writes, calls) = (play.writes(), play.bank.calls());
    play.until(None).await;
    let writes = writes..play.writes();
    let calls = calls..play.bank.calls();
    // Who is silent for a day is asked for a day: the first calls and writes stand for all.
    let writes = writes.take(WRITES_MAX);
    let calls = calls.take(CALLS_MAX);
    let writes = writes.flat_map(|at| [Point::BeforeWrite(at), Point::AfterWrite(at)]);
    let calls = calls.flat_map(|at| [Point::BeforeCall(at), Point::AfterCall(at)]);
    play.end().await;
    writes.chain(calls).collect()
}

const WRITES_MAX: usize = 8;
const CALLS_MAX: usize = 4;

#[tokio::test]
async fn every_saga_ends_as_its_providers_mood_has_it() {
    let mut wrong = Vec::new();
    for (mode, saga, steps, name) in sagas() {
        for (effect, nature) in effects(steps) {
            for mood in MOODS {
                let play = Play::begin(mode, saga).await;
                play.bank.set_mood(effect, mood);
                let end = play.end().await;
                let asked = expected((saga, effect, nature), mood);
                if end != asked {
                    wrong.push(format!(
                        "{name}: {effect:?} is {mood:?}: {end:?}, not {asked:?}"
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_saga_survives_a_crash_at_every_point_in_every_mood() {
    for (mode, saga, steps, name) in sagas() {
        for (effect, nature) in effects(steps) {
            for mood in MOODS {
                let points = points((mode, saga), Some((effect, mood))).await;
                assert!(points.len() >= 6, "{name}: {} points", points.len());
                for point in points {
                    let mut play = Play::begin(mode, saga).await;
                    play.bank.set_mood(effect, mood);
                    let what = format!("{name}: {effect:?} is {mood:?}, crash {point:?}");
                    assert!(play.until(Some(point)).await, "{what}: not reached");
                    play.crash().await;
                    let end = play.end().await;
                    assert_eq!(end, expected((saga, effect, nature), mood), "{what}");
                }
            }
        }
    }
}

/// A point of each kind, of this number from where a run stands.
fn each(play: &Play, number: usize) -> [Point; 4] {
    let (write, call) = (play.writes() + number, play.bank.calls() + number);
    [
        Point::BeforeWrite(write),
        Point::AfterWrite(write),
        Point::BeforeCall(call),
        Point::AfterCall(call),
    ]
}

/// Crashes at a point, and again at one behind it; how it ended, or nothing if the saga was over
/// before the second.
async fn twice(
    (mode, saga): (OrderMode, Saga),
    first: Point,
    (kind, number): (usize, usize),
) -> Option<End> {
    let mut play = Play::begin(mode, saga).await;
    assert!(
        play.until(Some(first)).await,
        "{saga:?}: {first:?} is not reached"
    );
    play.crash().await;
    let second = each(&play, number)[kind];
    if !play.until(Some(second)).await {
        return None;
    }
    play.crash().await;
    Some(play.end().await)
}

#[tokio::test]
async fn every_saga_survives_two_crashes_wherever_they_are() {
    for (mode, saga, _, name) in sagas() {
        let mut runs = 0;
        for first in points((mode, saga), None).await {
            for kind in 0..4 {
                let mut number = 0;
                while let Some(end) = twice((mode, saga), first, (kind, number)).await {
                    let what = format!("{name}: {first:?}, then kind {kind} number {number}");
                    assert_eq!(end, End::Completed, "{what}");
                    (number, runs) = (number + 1, runs + 1);
                }
            }
        }
        assert!(runs > 24, "{name}: only {runs} runs");
    }
}

#[tokio::test]
async fn a_runner_that_stood_still_reports_too_late_and_is_fenced() {
    for (mode, saga, _, name) in sagas() {
        let points = points((mode, saga), None).await;
        let calls = points.iter().filter_map(|point| match point {
            Point::BeforeCall(call) | Point::AfterCall(call) => Some((*call, *point)),
            Point::BeforeWrite(_) | Point::AfterWrite(_) => None,
        });
        let mut fenced = 0;
        for (call, point) in calls {
            let mut play = Play::begin(mode, saga).await;
            assert!(play.until(Some(point)).await, "{name}: {point:?}");
            let stalled = play.stall().await;
            // Another node takes over, and has not heard from the provider yet.
            let next = Point::BeforeCall(call + 1);
            assert!(play.until(Some(next)).await, "{name}: {point:?}");
            let (head, locks) = (play.head().await, stalled.store.script.locks());
            play.bank.let_go(call);
            let judged = || stalled.store.script.locks() > locks;
            until("the late report is judged", judged).await;
            play.still().await;
            assert_eq!(play.head().await, head, "{name}: {point:?} was taken");
            play.bank.let_go(call + 1);
            stalled.engine.kill();
            assert_eq!(play.end().await, End::Completed, "{name}: {point:?}");
            fenced += 1;
        }
        assert!(fenced >= 2, "{name}");
    }
}

/// Where an order and its money stand when a run is over.
async fn stands(
    mode: OrderMode,
    saga: Saga,
    mood: (Effect, Mood),
) -> (End, Status, Units, [i64; 2]) {
    let mut play = Play::begin(mode, saga).await;
    play.bank.set_mood(mood.0, mood.1);
    play.until(None).await;
    let body = play.row().await.expect("the order was taken").body;
    let money = [body.payment.captured(), body.refunded()];
    (play.end().await, body.status, body.units, money)
}

#[tokio::test]
async fn both_modes_end_alike_for_the_same_faults() {
    let [one, other] = OrderMode::ALL;
    for (name, steps) in REGISTRY {
        let saga = Saga::named(name);
        for (effect, _) in effects(steps) {
            for mood in MOODS {
                let mood = (effect, mood);
                let ends = (
                    stands(one, saga, mood).await,
                    stands(other, saga, mood).await,
                );
                assert_eq!(ends.0, ends.1, "{name}: {mood:?}");
            }
        }
    }
}
