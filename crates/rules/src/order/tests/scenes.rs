//! Orders whose payment goes wrong, scene by scene: what is decided, when, and what is asked next.

use super::world::{Fault, Movement, World};
use super::*;
use crate::payment::{Settled, Status as Paid};
use crate::saga::State;

const TOTAL: i64 = 1_000;

fn world() -> World {
    World::new(TOTAL, 0)
}

/// What stands: status, reason, where the units are, minor units captured and refunded.
fn stands(world: &World) -> (Status, Option<Reason>, Units, i64, i64) {
    let order = &world.order;
    (
        order.status,
        order.reason,
        order.units,
        order.payment.captured(),
        order.refunded(),
    )
}

/// The next task, and in how many milliseconds from now it is due at the latest.
fn next(world: &World) -> Option<(Task, u64)> {
    let due = world.order.due(world.tries, u64::MAX)?;
    Some((due.task, world.now.until(due.at).0))
}

/// Others buy what the order gave back.
fn sell_out(world: &mut World) {
    world.stock.available = 0;
}

fn expired() -> World {
    let mut world = world();
    world.call(Fault::Slow);
    world.now = world.order.limit;
    world.do_now(Task::AskCharge, Fault::None);
    let released = (Status::Expired, Some(Reason::Unpaid), Units::Free, 0, 0);
    assert_eq!(stands(&world), released);
    assert!(world.order.watched);
    world
}

#[test]
fn a_definite_refusal_ends_the_order_at_once_and_releases_its_units() {
    let mut world = world();
    world.call(Fault::Refused);
    let declined = Some(Reason::Declined);
    assert_eq!(
        stands(&world),
        (Status::Cancelled, declined, Units::Free, 0, 0)
    );
    assert_eq!(world.order.payment_status(), Paid::Failed);
    assert!(world.order.is_quiet() && next(&world).is_none());
    // Its callback names a transaction that the refusal did not: it says nothing new.
    let news = world.post.remove(0);
    assert_eq!(hear(&world.order, &news, false, world.now), Heard::Known);
}

#[test]
fn a_refused_repeat_says_nothing_of_the_attempt_before_it() {
    let mut world = world();
    world.call(Fault::CallLost);
    world.now = world.now.plus(Millis(60_000));
    world.call(Fault::None);
    let task = next(&world).map(|(task, _)| task);
    assert_eq!(task, Some(Task::Charge), "it was never seen");
    world.do_now(Task::Charge, Fault::Refused);
    assert_eq!(world.order.status, Status::Cancelled);
    assert!(world.order.watched);
    // The first attempt was only late.
    world.bank.charge = Some(Movement::done("t-9", TOTAL));
    world.heal();
    assert_eq!(world.order.refunded(), TOTAL);
}

#[test]
fn a_failure_by_callback_counts_once_the_provider_says_so_too() {
    let mut world = world();
    world.call(Fault::Slow);
    world.settle(Settled::Failed);
    let news = world.post.remove(0);
    world.hear(&news);
    assert_eq!(world.order.status, Status::Pending);
    assert_eq!(world.order.payment_status(), Paid::Failed);
    assert_eq!(next(&world).map(|(task, _)| task), Some(Task::AskCharge));
    world.call(Fault::None);
    let declined = Some(Reason::Declined);
    assert_eq!(
        stands(&world),
        (Status::Cancelled, declined, Units::Free, 0, 0)
    );
}

#[test]
fn an_answer_that_got_lost_is_asked_for_by_key_and_never_taken_for_a_no() {
    let mut world = world();
    world.call(Fault::AnswerLost);
    assert_eq!(world.story, [Kind::SagaUnknown]);
    assert_eq!(world.order.status, Status::Pending);
    assert_eq!(next(&world).map(|(task, _)| task), Some(Task::AskCharge));
    world.call(Fault::CallLost);
    assert_eq!(world.story.len(), 1, "noted once");
    world.call(Fault::None);
    assert_eq!(
        stands(&world),
        (Status::Confirmed, None, Units::Sold, TOTAL, 0)
    );
}

#[test]
fn never_seen_is_a_no_after_three_more_attempts_and_a_minute_and_is_watched() {
    let mut world = world();
    let (mut sent, mut sent_at) = (0, NOW);
    while world.order.status == Status::Pending {
        let due = world.order.due(world.tries, 7).expect("it is pending");
        let fault = if due.task == Task::Charge {
            (sent, sent_at) = (sent + 1, world.now.max(due.at));
            Fault::CallLost
        } else {
            Fault::None
        };
        world.call(fault);
    }
    assert_eq!(sent, 4);
    let not_done = Some(Reason::NotDone);
    assert_eq!(
        stands(&world),
        (Status::Cancelled, not_done, Units::Free, 0, 0)
    );
    assert!(sent_at.until(world.now) >= Millis(60_000), "not too early");
    assert!(world.now < world.order.limit);
    assert!(world.order.watched && !world.order.is_quiet());
}

#[test]
fn the_watch_asks_four_times_and_ends_with_an_answer() {
    let mut world = world();
    world.apply(
        cancel(world.asked(), world.now)
            .expect("pending")
            .expect("it ends"),
    );
    let mut asked = Vec::new();
    while let Some(due) = world.order.due(world.tries, 0) {
        assert_eq!(due.task, Task::AskCharge);
        asked.push(world.order.since.until(due.at).0);
        world.call(Fault::None);
    }
    assert_eq!(asked, WATCH_MS);
    assert!(world.order.is_quiet());
}

#[test]
fn the_last_question_of_a_watch_is_asked_until_it_is_answered() {
    let mut world = world();
    world.apply(
        cancel(world.asked(), world.now)
            .expect("pending")
            .expect("it ends"),
    );
    for _ in 0..20 {
        assert!(world.call(Fault::CallLost), "unknown is no answer");
    }
    assert!(world.order.watched);
    world.call(Fault::None);
    assert!(world.order.is_quiet());
}

#[test]
fn a_payment_that_is_pending_for_a_day_after_the_end_waits_for_a_person() {
    let mut world = expired();
    while world.call(Fault::None) {}
    assert!(!world.order.watched && world.order.is_flagged());
    world.settle(Settled::Completed);
    let news = world.post.remove(0);
    world.stock.available = 0;
    world.hear(&news);
    while world.call(Fault::None) {}
    let late = (
        Status::Expired,
        Some(Reason::Unpaid),
        Units::Free,
        TOTAL,
        TOTAL,
    );
    assert_eq!(stands(&world), late, "it is believed all the same");
}

#[test]
fn a_charge_that_turns_up_while_it_is_watched_goes_back_in_full() {
    for place in 0..WATCH_MS.len() {
        let mut world = world();
        world.apply(
            cancel(world.asked(), world.now)
                .expect("pending")
                .expect("it ends"),
        );
        for _ in 0..place {
            world.call(Fault::None);
        }
        // A call of before was on its way all the time.
        world.bank.charge = Some(super::world::Movement::done("t-1", TOTAL));
        world.heal();
        let back = (
            Status::Cancelled,
            Some(Reason::Requested),
            Units::Free,
            TOTAL,
            TOTAL,
        );
        assert_eq!(stands(&world), back);
        assert_eq!(world.order.refunds[0].why, Why::Late);
    }
}

#[test]
fn unknown_at_the_limit_keeps_the_units_and_opens_a_review() {
    let mut world = world();
    world.call(Fault::AnswerLost);
    world.post.clear();
    while world.order.review.is_none() {
        assert!(world.now <= world.order.limit, "it is asked at the limit");
        world.call(Fault::CallLost);
    }
    assert_eq!(world.order.units, Units::Held);
    assert!(world.order.is_flagged() && world.order.requires_review);

    // A person lets it wait on: at the next limit one is needed again.
    world.resolve(true);
    let review = world.order.review.expect("there was one");
    assert_eq!(review.state, ReviewState::Approved);
    assert_eq!(world.order.limit, world.now.plus(CONFIRMING));
    while !world.order.is_flagged() {
        world.call(Fault::CallLost);
    }
    assert_eq!(world.now, world.order.limit);

    // The answer comes by itself.
    let mut answered = world.clone();
    answered.call(Fault::None);
    let state = answered.order.review.map(|review| review.state);
    assert_eq!(state, Some(ReviewState::Expired));
    assert_eq!(answered.order.status, Status::Confirmed);
    assert!(!answered.order.requires_review);

    // Or a person ends it, and the money that came goes back.
    world.resolve(false);
    let rejected = Some(Reason::ReviewRejected);
    assert_eq!(
        stands(&world),
        (Status::Cancelled, rejected, Units::Free, 0, 0)
    );
    world.heal();
    assert_eq!(
        stands(&world),
        (Status::Cancelled, rejected, Units::Free, TOTAL, TOTAL)
    );
}

#[test]
fn never_seen_at_the_limit_waits_for_the_last_attempt_to_be_a_minute_old() {
    let mut world = world();
    world.now = world.order.limit.plus(Millis(0));
    world.do_now(Task::Charge, Fault::CallLost);
    assert!(world.order.is_flagged(), "unknown at the limit");
    world.do_now(Task::AskCharge, Fault::None);
    assert_eq!(
        world.order.status,
        Status::Pending,
        "a moment later it may be on its way"
    );
    assert_eq!(
        next(&world).map(|(task, _)| task),
        Some(Task::AskCharge),
        "not sent again"
    );
    world.now = world.now.plus(Millis(60_000));
    world.do_now(Task::AskCharge, Fault::None);
    assert_eq!(world.order.status, Status::Expired);
    assert!(world.order.watched);
}

#[test]
fn a_charge_that_could_not_be_sent_until_the_limit_expires_without_a_person() {
    let mut world = world();
    while world.order.status == Status::Pending {
        assert!(world.now <= world.order.limit);
        world.call(Fault::NotSent);
    }
    assert_eq!(
        stands(&world),
        (Status::Expired, Some(Reason::Unpaid), Units::Free, 0, 0)
    );
    assert!(world.order.review.is_none() && world.order.watched);
}

#[test]
fn money_after_the_expiry_takes_the_units_again_or_goes_back_in_full() {
    let mut world = expired();
    world.settle(Settled::Completed);
    let mut sold_out = world.clone();
    sell_out(&mut sold_out);

    let news = world.post.remove(0);
    world.hear(&news);
    let late = Some(Reason::Late);
    assert_eq!(
        stands(&world),
        (Status::Confirmed, late, Units::Sold, TOTAL, 0)
    );
    assert!(!world.order.watched);
    world.heal();
    assert_eq!(world.order.status, Status::Delivered);

    sold_out.hear(&news);
    let refund = &sold_out.order.refunds[0];
    assert_eq!((refund.amount, refund.why), (TOTAL, Why::Late));
    // Units that come in now do not change what was decided.
    sold_out.stock.available = super::world::UNITS;
    sold_out.give_back(1);
    sold_out.heal();
    assert_eq!(sold_out.order.status, Status::Expired);
    assert_eq!(sold_out.order.payment_status(), Paid::Refunded);
}

#[test]
fn a_part_of_the_money_waits_for_the_rest_and_goes_back_at_the_limit() {
    let mut world = world();
    world.call(Fault::Odd(-1));
    assert_eq!(
        stands(&world),
        (Status::Pending, None, Units::Held, TOTAL - 1, 0)
    );
    assert!(world.order.requires_review && !world.order.is_flagged());
    let limit = world.order.limit;
    while world.order.status == Status::Pending {
        world.call(Fault::None);
    }
    assert_eq!(world.now, limit);
    assert_eq!(world.order.refunds[0].why, Why::Partial);
    world.heal();
    let partial = Some(Reason::Partial);
    let back = (
        Status::Cancelled,
        partial,
        Units::Free,
        TOTAL - 1,
        TOTAL - 1,
    );
    assert_eq!(stands(&world), back);
    assert!(!world.order.requires_review);
}

#[test]
fn the_rest_of_the_money_pays_for_the_order_and_nobody_has_to_look() {
    let mut world = world();
    world.call(Fault::Odd(-400));
    let rest = Told::Money(Receipt {
        transaction: "t-rest".to_owned(),
        status: Settled::Completed,
        amount: Some(400),
    });
    world.report(world.tries, Task::AskCharge, &rest);
    assert_eq!(
        stands(&world),
        (Status::Confirmed, None, Units::Sold, TOTAL, 0)
    );
    assert!(!world.order.requires_review);
    // All of it goes back out of both transactions, one refund each.
    let asked = refund(world.asked(), (&refund_id("r-1"), None), world.now);
    world.apply(asked.expect("it was captured"));
    let refunds = world.order.refunds.iter();
    let parts = refunds.map(|it| (it.id.as_str(), it.charge.as_str(), it.amount));
    assert!(parts.eq([("r-1", "t-1", 600), ("auto-2", "t-rest", 400)]));
}

#[test]
fn what_came_beyond_the_price_goes_back_by_itself() {
    let mut world = world();
    world.call(Fault::Odd(7));
    assert_eq!(world.order.status, Status::Confirmed);
    let refund = &world.order.refunds[0];
    assert_eq!((refund.amount, refund.why), (7, Why::Excess));
    world.heal();
    let due = world.order.amount_due();
    assert_eq!((due, world.order.refunded()), (TOTAL, 7));
    assert_eq!(world.order.status, Status::Delivered);
}

#[test]
fn money_of_another_currency_waits_for_a_person() {
    let mut world = world();
    world.call(Fault::Foreign);
    assert!(world.order.is_flagged());
    assert_eq!(stands(&world), (Status::Pending, None, Units::Held, 0, 0));
    while world.now < world.order.limit {
        world.call(Fault::None);
    }
    world.call(Fault::None);
    assert_eq!(
        world.order.status,
        Status::Pending,
        "it does not expire in silence"
    );
    world.resolve(false);
    world.call(Fault::None);
    assert!(
        !world.order.watched && world.order.is_flagged(),
        "there is money to give back"
    );
    world.resolve(true);
    assert!(world.order.is_quiet() && !world.order.is_flagged());
}

#[test]
fn a_stale_answer_about_the_charge_does_not_touch_the_next_step() {
    let mut world = world();
    world.call(Fault::AnswerLost);
    world.call(Fault::None);
    world.call(Fault::AnswerLost);
    let saga = world.order.saga;
    assert!(
        saga.state == State::Running && saga.unknown,
        "the delivery is unknown"
    );
    // It is news: an attempt of before ended without money.
    let late = Told::Money(Receipt {
        transaction: "t-0".to_owned(),
        status: Settled::Failed,
        amount: Some(TOTAL),
    });
    world.report(Tries::default(), Task::Charge, &late);
    assert!(world.order.payment.failed);
    assert_eq!(world.order.saga, saga);
}

#[test]
fn a_cancel_before_the_money_ends_the_order_at_once() {
    let mut world = world();
    world.call(Fault::AnswerLost);
    world.apply(
        cancel(world.asked(), world.now)
            .expect("pending")
            .expect("it ends"),
    );
    let requested = Some(Reason::Requested);
    assert_eq!(
        stands(&world),
        (Status::Cancelled, requested, Units::Free, 0, 0)
    );
    world.heal();
    assert_eq!(
        stands(&world),
        (Status::Cancelled, requested, Units::Free, TOTAL, TOTAL)
    );
}
