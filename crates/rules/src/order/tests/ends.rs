//! Orders that are paid and then called off, given back or dropped, scene by scene.

use super::world::{Fault, Movement, World};
use super::*;
use crate::saga::State;
use crate::shipment::Status as Parcel;

const TOTAL: i64 = 1_000;

/// Paid, and the delivery not yet asked for.
fn paid() -> World {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::None);
    assert_eq!(world.order.status, Status::Confirmed);
    world
}

/// Paid, and taken on by the courier.
fn taken_on() -> World {
    let mut world = paid();
    world.call(Fault::None);
    assert_eq!(world.order.saga.state, State::Completed);
    world
}

fn shipped() -> World {
    let mut world = taken_on();
    world.carry(false);
    world.call(Fault::None);
    assert_eq!(world.order.status, Status::Shipped);
    world
}

impl World {
    fn cancel(&mut self) {
        let decision = cancel(self.asked(), self.now).expect("it has not left");
        self.apply(decision.expect("nobody asked before"));
    }

    fn refund_all(&mut self) {
        let decision = refund(self.asked(), (&refund_id("r-1"), None), self.now);
        self.apply(decision.expect("something is left"));
    }

    fn next(&self) -> Option<Task> {
        self.order.due(self.tries, 0).map(|due| due.task)
    }

    fn parcel(&self) -> Option<Parcel> {
        self.order.shipment.as_ref().map(|parcel| parcel.status)
    }

    fn ended(&self) -> (Status, Units, i64) {
        (self.order.status, self.order.units, self.order.refunded())
    }
}

#[test]
fn a_cancel_calls_the_delivery_off_then_returns_the_units_then_the_money() {
    let mut world = taken_on();
    world.cancel();
    assert!(world.order.is_cancelling());
    assert_eq!(world.next(), Some(Task::Recall));
    assert_eq!(world.order.units, Units::Sold);
    world.call(Fault::None);
    assert_eq!(
        (world.order.status, world.order.units),
        (Status::Confirmed, Units::Free)
    );
    assert_eq!(world.order.refunds[0].why, Why::Cancelled);
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
    assert_eq!(world.courier, Some(Parcel::Cancelled));
    let last = [
        Kind::OrderCalledOff,
        Kind::RefundRequested,
        Kind::PaymentRefunded,
    ];
    let story = world.story.iter().filter(|kind| last.contains(kind));
    assert!(story.eq(&last));
}

#[test]
fn a_cancel_while_the_delivery_is_unresolved_finds_it_first() {
    let mut world = paid();
    world.call(Fault::AnswerLost);
    world.cancel();
    assert_eq!(world.next(), Some(Task::AskDelivery));
    world.call(Fault::None);
    assert_eq!(world.next(), Some(Task::Recall));
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
}

#[test]
fn a_cancel_is_refused_once_the_parcel_has_left() {
    // The courier says so, or the parcel's own news come first.
    for told in [true, false] {
        let mut world = taken_on();
        world.cancel();
        world.carry(false);
        if told {
            world.call(Fault::None);
            assert_eq!(world.story.last(), Some(&Kind::CancelRefused));
        } else {
            let news = world.post.remove(1);
            world.hear(&news);
            assert_eq!(world.order.status, Status::Shipped);
        }
        assert!(!world.order.is_cancelling());
        world.heal();
        assert_eq!(world.ended(), (Status::Delivered, Units::Left, 0));
    }
}

#[test]
fn a_delivery_that_was_refused_needs_no_recall() {
    let mut stuck = paid();
    stuck.call(Fault::Refused);
    assert_eq!(stuck.order.saga.state, State::Stuck);
    assert!(stuck.order.is_flagged() && stuck.next().is_none());
    let mut cancelled = stuck.clone();
    cancelled.cancel();
    stuck.resolve(false);
    let mut before = paid();
    before.cancel();
    before.call(Fault::Refused);
    for mut world in [stuck, cancelled, before] {
        assert_eq!(world.order.units, Units::Free, "{:?}", world.story);
        assert_eq!(world.parcel(), Some(Parcel::Cancelled));
        world.heal();
        assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
        assert_eq!(world.courier, None);
    }
}

#[test]
fn a_refused_delivery_is_asked_for_again_when_a_person_says_so() {
    let mut world = paid();
    world.call(Fault::Refused);
    world.resolve(true);
    assert_eq!(world.next(), Some(Task::Deliver));
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 0));
}

#[test]
fn a_parcel_that_the_courier_dropped_waits_for_a_person_and_never_for_ever() {
    let mut world = taken_on();
    world.carry(true);
    world.call(Fault::None);
    assert_eq!(world.parcel(), Some(Parcel::Failed));
    assert_eq!(world.order.saga.state, State::Stuck);
    // Asked for again under its key, it is the same parcel: a person is needed again.
    world.resolve(true);
    world.call(Fault::None);
    assert_eq!(world.order.saga.state, State::Stuck);
    // An answer of before does not bring it back.
    world.resolve(true);
    let before = Told::Parcel {
        delivery: "d-1".to_owned(),
        status: Parcel::Initiated,
    };
    world.report(Tries::default(), Task::Deliver, &before);
    assert_eq!(world.next(), Some(Task::Deliver));
    // A parcel of another name does.
    let mut anew = world.clone();
    let other = Told::Parcel {
        delivery: "d-2".to_owned(),
        status: Parcel::Initiated,
    };
    anew.report(Tries::default(), Task::Deliver, &other);
    assert_eq!(anew.parcel(), Some(Parcel::Initiated));
    assert_eq!(anew.next(), Some(Task::AskDelivery));
    world.call(Fault::None);
    world.resolve(false);
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
}

#[test]
fn a_delivery_that_is_unknown_for_a_day_needs_a_person_and_is_found_before_it_is_called_off() {
    let mut world = paid();
    while world.order.saga.state == State::Running {
        world.call(Fault::CallLost);
    }
    assert!(world.order.created_at.until(world.now) >= Millis(86_400_000));
    assert_eq!(world.order.saga.state, State::Stuck);
    world.cancel();
    assert_eq!(world.order.units, Units::Sold, "it may be on its way");
    assert_eq!(world.next(), Some(Task::AskDelivery));
    while world.call(Fault::None) {}
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
    assert_eq!(world.courier, Some(Parcel::Cancelled));
}

#[test]
fn a_recall_that_is_unknown_for_a_day_needs_a_person() {
    let mut world = taken_on();
    world.cancel();
    while !world.order.is_flagged() {
        world.call(Fault::CallLost);
    }
    let mut again = world.clone();
    again.resolve(true);
    assert_eq!(again.next(), Some(Task::Recall));
    again.heal();
    assert_eq!(again.ended(), (Status::Cancelled, Units::Free, TOTAL));
    world.resolve(false);
    assert_eq!(
        world.next(),
        Some(Task::AskDelivery),
        "the parcel goes its way"
    );
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 0));
}

#[test]
fn an_order_that_cost_nothing_is_cancelled_without_a_refund() {
    let mut world = World::new(0, 0);
    world.call(Fault::None);
    world.cancel();
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, 0));
    assert!(world.order.refunds.is_empty());
}

#[test]
fn all_the_money_asked_back_before_shipping_calls_the_order_off() {
    for (before, world) in [(true, paid()), (false, taken_on())] {
        let mut world = world;
        world.refund_all();
        assert!(world.order.is_cancelling());
        assert_eq!(world.next() == Some(Task::Deliver), before);
        world.heal();
        assert_eq!(world.ended(), (Status::Refunded, Units::Free, TOTAL));
    }
}

#[test]
fn all_the_money_asked_back_in_parts_and_beside_an_excess_calls_the_order_off_too() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::Odd(50));
    for (id, amount) in [("r-1", 400), ("r-2", 600)] {
        let amount = Some(money(amount, "EUR"));
        let asked = refund(world.asked(), (&refund_id(id), amount), world.now);
        world.apply(asked.expect("so much is left"));
    }
    assert!(world.order.is_cancelling());
    world.heal();
    assert_eq!(world.ended(), (Status::Refunded, Units::Free, TOTAL + 50));
}

#[test]
fn all_the_money_asked_back_when_the_delivery_is_stuck_calls_the_order_off_at_once() {
    let mut world = paid();
    world.call(Fault::Refused);
    world.refund_all();
    assert_eq!(world.order.units, Units::Free);
    world.heal();
    assert_eq!(world.ended(), (Status::Refunded, Units::Free, TOTAL));
}

#[test]
fn all_the_money_asked_back_after_shipping_ends_refunded_with_the_units_away() {
    for delivered in [false, true] {
        let mut world = shipped();
        if delivered {
            world.carry(false);
            world.call(Fault::None);
            assert_eq!(world.order.status, Status::Delivered);
        }
        world.refund_all();
        world.heal();
        assert_eq!(world.ended(), (Status::Refunded, Units::Left, TOTAL));
        let line = |id, quantity| ReturnLine {
            sku: sku(id),
            quantity: units(quantity),
        };
        let lines = [line("lamp", 2), line("lamp", 1), line("chair", 1)];
        let back = return_units(world.asked(), &lines, true, world.now);
        world.apply(back.expect("they were shipped"));
        let again = return_units(world.asked(), &lines, true, world.now);
        assert_eq!(again, Err(Rejection::MoreThanShipped { line: 0 }));
        assert_eq!((world.stock.shipped, world.stock.gone), (1, 4));
    }
}

#[test]
fn money_that_went_back_while_the_recall_was_refused_ends_the_order_once_it_left() {
    let mut world = taken_on();
    world.refund_all();
    world.carry(false);
    world.heal();
    assert_eq!(world.ended(), (Status::Refunded, Units::Left, TOTAL));
}

#[test]
fn a_refund_that_the_bank_refuses_leaves_a_live_order_as_it_was() {
    let mut world = shipped();
    let part = Some(money(300, "EUR"));
    let asked = refund(world.asked(), (&refund_id("r-1"), part), world.now);
    world.apply(asked.expect("so much is left"));
    assert_eq!(world.order.amount_due(), TOTAL - 300);
    world.call(Fault::Refused);
    assert_eq!(world.order.refunds[0].status(), RefundStatus::Failed);
    assert_eq!(
        (world.order.amount_due(), world.order.refund_requested()),
        (TOTAL, 0)
    );
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 0));
}

#[test]
fn a_refund_of_all_that_the_bank_refuses_after_the_recall_still_owes_the_money() {
    let mut world = taken_on();
    world.refund_all();
    world.call(Fault::None);
    assert_eq!(world.order.units, Units::Free);
    world.call(Fault::Refused);
    let statuses = world.order.refunds.iter().map(Refund::status);
    assert!(statuses.eq([RefundStatus::Failed, RefundStatus::Requested]));
    world.heal();
    assert_eq!(world.ended(), (Status::Refunded, Units::Free, TOTAL));
}

#[test]
fn a_refund_that_is_owed_and_refused_is_stuck_until_a_person_ends_it() {
    let mut world = taken_on();
    world.cancel();
    world.call(Fault::None);
    world.call(Fault::Refused);
    assert_eq!(world.order.refunds[0].status(), RefundStatus::Stuck);
    assert!(world.order.is_flagged() && world.next().is_none());
    assert_eq!(
        world.order.refund_requested(),
        TOTAL,
        "it is still on its way back"
    );
    let mut again = world.clone();
    again.resolve(true);
    assert_eq!(again.next(), Some(Task::Refund(0)));
    again.heal();
    world.resolve(false);
    for world in [world, again] {
        assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
    }
}

#[test]
fn a_refund_that_is_unknown_for_a_day_is_stuck_and_completes_when_it_came_after_all() {
    let mut world = taken_on();
    world.cancel();
    world.call(Fault::None);
    world.call(Fault::AnswerLost);
    assert_eq!(world.next(), Some(Task::AskRefund(0)));
    while world.order.refunds[0].status() == RefundStatus::Requested {
        world.call(Fault::CallLost);
    }
    assert_eq!(world.order.refunds[0].status(), RefundStatus::Stuck);
    world.do_now(Task::AskRefund(0), Fault::None);
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
    assert!(!world.order.is_flagged());
}

#[test]
fn a_refund_that_never_came_to_the_bank_is_sent_again_for_as_long_as_it_takes() {
    let mut world = taken_on();
    world.cancel();
    world.call(Fault::None);
    for _ in 0..6 {
        assert_eq!(world.next(), Some(Task::Refund(0)));
        world.call(Fault::CallLost);
        assert_eq!(world.next(), Some(Task::AskRefund(0)));
        world.call(Fault::None);
    }
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
}

#[test]
fn a_refund_of_another_amount_is_stuck_and_known_by_its_name() {
    let mut world = taken_on();
    world.cancel();
    world.call(Fault::None);
    world.call(Fault::Odd(1));
    assert_eq!(world.order.refunds[0].status(), RefundStatus::Stuck);
    let news = world.post.pop().expect("the bank calls back");
    assert_eq!(
        hear(&world.order, &news, false, world.now),
        Heard::Contradicts
    );
    world.heal();
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
}

#[test]
fn what_the_bank_gives_back_by_itself_is_given_of_the_price() {
    let mut world = taken_on();
    world.give_back(300);
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 300));
    assert_eq!(
        (world.order.amount_due(), world.order.granted()),
        (700, 300)
    );
    let mut world = taken_on();
    world.give_back(TOTAL);
    world.heal();
    assert_eq!(world.ended(), (Status::Refunded, Units::Free, TOTAL));
}

#[test]
fn a_refund_that_the_bank_overtook_is_made_anew_whichever_comes_first() {
    for told_first in [false, true] {
        let mut world = taken_on();
        world.cancel();
        world.call(Fault::None);
        assert_eq!(world.order.refunds[0].amount, TOTAL);
        world.give_back(300);
        let news = world.post.pop().expect("the bank calls back");
        if told_first {
            world.hear(&news);
        } else {
            world.call(Fault::None);
            assert_eq!(world.order.refunds[0].status(), RefundStatus::Stuck);
            world.hear(&news);
        }
        world.heal();
        assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
        let parts = world
            .order
            .refunds
            .iter()
            .map(|it| (it.amount, it.status()));
        let expected = [
            (TOTAL, RefundStatus::Failed),
            (700, RefundStatus::Completed),
        ];
        assert!(parts.eq(expected), "{:?}", world.order.refunds);
    }
}

#[test]
fn a_refund_that_the_bank_tells_under_the_charges_name_is_not_counted_twice() {
    let mut world = shipped();
    world.refund_all();
    world.call(Fault::None);
    let news = News::Money {
        word: Word::Refunded,
        transaction: world.order.payment.charges[0].transaction.clone(),
        amount: money(TOTAL, "EUR"),
    };
    world.hear(&news);
    assert_eq!(world.order.refunded(), TOTAL);
    assert_eq!(world.order.refund_requested(), TOTAL);
}

#[test]
fn a_made_refund_id_is_never_one_that_the_client_chose() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::None);
    for id in ["auto-2", "auto-3"] {
        let part = Some(money(100, "EUR"));
        let asked = refund(world.asked(), (&refund_id(id), part), world.now);
        world.apply(asked.expect("so much is left"));
    }
    world.cancel();
    world.heal();
    let mut ids: Vec<_> = world.order.refunds.iter().map(|it| it.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert_eq!(world.ended(), (Status::Cancelled, Units::Free, TOTAL));
}

#[test]
fn a_refund_that_failed_and_came_after_all_waits_for_a_person() {
    let mut world = shipped();
    world.refund_all();
    world.call(Fault::Refused);
    assert_eq!(world.order.refunds[0].status(), RefundStatus::Failed);
    world
        .bank
        .refunds
        .insert("r-1".to_owned(), Movement::done("r", TOTAL));
    world.do_now(Task::AskRefund(0), Fault::None);
    assert!(world.order.is_flagged());
    assert_eq!(
        world.order.refunds[0].status(),
        RefundStatus::Failed,
        "a failure is an end"
    );
}

#[test]
fn a_provider_that_is_down_does_not_hold_up_the_other() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::Odd(7));
    assert_eq!(world.next(), Some(Task::Deliver));
    world.call(Fault::NotSent);
    assert_eq!(
        world.next(),
        Some(Task::Refund(0)),
        "the courier is down, the bank is not"
    );
    world.call(Fault::None);
    assert_eq!(world.order.refunded(), 7);
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 7));
}

#[test]
fn a_parcel_that_is_not_taken_on_yet_completes_the_saga_and_is_asked_after() {
    let mut world = paid();
    world.call(Fault::Slow);
    assert_eq!(world.story.last(), Some(&Kind::SagaCompleted));
    assert_eq!(world.parcel(), Some(Parcel::Requested));
    assert_eq!(world.next(), Some(Task::AskDelivery));
    world.heal();
    assert_eq!(world.ended(), (Status::Delivered, Units::Left, 0));
}

#[test]
fn what_was_never_seen_is_sent_again_before_anything_else_is_tried() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::Odd(7));
    world.call(Fault::CallLost);
    assert_eq!(world.next(), Some(Task::AskDelivery));
    world.call(Fault::None);
    assert_eq!(world.next(), Some(Task::Deliver));
}
