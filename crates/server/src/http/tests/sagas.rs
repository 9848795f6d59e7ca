//! Sagas over anybody's services by HTTP: begun, looked at, listed, and a person's word on one.

use super::documents::check;
use super::harness::{Ask, Reply, Server};
use crate::http::Door;
use async_trait::async_trait;
use evenkeel_engine::gateway::{Call, Gateway, Reply as Said};
use evenkeel_rules::token::Role;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Services that say yes at once, but to the keys that they refuse; and what they were sent.
#[derive(Default)]
struct Services {
    refused: Mutex<BTreeSet<&'static str>>,
    calls: Mutex<Vec<[String; 3]>>,
}

#[async_trait]
impl Gateway for Services {
    async fn call(&self, call: &Call, _timeout: Duration) -> Said {
        let Call::Step { key, url, body } = call else {
            return Said::Unknown;
        };
        let called = [key.clone(), url.clone(), body.clone()];
        self.calls.lock().push(called);
        if self.refused.lock().contains(key.as_str()) {
            return Said::Refused { code: None };
        }
        Said::Done
    }
}

async fn server() -> (Server, Arc<Services>) {
    let services = Arc::new(Services::default());
    let gateway = Some(Arc::clone(&services) as _);
    (Server::open(Door::Main, false, gateway).await, services)
}

/// A trip of three steps, of which the last comes after the pivot.
fn trip(id: &str) -> Value {
    json!({
        "id": id,
        "steps": [
            {"name": "flight", "url": "http://127.0.0.1:9000/flights",
             "undo_url": "http://127.0.0.1:9000/flights/cancel", "body": {"seat": "12A"}},
            {"name": "pay", "url": "http://pay.example/charges", "nature": "pivot"},
            {"name": "mail", "url": "https://mail.example:8443/send", "nature": "retriable",
             "timeout_ms": 500},
        ],
    })
}

/// A trip whose steps this build can call: without https.
fn plain(id: &str) -> Value {
    let mut trip = trip(id);
    trip["steps"][2]["url"] = json!("http://mail.example/send");
    trip
}

async fn begin(server: &Server, body: &Value) -> Reply {
    server
        .post(Role::Shop, "/v1/sagas", &body.to_string())
        .await
}

async fn until(server: &Server, id: &str, state: &str) -> Value {
    let path = format!("/v1/sagas/{id}");
    server.until(&path, |saga| saga["state"] == state).await
}

fn states(saga: &Value) -> Vec<&str> {
    let steps = saga["steps"].as_array().expect("steps");
    let state = |step: &'_ Value| step["state"].as_str().map(str::len);
    assert!(steps.iter().all(|step| state(step).is_some()));
    steps
        .iter()
        .filter_map(|step| step["state"].as_str())
        .collect()
}

#[tokio::test]
async fn a_saga_is_begun_runs_to_its_end_and_its_first_answer_replays() {
    let (server, services) = server().await;
    let document = crate::http::openapi_document();
    let body = plain("trip-7").to_string();
    let ask = Ask::new("POST", "/v1/sagas")
        .role(Role::Shop)
        .key("k-1")
        .body(&body);
    let begun = server.send(&ask).await;
    check(&document, ("POST", "/v1/sagas"), &begun);
    assert_eq!(begun.status, 201, "{begun:?}");
    let saga = begun.json();
    assert_eq!(
        (&saga["id"], &saga["name"]),
        (&"trip-7".into(), &"services".into())
    );
    assert_eq!(
        (&saga["order"], &saga["step"]),
        (&Value::Null, &"flight".into())
    );
    assert_eq!(states(&saga), ["intended", "waiting", "waiting"]);
    assert_eq!(saga["steps"][2]["timeout_ms"], 500);
    assert!(saga["steps"][1].get("undo_url").is_none());
    assert!(
        !begun.json().to_string().contains("12A"),
        "a body is never shown"
    );

    let done = until(&server, "trip-7", "completed").await;
    assert_eq!(states(&done), ["done", "done", "done"]);
    assert_eq!(
        (&done["step"], &done["next_due"]),
        (&Value::Null, &Value::Null)
    );
    let calls = services.calls.lock().clone();
    let flight = [
        "trip-7/flight",
        "http://127.0.0.1:9000/flights",
        "{\"seat\":\"12A\"}",
    ];
    assert_eq!(calls[0], flight);
    assert_eq!(calls[1], ["trip-7/pay", "http://pay.example/charges", "{}"]);

    let again = server.send(&ask).await;
    assert_eq!((again.status, again.json()), (201, saga), "as it was then");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let taken = begin(&server, &plain("trip-7")).await;
    assert_eq!(
        (taken.status, taken.problem().as_str()),
        (409, "already_exists")
    );
    let mut nameless = plain("x");
    nameless.as_object_mut().expect("an object").remove("id");
    let made = begin(&server, &nameless).await.json();
    assert_eq!(made["id"].as_str().map(str::len), Some(32));
    for path in ["/v1/explain/saga/trip-7", "/v1/sagas/trip-7"] {
        let told = server.get(Role::Auditor, path).await;
        assert_eq!(
            (told.status, &told.json()["state"]),
            (200, &"completed".into())
        );
    }
}

/// A trip with one thing changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut trip = plain("trip-7");
    match trip.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            trip.pointer_mut(parent).expect("it is there")[name] = value;
        }
    }
    trip
}

/// Trips that are wrong in one thing, and what is said of it: pointer and code.
fn mistakes() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (with("/id", json!("order:o-1")), "/id", "bad_id"),
        (with("/id", json!("refund:x")), "/id", "bad_id"),
        (with("/id", json!("a b")), "/id", "bad_id"),
        (with("/steps", json!([])), "/steps", "min"),
        (with("/steps", json!(vec![json!({}); 33])), "/steps", "max"),
        (
            with("/steps/1/name", json!("flight")),
            "/steps/1/name",
            "duplicate",
        ),
        (
            with("/steps/0/name", json!("x".repeat(65))),
            "/steps/0/name",
            "bad_id",
        ),
        (
            with("/steps/2/nature", json!("pivot")),
            "/steps/2/nature",
            "order",
        ),
        (
            with("/steps/0/nature", json!("retriable")),
            "/steps/1/nature",
            "order",
        ),
        (
            with("/steps/0/nature", json!("reversible")),
            "/steps/0/nature",
            "enum",
        ),
        (
            with("/steps/0/timeout_ms", json!(99)),
            "/steps/0/timeout_ms",
            "min",
        ),
        (
            with("/steps/0/timeout_ms", json!(60_001)),
            "/steps/0/timeout_ms",
            "max",
        ),
        (
            with("/give_up_after_ms", json!(999)),
            "/give_up_after_ms",
            "min",
        ),
    ]
}

/// The same for where steps go to.
fn wrong_urls() -> Vec<(Value, &'static str, &'static str)> {
    let url = "/steps/0/url";
    let mut without = plain("trip-7");
    without["steps"][0]
        .as_object_mut()
        .expect("an object")
        .remove("url");
    vec![
        (without, url, "required"),
        (with(url, json!(7)), url, "type"),
        (with(url, json!("ftp://x.example/")), url, "url"),
        (with(url, json!("/flights")), url, "url"),
        (with(url, json!("http://u:p@x.example/")), url, "url"),
        (
            with(url, json!("http://169.254.169.254/latest")),
            url,
            "blocked",
        ),
        (with(url, json!("http://127.0.0.1:9001/")), url, "blocked"),
        (with(url, json!("http://localhost/")), url, "blocked"),
        (
            with("/steps/0/undo_url", json!("http://[::1]/")),
            "/steps/0/undo_url",
            "blocked",
        ),
        (
            with("/steps/0/headers", json!({})),
            "/steps/0/headers",
            "unknown_member",
        ),
    ]
}

#[tokio::test]
async fn each_mistake_of_a_saga_is_named_where_it_stands_and_nothing_is_called() {
    let (server, services) = server().await;
    let head = server.head().await;
    for (body, pointer, code) in mistakes().into_iter().chain(wrong_urls()) {
        let refused = begin(&server, &body).await;
        assert_eq!(refused.status, 422, "{pointer} {code}: {refused:?}");
        let problem = refused.json();
        let named = problem["violations"].as_array().is_some_and(|all| {
            all.iter()
                .any(|one| one["pointer"] == pointer && one["code"] == code)
        });
        assert!(named, "{pointer} {code}: {problem}");
    }
    let mut large = plain("trip-7");
    large["steps"][0]["body"] = json!("x".repeat(64 * 1024));
    let refused = begin(&server, &large).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (413, "too_large")
    );
    assert_eq!(server.head().await, head, "nothing was written");
    assert_eq!(services.calls.lock().len(), 0);
}

#[tokio::test]
async fn a_stuck_saga_is_a_finding_and_a_person_lets_it_try_on() {
    let (server, services) = server().await;
    let document = crate::http::openapi_document();
    services.refused.lock().insert("trip-7/mail");
    begin(&server, &plain("trip-7")).await;
    let stuck = until(&server, "trip-7", "stuck").await;
    assert_eq!(states(&stuck), ["done", "done", "stuck"]);
    let findings = server.get(Role::Operator, "/v1/findings").await;
    check(&document, ("GET", "/v1/findings"), &findings);
    let finding = &findings.json()["items"][0];
    let subject = json!({"kind": "saga", "id": "trip-7"});
    assert_eq!(
        (&finding["kind"], &finding["subject"]),
        (&"saga_stuck".into(), &subject)
    );
    let word = async |verb: &str| {
        let path = format!("/v1/sagas/trip-7/{verb}");
        server
            .post(Role::Operator, &path, "{\"reason\":\"rang up\"}")
            .await
    };
    let late = word("compensate").await;
    let said = late.json();
    assert_eq!(
        (late.status, &said["from"], &said["to"]),
        (409, &"stuck".into(), &"compensating".into())
    );
    services.refused.lock().clear();
    let retried = word("retry").await;
    check(&document, ("POST", "/v1/sagas/{id}/retry"), &retried);
    assert_eq!(
        (retried.status, &retried.json()["state"]),
        (200, &"running".into())
    );
    until(&server, "trip-7", "completed").await;
    let none = server.get(Role::Operator, "/v1/findings").await.json();
    assert_eq!(none["items"], json!([]));
    assert_eq!(word("retry").await.status, 409);
}

#[tokio::test]
async fn a_refused_step_undoes_those_before_it_and_what_is_refused_to_undo_waits() {
    let (server, services) = server().await;
    services
        .refused
        .lock()
        .extend(["trip-7/pay", "trip-8/pay", "trip-8/flight/undo"]);
    begin(&server, &plain("trip-7")).await;
    let end = until(&server, "trip-7", "compensated").await;
    assert_eq!(states(&end), ["undone", "dropped", "dropped"]);
    let undone = services.calls.lock().last().cloned();
    let undo_url = "http://127.0.0.1:9000/flights/cancel";
    let sent = ["trip-7/flight/undo", undo_url, "{\"seat\":\"12A\"}"];
    assert_eq!(
        undone.as_ref().map(|it| it.each_ref().map(String::as_str)),
        Some(sent)
    );
    begin(&server, &plain("trip-8")).await;
    let stuck = until(&server, "trip-8", "stuck").await;
    assert_eq!(states(&stuck), ["stuck", "dropped", "waiting"]);
}

#[tokio::test]
async fn sagas_of_orders_and_over_services_are_listed_together_newest_first() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    for number in 1..=3 {
        server.order(&format!("o-{number}"), 1).await;
        begin(&server, &plain(&format!("trip-{number}"))).await;
    }
    let all = [
        "trip-3",
        "order:o-3",
        "trip-2",
        "order:o-2",
        "trip-1",
        "order:o-1",
    ];
    for limit in 1..=7 {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/sagas?limit={limit}{cursor}");
            let page = server.get(Role::Shop, &path).await.json();
            let items = page["items"].as_array().expect("items").clone();
            assert!(items.len() <= limit);
            let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
            ids.extend(items.iter().map(id));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(ids, all, "by {limit}");
    }
    let path = "/v1/sagas?state=compensated";
    let none = server.get(Role::Auditor, path).await.json();
    assert_eq!(none["items"], json!([]));
}
