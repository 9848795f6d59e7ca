//! Lists, their cursors and filters; the log and the audit; reading at a position.

use super::harness::{Ask, Server};
use evenkeel_engine::chain::{hex, unhex};
use evenkeel_rules::token::Role;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn ids(page: &Value, member: &str) -> Vec<String> {
    let items = page["items"].as_array().expect("a list has items");
    items
        .iter()
        .map(|item| item[member].as_str().expect("text").to_owned())
        .collect()
}

/// Walks a list by its cursors and says what it found.
async fn walk(server: &Server, role: Role, path: &str, member: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = String::new();
    for _ in 0..50 {
        let page = server.get(role, &format!("{path}{next}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        found.extend(ids(&page, member));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return found,
        }
    }
    panic!("the list has no end");
}

#[tokio::test]
async fn lists_are_walked_newest_first_without_gaps() {
    let server = Server::start().await;
    for sku in ["a", "b", "c", "d", "e"] {
        server.stock(sku, 9).await;
    }
    let skus = walk(&server, Role::Buyer, "/v1/skus?limit=2", "sku").await;
    assert_eq!(skus, ["e", "d", "c", "b", "a"]);
    let mut placed = Vec::new();
    for sku in ["a", "b", "a", "b", "a"] {
        placed.insert(0, server.hold(sku, 1).await);
    }
    for limit in [1, 2, 4, 5, 200] {
        let path = format!("/v1/holds?limit={limit}");
        assert_eq!(walk(&server, Role::Buyer, &path, "id").await, placed);
    }
    let of_b = walk(&server, Role::Shop, "/v1/holds?limit=1&sku=b", "id").await;
    assert_eq!(of_b, [placed[1].clone(), placed[3].clone()]);
    let none = walk(&server, Role::Shop, "/v1/holds?limit=1&state=expired", "id").await;
    assert!(none.is_empty());
    let of_c = walk(
        &server,
        Role::Shop,
        "/v1/holds?customer=c-1&state=held",
        "id",
    )
    .await;
    assert_eq!(of_c, placed);
    assert_eq!(
        walk(&server, Role::Admin, "/v1/tokens?limit=3", "id")
            .await
            .len(),
        7
    );
}

/// SHA-256 over the previous hash and the text of an entry, as anybody can compute it.
fn computed(row: &Value) -> String {
    let member = |name: &str| row[name].as_str().expect("a proof has it");
    let before: [u8; 32] = unhex(member("previous_hash")).expect("a hash is 64 digits");
    let hash = Sha256::new_with_prefix(before).chain_update(member("text"));
    hex(&hash.finalize())
}

#[tokio::test]
async fn a_log_with_proof_lets_anybody_compute_the_chain() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    server.hold("lamp", 2).await;
    let head = server.head().await;
    let whole = "/v1/log?limit=200&proof=true";
    let log = server.get(Role::Auditor, whole).await.json();
    let rows = log["items"].as_array().expect("a list");
    assert_eq!(rows.len() as u64, head);
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        assert_eq!(row["hash"], next["previous_hash"]);
    }
    for row in rows {
        assert_eq!(row["hash"], computed(row), "{row:#}");
        let text: Value = serde_json::from_str(row["text"].as_str().expect("a text"))
            .expect("a text is one JSON object");
        assert_eq!(text["position"], row["position"]);
    }
    for from in 1..=head {
        let path = format!("/v1/log?limit=2&proof=true&from={from}");
        let page = server.get(Role::Auditor, &path).await.json();
        let items = page["items"].as_array().expect("a list");
        let at = usize::try_from(from).expect("small") - 1;
        assert_eq!(items.as_slice(), &rows[at..rows.len().min(at + 2)]);
    }
    for path in ["/v1/log", "/v1/log?proof=false"] {
        let page = server.get(Role::Auditor, path).await.json();
        assert!(page["items"][0]["text"].is_null() && page["items"][0]["hash"].is_string());
    }
    let wrong = server.get(Role::Auditor, "/v1/log?proof=1").await;
    assert_eq!(wrong.status, 422, "{wrong:?}");
}

#[tokio::test]
async fn the_log_and_the_audit_ascend() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let id = server.hold("lamp", 2).await;
    let released = server
        .post(Role::Buyer, &format!("/v1/holds/{id}/release"), "{}")
        .await;
    assert_eq!(released.status, 200);
    let head = server.head().await;
    let log = server.get(Role::Auditor, "/v1/log?limit=200").await.json();
    assert_eq!(log["head"], server.engine.position(head).to_string());
    let rows = log["items"].as_array().expect("a list");
    assert_eq!(rows.len() as u64, head);
    for (row, position) in rows.iter().zip(1_u64..) {
        assert_eq!(row["position"], position);
        assert_eq!(row["hash"].as_str().map(str::len), Some(64));
    }
    assert!(log["next_cursor"].is_null());
    let last = rows.last().expect("the release");
    assert_eq!(last["events"][0]["type"], "stock.released");
    assert_eq!(last["moves"][0]["operation"], "release");
    let two = server
        .get(Role::Auditor, &format!("/v1/log?from={}&limit=1", head - 1))
        .await
        .json();
    assert_eq!(two["items"][0]["position"], head - 1);
    assert!(two["next_cursor"].is_string());

    let operations = walk(
        &server,
        Role::Auditor,
        "/v1/audit?sku=lamp&limit=1",
        "operation",
    )
    .await;
    assert_eq!(operations, ["receive", "hold", "release"]);
    let path = format!("/v1/audit?ref={id}");
    assert_eq!(
        walk(&server, Role::Operator, &path, "operation").await,
        ["hold", "release"]
    );
    let audit = server.get(Role::Auditor, &path).await.json();
    let entry = &audit["items"][0];
    assert_eq!(
        (&entry["from"], &entry["to"]),
        (&"available".into(), &"held".into())
    );
    assert_eq!((&entry["quantity"], &entry["ref"]), (&2.into(), &id.into()));
    let none = server
        .get(Role::Auditor, "/v1/audit?sku=nothing")
        .await
        .json();
    assert_eq!(
        (ids(&none, "ref").len(), none["next_cursor"].is_null()),
        (0, true)
    );
}

#[tokio::test]
async fn a_read_waits_for_a_position_and_answers_with_its_own() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let head = server.head().await;
    let token = |position| server.engine.position(position).to_string();
    let (here, ahead) = (token(head), token(head + 1));
    let read = |token: String, wait: &'static str| {
        let server = &server;
        async move {
            let ask = Ask::new("GET", "/v1/skus/lamp").role(Role::Buyer);
            server
                .send(
                    &ask.header("evenkeel-position", &token)
                        .header("evenkeel-wait", wait),
                )
                .await
        }
    };
    let reply = read(here.clone(), "0").await;
    assert_eq!(
        (reply.status, reply.header("evenkeel-position")),
        (200, Some(here.as_str()))
    );
    let reply = read(format!("{}, {here}", token(1)), "0").await;
    assert_eq!(reply.status, 200);
    let reply = read(ahead.clone(), "20").await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "not_yet"));
    assert_eq!(reply.json()["retryable"], true);
    let (waited, _) = tokio::join!(read(ahead, "20000"), server.hold("lamp", 1));
    assert_eq!(waited.status, 200);
    for unknown in ["other.1:1".to_owned(), format!("main.99:{head}")] {
        let reply = read(unknown, "0").await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (409, "token_unknown")
        );
    }
    for (token, wait) in [
        ("nonsense", "0"),
        ("", "0"),
        ("main.1:1", "-1"),
        ("main.1:1", "30001"),
    ] {
        let reply = read(token.to_owned(), wait).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (422, "schema"),
            "{token} {wait}"
        );
    }
}

#[tokio::test]
async fn work_is_not_begun_after_its_deadline() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let head = server.head().await;
    let ask = Ask::new("POST", "/v1/holds").role(Role::Buyer);
    let ask = ask.body("{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}");
    let late = server
        .send(
            &ask.clone()
                .header("evenkeel-deadline", "2020-01-01T00:00:00Z"),
        )
        .await;
    assert_eq!(
        (late.status, late.problem().as_str()),
        (504, "deadline_passed")
    );
    let odd = server
        .send(&ask.clone().header("evenkeel-deadline", "soon"))
        .await;
    assert_eq!((odd.status, odd.problem().as_str()), (422, "schema"));
    assert_eq!(server.head().await, head);
    let fine = server
        .send(&ask.header("evenkeel-deadline", "2999-01-01T00:00:00Z"))
        .await;
    assert_eq!(fine.status, 201);
}
