//! The sentences of stories, from rows of the log as they are written.

use super::*;
use serde_json::{Value, json};

fn entry(cause: &str, events: &Value) -> Entry {
    let text = json!({
        "position": 9, "at": 1_800_000_000_000_000_i64, "format": 1,
        "cause": {"kind": cause, "id": "o-1"}, "fingerprint": null, "actor": "t-1",
        "events": events, "moves": [],
    });
    Entry::read(text.to_string().as_bytes()).expect("it is a row")
}

fn event(kind: Kind, data: &Value) -> Value {
    let stream = format!("{}:o-1", kind.aggregate().word());
    json!({"stream": stream, "version": 2, "previous": 4, "type": kind.name(), "data": data})
}

fn euro() -> Words {
    Words {
        currency: Some(Currency::new("EUR").expect("a code")),
        steps: vec!["flight".to_owned(), "pay".to_owned()],
    }
}

fn said(kind: Kind, data: &Value) -> String {
    let entry = entry("saga", &json!([event(kind, data)]));
    euro().of(&entry.events[0])
}

#[test]
fn data_that_says_nothing_falls_back_to_what_the_type_means() {
    let told_by_its_steps = |kind: &&Kind| **kind == Kind::SagaStarted;
    for kind in Kind::ALL.iter().filter(|kind| !told_by_its_steps(kind)) {
        let plain = format!("{}: {}", kind.name(), kind.meaning());
        assert_eq!(said(*kind, &json!({"something": "else"})), plain);
    }
}

#[test]
fn money_is_told_with_its_amount_and_its_name() {
    let charge = |status: &str| {
        let charge = json!({"transaction": "tx-1", "status": status, "amount": 1999});
        json!({"payment": {"method": "card", "charges": [charge]}})
    };
    for (kind, status, wanted) in [
        (
            Kind::PaymentPending,
            "pending",
            "payment.pending: The provider named transaction tx-1: it waits.",
        ),
        (
            Kind::PaymentCompleted,
            "completed",
            "payment.completed: 19.99 EUR was captured, transaction tx-1.",
        ),
        (
            Kind::PaymentFailed,
            "failed",
            "payment.failed: An attempt ended without money, transaction tx-1.",
        ),
    ] {
        assert_eq!(said(kind, &charge(status)), wanted);
    }
}

#[test]
fn a_refund_is_told_with_what_it_is_for_and_a_stuck_one_with_its_id() {
    let refund = |state: &str| {
        let run = json!({"state": state, "step": 0, "since": 0});
        json!({"refunds": [{"id": "r-1", "amount": 500, "why": "late", "charge": "tx-1",
                            "run": run}]})
    };
    for (kind, state, wanted) in [
        (
            Kind::RefundRequested,
            "running",
            "payment.refund_requested: 5.00 EUR is to go back, refund r-1: it came when the order \
             had ended.",
        ),
        (
            Kind::PaymentRefunded,
            "completed",
            "payment.refunded: 5.00 EUR went back, refund r-1.",
        ),
        (
            Kind::RefundFailed,
            "stuck",
            "payment.refund_failed: The provider refused to give 5.00 EUR back, refund r-1.",
        ),
        (
            Kind::SagaStuck,
            "stuck",
            "saga.stuck: A person is needed. It is about refund r-1.",
        ),
    ] {
        assert_eq!(said(kind, &refund(state)), wanted);
    }
}

#[test]
fn an_end_says_why_and_an_unknown_outcome_of_what() {
    let declined = said(Kind::OrderCancelled, &json!({"reason": "payment.declined"}));
    assert!(
        declined.ends_with("The payment provider said no."),
        "{declined}"
    );
    let run = json!({"state": "running", "step": 1, "unknown": true, "since": 0});
    let unknown = said(Kind::SagaUnknown, &json!({"saga": run}));
    assert!(
        unknown.ends_with("It is about the order's step charge."),
        "{unknown}"
    );
    let run = json!({"state": "running", "step": 1, "since": 0});
    let step = said(
        Kind::StepRefused,
        &json!({"run": run, "mark": [1, "refused"]}),
    );
    assert!(step.ends_with("The step is pay."), "{step}");
}

#[test]
fn what_the_engine_did_of_its_own_follows_from_an_earlier_row_and_nothing_else_does() {
    let of = |cause: &str, events: &Value| {
        let entry = entry(cause, events);
        let own: Vec<&EntryEvent> = entry.events.iter().collect();
        (follows(&entry, &own), by(&entry, &own))
    };
    let paid = event(Kind::OrderPaid, &json!({}));
    // The second event of a stream in one row names the row itself.
    let mut confirmed = event(Kind::OrderConfirmed, &json!({}));
    confirmed["previous"] = json!(9);
    assert_eq!(of("saga", &json!([paid, confirmed])).0, Some(4));
    assert_eq!(
        of("sweep", &json!([event(Kind::Expired, &json!({}))])).0,
        Some(4)
    );
    // A callback that was taken in follows from the row that stored it, whatever its order did.
    let mut applied = event(Kind::CallbackApplied, &json!({}));
    applied["previous"] = json!(7);
    let mut late = paid.clone();
    late["previous"] = json!(8);
    assert_eq!(of("inbox", &json!([applied, late])).0, Some(7));

    let asked = of(
        "cancel_order",
        &json!([event(Kind::CancelRequested, &json!({}))]),
    );
    assert_eq!(asked, (None, "t-1 asked: cancel order".to_owned()));
    assert_eq!(of("callback", &json!([paid])).0, None);
    let (_, pulled) = of("place_hold", &json!([event(Kind::Expired, &json!({}))]));
    assert_eq!(pulled, "t-1 asked: place hold, for units that were overdue");
}
