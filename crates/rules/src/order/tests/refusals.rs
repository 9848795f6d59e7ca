//! What is refused, command by command: each row has everything wrong that a later row has.

use super::world::{Fault, World};
use super::*;

/// A paid order in version 5 and later ones of its life.
fn confirmed() -> World {
    let mut world = World::new(1_000, 0);
    assert!(world.call(Fault::None));
    world
}

fn shipped() -> World {
    let mut world = confirmed();
    world.call(Fault::None);
    world.carry(false);
    world.call(Fault::None);
    assert_eq!(world.order.status, Status::Shipped);
    world
}

/// Who asks, for which version.
#[derive(Clone, Copy)]
enum Who {
    /// Nobody ordered under the id.
    Nothing,
    /// Another customer, for another version.
    Stranger,
    /// The customer, for another version.
    Stale,
    /// The customer, for the version that it is.
    Owner,
}

fn judge<T>(world: &World, who: Who, rule: impl FnOnce(Asked<'_>) -> T) -> T {
    let (stranger, owner) = (customer("c-2"), customer("c-1"));
    let (order, customer, expected) = match who {
        Who::Nothing => (None, &stranger, 0),
        Who::Stranger => (Some(&world.order), &stranger, 0),
        Who::Stale => (Some(&world.order), &owner, 0),
        Who::Owner => (Some(&world.order), &owner, world.version),
    };
    rule(Asked {
        order,
        version: world.version,
        customer: Some(customer),
        expected: Some(expected),
    })
}

/// One row: what stands, who asks, what for, and why not.
struct Refusal<'a, When> {
    case: &'static str,
    given: &'a World,
    who: Who,
    when: When,
    then: Rejection,
}

fn walk<When, Done: std::fmt::Debug>(
    table: Vec<Refusal<'_, When>>,
    rule: impl Fn(Asked<'_>, When) -> Result<Done, Rejection>,
) -> Vec<Rejection> {
    let run = |row: Refusal<'_, When>| {
        let judged = judge(row.given, row.who, |asked| rule(asked, row.when));
        let refused = judged.expect_err(row.case);
        assert_eq!(refused, row.then, "{}", row.case);
        refused
    };
    let produced: Vec<Rejection> = table.into_iter().map(run).collect();
    assert_declared_order(&produced);
    produced
}

const fn illegal(from: Status, to: Status) -> Rejection {
    Rejection::IllegalTransition { from, to }
}

/// The rows that every command on an order begins with; `given` refuses the rest.
fn admission<'a, When: Clone>(given: &'a World, when: &When) -> Vec<Refusal<'a, When>> {
    let row = |case, who, then| Refusal {
        case,
        given,
        who,
        when: when.clone(),
        then,
    };
    vec![
        row("no order", Who::Nothing, Rejection::NotFound),
        row("another customer's", Who::Stranger, Rejection::NotFound),
        row("another version", Who::Stale, Rejection::Version),
    ]
}

pub(super) fn of_cancel() -> Vec<Rejection> {
    let shipped = shipped();
    let mut table = admission(&shipped, &());
    table.push(Refusal {
        case: "the parcel has left",
        given: &shipped,
        who: Who::Owner,
        when: (),
        then: illegal(Status::Shipped, Status::Cancelled),
    });
    walk(table, |asked, ()| cancel(asked, NOW))
}

type Wish = (&'static str, Option<Money>);

pub(super) fn of_refund() -> Vec<Rejection> {
    let (pending, mut paid) = (World::new(1_000, 0), confirmed());
    let part = refund(
        paid.asked(),
        (&refund_id("r-1"), Some(money(400, "EUR"))),
        NOW,
    );
    paid.apply(part.expect("less than was captured"));
    let dollars: Wish = ("r-1", Some(money(2_000, "USD")));
    let mut table = admission(&pending, &dollars);
    let row = |case, given, when, then| Refusal {
        case,
        given,
        who: Who::Owner,
        when,
        then,
    };
    table.extend([
        row(
            "another currency",
            &pending,
            dollars,
            Rejection::AmountCurrency,
        ),
        row(
            "nothing was captured",
            &pending,
            ("r-1", Some(money(2_000, "EUR"))),
            illegal(Status::Pending, Status::Refunded),
        ),
        row(
            "an id in use, and too much",
            &paid,
            ("r-1", Some(money(601, "EUR"))),
            Rejection::RefundExists,
        ),
        row(
            "one minor unit too much",
            &paid,
            ("r-2", Some(money(601, "EUR"))),
            Rejection::ExceedsRefundable,
        ),
        row(
            "nothing at all",
            &paid,
            ("r-2", Some(money(0, "EUR"))),
            Rejection::ExceedsRefundable,
        ),
    ]);
    walk(table, |asked, (id, amount)| {
        refund(asked, (&refund_id(id), amount), NOW)
    })
}

pub(super) fn of_returns() -> Vec<Rejection> {
    let (paid, shipped) = (confirmed(), shipped());
    let lines = |lamps, chairs| {
        let line = |id, quantity| ReturnLine {
            sku: sku(id),
            quantity: units(quantity),
        };
        vec![line("lamp", lamps), line("chair", chairs)]
    };
    let mut table = admission(&paid, &lines(4, 3));
    let row = |case, given, when, then| Refusal {
        case,
        given,
        who: Who::Owner,
        when,
        then,
    };
    table.extend([
        row(
            "nothing has left",
            &paid,
            lines(4, 3),
            illegal(Status::Confirmed, Status::Refunded),
        ),
        row(
            "too many of both lines",
            &shipped,
            lines(4, 3),
            Rejection::MoreThanShipped { line: 0 },
        ),
        row(
            "too many of the second",
            &shipped,
            lines(3, 3),
            Rejection::MoreThanShipped { line: 1 },
        ),
    ]);
    walk(table, |asked, lines| return_units(asked, &lines, true, NOW))
}

pub(super) fn of_resolve() -> Vec<Rejection> {
    let paid = confirmed();
    let mut table = admission(&paid, &());
    table.push(Refusal {
        case: "nobody waits",
        given: &paid,
        who: Who::Owner,
        when: (),
        then: Rejection::NoReview,
    });
    walk(table, |asked, ()| resolve(asked, true, CONFIRMING, NOW))
}

fn all_produced() -> Vec<Rejection> {
    [
        of_cancel(),
        of_refund(),
        of_returns(),
        of_resolve(),
        super::taking::refusals(),
    ]
    .concat()
}

#[test]
fn every_rejection_of_an_order_is_produced_by_a_table() {
    let produced: Vec<&str> = all_produced().iter().map(name).collect();
    assert_all_produced(ALL, &produced);
}

#[test]
fn a_refusal_comes_back_from_its_text_and_only_decisions_that_never_change_are_final() {
    let last_words = [
        "already_exists",
        "price_changed",
        "order.illegal_transition",
        "refund_exists",
        "exceeds_refundable",
    ];
    for rejection in all_produced() {
        let text = serde_json::to_string(&rejection).expect("a rejection is data");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let code = value["code"].as_str().expect("it has a code");
        assert_eq!(rejection.is_final(), last_words.contains(&code), "{code}");
        let back: Rejection = serde_json::from_str(&text).expect("it was written by us");
        assert_eq!(back, rejection);
    }
}

#[test]
fn a_cancel_is_refused_wherever_there_is_nothing_left_to_cancel() {
    for status in Status::ALL {
        let mut world = confirmed();
        world.order.status = status;
        let judged = cancel(world.asked(), NOW).map(|decision| decision.is_some());
        let to = Status::Cancelled;
        let expected = match status {
            Status::Pending | Status::Paid | Status::Confirmed => continue,
            Status::Cancelled => Ok(false),
            Status::Rejected => Err(Rejection::NotFound),
            Status::Shipped | Status::Delivered | Status::Refunded | Status::Expired => {
                Err(illegal(status, to))
            }
        };
        assert_eq!(judged, expected, "{status:?}");
    }
}

#[test]
fn a_cancel_asked_for_twice_is_one() {
    let mut world = confirmed();
    let first = cancel(world.asked(), NOW).expect("it has not left");
    world.apply(first.expect("it begins"));
    assert_eq!(cancel(world.asked(), NOW), Ok(None));
    world.heal();
    assert_eq!(world.order.status, Status::Cancelled);
    assert_eq!(cancel(world.asked(), NOW), Ok(None));
}

#[test]
fn an_id_that_was_cancelled_before_it_was_ordered_is_nobodys() {
    let never = Order::never(&order_id("o-1"), money(0, "EUR").currency, NOW);
    let asked = Asked {
        order: Some(&never),
        version: 1,
        customer: None,
        expected: None,
    };
    assert_eq!(cancel(asked, NOW), Err(Rejection::NotFound));
    assert_eq!(
        resolve(asked, true, CONFIRMING, NOW),
        Err(Rejection::NotFound)
    );
    assert!(never.is_quiet() && never.due(Tries::default(), 0).is_none());
    let owner = customer("c-1");
    assert!(tombstone(None, None), "a shop's cancel writes one");
    assert!(!tombstone(None, Some(&owner)), "a buyer's does not");
    assert!(!tombstone(Some(&never), None), "there is one already");
}
