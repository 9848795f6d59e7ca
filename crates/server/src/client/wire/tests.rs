use super::super::{Api, Caller, Pool};
use super::*;
use crate::client::outside::Crew;
use tokio::net::TcpListener;

/// A server that gives each connection these answers, one a request, and then closes.
async fn canned(connections: Vec<Vec<&'static str>>) -> (Target, Crew<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut crew = Crew::new();
    crew.add(async move {
        let mut seen = Vec::new();
        for answers in connections {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut bytes = vec![0; 4096];
            for answer in answers {
                let read = stream.read(&mut bytes).await.expect("a request");
                seen.push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                for piece in answer.split('|') {
                    stream.write_all(piece.as_bytes()).await.expect("a reader");
                    tokio::task::yield_now().await;
                }
            }
        }
        seen
    });
    (
        Target::new(&format!("http://{address}")).expect("a good address"),
        crew,
    )
}

fn get<'a>(path: &'a str, caller: &'a Caller) -> Outgoing<'a> {
    Outgoing {
        method: "GET",
        path,
        caller,
        key: None,
        body: None,
    }
}

#[tokio::test]
async fn answers_of_one_connection_come_whole_and_in_order() {
    let answers = vec![
        "HTTP/1.1 200 OK\r\ncontent-le|ngth: 5\r\nevenkeel-position: main.1:7\r\n\r\nhe|llo",
        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n|HTTP/1.1 409 Conflict\r\ntransfer-encoding: \
         chunked\r\n\r\n11\r\n{\"code\":\"|a.b_cd\"}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the |end",
    ];
    let (target, crew) = canned(vec![answers]).await;
    let mut wire = Wire::new(&target, Limits::default());
    let nobody = Caller::nobody();

    let reply = wire.exchange(&get("/1", &nobody)).await.expect("an answer");
    assert_eq!((reply.status, reply.body), (200, b"hello".as_slice()));
    assert_eq!(reply.position, Some("main.1:7"));
    assert_eq!(reply.code(), None, "a success has no code");
    assert!(wire.is_kept());

    let reply = wire.exchange(&get("/2", &nobody)).await.expect("an answer");
    assert_eq!((reply.status, reply.code()), (409, Some("a.b_cd")));

    let reply = wire.exchange(&get("/3", &nobody)).await.expect("an answer");
    assert_eq!(reply.body, b"to the end");
    assert!(!wire.is_kept(), "a closed connection is not used again");
    assert_eq!(crew.all().await.concat().len(), 3);
}

#[tokio::test]
async fn an_answer_in_one_piece_with_an_informational_head_is_read_at_once() {
    let both =
        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (target, _crew) = canned(vec![vec![both, both]]).await;
    let mut wire = Wire::new(&target, Limits::default());
    let reply = wire.exchange(&get("/", &Caller::nobody())).await;
    assert_eq!(reply.expect("an answer").body, b"ok");
    assert!(wire.is_kept());
}

#[tokio::test]
async fn an_answer_cut_off_is_a_reset_and_never_kept() {
    let (target, _crew) =
        canned(vec![vec!["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"]]).await;
    let mut wire = Wire::new(&target, Limits::default());
    let broken = wire
        .exchange(&get("/", &Caller::nobody()))
        .await
        .map(|reply| reply.status);
    assert_eq!(broken.expect_err("it was cut off").word(), "reset");
    assert!(!wire.is_kept());
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_end_the_connection() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
    let (target, _crew) = canned(vec![vec![text]]).await;
    let mut wire = Wire::new(&target, Limits::default());
    let reply = wire
        .exchange(&get("/", &Caller::nobody()))
        .await
        .expect("an answer");
    assert_eq!(reply.body, b"ok");
    assert!(!wire.is_kept());
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let target = Target::new(&url).expect("a good address");
    let limits = Limits {
        answer: Duration::from_millis(20),
        ..Limits::default()
    };
    let mut wire = Wire::new(&target, limits);
    let nobody = Caller::nobody();
    let broken = wire
        .exchange(&get("/", &nobody))
        .await
        .map(|reply| reply.status);
    assert_eq!(broken.expect_err("nobody answers").word(), "timeout");
    drop(listener);
    let broken = wire
        .exchange(&get("/", &nobody))
        .await
        .map(|reply| reply.status);
    assert_eq!(broken.expect_err("nobody listens").word(), "connect");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced_once() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let no = "HTTP/1.1 404 Not Found\r\ncontent-length: 36\r\n\r\n\
        {\"code\":\"not_found\",\"detail\":\"gone\"}";
    let (target, crew) = canned(vec![vec![ok], vec![no]]).await;
    let api = Api::new(&Pool::new(&target, Limits::default(), 1), Caller::nobody());
    let first = api
        .post("/v1/x", "k-1", &serde_json::json!({"a": 1}))
        .await
        .expect("an answer");
    assert!(first.is_success());
    let second = api
        .get("/v1/y")
        .await
        .expect("the second connection answers");
    let refused = second
        .value::<serde_json::Value>()
        .expect_err("it is a 404")
        .to_string();
    assert_eq!(refused, "404 not_found: gone");
    let seen = crew.all().await.concat();
    assert!(seen[0].contains("idempotency-key: k-1") && seen[0].ends_with("{\"a\":1}"));
}
