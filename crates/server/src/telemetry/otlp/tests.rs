use super::super::spans::remote;
use super::*;
use evenkeel_engine::meter::SPANS;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt as _;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What the spans of a request with a commit in it become.
fn spans_of(parent: Option<&str>, url: &str) -> (Vec<Span>, Sender) {
    let (spans, mut sender) = channel(url).expect("a URL");
    let listener = tracing_subscriber::registry().with(spans);
    tracing::subscriber::with_default(listener, || {
        let request = tracing::trace_span!(
            target: SPANS,
            "request",
            span.kind = "server",
            http.request.method = "POST",
            http.route = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            traceparent = parent,
        );
        request.in_scope(|| {
            tracing::trace_span!(target: SPANS, "commit", command = "place_hold").in_scope(|| {});
        });
        request.record("http.route", "/v1/holds");
        request.record("http.response.status_code", 503_u64);
    });
    let mut ended = Vec::new();
    while let Ok(span) = sender.source.try_recv() {
        ended.push(span);
    }
    (ended, sender)
}

fn sent(spans: &[Span]) -> Vec<Json> {
    let tree = request(spans);
    let spans = &tree["resourceSpans"][0]["scopeSpans"][0]["spans"];
    spans.as_array().expect("a list").clone()
}

#[test]
fn a_request_and_its_commit_are_spans_of_the_callers_trace() {
    let header = format!("00-{TRACE}-{PARENT}-01");
    let (ended, _) = spans_of(Some(&header), "http://127.0.0.1:4318");
    let all = sent(&ended);
    let [commit, request] = all.as_slice() else {
        panic!("two spans ended: {all:?}");
    };
    assert_eq!(
        (&request["traceId"], &commit["traceId"]),
        (&TRACE.into(), &TRACE.into())
    );
    assert_eq!(request["parentSpanId"], PARENT);
    assert_eq!(commit["parentSpanId"], request["spanId"]);
    assert_eq!(request["name"], "POST /v1/holds");
    assert_eq!((&request["kind"], &commit["kind"]), (&2.into(), &1.into()));
    assert_eq!(request["status"]["code"], 2, "503 is an error");
    assert_eq!(
        commit["attributes"],
        json!([{"key": "command", "value": {"stringValue": "place_hold"}}])
    );
    let begun = |span: &Json| span["startTimeUnixNano"].as_str().map(str::to_owned);
    assert!(begun(request).is_some_and(|nanos| nanos.len() == 19));
}

#[test]
fn a_request_of_nobodys_trace_begins_one() {
    for header in [None, Some("00-zz-00-01")] {
        let (ended, _) = spans_of(header, "http://127.0.0.1:4318");
        let all = sent(&ended);
        assert_eq!(all[1]["parentSpanId"], "");
        assert_ne!(all[1]["traceId"], TRACE);
        assert_eq!(all[0]["traceId"], all[1]["traceId"]);
    }
}

#[test]
fn only_a_traceparent_of_one_meaning_is_believed() {
    let good = format!("00-{TRACE}-{PARENT}-01");
    assert!(remote(&good).is_some());
    let later = format!("01-{TRACE}-{PARENT}-01-what-comes");
    assert!(remote(&later).is_some(), "a later version may say more");
    for bad in [
        format!("{good}-more"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{PARENT}"),
        String::new(),
    ] {
        assert_eq!(remote(&bad), None, "{bad}");
    }
}

#[tokio::test]
async fn what_waits_is_sent_at_the_stop_and_lost_where_nobody_listens() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = collector.local_addr().expect("an address");
    let (ended, mut sender) = spans_of(None, &format!("http://{address}"));
    let heard = outside::aside(move || {
        let (mut stream, _) = collector.accept().expect("it connects");
        let mut text = Vec::new();
        let mut some = [0; 4_096];
        while !text.ends_with(b"}]}]}]}") {
            let read = stream.read(&mut some).expect("it sends");
            assert!(read > 0, "it ended early");
            text.extend_from_slice(&some[..read]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .expect("it reads");
        String::from_utf8(text).expect("text")
    });
    assert!(sender.send(&ended).await);
    let text = heard.await.expect("the collector heard it");
    assert!(text.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("\"place_hold\""), "{text}");
    // The collector is gone: the next ones are lost, and the sender ends all the same.
    let (sink, source) = mpsc::channel(1);
    sink.try_send(ended[0].clone()).expect("there is room");
    sender.source = source;
    let (stop, stopped) = watch::channel(false);
    stop.send_replace(true);
    sender.run(stopped).await;
    assert_eq!(sink.capacity(), 1, "nothing waits");
}
