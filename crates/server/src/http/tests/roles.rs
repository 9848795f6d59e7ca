//! Who may do what, and in which order refusals are found.

use super::harness::{Ask, LAMP, Server};
use crate::http::Door;
use evenkeel_rules::token::Role;

const HOLD: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
const RECEIVE: &str = "{\"quantity\":1,\"reference\":\"po-1\"}";

/// A buyer may not name a customer, itself included.
const ORDER: &str = "{\"customer\":\"c-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\
    \"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";
const SAGA: &str = "{\"steps\":[{\"name\":\"a\",\"url\":\"http://a.example/\"}]}";
const SUBSCRIPTION: &str = "{\"url\":\"http://a.example/\",\"types\":[\"*\"]}";
const IMPORT: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1,\"reference\":\"po-1\"}]}";
const WHY: &str = "{\"reason\":\"tried\"}";
const BACK: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\"restock\":true}";

/// Method, path, body, and the roles that are let in, whatever comes of it then.
const TABLE: &[(&str, &str, Option<&str>, &[Role])] = {
    use Role::{Admin, Auditor, Buyer, Operator, Shop, Staff};
    &[
        (
            "PUT",
            "/v1/skus/lamp",
            Some(LAMP),
            &[Staff, Operator, Admin],
        ),
        (
            "GET",
            "/v1/skus/lamp",
            None,
            &[Buyer, Shop, Staff, Operator, Admin, Auditor],
        ),
        (
            "GET",
            "/v1/skus",
            None,
            &[Buyer, Shop, Staff, Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/skus/lamp/receive",
            Some(RECEIVE),
            &[Staff, Operator, Admin],
        ),
        (
            "POST",
            "/v1/skus/lamp/adjust",
            Some("{\"quantity\":1,\"reason\":\"found\"}"),
            &[Staff, Operator, Admin],
        ),
        (
            "POST",
            "/v1/stock/import",
            Some(IMPORT),
            &[Staff, Operator, Admin],
        ),
        (
            "GET",
            "/v1/subscriptions",
            None,
            &[Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/subscriptions",
            Some(SUBSCRIPTION),
            &[Operator, Admin],
        ),
        ("DELETE", "/v1/subscriptions/s-1", None, &[Operator, Admin]),
        ("GET", "/v1/parked", None, &[Operator, Admin, Auditor]),
        ("POST", "/v1/parked/7/drop", Some(WHY), &[Operator, Admin]),
        (
            "GET",
            "/v1/holds",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        (
            "GET",
            "/v1/holds/h-1",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/holds/h-1/confirm",
            Some("{}"),
            &[Shop, Operator, Admin],
        ),
        (
            "POST",
            "/v1/holds/h-1/release",
            Some("{}"),
            &[Buyer, Shop, Operator, Admin],
        ),
        (
            "POST",
            "/v1/holds/h-1/extend",
            Some("{\"ttl_ms\":1000}"),
            &[Buyer, Shop, Operator, Admin],
        ),
        ("POST", "/v1/orders", Some(ORDER), &[Shop, Operator, Admin]),
        (
            "GET",
            "/v1/orders",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        (
            "GET",
            "/v1/orders/o-9",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/orders/o-9/cancel",
            Some("{}"),
            &[Buyer, Shop, Operator, Admin],
        ),
        (
            "POST",
            "/v1/orders/o-9/refunds",
            Some(WHY),
            &[Shop, Operator, Admin],
        ),
        (
            "POST",
            "/v1/orders/o-9/returns",
            Some(BACK),
            &[Staff, Operator, Admin],
        ),
        (
            "GET",
            "/v1/payments/o-9",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        (
            "GET",
            "/v1/shipments",
            None,
            &[Buyer, Shop, Operator, Admin, Auditor],
        ),
        ("POST", "/v1/sagas", Some(SAGA), &[Shop, Operator, Admin]),
        ("GET", "/v1/sagas", None, &[Shop, Operator, Admin, Auditor]),
        (
            "GET",
            "/v1/sagas/order:o-9",
            None,
            &[Shop, Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/sagas/order:o-9/retry",
            Some(WHY),
            &[Operator, Admin],
        ),
        (
            "POST",
            "/v1/sagas/order:o-9/compensate",
            Some(WHY),
            &[Operator, Admin],
        ),
        (
            "GET",
            "/v1/reviews",
            None,
            &[Staff, Operator, Admin, Auditor],
        ),
        (
            "POST",
            "/v1/reviews/o-9/approve",
            Some(WHY),
            &[Staff, Operator, Admin],
        ),
        (
            "POST",
            "/v1/reviews/o-9/reject",
            Some(WHY),
            &[Staff, Operator, Admin],
        ),
        ("GET", "/v1/findings", None, &[Operator, Admin, Auditor]),
        ("DELETE", "/v1/private/c-9", Some(WHY), &[Operator, Admin]),
        ("GET", "/v1/projections", None, &[Operator, Admin, Auditor]),
        (
            "POST",
            "/v1/projections/moods/rebuild",
            Some("{}"),
            &[Operator, Admin],
        ),
        ("GET", "/v1/log", None, &[Operator, Admin, Auditor]),
        ("GET", "/v1/audit", None, &[Operator, Admin, Auditor]),
        ("GET", "/v1/status", None, &[Operator, Admin, Auditor]),
        ("GET", "/v1/verify", None, &[Operator, Admin, Auditor]),
        ("GET", "/metrics", None, &[Operator, Admin, Auditor]),
        ("GET", "/v1/tokens", None, &[Admin]),
        ("POST", "/v1/tokens", Some("{\"role\":\"staff\"}"), &[Admin]),
        ("DELETE", "/v1/tokens/t-0", None, &[Admin]),
    ]
};

#[tokio::test]
async fn each_role_does_what_the_contract_says_and_no_more() {
    let server = Server::start().await;
    super::projections::keep_views(&server).await;
    for (method, path, body, roles) in TABLE {
        for role in Role::ALL {
            let mut ask = Ask::new(method, path).role(role);
            ask.body = body.map(str::as_bytes);
            let reply = server.send(&ask).await;
            let admitted = roles.contains(&role);
            assert_eq!(
                reply.status != 403,
                admitted,
                "{role:?} {method} {path}: {reply:?}"
            );
            assert!(reply.status < 500, "{reply:?}");
            if !admitted {
                assert_eq!(reply.problem(), "forbidden");
            }
        }
        let reply = server.send(&Ask::new(method, path)).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (401, "unauthenticated")
        );
    }
}

#[tokio::test]
async fn a_buyer_holds_for_itself_and_a_shop_names_its_customer() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let named =
        HOLD.replace('{', "{\"customer\":\"c-1\",")
            .replacen("[{\"customer\":\"c-1\",", "[{", 1);
    let buyer = server.post(Role::Buyer, "/v1/holds", &named).await;
    assert_eq!((buyer.status, buyer.problem().as_str()), (403, "forbidden"));
    for role in [Role::Shop, Role::Operator, Role::Admin] {
        let unnamed = server.post(role, "/v1/holds", HOLD).await;
        assert_eq!(
            (unnamed.status, unnamed.problem().as_str()),
            (422, "schema")
        );
        assert_eq!(unnamed.json()["violations"][0]["pointer"], "/customer");
        assert_eq!(server.post(role, "/v1/holds", &named).await.status, 201);
    }
    for role in [Role::Staff, Role::Auditor] {
        for body in [HOLD, &named] {
            let reply = server.post(role, "/v1/holds", body).await;
            assert_eq!((reply.status, reply.problem().as_str()), (403, "forbidden"));
        }
    }
    let email = named.replace("c-1", "a@b.example");
    let refused = server.post(Role::Shop, "/v1/holds", &email).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (422, "bad_id")
    );
    let listed = server.get(Role::Buyer, "/v1/holds?customer=c-2").await;
    assert_eq!(
        (listed.status, listed.problem().as_str()),
        (403, "forbidden")
    );
}

#[tokio::test]
async fn anothers_hold_is_not_there() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let id = server.hold("lamp", 1).await;
    let head = server.head().await;
    let path = format!("/v1/holds/{id}");
    let (release, extend) = (format!("{path}/release"), format!("{path}/extend"));
    for ask in [
        Ask::new("GET", &path),
        Ask::new("POST", &release).body("{}"),
        Ask::new("POST", &extend).body("{\"ttl_ms\":1000}"),
        Ask::new("POST", &release)
            .body("{}")
            .header("if-match", "\"9\""),
    ] {
        let reply = server.send(&ask.secret("ek_other")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (404, "not_found"));
    }
    let listed = server
        .send(&Ask::new("GET", "/v1/holds").secret("ek_other"))
        .await;
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn numbers_of_units_are_shown_to_those_who_keep_stock() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    for role in Role::ALL {
        let sku = server.get(role, "/v1/skus/lamp").await.json();
        let numbers = matches!(
            role,
            Role::Staff | Role::Operator | Role::Admin | Role::Auditor
        );
        assert_eq!(sku.get("stock").is_some(), numbers, "{role:?}");
        assert_eq!(sku["availability"], "low");
    }
}

#[tokio::test]
async fn the_first_step_that_refuses_answers() {
    let server = Server::start().await;
    server.stock("lamp", 1).await;
    let id = server.hold("lamp", 1).await;
    let confirm = format!("/v1/holds/{id}/confirm");
    let long = format!("/v1/holds?{}", "x".repeat(9000));
    let base = || {
        Ask::new("POST", &confirm)
            .role(Role::Buyer)
            .body("{\"x\":1}")
    };
    let table: Vec<(Ask<'_>, &str)> = vec![
        (Ask::new("PATCH", &long), "uri_too_long"),
        (Ask::new("GET", "/v1/nothing"), "unauthenticated"),
        (base().secret("ek_wrong"), "unauthenticated"),
        (
            Ask {
                path: "/v1/nothing",
                method: "PATCH",
                ..base()
            },
            "not_found",
        ),
        (
            Ask {
                method: "PATCH",
                ..base()
            }
            .header("accept", "text/html"),
            "method_not_allowed",
        ),
        (
            base().untyped().header("accept", "text/html"),
            "not_acceptable",
        ),
        (base().untyped().key("a b"), "media_type"),
        (base().key("a b").body("{"), "bad_key"),
        (base().key("").body("{"), "key_missing"),
        (base().body("{"), "malformed_json"),
        (base(), "unknown_member"),
        (base().body("{}"), "forbidden"),
        (
            Ask {
                path: "/v1/holds/no.such/confirm",
                ..base()
            }
            .body("{}"),
            "forbidden",
        ),
        (
            Ask {
                path: "/v1/holds/no.such/confirm",
                ..base()
            }
            .role(Role::Shop)
            .body("{}"),
            "not_found",
        ),
    ];
    let head = server.head().await;
    for (ask, code) in table {
        let reply = server.send(&ask).await;
        assert_eq!(reply.problem(), code, "{} {}", ask.method, ask.path);
    }
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_a_new_one_is_shown_once() {
    let server = Server::start().await;
    let ask = Ask::new("POST", "/v1/tokens").role(Role::Admin).key("k");
    let ask = ask.body("{\"role\":\"buyer\",\"customer\":\"c-9\"}");
    let made = server.send(&ask).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = made.json();
    let secret = token["token"].as_str().expect("the secret is shown once");
    assert!(secret.starts_with("ek_") && secret.len() == 67, "{secret}");
    assert_eq!(
        (&token["role"], &token["customer"]),
        (&"buyer".into(), &"c-9".into())
    );
    let again = server.send(&ask).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (201, token["id"].as_str())
    );
    assert!(again.json().get("token").is_none());

    let skus = Ask::new("GET", "/v1/skus").secret(secret);
    assert_eq!(server.send(&skus).await.status, 200);
    let mut wrong = secret.to_owned();
    let last = wrong.pop().expect("a character");
    wrong.push(if last == '0' { '1' } else { '0' });
    let refused = server
        .send(&Ask::new("GET", "/v1/skus").secret(&wrong))
        .await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (401, "unauthenticated")
    );

    let path = format!("/v1/tokens/{}", token["id"].as_str().expect("an id"));
    let revoked = server
        .send(&Ask::new("DELETE", &path).role(Role::Admin))
        .await;
    assert_eq!(revoked.status, 200);
    assert!(revoked.json()["revoked_at"].is_string());
    let refused = server.send(&skus).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (401, "unauthenticated")
    );
    let listed = server.get(Role::Admin, "/v1/tokens?limit=1").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains("ek_"));
    assert_eq!(listed.json()["items"][0]["id"], token["id"]);
    for body in [
        "{\"role\":\"buyer\"}",
        "{\"role\":\"shop\",\"customer\":\"c-1\"}",
        "{\"role\":\"king\"}",
    ] {
        let refused = server.post(Role::Admin, "/v1/tokens", body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "schema"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn health_and_metrics_have_their_own_door_when_it_is_set() {
    let main = Server::with(Door::Main, true).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(main.get(Role::Admin, path).await.status, 404, "{path}");
    }
    let admin = Server::with(Door::Admin, true).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(
            admin.send(&Ask::new("GET", path)).await.status,
            200,
            "{path}"
        );
    }
    assert_eq!(admin.send(&Ask::new("GET", "/v1/skus")).await.status, 404);
    let both = Server::start().await;
    assert_eq!(both.send(&Ask::new("GET", "/livez")).await.body, b"ok");
    let ready = both.send(&Ask::new("GET", "/readyz")).await;
    assert_eq!(ready.json(), serde_json::json!({"ready": true}));
    let metrics = both.get(Role::Auditor, "/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("evenkeel_http_server_requests_total"));
}
