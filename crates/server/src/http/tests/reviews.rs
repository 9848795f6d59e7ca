//! What waits for a person: reviews, stuck sagas, findings.

use super::documents::check;
use super::harness::{Ask, Server};
use crate::http::Door;
use async_trait::async_trait;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use evenkeel_rules::token::Role;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Providers that say yes at once, but for deliveries while they are refused.
struct Refusing {
    inner: InstantGateway,
    refuses: AtomicBool,
}

#[async_trait]
impl Gateway for Refusing {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        if matches!(call, Call::Deliver { .. }) && self.refuses.load(Ordering::SeqCst) {
            return Reply::Refused { code: None };
        }
        self.inner.call(call, timeout).await
    }
}

async fn server() -> (Server, Arc<Refusing>) {
    let gateway = Arc::new(Refusing {
        inner: InstantGateway::new(),
        refuses: AtomicBool::new(true),
    });
    let server = Server::open(Door::Main, false, Some(Arc::clone(&gateway) as _)).await;
    server.stock("lamp", 9).await;
    (server, gateway)
}

async fn until_stuck(server: &Server, id: &str) {
    server.order(id, 1).await;
    let path = format!("/v1/sagas/order:{id}");
    server.until(&path, |saga| saga["state"] == "stuck").await;
}

async fn everybody_sees_that_it_is_stuck(server: &Server) {
    let document = crate::http::openapi_document();
    let saga = server
        .get(Role::Auditor, "/v1/sagas/order:o-1")
        .await
        .json();
    assert_eq!(
        (&saga["step"], &saga["next_due"]),
        (&"deliver".into(), &json!(null))
    );
    let states: Vec<_> = saga["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| {
            (
                step["name"].as_str().expect("a name"),
                step["state"].as_str().expect("one"),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("begin", "done"),
            ("charge", "done"),
            ("confirm", "done"),
            ("deliver", "stuck"),
            ("complete", "waiting")
        ]
    );
    let findings = server.get(Role::Operator, "/v1/findings").await;
    check(&document, ("GET", "/v1/findings"), &findings);
    let finding = &findings.json()["items"][0];
    assert_eq!(
        (&finding["kind"], &finding["subject"]),
        (
            &"saga_stuck".into(),
            &json!({"kind": "saga", "id": "order:o-1"})
        )
    );
    let reviews = server.get(Role::Staff, "/v1/reviews").await;
    check(&document, ("GET", "/v1/reviews"), &reviews);
    let review = &reviews.json()["items"][0];
    assert_eq!(
        (&review["id"], &review["state"], &review["reason"]),
        (&"o-1".into(), &"open".into(), &"delivery.stuck".into())
    );
    assert_eq!(review["actions"], json!(["approve", "reject"]));
    assert_eq!(review["evidence"]["stuck"], json!(["order:o-1"]));
    let status = server.get(Role::Operator, "/v1/status").await.json();
    assert_eq!(status["reviews_open"], 1);
}

#[tokio::test]
async fn a_stuck_saga_is_a_finding_and_a_review_and_an_operator_lets_it_try_on() {
    let (server, gateway) = server().await;
    let document = crate::http::openapi_document();
    until_stuck(&server, "o-1").await;
    everybody_sees_that_it_is_stuck(&server).await;

    gateway.refuses.store(false, Ordering::SeqCst);
    let ask = Ask::new("POST", "/v1/sagas/order:o-1/retry")
        .role(Role::Operator)
        .key("k");
    let ask = ask.body("{\"reason\":\"the courier is back\"}");
    let retried = server.send(&ask).await;
    check(&document, ("POST", "/v1/sagas/{id}/retry"), &retried);
    assert_eq!(
        (retried.status, &retried.json()["state"]),
        (200, &"running".into())
    );
    server
        .order_until("o-1", |order| order["shipment"]["status"] == "INITIATED")
        .await;
    let again = server.send(&ask).await;
    assert_eq!(
        (again.status, again.json()),
        (200, retried.json()),
        "as it was then"
    );
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    for path in ["/v1/findings", "/v1/reviews"] {
        assert_eq!(
            server.get(Role::Operator, path).await.json()["items"],
            json!([]),
            "{path}"
        );
    }
    let late = server.post(
        Role::Operator,
        "/v1/sagas/order:o-1/compensate",
        "{\"reason\":\"x\"}",
    );
    let late = late.await;
    assert_eq!(
        (late.status, late.problem().as_str()),
        (409, "order.illegal_transition")
    );
}

#[tokio::test]
async fn a_review_that_is_rejected_ends_the_order_and_its_money_goes_back() {
    let (server, _) = server().await;
    let document = crate::http::openapi_document();
    until_stuck(&server, "o-1").await;
    let path = "/v1/reviews/o-1/reject";
    let unsaid = server.post(Role::Staff, path, "{}").await;
    assert_eq!(
        (unsaid.status, unsaid.problem().as_str()),
        (422, "schema"),
        "a reason is needed"
    );
    let rejected = server
        .post(Role::Staff, path, "{\"reason\":\"no courier goes there\"}")
        .await;
    check(&document, ("POST", "/v1/reviews/{id}/reject"), &rejected);
    assert_eq!(
        (rejected.status, &rejected.json()["state"]),
        (200, &"rejected".into())
    );
    assert_eq!(rejected.json()["actions"], json!([]));
    let order = server
        .order_until("o-1", |order| order["status"] == "CANCELLED")
        .await;
    assert_eq!(order["payment"]["refunded"]["amount"], 1999);
    let again = server
        .post(Role::Staff, path, "{\"reason\":\"again\"}")
        .await;
    assert_eq!((again.status, again.problem().as_str()), (404, "not_found"));
    for role in [Role::Buyer, Role::Shop] {
        assert_eq!(server.get(role, "/v1/reviews").await.status, 403);
    }
}
