//! The provider that says yes at once: each key has one effect, and is remembered.

use super::*;
use evenkeel_rules::ids::{OrderId, SkuId};
use evenkeel_rules::money::Currency;

fn euro(amount: i64) -> Money {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    Money { amount, currency }
}

fn order() -> OrderId {
    OrderId::new("o-1").expect("a well-formed id")
}

fn charge(key: &str) -> Call {
    Call::Charge {
        key: key.to_owned(),
        order: order(),
        amount: euro(1999),
        token: "tok_ok".to_owned(),
    }
}

async fn ask(gateway: &InstantGateway, call: Call) -> Reply {
    gateway.call(&call, Duration::ZERO).await
}

#[tokio::test]
async fn a_charge_is_completed_and_its_repeat_is_the_same_charge() {
    let gateway = InstantGateway::new();
    let first = ask(&gateway, charge("s-1/charge")).await;
    let Reply::Money(receipt) = &first else {
        panic!("not a receipt: {first:?}");
    };
    assert_eq!(receipt.transaction, "t-1");
    assert_eq!(receipt.status, Settled::Completed);
    assert_eq!(receipt.amount, euro(1999));
    assert_eq!(ask(&gateway, charge("s-1/charge")).await, first);
    let key = "s-1/charge".to_owned();
    assert_eq!(ask(&gateway, Call::AskCharge { key }).await, first);
    let counts = gateway.counts();
    assert_eq!((counts.charges, counts.repeats, counts.asks), (1, 1, 1));
}

#[tokio::test]
async fn a_key_is_known_only_to_the_kind_of_call_that_used_it() {
    let gateway = InstantGateway::new();
    ask(&gateway, charge("k")).await;
    let key = || "k".to_owned();
    let refund = Call::AskRefund { key: key() };
    assert_eq!(ask(&gateway, refund).await, Reply::NeverSeen);
    let delivery = Call::AskDelivery { key: key() };
    assert_eq!(ask(&gateway, delivery).await, Reply::NeverSeen);
    let refund = Call::Refund {
        key: key(),
        order: order(),
        transaction: "t-1".to_owned(),
        amount: euro(500),
    };
    let refunded = ask(&gateway, refund).await;
    assert_eq!(refunded, Reply::Money(receipt("r-1".to_owned(), euro(500))));
    assert_eq!(
        ask(&gateway, Call::AskRefund { key: key() }).await,
        refunded
    );
}

#[tokio::test]
async fn a_cancelled_delivery_stays_cancelled_for_whoever_asks() {
    let gateway = InstantGateway::new();
    let deliver = Call::Deliver {
        key: "k".to_owned(),
        order: order(),
        lines: vec![(SkuId::new("mug").expect("a well-formed id"), 2)],
        address_ref: None,
    };
    let state = |status| Reply::Delivery {
        delivery: "d-1".to_owned(),
        status,
    };
    let begun = ask(&gateway, deliver.clone()).await;
    assert_eq!(begun, state(DeliveryStatus::Initiated));
    let cancel = Call::CancelDelivery {
        key: "k/cancel".to_owned(),
        delivery: "d-1".to_owned(),
    };
    for _ in 0..2 {
        let cancelled = ask(&gateway, cancel.clone()).await;
        assert_eq!(cancelled, state(DeliveryStatus::Cancelled));
    }
    let repeated = ask(&gateway, deliver).await;
    assert_eq!(repeated, state(DeliveryStatus::Cancelled));
    let counts = gateway.counts();
    assert_eq!((counts.deliveries, counts.cancels), (1, 1));
    assert_eq!(counts.repeats, 2);
}

#[tokio::test]
async fn a_delivery_that_nobody_knows_cannot_be_cancelled() {
    let gateway = InstantGateway::new();
    let cancel = Call::CancelDelivery {
        key: "k".to_owned(),
        delivery: "d-9".to_owned(),
    };
    let refused = Reply::Refused { code: None };
    assert_eq!(ask(&gateway, cancel).await, refused);
    assert_eq!(gateway.counts().cancels, 0);
}

#[tokio::test]
async fn a_step_is_done_once_per_key() {
    let gateway = InstantGateway::new();
    let step = |key: &str| Call::Step {
        key: key.to_owned(),
        url: "https://example.com/book".to_owned(),
        body: "{}".to_owned(),
    };
    for key in ["a", "a", "b"] {
        assert_eq!(ask(&gateway, step(key)).await, Reply::Done);
    }
    let counts = gateway.counts();
    assert_eq!((counts.steps, counts.repeats), (2, 1));
}
