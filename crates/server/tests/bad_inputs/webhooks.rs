//! Callbacks of providers: the signature first, then everything else.

use crate::shop::{Ask, Reply, SECRET, Shop};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const PATH: &str = "/v1/callbacks/payment/sandbox";

fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    i64::try_from(since.expect("after 1970").as_secs()).expect("before the end of time")
}

/// A signed delivery of an event, as old as this.
fn signed(id: &str, body: &str, ago: i64) -> Ask {
    let at = (now() - ago).to_string();
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("base64");
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(&key).expect("any length");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    Ask::post(PATH, "", body)
        .with("idempotency-key", "none")
        .with("webhook-id", id)
        .with("webhook-timestamp", &at)
        .with("webhook-signature", &signature)
}

fn paid(order: &str, transaction: &str, amount: i64) -> String {
    json!({
        "type": "payment.completed", "order": order, "transaction": transaction,
        "amount": {"amount": amount, "currency": "EUR"}, "occurred_at": "2026-11-21T12:00:00Z",
    })
    .to_string()
}

fn told(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.json()["status"].clone())
}

#[test]
fn what_is_not_signed_is_refused_and_not_stored() {
    let shop = Shop::without_bank(5);
    let body = paid("o-1", "t-1", 1999);
    let good = signed("e-1", &body, 0);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        shop.refuses(&good.clone().without(name), 401, "unauthenticated");
        shop.refuses(&good.clone().with(name, "?"), 401, "unauthenticated");
    }
    let other = format!("v1,{}", STANDARD.encode([7_u8; 32]));
    let wrong = good.clone().with("webhook-signature", &other);
    shop.refuses(&wrong, 401, "unauthenticated");
    shop.refuses(
        &good.clone().with("webhook-id", "e-2"),
        401,
        "unauthenticated",
    );
    let spaced = good.clone().json(body.replacen(':', ": ", 1).as_bytes());
    shop.refuses(&spaced, 401, "unauthenticated");
    shop.refuses(&good.clone().json(b"{"), 401, "unauthenticated");
    shop.refuses(&good.and("webhook-id", b"e-1"), 401, "unauthenticated");
    for ago in [302, -302] {
        shop.refuses(&signed("e-1", &body, ago), 401, "stale");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(1024 * 1024 - 10));
    shop.refuses(&signed("e-1", &large, 0), 413, "too_large");
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(256 * 1024));
    shop.refuses(&signed("e-1", &large, 0), 413, "too_large");
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("[]", 422, "schema"),
        ("{\"order\":\"a\",\"order\":\"b\"}", 400, "duplicate_member"),
        ("{\"type\":\"order.paid\"}", 422, "schema"),
    ] {
        shop.refuses(&signed("e-1", body, 0), status, code);
    }
    let unset = Shop::open(1);
    unset.refuses(&signed("e-1", &body, 0), 401, "unauthenticated");
}

#[test]
fn what_is_signed_is_stored_once_and_believed_only_as_far_as_the_provider_says_it_too() {
    let shop = Shop::with_sandbox(5);
    shop.order("o-1", 1, "DELIVERED");
    shop.order("o-2", 1, "DELIVERED");
    let payment = shop.accepts(&Ask::get("/v1/payments/o-1", &shop.shop));
    let transaction = payment["transactions"][0]["transaction"]
        .as_str()
        .expect("a name");
    let body = paid("o-1", transaction, 1999);
    let first = shop.send(&signed("e-1", &body, 290));
    assert_eq!(told(&first), (200, json!("stored")));
    let captured = |id: &str| {
        let payment = shop.accepts(&Ask::get(&format!("/v1/payments/{id}"), &shop.shop));
        (
            payment["captured"]["amount"].clone(),
            payment["status"].clone(),
        )
    };
    let before = (captured("o-1"), captured("o-2"));
    let again = shop.send(&signed("e-1", &body, 0));
    assert_eq!(told(&again), (200, json!("duplicate")));
    for (id, body) in [
        ("e-1", paid("o-1", transaction, 1998)),
        ("e-2", paid("o-1", transaction, 1998)),
        ("e-3", paid("o-1", transaction, 1999).replace("EUR", "USD")),
        ("e-4", paid("o-2", transaction, 1999)),
    ] {
        let reply = shop.send(&signed(id, &body, 0));
        assert_eq!(told(&reply), (202, json!("quarantined")), "{id} {body}");
    }
    let unknown = shop.send(&signed("e-5", &paid("o-9", "t-9", 1), 0));
    assert_eq!(told(&unknown), (202, json!("parked")));
    assert_eq!(
        (captured("o-1"), captured("o-2")),
        before,
        "no state changes"
    );
    let found = shop.accepts(&Ask::get("/v1/findings", &shop.auditor));
    assert_eq!(
        found["items"].as_array().map(Vec::len),
        Some(4),
        "{found:#}"
    );
    shop.accepts(&Ask::post(
        "/v1/orders",
        &shop.buyer,
        &crate::shop::order("o-3", 1).to_string(),
    ));
    let cancelled = shop.send(&Ask::post("/v1/orders/o-3/cancel", &shop.buyer, "{}"));
    assert!(matches!(cancelled.status, 200 | 202 | 409), "{cancelled:?}");
}

#[test]
fn money_for_an_order_that_has_ended_is_stored_and_waits() {
    let shop = Shop::without_bank(5);
    shop.order("o-1", 1, "PENDING");
    shop.accepts(&Ask::post("/v1/orders/o-1/cancel", &shop.buyer, "{}"));
    let late = shop.send(&signed("e-1", &paid("o-1", "t-1", 1999), 0));
    assert_eq!(told(&late), (202, json!("parked")));
}
