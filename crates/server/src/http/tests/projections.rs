//! Lists out of projections: the same bodies as the store's, at the position that is asked for.

use super::harness::{Ask, Reply, Server};
use evenkeel_engine::port::Projection;
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_rules::token::Role;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const LEVELS: [&str; 5] = ["eventual", "session", "monotonic", "causal", "immediate"];

pub(super) async fn keep_views(server: &Server) {
    let head = server.engine.head().await.expect("a store in memory");
    let views = SqliteViews::in_memory(&head).expect("views in memory");
    server.engine.keep_views(Arc::new(views));
}

async fn shop() -> Server {
    let server = Server::trading().await;
    keep_views(&server).await;
    for sku in ["lamp", "desk"] {
        server.stock(sku, 50).await;
    }
    server
}

pub(super) async fn read(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut ask = Ask::new("GET", path).role(Role::Operator);
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    server.send(&ask).await
}

pub(super) fn position(reply: &Reply) -> u64 {
    let token = reply
        .header("evenkeel-position")
        .expect("a read says where it was");
    let (_, position) = token.split_once(':').expect("a token has a position");
    position.parse().expect("a number")
}

/// Waits until nothing that goes on by itself changes the log any more.
async fn quiet(server: &Server) -> u64 {
    let done = |order: &Value| order["shipment"]["status"] == "INITIATED";
    for order in ["o-1", "o-2"] {
        server.order_until(order, done).await;
    }
    server.head().await
}

#[tokio::test]
async fn a_projection_shows_what_the_store_shows() {
    let server = shop().await;
    server.hold("desk", 2).await;
    server.hold("lamp", 1).await;
    server.order("o-1", 1).await;
    server.order("o-2", 2).await;
    let head = quiet(&server).await;
    let token = server.engine.position(head).to_string();
    for path in [
        "/v1/orders",
        "/v1/orders?customer=c-1&status=CONFIRMED&sku=lamp",
        "/v1/orders?status=PENDING",
        "/v1/orders?from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z",
        "/v1/orders?from=2999-01-01T00:00:00Z",
        "/v1/orders?to=2020-01-01T00:00:00Z",
        "/v1/payments?status=COMPLETED",
        "/v1/shipments?status=INITIATED",
        "/v1/holds?sku=lamp&state=confirmed",
        "/v1/holds?customer=c-2",
        "/v1/skus",
        "/v1/audit?sku=lamp&limit=200",
        "/v1/audit?ref=o-2",
    ] {
        let known = read(&server, path, &[("evenkeel-consistency", "immediate")]).await;
        assert_eq!(known.status, 200, "{path}: {known:?}");
        for level in LEVELS {
            let asked = [
                ("evenkeel-position", token.as_str()),
                ("evenkeel-consistency", level),
                ("evenkeel-wait", "20000"),
            ];
            let shown = read(&server, path, &asked).await;
            assert_eq!(shown.status, 200, "{path} {level}: {shown:?}");
            assert_eq!(shown.json(), known.json(), "{path} {level}");
            assert!(position(&shown) >= head, "{path} {level}");
        }
    }
}

#[tokio::test]
async fn a_session_reads_its_own_writes_at_every_level_that_promises_it() {
    let server = shop().await;
    for number in 0..40 {
        let body = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
        let placed = server.post(Role::Buyer, "/v1/holds", body).await;
        let token = placed
            .header("evenkeel-position")
            .expect("a write says where")
            .to_owned();
        let id = placed.json()["id"].clone();
        let level = LEVELS[1 + number % 4];
        let with_token = [
            ("evenkeel-position", token.as_str()),
            ("evenkeel-consistency", level),
            ("evenkeel-wait", "20000"),
        ];
        // Without a token nobody knows what the session saw: it is shown everything.
        let asked = if number % 2 == 0 {
            &with_token[..]
        } else {
            &with_token[1..]
        };
        let page = read(&server, "/v1/holds?limit=1", asked).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.json()["items"][0]["id"], id, "{level}");
        let release = format!("/v1/holds/{}/release", id.as_str().expect("an id"));
        assert_eq!(server.post(Role::Buyer, &release, "{}").await.status, 200);
    }
}

#[tokio::test]
async fn a_position_that_is_not_reached_is_not_yet_and_an_unknown_one_is_refused() {
    let server = shop().await;
    let ahead = server.engine.position(server.head().await + 1).to_string();
    for path in [
        "/v1/orders",
        "/v1/payments",
        "/v1/shipments",
        "/v1/holds",
        "/v1/skus",
        "/v1/audit",
    ] {
        for level in LEVELS {
            let asked = [
                ("evenkeel-position", ahead.as_str()),
                ("evenkeel-wait", "10"),
                ("evenkeel-consistency", level),
            ];
            let reply = read(&server, path, &asked).await;
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (503, "not_yet"),
                "{path} {level}"
            );
        }
        let reply = read(&server, path, &[("evenkeel-position", "main.9:1")]).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (409, "token_unknown"),
            "{path}"
        );
        let reply = read(&server, &format!("{path}?cursor=1.0.00000000"), &[]).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "bad_cursor"),
            "{path}"
        );
    }
    let waits = [
        ("evenkeel-position", ahead.as_str()),
        ("evenkeel-wait", "20000"),
    ];
    let (waited, _) = tokio::join!(read(&server, "/v1/holds", &waits), server.hold("lamp", 1));
    assert_eq!(waited.status, 200);
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_was_while_others_write() {
    let server = shop().await;
    let mut placed = Vec::new();
    for _ in 0..6 {
        placed.insert(0, server.hold("lamp", 1).await);
    }
    let reached = server.head().await;
    let projector = server.engine.projector().expect("it keeps views");
    assert!(
        projector
            .reach(Projection::Holds, reached, Duration::from_secs(20))
            .await
    );
    let mut walked = Vec::new();
    let mut path = "/v1/holds?sku=lamp&limit=2".to_owned();
    loop {
        let page = read(&server, &path, &[]).await.json();
        let items = page["items"].as_array().expect("a list");
        walked.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().expect("an id").to_owned()),
        );
        server.hold("desk", 1).await;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/holds?sku=lamp&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(walked, placed);
}

#[tokio::test]
async fn projections_are_listed_and_folded_again_while_they_serve() {
    let none = Server::start().await;
    assert_eq!(
        none.get(Role::Operator, "/v1/projections").await.status,
        503
    );
    let server = shop().await;
    server.hold("lamp", 1).await;
    let list = server.get(Role::Auditor, "/v1/projections").await.json();
    let names: Vec<_> = list["items"].as_array().expect("a list").iter().collect();
    let names: Vec<_> = names.iter().map(|one| one["name"].as_str()).collect();
    assert_eq!(names, Projection::ALL.map(|one| Some(one.name())));
    for projection in Projection::ALL {
        let path = format!("/v1/projections/{}/rebuild", projection.name());
        let begun = server.post(Role::Operator, &path, "{}").await;
        assert_eq!(begun.status, 202, "{begun:?}");
        assert_eq!(begun.json()["name"], projection.name());
        assert_eq!(server.get(Role::Buyer, "/v1/holds").await.status, 200);
    }
    let unknown = server
        .post(Role::Operator, "/v1/projections/moods/rebuild", "{}")
        .await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (404, "not_found")
    );
    let head = server.head().await;
    let live = |list: &Value| {
        let all = list["items"].as_array().expect("a list");
        all.iter()
            .all(|one| one["state"] == "live" && one["checkpoint"] == head)
    };
    server.until("/v1/projections", live).await;
    let status = server.get(Role::Operator, "/v1/status").await.json();
    assert_eq!(status["failed_events"], 0);
    let loops = status["loops"].as_array().expect("a list");
    assert!(
        loops.iter().any(|one| one["name"] == "project"),
        "{loops:?}"
    );
}

#[tokio::test]
async fn verify_compares_projections_where_they_are_kept() {
    let server = shop().await;
    server.order("o-1", 1).await;
    server.order("o-2", 1).await;
    quiet(&server).await;
    let compared = |report: &Value| {
        let check = &report["checks"][7];
        assert_eq!(
            (&check["id"], &check["result"]),
            (&"I8".into(), &"held".into()),
            "{check:#}"
        );
        !check.to_string().contains("moved on")
    };
    let report = server.until("/v1/verify", compared).await;
    assert_eq!(report["ok"], true, "{report:#}");
}
