//! A wall clock that is stepped by an hour, both ways.

use crate::buyers::{Book, Buyer, crowd, rush};
use crate::layer::{Layer, Word, free_address};
use crate::server::{Server, verify};
use crate::wire::{Reply, Wire};
use crate::{choices, tell, times, until};
use serde_json::json;

const BUYERS: usize = 2;
const HOUR: i64 = 3_600;
/// Holds that a step must not end: longer than a step takes here, far shorter than the step.
const HOLDS: usize = 10;
const LIFE_MS: u64 = 120_000;

fn place(wire: &mut Wire, key: &str) -> Reply {
    let lines = json!([{"sku": "lamp", "quantity": 1}]);
    let body = json!({"customer": "c-clock", "lines": lines, "ttl_ms": LIFE_MS});
    let reply = wire.post("/v1/holds", key, &body);
    reply.expect("a running server answers")
}

fn state(wire: &mut Wire, hold: &str) -> String {
    let shown = wire.get(&format!("/v1/holds/{hold}"));
    shown
        .expect("a running server answers")
        .text("state")
        .to_owned()
}

/// Steps the clock, and back: what was held before is held all the while, and can be confirmed.
fn step(wire: &mut Wire, layer: &Layer, (name, seconds): (&str, i64)) {
    let keys = (0..HOLDS).map(|at| format!("{name}-{at}"));
    let holds: Vec<String> = keys
        .map(|key| place(wire, &key).text("id").to_owned())
        .collect();
    layer.set(Word::ClockSeconds, seconds);
    until("it notices", || {
        let ready = wire.get("/readyz").expect("a running server answers");
        ready.body["failing"] == json!(["clock"])
    });
    let refused = place(wire, &format!("{name}-refused"));
    assert_eq!((refused.status, refused.text("code")), (503, "unavailable"));
    for hold in &holds {
        assert_eq!(state(wire, hold), "held", "{name} ended it");
    }
    layer.set(Word::ClockSeconds, 0);
    until("the clocks have agreed for a while", || {
        let ready = wire.get("/readyz").expect("a running server answers");
        ready.status == 200
    });
    for hold in &holds {
        assert_eq!(state(wire, hold), "held", "{name} ended it");
        let path = format!("/v1/holds/{hold}/confirm");
        let confirmed = wire.post(&path, &format!("confirm-{hold}"), &json!({}));
        let confirmed = confirmed.expect("a running server answers");
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
    }
}

#[test]
fn a_clock_that_is_stepped_by_an_hour_ends_no_hold_before_its_time() {
    let mut rng = choices("clock steps");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    let layer = Layer::new(&home);
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let server = Server::start_at(&home, &address, Some(&layer));
    let token = server.token();
    let crowd = crowd(&server, BUYERS, &mut rng).into_iter();
    let mut buyers: Vec<Buyer> = crowd.map(|buyer| buyer.with_ttl(LIFE_MS)).collect();
    let mut injected = 0;
    let wire = || Wire::to(&address, &token).expect("the server listens");
    let server = rush(&mut buyers, &address, &book, || {
        for round in 0..times(1, 5) {
            step(&mut wire(), &layer, (&format!("ahead-{round}"), HOUR));
            step(&mut wire(), &layer, (&format!("back-{round}"), -HOUR));
            injected += 2;
        }
        // Started with a clock that has fallen behind the log: log time waits for it.
        let hold = place(&mut wire(), "across").text("id").to_owned();
        server.kill();
        layer.set(Word::ClockSeconds, -HOUR);
        injected += 1;
        let behind = Server::start_at(&home, &address, Some(&layer));
        assert_eq!(place(&mut wire(), "behind").status, 201);
        assert_eq!(state(&mut wire(), &hold), "held");
        behind.kill();
        layer.set(Word::ClockSeconds, 0);
        let server = Server::start_at(&home, &address, Some(&layer));
        assert_eq!(state(&mut wire(), &hold), "held");
        server
    });
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    let read = layer.count(Word::Stepped);
    assert!(read > 0, "the server reads another clock");
    let lost = verify(&home, book.path());
    server.kill();
    tell("clock steps", injected, book.acknowledged(), lost);
}
