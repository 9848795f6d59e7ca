//! Sagas over anybody's services: what a wrong judge would write of them, and damaged rows.

use super::shop::START;
use super::site::{Memory, Named, findings, look, named};
use evenkeel_engine::chain::{Cause, NewEvent, Text, link};
use evenkeel_engine::commit::saga_name;
use evenkeel_engine::port::{LogRow, NameWrite, Row};
use evenkeel_engine::store::memory::Tables;
use evenkeel_engine::verify::{Invariant, Kind};
use evenkeel_rules::event::{FORMAT, Kind as Event};
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::order::Tries;
use evenkeel_rules::saga::journey::Report;
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, Journey, Mark, Patch, Step, Told, start};
use evenkeel_rules::saga::{Nature, Run, State};
use evenkeel_rules::time::{LogTime, Millis};
use std::sync::Arc;

/// One saga, written without judging anything.
struct Scribe {
    site: Memory,
    journey: Journey,
    version: u64,
    created: u64,
    /// What writes its next events.
    by: &'static str,
}

fn now() -> LogTime {
    LogTime::from_micros(START)
}

fn ask() -> Ask {
    let step = |name: &str, nature, undo: bool| Step {
        name: StepName::new(name).expect("a well-formed name"),
        url: "http://example.com/".to_owned(),
        undo_url: undo.then(|| "http://example.com/undo".to_owned()),
        nature,
        timeout: Millis(2_000),
    };
    Ask {
        id: SagaId::new("trip-7").expect("a well-formed id"),
        steps: vec![
            step("flight", Nature::Compensatable, true),
            step("hotel", Nature::Compensatable, true),
            step("pay", Nature::Pivot, false),
        ],
        give_up_after: GIVE_UP_AFTER,
        bodies: None,
    }
}

fn row(
    tables: &mut Tables,
    by: &str,
    (kind, version, previous): (Event, u64, u64),
    data: &[u8],
) -> u64 {
    let position = tables.head.position + 1;
    let cause = Cause {
        kind: by,
        key: None,
        id: "trip-7",
        actor: "engine",
        lease: None,
    };
    let mut text = Text::begin(position, now(), FORMAT, cause);
    text.event(&NewEvent {
        kind,
        id: "trip-7",
        version,
        previous,
        data,
    });
    let text = text.end(&[]);
    let hash = link(&tables.head.hash, &text);
    (tables.head.position, tables.head.hash) = (position, hash);
    tables.head.time = now();
    tables.log.push(LogRow {
        position,
        hash,
        text,
    });
    position
}

impl Scribe {
    fn new() -> Self {
        Self::of(start(&ask(), false, now()).expect("a fresh id"))
    }

    /// A saga that began like this.
    fn of(journey: Journey) -> Self {
        let site = Memory::new();
        let data = serde_json::to_vec(&journey).expect("plain JSON");
        let created = site.0.edit(|tables| {
            let position = row(tables, "test", (Event::SagaStarted, 1, 0), &data);
            let name = saga_name(&journey.id);
            let write = NameWrite {
                name,
                position,
                fingerprint: [0; 16],
            };
            tables.names.insert(name, write);
            tables.saga_ids.insert(journey.id.clone(), position);
            position
        });
        let version = 1;
        Self {
            site,
            journey,
            version,
            created,
            by: "test",
        }
    }

    /// Writes an event that says this, whether or not it may be so.
    fn turn(mut self, kind: Event, run: Run, mark: Option<(u8, Mark)>) -> Self {
        let patch = Patch { run, mark };
        let data = serde_json::to_vec(&patch).expect("plain JSON");
        let previous = self.site.0.tables().head.position;
        self.version += 1;
        let told = (kind, self.version, previous);
        self.site.0.edit(|tables| row(tables, self.by, told, &data));
        self.journey = patch.apply(self.journey).expect("one of its steps");
        self
    }

    /// Writes what the rules make of an answer.
    fn told(self, told: Told) -> Self {
        let turn = self.journey.turn().expect("it needs a call");
        let report = self.journey.report(Tries::default(), (turn, told), now());
        let Report::Changed(decision) = report else {
            panic!("{told:?} changes nothing");
        };
        self.turn(decision.kind, decision.patch.run, decision.patch.mark)
    }

    fn at(&self, state: State, step: u8) -> Run {
        Run {
            state,
            step,
            ..Run::begin(step, now())
        }
    }

    /// What `verify` finds, once the row stands as the log folds.
    async fn found(self) -> Vec<Named> {
        self.found_with(|_| {}).await
    }

    async fn found_with(self, damage: impl FnOnce(&mut Tables)) -> Vec<Named> {
        let Self {
            site,
            journey,
            version,
            created,
            ..
        } = self;
        site.0.edit(|tables| {
            let last = tables.head.position;
            let row = Row {
                created,
                last,
                version,
                due: journey.turn().map(|_| now()),
                flagged: journey.is_flagged(),
                body: journey,
                tries: Tries::default(),
            };
            tables.sagas.insert(created, row);
            damage(tables);
        });
        findings(&look(&site).await)
    }
}

fn broken() -> Vec<Named> {
    vec![named(Invariant::I13, Kind::SagaBroken, "saga trip-7")]
}

#[tokio::test]
async fn what_the_rules_write_of_a_saga_is_clean() {
    let forward = [Told::Unknown, Told::Done, Told::Done, Told::Done];
    let undone = [
        Told::Done,
        Told::Unknown,
        Told::Refused,
        Told::Done,
        Told::Done,
    ];
    let stuck = [Told::Done, Told::Refused, Told::Unknown, Told::Refused];
    for answers in [&[][..], &forward, &undone, &stuck] {
        let scribe = answers
            .iter()
            .fold(Scribe::new(), |it, told| it.told(*told));
        assert_eq!(scribe.found().await, [], "{answers:?}");
    }
}

#[tokio::test]
async fn each_turn_that_breaks_the_law_of_sagas_is_named() {
    let (done, undone) = (Mark::Done, Mark::Undone);
    let first = Scribe::new;
    let run = |state, step| Scribe::new().at(state, step);
    // It is completed before its last step is done.
    let end = run(State::Completed, 1);
    let early = first()
        .told(Told::Done)
        .turn(Event::StepDone, end, Some((1, done)));
    assert_eq!(early.found().await, broken());
    // What was done is not undone.
    let end = run(State::Compensated, 0);
    let left = first().told(Told::Done).turn(Event::StepRefused, end, None);
    assert_eq!(left.found().await, broken());
    // A step is undone that never ran.
    let back = run(State::Compensating, 1);
    let never = first()
        .told(Told::Done)
        .turn(Event::StepRefused, back, None);
    assert_eq!(never.found().await, broken());
    // A step is undone before a later one.
    let back = run(State::Compensating, 0);
    let order = first().told(Told::Done).told(Told::Done);
    let order = order.turn(Event::StepRefused, back, Some((2, Mark::Refused)));
    assert_eq!(order.found().await, broken());
    // It goes forward after it went back.
    let again = run(State::Running, 1);
    let forward = first().told(Told::Done).told(Told::Refused);
    let forward = forward.turn(Event::SagaRetried, again, None);
    assert_eq!(forward.found().await, broken());
    // Another step than the one that was intended is marked.
    let next = run(State::Running, 1);
    let other = first().turn(Event::StepDone, next, Some((1, done)));
    assert!(other.found().await.contains(&broken()[0]));
    // A step is called undone on the way forward.
    let end = run(State::Compensated, 0);
    let forward = first().turn(Event::StepUndone, end, Some((0, undone)));
    assert_eq!(forward.found().await, broken());
}

#[tokio::test]
async fn a_saga_that_goes_on_after_its_end_or_begins_wrongly_is_named() {
    let illegal = [named(Invariant::I7, Kind::IllegalTransition, "saga trip-7")];
    let whole = Scribe::new()
        .told(Told::Done)
        .told(Told::Done)
        .told(Told::Done);
    let again = whole.at(State::Running, 2);
    let found = whole.turn(Event::SagaRetried, again, None).found().await;
    assert!(found.contains(&illegal[0]), "{found:?}");
    let mut journey = start(&ask(), false, now()).expect("a fresh id");
    journey.marks[1] = Mark::Done;
    assert_eq!(Scribe::of(journey).found().await, illegal);
    let mut journey = start(&ask(), false, now()).expect("a fresh id");
    Arc::make_mut(&mut journey.steps).swap(0, 2);
    assert_eq!(Scribe::of(journey).found().await, illegal);
}

#[tokio::test]
async fn a_sagas_row_that_is_edited_gone_forgotten_or_unnamed_is_named() {
    let edited = named(Invariant::I15, Kind::StateEdited, "saga trip-7");
    let one = |tables: &mut Tables| {
        tables
            .sagas
            .first_entry()
            .expect("a row")
            .into_mut()
            .clone()
    };
    for damage in [
        |row: &mut evenkeel_engine::port::SagaRow| row.version += 1,
        |row: &mut evenkeel_engine::port::SagaRow| row.flagged = true,
        |row: &mut evenkeel_engine::port::SagaRow| row.body.marks[0] = Mark::Undone,
        |row: &mut evenkeel_engine::port::SagaRow| {
            Arc::make_mut(&mut row.body.steps)[0].url.push('x');
        },
    ] {
        let found = Scribe::new().told(Told::Done).found_with(|tables| {
            let mut row = one(tables);
            damage(&mut row);
            tables.sagas.insert(row.created, row);
        });
        assert_eq!(found.await, std::slice::from_ref(&edited));
    }
    let gone = Scribe::new()
        .found_with(|tables| tables.sagas.clear())
        .await;
    assert_eq!(gone, [edited]);
    let forgotten = Scribe::new().found_with(|tables| {
        let mut row = one(tables);
        row.due = None;
        tables.sagas.insert(row.created, row);
    });
    let expected = named(Invariant::I13, Kind::Forgotten, "saga trip-7");
    assert_eq!(forgotten.await, [expected]);
    let unnamed = Scribe::new().found_with(|tables| {
        tables.names.remove(&saga_name(&ask().id));
    });
    let found = unnamed.await;
    let expected = named(Invariant::I6, Kind::KeyMissing, "saga trip-7");
    assert!(found.contains(&expected), "{found:?}");
}

#[tokio::test]
async fn a_step_that_an_engine_noted_under_no_lease_is_named() {
    let mut scribe = Scribe::new();
    scribe.by = "step";
    let found = scribe.told(Told::Done).found().await;
    assert_eq!(found, [named(Invariant::I12, Kind::Unfenced, "log 2")]);
}
