//! Sagas over anybody's services: begun, stepped, undone, and found again.

use super::hand::{arm, at, batch, due, finish, saga, word};
use super::world::{START, Shop, ask as plain, keyed};
use super::{Fixture, audit};
use evenkeel_engine::Done;
use evenkeel_engine::commit::{Command, Effect, Rejection};
use evenkeel_engine::port::{Fault, SagaRow, Store};
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::journey;
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, Mark, Step, Told, Turn};
use evenkeel_rules::saga::{Nature, State};
use evenkeel_rules::time::Millis;

const ALL: u64 = u64::MAX >> 1;

fn id(text: &str) -> SagaId {
    SagaId::new(text).expect("a well-formed id")
}

/// A saga of two steps that can be undone and a pivot.
fn ask(name: &str) -> Ask {
    let step = |name: &str, nature, undo: bool| Step {
        name: StepName::new(name).expect("a well-formed name"),
        url: format!("http://example.com/{name}"),
        undo_url: undo.then(|| format!("http://example.com/{name}/undo")),
        nature,
        timeout: Millis(2_000),
    };
    Ask {
        id: id(name),
        steps: vec![
            step("flight", Nature::Compensatable, true),
            step("hotel", Nature::Compensatable, true),
            step("pay", Nature::Pivot, false),
        ],
        give_up_after: GIVE_UP_AFTER,
        bodies: None,
    }
}

fn start(name: &str) -> Command {
    let bodies = format!("[null,{{\"who\":\"the guest of {name}\"}},null]");
    let ask = Box::new(Ask {
        bodies: Some("its hash".to_owned()),
        ..ask(name)
    });
    Command::StartSaga { ask, bodies }
}

fn saga_of(done: Done) -> SagaRow {
    match done.effect {
        Effect::Saga(row) => *row,
        other => panic!("not a saga: {other:?}"),
    }
}

/// What came of the call that a saga needs.
fn report(row: &SagaRow, told: Told) -> Command {
    Command::ReportStep {
        id: row.body.id.clone(),
        turn: row.body.turn().expect("it needs a call"),
        told,
        seen: row.version,
        random: u64::MAX,
        lease: None,
    }
}

async fn told(shop: &Shop, row: &SagaRow, told: Told) -> SagaRow {
    saga_of(shop.ok(plain(report(row, told))).await)
}

async fn row(store: &dyn Store, name: &str) -> Option<SagaRow> {
    store.saga(&id(name)).await.expect("readable").rows
}

pub(crate) async fn a_saga_is_begun_stepped_to_its_end_and_replayed<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let store = &*shop.store;
    assert_eq!(row(store, "trip-7").await, None);
    let request = keyed("k-1", start("trip-7"));
    let first = shop.ok(request.clone()).await;
    let begun = saga_of(first.clone());
    assert_eq!((begun.created, begun.version), (first.position, 1));
    assert_eq!(row(store, "trip-7").await, Some(begun.clone()));
    assert_eq!(
        row(store, "Trip-7").await,
        None,
        "ids are compared as bytes"
    );
    let text = store.private((begun.created, 0)).await.expect("readable");
    assert!(
        text.rows
            .expect("it was kept")
            .text
            .contains("the guest of")
    );
    let logged = audit::texts(store).await.concat();
    assert!(!logged.contains("the guest of"), "it is never logged");

    let no = shop.no(keyed("k-2", start("trip-7"))).await;
    assert_eq!(no, Rejection::Saga(journey::Rejection::AlreadyExists));
    let mut now = begun.clone();
    for _ in 0..3 {
        now = told(&shop, &now, Told::Done).await;
    }
    assert_eq!(now.body.run.state, State::Completed);
    assert_eq!((now.due, now.flagged), (None, false));
    assert_eq!(row(store, "trip-7").await, Some(now.clone()));

    let again = shop.ok(request).await;
    assert!(again.replayed);
    assert_eq!(saga_of(again).body, begun.body, "as the first time");
    let listed = store.sagas(ALL, 9).await.expect("readable").rows;
    assert_eq!(listed, [now]);
    audit::whole(store).await;
    shop.close().await;
}

pub(crate) async fn a_saga_that_is_refused_is_undone_and_may_need_a_person<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let begun = saga_of(shop.ok(keyed("k-1", start("trip-7"))).await);
    let word = |go_on: bool| {
        let (id, reason) = (id("trip-7"), Some("the hotel has rung up".to_owned()));
        match go_on {
            true => Command::RetrySaga { id, reason },
            false => Command::CompensateSaga { id, reason },
        }
    };
    let no = shop.no(plain(word(true))).await;
    let (from, to) = (State::Running, State::Running);
    let illegal = journey::Rejection::IllegalTransition { from, to };
    assert_eq!(no, Rejection::Saga(illegal));
    let second = told(&shop, &begun, Told::Done).await;
    let back = told(&shop, &second, Told::Refused).await;
    assert_eq!(
        back.body.turn(),
        Some(Turn {
            step: 0,
            undo: true
        })
    );
    // What comes too late is about a call that nobody needs any more.
    let late = shop.ok(plain(report(&second, Told::Done))).await;
    assert_eq!(late.effect, Effect::Tried);
    let stuck = told(&shop, &back, Told::Refused).await;
    assert!(stuck.flagged);
    let retried = shop.ok(keyed("k-3", word(true))).await;
    let private = (retried.position, 0);
    let text = shop.store.private(private).await.expect("readable").rows;
    assert_eq!(text.expect("it was kept").text, "the hotel has rung up");
    let again = saga_of(retried);
    assert_eq!(
        (again.body.run.state, again.flagged),
        (State::Compensating, false)
    );
    let end = told(&shop, &again, Told::Done).await;
    assert_eq!(end.body.run.state, State::Compensated);
    let marks = [Mark::Undone, Mark::Refused, Mark::Open];
    assert_eq!(end.body.marks, marks);
    let replay = shop.ok(keyed("k-3", word(true))).await;
    assert!(replay.replayed);
    assert_eq!(saga_of(replay).body, again.body, "as it was then");

    shop.ok(keyed("k-4", start("trip-8"))).await;
    let (id, reason) = (self::id("trip-8"), None);
    let turn = shop
        .ok(keyed("k-5", Command::CompensateSaga { id, reason }))
        .await;
    assert_eq!(saga_of(turn).body.run.state, State::Compensating);
    audit::whole(&*shop.store).await;
    shop.close().await;
}

pub(crate) async fn a_tried_step_waits_without_a_fact<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let begun = saga_of(shop.ok(keyed("k-1", start("trip-7"))).await);
    assert_eq!(due(&*shop.store, at(1_000), 9).await, ["saga trip-7"]);
    let head = shop.head().await;
    let tried = shop.ok(plain(report(&begun, Told::NotSent))).await;
    assert_eq!(tried.effect, Effect::Tried);
    assert_eq!(shop.head().await, head, "it is no fact");
    let now = row(&*shop.store, "trip-7").await.expect("it is there");
    assert_eq!((now.tries.calls, now.version), (1, 1));
    assert_eq!(
        now.due,
        Some(now.tries.last.plus(Millis(200))),
        "the longest delay"
    );
    // A second report of the first version counts too: nothing has changed.
    shop.ok(plain(report(&now, Told::NotSent))).await;
    let now = row(&*shop.store, "trip-7").await.expect("it is there");
    assert_eq!(now.tries.calls, 2);
    let unknown = told(&shop, &now, Told::Unknown).await;
    assert_eq!((unknown.tries.calls, unknown.version), (0, 2));
    // One of a version that is gone does not.
    let old = Command::ReportStep {
        id: id("trip-7"),
        turn: Turn {
            step: 0,
            undo: false,
        },
        told: Told::NotSent,
        seen: 1,
        random: 0,
        lease: None,
    };
    shop.ok(plain(old)).await;
    let now = row(&*shop.store, "trip-7").await.expect("it is there");
    assert_eq!(now.tries.calls, 0);
    audit::whole(&*shop.store).await;
    shop.close().await;
}

pub(crate) async fn a_saga_row_of_another_version_is_corrupt_and_nothing_is_written<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    saga(&mut writes, &ask("trip-7"));
    finish(&*store, &writes).await.expect("it fits");
    let stands = row(&*store, "trip-7").await.expect("it is there");
    for was in [None, Some(0), Some(2)] {
        let mut writes = batch(&*store).await;
        let mut row = stands.clone();
        row.flagged = true;
        writes
            .sagas
            .push(evenkeel_engine::port::RowWrite { row, was });
        let fault = finish(&*store, &writes).await.expect_err("another version");
        assert!(
            matches!(fault, Fault::Corrupt(_) | Fault::Unavailable(_)),
            "{fault:?}"
        );
        assert_eq!(row_now(&*store).await, stands);
    }
}

async fn row_now(store: &dyn Store) -> SagaRow {
    row(store, "trip-7").await.expect("it is there")
}

pub(crate) async fn sagas_are_due_flagged_and_there_after_reopening<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    for number in 0..5_u64 {
        let row = saga(&mut writes, &ask(&format!("t-{number}")));
        row.due = (number != 3).then(|| START.plus(Millis(1_000 * (9 - number))));
        row.flagged = number % 2 == 1;
    }
    arm(&mut writes);
    finish(&*store, &writes).await.expect("it fits");
    drop(store);
    for store in [fixture.store().await, fixture.reopen().await] {
        let flagged = store.flagged(ALL, 9).await.expect("readable").rows;
        let flagged: Vec<String> = flagged.iter().map(word).collect();
        assert_eq!(flagged, ["saga t-3", "saga t-1"]);
        let all = ["saga t-4", "saga t-2", "saga t-1", "saga t-0"];
        assert_eq!(due(&*store, at(9_000), 9).await, all);
        assert_eq!(due(&*store, at(7_000), 1).await, all[..1]);
        let newest = store.sagas(ALL, 2).await.expect("readable").rows;
        let ids: Vec<&str> = newest.iter().map(|row| row.body.id.as_str()).collect();
        assert_eq!(ids, ["t-4", "t-3"]);
        let older = store
            .sagas(newest[1].created, 9)
            .await
            .expect("readable")
            .rows;
        assert_eq!(older.len(), 3);
        assert_eq!(
            older[2].body,
            row(&*store, "t-0").await.expect("it is there").body
        );
    }
}
