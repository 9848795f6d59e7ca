//! What comes before HTTP has a meaning: framing, sizes, broken heads.

use super::harness::{Ask, Reply, Server, reply};
use evenkeel_rules::token::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (status, code),
        "{reply:?}"
    );
    assert!(reply.closes, "{reply:?}");
}

/// Whether nothing more comes on a connection.
async fn ended(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.is_err() || rest.is_empty()
}

#[tokio::test]
async fn a_head_with_two_framings_is_refused_and_the_connection_closed() {
    let server = Server::start().await;
    let head = server.head().await;
    for (first, second) in [
        ("transfer-encoding: chunked", "content-length: 5"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Transfer-Encoding: gzip, chunked"),
        ("content-length: 5", "content-length: 6"),
        ("content-length: x", "a: b"),
        ("transfer-encoding: gzip", "a: b"),
    ] {
        let request = format!(
            "POST /v1/holds HTTP/1.1\r\nhost: a\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n\
             GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("the server listens");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is sent");
        refused(&reply(&mut stream).await, 400, "bad_text");
        assert!(ended(&mut stream).await, "{first}, {second}");
    }
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn what_is_no_http_gets_a_problem_document_too() {
    let server = Server::start().await;
    for request in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header: x\r\n\r\n",
        "GET / HTTP/1.1\r\na: b\r\n c: folded\r\n\r\n",
        "GET / HTTP/1.1\r\na: \u{0}\r\n\r\n",
    ] {
        refused(&server.raw(request.as_bytes()).await, 400, "bad_text");
    }
    let pipelined = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n";
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("the server listens");
    stream
        .write_all(pipelined.as_bytes())
        .await
        .expect("the request is sent");
    let mut answers = String::new();
    stream
        .read_to_string(&mut answers)
        .await
        .expect("two answers and the end");
    assert!(answers.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");
    let second = answers
        .split_once("okHTTP/1.1 400 ")
        .map(|(_, second)| second);
    assert!(
        second.is_some_and(|second| second.ends_with("\"retryable\":false}")),
        "{answers}"
    );
}

#[tokio::test]
async fn a_uri_over_8_kib_is_too_long_up_to_any_length() {
    let server = Server::start().await;
    for length in [8 * 1024 + 1, 64_000, 64 * 1024, 70_000] {
        let request = format!(
            "GET /{} HTTP/1.1\r\nhost: a\r\n\r\n",
            "a".repeat(length - 1)
        );
        let reply = server.raw(request.as_bytes()).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (414, "uri_too_long"),
            "{length}"
        );
    }
    let just = format!("/{}", "a".repeat(8 * 1024 - 1));
    assert_eq!(server.get(Role::Staff, &just).await.status, 404);
}

#[tokio::test]
async fn header_blocks_that_are_too_large_or_too_many_are_refused() {
    let server = Server::start().await;
    let large = format!(
        "GET /livez HTTP/1.1\r\na: {}\r\n\r\n",
        "v".repeat(65 * 1024)
    );
    let huge = format!(
        "GET /livez HTTP/1.1\r\na: {}\r\n\r\n",
        "v".repeat(1024 * 1024)
    );
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    let crowd = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
    for request in [large, huge, many, crowd] {
        let reply = server.raw(request.as_bytes()).await;
        let found = (reply.status, reply.problem());
        assert_eq!(
            found,
            (431, "headers_too_large".to_owned()),
            "{} bytes",
            request.len()
        );
    }
    let hundred = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert_eq!(server.raw(hundred.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn a_body_over_the_cap_is_too_large_however_it_is_sent() {
    let server = Server::start().await;
    let head = server.head().await;
    let cap = 1024 * 1024;
    for size in [cap + 1, 2 * cap, 9 * cap] {
        let body = vec![b' '; size];
        let ask = Ask::new("POST", "/v1/holds")
            .role(Role::Buyer)
            .bytes_body(&body);
        refused(&server.send(&ask).await, 413, "too_large");
        let mut chunked =
            b"POST /v1/holds HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ek_buyer\r\n\
            content-type: application/json\r\nidempotency-key: k\r\n\
            transfer-encoding: chunked\r\n\r\n"
                .to_vec();
        for part in body.chunks(64 * 1024) {
            chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        refused(&server.raw(&chunked).await, 413, "too_large");
    }
    let mut just = b"{\"lines\":[]}".to_vec();
    just.resize(cap, b' ');
    let ask = Ask::new("POST", "/v1/holds")
        .role(Role::Buyer)
        .bytes_body(&just);
    assert_eq!(server.send(&ask).await.status, 422);
    let expects = Ask::new("POST", "/v1/holds")
        .role(Role::Buyer)
        .header("expect", "100-continue");
    let expects = expects.header("content-length", "99999999");
    refused(&server.send(&expects).await, 413, "too_large");
    assert_eq!(server.head().await, head);
}

#[tokio::test]
async fn chunked_bodies_and_kept_connections_work() {
    let server = Server::start().await;
    server.stock("lamp", 9).await;
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("the server listens");
    for number in 0..3 {
        let body = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
        let (one, two) = body.split_at(10);
        let request = format!(
            "POST /v1/holds HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ek_buyer\r\n\
             content-type: application/json\r\nidempotency-key: c-{number}\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len(),
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is sent");
        let placed = reply(&mut stream).await;
        assert_eq!((placed.status, placed.closes), (201, false), "{placed:?}");
    }
    let head = b"HEAD /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.expect("the request is sent");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("a head and nothing more");
    assert!(
        answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn broken_chunks_are_unreadable() {
    let server = Server::start().await;
    let request = b"POST /v1/holds HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ek_buyer\r\n\
        content-type: application/json\r\nidempotency-key: k\r\n\
        transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";
    refused(&server.raw(request).await, 400, "bad_text");
}
