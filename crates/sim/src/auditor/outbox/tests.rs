//! The oracle of the outbox against histories that are told rightly and wrongly.

use super::*;
use crate::auditor::model::Row;
use serde_json::json;
use std::time::Duration;

/// A subscription at 1, to one stream of each of two SKUs from 2 on; nothing of tokens.
struct Scene {
    model: Model,
    found: Found,
}

fn event(stream: &str, version: u64, kind: &str, data: Value) -> Event {
    Event {
        stream: stream.to_owned(),
        version,
        kind: kind.to_owned(),
        data,
    }
}

fn subscription(parked: &Value, set_to: u64) -> Value {
    json!({"id": "s-0", "url": "http://s-0.example", "types": ["sku.*"], "state": "active",
        "set_to": set_to, "parked": parked})
}

fn scene() -> Scene {
    let mut scene = Scene {
        model: Model::default(),
        found: Found::new(),
    };
    let made = subscription(&json!([]), 1);
    scene.happens(event("subscription:s-0", 1, "subscription.created", made));
    for version in 1..=3 {
        let kind = if version == 1 {
            "sku.created"
        } else {
            "sku.updated"
        };
        for sku in ["sku:lamp", "sku:chair"] {
            scene.happens(event(sku, version, kind, json!({"version": version})));
        }
    }
    scene.happens(event("token:t-0", 1, "token.created", json!({})));
    scene
}

impl Scene {
    fn happens(&mut self, event: Event) {
        let position = self.model.position() + 1;
        self.model.outbox.event(&event, (position, 0));
        self.model.rows.push(Row {
            position,
            hash: [0; 32],
            at: 0,
            mono: Duration::ZERO,
            key: None,
            fingerprint: String::new(),
            events: vec![event],
        });
    }

    /// Tells an event as it is, unless `with` makes something else of it.
    fn told(&mut self, position: u64, with: impl FnOnce(&mut Post, &mut Value)) -> usize {
        let row = self.model.at(position);
        let event = row.map(|row| row.events[0].clone());
        let event = event.unwrap_or_else(event_of_nothing);
        let id = format!("main.1:{position}/0");
        let (_, subject) = event.stream.split_once(':').expect("a stream's name");
        let mut body = json!({"id": id, "type": event.kind, "subject": subject,
            "evenkeelversion": event.version, "data": event.data});
        let mut post = Post {
            url: String::new(),
            stream: event.stream.clone(),
            id,
            timestamp: String::new(),
            signature: "v1,abc".to_owned(),
            body: Vec::new(),
        };
        with(&mut post, &mut body);
        post.body = body.to_string().into_bytes();
        let before = self.found.len();
        self.model.posted("s-0", (&post, true), &mut self.found);
        self.found.len() - before
    }

    fn plainly(&mut self, position: u64) -> usize {
        self.told(position, |_, _| {})
    }

    /// How much is missing in the end.
    fn missing(&self) -> usize {
        let mut found = Found::new();
        self.model.outbox.compare(&mut found);
        assert!(found.iter().all(|(invariant, _)| *invariant == "I9"));
        found.len()
    }
}

fn event_of_nothing() -> Event {
    event("sku:lamp", 9, "sku.updated", json!({}))
}

#[test]
fn what_is_told_in_the_order_of_its_stream_however_often_is_fine() {
    let mut scene = scene();
    let told = [2, 4, 3, 2, 6, 4, 5, 7, 2];
    let wrong: usize = told.iter().map(|at| scene.plainly(*at)).sum();
    assert_eq!((wrong, scene.missing()), (0, 0), "{:?}", scene.found);
}

#[test]
fn what_comes_before_an_earlier_event_of_its_stream_is_found() {
    let mut scene = scene();
    assert_eq!(scene.plainly(2), 0);
    assert_eq!(scene.plainly(6), 1, "the event at 4 comes before it");
    assert_eq!(scene.plainly(3), 0, "another stream");
}

#[test]
fn what_was_never_told_is_found_unless_it_is_parked_or_was_dropped() {
    let mut scene = scene();
    for at in [2, 3, 5, 7] {
        assert_eq!(scene.plainly(at), 0);
    }
    assert_eq!(scene.missing(), 1);
    let parked = json!([{"id": 9, "stream": "sku:lamp", "from": 4, "index": 0}]);
    let set_aside = subscription(&parked, 1);
    scene.happens(event(
        "subscription:s-0",
        2,
        "subscription.parked",
        set_aside,
    ));
    assert_eq!(scene.missing(), 0);
    let dropped = subscription(&json!([]), 1);
    scene.happens(event(
        "subscription:s-0",
        3,
        "subscription.dropped",
        dropped,
    ));
    assert_eq!(scene.missing(), 0, "4 and 6 were given up");
    scene.happens(event("sku:lamp", 4, "sku.updated", json!({})));
    assert_eq!(scene.missing(), 1, "what came later was not");
}

#[test]
fn parking_covers_nothing_before_its_first_event() {
    let mut scene = scene();
    let parked = json!([{"id": 9, "stream": "sku:lamp", "from": 4, "index": 0}]);
    let set_aside = subscription(&parked, 1);
    scene.happens(event(
        "subscription:s-0",
        2,
        "subscription.parked",
        set_aside,
    ));
    for at in [3, 5, 7] {
        assert_eq!(scene.plainly(at), 0);
    }
    assert_eq!(scene.missing(), 1, "2 is neither told nor parked");
}

#[test]
fn a_replay_makes_more_be_owed() {
    let mut scene = scene();
    scene.happens(event("sku:desk", 1, "sku.created", json!({})));
    let made = subscription(&json!([]), 9);
    scene.happens(event("subscription:s-1", 1, "subscription.created", made));
    assert_eq!(scene.missing(), 3, "three streams that s-0 was not told of");
    let back = subscription(&json!([]), 8);
    scene.happens(event("subscription:s-1", 2, "subscription.replayed", back));
    assert_eq!(scene.missing(), 4);
}

#[test]
fn what_is_not_what_the_log_says_is_found() {
    let told = |position, with: fn(&mut Post, &mut Value)| scene().told(position, with);
    assert_eq!(told(2, |_, _| {}), 0);
    assert_eq!(told(99, |_, _| {}), 1, "it is not in the log");
    assert_eq!(told(2, |post, _| "main.2:2/0".clone_into(&mut post.id)), 1);
    assert_eq!(told(2, |_, body| body["id"] = json!("main.1:3/0")), 1);
    assert_eq!(told(2, |_, body| body["evenkeelversion"] = json!(2)), 1);
    assert_eq!(told(2, |_, body| body["data"] = json!({})), 1);
    assert_eq!(told(2, |_, body| body["subject"] = json!("chair")), 1);
    assert_eq!(told(2, |post, _| post.signature.clear()), 1);
    assert_eq!(told(8, |_, _| {}), 1, "tokens are nobody's");
}
