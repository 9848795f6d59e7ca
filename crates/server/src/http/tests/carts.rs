//! Carts by HTTP: begun, filled, lost, and made an order.

use super::documents::check;
use super::harness::{Ask, Reply, Server};
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_rules::token::Role;
use serde_json::{Value, json};

const PAY: &str = "{\"id\":\"o-1\",\"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"},\
    \"address\":{\"street\":\"Harbour 1\"}}";

async fn begin(server: &Server, id: &str) -> Reply {
    let body = json!({ "id": id }).to_string();
    server.post(Role::Buyer, "/v1/carts", &body).await
}

async fn put(server: &Server, line: &str, quantity: i64) -> Reply {
    let body = json!({ "quantity": quantity }).to_string();
    let path = format!("/v1/carts/{line}");
    server.put(Role::Buyer, &path, &body).await
}

async fn show(server: &Server, id: &str) -> Value {
    let shown = server.get(Role::Buyer, &format!("/v1/carts/{id}")).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    shown.json()
}

async fn available(server: &Server) -> Value {
    let sku = server.get(Role::Staff, "/v1/skus/lamp").await.json();
    sku["stock"][0]["available"].clone()
}

/// Has `verify` look at all that was written.
async fn proven(server: &Server) {
    let report = verify(&**server.engine.store(), Inputs::default()).await;
    let report = report.expect("a store in memory answers");
    let found: Vec<_> = report.checks.iter().flat_map(|it| &it.findings).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_cart_is_filled_and_checked_out_in_one_commit() {
    let server = Server::start().await;
    let document = crate::http::openapi_document();
    server.stock("lamp", 10).await;
    server.stock("chair", 10).await;
    let begun = begin(&server, "c-7").await;
    check(&document, ("POST", "/v1/carts"), &begun);
    assert_eq!(begun.status, 201);
    let cart = begun.json();
    assert_eq!(
        (&cart["state"], &cart["total"]),
        (&json!("open"), &Value::Null)
    );
    let set = put(&server, "c-7/lines/lamp", 2).await;
    check(&document, ("PUT", "/v1/carts/{id}/lines/{sku}"), &set);
    let set = put(&server, "c-7/lines/chair", 1).await.json();
    assert_eq!(
        set["total"],
        json!({"amount": 3 * 1_999, "currency": "EUR"})
    );
    assert_eq!(set["lines"][0]["deadline"], set["lines"][1]["deadline"]);
    let hold = server
        .get(Role::Buyer, "/v1/holds/cart:c-7:lamp")
        .await
        .json();
    assert_eq!(hold["deadline"], set["lines"][0]["deadline"]);
    assert_eq!(show(&server, "c-7").await, set);

    let before = server.head().await;
    let taken = server
        .post(Role::Buyer, "/v1/carts/c-7/checkout", PAY)
        .await;
    check(&document, ("POST", "/v1/carts/{id}/checkout"), &taken);
    assert_eq!((taken.status, server.head().await), (201, before + 1));
    let order = taken.json();
    assert_eq!(
        (&order["id"], &order["total"]),
        (&json!("o-1"), &set["total"])
    );
    let cart = show(&server, "c-7").await;
    assert_eq!(
        (&cart["state"], &cart["order"]),
        (&json!("checked_out"), &json!("o-1"))
    );
    let again = put(&server, "c-7/lines/lamp", 3).await;
    assert_eq!(
        (again.status, again.problem()),
        (409, "cart.checked_out".to_owned())
    );
    proven(&server).await;
}

#[tokio::test]
async fn a_line_whose_hold_was_released_is_lost_until_it_is_put_again() {
    let server = Server::start().await;
    server.stock("lamp", 10).await;
    begin(&server, "c-7").await;
    put(&server, "c-7/lines/lamp", 2).await;
    let path = "/v1/holds/cart:c-7:lamp/release";
    assert_eq!(server.post(Role::Buyer, path, "{}").await.status, 200);
    assert_eq!(show(&server, "c-7").await["lines"][0]["lost"], json!(true));
    let lost = server
        .post(Role::Buyer, "/v1/carts/c-7/checkout", PAY)
        .await;
    assert_eq!(
        (lost.status, lost.problem()),
        (409, "cart.line_lost".to_owned())
    );
    put(&server, "c-7/lines/lamp", 3).await;
    assert_eq!(available(&server).await, json!(7));
    assert_eq!(show(&server, "c-7").await["lines"][0]["lost"], json!(false));
    // The whole of it is one story, with the holds of its line.
    let told = server
        .get(Role::Auditor, "/v1/explain/cart/c-7")
        .await
        .json();
    assert_eq!(
        (&told["kind"], &told["state"]),
        (&json!("cart"), &json!("open"))
    );
    let entries = told["entries"].as_array().expect("steps");
    let of = |what: &str| {
        let said = entries.iter().filter_map(|it| it["what"].as_str());
        said.filter(|it| it.starts_with(what)).count()
    };
    assert_eq!((of("cart.updated"), of("stock.held")), (3, 2));
    assert!(told["next"][0]["by"].is_string(), "{told:#}");
    let past = server.get(Role::Auditor, "/v1/explain/cart/c-7?as_of=1");
    assert_eq!(past.await.status, 404, "it was not begun yet");
    proven(&server).await;
}

#[tokio::test]
async fn no_units_take_a_line_out_as_delete_does() {
    let server = Server::start().await;
    let document = crate::http::openapi_document();
    server.stock("lamp", 10).await;
    begin(&server, "c-7").await;
    for way in ["PUT", "DELETE"] {
        put(&server, "c-7/lines/lamp", 2).await;
        assert_eq!(available(&server).await, json!(8));
        let path = "/v1/carts/c-7/lines/lamp";
        let ask = Ask::new(way, path).role(Role::Buyer);
        let ask = match way {
            "PUT" => ask.body("{\"quantity\":0}"),
            _ => ask,
        };
        let out = server.send(&ask).await;
        check(&document, (way, "/v1/carts/{id}/lines/{sku}"), &out);
        assert_eq!((out.status, &out.json()["lines"]), (200, &json!([])));
        assert_eq!(available(&server).await, json!(10));
    }
    let empty = server
        .post(Role::Buyer, "/v1/carts/c-7/checkout", PAY)
        .await;
    assert_eq!(empty.status, 422);
    proven(&server).await;
}

#[tokio::test]
async fn mistakes_and_strangers_leave_a_cart_as_it_was() {
    let server = Server::start().await;
    server.stock("lamp", 3).await;
    begin(&server, "c-7").await;
    put(&server, "c-7/lines/lamp", 2).await;
    let before = show(&server, "c-7").await;
    for (line, quantity, status, code) in [
        ("c-7/lines/lamp", 4, 409, "stock.sold_out"),
        ("c-7/lines/lamp", -1, 422, "schema"),
        ("c-7/lines/desk", 1, 404, "sku_unknown"),
        ("c-8/lines/lamp", 1, 404, "not_found"),
        ("c-7/lines/", 1, 422, "bad_id"),
        ("c-7/lines/-", 1, 422, "bad_id"),
        ("-/lines/lamp", 1, 422, "bad_id"),
    ] {
        let refused = put(&server, line, quantity).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (status, code.to_owned()),
            "{line}"
        );
    }
    let long = "c".repeat(61);
    assert_eq!(begin(&server, &long).await.problem(), "bad_id");
    let taken = begin(&server, "c-7").await;
    assert_eq!(taken.problem(), "already_exists");
    let stranger = Ask::new("GET", "/v1/carts/c-7").secret("ek_other");
    assert_eq!(server.send(&stranger).await.status, 404);
    let stale = Ask::new("PUT", "/v1/carts/c-7/lines/lamp").role(Role::Buyer);
    let stale = stale.header("if-match", "\"1\"").body("{\"quantity\":1}");
    assert_eq!(server.send(&stale).await.status, 412);
    assert_eq!(show(&server, "c-7").await, before);
    proven(&server).await;
}
