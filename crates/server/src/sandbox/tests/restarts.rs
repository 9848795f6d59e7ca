//! A sandbox that is started again on the journal of one that ended.

use super::stage::{Stage, euro, ms};
use super::step_clock::StepClock;
use crate::sandbox::{Options, start};
use crate::webhook::Ring;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

async fn ledger(stage: &Stage) -> Vec<Vec<Value>> {
    let mut lists = Vec::new();
    for list in ["charges", "refunds", "deliveries"] {
        lists.push(stage.ledger(list).await);
    }
    lists
}

async fn scratch() -> (tempfile::TempDir, PathBuf, Stage) {
    let room = tempfile::tempdir().expect("a scratch directory");
    let journal = room.path().join("sandbox.jsonl");
    let stage = Stage::set_with(Some(journal.clone())).await;
    (room, journal, stage)
}

#[tokio::test]
async fn a_restarted_sandbox_knows_its_ledger_its_keys_and_its_knobs() {
    let (_room, journal, mut stage) = scratch().await;
    stage.turn(&json!({"seed": 7})).await;
    let charge = stage.charge("tok_ok");
    let (_, charged) = stage.post("/payment/charges", "k", &charge).await;
    let mut refund = json!({
        "order": "o-1", "transaction": charged["transaction"], "amount": euro(500),
    });
    let (status, _) = stage.post("/payment/refunds", "r", &refund).await;
    assert_eq!(status, 200);
    let (status, _) = stage.post("/payment/refunds", "s", &json!({})).await;
    assert_eq!(status, 422, "and it is refused when it is done again");
    let delivery = stage.delivery();
    let (status, parcel) = stage.post("/delivery/deliveries", "d", &delivery).await;
    assert_eq!(status, 201);
    let before = ledger(&stage).await;

    stage.restart(ms(100), &journal).await;
    assert_eq!(ledger(&stage).await, before);
    let again = stage.post("/payment/charges", "k", &charge).await;
    assert_eq!(again, (200, charged), "no second charge");
    refund["amount"] = euro(1500);
    let (status, _) = stage.post("/payment/refunds", "t", &refund).await;
    assert_eq!(status, 422, "one cent more than is left");
    assert_eq!(stage.get("/knobs").await.1["seed"], 7);

    stage.restart(ms(900), &journal).await;
    let id = parcel["delivery"].as_str().expect("a name");
    let (_, parcel) = stage.get(&format!("/delivery/deliveries/{id}")).await;
    assert_eq!(parcel["status"], "delivered", "time went on meanwhile");
}

#[tokio::test]
async fn only_callbacks_that_nobody_stored_are_sent_after_a_restart() {
    let (_room, journal, mut stage) = scratch().await;
    let mut charge = stage.charge("tok_ok");
    stage.post("/payment/charges", "k", &charge).await;
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await.body["order"], "o-1");
    let noted = || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("taken"));
    while !noted() {
        tokio::task::yield_now().await;
    }
    charge["order"] = json!("o-2");
    charge["token"] = json!("tok_late");
    stage.post("/payment/charges", "l", &charge).await;

    stage.restart(ms(3_000), &journal).await;
    assert_eq!(stage.ledger("charges").await[1]["status"], "pending");
    stage.clock.step(ms(2_100));
    assert_eq!(stage.told().await.body["order"], "o-2");
    assert_eq!(stage.ledger("charges").await[1]["status"], "completed");
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_line_without_its_end_was_never_done_and_a_strange_one_is_refused() {
    let (_room, journal, mut stage) = scratch().await;
    let charge = stage.charge("tok_ok");
    stage.post("/payment/charges", "k", &charge).await;
    let whole = std::fs::read(&journal).expect("it is there");
    let file = std::fs::OpenOptions::new().append(true).open(&journal);
    let mut file = file.expect("it is ours");
    file.write_all(&whole[..whole.len() / 2]).expect("room");
    stage.restart(ms(100), &journal).await;
    assert_eq!(stage.ledger("charges").await.len(), 1);
    stage.post("/payment/charges", "l", &charge).await;
    stage.restart(ms(200), &journal).await;
    assert_eq!(stage.ledger("charges").await.len(), 2);

    file.write_all(b"{\"other\":1}\n").expect("room");
    let options = Options {
        ring: Ring::new(&["a secret"]).expect("it is one"),
        clock: Arc::new(StepClock::new()),
        journal: Some(journal),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let refused = start(listener, options).err().expect("it is no journal");
    assert!(refused.to_string().contains("unknown variant"), "{refused}");
}
