//! What waits for subscribers, as operators see it.

use super::harness::{Ask, Server};
use evenkeel_rules::token::Role;

/// A gauge of the page of metrics.
async fn gauge(server: &Server, name: &str) -> Option<f64> {
    let page = server.get(Role::Auditor, "/metrics").await;
    let page = String::from_utf8(page.body).expect("metrics are text");
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok())
}

#[tokio::test]
async fn what_a_subscriber_was_not_told_of_is_counted_and_what_nobody_wants_is_not() {
    // Nobody posts anything here.
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    let status = server.get(Role::Operator, "/v1/status").await.json();
    let figures = ["outbox_pending", "outbox_oldest_ms", "parked"];
    assert_eq!(figures.map(|name| status[name].as_u64()), [Some(0); 3]);
    let hook = r#"{"id":"s-1","url":"http://a.example/","types":["stock.*"]}"#;
    let made = server.post(Role::Operator, "/v1/subscriptions", hook).await;
    assert_eq!(made.status, 201, "{made:?}");
    let begun = server.head().await;
    server.hold("lamp", 1).await;
    server.hold("lamp", 1).await;
    let behind = server.head().await - begun;
    let status = server.get(Role::Operator, "/v1/status").await.json();
    assert_eq!(status["outbox_pending"].as_u64(), Some(behind), "{status}");
    assert!(status["outbox_oldest_ms"].as_u64().is_some(), "{status}");
    assert_eq!(
        gauge(&server, "evenkeel_outbox_pending_positions ").await,
        Some(f64::from(u32::try_from(behind).expect("a few")))
    );
    let oldest = gauge(&server, "evenkeel_outbox_oldest_seconds ").await;
    assert!(oldest.is_some_and(|oldest| oldest >= 0.0), "{oldest:?}");
    assert_eq!(gauge(&server, "evenkeel_parked ").await, Some(0.0));
    let delete = Ask::new("DELETE", "/v1/subscriptions/s-1").role(Role::Operator);
    let gone = server.send(&delete).await;
    assert!((200..300).contains(&gone.status), "{gone:?}");
    let status = server.get(Role::Operator, "/v1/status").await.json();
    assert_eq!(status["outbox_pending"].as_u64(), Some(0), "{status}");
}
