//! An order's events as they happen.

use super::callbacks::{DELIVERY, call, delivery};
use super::harness::{Ask, Server, secret};
use evenkeel_rules::token::Role;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One block of the stream: its id, its type, its CloudEvent.
type Event = (String, String, Value);

/// Opens the stream and reads until it ends, or `enough` events have come.
async fn read(
    server: &Server,
    path: &str,
    last: Option<&str>,
    enough: usize,
) -> (String, Vec<Event>) {
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("the server listens");
    let last = last.map_or(String::new(), |last| format!("last-event-id: {last}\r\n"));
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: test\r\naccept: text/event-stream\r\n{last}\
         authorization: Bearer {}\r\n\r\n",
        secret(Role::Buyer)
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut bytes = Vec::new();
    let reading = async {
        let mut part = [0_u8; 4096];
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let ended = text.ends_with("\r\n0\r\n\r\n") || text.contains("problem+json");
            if ended || text.matches("data: ").count() >= enough {
                return text;
            }
            let count = stream
                .read(&mut part)
                .await
                .expect("the connection is not reset");
            assert!(count > 0, "closed after {text}");
            bytes.extend_from_slice(&part[..count]);
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(20), reading).await;
    let text = text.expect("events come in time");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut events = Vec::new();
    for block in body.split("\n\n") {
        let field = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        if let (Some(id), Some(kind), Some(data)) =
            (field("id: "), field("event: "), field("data: "))
        {
            let data = serde_json::from_str(&data).expect("a CloudEvent is JSON");
            events.push((id, kind, data));
        }
    }
    (head.to_lowercase(), events)
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, kind, _)| kind.as_str()).collect()
}

fn is_cloud_event(event: &Value, kind: &str) {
    for (name, value) in [
        ("specversion", "1.0"),
        ("type", kind),
        ("subject", "o-1"),
        ("datacontenttype", "application/json"),
        ("source", "/evenkeel/main.1"),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
}

#[tokio::test]
async fn an_orders_events_are_told_as_they_happen_and_the_stream_ends_with_it() {
    let server = Server::trading().await;
    server.stock("lamp", 5).await;
    server.order("o-1", 1).await;
    let path = "/v1/orders/o-1/events";
    let (head, events) = read(&server, path, None, 6).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert_eq!(
        kinds(&events)[..5],
        [
            "order.created",
            "payment.completed",
            "order.paid",
            "order.confirmed",
            "delivery.requested"
        ]
    );
    let order = server
        .order_until("o-1", |order| order["shipment"]["status"] == "INITIATED")
        .await;
    let (id, kind, event) = &events[0];
    let created = id.clone();
    assert_eq!(
        event["id"],
        format!("{created}/1"),
        "behind its hold's event"
    );
    is_cloud_event(event, kind);
    assert_eq!(
        (&event["evenkeelversion"], &event["time"]),
        (&1.into(), &order["created_at"])
    );
    for (version, (_, _, event)) in (1_u64..).zip(&events) {
        assert_eq!(event["evenkeelversion"], version);
    }

    let shipment = server.get(Role::Buyer, "/v1/shipments/o-1").await.json();
    let name = shipment["delivery"]
        .as_str()
        .expect("the provider named it");
    let follow = read(&server, path, Some(&created), usize::MAX);
    let deliver = async {
        for (event, kind) in [
            ("e-1", "delivery.in_transit"),
            ("e-2", "delivery.delivered"),
        ] {
            let stored = call(&server, (DELIVERY, event), &delivery(kind, "o-1", name), 0).await;
            assert_eq!(stored.status, 200);
        }
    };
    let ((_, events), ()) = tokio::join!(follow, deliver);
    assert_eq!(
        kinds(&events).first(),
        Some(&"payment.completed"),
        "after Last-Event-ID"
    );
    assert_eq!(kinds(&events).last(), Some(&"order.delivered"));
    let (last, _, _) = events.last().expect("events");
    let (_, none) = read(&server, path, Some(last), usize::MAX).await;
    assert!(none.is_empty(), "the end was seen");
    let (_, paid, _) = &events[1];
    assert_eq!(paid, "order.paid");
    let (_, again) = read(&server, path, Some(&events[0].0), usize::MAX).await;
    assert_eq!(
        kinds(&again),
        kinds(&events),
        "what was cut off within a commit is told again"
    );
}

#[tokio::test]
async fn events_are_the_customers_own_and_a_wrong_token_is_refused() {
    let server = Server::start().await;
    server.stock("lamp", 5).await;
    server.order("o-1", 1).await;
    let path = "/v1/orders/o-1/events";
    for (ask, status) in [
        (Ask::new("GET", path).secret("ek_other"), 404),
        (Ask::new("GET", path).role(Role::Staff), 403),
        (
            Ask::new("GET", path)
                .role(Role::Shop)
                .header("accept", "application/json"),
            406,
        ),
        (
            Ask::new("GET", path)
                .role(Role::Shop)
                .header("last-event-id", "7"),
            422,
        ),
        (
            Ask::new("GET", path)
                .role(Role::Shop)
                .header("last-event-id", "main.9:1"),
            409,
        ),
        (
            Ask::new("GET", "/v1/orders/none/events").role(Role::Shop),
            404,
        ),
    ] {
        assert_eq!(server.send(&ask).await.status, status, "{:?}", ask.headers);
    }
    server
        .post(Role::Buyer, "/v1/orders/o-1/cancel", "{}")
        .await;
    let (_, events) = read(&server, path, None, usize::MAX).await;
    assert_eq!(kinds(&events), ["order.created", "order.cancelled"]);
}

#[tokio::test]
async fn a_skus_availability_is_told_as_it_changes_and_goes_on_where_it_was() {
    let server = Server::start().await;
    server.stock("lamp", 11).await;
    let path = "/v1/skus/lamp/events";
    let (head, events) = read(&server, path, None, 1).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert_eq!(kinds(&events), ["availability"]);
    let (id, _, data) = &events[0];
    assert_eq!(data["availability"], "in_stock");
    assert!(data.get("stock").is_none(), "a buyer sees no numbers");
    server.hold("lamp", 3).await;
    let (_, events) = read(&server, path, Some(id), 1).await;
    assert_eq!(events[0].2["availability"], "low");
    assert_ne!(events[0].0, *id);
    let (head, _) = read(&server, path, Some("other.1:3"), 1).await;
    assert!(head.starts_with("http/1.1 409"), "{head}");
    let (head, _) = read(&server, path, Some("nonsense"), 1).await;
    assert!(head.starts_with("http/1.1 422"), "{head}");
}
