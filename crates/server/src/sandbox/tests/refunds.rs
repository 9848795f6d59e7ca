//! Money given back: never more than was charged, once for each key, told by callback.

use super::stage::{Stage, euro, ms};
use serde_json::{Value, json};

const REFUNDS: &str = "/payment/refunds";

async fn charged(stage: &mut Stage, token: &str) -> Value {
    let body = stage.charge(token);
    let (_, charge) = stage.post("/payment/charges", "o-1/charge", &body).await;
    charge["transaction"].clone()
}

fn refund(transaction: &Value, amount: u64) -> Value {
    json!({"transaction": transaction, "amount": euro(amount), "order": "o-1"})
}

#[tokio::test]
async fn a_refund_has_a_transaction_of_its_own_and_is_told() {
    let mut stage = Stage::set().await;
    let charge = charged(&mut stage, "tok_ok").await;
    stage.clock.step(ms(100));
    assert_eq!(stage.told().await.body["type"], "payment.completed");

    let body = refund(&charge, 500);
    let (status, first) = stage.post(REFUNDS, "o-1/refund", &body).await;
    let own = &first["transaction"];
    assert_ne!(own, &charge);
    let wanted = json!({"transaction": own, "status": "completed", "amount": euro(500)});
    assert_eq!((status, &first), (200, &wanted));
    assert_eq!(
        stage.post(REFUNDS, "o-1/refund", &body).await,
        (200, wanted.clone())
    );
    let asked = stage.get("/payment/refunds?key=o-1%2Frefund").await;
    assert_eq!(asked, (200, wanted));
    let line = json!({
        "key": "o-1/refund",
        "order": "o-1",
        "transaction": own,
        "amount": euro(500),
        "status": "completed",
        "at": "2026-01-01T00:00:00.100Z",
    });
    assert_eq!(stage.ledger("refunds").await, [line]);

    stage.clock.step(ms(100));
    let told = stage.told().await.body;
    let wanted = json!({
        "type": "payment.refunded",
        "order": "o-1",
        "transaction": own,
        "amount": euro(500),
        "occurred_at": "2026-01-01T00:00:00.100Z",
    });
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn refunds_together_never_exceed_what_was_charged() {
    let mut stage = Stage::set().await;
    let charge = charged(&mut stage, "tok_wrong_amount").await;
    let status =
        async |key: &str, amount| stage.post(REFUNDS, key, &refund(&charge, amount)).await.0;
    assert_eq!(status("1", 1999).await, 422, "1998 were charged");
    assert_eq!(
        status("1", 1000).await,
        200,
        "a refused refund leaves its key free"
    );
    assert_eq!(status("2", 999).await, 422);
    assert_eq!(status("3", 998).await, 200);
    assert_eq!(status("4", 1).await, 422);
    assert_eq!(stage.ledger("refunds").await.len(), 2);
}

#[tokio::test]
async fn only_what_the_order_has_paid_is_given_back() {
    let mut stage = Stage::set().await;
    let charge = charged(&mut stage, "tok_late").await;
    let whole = refund(&charge, 1999);
    let changed = |member: &str, value: Value| {
        let mut body = whole.clone();
        body[member] = value;
        body
    };
    let yen = json!({"amount": 1, "currency": "JPY"});
    for (body, pointer) in [
        (whole.clone(), "/amount/amount"),
        (changed("transaction", json!("tx-none")), "/transaction"),
        (changed("order", json!("o-2")), "/order"),
        (changed("amount", yen), "/amount/currency"),
        (changed("amount", euro(0)), "/amount"),
    ] {
        let (status, problem) = stage.post(REFUNDS, "k", &body).await;
        assert_eq!(
            (status, &problem["violations"][0]["pointer"]),
            (422, &json!(pointer))
        );
    }
    stage.clock.step(ms(5_000));
    assert_eq!(stage.post(REFUNDS, "k", &whole).await.0, 200);
}

#[tokio::test]
async fn a_refund_of_a_declined_charge_is_refused() {
    let mut stage = Stage::set().await;
    let charge = charged(&mut stage, "tok_declined").await;
    assert_eq!(stage.post(REFUNDS, "k", &refund(&charge, 1)).await.0, 422);
}
