//! Sagas over anybody's services: their fold, their law, and their rows against it.
//!
//! I13 for them: a saga ends completed with every step done, or compensated with nothing left that
//! may have run and can be undone, or stuck, which its row's flag shows to a person. A step is
//! undone only if it may have run, and once; nothing goes forward after it went back. A saga that
//! has ended is remembered as a hash.

use super::fold::{Fold, subject, wrong};
use super::lives::Late;
use super::names::Of;
use super::pages::{Beside, Pages, Read};
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use super::rest::{Resting, saga_digest};
use super::rows::{beyond, same_id};
use super::shelf::digest;
use super::stream::{Step, Stream};
use super::walk::{Sink, Walk};
use crate::chain::{Entry, EntryEvent};
use crate::commit::saga_name;
use crate::port::{At, Fault, Row, SagaRow, Store};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::SagaId;
use evenkeel_rules::saga::journey::{Journey, Mark, Patch, misplaced};
use evenkeel_rules::saga::{Plan, Run, State};
use evenkeel_rules::time::LogTime;
use serde_json::{Value, json};

/// What is remembered of one saga.
#[derive(Debug)]
pub(super) struct SagaFold {
    pub(super) stream: Stream,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Live(Box<Journey>),
    /// It has ended; what it was then.
    Ended([u8; 16]),
    /// The row that began it is lost.
    Unknown,
}

pub(super) fn hash(journey: &Journey) -> [u8; 16] {
    digest(&serde_json::to_vec(journey).expect("a saga is plain JSON"))
}

impl SagaFold {
    /// One whose body is known.
    pub(super) fn of(stream: Stream, journey: Journey) -> Self {
        let body = Body::of(journey);
        Self { stream, body }
    }

    /// Hash of its body, if that is known.
    pub(super) fn hash(&self) -> Option<[u8; 16]> {
        match &self.body {
            Body::Live(journey) => Some(hash(journey)),
            Body::Ended(known) => Some(*known),
            Body::Unknown => None,
        }
    }
}

impl Body {
    fn of(journey: Journey) -> Self {
        if journey.run.state.is_ended() {
            Self::Ended(hash(&journey))
        } else {
            Self::Live(Box::new(journey))
        }
    }

    fn is(&self, journey: &Journey) -> bool {
        match self {
            Self::Live(known) => **known == *journey,
            Self::Ended(known) => *known == hash(journey),
            Self::Unknown => true,
        }
    }
}

impl Fold {
    /// Takes the event of a saga in.
    pub(super) fn saga_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Result<bool, String> {
        let id = SagaId::new(event.id()).map_err(|error| error.to_string())?;
        same_id(event, id.as_str())?;
        let fold = self.sagas.remove(&id);
        let before = fold.as_ref().map(|fold| fold.stream);
        let (stream, step) = self.advance(before, event, book);
        self.born(before, event, (saga_name(&id), Of::Saga));
        let known = fold.filter(|_| step != Step::Adopted);
        let body = self.saga_after((entry, event), known, book)?;
        self.sagas.insert(id, SagaFold { stream, body });
        Ok(true)
    }

    /// The saga after an event, which is held against the law of sagas.
    fn saga_after(
        &self,
        (entry, event): (&Entry, &EntryEvent),
        known: Option<SagaFold>,
        book: &mut Book,
    ) -> Result<Body, String> {
        if event.kind == Kind::SagaStarted {
            let journey: Journey = event.data()?;
            privacy::members(event, &journey, self.position, book);
            if journey.id.as_str() != event.id() {
                return Err(format!("its data is about {}", journey.id));
            }
            if !begins(&journey, entry.at) {
                self.illegal(event, "no saga begins like this", book);
            }
            return Ok(Body::of(journey));
        }
        let patch: Patch = privacy::read(event, self.position, book)?;
        let was = match known.map(|fold| fold.body) {
            Some(Body::Live(journey)) => *journey,
            Some(Body::Ended(_)) => return Err("its saga had ended".to_owned()),
            Some(Body::Unknown) | None => return Ok(Body::Unknown),
        };
        let after = patch.apply(was.clone());
        let after = after.ok_or("it names a step that its saga does not have")?;
        book.checked(Invariant::I13, 1);
        if let Some(what) = broken(&was, event.kind, &after) {
            let draft = Draft {
                expected: json!({"run": was.run, "marks": was.marks}),
                found: json!({"run": after.run, "marks": after.marks}),
                detail: format!("{} version {}: {what}", event.stream, event.version),
                ..wrong(Wrong::SagaBroken, subject(event), self.position)
            };
            book.find(Invariant::I13, draft);
        }
        Ok(Body::of(after))
    }
}

fn begins(journey: &Journey, at: LogTime) -> bool {
    let natures: Vec<_> = journey.steps.iter().map(|step| step.nature).collect();
    journey.run == Run::begin(0, at)
        && journey.created_at == at
        && !natures.is_empty()
        && misplaced(&natures).is_none()
        && journey.marks.len() == natures.len()
        && journey.marks.iter().all(|mark| *mark == Mark::Open)
}

/// What is wrong with a saga's turn, if anything.
fn broken(was: &Journey, kind: Kind, now: &Journey) -> Option<&'static str> {
    let undoing = was.run.state == State::Compensating;
    let went_back = undoing || was.run.back;
    let stands_at = usize::from(was.run.step);
    let moved = (0..was.marks.len()).find(|at| was.marks[*at] != now.marks[*at]);
    let is_undone = |at: usize| now.marks[at] == Mark::Undone && was.marks[at] != Mark::Undone;
    if was.run.state.is_ended() {
        return Some("its saga had ended");
    }
    if went_back && matches!(now.run.state, State::Running | State::Completed) {
        return Some("it goes forward after it went back");
    }
    if moved.is_some_and(|at| at != stands_at) {
        return Some("it is about another step than the one that was intended");
    }
    let undone = moved.is_some_and(is_undone);
    if undone && !(undoing && was.marks[stands_at].may_have_run()) {
        return Some("a step was undone that never may have run");
    }
    if undone != (kind == Kind::StepUndone) {
        return Some("its kind is not what it did");
    }
    if undoing && moved.is_some() && !undone {
        return Some("on the way back a step became something else than undone");
    }
    ended(now)
}

/// What is wrong with where a saga stands, if anything.
fn ended(now: &Journey) -> Option<&'static str> {
    let plan = &now.steps[..];
    let left = |step: &u8| plan.is_undoable(*step) && now.mark(*step).may_have_run();
    let above = || (now.run.step + 1..plan.length()).any(|step| left(&step));
    match now.run.state {
        State::Completed if now.marks.iter().any(|mark| *mark != Mark::Done) => {
            Some("it is completed, and a step is not done")
        }
        State::Compensated if (0..plan.length()).any(|step| left(&step)) => {
            Some("it is compensated, and a step that may have run is not undone")
        }
        State::Compensating if !left(&now.run.step) => {
            Some("it undoes a step that never may have run, or cannot be undone")
        }
        State::Compensating if above() => Some("it undoes a step before a later one"),
        State::Running if (0..now.run.step).any(|step| now.mark(step) != Mark::Done) => {
            Some("it goes on before the steps behind it are done")
        }
        State::Running
        | State::Compensating
        | State::Completed
        | State::Compensated
        | State::Stuck => None,
    }
}

/// Compares every saga's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn rows(
    walk: &mut Walk<'_>,
    late: &mut Late,
    to: &mut Sink<'_>,
) -> Result<(), Fault> {
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.sagas(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) if to.fold.rest.is_some() => {
                to.fold.doubt(what);
                return Ok(());
            }
            Read::Unreadable(what) => {
                let made = to.fold.sagas.iter_mut();
                let made = made.map(|(id, fold)| (id, &mut fold.stream));
                pages.pass_over(made, ("saga", &what), to.book);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|row| one(row, late, to));
                to.fold.read_down(Resting::Saga, pages.before);
            }
        }
    }
    to.fold.read_down(Resting::Saga, 0);
    let made = to.fold.sagas.iter().map(|(id, fold)| (id, &fold.stream));
    pages.missing(made, "saga", to.book);
    Ok(())
}

fn one(row: &SagaRow, late: &mut Late, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "a saga", to);
    for invariant in [Invariant::I13, Invariant::I15] {
        to.book.checked(invariant, 1);
    }
    let subject = || Subject::new("saga", &row.body.id);
    let known = to.fold.sagas.get_mut(&row.body.id).map(|fold| {
        fold.stream.seen = true;
        let same = fold.body.is(&row.body) && row.flagged == row.body.is_flagged();
        (fold.stream, same)
    });
    if known.is_none() && to.fold.rests(row.last) {
        to.fold.note(Resting::Saga, saga_digest(row));
        return owed(row, late, to);
    }
    let beside = Beside {
        subject: subject(),
        place: [row.created, row.last, row.version],
        known,
    };
    let stands = || json!({"flagged": row.flagged, "saga": row.body});
    if beside.differs(|| (Value::Null, stands()), &mut to.fold.lost, to.book) {
        return;
    }
    owed(row, late, to);
}

/// A saga that is not at its end is looked at again.
fn owed(row: &SagaRow, late: &mut Late, to: &mut Sink<'_>) {
    let subject = || Subject::new("saga", &row.body.id);
    match (row.body.turn(), row.due) {
        (Some(_), Some(due)) => late.note(subject(), (due, row.last)),
        (Some(turn), None) => {
            let draft = Draft {
                expected: json!(turn),
                detail: "it is not at its end, and nobody will look at it".to_owned(),
                ..wrong(Wrong::Forgotten, subject(), row.last)
            };
            to.book.find(Invariant::I13, draft);
        }
        (None, _) => (),
    }
}

/// Whether a saga's row is what an event of it says; nothing if it does not tell.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn vouches(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(id) = SagaId::new(event.id()) else {
        return Ok(Some(false));
    };
    let row = match store.saga(&id).await {
        Ok(At { rows, .. }) => rows,
        Err(Fault::Corrupt(_)) => None,
        Err(fault) => return Err(fault),
    };
    let Some(row) = row else {
        return Ok(None);
    };
    if event.kind == Kind::SagaStarted {
        let Ok(journey) = event.data::<Journey>() else {
            return Ok(Some(false));
        };
        let Row { body, .. } = &row;
        let same = journey.steps == body.steps
            && journey.id == body.id
            && journey.give_up_after == body.give_up_after
            && journey.bodies == body.bodies
            && journey.created_at == body.created_at;
        return Ok(match (same, row.last == position) {
            (false, _) => Some(false),
            (true, true) => Some(journey == *body),
            (true, false) => None,
        });
    }
    let Ok(Patch { run, mark }) = event.data::<Patch>() else {
        return Ok(Some(false));
    };
    let marked = mark
        .is_none_or(|(step, mark)| row.body.marks.get(usize::from(step)).copied() == Some(mark));
    Ok((row.last == position).then_some(run == row.body.run && marked))
}
