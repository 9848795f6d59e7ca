//! What is refused as it stands: nothing is read with two meanings, nothing is done.

use super::stage::{Stage, euro};
use crate::client::outside;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends bytes and reads what comes until the connection ends.
async fn raw(stage: &Stage, request: &str) -> String {
    let address = stage.url.strip_prefix("http://").expect("its own form");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads on");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let read = outside::within(Duration::from_secs(30), read).await;
    read.expect("it ends").expect("an answer is text");
    answer
}

/// A request with these headers and this body; its status and the problem's code.
async fn refused(stage: &Stage, line: &str, headers: &str, body: &str) -> (String, Value) {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\
         \r\n{body}"
    );
    let answer = raw(stage, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    (head[9..12].to_owned(), problem["code"].clone())
}

const JSON: &str = "content-type: application/json\r\n";
const KEYED: &str = "content-type: application/json\r\nidempotency-key: k\r\n";

#[tokio::test]
async fn a_request_that_is_not_of_the_contract_says_which_way_it_is_not() {
    let stage = Stage::set().await;
    let charge = stage.charge("tok_ok").to_string();
    let twice = charge.replacen('{', "{\"order\":\"o-2\",", 1);
    let more = charge.replacen('{', "{\"amount_cents\":1,", 1);
    let post = "POST /payment/charges";
    for (line, headers, body, status, code) in [
        ("GET /", "", "", "404", "not_found"),
        ("GET /payment/charges/", "", "", "404", "not_found"),
        (
            "DELETE /payment/charges",
            "",
            "",
            "405",
            "method_not_allowed",
        ),
        ("POST /ledger", KEYED, "{}", "405", "method_not_allowed"),
        (post, JSON, charge.as_str(), "400", "key_missing"),
        (post, "idempotency-key: k\r\n", &charge, "415", "media_type"),
        (post, KEYED, "", "400", "malformed_json"),
        (post, KEYED, "[]", "422", "schema"),
        (post, KEYED, "{}", "422", "schema"),
        (post, KEYED, &twice, "400", "duplicate_member"),
        (post, KEYED, &more, "422", "unknown_member"),
        (
            "POST /payment/charges?a=b",
            KEYED,
            &charge,
            "422",
            "unknown_member",
        ),
        ("GET /payment/charges", "", "", "422", "schema"),
        ("GET /payment/charges?key=", "", "", "422", "schema"),
        ("GET /payment/charges?key=a&key=b", "", "", "422", "schema"),
        ("GET /payment/charges?key=a%20b", "", "", "422", "schema"),
        ("PUT /knobs", JSON, "{\"refuse_rate\":2}", "422", "schema"),
        (
            "POST /delivery/deliveries/x/cancel",
            JSON,
            "[]",
            "422",
            "schema",
        ),
        (
            "POST /product/availability",
            JSON,
            "{\"lines\":[]}",
            "422",
            "schema",
        ),
    ] {
        let refusal = refused(&stage, line, headers, body).await;
        assert_eq!(refusal, (status.to_owned(), json!(code)), "{line} {body}");
    }
    assert!(stage.ledger("charges").await.is_empty());
}

#[tokio::test]
async fn members_are_of_their_type_and_within_their_bounds() {
    let stage = Stage::set().await;
    let long = "o".repeat(129);
    for (member, value, code) in [
        ("order", json!(""), "min"),
        ("order", json!(long), "max"),
        ("order", json!(7), "type"),
        ("token", Value::Null, "type"),
        ("amount", json!(1999), "type"),
        (
            "amount/amount",
            json!({"amount": -1, "currency": "EUR"}),
            "min",
        ),
        (
            "amount/amount",
            json!({"amount": 1.5, "currency": "EUR"}),
            "type",
        ),
        (
            "amount/currency",
            json!({"amount": 1, "currency": "EURO"}),
            "currency",
        ),
        ("callback_url", json!("https://127.0.0.1/x"), "url"),
        ("callback_url", json!("file:///etc/passwd"), "url"),
    ] {
        let mut body = stage.charge("tok_ok");
        let top = member.split('/').next().expect("a first part");
        body[top] = value;
        let (status, problem) = stage.post("/payment/charges", "k", &body).await;
        let violation = json!([{"pointer": format!("/{member}"), "code": code}]);
        assert_eq!(
            (status, &problem["violations"]),
            (422, &violation),
            "{body}"
        );
    }
    assert!(stage.ledger("charges").await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_the_connection_ends() {
    let stage = Stage::set().await;
    let body = format!("{{\"order\":\"{}\"}}", "o".repeat(1024 * 1024));
    let refusal = refused(&stage, "POST /payment/charges", KEYED, &body).await;
    assert_eq!(refusal, ("413".to_owned(), json!("too_large")));
}

#[tokio::test]
async fn a_charge_without_a_callback_url_calls_nobody() {
    let mut stage = Stage::set().await;
    let body = json!({"order": "o-1", "amount": euro(1), "token": "tok_ok"});
    assert_eq!(stage.post("/payment/charges", "k", &body).await.0, 200);
    stage.told_nothing().await;
}

#[tokio::test]
async fn the_knobs_are_shown_as_they_stand() {
    let stage = Stage::set().await;
    let (status, shown) = stage.get("/knobs").await;
    let at_rest = json!({
        "latency_ms": 0, "refuse_rate": 0.0, "unknown_rate": 0.0, "duplicate_rate": 0.0,
        "reorder_rate": 0.0, "down": [], "seed": 0,
    });
    assert_eq!((status, &shown), (200, &at_rest));
    let body = json!({"down": ["delivery"], "seed": 9});
    let reply = stage.ask("PUT", "/knobs", "", &body).await;
    let mut turned = at_rest;
    turned["down"] = json!(["delivery"]);
    turned["seed"] = json!(9);
    assert_eq!(
        reply,
        Some((200, turned.clone())),
        "the whole set is answered"
    );
    assert_eq!(stage.get("/knobs").await, (200, turned));
}
