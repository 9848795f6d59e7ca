//! Orders from end to end, by the shapes.

use super::documents::check;
use super::harness::{Ask, Reply, Server, order_of};
use evenkeel_rules::token::Role;
use serde_json::{Value, json};

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.problem())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn violations(reply: &Reply) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = reply.json()["violations"].as_array().cloned();
    let all = all.expect("violations");
    let mut all: Vec<_> = all
        .iter()
        .map(|one| (text(&one["pointer"]), text(&one["code"])))
        .collect();
    all.sort();
    all
}

async fn its_hold_is_confirming(server: &Server) {
    let hold = server.get(Role::Buyer, "/v1/holds/order:o-1").await.json();
    assert_eq!(
        (&hold["state"], &hold["order"]),
        (&"confirming".into(), &"o-1".into())
    );
    assert!(
        hold["next_due"].is_null(),
        "a confirming hold has no deadline"
    );
    let release = server
        .post(Role::Buyer, "/v1/holds/order:o-1/release", "{}")
        .await;
    assert_eq!(code(&release), refused(409, "hold.confirming"));
    assert_eq!(release.json()["retryable"], true);
}

#[tokio::test]
async fn an_order_is_taken_pending_shown_with_all_members_and_replayed_as_it_was() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    let mut body = order_of("o-1", 1);
    body["lines"] = json!([{"sku": "lamp", "quantity": 1}, {"sku": "lamp", "quantity": 1}]);
    body["address"] = json!({"street": "1 Quay", "zip": 12.5, "nested": {"a": [null, true]}});
    body["expected_total"] = json!({"amount": 3998, "currency": "EUR"});
    let text = body.to_string();
    let ask = Ask::new("POST", "/v1/orders").role(Role::Buyer).key("k-1");
    let taken = server.send(&ask.clone().body(&text)).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    let order = taken.json();
    let euro = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let expected = json!({
        "id": "o-1", "customer": "c-1", "status": "PENDING",
        "payment": {"id": "o-1", "status": "PENDING", "captured": euro(0), "refunded": euro(0)},
        "shipment": null,
        "lines": [{"sku": "lamp", "quantity": 2, "price": euro(1999), "location": "main",
            "returned": 0}],
        "adjustments": [], "total": euro(3998), "holds": ["order:o-1"], "saga": "order:o-1",
        "requires_review": false, "cancelling": false,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(order[name], *value, "{name}");
    }
    for name in [
        "version",
        "since",
        "next_due",
        "created_at",
        "updated_at",
        "position",
    ] {
        assert!(!order[name].is_null(), "{name}: {order}");
    }
    assert_eq!(
        (&order["version"], &order["reason"]),
        (&1.into(), &Value::Null)
    );
    assert_eq!(order["updated_at"], order["created_at"]);
    assert_eq!(taken.header("etag"), Some("\"1\""));
    let shown = server.get(Role::Buyer, "/v1/orders/o-1").await;
    assert_eq!(
        (shown.json(), shown.header("etag")),
        (order.clone(), Some("\"1\""))
    );

    its_hold_is_confirming(&server).await;

    let cancelled = server
        .post(Role::Buyer, "/v1/orders/o-1/cancel", "{}")
        .await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["status"]),
        (200, &"CANCELLED".into())
    );
    let again = server.send(&ask.clone().body(&text)).await;
    assert_eq!((again.status, again.json()), (201, order), "as it was then");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        again.header("evenkeel-position"),
        taken.header("evenkeel-position")
    );
    body["lines"] = json!([{"sku": "lamp", "quantity": 1}]);
    let other = server.send(&ask.body(&body.to_string())).await;
    assert_eq!(code(&other), refused(422, "key_reused"));
    let taken = server
        .post(Role::Buyer, "/v1/orders", &order_of("o-1", 1).to_string())
        .await;
    assert_eq!(code(&taken), refused(409, "already_exists"));
}

#[tokio::test]
async fn nothing_of_an_address_or_a_card_leaves_the_private_table() {
    let server = Server::trading().await;
    server.stock("lamp", 5).await;
    let mut body = order_of("o-1", 1);
    body["payment"]["token"] = json!("tok_quite_secret");
    body["address"] = json!({"street": "Quiet Quay 1"});
    let taken = server
        .post(Role::Buyer, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(taken.status, 201);
    server
        .order_until("o-1", |order| order["status"] == "CONFIRMED")
        .await;
    let reason = json!({"reason": "loud neighbour"}).to_string();
    server
        .post(Role::Shop, "/v1/orders/o-1/cancel", &reason)
        .await;
    for path in [
        "/v1/orders/o-1",
        "/v1/log?limit=200",
        "/v1/payments/o-1",
        "/v1/sagas/order:o-1",
    ] {
        let text = String::from_utf8(server.get(Role::Operator, path).await.body).expect("text");
        for secret in ["tok_quite_secret", "Quiet Quay", "loud neighbour"] {
            assert!(!text.contains(secret), "{path} shows {secret}");
        }
    }
    let page = server
        .engine
        .store()
        .private_of(
            &evenkeel_rules::ids::CustomerId::new("c-1").expect("an id"),
            (0, 0),
            9,
        )
        .await;
    let texts = page.expect("readable").rows;
    assert_eq!(texts.len(), 2, "the order's and the reason");
    let erase = Ask::new("DELETE", "/v1/private/c-1").role(Role::Operator);
    let erased = server
        .send(
            &erase
                .clone()
                .body(&json!({"reason": "asked for"}).to_string()),
        )
        .await;
    assert_eq!(
        (erased.status, erased.json()),
        (200, json!({"customer": "c-1", "erased": 2}))
    );
    let again = server
        .send(&erase.body(&json!({"reason": "asked for"}).to_string()))
        .await;
    assert_eq!(again.json(), json!({"customer": "c-1", "erased": 0}));
    let verify = server.get(Role::Auditor, "/v1/verify").await.json();
    assert_eq!(verify["ok"], true, "{verify:#}");
}

#[tokio::test]
async fn a_buyer_orders_for_itself_at_the_price_and_a_shop_may_adjust() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let with = |name: &str, value: Value| {
        let mut body = order_of("o-1", 1);
        body[name] = value;
        body.to_string()
    };
    for body in [
        with("customer", json!("c-1")),
        with("adjustments", json!([{"kind": "discount", "amount": -1}])),
    ] {
        let reply = server.post(Role::Buyer, "/v1/orders", &body).await;
        assert_eq!(code(&reply), refused(403, "forbidden"), "{body}");
    }
    let unnamed = server
        .post(Role::Shop, "/v1/orders", &order_of("o-1", 1).to_string())
        .await;
    assert_eq!(
        violations(&unnamed),
        [("/customer".to_owned(), "required".to_owned())]
    );
    let mut body = order_of("o-1", 1);
    body["customer"] = json!("c-7");
    body["adjustments"] =
        json!([{"kind": "shipping", "amount": 500}, {"kind": "discount", "amount": -499}]);
    body["expected_total"] = json!({"amount": 1999, "currency": "EUR"});
    let changed = server
        .post(Role::Shop, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(code(&changed), refused(409, "price_changed"));
    assert_eq!(
        changed.json()["total"],
        json!({"amount": 2000, "currency": "EUR"})
    );
    body["expected_total"] = json!({"amount": 2000, "currency": "EUR"});
    let taken = server
        .post(Role::Shop, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(taken.json()["adjustments"], body["adjustments"]);
    assert_eq!(taken.json()["customer"], "c-7");
}

/// A member, a value that does not fit, where the mistake is and which one it is.
fn mistakes() -> [(&'static str, Value, &'static str, &'static str); 12] {
    [
        (
            "lines",
            json!([{"sku": "lamp", "quantity": 0}]),
            "/lines/0/quantity",
            "min",
        ),
        (
            "lines",
            json!([{"sku": "lamp", "quantity": 1}, {"sku": "fan", "quantity": 1}]),
            "/lines/1/sku",
            "currency",
        ),
        ("lines", json!([]), "/lines", "min"),
        (
            "payment",
            json!({"method": "a card", "token": "t"}),
            "/payment/method",
            "enum",
        ),
        (
            "payment",
            json!({"method": "card", "token": ""}),
            "/payment/token",
            "min",
        ),
        ("address", json!("1 Quay"), "/address", "type"),
        (
            "address",
            json!({"street": "x".repeat(8200)}),
            "/address",
            "max",
        ),
        (
            "expected_total",
            json!({"amount": 1.5, "currency": "EUR"}),
            "/expected_total/amount",
            "type",
        ),
        (
            "expected_total",
            json!({"amount": 1, "currency": "XXX"}),
            "/expected_total/currency",
            "currency",
        ),
        (
            "expected_total",
            json!({"amount": 1999, "currency": "USD"}),
            "/expected_total/currency",
            "currency",
        ),
        (
            "adjustments",
            json!([{"kind": "tip", "amount": 1}]),
            "/adjustments/0/kind",
            "enum",
        ),
        (
            "adjustments",
            json!([{"kind": "discount", "amount": -2000}]),
            "/adjustments",
            "range",
        ),
    ]
}

#[tokio::test]
async fn every_mistake_in_an_order_is_named_by_its_pointer() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let yen = "{\"name\":\"Fan\",\"price\":{\"amount\":5,\"currency\":\"JPY\"}}";
    assert_eq!(
        server.put(Role::Staff, "/v1/skus/fan", yen).await.status,
        201
    );
    let mut body = order_of("o-1", 1);
    body["customer"] = json!("c-1");
    for (name, value, pointer, what) in mistakes() {
        let mut body = body.clone();
        body[name] = value;
        let reply = server
            .post(Role::Shop, "/v1/orders", &body.to_string())
            .await;
        assert_eq!(reply.status, 422, "{name}: {reply:?}");
        assert_eq!(violations(&reply), [(pointer.to_owned(), what.to_owned())]);
    }
    for name in ["status", "total", "price", "user_id", "version"] {
        let mut body = body.clone();
        body[name] = json!(1);
        let reply = server
            .post(Role::Shop, "/v1/orders", &body.to_string())
            .await;
        assert_eq!(code(&reply), refused(422, "unknown_member"), "{name}");
    }
}

#[tokio::test]
async fn an_order_takes_a_given_hold_with_just_its_lines() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    let hold = server.hold("lamp", 2).await;
    let mut body = order_of("o-1", 1);
    body["hold"] = json!(hold);
    let differ = server
        .post(Role::Buyer, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(
        violations(&differ),
        [("/lines".to_owned(), "hold".to_owned())]
    );
    let ask = Ask::new("POST", "/v1/orders").secret("ek_other");
    let theirs = server.send(&ask.body(&body.to_string())).await;
    assert_eq!(code(&theirs), refused(404, "not_found"), "another's hold");
    body["lines"][0]["quantity"] = json!(2);
    let taken = server
        .post(Role::Buyer, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(
        (taken.status, &taken.json()["holds"]),
        (201, &json!([hold])),
        "{taken:?}"
    );
    body["id"] = json!("o-2");
    let twice = server
        .post(Role::Buyer, "/v1/orders", &body.to_string())
        .await;
    assert_eq!(code(&twice), refused(409, "hold.confirming"));
}

#[tokio::test]
async fn anothers_order_is_not_there() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    server.order("o-1", 1).await;
    let head = server.head().await;
    for ask in [
        Ask::new("GET", "/v1/orders/o-1"),
        Ask::new("GET", "/v1/payments/o-1"),
        Ask::new("GET", "/v1/shipments/o-1"),
        Ask::new("POST", "/v1/orders/o-1/cancel").body("{}"),
        Ask::new("POST", "/v1/orders/o-1/cancel")
            .body("{}")
            .header("if-match", "\"9\""),
        Ask::new("POST", "/v1/orders/none/cancel").body("{}"),
    ] {
        let reply = server.send(&ask.secret("ek_other")).await;
        assert_eq!(code(&reply), refused(404, "not_found"));
    }
    for path in ["/v1/orders", "/v1/payments", "/v1/shipments"] {
        let listed = server.send(&Ask::new("GET", path).secret("ek_other")).await;
        assert_eq!(listed.json()["items"], json!([]), "{path}");
        let named = server
            .get(Role::Buyer, &format!("{path}?customer=c-2"))
            .await;
        assert_eq!(code(&named), refused(403, "forbidden"));
    }
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn a_shops_cancel_of_an_unknown_order_closes_its_id_and_shows_nothing() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    let head = server.head().await;
    for _ in 0..2 {
        let cancel = server.post(Role::Shop, "/v1/orders/o-1/cancel", "{}").await;
        assert_eq!(code(&cancel), refused(404, "not_found"));
        assert_eq!(server.head().await, head + 1, "the id is closed once");
    }
    let late = server
        .post(Role::Buyer, "/v1/orders", &order_of("o-1", 1).to_string())
        .await;
    assert_eq!(code(&late), refused(409, "already_exists"));
    for path in [
        "/v1/orders/o-1",
        "/v1/payments/o-1",
        "/v1/sagas/order:o-1",
        "/v1/reviews/o-1",
    ] {
        assert_eq!(server.get(Role::Operator, path).await.status, 404, "{path}");
    }
    for path in [
        "/v1/orders",
        "/v1/payments",
        "/v1/sagas",
        "/v1/orders?status=REJECTED",
    ] {
        let listed = server.get(Role::Operator, path).await.json();
        assert_eq!(listed["items"], json!([]), "{path}");
    }
}

#[tokio::test]
async fn orders_are_listed_newest_first_and_by_what_is_asked_of_them() {
    let server = Server::start().await;
    server.stock("lamp", 50).await;
    for id in ["o-1", "o-2", "o-3", "o-4", "o-5"] {
        server.order(id, 1).await;
    }
    server
        .post(Role::Buyer, "/v1/orders/o-2/cancel", "{}")
        .await;
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("a list").iter();
        items
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    for path in ["/v1/orders", "/v1/payments"] {
        let mut next = format!("{path}?limit=2");
        let mut found = Vec::new();
        loop {
            let page = server.get(Role::Shop, &next).await.json();
            found.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(found, ["o-5", "o-4", "o-3", "o-2", "o-1"], "{path}");
    }
    let middle = server.get(Role::Shop, "/v1/orders/o-3").await.json();
    let at = middle["created_at"].as_str().expect("a time");
    for (query, expected) in [
        ("status=CANCELLED".to_owned(), vec!["o-2"]),
        ("customer=c-2".to_owned(), vec![]),
        ("sku=desk".to_owned(), vec![]),
        ("sku=lamp&status=PENDING&limit=1".to_owned(), vec!["o-5"]),
        ("to=2020-01-01T00:00:00Z".to_owned(), vec![]),
        ("from=2999-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let page = server.get(Role::Shop, &format!("/v1/orders?{query}")).await;
        assert_eq!(ids(&page.json()), expected, "{query}");
    }
    let since = ids(&server
        .get(Role::Shop, &format!("/v1/orders?from={at}"))
        .await
        .json());
    assert!(
        since.contains(&"o-3".to_owned()) && since.contains(&"o-5".to_owned()),
        "{since:?}"
    );
    for query in ["from=1", "to=soon", "status=paid", "state=PAID"] {
        let wrong = server.get(Role::Shop, &format!("/v1/orders?{query}")).await;
        assert_eq!(wrong.status, 422, "{query}");
    }
    let payments = server
        .get(Role::Auditor, "/v1/payments?status=COMPLETED")
        .await;
    assert_eq!(payments.json()["items"], json!([]));
}

#[tokio::test]
async fn a_paid_order_is_cancelled_by_its_saga_and_the_money_comes_back() {
    let server = Server::trading().await;
    let document = crate::http::openapi_document();
    server.stock("lamp", 5).await;
    server.order("o-1", 2).await;
    let order = server
        .order_until("o-1", |order| order["shipment"].is_object())
        .await;
    assert_eq!(order["payment"]["captured"]["amount"], 3998);
    let stale = Ask::new("POST", "/v1/orders/o-1/cancel").role(Role::Buyer);
    let stale = server
        .send(&stale.header("if-match", "\"1\"").body("{}"))
        .await;
    assert_eq!(code(&stale), refused(412, "version"));
    let reason = json!({"reason": "another colour"}).to_string();
    let cancel = server
        .post(Role::Buyer, "/v1/orders/o-1/cancel", &reason)
        .await;
    check(&document, ("POST", "/v1/orders/{id}/cancel"), &cancel);
    assert_eq!(
        (cancel.status, &cancel.json()["cancelling"]),
        (202, &true.into())
    );
    let order = server
        .order_until("o-1", |order| order["status"] == "CANCELLED")
        .await;
    assert_eq!(
        (&order["cancelling"], &order["reason"]),
        (&false.into(), &"requested".into())
    );
    assert_eq!(order["payment"]["refunded"]["amount"], 3998);
    assert_eq!(order["payment"]["status"], "REFUNDED");
    let payment = server.get(Role::Buyer, "/v1/payments/o-1").await;
    check(&document, ("GET", "/v1/payments/{id}"), &payment);
    let payment = payment.json();
    assert_eq!(payment["transactions"][0]["status"], "completed");
    assert_eq!(payment["refunds"][0]["status"], "completed");
    assert_eq!(payment["order"], "o-1");
    let saga = server.get(Role::Operator, "/v1/sagas/cancel:o-1").await;
    check(&document, ("GET", "/v1/sagas/{id}"), &saga);
    assert_eq!(saga.json()["state"], "completed");
    let names = server.get(Role::Operator, "/v1/sagas?limit=1").await.json();
    assert_eq!(
        (&names["items"][0]["id"], names["next_cursor"].is_string()),
        (&"order:o-1".into(), true)
    );
    let all = server.get(Role::Operator, "/v1/sagas").await.json();
    let ids: Vec<_> = all["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, ["order:o-1", "cancel:o-1", "refund:o-1"]);
    let audit = server.get(Role::Auditor, "/v1/audit?ref=o-1").await.json();
    let words: Vec<_> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["operation"].as_str().expect("a word"))
        .collect();
    assert_eq!(words, ["hold", "confirm", "unsell"]);
    let retry = server
        .post(Role::Operator, "/v1/sagas/cancel:o-1/retry", &reason)
        .await;
    assert_eq!(code(&retry), refused(409, "order.illegal_transition"));
    assert_eq!(
        (&retry.json()["from"], &retry.json()["to"]),
        (&"completed".into(), &"running".into())
    );
}

async fn nothing_left_nothing_shipped(server: &Server) {
    let path = "/v1/orders/o-1/refunds";
    let back = json!({"lines": [{"sku": "lamp", "quantity": 1}], "restock": true}).to_string();
    let early = server
        .post(Role::Staff, "/v1/orders/o-1/returns", &back)
        .await;
    assert_eq!(code(&early), refused(409, "order.illegal_transition"));
    assert_eq!(
        (&early.json()["from"], &early.json()["to"]),
        (&"CONFIRMED".into(), &"REFUNDED".into())
    );
    let rest = server
        .post(
            Role::Shop,
            path,
            &json!({"reason": "all of it"}).to_string(),
        )
        .await;
    assert_eq!(
        (rest.status, &rest.json()["amount"]["amount"]),
        (201, &2998.into())
    );
}

#[tokio::test]
async fn refunds_stop_at_what_was_captured_and_returns_need_shipped_units() {
    let server = Server::trading().await;
    let document = crate::http::openapi_document();
    server.stock("lamp", 5).await;
    server.order("o-1", 2).await;
    let paid = server
        .order_until("o-1", |order| order["status"] == "CONFIRMED")
        .await;
    assert_eq!(paid["payment"]["status"], "COMPLETED");
    let path = "/v1/orders/o-1/refunds";
    let body = |amount: i64| {
        json!({"amount": {"amount": amount, "currency": "EUR"}, "reason": "scratched"}).to_string()
    };
    for (amount, what) in [(0, "min"), (-1, "min")] {
        let reply = server.post(Role::Shop, path, &body(amount)).await;
        assert_eq!(
            violations(&reply),
            [("/amount/amount".to_owned(), what.to_owned())]
        );
    }
    let dollars = json!({"amount": {"amount": 1, "currency": "USD"}, "reason": "x"}).to_string();
    let reply = server.post(Role::Shop, path, &dollars).await;
    assert_eq!(
        violations(&reply),
        [("/amount/currency".to_owned(), "currency".to_owned())]
    );
    let buyer = server.post(Role::Buyer, path, &body(1)).await;
    assert_eq!(code(&buyer), refused(403, "forbidden"));
    let ask = Ask::new("POST", path).role(Role::Shop).key("r-1");
    let named = json!({"id": "r-1", "amount": {"amount": 1000, "currency": "EUR"},
        "reason": "scratched"})
    .to_string();
    let made = server.send(&ask.clone().body(&named)).await;
    check(&document, ("POST", "/v1/orders/{id}/refunds"), &made);
    let refund = made.json();
    assert_eq!(
        (&refund["id"], &refund["order"]),
        (&"r-1".into(), &"o-1".into())
    );
    assert_eq!(
        (&refund["amount"]["amount"], &refund["status"]),
        (&1000.into(), &"requested".into())
    );
    server
        .order_until("o-1", |order| {
            order["payment"]["refunded"]["amount"] == 1000
        })
        .await;
    let again = server.send(&ask.body(&named)).await;
    assert_eq!(
        (again.status, again.json()),
        (201, refund),
        "as it was then"
    );
    let same = server.post(Role::Shop, path, &named).await;
    assert_eq!(code(&same), refused(409, "already_exists"));
    let beyond = server.post(Role::Shop, path, &body(2999)).await;
    assert_eq!(code(&beyond), refused(409, "exceeds_refundable"));
    nothing_left_nothing_shipped(&server).await;
}
