//! Orders, refunds and whose they are.

use crate::shop::{Ask, Shop, order};
use serde_json::{Value, json};

fn changed(name: &str, value: Value) -> String {
    let mut body = order("o-9", 1);
    body["customer"] = json!("c-1");
    body[name] = value;
    body.to_string()
}

#[test]
fn an_order_that_does_not_fit_is_refused_before_anything_is_held() {
    let shop = Shop::without_bank(5);
    let money = |amount: Value, currency: &str| json!({"amount": amount, "currency": currency});
    let line = |sku: &str, quantity: Value| json!([{"sku": sku, "quantity": quantity}]);
    for (name, value, status, code) in [
        ("id", json!("a b"), 422, "bad_id"),
        ("id", json!("x".repeat(129)), 422, "bad_id"),
        ("customer", json!("a@b.example"), 422, "bad_id"),
        ("lines", line("lamp", json!(0)), 422, "schema"),
        ("lines", line("lamp", json!(-1)), 422, "schema"),
        ("lines", line("lamp", json!(1.5)), 422, "schema"),
        ("lines", line("lamp", json!("1")), 422, "schema"),
        ("lines", line("none", json!(1)), 404, "sku_unknown"),
        ("lines", line("lamp", json!(6)), 409, "stock.sold_out"),
        (
            "lines",
            json!([{"sku": "lamp", "quantity": 3}, {"sku": "lamp", "quantity": 3}]),
            409,
            "stock.sold_out",
        ),
        (
            "lines",
            json!([{"sku": "lamp", "quantity": 1, "price": 1}]),
            422,
            "unknown_member",
        ),
        ("status", json!("PAID"), 422, "unknown_member"),
        ("total", json!(1), 422, "unknown_member"),
        ("user_id", json!("c-2"), 422, "unknown_member"),
        ("version", json!(7), 422, "unknown_member"),
        (
            "expected_total",
            money(json!(1998), "EUR"),
            409,
            "price_changed",
        ),
        ("expected_total", money(json!(1999), "USD"), 422, "schema"),
        ("expected_total", money(json!(1999), "EURO"), 422, "schema"),
        ("expected_total", money(json!(10.001), "EUR"), 422, "schema"),
        ("expected_total", money(json!(-1), "EUR"), 422, "schema"),
        (
            "adjustments",
            json!([{"kind": "discount", "amount": -2000}]),
            422,
            "schema",
        ),
        (
            "adjustments",
            json!([{"kind": "discount", "amount": 1.5}]),
            422,
            "schema",
        ),
        ("payment", json!({"method": "card"}), 422, "schema"),
        ("payment", json!(null), 422, "schema"),
        ("address", json!([]), 422, "schema"),
        (
            "address",
            json!({"street": "x".repeat(9000)}),
            422,
            "schema",
        ),
        ("hold", json!("no-such-hold"), 404, "not_found"),
    ] {
        // A final refusal is written with its key; the head's position stays.
        shop.refuses(
            &Ask::post("/v1/orders", &shop.shop, &changed(name, value)),
            status,
            code,
        );
    }
}

#[test]
fn a_changed_price_is_told_and_a_buyer_says_neither_customer_nor_adjustments() {
    let shop = Shop::without_bank(5);
    let money = |amount: Value, currency: &str| json!({"amount": amount, "currency": currency});
    let refused = shop.refuses(
        &Ask::post(
            "/v1/orders",
            &shop.shop,
            &changed("expected_total", money(json!(1), "EUR")),
        ),
        409,
        "price_changed",
    );
    assert_eq!(refused.json()["total"], money(json!(1999), "EUR"));
    for (name, value) in [
        ("customer", json!("c-1")),
        ("adjustments", json!([{"kind": "tax", "amount": 1}])),
    ] {
        let mut body = order("o-9", 1);
        body[name] = value;
        let ask = Ask::post("/v1/orders", &shop.buyer, &body.to_string());
        shop.refuses(&ask, 403, "forbidden");
    }
    let keyless = Ask::post("/v1/orders", &shop.buyer, &order("o-9", 1).to_string());
    shop.refuses(&keyless.with("idempotency-key", "none"), 400, "key_missing");
}

#[test]
fn another_users_order_is_not_there_to_read_or_cancel() {
    let shop = Shop::without_bank(5);
    shop.order("o-1", 1, "PENDING");
    for path in [
        "/v1/orders/o-1",
        "/v1/payments/o-1",
        "/v1/shipments/o-1",
        "/v1/orders/o-1/events",
        "/v1/orders/no-such",
        "/v1/orders/%20",
    ] {
        shop.refuses(&Ask::get(path, &shop.other_buyer), 404, "not_found");
    }
    let cancel = Ask::post("/v1/orders/o-1/cancel", &shop.other_buyer, "{}");
    shop.refuses(&cancel, 404, "not_found");
    shop.refuses(&cancel.with("if-match", "\"1\""), 404, "not_found");
    let refund = "{\"reason\":\"mine\"}";
    for secret in [&shop.buyer, &shop.other_buyer, &shop.auditor, &shop.staff] {
        let ask = Ask::post("/v1/orders/o-1/refunds", secret, refund);
        shop.refuses(&ask, 403, "forbidden");
    }
    for path in [
        "/v1/sagas",
        "/v1/reviews",
        "/v1/findings",
        "/v1/sagas/order:o-1",
    ] {
        shop.refuses(&Ask::get(path, &shop.buyer), 403, "forbidden");
    }
    let named = Ask::get("/v1/orders?customer=c-1", &shop.other_buyer);
    shop.refuses(&named, 403, "forbidden");
    for query in ["limit=0", "limit=201", "status=paid", "from=now"] {
        shop.refuses(
            &Ask::get(&format!("/v1/orders?{query}"), &shop.buyer),
            422,
            "schema",
        );
    }
    shop.refuses(
        &Ask::get("/v1/orders?cursor=1.0.00000000", &shop.buyer),
        400,
        "bad_cursor",
    );
}

#[test]
fn what_an_order_cannot_become_says_from_where_to_where() {
    let shop = Shop::without_bank(5);
    shop.order("o-1", 1, "PENDING");
    let refund = Ask::post(
        "/v1/orders/o-1/refunds",
        &shop.shop,
        "{\"reason\":\"early\"}",
    );
    let early = shop
        .refuses(&refund, 409, "order.illegal_transition")
        .json();
    assert_eq!(
        (&early["from"], &early["to"]),
        (&json!("PENDING"), &json!("REFUNDED"))
    );
    let back = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\"restock\":true}";
    let back = Ask::post("/v1/orders/o-1/returns", &shop.staff, back);
    shop.refuses(&back, 409, "order.illegal_transition");
    let cancel = Ask::post("/v1/orders/o-1/cancel", &shop.buyer, "{}");
    shop.refuses(&cancel.clone().with("if-match", "\"7\""), 412, "version");
    shop.refuses(&cancel.with("if-match", "seven"), 422, "schema");
    let retry = Ask::post(
        "/v1/sagas/order:o-1/retry",
        shop.admin(),
        "{\"reason\":\"why not\"}",
    );
    shop.refuses(&retry, 409, "order.illegal_transition");
    for path in [
        "/v1/sagas/o-1",
        "/v1/sagas/cart:o-1",
        "/v1/sagas/cancel:o-1",
        "/v1/reviews/o-1",
    ] {
        shop.refuses(&Ask::get(path, shop.admin()), 404, "not_found");
    }
    let shop = Shop::with_sandbox(5);
    shop.order("o-2", 1, "DELIVERED");
    shop.has_heard(4);
    let cancel = Ask::post("/v1/orders/o-2/cancel", &shop.buyer, "{}");
    let late = shop
        .refuses(&cancel, 409, "order.illegal_transition")
        .json();
    assert_eq!(
        (&late["from"], &late["to"]),
        (&json!("DELIVERED"), &json!("CANCELLED"))
    );
}

#[test]
fn refunds_are_positive_and_never_more_than_was_captured() {
    let shop = Shop::with_sandbox(5);
    shop.order("o-1", 2, "DELIVERED");
    shop.has_heard(4);
    let path = "/v1/orders/o-1/refunds";
    let body = |amount: Value, currency: &str| {
        json!({"amount": {"amount": amount, "currency": currency}, "reason": "late"}).to_string()
    };
    for (amount, currency) in [
        (json!(0), "EUR"),
        (json!(-5), "EUR"),
        (json!(1.5), "EUR"),
        (json!("5"), "EUR"),
        (json!(5), "USD"),
        (json!(5), "eur"),
    ] {
        let ask = Ask::post(path, &shop.shop, &body(amount, currency));
        shop.refuses(&ask, 422, "schema");
    }
    let ask = Ask::post(
        path,
        &shop.shop,
        "{\"amount\":{\"amount\":1,\"currency\":\"EUR\"}}",
    );
    shop.refuses(&ask, 422, "schema");
    let ask = Ask::post(path, &shop.shop, &body(json!(3999), "EUR"));
    shop.refuses(&ask, 409, "exceeds_refundable");
    let both: Vec<u16> = std::thread::scope(|scope| {
        let refund = || {
            shop.send(&Ask::post(path, &shop.shop, &body(json!(2000), "EUR")))
                .status
        };
        let both = [scope.spawn(refund), scope.spawn(refund)];
        both.into_iter()
            .map(|one| one.join().expect("an answer"))
            .collect()
    });
    let mut both = both;
    both.sort_unstable();
    assert_eq!(both, [201, 409], "two that together exceed");
}
