//! The log's old part over HTTP: archived, listed, read on through, and brought back.

use super::harness::{Ask, Server};
use super::projections::keep_views;
use evenkeel_rules::token::Role;
use serde_json::{Value, json};

async fn shop() -> Server {
    let server = Server::trading().await;
    keep_views(&server).await;
    server.stock("lamp", 50).await;
    for _ in 0..10 {
        server.hold("lamp", 1).await;
    }
    server
}

async fn answer(server: &Server, path: &str) -> Value {
    let reply = server.get(Role::Auditor, path).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json()
}

async fn asked(server: &Server, path: &str, body: &Value) -> Value {
    let reply = server.post(Role::Operator, path, &body.to_string()).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json()
}

#[tokio::test]
async fn what_is_archived_is_listed_read_on_and_brought_back() {
    let server = shop().await;
    let before = answer(&server, "/v1/log?limit=200&proof=true").await;
    let done = asked(&server, "/v1/segments", &json!({"rows": 5, "before": 14})).await;
    assert_eq!((&done["ok"], &done["floor"]), (&json!(true), &json!(11)));
    assert_eq!(done["segments"].as_array().map(Vec::len), Some(2));
    let list = answer(&server, "/v1/segments").await;
    assert_eq!(list["floor"], 11);
    assert_eq!(list["items"], done["segments"]);
    let first = &list["items"][0];
    assert_eq!((&first["first"], &first["last"]), (&json!(1), &json!(5)));
    assert_eq!(first["state"], "whole");
    let index = first["index"].as_str().expect("a hash");
    let file = format!("segments/log-0000000000000001-{}.zst", &index[..16]);
    assert_eq!(first["file"], file);
    let after = answer(&server, "/v1/log?limit=200&proof=true").await;
    assert_eq!(after["items"], before["items"], "and every proof");
    for deep in ["", "?deep=true"] {
        let report = answer(&server, &format!("/v1/verify{deep}")).await;
        assert_eq!(report["ok"], true, "{report}");
        let from = if deep.is_empty() { 10 } else { 0 };
        assert_eq!(report["folded_from"], from, "{deep}");
    }
    let refused = asked(&server, "/v1/segments/1/restore", &json!({})).await;
    assert_eq!(refused["ok"], false);
    let told = refused["detail"].as_str().expect("why");
    assert!(told.contains("the floor at 11"), "{told}");
    for first in [6, 1] {
        let path = format!("/v1/segments/{first}/restore");
        let done = asked(&server, &path, &json!({})).await;
        assert_eq!((&done["ok"], &done["floor"]), (&json!(true), &json!(first)));
    }
    let after = answer(&server, "/v1/log?limit=200&proof=true").await;
    assert_eq!(after["items"], before["items"]);
}

#[tokio::test]
async fn a_segment_that_is_not_there_is_not_found_and_a_wrong_body_is_told() {
    let server = shop().await;
    for first in ["1", "x", "0"] {
        let path = format!("/v1/segments/{first}/restore");
        let reply = server.post(Role::Operator, &path, "{}").await;
        assert_eq!(reply.status, 404, "{path}");
    }
    for body in [r#"{"rows": 0}"#, r#"{"before": "x"}"#, r#"{"other": 1}"#] {
        let reply = server.post(Role::Operator, "/v1/segments", body).await;
        assert_eq!(reply.status, 422, "{body}");
    }
    let ask = Ask::new("GET", "/v1/verify?deep=perhaps").role(Role::Auditor);
    assert_eq!(server.send(&ask).await.status, 422);
}
