//! Each card token, from the first attempt to the callback and the ledger.

use super::stage::{Stage, euro, ms};
use crate::client::outside::Crew;
use serde_json::{Value, json};

const CHARGES: &str = "/payment/charges";
const KEY: &str = "order:o-1/charge";
const ASKED: &str = "/payment/charges?key=order%3Ao-1/charge";

/// Charges and expects an answer; the transaction's id with it.
async fn charge(stage: &Stage, token: &str) -> (u16, Value) {
    stage.post(CHARGES, KEY, &stage.charge(token)).await
}

fn completed(transaction: &Value, amount: u64) -> Value {
    json!({"transaction": transaction, "status": "completed", "amount": euro(amount)})
}

#[tokio::test]
async fn a_good_card_is_charged_once_however_often_its_key_comes() {
    let mut stage = Stage::set().await;
    let (status, first) = charge(&stage, "tok_ok").await;
    assert_eq!(
        (status, &first),
        (200, &completed(&first["transaction"], 1999))
    );
    let spaced = stage.charge("tok_ok");
    assert_eq!(
        stage.post(CHARGES, KEY, &spaced).await,
        (200, first.clone())
    );
    assert_eq!(stage.get(ASKED).await, (200, first.clone()));

    let (status, problem) = charge(&stage, "tok_late").await;
    assert_eq!((status, &problem["code"]), (422, &json!("key_reused")));

    let ledger = stage.ledger("charges").await;
    let line = json!({
        "key": KEY,
        "order": "o-1",
        "transaction": first["transaction"],
        "amount": euro(1999),
        "status": "completed",
        "at": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(ledger, [line]);

    stage.clock.step(ms(100));
    let told = stage.told().await;
    let body = json!({
        "type": "payment.completed",
        "order": "o-1",
        "transaction": first["transaction"],
        "amount": euro(1999),
        "occurred_at": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(told.body, body);
    assert_eq!(told.timestamp, "1767225600");
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_declined_card_is_a_definite_no_with_a_transaction_and_a_callback() {
    let mut stage = Stage::set().await;
    let (status, body) = charge(&stage, "tok_declined").await;
    let transaction = &body["transaction"];
    let wanted = json!({
        "transaction": transaction, "status": "failed", "amount": euro(1999), "code": "declined",
    });
    assert_eq!((status, &body), (402, &wanted));
    assert_eq!(charge(&stage, "tok_declined").await, (402, wanted.clone()));
    assert_eq!(stage.get(ASKED).await, (200, wanted));
    assert_eq!(stage.ledger("charges").await[0]["status"], "failed");
    stage.clock.step(ms(100));
    let told = stage.told().await.body;
    assert_eq!(told["type"], "payment.failed");
    assert_eq!(&told["transaction"], transaction);
}

#[tokio::test]
async fn an_unknown_token_is_refused_and_nobody_is_called() {
    let mut stage = Stage::set().await;
    let (status, body) = charge(&stage, "tok_stolen").await;
    assert_eq!((status, &body["code"]), (402, &json!("unknown_token")));
    stage.clock.step(ms(10_000));
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_slow_card_is_charged_at_once_and_answered_after_three_seconds() {
    let mut stage = Stage::set().await;
    let mut crew = Crew::new();
    crew.add(stage.ask("POST", CHARGES, KEY, &stage.charge("tok_slow")));
    stage.clock.until_somebody_sleeps(ms(3_000)).await;
    let (_, asked) = stage.get(ASKED).await;
    assert_eq!(asked["status"], "completed");
    stage.clock.step(ms(3_000));
    assert_eq!(crew.next().await, Some(Some((200, asked))));
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await.body["type"], "payment.completed");
}

#[tokio::test]
async fn a_time_out_after_the_charge_leaves_the_charge_and_no_answer() {
    let mut stage = Stage::set().await;
    let mut crew = Crew::new();
    let body = stage.charge("tok_timeout_charged");
    crew.add(stage.ask("POST", CHARGES, KEY, &body));
    stage.clock.until_somebody_sleeps(ms(10_000)).await;
    let (status, asked) = stage.get(ASKED).await;
    assert_eq!((status, &asked["status"]), (200, &json!("completed")));
    assert_eq!(stage.post(CHARGES, KEY, &body).await, (200, asked));
    stage.clock.step(ms(10_000));
    assert_eq!(
        crew.next().await,
        Some(None),
        "the connection ends without a byte"
    );
    assert_eq!(stage.ledger("charges").await.len(), 1);
    assert_eq!(stage.told().await.body["type"], "payment.completed");
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_time_out_before_the_charge_leaves_nothing_and_a_repeat_succeeds() {
    let mut stage = Stage::set().await;
    let mut crew = Crew::new();
    let body = stage.charge("tok_timeout_not_charged");
    crew.add(stage.ask("POST", CHARGES, KEY, &body));
    stage.clock.until_somebody_sleeps(ms(10_000)).await;
    let (status, problem) = stage.get(ASKED).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert!(stage.ledger("charges").await.is_empty());
    let (status, repeat) = stage.post(CHARGES, KEY, &body).await;
    assert_eq!((status, &repeat["status"]), (200, &json!("completed")));
    stage.clock.step(ms(10_000));
    assert_eq!(
        crew.next().await,
        Some(None),
        "the connection ends without a byte"
    );
    assert_eq!(stage.ledger("charges").await.len(), 1);
    assert_eq!(
        stage.told().await.body["transaction"],
        repeat["transaction"]
    );
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_double_callback_is_one_event_told_twice() {
    let mut stage = Stage::set().await;
    charge(&stage, "tok_double_callback").await;
    stage.clock.step(ms(100));
    let first = stage.told().await;
    stage.clock.step(ms(250));
    let second = stage.told().await;
    assert_eq!((&first.id, &first.body), (&second.id, &second.body));
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_late_card_is_pending_to_whoever_asks_until_its_callback() {
    let mut stage = Stage::set().await;
    let (status, body) = charge(&stage, "tok_late").await;
    assert_eq!((status, &body["status"]), (202, &json!("pending")));
    stage.clock.step(ms(4_999));
    assert_eq!(stage.get(ASKED).await, (200, body.clone()));
    assert_eq!(charge(&stage, "tok_late").await, (202, body.clone()));
    assert_eq!(stage.ledger("charges").await[0]["status"], "pending");
    stage.clock.step(ms(1));
    let told = stage.told().await.body;
    assert_eq!(told["type"], "payment.completed");
    assert_eq!(told["occurred_at"], "2026-01-01T00:00:05.000Z");
    let done = completed(&body["transaction"], 1999);
    assert_eq!(stage.get(ASKED).await, (200, done.clone()));
    assert_eq!(charge(&stage, "tok_late").await, (200, done));
}

#[tokio::test]
async fn a_card_that_never_calls_back_is_found_by_asking() {
    let mut stage = Stage::set().await;
    let (status, body) = charge(&stage, "tok_never").await;
    assert_eq!((status, &body["status"]), (202, &json!("pending")));
    stage.clock.step(ms(999));
    assert_eq!(stage.get(ASKED).await, (200, body.clone()));
    stage.clock.step(ms(1));
    let done = completed(&body["transaction"], 1999);
    assert_eq!(stage.get(ASKED).await, (200, done));
    stage.clock.step(ms(600_000));
    stage.told_nothing().await;
}

#[tokio::test]
async fn a_wrong_amount_is_one_minor_unit_less_everywhere() {
    let mut stage = Stage::set().await;
    let (status, body) = charge(&stage, "tok_wrong_amount").await;
    assert_eq!(
        (status, &body),
        (200, &completed(&body["transaction"], 1998))
    );
    assert_eq!(stage.ledger("charges").await[0]["amount"], euro(1998));
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await.body["amount"], euro(1998));
}

#[tokio::test]
async fn a_callback_that_is_not_stored_comes_again_with_its_id_and_a_new_time() {
    let mut stage = Stage::set().await;
    for status in [500, 401, 302] {
        stage.answer_next(status);
    }
    charge(&stage, "tok_ok").await;
    stage.clock.step(ms(100));
    let first = stage.told().await;
    for seconds in [1, 2, 4] {
        // The try that failed is noted when its answer has come: then the next one is waited for.
        stage.clock.until_somebody_sleeps(ms(1_000 * seconds)).await;
        stage.clock.step(ms(1_000 * seconds));
        let again = stage.told().await;
        assert_eq!((&again.id, &again.body), (&first.id, &first.body));
        assert_ne!(again.timestamp, first.timestamp, "it is signed anew");
    }
    stage.clock.step(ms(600_000));
    stage.told_nothing().await;
}
