//! A shop that begins sagas over anybody's services, and has some of them undone.

use super::{Who, request};
use crate::client::{Client, Patience};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::port::SagaRow;
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::journey::{Ask, Asked, Step, compensate};
use evenkeel_rules::saga::{Nature, State};
use evenkeel_rules::time::Millis;

/// Begins so many sagas.
pub(crate) async fn travel(mut client: Client, trips: u32) {
    for number in 0..trips {
        client.pause(50, 1_200).await;
        let key = format!("trip-{number}");
        if client.chance(150) {
            turn(&mut client, &key).await;
        }
        let mut ask = wish(&mut client, &key);
        if client.chance(100) {
            // An id that may be in use.
            let other = client.rng.u32(0..=number);
            ask.id = id(&format!("trip-{other}"));
        }
        let bodies = match ask.bodies {
            Some(_) => format!("[{}]", vec!["{\"seats\":2}"; ask.steps.len()].join(",")),
            None => String::new(),
        };
        let command = |ask: Ask| {
            let (ask, bodies) = (Box::new(ask), bodies.clone());
            Command::StartSaga { ask, bodies }
        };
        let mut asked = request(&Who::Shop, Some(&key), command(ask.clone()));
        if client.chance(200) {
            // A made id does not enter the fingerprint.
            let made = asked.request.key.as_ref().map(Key::made_saga_id);
            ask.id = made.expect("the request has a key");
            asked.request.command = command(ask);
        }
        drop(client.settle(&asked, Patience::Takes).await);
    }
}

fn id(text: &str) -> SagaId {
    SagaId::new(text).expect("a well-formed id")
}

/// SHA-256 of the bodies of so many steps.
fn hash(steps: usize) -> String {
    use sha2::{Digest, Sha256};
    let text = format!("[{}]", vec!["{\"seats\":2}"; steps].join(","));
    evenkeel_engine::chain::hex(&Sha256::digest(text))
}

/// One to five steps, in an order that makes sense.
fn wish(client: &mut Client, key: &str) -> Ask {
    let rng = &mut client.rng;
    let first = rng.usize(0..4);
    let pivot = usize::from(rng.u8(0..3) > 0);
    let last = rng.usize(0..3).max(usize::from(first + pivot == 0));
    let natures = std::iter::repeat_n(Nature::Compensatable, first)
        .chain(std::iter::repeat_n(Nature::Pivot, pivot))
        .chain(std::iter::repeat_n(Nature::Retriable, last));
    let step = |(number, nature): (usize, Nature)| Step {
        name: StepName::new(&format!("s-{number}")).expect("a well-formed name"),
        url: format!("http://service.example/{number}"),
        undo_url: (rng.u8(0..5) > 0).then(|| format!("http://service.example/{number}/undo")),
        nature,
        timeout: Millis([300, 2_000, 6_000][rng.usize(0..3)]),
    };
    let steps: Vec<Step> = natures.enumerate().map(step).collect();
    Ask {
        id: id(key),
        give_up_after: Millis([1_000, 4_000, 120_000][rng.usize(0..3)]),
        bodies: rng.bool().then(|| hash(steps.len())),
        steps,
    }
}

/// Has some saga undone, whether or not it can be.
async fn turn(client: &mut Client, key: &str) {
    let rows = client.world.store.edit(|tables| tables.sagas.len());
    if rows == 0 {
        return;
    }
    let nth = client.rng.usize(0..rows);
    let row = client
        .world
        .store
        .edit(|tables| tables.sagas.values().nth(nth).cloned());
    let Some(row) = row else { return };
    let (id, reason) = (
        row.body.id,
        Some("the guest has changed her mind".to_owned()),
    );
    let command = Command::CompensateSaga { id, reason };
    let key = format!("turn-{key}");
    let asked = request(&Who::Staff, Some(&key), command);
    drop(client.settle(&asked, Patience::Takes).await);
}

/// What a person does about sagas that are stuck: has the service lift its refusal, and lets them
/// try on; or has them undone.
pub(super) async fn mend_all(client: &mut Client, key: &str, some: bool) {
    let rows: Vec<SagaRow> = client.world.store.edit(|tables| {
        let all = tables.sagas.values();
        all.filter(|row| row.flagged).cloned().collect()
    });
    for row in rows {
        if some && client.rng.bool() {
            continue;
        }
        mend(client, &row, &format!("{key}-{}", row.created)).await;
    }
}

async fn mend(client: &mut Client, row: &SagaRow, key: &str) {
    let journey = &row.body;
    assert_eq!(journey.run.state, State::Stuck, "only a stuck saga waits");
    let (id, reason) = (journey.id.clone(), Some("looked at".to_owned()));
    let asked = Asked {
        journey: Some(journey),
        version: row.version,
        expected: None,
    };
    let can_turn = compensate(asked, journey.run.since).is_ok();
    let command = if can_turn && client.chance(500) {
        Command::CompensateSaga { id, reason }
    } else {
        let (step, undo) = (journey.run.step, journey.run.back);
        let turn = evenkeel_rules::saga::journey::Turn { step, undo };
        client.world.providers.lift(&journey.key(turn));
        Command::RetrySaga { id, reason }
    };
    let mut asked = request(&Who::Staff, Some(key), command);
    asked.request.expected = Some(row.version);
    drop(client.settle(&asked, Patience::Takes).await);
}
