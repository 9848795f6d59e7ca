//! Subscriptions that nobody may have, and what nobody parked.

use crate::shop::{Ask, Shop};
use serde_json::{Value, json};

fn fine() -> Value {
    json!({"url": "http://example.com/hook", "types": ["order.*"]})
}

fn with(member: &str, value: Value) -> String {
    let mut body = fine();
    body[member] = value;
    body.to_string()
}

#[test]
fn a_subscription_that_leads_nowhere_it_may_is_refused() {
    let shop = Shop::open(1);
    let post = |body: &str| Ask::post("/v1/subscriptions", shop.admin(), body);
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.1:7411/v1/tokens",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://10.1.2.3/",
        "http://0x7f.1/",
        "http://2130706433/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "http://user:secret@example.com/",
        "example.com/hook",
        "",
        "http://",
    ] {
        shop.refuses(&post(&with("url", json!(url))), 422, "schema");
    }
    let long = format!("http://example.com/{}", "a".repeat(2_100));
    shop.refuses(&post(&with("url", json!(long))), 422, "schema");
    for types in [
        json!([]),
        json!(["token.*"]),
        json!(["order"]),
        json!(["order.vanished"]),
        json!([1]),
        json!("order.*"),
        json!(vec!["order.*"; 21]),
        Value::Null,
    ] {
        shop.refuses(&post(&with("types", types)), 422, "schema");
    }
    for secret in ["", "secret", "whsec_", "whsec_AAAA", "whsec_***"] {
        shop.refuses(&post(&with("secret", json!(secret))), 422, "schema");
    }
    for from in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("1"),
        json!(1_u64 << 60),
    ] {
        shop.refuses(&post(&with("from", from)), 422, "schema");
    }
    shop.refuses(&post(&with("from", json!(1_000_000))), 422, "schema");
    for id in ["", "a b", "-a", "a/b"] {
        shop.refuses(&post(&with("id", json!(id))), 422, "bad_id");
    }
    shop.refuses(
        &post(&with("state", json!("paused"))),
        422,
        "unknown_member",
    );
    shop.refuses(&post("{\"types\":[\"*\"]}"), 422, "schema");
    shop.refuses(&post("{\"url\":\"http://example.com/\"}"), 422, "schema");
}

#[test]
fn only_operators_subscribe_and_a_secret_is_shown_once() {
    let shop = Shop::open(1);
    let body = fine().to_string();
    for secret in [&shop.buyer, &shop.shop, &shop.staff, &shop.auditor] {
        let ask = Ask::post("/v1/subscriptions", secret, &body);
        shop.refuses(&ask, 403, "forbidden");
    }
    let made = with("id", json!("s-1"));
    let made = shop.accepts(&Ask::post("/v1/subscriptions", shop.admin(), &made));
    let secret = made["secret"].as_str().expect("it is shown");
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert_eq!(
        (&made["state"], &made["id"]),
        (&json!("active"), &json!("s-1"))
    );
    for path in [
        "/v1/subscriptions",
        "/v1/subscriptions/s-1",
        "/v1/log?limit=200",
    ] {
        let text = shop.accepts(&Ask::get(path, &shop.auditor)).to_string();
        assert!(!text.contains(secret) && text.contains("s-1"), "{text}");
    }
    let again = with("id", json!("s-1"));
    let again = Ask::post("/v1/subscriptions", shop.admin(), &again);
    shop.refuses(&again, 409, "already_exists");
    let replay = |body: &str| Ask::post("/v1/subscriptions/s-1/replay", shop.admin(), body);
    for body in ["{}", "{\"from\":0}", "{\"from\":99999}", "{\"from\":\"1\"}"] {
        shop.refuses(&replay(body), 422, "schema");
    }
    shop.accepts(&replay("{\"from\":1}"));
    let rotated = Ask::post("/v1/subscriptions/s-1/rotate", shop.admin(), "{}");
    assert_ne!(shop.accepts(&rotated)["secret"], json!(secret));
    shop.accepts(&Ask::new("DELETE", "/v1/subscriptions/s-1", shop.admin()));
    shop.accepts(&Ask::new("DELETE", "/v1/subscriptions/s-1", shop.admin()));
    shop.refuses(&replay("{\"from\":1}"), 404, "not_found");
    let nobody = Ask::get("/v1/subscriptions/nobody", &shop.auditor);
    shop.refuses(&nobody, 404, "not_found");
}

#[test]
fn what_nobody_parked_is_not_there() {
    let shop = Shop::open(1);
    for id in [
        "1",
        "0",
        "01",
        "-1",
        "99999",
        "18446744073709551615",
        "x",
        "%00",
    ] {
        let show = Ask::get(&format!("/v1/parked/{id}"), &shop.auditor);
        shop.refuses(&show, 404, "not_found");
        for verb in ["retry", "drop"] {
            let path = format!("/v1/parked/{id}/{verb}");
            let ask = Ask::post(&path, shop.admin(), "{\"reason\":\"mended\"}");
            shop.refuses(&ask, 404, "not_found");
        }
    }
    let ask = Ask::post("/v1/parked/1/drop", shop.admin(), "{}");
    shop.refuses(&ask, 422, "schema");
    let none = shop.accepts(&Ask::get("/v1/parked", &shop.auditor));
    assert_eq!(none["items"], json!([]));
}
