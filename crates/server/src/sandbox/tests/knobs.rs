//! Each knob, turned to the end.

use super::stage::{Reply, Stage, ms};
use crate::client::outside::Crew;
use crate::sandbox::knobs::Knobs;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CHARGES: &str = "/payment/charges";

/// One intent for each service: path and body.
async fn intents(stage: &Stage) -> Vec<(&'static str, Value)> {
    let (_, charge) = stage
        .post(CHARGES, "before", &stage.charge("tok_never"))
        .await;
    stage.clock.step(ms(1_000));
    let amount = &charge["amount"];
    let refund = json!({"transaction": charge["transaction"], "amount": amount, "order": "o-1"});
    vec![
        (CHARGES, stage.charge("tok_never")),
        ("/payment/refunds", refund),
        ("/delivery/deliveries", stage.delivery()),
        ("/product/availability", json!({"lines": [{"sku": "lamp"}]})),
    ]
}

async fn effects(stage: &Stage) -> usize {
    let mut all = 0;
    for list in ["charges", "refunds", "deliveries"] {
        let done = |entry: &&Value| entry["status"] != "failed";
        all += stage.ledger(list).await.iter().filter(done).count();
    }
    all
}

#[tokio::test]
async fn what_is_refused_has_no_effect_and_stays_refused() {
    let mut stage = Stage::set().await;
    let intents = intents(&stage).await;
    stage.turn(&json!({"refuse_rate": 1})).await;
    for (path, body) in &intents {
        let (status, answer) = stage.post(path, "k", body).await;
        let wanted = if path.starts_with("/payment") {
            402
        } else {
            409
        };
        assert_eq!(
            (status, &answer["code"]),
            (wanted, &json!("refused")),
            "{path}"
        );
    }
    assert_eq!(effects(&stage).await, 1, "only what was there before");
    stage.turn(&json!({"refuse_rate": 0})).await;
    for (path, body) in &intents[..3] {
        let (_, answer) = stage.post(path, "k", body).await;
        assert_eq!(answer["code"], "refused", "{path}: a key has one answer");
        let (_, asked) = stage.get(&format!("{path}?key=k")).await;
        assert_eq!(asked["status"], "failed", "{path}");
    }
    assert_eq!(
        stage.post("/payment/refunds", "l", &intents[1].1).await.0,
        200
    );
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await.body["type"], "payment.refunded");
    stage.told_nothing().await;
}

#[tokio::test]
async fn an_unknown_outcome_is_an_effect_without_an_answer() {
    let stage = Stage::set().await;
    let intents = intents(&stage).await;
    stage.turn(&json!({"unknown_rate": 1})).await;
    for (path, body) in &intents[..3] {
        let mut crew = Crew::new();
        crew.add(stage.ask("POST", path, "k", body));
        assert_eq!(lost(&stage, &mut crew).await, None, "{path}");
        let (status, asked) = stage.get(&format!("{path}?key=k")).await;
        assert_eq!(status, 200, "{path}: {asked}");
    }
    assert_eq!(effects(&stage).await, 4);
    stage.turn(&json!({"unknown_rate": 0})).await;
    for (path, body) in &intents[..3] {
        let (status, answer) = stage.post(path, "k", body).await;
        assert!([200, 201].contains(&status), "{path}: {answer}");
    }
    assert_eq!(effects(&stage).await, 4, "a repeat has no second effect");
}

/// Waits for an exchange that gets no answer: cut at once, or when time has passed.
async fn lost(stage: &Stage, crew: &mut Crew<Reply>) -> Reply {
    let reply = tokio::select! {
        biased;
        reply = crew.next() => reply,
        () = stage.clock.until_somebody_sleeps(ms(10_000)) => {
            stage.clock.step(ms(10_000));
            crew.next().await
        }
    };
    reply.expect("the exchange ends")
}

#[tokio::test]
async fn unknown_outcomes_are_some_cut_and_some_held() {
    let stage = Stage::set().await;
    stage.turn(&json!({"unknown_rate": 1})).await;
    let mut ends = BTreeSet::new();
    for key in ["a", "b", "c", "d", "e", "f"] {
        let mut crew = Crew::new();
        crew.add(stage.ask("POST", CHARGES, key, &stage.charge("tok_never")));
        let held = tokio::select! {
            biased;
            _cut = crew.next() => false,
            () = stage.clock.until_somebody_sleeps(ms(10_000)) => true,
        };
        ends.insert(held);
        stage.clock.step(ms(10_000));
    }
    assert_eq!(ends.len(), 2);
}

#[tokio::test]
async fn a_service_that_is_down_does_nothing_and_the_others_go_on() {
    let stage = Stage::set().await;
    let intents = intents(&stage).await;
    let before = effects(&stage).await;
    for (down, own) in [("payment", 0..2), ("delivery", 2..3), ("product", 3..4)] {
        stage.turn(&json!({"down": [down]})).await;
        let mut answers = BTreeSet::new();
        for number in 0..10 {
            for (path, body) in &intents[own.clone()] {
                let key = format!("{down}-{number}");
                let reply = stage.ask("POST", path, &key, body).await;
                answers.insert(reply.map(|(status, _)| status));
            }
        }
        assert_eq!(answers, BTreeSet::from([None, Some(503)]), "{down}");
        assert_eq!(stage.get("/livez").await.0, 200);
    }
    assert_eq!(effects(&stage).await, before);
    stage.turn(&json!({"down": []})).await;
    for (path, body) in &intents {
        let (status, answer) = stage.post(path, "k", body).await;
        assert!((200..300).contains(&status), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_answers_no_question_either_and_calls_back_when_it_is_up() {
    let mut stage = Stage::set().await;
    stage.post(CHARGES, "k", &stage.charge("tok_ok")).await;
    stage.turn(&json!({"down": ["payment"]})).await;
    for _ in 0..5 {
        let reply = stage
            .ask("GET", "/payment/charges?key=k", "", &Value::Null)
            .await;
        assert!(matches!(reply, None | Some((503, _))), "{reply:?}");
    }
    // The callback was due; it is looked for again a little later.
    stage.clock.until_somebody_sleeps(ms(100)).await;
    stage.clock.step(ms(100));
    stage.clock.until_somebody_sleeps(ms(250)).await;
    stage.turn(&json!({"down": []})).await;
    stage.clock.step(ms(250));
    assert_eq!(stage.told().await.body["type"], "payment.completed");
}

#[tokio::test]
async fn latency_delays_the_answer_and_not_the_effect() {
    let stage = Stage::set().await;
    stage.turn(&json!({"latency_ms": 1500})).await;
    let mut crew = Crew::new();
    crew.add(stage.ask("POST", CHARGES, "k", &stage.charge("tok_ok")));
    stage.clock.until_somebody_sleeps(ms(1_500)).await;
    assert_eq!(stage.ledger("charges").await.len(), 1);
    stage.clock.step(ms(1_500));
    let (status, _) = crew.next().await.flatten().expect("an answer");
    assert_eq!(status, 200);
}

#[tokio::test]
async fn callbacks_are_doubled_as_the_knob_says() {
    let mut stage = Stage::set().await;
    stage.turn(&json!({"duplicate_rate": 1})).await;
    stage.post(CHARGES, "k", &stage.charge("tok_ok")).await;
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await, stage.told().await);
}

/// A seed under which, of a parcel's callbacks, just the first is held back.
fn seed_that_holds_the_first(delivery: &str) -> u64 {
    let holds = |seed: u64, kind: &str| {
        let knobs = Knobs {
            seed,
            ..Knobs::default()
        };
        knobs.draw(&["reorder", delivery, kind]) < 0.5
    };
    let fits = |seed: &u64| {
        holds(*seed, "delivery.initiated")
            && !holds(*seed, "delivery.in_transit")
            && !holds(*seed, "delivery.delivered")
    };
    (0..1_000).find(fits).expect("one in eight fits")
}

#[tokio::test]
async fn callbacks_are_reordered_as_the_knob_says() {
    let rehearsal = Stage::set().await;
    let parcel = rehearsal.delivery();
    let (_, answer) = rehearsal.post("/delivery/deliveries", "k", &parcel).await;
    let seed = seed_that_holds_the_first(answer["delivery"].as_str().expect("an id"));
    let mut stage = Stage::set().await;
    stage
        .turn(&json!({"reorder_rate": 0.5, "seed": seed}))
        .await;
    stage
        .post("/delivery/deliveries", "k", &stage.delivery())
        .await;
    stage.clock.step(ms(500));
    assert_eq!(stage.told().await.body["type"], "delivery.in_transit");
    assert_eq!(stage.told().await.body["type"], "delivery.initiated");
    stage.clock.step(ms(300));
    assert_eq!(stage.told().await.body["type"], "delivery.delivered");
}

#[tokio::test]
async fn the_same_seed_meets_the_same_keys_with_the_same_faults() {
    let mut runs = Vec::new();
    for seed in [3, 3, 4] {
        let stage = Stage::set().await;
        stage.turn(&json!({"refuse_rate": 0.5, "seed": seed})).await;
        let mut statuses = Vec::new();
        for number in 0..20 {
            let key = format!("k-{number}");
            let (status, _) = stage.post(CHARGES, &key, &stage.charge("tok_ok")).await;
            statuses.push(status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&402));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
