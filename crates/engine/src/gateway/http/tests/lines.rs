//! What happens to connections, and what is known afterwards.

use super::*;

/// Calls until one met a connection that the other side had just closed; its key and reply.
///
/// Three calls at once leave several kept connections behind; whether the next one takes one of
/// them is up to the pool.
async fn until_stale(peer: &Peer, gateway: &HttpGateway) -> (String, Reply) {
    for round in 0..1_000 {
        let warm = charge(&format!("warm-{round}"));
        let warmed = tokio::join!(
            gateway.call(&warm, LONG),
            gateway.call(&warm, LONG),
            gateway.call(&warm, LONG)
        );
        assert_eq!(warmed, (completed(), completed(), completed()));
        let key = format!("key-{round}");
        let reply = gateway.call(&charge(&key), LONG).await;
        let heard = peer.heard();
        let stale = |request: &&peer::Request| request.key == key && request.before > 0;
        if heard.iter().any(|request| stale(&request)) {
            return (key, reply);
        }
    }
    panic!("no call ever used a kept connection");
}

/// Serves what begins with `warm`; closes kept connections without a word; `then` for the rest.
async fn closing_peer(then: fn() -> Then) -> Peer {
    Peer::new(move |request| {
        if request.key.starts_with("warm") {
            Then::Say(answer(200, RECEIPT))
        } else if request.before > 0 {
            Then::Close
        } else {
            then()
        }
    })
    .await
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let peer = Peer::new(|_| Then::Say(answer(200, RECEIPT))).await;
    let gateway = gateway(&peer);
    for round in 0..100 {
        let reply = gateway.call(&charge(&format!("k-{round}")), LONG).await;
        assert_eq!(reply, completed());
    }
    assert!(peer.connections() < 50, "{}", peer.connections());
}

#[tokio::test]
async fn a_call_on_a_connection_that_was_just_closed_is_sent_once_more_under_its_key() {
    let peer = closing_peer(|| Then::Say(answer(200, RECEIPT))).await;
    let (key, reply) = until_stale(&peer, &gateway(&peer)).await;
    assert_eq!(reply, completed());
    assert_eq!(peer.times(&key), 2);
    let last = peer.heard().pop().expect("it was heard");
    assert_eq!((last.key, last.before), (key, 0), "a fresh connection");
}

#[tokio::test]
async fn a_second_copy_that_dies_as_well_is_unknown_and_the_last() {
    let peer = closing_peer(|| Then::Close).await;
    let gateway = gateway(&peer);
    let (key, reply) = until_stale(&peer, &gateway).await;
    assert_eq!(reply, Reply::Unknown);
    assert_eq!(peer.times(&key), 2);
}

#[tokio::test]
async fn only_a_declined_payment_is_a_no_to_a_second_copy() {
    let in_flight = closing_peer(|| Then::Say(answer(409, r#"{"code":"in_flight"}"#))).await;
    let (_, reply) = until_stale(&in_flight, &gateway(&in_flight)).await;
    assert_eq!(reply, Reply::Unknown);
    let declined = closing_peer(|| Then::Say(answer(402, r#"{"code":"declined"}"#))).await;
    let (_, reply) = until_stale(&declined, &gateway(&declined)).await;
    let code = Some("declined".to_owned());
    assert_eq!(reply, Reply::Refused { code });
}

#[tokio::test]
async fn a_first_copy_that_may_have_arrived_is_not_forgotten_when_nobody_listens_any_more() {
    let peer = Peer::new(|request| {
        if request.key.starts_with("warm") {
            Then::Say(answer(200, RECEIPT))
        } else if request.before > 0 {
            Then::Leave
        } else {
            Then::Say(answer(200, RECEIPT))
        }
    })
    .await;
    let (key, reply) = until_stale(&peer, &gateway(&peer)).await;
    assert_eq!(reply, Reply::Unknown, "not: not sent");
    assert_eq!(peer.times(&key), 1);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_within_the_answer_is_unknown_and_not_sent_again() {
    let peer = Peer::new(|request| {
        if request.key.starts_with("warm") || request.before == 0 {
            Then::Say(answer(200, RECEIPT))
        } else {
            Then::SayAndClose("HTTP/1.1 200 x\r\ncontent-le".to_owned())
        }
    })
    .await;
    let (key, reply) = until_stale(&peer, &gateway(&peer)).await;
    assert_eq!(reply, Reply::Unknown);
    assert_eq!(peer.times(&key), 1);
}

#[tokio::test]
async fn a_fresh_connection_that_ends_without_an_answer_is_unknown_and_not_tried_again() {
    for then in [|| Then::Close, || Then::Reset] {
        let peer = Peer::new(move |_| then()).await;
        let reply = gateway(&peer).call(&charge("k"), LONG).await;
        assert_eq!(reply, Reply::Unknown);
        assert_eq!((peer.times("k"), peer.connections()), (1, 1));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unknown() {
    let silent = || Then::SayAndHold(String::new());
    let reply = reply_to(|_| charge("k"), silent, SHORT).await;
    assert_eq!(reply, Reply::Unknown);
    let half_a_head = || Then::SayAndHold("HTTP/1.1 200 OK\r\n".to_owned());
    let reply = reply_to(|peer| step(peer, "k"), half_a_head, SHORT).await;
    assert_eq!(reply, Reply::Unknown);
}

#[tokio::test]
async fn a_body_that_does_not_end_leaves_what_the_status_alone_says() {
    let slow = |status: u16| format!("HTTP/1.1 {status} x\r\ncontent-length: 99\r\n\r\n{{");
    let yes = move || Then::SayAndHold(slow(200));
    let peer = Peer::new(move |_| yes()).await;
    let line = gateway(&peer);
    assert_eq!(line.call(&charge("k"), SHORT).await, Reply::Unknown);
    assert_eq!(line.call(&step(&peer, "k"), SHORT).await, Reply::Done);
    let peer = Peer::new(move |_| Then::SayAndHold(slow(402))).await;
    let refused = Reply::Refused { code: None };
    assert_eq!(gateway(&peer).call(&charge("k"), SHORT).await, refused);
    let cut = move || Then::SayAndClose(slow(200));
    let peer = Peer::new(move |_| cut()).await;
    assert_eq!(
        gateway(&peer).call(&charge("k"), LONG).await,
        Reply::Unknown
    );
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_not_read_to_its_end() {
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    let endless = move || {
        let head = "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        Then::SayForEver(head, chunk.clone())
    };
    let peer = Peer::new(move |_| endless()).await;
    let line = gateway(&peer);
    assert_eq!(line.call(&charge("k"), LONG).await, Reply::Unknown);
    assert_eq!(line.call(&step(&peer, "k"), LONG).await, Reply::Done);
    let padded = format!("{}{RECEIPT}", " ".repeat(BODY_MAX));
    let peer = Peer::new(move |_| Then::Say(answer(200, &padded))).await;
    assert_eq!(
        gateway(&peer).call(&charge("k"), LONG).await,
        Reply::Unknown
    );
    let padded = format!("{}{RECEIPT}", " ".repeat(BODY_MAX - RECEIPT.len()));
    let peer = Peer::new(move |_| Then::Say(answer(200, &padded))).await;
    assert_eq!(gateway(&peer).call(&charge("k"), LONG).await, completed());
}

#[tokio::test]
async fn a_head_that_does_not_end_or_is_none_is_unknown() {
    let endless = || {
        let start = "HTTP/1.1 200 x\r\n".to_owned();
        Then::SayForEver(start, format!("x: {}\r\n", "y".repeat(8_000)))
    };
    let reply = reply_to(|_| charge("k"), endless, LONG).await;
    assert_eq!(reply, Reply::Unknown);
    let other = || Then::SayAndClose("220 mail.example ESMTP\r\n".to_owned());
    assert_eq!(reply_to(|_| charge("k"), other, LONG).await, Reply::Unknown);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let peer = Peer::new(|request| {
        if request.line.ends_with("/elsewhere") {
            return Then::Say(answer(200, RECEIPT));
        }
        let head = "HTTP/1.1 307 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
        Then::Say(head.to_owned())
    })
    .await;
    let gateway = gateway(&peer);
    assert_eq!(gateway.call(&charge("k"), LONG).await, Reply::Unknown);
    assert_eq!(gateway.call(&step(&peer, "k"), LONG).await, Reply::Unknown);
    let ask = Call::AskCharge {
        key: "k".to_owned(),
    };
    assert_eq!(gateway.call(&ask, LONG).await, Reply::Unknown);
    assert_eq!(peer.heard().len(), 3);
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let gateway = gateway_at(&format!("http://127.0.0.1:{port}"));
    let reply = gateway.call(&charge("k"), LONG).await;
    was_not_sent(&reply, "refused");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_https_url_gets_no_request_in_the_clear() {
    let plain = || Then::SayAndClose("HTTP/1.1 200 OK\r\n\r\n".to_owned());
    let peer = Peer::new(move |_| plain()).await;
    let gateway = gateway_at(&peer.url().replace("http:", "https:"));
    let reply = gateway.call(&charge("k"), SHORT).await;
    was_not_sent(&reply, "");
    assert_eq!(peer.heard().len(), 0);
}
