//! When a handler makes a call: once an order needs it, and never again.

use super::*;

fn handled(order: &Order, tries: Tries, now: LogTime) -> Vec<(Handler, Vec<Task>)> {
    let all = Handler::ALL.into_iter();
    let all = all.map(|handler| (handler, order.handled(tries, handler, now)));
    all.filter(|(_, tasks)| !tasks.is_empty()).collect()
}

fn after(order: &Order, task: Task, told: &Told) -> Order {
    match report(order, Tries::default(), (task, told), false, NOW) {
        Report::Changed(decision) => decision.order,
        Report::Tried(tries) => panic!("only tried: {tries:?}"),
    }
}

fn paid() -> Order {
    let receipt = Receipt {
        transaction: "t-1".to_owned(),
        status: crate::payment::Settled::Completed,
        amount: Some(PRICES),
    };
    after(
        &taken(PRICES).0.created,
        Task::Charge,
        &Told::Money(receipt),
    )
}

#[test]
fn an_order_that_was_taken_is_charged_and_nothing_else() {
    let order = taken(PRICES).0.created;
    let begun = handled(&order, Tries::default(), NOW);
    assert_eq!(begun, [(Handler::Charge, vec![Task::Charge])]);
}

#[test]
fn an_order_that_was_paid_is_delivered_and_not_charged_again() {
    let begun = handled(&paid(), Tries::default(), NOW);
    assert_eq!(begun, [(Handler::Deliver, vec![Task::Deliver])]);
}

#[test]
fn what_was_tried_or_may_have_been_done_is_no_handlers() {
    let order = taken(PRICES).0.created;
    let tried = Tries {
        calls: 1,
        ..Tries::default()
    };
    assert_eq!(handled(&order, tried, NOW), []);
    let unknown = after(&order, Task::Charge, &Told::Unknown);
    assert_eq!(handled(&unknown, Tries::default(), NOW), []);
}

#[test]
fn every_refund_that_was_not_sent_is_sent() {
    let order = paid();
    let asked = Asked {
        order: Some(&order),
        version: 4,
        customer: None,
        expected: None,
    };
    let back = order.money(700);
    let decision = refund(asked, (&refund_id("r-1"), Some(back)), NOW).expect("it is there");
    let begun = decision
        .order
        .handled(Tries::default(), Handler::Refund, NOW);
    assert_eq!(begun, [Task::Refund(0)]);
    let mut named = decision.order;
    named.refunds[0].transaction = Some("t-2".to_owned());
    assert_eq!(named.handled(Tries::default(), Handler::Refund, NOW), []);
}

#[test]
fn the_call_that_a_handler_begins_is_the_one_that_is_due() {
    for order in [taken(PRICES).0.created, paid()] {
        let due = order.due(Tries::default(), 0).expect("it needs a call");
        let begun = handled(&order, Tries::default(), due.at);
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].1, [due.task]);
    }
}
