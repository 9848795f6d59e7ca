//! Being told that an order runs out: once for each limit, before it, and to no other end.

use super::*;
use crate::payment::Settled;

const WARN: Millis = Millis(60_000);

/// A pending order that is told of its end a minute before it.
fn order() -> Order {
    taken(PRICES).0.warned_before(WARN).created
}

/// The last minute.
fn moment(order: &Order) -> LogTime {
    order.limit.minus(WARN)
}

fn warned(order: &Order, now: LogTime) -> Order {
    let decision = warn(order, now).expect("it is time");
    assert_eq!(decision.units, UnitsChange::None);
    let [(kind, patch)] = &decision.events[..] else {
        panic!("one event: {:?}", decision.events);
    };
    assert_eq!(*kind, Kind::OrderExpiring);
    let text = serde_json::to_string(patch).expect("a patch is data");
    let said = format!("{{\"warned_of\":{}}}", order.limit.micros());
    assert_eq!(text, said, "it changes nothing else");
    assert_eq!(patch.clone().apply(order.clone()), decision.order);
    decision.order
}

fn told(order: &Order, told: &Told, now: LogTime) -> Order {
    let task = (Task::AskCharge, told);
    match report(order, Tries::default(), task, false, now) {
        Report::Changed(decision) => decision.order,
        Report::Tried(tries) => panic!("only tried: {tries:?}"),
    }
}

fn receipt(status: Settled) -> Told {
    Told::Money(Receipt {
        transaction: "t-1".to_owned(),
        status,
        amount: Some(PRICES),
    })
}

/// Its limit passed with nothing known, and a person let it wait on.
fn moved(order: &Order, life: Millis) -> Order {
    let open = told(order, &Told::Unknown, order.limit);
    let review = open.review.expect("a person is asked");
    assert_eq!(review.state, ReviewState::Open);
    let asked = Asked {
        order: Some(&open),
        version: 9,
        customer: None,
        expected: None,
    };
    let now = order.limit.plus(Millis(5_000));
    let decision = resolve(asked, true, life, now).expect("a review is open");
    let mut folded = open.clone();
    for (_, patch) in decision.events {
        folded = patch.apply(folded);
    }
    assert_eq!(folded, decision.order, "the events tell all of it");
    decision.order
}

#[test]
fn it_comes_from_its_moment_on_and_not_before() {
    let order = order();
    let moment = moment(&order);
    assert_eq!(order.warn_at(NOW), Some(moment));
    let before = LogTime::from_micros(moment.micros() - 1);
    assert_eq!(warn(&order, before), None);
    warned(&order, moment);
    // Whoever looks late tells it late, as long as there is something to be done.
    let last = LogTime::from_micros(order.limit.micros() - 1);
    warned(&order, last);
}

#[test]
fn a_limit_is_told_of_once() {
    let order = order();
    let now = moment(&order);
    let order = warned(&order, now);
    assert_eq!(order.warn_at(now), None);
    assert_eq!(warn(&order, now), None);
    assert_eq!(warn(&order, now.plus(Millis(1))), None);
}

#[test]
fn nobody_is_told_at_the_limit_or_after_it() {
    let order = order();
    for now in [order.limit, order.limit.plus(Millis(1))] {
        assert_eq!(order.warn_at(now), None);
        assert_eq!(warn(&order, now), None);
    }
}

#[test]
fn nobody_is_told_of_an_order_that_waits_no_more() {
    let order = order();
    let now = moment(&order);
    let paid = told(&order, &receipt(Settled::Completed), now);
    let declined = told(&order, &Told::Refused, now);
    let asked = Asked {
        order: Some(&order),
        version: 1,
        customer: None,
        expected: None,
    };
    let cancelled = cancel(asked, now).expect("it is pending");
    let cancelled = cancelled.expect("it was not before").order;
    for ended in [paid, declined, cancelled] {
        assert_ne!(ended.status, Status::Pending);
        assert_eq!(ended.warn_at(now), None, "{:?}", ended.status);
        assert_eq!(warn(&ended, now), None, "{:?}", ended.status);
    }
}

#[test]
fn one_whose_money_is_on_its_way_is_told_of_too() {
    let order = told(&order(), &receipt(Settled::Pending), NOW);
    warned(&order, moment(&order));
}

#[test]
fn a_shop_that_wants_none_gets_none() {
    let order = taken(PRICES).0.warned_before(Millis(0)).created;
    let text = serde_json::to_string(&order).expect("an order is data");
    assert!(!text.contains("warn"), "{text}");
    assert_eq!(order.warn_at(NOW), None);
    let last = LogTime::from_micros(order.limit.micros() - 1);
    assert_eq!(warn(&order, last), None);
}

#[test]
fn one_that_lives_no_longer_than_the_warning_comes_before_its_end_has_none() {
    let longest = Millis(CONFIRMING.0 - 1);
    let order = taken(PRICES).0.warned_before(longest).created;
    assert_eq!(order.warn_at(NOW), Some(NOW.plus(Millis(1))));
    for warn in [CONFIRMING, Millis(CONFIRMING.0 + 1), Millis(u64::MAX)] {
        let order = taken(PRICES).0.warned_before(warn).created;
        assert_eq!(order.warn_at(NOW), None, "{warn:?}");
    }
}

#[test]
fn an_order_that_costs_nothing_is_paid_at_once_and_its_events_tell_all_of_it() {
    let take = taken(0).0.warned_before(WARN);
    let then = take.then.expect("it was paid at once");
    let mut folded = take.created;
    for (_, patch) in then.events {
        folded = patch.apply(folded);
    }
    assert_eq!(folded, then.order);
    assert_eq!(folded.warn_at(NOW), None);
}

#[test]
fn a_limit_that_a_person_moved_is_told_of_again() {
    let order = order();
    let order = warned(&order, moment(&order));
    let order = moved(&order, CONFIRMING);
    let now = moment(&order);
    assert_eq!(order.warn_at(order.limit.minus(CONFIRMING)), Some(now));
    let order = warned(&order, now);
    assert_eq!(warn(&order, now), None);
}

#[test]
fn a_limit_that_a_person_moved_by_less_than_the_warning_is_not_told_of() {
    for life in [Millis(1_000), WARN] {
        let order = moved(&order(), life);
        assert_eq!(order.warn_at(order.limit.minus(life)), None);
        let last = LogTime::from_micros(order.limit.micros() - 1);
        assert_eq!(warn(&order, last), None);
    }
}

#[test]
fn what_the_order_needs_and_when_it_ends_is_as_it_was() {
    let order = order();
    let now = moment(&order);
    let pending = told(&order, &receipt(Settled::Pending), NOW);
    let unknown = told(&order, &Told::Unknown, NOW);
    let tries = Tries {
        calls: 3,
        sent: 2,
        sent_at: NOW,
        again: false,
        last: now.minus(Millis(10)),
    };
    for order in [order, pending, unknown] {
        let after = warned(&order, now);
        assert_eq!(after.limit, order.limit);
        for random in [0, 7, u64::MAX] {
            assert_eq!(after.due(tries, random), order.due(tries, random));
        }
    }
}
