//! Carts that must not be begun, filled, looked at or checked out.

use crate::shop::{Ask, Shop};
use serde_json::{Value, json};

const PAY: &str = "{\"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";

fn begin(shop: &Shop, body: &Value) -> Ask {
    Ask::post("/v1/carts", &shop.buyer, &body.to_string())
}

fn line(shop: &Shop, path: &str, body: &str) -> Ask {
    Ask::put(&format!("/v1/carts/{path}"), &shop.buyer, body)
}

fn units(quantity: u64) -> String {
    json!({ "quantity": quantity }).to_string()
}

/// A cart `c-1` of the buyer's with two lamps.
fn filled(shop: &Shop) {
    shop.accepts(&begin(shop, &json!({"id": "c-1"})));
    shop.accepts(&line(shop, "c-1/lines/lamp", &units(2)));
}

#[test]
fn bodies_and_ids_that_are_no_cart_are_refused() {
    let shop = Shop::open(10);
    filled(&shop);
    for (body, code) in [
        (json!({"id": "c".repeat(61)}), "bad_id"),
        (json!({"id": ""}), "bad_id"),
        (json!({"id": "a/b"}), "bad_id"),
        (json!({"id": "c-2\u{202e}"}), "bad_id"),
        (
            json!({"id": "c-2", "state": "checked_out"}),
            "unknown_member",
        ),
        (json!({"id": "c-2", "lines": []}), "unknown_member"),
        (json!([]), "schema"),
    ] {
        shop.refuses(&begin(&shop, &body), 422, code);
    }
    for quantity in [
        "-1",
        "1.5",
        "\"1\"",
        "1e2",
        "true",
        "null",
        "9007199254740992",
    ] {
        let body = format!("{{\"quantity\":{quantity}}}");
        shop.refuses(&line(&shop, "c-1/lines/lamp", &body), 422, "schema");
    }
    for (body, status, code) in [
        ("{}", 422, "schema"),
        ("{\"quantity\":1,\"price\":1}", 422, "unknown_member"),
        ("{\"quantity\":1,\"quantity\":5}", 400, "duplicate_member"),
        ("{\"quantity\":", 400, "malformed_json"),
        ("{\"quantity\":NaN}", 400, "malformed_json"),
    ] {
        shop.refuses(&line(&shop, "c-1/lines/lamp", body), status, code);
    }
    let long = format!("c-1/lines/{}", "s".repeat(61));
    for path in [
        "c-1/lines/-",
        "-/lines/lamp",
        "c-1/lines/a%2Fb",
        "c%0A/lines/lamp",
        &long,
    ] {
        shop.refuses(&line(&shop, path, &units(1)), 422, "bad_id");
    }
    let gone = Ask::new("DELETE", "/v1/carts/c-1/lines/-", &shop.buyer);
    shop.refuses(&gone, 404, "not_found");
    shop.refuses(&Ask::get("/v1/carts/-", &shop.buyer), 404, "not_found");
}

#[test]
fn no_other_key_or_role_begins_a_cart() {
    let shop = Shop::open(10);
    let body = json!({"id": "c-1"});
    let keyless = begin(&shop, &body).with("idempotency-key", "none");
    shop.refuses(&keyless, 400, "key_missing");
    let named = json!({"id": "c-1", "customer": "c-1"}).to_string();
    shop.refuses(
        &Ask::post("/v1/carts", &shop.buyer, &named),
        403,
        "forbidden",
    );
    let nobody = body.to_string();
    shop.refuses(&Ask::post("/v1/carts", &shop.shop, &nobody), 422, "schema");
    let mail = json!({"id": "c-1", "customer": "ann@example.com"}).to_string();
    shop.refuses(&Ask::post("/v1/carts", &shop.shop, &mail), 422, "bad_id");
    for secret in [&shop.staff, &shop.auditor] {
        shop.refuses(&Ask::post("/v1/carts", secret, &named), 403, "forbidden");
    }
    shop.refuses(&Ask::post("/v1/carts", "", &nobody), 401, "unauthenticated");
    let begun = begin(&shop, &body).with("idempotency-key", "cart-1");
    shop.accepts(&begun);
    let other = begin(&shop, &json!({"id": "c-2"})).with("idempotency-key", "cart-1");
    shop.refuses(&other, 422, "key_reused");
    // It has a key of its own: a decision about this intent that can never change, and is kept.
    let again = shop.send(&begin(&shop, &body));
    assert_eq!(
        (again.status, again.json()["code"].as_str()),
        (409, Some("already_exists"))
    );
}

#[test]
fn a_stranger_finds_no_cart() {
    let shop = Shop::open(10);
    filled(&shop);
    let stranger = &shop.other_buyer;
    let one = units(1);
    for ask in [
        Ask::get("/v1/carts/c-1", stranger),
        Ask::put("/v1/carts/c-1/lines/lamp", stranger, &one),
        Ask::new("DELETE", "/v1/carts/c-1/lines/lamp", stranger),
        Ask::post("/v1/carts/c-1/checkout", stranger, PAY),
        Ask::get("/v1/carts/c-9", &shop.buyer),
        Ask::put("/v1/carts/c-9/lines/lamp", &shop.buyer, &one),
        Ask::post("/v1/carts/c-9/checkout", &shop.shop, PAY),
        Ask::post("/v1/holds/cart:c-1:lamp/release", stranger, "{}"),
    ] {
        shop.refuses(&ask, 404, "not_found");
    }
    for secret in [&shop.staff, &shop.auditor] {
        let ask = Ask::put("/v1/carts/c-1/lines/lamp", secret, &one);
        shop.refuses(&ask, 403, "forbidden");
    }
    let seen = shop.accepts(&Ask::get("/v1/carts/c-1", &shop.auditor));
    assert_eq!(seen["lines"][0]["quantity"], 2);
    shop.accepts(&Ask::put("/v1/carts/c-1/lines/lamp", &shop.shop, &one));
}

#[test]
fn a_line_that_cannot_be_held_leaves_the_cart_as_it_was() {
    let shop = Shop::open(10);
    let entry = json!({"name": "Chair", "price": {"amount": 1, "currency": "USD"}});
    shop.list("chair", 200);
    shop.accepts(&Ask::put("/v1/skus/chair", &shop.staff, &entry.to_string()));
    let capped = json!({
        "name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}, "max_per_order": 20,
        "max_per_customer": 9
    });
    filled(&shop);
    let sold_out = shop.refuses(
        &line(&shop, "c-1/lines/lamp", &units(11)),
        409,
        "stock.sold_out",
    );
    assert!(sold_out.json()["as_of"].is_string());
    shop.accepts(&Ask::put("/v1/skus/lamp", &shop.staff, &capped.to_string()));
    for (path, quantity, status, code) in [
        ("c-1/lines/no", 1, 404, "sku_unknown"),
        ("c-1/lines/chair", 1, 422, "schema"),
        ("c-1/lines/lamp", 21, 422, "limit_exceeded"),
        ("c-1/lines/lamp", 10, 409, "limit.customer"),
    ] {
        shop.refuses(&line(&shop, path, &units(quantity)), status, code);
    }
    let stale = line(&shop, "c-1/lines/lamp", &units(1)).with("if-match", "\"1\"");
    shop.refuses(&stale, 412, "version");
    let cart = shop.accepts(&Ask::get("/v1/carts/c-1", &shop.buyer));
    assert_eq!(cart["lines"][0]["quantity"], 2);
    assert_eq!(cart["version"], 2);
}

#[test]
fn a_cart_that_cannot_be_sold_is_not_checked_out() {
    let shop = Shop::without_bank(10);
    shop.accepts(&begin(&shop, &json!({"id": "c-2"})));
    let check_out = |cart: &str, body: &str| {
        Ask::post(&format!("/v1/carts/{cart}/checkout"), &shop.buyer, body)
    };
    shop.refuses(&check_out("c-2", PAY), 422, "schema");
    filled(&shop);
    for (body, status, code) in [
        ("{}", 422, "schema"),
        ("", 400, "malformed_json"),
        (
            "{\"payment\":{\"method\":\"card\",\"token\":\"t\"},\"total\":1}",
            422,
            "unknown_member",
        ),
        (
            "{\"id\":\"a b\",\"payment\":{\"method\":\"card\",\"token\":\"t\"}}",
            422,
            "bad_id",
        ),
    ] {
        shop.refuses(&check_out("c-1", body), status, code);
    }
    // Another price than the cart shows: setting the line again shows the new one.
    let dearer = json!({"name": "Lamp", "price": {"amount": 2999, "currency": "EUR"}});
    shop.accepts(&Ask::put("/v1/skus/lamp", &shop.staff, &dearer.to_string()));
    let refused = shop.send(&check_out("c-1", PAY));
    let code = refused.json()["code"].clone();
    assert_eq!((refused.status, code), (409, json!("price_changed")));
    shop.accepts(&line(&shop, "c-1/lines/lamp", &units(2)));
    // A line whose hold was released by hand is lost until it is set again.
    let release = Ask::post("/v1/holds/cart:c-1:lamp/release", &shop.buyer, "{}");
    shop.accepts(&release);
    let lost = shop.refuses(&check_out("c-1", PAY), 409, "cart.line_lost");
    assert_eq!(lost.json()["retryable"], false);
    shop.accepts(&line(&shop, "c-1/lines/lamp", &units(2)));
    shop.accepts(&check_out("c-1", PAY));
    for ask in [
        check_out("c-1", PAY),
        line(&shop, "c-1/lines/lamp", &units(1)),
        Ask::new("DELETE", "/v1/carts/c-1/lines/lamp", &shop.buyer),
    ] {
        shop.refuses(&ask, 409, "cart.checked_out");
    }
}

#[test]
fn nobody_places_a_hold_under_an_id_that_the_engine_makes() {
    let shop = Shop::open(10);
    for id in ["cart:c-1:lamp", "order:o-1", "late:0"] {
        let body = json!({"id": id, "lines": [{"sku": "lamp", "quantity": 1}]});
        let ask = Ask::post("/v1/holds", &shop.buyer, &body.to_string());
        shop.refuses(&ask, 422, "bad_id");
    }
}
