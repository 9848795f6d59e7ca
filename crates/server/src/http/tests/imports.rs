//! Stock in bulk: one meaning of three kinds of body, and a key for every line.

use super::harness::{Ask, Reply, Server};
use evenkeel_rules::token::Role;

const CSV: &str = "key,sku,quantity,location,reference,reason\n\
    in-1,lamp,5,,po-1,\nin-2,lamp,2,east,po-1,\nin-3,lamp,-1,,,damaged\n";
const NDJSON: &str = "{\"key\":\"in-1\",\"sku\":\"lamp\",\"quantity\":5,\"reference\":\"po-1\"}\n\
    {\"key\":\"in-2\",\"sku\":\"lamp\",\"quantity\":2,\"location\":\"east\",\
    \"reference\":\"po-1\"}\n\n\
    {\"key\":\"in-3\",\"sku\":\"lamp\",\"quantity\":-1,\"reason\":\"damaged\"}\n\
    {\"key\":\"in-4\",\"sku\":\"sofa\",\"quantity\":1,\"reference\":\"po-1\"}\n";

async fn import(server: &Server, kind: &str, body: &str) -> Reply {
    let mut ask = Ask::new("POST", "/v1/stock/import").role(Role::Staff);
    ask = ask.header("content-type", kind).body(body);
    ask.json = false;
    server.send(&ask).await
}

#[tokio::test]
async fn an_import_is_sent_again_in_any_kind_and_changes_nothing_twice() {
    let server = Server::start().await;
    server.stock("lamp", 1).await;
    let first = import(&server, "text/csv", CSV).await;
    assert_eq!(first.status, 200, "{first:?}");
    let sum = first.json();
    assert_eq!((&sum["applied"], &sum["replayed"]), (&3.into(), &0.into()));
    let head = server.head().await;
    assert_eq!(sum["position"], head);
    assert!(first.header("evenkeel-position").is_some());

    let again = import(&server, "application/x-ndjson; charset=utf-8", NDJSON).await;
    let sum = again.json();
    assert_eq!((&sum["lines"], &sum["applied"]), (&4.into(), &0.into()));
    assert_eq!(sum["replayed"], 3);
    assert_eq!(sum["failed"][0]["line"], 3);
    assert_eq!(sum["failed"][0]["code"], "sku_unknown");
    assert_eq!(server.head().await, head, "nothing took effect twice");

    let shown = server.get(Role::Staff, "/v1/skus/lamp").await.json();
    let stock = |number: usize| shown["stock"][number]["available"].clone();
    assert_eq!((stock(0), stock(1)), (5.into(), 2.into()));

    let other = NDJSON.replace("\"quantity\":5", "\"quantity\":6");
    let told = import(&server, "application/x-ndjson", &other).await.json();
    assert_eq!(told["failed"][0]["code"], "key_reused");
}

#[tokio::test]
async fn lines_without_keys_take_the_requests() {
    let server = Server::start().await;
    server.stock("lamp", 1).await;
    let body = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1,\"reference\":\"a\"},\
        {\"sku\":\"lamp\",\"quantity\":1,\"reference\":\"a\"}]}";
    for applied in [2, 0] {
        let ask = Ask::new("POST", "/v1/stock/import").role(Role::Operator);
        let told = server.send(&ask.key("bulk-1").body(body)).await;
        assert_eq!(told.json()["applied"], applied, "{told:?}");
    }
}

#[tokio::test]
async fn a_body_with_one_wrong_line_does_nothing() {
    let server = Server::start().await;
    server.stock("lamp", 1).await;
    let head = server.head().await;
    let table = [
        ("text/csv", "", 400, "malformed_json"),
        ("text/csv", "sku,quantity\n", 422, "schema"),
        (
            "text/csv",
            "sku,quantity,reference\nlamp,1,a\nlamp,1\n",
            422,
            "schema",
        ),
        (
            "text/csv",
            "sku,quantity,reference\nlamp,one,a\n",
            422,
            "schema",
        ),
        (
            "text/csv",
            "sku,quantity,reference\nlamp,0,a\n",
            422,
            "schema",
        ),
        (
            "text/csv",
            "sku,quantity,reference\nlamp,-1,a\n",
            422,
            "schema",
        ),
        ("text/csv", "sku,quantity\nlamp,1\n", 422, "schema"),
        (
            "text/csv",
            "sku,quantity,price\nlamp,1,3\n",
            422,
            "unknown_member",
        ),
        (
            "text/csv",
            "sku,quantity,reference\nla/mp,1,a\n",
            422,
            "bad_id",
        ),
        ("application/x-ndjson", "{\"sku\":", 400, "malformed_json"),
        (
            "application/x-ndjson",
            "{\"sku\":\"a\",\"sku\":\"b\"}",
            400,
            "duplicate_member",
        ),
        ("application/x-ndjson", "[]", 422, "schema"),
        ("text/plain", "sku", 415, "media_type"),
    ];
    for (kind, body, status, code) in table {
        let told = import(&server, kind, body).await;
        assert_eq!(
            (told.status, told.problem().as_str()),
            (status, code),
            "{body:?}"
        );
    }
    let many = "lamp,1,a\n".repeat(1_001);
    let told = import(
        &server,
        "text/csv",
        &format!("sku,quantity,reference\n{many}"),
    )
    .await;
    assert_eq!(told.status, 422);
    assert_eq!(server.head().await, head, "nothing was done");
}
