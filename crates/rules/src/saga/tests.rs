//! The saga battery: one function over every saga of the registry, and the machine pair by pair.
//!
//! A world beside the machine knows which actions really ran. Whatever comes of a step, at its end
//! the saga is complete with every step done, or undone without a trace, or stuck at the very step
//! that needs a person; and a runner that dies before or after any write goes on from what was
//! written.

use super::*;
use crate::tests::at;

const SOURCE: &str = include_str!("../saga.rs");

/// What comes of one attempt, as the log is told, and whether the action ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Done,
    /// It was refused; nothing ran.
    Refused,
    /// Nobody knows, and asking says that it ran.
    UnknownThenDone,
    /// Nobody knows, asking says that it did not, and the next attempt is refused.
    UnknownThenRefused,
    /// Nobody knows, and nobody will; it ran.
    GivenUpDone,
    /// Nobody knows, and nobody will; it did not run.
    GivenUpNotDone,
}

const ATTEMPTS: [Attempt; 6] = [
    Attempt::Done,
    Attempt::Refused,
    Attempt::UnknownThenDone,
    Attempt::UnknownThenRefused,
    Attempt::GivenUpDone,
    Attempt::GivenUpNotDone,
];

impl Attempt {
    fn outcomes(self) -> &'static [Outcome] {
        match self {
            Self::Done => &[Outcome::Done],
            Self::Refused => &[Outcome::Refused],
            Self::UnknownThenDone => &[Outcome::Unknown, Outcome::Unknown, Outcome::Done],
            Self::UnknownThenRefused => &[Outcome::Unknown, Outcome::Refused],
            Self::GivenUpDone | Self::GivenUpNotDone => &[Outcome::Unknown, Outcome::GivenUp],
        }
    }

    fn ran(self) -> bool {
        match self {
            Self::Done | Self::UnknownThenDone | Self::GivenUpDone => true,
            Self::Refused | Self::UnknownThenRefused | Self::GivenUpNotDone => false,
        }
    }

    fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::UnknownThenDone)
    }

    fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::UnknownThenRefused)
    }
}

/// A runner: a saga, its log, and what its actions and compensations did outside.
struct Runner {
    plan: &'static [Step],
    run: Run,
    /// The saga after each write, as text.
    log: Vec<String>,
    /// Actions that ran and were not undone, oldest first.
    effects: Vec<u8>,
    undone: Vec<u8>,
    clock: i64,
}

impl Runner {
    fn new(plan: &'static [Step]) -> Self {
        let mut runner = Self {
            plan,
            run: Run::begin(0, at(0)),
            log: Vec::new(),
            effects: Vec::new(),
            undone: Vec::new(),
            clock: 0,
        };
        runner.write(Run::begin(0, at(0)));
        runner
    }

    /// Writes a state and dies: what goes on is what was written.
    fn write(&mut self, run: Run) {
        self.log
            .push(serde_json::to_string(&run).expect("it is data"));
        let last = self.log.last().expect("it was just written");
        self.run = serde_json::from_str(last).expect("it was written by us");
        assert_eq!(self.run, run);
    }

    fn tell(&mut self, outcome: Outcome) {
        self.clock += 1;
        let next = self.run.after(self.plan, outcome, at(self.clock));
        // A runner that dies before the write is told the same again, and decides the same.
        let again = self.run.after(self.plan, outcome, at(self.clock));
        assert_eq!(next, again);
        self.write(next.expect("something is intended"));
    }

    /// One step forward or one undoing.
    fn turn(&mut self, attempt: Attempt) {
        let (state, step) = (self.run.state, self.run.step);
        if attempt.ran() {
            // The action is idempotent by its key: it ran once, however often it is sent.
            match state {
                State::Running => self.effects.push(step),
                State::Compensating => {
                    self.effects.retain(|effect| *effect != step);
                    self.undone.push(step);
                }
                State::Completed | State::Compensated | State::Stuck => {
                    panic!("nothing is intended")
                }
            }
        }
        for outcome in attempt.outcomes() {
            self.tell(*outcome);
        }
    }

    fn is_going(&self) -> bool {
        matches!(self.run.state, State::Running | State::Compensating)
    }

    /// All that is intended succeeds from here on.
    fn finish(&mut self) {
        for _ in 0..3 * self.plan.len() {
            if !self.is_going() {
                return;
            }
            self.turn(Attempt::Done);
        }
        panic!("it never ends: {:?}", self.log);
    }

    fn nature(&self, step: u8) -> Nature {
        self.plan[usize::from(step)].nature
    }

    /// Nothing that can be undone is left, and the undoing went backwards.
    fn assert_clean(&self) {
        assert_eq!(self.run.state, State::Compensated, "{:?}", self.log);
        let left: Vec<_> = self
            .effects
            .iter()
            .map(|step| self.plan[usize::from(*step)])
            .collect();
        assert!(
            left.iter().all(|step| step.compensation.is_none()),
            "{left:?}"
        );
        assert!(left.iter().all(|step| step.nature == Nature::Compensatable));
        let mut backwards = self.undone.clone();
        backwards.sort_unstable_by(|a, b| b.cmp(a));
        backwards.dedup();
        assert_eq!(self.undone, backwards, "each once, the last first");
    }
}

/// Every saga is run with every attempt at every step, and what follows has to be right.
fn battery(name: &str, plan: &'static [Step]) {
    for step in 0..plan.length() {
        for attempt in ATTEMPTS {
            let mut runner = Runner::new(plan);
            for _ in 0..step {
                runner.turn(Attempt::Done);
            }
            let case = format!("{name}, step {step}: {attempt:?}");
            assert_eq!(
                runner.run,
                Run {
                    since: runner.run.since,
                    ..Run::begin(step, at(0))
                }
            );
            runner.turn(attempt);
            let may_have_run = !attempt.is_done() && !attempt.is_refusal();
            let stuck = match runner.nature(step) {
                Nature::Compensatable => false,
                Nature::Pivot => may_have_run,
                Nature::Retriable => !attempt.is_done(),
            };
            if attempt.is_done() {
                runner.finish();
                assert_eq!(runner.run.state, State::Completed, "{case}");
                let all: Vec<u8> = (0..plan.length()).collect();
                assert_eq!(runner.effects, all, "{case}");
                assert!(runner.undone.is_empty(), "{case}");
            } else if stuck {
                assert_stuck(&runner, step, may_have_run);
                by_hand(plan, &runner.run, step);
            } else {
                // It is undone from the step that may have run, in reverse.
                let first = runner.run.step;
                let undoable = |it: &u8| plan.is_undoable(*it);
                let below = step + u8::from(may_have_run);
                let expected = (0..below).rev().find(undoable);
                assert_eq!(expected.unwrap_or(0), first, "{case}");
                undo(&runner, &case);
                runner.finish();
                runner.assert_clean();
            }
        }
    }
}

fn assert_stuck(runner: &Runner, step: u8, may_have_run: bool) {
    assert_eq!((runner.run.state, runner.run.step), (State::Stuck, step));
    assert_eq!(
        runner.run.unknown, may_have_run,
        "what a person may do depends on it"
    );
    for outcome in OUTCOMES {
        let after = runner.run.after(runner.plan, outcome, at(99));
        assert_eq!(
            after,
            Err(Illegal),
            "nothing happens to a stuck saga by itself"
        );
    }
}

/// What a person may do with a stuck saga: try on, or undo it if the pivot cannot have run.
fn by_hand(plan: &'static [Step], run: &Run, step: u8) {
    let again = run.retry(at(99)).expect("it is stuck");
    assert_eq!((again.state, again.step), (State::Running, step));
    assert_eq!(
        again.unknown, run.unknown,
        "it is asked after, not done again"
    );
    let may_have_run = step + u8::from(run.unknown);
    let passed = (0..may_have_run).any(|it| plan.nature(it) == Nature::Pivot);
    assert_eq!(run.compensate(plan, at(99)).is_err(), passed);
}

/// Each undoing is refused, given up, unknown and repeated, and goes on when a person says so.
fn undo(runner: &Runner, case: &str) {
    if runner.run.state != State::Compensating {
        return assert_eq!(runner.run.state, State::Compensated, "{case}");
    }
    for bad in [Outcome::Refused, Outcome::GivenUp] {
        let stuck = runner
            .run
            .after(runner.plan, bad, at(50))
            .expect("it is intended");
        assert_eq!((stuck.state, stuck.back), (State::Stuck, true), "{case}");
        assert_eq!(
            stuck.step, runner.run.step,
            "{case}: stuck at the undoing that failed"
        );
        assert_eq!(
            stuck.compensate(runner.plan, at(51)),
            Err(Illegal),
            "{case}"
        );
        let again = stuck.retry(at(52)).expect("it is stuck");
        assert_eq!(
            (again.state, again.step),
            (State::Compensating, runner.run.step)
        );
    }
    let unknown = runner.run.after(runner.plan, Outcome::Unknown, at(60));
    let unknown = unknown.expect("it is intended");
    assert!(unknown.unknown && unknown.step == runner.run.step, "{case}");
    let twice = unknown.after(runner.plan, Outcome::Unknown, at(70));
    assert_eq!(twice, Ok(unknown), "the first time counts");
}

const OUTCOMES: [Outcome; 4] = [
    Outcome::Done,
    Outcome::Refused,
    Outcome::Unknown,
    Outcome::GivenUp,
];

/// Not one of the engine's own: every kind of step, and two that cannot be undone between them.
const WHOLE: &[Step] = &[
    undone_by(
        step("a", Nature::Compensatable, Action::BeginConfirming),
        Action::ReleaseHold,
    ),
    step("b", Nature::Compensatable, Action::Complete),
    undone_by(
        step("c", Nature::Compensatable, Action::Charge),
        Action::Refund,
    ),
    step("d", Nature::Pivot, Action::ConfirmUnits),
    step("e", Nature::Retriable, Action::RequestDelivery),
    step("f", Nature::Retriable, Action::Complete),
];

#[test]
fn the_battery_runs_over_every_saga_of_the_registry() {
    for (name, plan) in REGISTRY {
        battery(name, plan);
    }
    battery("whole", WHOLE);
}

#[test]
fn every_saga_that_is_declared_is_in_the_registry() {
    let declared = SOURCE.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("pub const ")?.split_once(": ")?;
        kind.starts_with("&[Step]").then(|| name.to_lowercase())
    });
    let registered: Vec<&str> = REGISTRY.iter().map(|(name, _)| *name).collect();
    assert!(
        declared.eq(registered),
        "a saga outside the registry has no battery"
    );
}

#[test]
fn every_saga_of_the_registry_is_well_formed() {
    for (name, plan) in REGISTRY {
        assert!(!plan.is_empty() && plan.len() < 255, "{name}");
        let pivots = plan
            .iter()
            .filter(|step| step.nature == Nature::Pivot)
            .count();
        assert!(pivots <= 1, "{name}: one point of no return");
        let natures = plan.iter().map(|step| match step.nature {
            Nature::Compensatable => 0,
            Nature::Pivot => 1,
            Nature::Retriable => 2,
        });
        assert!(
            natures.is_sorted(),
            "{name}: behind the pivot there is only forward"
        );
        for (number, step) in plan.iter().enumerate() {
            let behind = step.nature != Nature::Compensatable;
            assert!(
                !(behind && step.compensation.is_some()),
                "{name} {}",
                step.name
            );
            let undone = step.action.is_outside() && step.nature == Nature::Compensatable;
            assert!(
                !undone || step.compensation.is_some(),
                "{name} {}",
                step.name
            );
            let same = plan.iter().filter(|other| other.name == step.name).count();
            assert_eq!(same, 1, "{name}: step {number} has a name of its own");
        }
    }
    let places = [at::CHARGE, at::CONFIRM, at::DELIVER].map(|step| ORDER[usize::from(step)].name);
    assert_eq!(places, ["charge", "confirm", "deliver"]);
    let places = [at::RECALL, at::RETURN, at::REFUND].map(|step| CANCEL[usize::from(step)].name);
    assert_eq!(places, ["recall", "return", "refund"]);
}

#[test]
fn a_saga_passes_between_its_states_as_the_machine_says() {
    let legal = [
        (State::Running, State::Running),
        (State::Running, State::Completed),
        (State::Running, State::Compensating),
        (State::Running, State::Compensated),
        (State::Running, State::Stuck),
        (State::Compensating, State::Compensating),
        (State::Compensating, State::Compensated),
        (State::Compensating, State::Stuck),
        (State::Stuck, State::Running),
        (State::Stuck, State::Compensating),
        (State::Stuck, State::Compensated),
    ];
    let mut seen = Vec::new();
    let every = State::ALL.into_iter().flat_map(|state| {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        flags.map(move |(unknown, back)| (state, unknown, back))
    });
    let plans = [WHOLE, CANCEL];
    let steps = plans
        .into_iter()
        .flat_map(|plan| (0..plan.length()).map(move |it| (plan, it)));
    for ((state, unknown, back), (plan, step)) in
        every.flat_map(|flags| steps.clone().map(move |step| (flags, step)))
    {
        let run = Run {
            state,
            step,
            unknown,
            back,
            since: at(0),
        };
        let after = OUTCOMES.map(|outcome| run.after(plan, outcome, at(1)));
        let by_hand = [run.retry(at(1)), run.compensate(plan, at(1))];
        let all = || after.into_iter().chain(by_hand);
        assert!(!state.is_ended() || all().all(|next| next.is_err()));
        for next in all().flatten() {
            let pair = (state, next.state);
            assert!(legal.contains(&pair), "{pair:?}");
            seen.push(pair);
        }
    }
    for pair in legal {
        assert!(seen.contains(&pair), "{pair:?} is never reached");
    }
}

#[test]
fn a_state_is_written_as_bodies_spell_it() {
    for state in State::ALL {
        let text = serde_json::to_string(&state).expect("a state is a string");
        assert_eq!(text, format!("\"{}\"", state.name()));
    }
}
