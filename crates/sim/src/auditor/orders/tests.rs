//! The auditor's order, told what is not so.

use super::*;
use crate::auditor::truth::Fact;
use serde_json::json;

const AT: i64 = 1_000;

fn fresh() -> Value {
    json!({
        "id": "o-1", "customer": "c-1", "status": "PENDING",
        "lines": [{"sku": "lamp", "location": "main", "quantity": 2, "price": 500}],
        "total": {"amount": 1_000, "currency": "EUR"}, "holds": ["order:o-1"], "units": "held",
        "payment": {"method": "card"}, "saga": {"state": "running", "step": 1, "since": AT},
        "limit": 9_000, "since": AT, "created_at": AT,
    })
}

fn paid(amount: i64) -> Value {
    let charge = json!({"transaction": "t-1", "status": "completed", "amount": amount});
    json!({"method": "card", "charges": [charge]})
}

fn refund(amount: i64, state: &str) -> Value {
    let run = json!({"state": state, "step": 0, "since": AT});
    json!([{"id": "r-1", "amount": amount, "why": "asked", "charge": "t-1", "run": run}])
}

/// The way of an order to its customer, event by event.
fn honest() -> Vec<(&'static str, Value)> {
    vec![
        ("order.created", fresh()),
        ("payment.completed", json!({"payment": paid(1_000)})),
        ("order.paid", json!({"status": "PAID", "units": "held"})),
        (
            "order.confirmed",
            json!({
                "status": "CONFIRMED", "units": "sold",
                "shipment": {"status": "REQUESTED", "since": AT},
            }),
        ),
        (
            "delivery.initiated",
            json!({
                "shipment": {"status": "INITIATED", "since": AT},
                "saga": {"state": "completed", "step": 4, "since": AT},
            }),
        ),
        (
            "delivery.in_transit",
            json!({"shipment": {"status": "IN_TRANSIT", "since": AT}}),
        ),
        (
            "order.shipped",
            json!({"status": "SHIPPED", "units": "left"}),
        ),
        (
            "payment.refund_requested",
            json!({"refunds": refund(100, "running")}),
        ),
        (
            "payment.refunded",
            json!({"refunds": refund(100, "completed")}),
        ),
    ]
}

/// What is found of a history.
fn found(history: &[(&'static str, Value)]) -> Vec<&'static str> {
    let mut truth = Truth::default();
    let mut found = Found::new();
    let charged = Fact::Charged {
        key: "order:o-1/charge".to_owned(),
        order: "o-1".to_owned(),
        transaction: "t-1".to_owned(),
        amount: 1_000,
    };
    truth.take(&charged, &mut found);
    let terms = |_: &str| Some(json!({"price": {"amount": 500, "currency": "EUR"}}));
    let (mut transitions, mut moved) = (BTreeSet::new(), Moved::new());
    let mut scene = Scene {
        at: AT,
        terms: &terms,
        truth: &truth,
        transitions: &mut transitions,
        moved: &mut moved,
        found: &mut found,
    };
    let mut order: Option<OrderModel> = None;
    for (kind, data) in history {
        let event = Event {
            stream: "order:o-1".to_owned(),
            version: 1,
            kind: (*kind).to_owned(),
            data: data.clone(),
        };
        match &mut order {
            Some(order) => order.change(&event, &mut scene),
            None => order = Some(OrderModel::create(&event, &mut scene)),
        }
    }
    let mut names: Vec<&str> = found.into_iter().map(|(invariant, _)| invariant).collect();
    names.dedup();
    names
}

/// What is found once one event says something else.
fn instead(number: usize, kind: &'static str, data: Value) -> Vec<&'static str> {
    let mut history = honest();
    history.truncate(number);
    history.push((kind, data));
    found(&history)
}

#[test]
fn an_honest_order_violates_nothing_and_owes_what_was_not_granted() {
    assert_eq!(found(&honest()), Vec::<&str>::new());
    let all = json!({
        "total": {"amount": 1_000}, "status": "SHIPPED", "units": "left",
        "payment": paid(1_000), "refunds": refund(100, "completed"),
    });
    assert_eq!(due(&all), 900);
    let ended = json!({"total": {"amount": 1_000}, "status": "CANCELLED", "units": "free"});
    assert_eq!(due(&ended), 0);
}

#[test]
fn an_order_begins_unpaid_at_the_price_that_stands() {
    for (name, value) in [
        ("status", json!("PAID")),
        ("units", json!("sold")),
        ("total", json!({"amount": 999, "currency": "EUR"})),
        ("since", json!(AT - 1)),
        ("payment", paid(1_000)),
    ] {
        let mut data = fresh();
        data[name] = value;
        assert_eq!(found(&[("order.created", data)]), ["I15"], "{name}");
    }
    let id = json!({"id": "o-2"});
    assert_eq!(instead(1, "order.updated", id), ["I15"]);
}

#[test]
fn a_state_that_may_not_follow_and_an_event_that_says_another_are_i7() {
    let jump = json!({"status": "SHIPPED"});
    assert_eq!(instead(1, "order.shipped", jump), ["I7"]);
    let mute = json!({"status": "PAID"});
    assert_eq!(instead(2, "order.updated", mute), ["I7"]);
    assert_eq!(instead(2, "order.paid", json!({})), ["I7"]);
    let back = json!({"shipment": {"status": "REQUESTED", "since": AT}});
    assert_eq!(instead(6, "order.updated", back), ["I7"]);
    let again = json!({"saga": {"state": "compensated", "step": 0, "since": AT}});
    assert_eq!(instead(5, "order.updated", again), ["I7"]);
}

#[test]
fn money_that_the_provider_has_not_taken_is_i11() {
    let more = json!({"payment": paid(1_001)});
    assert_eq!(instead(1, "payment.completed", more), ["I11"]);
    let unpaid = json!({"units": "sold"});
    assert_eq!(instead(1, "order.updated", unpaid), ["I11"]);
}

#[test]
fn more_back_than_came_and_facts_that_change_are_i10() {
    let refunds = json!({"refunds": refund(1_001, "running")});
    assert_eq!(instead(2, "payment.refund_requested", refunds), ["I10"]);
    let gone = json!({"payment": {"method": "card"}});
    assert!(instead(2, "order.updated", gone).contains(&"I10"));
    let other = json!({"refunds": refund(99, "running")});
    assert_eq!(instead(8, "order.updated", other), ["I10"]);
}

#[test]
fn units_that_go_where_they_may_not_are_i11() {
    let back = json!({"units": "held"});
    assert_eq!(instead(4, "order.updated", back), ["I11"]);
    let mut lines = fresh()["lines"].clone();
    lines[0]["returned"] = json!(3);
    let returned = json!({"lines": lines});
    assert_eq!(instead(7, "order.returned", returned.clone()), ["I11"]);
    lines[0]["returned"] = json!(1);
    assert_eq!(
        instead(7, "order.updated", json!({"lines": lines.clone()})),
        ["I11"]
    );
    let one = json!({"lines": lines});
    assert_eq!(instead(7, "order.returned", one), Vec::<&str>::new());
}

#[test]
fn a_second_effect_of_a_key_and_a_second_parcel_are_i6_and_too_much_back_is_i10() {
    let charged = Fact::Charged {
        key: "k".to_owned(),
        order: "o-1".to_owned(),
        transaction: "t-1".to_owned(),
        amount: 10,
    };
    let back = |key: &str, amount| Fact::Refunded {
        key: key.to_owned(),
        order: "o-1".to_owned(),
        charge: "t-1".to_owned(),
        amount,
    };
    let parcel = |delivery: &str| Fact::Parcel {
        key: "p".to_owned(),
        order: "o-1".to_owned(),
        delivery: delivery.to_owned(),
        status: "INITIATED",
    };
    let judge = |facts: &[Fact]| {
        let (mut truth, mut found) = (Truth::default(), Found::new());
        for fact in facts {
            truth.take(fact, &mut found);
        }
        let names = found.into_iter().map(|(invariant, _)| invariant);
        (names.collect::<Vec<_>>(), truth.net("o-1"))
    };
    let honest = [charged.clone(), back("r", 4), parcel("d-1"), parcel("d-1")];
    assert_eq!(judge(&honest), (vec![], (10, 4)));
    assert_eq!(judge(&[charged.clone(), charged.clone()]).0, ["I6"]);
    assert_eq!(
        judge(&[charged.clone(), back("r", 4), back("r", 4)]).0,
        ["I6"]
    );
    assert_eq!(judge(&[charged, back("r", 11)]).0, ["I10"]);
    assert_eq!(judge(&[parcel("d-1"), parcel("d-2")]).0, ["I6"]);
}
