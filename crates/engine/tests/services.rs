//! Sagas over anybody's services through a running engine: keys, repeats, leases, restarts.

mod asked;

use asked::request;
use async_trait::async_trait;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use evenkeel_engine::port::{Fault, SagaRow};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::{Engine, Options, Ports, Refusal, Request};
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, Step, Told, Turn};
use evenkeel_rules::saga::{Nature, State};
use evenkeel_rules::time::Millis;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Services that answer each key with what is told of it, one answer after the other, and then
/// with yes.
#[derive(Default)]
struct Services {
    answers: Mutex<BTreeMap<String, Vec<Reply>>>,
    calls: Mutex<Vec<(String, String)>>,
}

impl Services {
    fn answering(answers: &[(&str, &[Reply])]) -> Arc<Self> {
        let services = Self::default();
        let all = answers.iter().map(|(key, told)| {
            let told = told.iter().rev().cloned().collect();
            ((*key).to_owned(), told)
        });
        services.answers.lock().extend(all);
        Arc::new(services)
    }

    fn keys(&self) -> Vec<String> {
        let calls = self.calls.lock();
        calls.iter().map(|(key, _)| key.clone()).collect()
    }
}

#[async_trait]
impl Gateway for Services {
    async fn call(&self, call: &Call, _timeout: Duration) -> Reply {
        let Call::Step { key, body, .. } = call else {
            return Reply::Unknown;
        };
        self.calls.lock().push((key.clone(), body.clone()));
        let mut answers = self.answers.lock();
        let told = answers.get_mut(key);
        let next = told.and_then(|told| match told.last() {
            // What was refused stays refused.
            Some(Reply::Refused { code }) => Some(Reply::Refused { code: code.clone() }),
            Some(_) | None => told.pop(),
        });
        next.unwrap_or(Reply::Done)
    }
}

async fn open(store: &MemoryStore, name: &str, gateway: Option<&Arc<Services>>) -> Engine {
    let ports = Ports {
        outlet: None,
        store: Arc::new(store.clone()),
        gate: None,
        gateway: gateway.map(|gateway| Arc::clone(gateway) as _),
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        node: Some(name.to_owned()),
        ..Options::default()
    };
    Engine::start(ports, options).await.expect("it starts")
}

fn begin(id: &str) -> Request {
    let step = |name: &str, nature| Step {
        name: StepName::new(name).expect("an id"),
        url: format!("http://{name}.example/"),
        undo_url: Some(format!("http://{name}.example/undo")),
        nature,
        timeout: Millis(2_000),
    };
    let ask = Box::new(Ask {
        id: SagaId::new(id).expect("an id"),
        steps: vec![
            step("flight", Nature::Compensatable),
            step("hotel", Nature::Compensatable),
            step("pay", Nature::Pivot),
        ],
        give_up_after: GIVE_UP_AFTER,
        bodies: Some("hash".to_owned()),
    });
    let bodies = r#"[{"seat":"12A"},null,[1.50]]"#.to_owned();
    request(Command::StartSaga { ask, bodies }, id)
}

async fn until(engine: &Engine, id: &str, state: State) -> SagaRow {
    let id = SagaId::new(id).expect("an id");
    let asking = async {
        loop {
            let row = engine.store().saga(&id).await.expect("readable").rows;
            match row {
                Some(row) if row.body.run.state == state => return row,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), asking).await;
    found.unwrap_or_else(|_| panic!("{id} does not become {state:?}"))
}

fn refused() -> Reply {
    Reply::Refused { code: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_sent_again_under_its_key_with_its_body() {
    let not_sent = || Reply::NotSent {
        why: "nobody listens".to_owned(),
    };
    let answers: &[Reply] = &[Reply::Unknown, not_sent(), Reply::Unknown];
    let services = Services::answering(&[("trip-7/flight", answers)]);
    let store = MemoryStore::new("main", [7; 16]);
    let engine = open(&store, "a", Some(&services)).await;
    let begun = engine.execute(begin("trip-7")).await.expect("begun");
    let row = until(&engine, "trip-7", State::Completed).await;
    let flight = ["trip-7/flight"; 4];
    assert_eq!(
        services.keys(),
        [&flight[..], &["trip-7/hotel", "trip-7/pay"]].concat()
    );
    let bodies: Vec<String> = services
        .calls
        .lock()
        .iter()
        .map(|it| it.1.clone())
        .collect();
    assert_eq!(bodies[..4], vec!["{\"seat\":\"12A\"}"; 4]);
    assert_eq!(
        bodies[4..],
        ["{}", "[1.50]"],
        "as it came, and nothing for null"
    );
    // Of four calls one fact: that its outcome was not known.
    assert_eq!(row.version, 5);
    let replay = engine.execute(begin("trip-7")).await.expect("replayed");
    assert!(replay.replayed);
    let Effect::Saga(then) = replay.effect else {
        panic!("not a saga");
    };
    assert_eq!(begun.effect, Effect::Saga(then));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_undoes_in_reverse_and_one_behind_an_unknown_outcome_itself_too() {
    let services = Services::answering(&[
        ("trip-7/pay", &[refused()]),
        ("trip-8/hotel", &[Reply::Unknown, refused()]),
        ("trip-8/hotel/undo", &[Reply::Unknown]),
    ]);
    let store = MemoryStore::new("main", [7; 16]);
    let engine = open(&store, "a", Some(&services)).await;
    engine.execute(begin("trip-7")).await.expect("begun");
    until(&engine, "trip-7", State::Compensated).await;
    let undone = ["trip-7/hotel/undo", "trip-7/flight/undo"];
    assert_eq!(services.keys()[3..], undone);
    engine.execute(begin("trip-8")).await.expect("begun");
    until(&engine, "trip-8", State::Compensated).await;
    let undone = [
        "trip-8/hotel/undo",
        "trip-8/hotel/undo",
        "trip-8/flight/undo",
    ];
    assert_eq!(services.keys()[8..], undone);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_nobody_called_goes_on_with_whoever_comes_next() {
    let store = MemoryStore::new("main", [7; 16]);
    let silent = open(&store, "a", None).await;
    silent.execute(begin("trip-7")).await.expect("begun");
    silent.stop().await;
    let services = Services::answering(&[]);
    let engine = open(&store, "a", Some(&services)).await;
    until(&engine, "trip-7", State::Completed).await;
    let first = services.calls.lock()[0].clone();
    assert_eq!(first.1, "{\"seat\":\"12A\"}", "its bodies were kept");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_of_a_step_under_another_token_than_the_owners_is_fenced() {
    let services = Services::answering(&[("trip-7/flight", &[refused()])]);
    let store = MemoryStore::new("main", [7; 16]);
    let [one, other] = [
        open(&store, "a", Some(&services)).await,
        open(&store, "b", Some(&services)).await,
    ];
    one.execute(begin("trip-7")).await.expect("begun");
    let row = until(&other, "trip-7", State::Compensated).await;
    for lease in [0, 77] {
        let report = Command::ReportStep {
            id: row.body.id.clone(),
            turn: Turn {
                step: 0,
                undo: false,
            },
            told: Told::Done,
            seen: row.version,
            random: 0,
            lease: Some(lease),
        };
        let refused = one.execute(request(report, "report")).await;
        assert_eq!(
            refused,
            Err(Refusal::Failed(Fault::Fenced)),
            "token {lease}"
        );
    }
    one.stop().await;
    other.stop().await;
}
