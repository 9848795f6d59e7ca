//! Callbacks: the signature before anything else, then the body, then the store.

use super::harness::{Ask, Reply, SECRET, Server, ring};
use evenkeel_rules::time::LogTime;
use evenkeel_rules::token::Role;
use serde_json::{Value, json};

const PAYMENT: &str = "/v1/callbacks/payment/sandbox";
pub(super) const DELIVERY: &str = "/v1/callbacks/delivery/sandbox";

/// A delivery of an event: where to, its id, its body, how many seconds ago it was signed.
pub(super) async fn call(server: &Server, (path, id): (&str, &str), body: &str, ago: i64) -> Reply {
    call_as(server, (path, id), (body, body), (SECRET, ago)).await
}

/// The same, signed over another body and under any secret.
async fn call_as(
    server: &Server,
    (path, id): (&str, &str),
    (signed, sent): (&str, &str),
    (secret, ago): (&str, i64),
) -> Reply {
    let now = server.engine.clock().now();
    let at = LogTime::from_micros(now.micros() - ago * 1_000_000);
    let signed = ring(secret).sign(id, at, signed.as_bytes());
    let headers = signed.headers();
    let mut ask = Ask::new("POST", path).key("").body(sent);
    for (name, value) in &headers {
        ask = ask.header(name.as_str(), value);
    }
    server.send(&ask).await
}

fn payment(order: &str, transaction: &str, amount: i64) -> String {
    json!({
        "type": "payment.completed", "order": order, "transaction": transaction,
        "amount": {"amount": amount, "currency": "EUR"}, "occurred_at": "2026-11-21T12:00:00Z",
    })
    .to_string()
}

pub(super) fn delivery(kind: &str, order: &str, delivery: &str) -> String {
    json!({"type": kind, "order": order, "delivery": delivery,
        "occurred_at": "2026-11-21T12:00:00Z"})
    .to_string()
}

fn status(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.json()["status"].clone())
}

#[tokio::test]
async fn a_signed_callback_is_stored_once_and_moves_its_order() {
    let server = Server::trading().await;
    server.stock("lamp", 5).await;
    server.order("o-1", 1).await;
    let order = server.order_until("o-1", |order| order["shipment"]["status"] == "INITIATED");
    let order = order.await;
    let shipment = server.get(Role::Buyer, "/v1/shipments/o-1").await.json();
    let name = shipment["delivery"]
        .as_str()
        .expect("the provider named it");
    assert_eq!(
        (&shipment["order"], &order["status"]),
        (&"o-1".into(), &"CONFIRMED".into())
    );
    let body = delivery("delivery.in_transit", "o-1", name);
    let stored = call(&server, (DELIVERY, "evt-1"), &body, 0).await;
    assert_eq!(status(&stored), (200, json!("stored")), "{stored:?}");
    assert!(stored.header("evenkeel-position").is_some());
    server
        .order_until("o-1", |order| order["status"] == "SHIPPED")
        .await;
    let head = server.head().await;
    let again = call(&server, (DELIVERY, "evt-1"), &body, 10).await;
    assert_eq!(status(&again), (200, json!("duplicate")));
    assert_eq!(server.head().await, head, "zero effect");
    let cancel = server
        .post(Role::Buyer, "/v1/orders/o-1/cancel", "{}")
        .await;
    assert_eq!(
        (cancel.status, cancel.problem().as_str()),
        (409, "order.illegal_transition")
    );
    assert_eq!(
        (&cancel.json()["from"], &cancel.json()["to"]),
        (&"SHIPPED".into(), &"CANCELLED".into())
    );
    let body = delivery("delivery.delivered", "o-1", name);
    assert_eq!(
        call(&server, (DELIVERY, "evt-2"), &body, -290).await.status,
        200
    );
    server
        .order_until("o-1", |order| order["status"] == "DELIVERED")
        .await;
    let back = json!({"lines": [{"sku": "lamp", "quantity": 1}], "restock": false}).to_string();
    let returned = server
        .post(Role::Staff, "/v1/orders/o-1/returns", &back)
        .await;
    assert_eq!(
        (returned.status, &returned.json()["lines"][0]["returned"]),
        (201, &1.into())
    );
    let more = server
        .post(Role::Staff, "/v1/orders/o-1/returns", &back)
        .await;
    assert_eq!(more.json()["violations"][0]["pointer"], "/lines/0/quantity");
}

#[tokio::test]
async fn what_contradicts_the_provider_is_set_aside_and_changes_nothing() {
    let server = Server::trading().await;
    server.stock("lamp", 5).await;
    for id in ["o-1", "o-2"] {
        server.order(id, 1).await;
        server
            .order_until(id, |order| order["shipment"]["status"] == "INITIATED")
            .await;
    }
    let paid = server.get(Role::Shop, "/v1/payments/o-1").await.json();
    let transaction = paid["transactions"][0]["transaction"]
        .as_str()
        .expect("a name");
    let fine = call(
        &server,
        (PAYMENT, "evt-1"),
        &payment("o-1", transaction, 1999),
        0,
    )
    .await;
    assert_eq!(status(&fine), (200, json!("stored")));
    let before: Vec<Value> = [
        server.get(Role::Shop, "/v1/payments/o-1").await.json(),
        server.get(Role::Shop, "/v1/payments/o-2").await.json(),
    ]
    .into();
    let usd = payment("o-1", transaction, 1999).replace("EUR", "USD");
    for (id, body) in [
        // First: from the next one on the provider is being asked, and may explain it.
        ("evt-5", payment("o-1", "t-unheard", 1999)),
        ("evt-1", payment("o-1", transaction, 1998)),
        ("evt-2", payment("o-1", transaction, 1998)),
        ("evt-3", usd),
        ("evt-4", payment("o-2", transaction, 1999)),
    ] {
        let reply = call(&server, (PAYMENT, id), &body, 0).await;
        assert_eq!(status(&reply), (202, json!("quarantined")), "{id} {body}");
    }
    let after: Vec<Value> = [
        server.get(Role::Shop, "/v1/payments/o-1").await.json(),
        server.get(Role::Shop, "/v1/payments/o-2").await.json(),
    ]
    .into();
    for (before, after) in before.iter().zip(&after) {
        // That the provider is asked again is an event of the order's, and nothing else is.
        assert_eq!(before["captured"], after["captured"]);
        assert_eq!(before["transactions"], after["transactions"]);
    }
    let found = server.get(Role::Operator, "/v1/findings").await.json();
    let kinds: Vec<_> = found["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["kind"].as_str().expect("a word"))
        .collect();
    assert_eq!(kinds, ["callback_quarantined"; 5]);
    let parked = call(&server, (PAYMENT, "evt-6"), &payment("o-9", "t-9", 1), 0).await;
    assert_eq!(
        status(&parked),
        (202, json!("parked")),
        "nobody knows its order yet"
    );
    assert_eq!(
        server.get(Role::Operator, "/v1/status").await.json()["parked"],
        5
    );
}

#[tokio::test]
async fn money_for_an_order_that_has_ended_is_parked_for_the_late_payments_flow() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    server.order("o-1", 1).await;
    server
        .post(Role::Buyer, "/v1/orders/o-1/cancel", "{}")
        .await;
    let late = call(&server, (PAYMENT, "evt-1"), &payment("o-1", "t-1", 1999), 0).await;
    assert_eq!(status(&late), (202, json!("parked")));
}

#[tokio::test]
async fn what_is_not_signed_is_neither_parsed_nor_stored() {
    let server = Server::start().await;
    let head = server.head().await;
    let body = payment("o-1", "t-1", 1999);
    let spaced = body.replacen('{', "{ ", 1);
    let whole = "x".repeat(256 * 1024 + 1);
    let unsigned = server
        .send(&Ask::new("POST", PAYMENT).key("").body("{"))
        .await;
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let replies = [
        ("unsigned", unsigned, 401, "unauthenticated"),
        (
            "re-serialised",
            call_as(&server, (PAYMENT, "e"), (&body, &spaced), (SECRET, 0)).await,
            401,
            "unauthenticated",
        ),
        (
            "another secret",
            call_as(&server, (PAYMENT, "e"), (&body, &body), (other, 0)).await,
            401,
            "unauthenticated",
        ),
        (
            "old",
            call(&server, (PAYMENT, "e"), &body, 302).await,
            401,
            "stale",
        ),
        (
            "ahead",
            call(&server, (PAYMENT, "e"), &body, -302).await,
            401,
            "stale",
        ),
        (
            "too large",
            call(&server, (PAYMENT, "e"), &whole, 0).await,
            413,
            "too_large",
        ),
        (
            "malformed",
            call(&server, (PAYMENT, "e"), "{", 0).await,
            400,
            "malformed_json",
        ),
        (
            "another kind",
            call(&server, (DELIVERY, "e"), &body, 0).await,
            422,
            "unknown_member",
        ),
        (
            "a bad provider",
            call(&server, ("/v1/callbacks/payment/-", "e"), &body, 0).await,
            404,
            "not_found",
        ),
    ];
    for (name, reply, status, code) in replies {
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (status, code),
            "{name}"
        );
    }
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn what_is_signed_and_is_no_news_is_not_stored() {
    let server = Server::start().await;
    let head = server.head().await;
    let body = payment("o-1", "t-1", 1999);
    for (member, value) in [
        ("amount", json!({"amount": -1, "currency": "EUR"})),
        ("amount", json!({"amount": 1, "currency": "???"})),
        ("type", json!("payment.refused")),
        ("transaction", json!("a b")),
        ("occurred_at", json!("yesterday")),
        ("order", json!("no such id")),
    ] {
        let mut body: Value = serde_json::from_str(&body).expect("JSON");
        body[member] = value;
        let reply = call(&server, (PAYMENT, "e"), &body.to_string(), 0).await;
        assert_eq!(reply.status, 422, "{member}: {reply:?}");
    }
    assert_eq!(server.head().await, head);
}
