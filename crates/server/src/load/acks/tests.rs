use super::*;
use serde_json::{Value, json};
use std::time::Duration;

const AS_OF: &str = r#"{"code":"stock.sold_out","as_of":"main.1:812"}"#;

fn reply<'a>(status: u16, body: &'a str, position: Option<&'a str>) -> Reply<'a> {
    Reply {
        status,
        body: body.as_bytes(),
        position,
        replayed: false,
        retry_after: None,
    }
}

fn hold<'a>(key: &'a str, sent: Instant) -> Line<'a> {
    Line {
        key,
        customer: Some("c-1"),
        id: None,
        route: "/v1/holds",
        lines: Some(("lamp", 2)),
        sent,
        answered: sent + Duration::from_millis(1500),
    }
}

async fn written(write: impl FnOnce(&mut AckLog)) -> Vec<Value> {
    let path = tempfile::NamedTempFile::new()
        .expect("a scratch file")
        .into_temp_path();
    let (file, mut log) = AcksFile::create(&path).expect("it can be written");
    write(&mut log);
    drop(log);
    file.finish().await.expect("it was written");
    let text = std::fs::read_to_string(&path).expect("it is there");
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[tokio::test]
async fn each_answer_is_a_line_with_what_it_said() {
    let now = outside::now();
    let lines = written(|log| {
        log.answered(
            &hold("k-1", now),
            &reply(201, r#"{"id":"h-1"}"#, Some("main.1:9")),
        );
        log.answered(&hold("k-2", now), &reply(409, AS_OF, Some("ignored")));
        log.broke(&hold("k-\"3", now), "timeout");
        let confirm = Line {
            id: Some("h-1"),
            route: "/v1/holds/h-1/confirm",
            customer: None,
            ..hold("c", now)
        };
        let again = Reply {
            replayed: true,
            ..reply(200, r#"{"id":"h-1"}"#, Some("main.1:10"))
        };
        log.answered(&confirm, &again);
    })
    .await;
    let asked = json!([{"sku": "lamp", "quantity": 2}]);
    let without_times = |line: &Value| {
        let mut line = line.clone();
        let members = line.as_object_mut().expect("an object");
        assert!(members.remove("sent_at").is_some() && members.remove("answered_at").is_some());
        line
    };
    assert_eq!(
        lines.iter().map(without_times).collect::<Vec<_>>(),
        [
            json!({"key": "k-1", "customer": "c-1", "id": "h-1", "method": "POST",
                "route": "/v1/holds", "status": 201, "token": "main.1:9", "lines": asked}),
            json!({"key": "k-2", "customer": "c-1", "id": null, "method": "POST",
                "route": "/v1/holds", "status": 409, "code": "stock.sold_out",
                "token": "main.1:812", "lines": asked}),
            json!({"key": "k-\"3", "customer": "c-1", "id": null, "method": "POST",
                "route": "/v1/holds", "status": null, "error": "timeout", "lines": asked}),
            json!({"key": "c", "customer": null, "id": "h-1", "method": "POST",
                "route": "/v1/holds/h-1/confirm", "status": 200, "token": "main.1:10",
                "replayed": true, "lines": asked}),
        ]
    );
}

#[tokio::test]
async fn times_are_rfc_3339_with_milliseconds_and_keep_their_distance() {
    // Before the log was begun, too.
    let sent = outside::now() - Duration::from_secs(2);
    let lines = written(|log| log.broke(&hold("k", sent), "reset")).await;
    let time = |name: &str| {
        let text = lines[0][name].as_str().expect("a text").to_owned();
        assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
        text.parse::<jiff::Timestamp>()
            .expect("a time")
            .as_millisecond()
    };
    // Each of them is cut to whole milliseconds.
    let between = time("answered_at") - time("sent_at");
    assert!((1499..=1501).contains(&between), "{between}");
}

#[tokio::test]
async fn no_line_is_missing_however_many_there_are() {
    let now = outside::now();
    let lines = written(|log| {
        for number in 0..20_000 {
            log.answered(&hold(&number.to_string(), now), &reply(409, AS_OF, None));
        }
    })
    .await;
    assert_eq!(lines.len(), 20_000);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["key"].as_str(), Some(&*at.to_string()));
    }
}

#[tokio::test]
async fn verify_reads_what_is_written_here() {
    use evenkeel_engine::store::memory::MemoryStore;
    use evenkeel_engine::verify::{Acks, Inputs, Invariant, Kind, Outcome, verify};
    let now = outside::now();
    let lines = written(|log| {
        let placed = reply(201, r#"{"id":"h-1"}"#, Some("main.1:9"));
        log.answered(&hold("k-\"1", now), &placed);
        let sold_out = r#"{"code":"stock.sold_out","as_of":"main.1:0"}"#;
        log.answered(&hold("k-2", now), &reply(409, sold_out, None));
        log.answered(
            &hold("k-3", now),
            &reply(503, r#"{"code":"unavailable"}"#, None),
        );
        log.broke(&hold("k-4", now), "timeout");
    })
    .await;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let inputs = Inputs {
        acks: Some(Acks::read(text.as_bytes())),
        ..Inputs::default()
    };
    let report = verify(&MemoryStore::new("main", [1; 16]), inputs).await;
    let report = report.expect("a store in memory answers");
    // An empty log has nothing of what was acknowledged, and nothing that was refused.
    let kept = report.check(Invariant::I5);
    assert_eq!((kept.result, kept.checked), (Outcome::Violated, 4));
    let found = &kept.findings[0];
    assert_eq!((kept.findings.len(), found.kind), (1, Kind::EffectLost));
    assert_eq!((found.subject.kind, found.position), ("hold", 9));
    let refused = report.check(Invariant::I22);
    assert_eq!((refused.result, refused.checked), (Outcome::Held, 1));
}
