//! Holds from end to end, by the shapes.

use super::harness::{Ask, Server};
use crate::http::Door;
use evenkeel_rules::token::Role;

const ONE: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";

#[tokio::test]
async fn a_hold_is_placed_shown_and_confirmed() {
    let server = Server::start().await;
    server.stock("lamp", 3).await;
    let body = "{\"id\":\"h-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1},\
        {\"sku\":\"lamp\",\"quantity\":1}],\"ttl_ms\":60000}";
    let placed = server.post(Role::Buyer, "/v1/holds", body).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let hold = placed.json();
    assert_eq!(hold["id"], "h-1");
    assert_eq!(hold["customer"], "c-1");
    assert_eq!(hold["state"], "held");
    assert_eq!(hold["order"], serde_json::Value::Null);
    assert_eq!(hold["version"], 1);
    assert_eq!(hold["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(hold["lines"][0]["quantity"], 2);
    assert_eq!(hold["lines"][0]["location"], "main");
    assert_eq!(hold["next_due"], hold["deadline"]);
    let position = hold["position"].as_u64().expect("a position");
    let token = format!("main.1:{position}");
    let incarnation = server.engine.position(position).to_string();
    assert_eq!(
        placed.header("evenkeel-position"),
        Some(incarnation.as_str()),
        "{token}"
    );
    assert_eq!(placed.header("etag"), Some("\"1\""));

    let shown = server.get(Role::Shop, "/v1/holds/h-1").await;
    assert_eq!(shown.json(), hold);

    let path = "/v1/holds/h-1/confirm";
    let part = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
    let confirmed = server.post(Role::Shop, path, part).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let hold = confirmed.json();
    assert_eq!(
        (&hold["state"], &hold["version"]),
        (&"confirmed".into(), &2.into())
    );
    assert_eq!(
        (
            &hold["lines"][0]["confirmed"],
            &hold["lines"][0]["released"]
        ),
        (&1.into(), &1.into())
    );
    assert!(hold["next_due"].is_null());

    let again = server.post(Role::Shop, path, part).await;
    assert_eq!(
        (again.status, again.json()["version"].as_u64()),
        (200, Some(2))
    );
    let whole = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":2}]}";
    let other = server.post(Role::Shop, path, whole).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (409, "hold.confirmed")
    );
    let late = server
        .post(Role::Buyer, "/v1/holds/h-1/release", "{}")
        .await;
    assert_eq!(
        (late.status, late.problem().as_str()),
        (409, "hold.confirmed")
    );
    assert_eq!(late.json()["ended_as"], "confirmed");
    assert!(late.json()["ended_at"].is_string());
}

#[tokio::test]
async fn too_few_units_are_sold_out_with_a_position_and_without_a_number() {
    let server = Server::start().await;
    server.stock("lamp", 1).await;
    server.hold("lamp", 1).await;
    let head = server.head().await;
    let refused = server.post(Role::Buyer, "/v1/holds", ONE).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "stock.sold_out")
    );
    let document = refused.json();
    assert_eq!(document["retryable"], true);
    let as_of = server.engine.position(head).to_string();
    assert_eq!(document["as_of"], as_of);
    assert_eq!(refused.header("evenkeel-position"), Some(as_of.as_str()));
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn the_same_key_is_replayed_and_another_body_under_it_refused() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let ask = Ask::new("POST", "/v1/holds").role(Role::Buyer);
    let first = server.send(&ask.clone().key("k").body(ONE)).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (201, None)
    );
    server.hold("lamp", 1).await;
    let head = server.head().await;
    let spaced = ONE.replace(':', " : ");
    for key in ["k", "\"k\""] {
        let again = server.send(&ask.clone().key(key).body(&spaced)).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(
            again.header("evenkeel-position"),
            first.header("evenkeel-position")
        );
    }
    let other = ONE.replace(":1}", ":2}");
    let reused = server.send(&ask.clone().key("k").body(&other)).await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "key_reused")
    );
    assert!(reused.json().get("violations").is_none());
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/holds/{id}/release");
    let elsewhere = Ask::new("POST", &path)
        .role(Role::Buyer)
        .key("k")
        .body("{}");
    let reused = server.send(&elsewhere).await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "key_reused")
    );
    let stranger = ask.clone().secret("ek_other").key("k").body(ONE);
    assert_eq!(
        server.send(&stranger).await.status,
        201,
        "keys are the customer's own"
    );
    assert_eq!(server.head().await, head + 1);
}

#[tokio::test]
async fn an_id_in_use_is_refused_for_good_and_the_refusal_is_replayed() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let body = "{\"id\":\"h-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
    let placed = server.post(Role::Buyer, "/v1/holds", body).await;
    assert_eq!(placed.status, 201);
    let ask = Ask::new("POST", "/v1/holds")
        .role(Role::Buyer)
        .key("other")
        .body(body);
    for replayed in [None, Some("true")] {
        let refused = server.send(&ask).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (409, "already_exists")
        );
        assert_eq!(refused.header("idempotency-replayed"), replayed);
    }
}

#[tokio::test]
async fn extend_moves_the_deadline_and_if_match_is_honoured() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let id = server.hold("lamp", 1).await;
    let path = format!("/v1/holds/{id}/extend");
    let ask = Ask::new("POST", &path)
        .role(Role::Buyer)
        .body("{\"ttl_ms\":3600000}");
    let stale = server.send(&ask.clone().header("if-match", "\"2\"")).await;
    assert_eq!((stale.status, stale.problem().as_str()), (412, "version"));
    let moved = server.send(&ask.clone().header("if-match", "\"1\"")).await;
    assert_eq!((moved.status, moved.header("etag")), (200, Some("\"2\"")));
    for ttl in [
        "0",
        "-1",
        "999",
        "3600001",
        "315360000000",
        "1.5",
        "\"1000\"",
    ] {
        let body = format!("{{\"ttl_ms\":{ttl}}}");
        let refused = server.post(Role::Buyer, &path, &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "schema"),
            "{ttl}"
        );
        let body = format!("{{\"lines\":[{{\"sku\":\"lamp\",\"quantity\":1}}],\"ttl_ms\":{ttl}}}");
        let refused = server.post(Role::Buyer, "/v1/holds", &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "schema"),
            "{ttl}"
        );
    }
}

#[tokio::test]
async fn confirming_more_than_is_held_points_at_the_line() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let id = server.hold("lamp", 2).await;
    let body = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":3}]}";
    let refused = server
        .post(Role::Shop, &format!("/v1/holds/{id}/confirm"), body)
        .await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (422, "schema")
    );
    assert_eq!(
        refused.json()["violations"][0]["pointer"],
        "/lines/0/quantity"
    );
}

#[tokio::test]
async fn the_limit_of_one_order_and_the_sale_window_hold() {
    let server = Server::start().await;
    let terms = |more: &str| {
        format!("{{\"name\":\"Lamp\",\"price\":{{\"amount\":1,\"currency\":\"EUR\"}},{more}}}")
    };
    server.stock("lamp", 9).await;
    let limited = server
        .put(Role::Staff, "/v1/skus/lamp", &terms("\"max_per_order\":2"))
        .await;
    assert_eq!(
        (limited.status, limited.json()["max_per_order"].as_u64()),
        (200, Some(2))
    );
    let lines = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":2},\
        {\"sku\":\"lamp\",\"quantity\":1}]}";
    let refused = server.post(Role::Buyer, "/v1/holds", lines).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (422, "limit_exceeded")
    );
    assert_eq!(refused.json()["violations"][0]["code"], "limit_exceeded");
    let closed = terms("\"sale\":{\"opens_at\":\"2999-01-01T00:00:00Z\"}");
    let later = server.put(Role::Staff, "/v1/skus/lamp", &closed).await;
    assert_eq!(later.json()["sale"]["opens_at"], "2999-01-01T00:00:00.000Z");
    let refused = server.post(Role::Buyer, "/v1/holds", ONE).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "sale.not_open")
    );
    assert_eq!(refused.json()["retryable"], true);
}

#[tokio::test]
async fn a_line_without_a_location_is_split_where_the_shop_allocates() {
    let server = Server::allocating(Door::Main, false, None, &["main", "east"]).await;
    server.stock("lamp", 2).await;
    let body = "{\"quantity\":3,\"location\":\"east\",\"reference\":\"po-2\"}";
    let path = "/v1/skus/lamp/receive";
    let received = server.post(Role::Staff, path, body).await;
    assert_eq!(received.status, 201, "{received:?}");
    let body = "{\"id\":\"h-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":4}]}";
    let placed = server.post(Role::Buyer, "/v1/holds", body).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let lines = placed.json()["lines"].clone();
    let place = |number: usize| {
        (
            lines[number]["location"].clone(),
            lines[number]["quantity"].clone(),
        )
    };
    assert_eq!(place(0), ("main".into(), 2.into()));
    assert_eq!(place(1), ("east".into(), 2.into()));
    // The order names no location either: it takes the hold's.
    let order = "{\"id\":\"o-1\",\"hold\":\"h-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":4}],\
        \"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";
    let taken = server.post(Role::Buyer, "/v1/orders", order).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(taken.json()["total"]["amount"], 4 * 1999);
    let more = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":2}]}";
    let none = server.post(Role::Buyer, "/v1/holds", more).await;
    assert_eq!(
        (none.status, none.problem().as_str()),
        (409, "stock.sold_out")
    );
}
