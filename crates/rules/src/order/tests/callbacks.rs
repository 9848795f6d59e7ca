//! What a callback does, by what is known when it comes.

use super::world::{Fault, World};
use super::*;
use crate::shipment::Status as Parcel;

const TOTAL: i64 = 1_000;

fn paid() -> World {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::None);
    world
}

fn news(word: Word, transaction: &str, amount: Money) -> News {
    News::Money {
        word,
        transaction: transaction.to_owned(),
        amount,
    }
}

fn euros(word: Word, transaction: &str, amount: i64) -> News {
    news(word, transaction, money(amount, "EUR"))
}

fn parcel(delivery: &str, status: Parcel) -> News {
    News::Parcel {
        delivery: delivery.to_owned(),
        status,
    }
}

/// What is heard, in one word.
fn heard(world: &World, news: &News) -> &'static str {
    match hear(&world.order, news, world.is_spare(), world.now) {
        Heard::Changed(_) => "changed",
        Heard::Known => "known",
        Heard::Early => "early",
        Heard::Contradicts => "contradicts",
    }
}

/// What was known, what came, and what that is.
type Row<'a> = (&'a str, &'a World, News, &'a str);

fn walk(table: &[Row<'_>]) {
    for (case, world, news, expected) in table {
        assert_eq!(heard(world, news), *expected, "{case}");
    }
}

fn pending() -> World {
    let mut pending = World::new(TOTAL, 0);
    pending.call(Fault::Slow);
    pending
}

#[test]
fn news_of_a_charge_are_believed_as_far_as_the_provider_named_it() {
    use Word::{Completed, Failed};
    let (fresh, pending, paid) = (World::new(TOTAL, 0), pending(), paid());
    let dollars = news(Completed, "t-1", money(TOTAL, "USD"));
    let done = |name| euros(Completed, name, TOTAL);
    let failed = || euros(Failed, "t-1", TOTAL);
    let more = euros(Completed, "t-1", TOTAL + 1);
    walk(&[
        ("asked and not answered", &fresh, done("t-1"), "early"),
        ("a failure of nobody knows what", &fresh, failed(), "early"),
        ("pending until now", &pending, done("t-1"), "changed"),
        ("failed after all", &pending, failed(), "changed"),
        ("another amount", &pending, more, "contradicts"),
        ("another currency", &pending, dollars, "contradicts"),
        ("another name", &pending, done("t-9"), "early"),
        ("told before", &paid, done("t-1"), "known"),
        ("paid, and another name", &paid, done("t-9"), "contradicts"),
    ]);
}

#[test]
fn news_of_money_given_back_are_believed_as_far_as_it_came() {
    let (fresh, pending, paid) = (World::new(TOTAL, 0), pending(), paid());
    let mut refunding = paid.clone();
    let wish = (&refund_id("r-1"), Some(money(100, "EUR")));
    let asked = refund(refunding.asked(), wish, NOW);
    refunding.apply(asked.expect("so much is left"));
    let back = |amount| euros(Word::Refunded, "t-1", amount);
    let other = euros(Word::Refunded, "r-9", 100);
    walk(&[
        ("before its charge", &fresh, back(1), "early"),
        ("before its capture", &pending, back(1), "changed"),
        ("a part", &paid, back(1), "changed"),
        ("more than came", &paid, back(TOTAL + 1), "contradicts"),
        ("nothing", &paid, back(0), "contradicts"),
        ("less than nothing", &paid, back(-5), "contradicts"),
        ("one that has no name yet", &refunding, other, "early"),
    ]);
}

#[test]
fn news_of_a_refund_complete_it_once_and_another_amount_contradicts() {
    let mut world = paid();
    let wish = (&refund_id("r-1"), Some(money(100, "EUR")));
    let asked = refund(world.asked(), wish, NOW);
    world.apply(asked.expect("so much is left"));
    world.do_now(Task::Refund(0), Fault::Slow);
    let named = world.order.refunds[0]
        .transaction
        .clone()
        .expect("the bank named it");
    assert_eq!(
        heard(&world, &euros(Word::Refunded, &named, 99)),
        "contradicts"
    );
    let news = euros(Word::Refunded, &named, 100);
    world.hear(&news);
    assert_eq!(world.order.refunded(), 100);
    assert_eq!(heard(&world, &news), "known");
}

#[test]
fn news_of_a_parcel_are_believed_as_far_as_the_courier_named_it() {
    use Parcel::{Cancelled, Delivered, Failed, InTransit, Initiated};
    let pending = World::new(TOTAL, 0);
    let asked = paid();
    let mut named = paid();
    named.call(Fault::None);
    let mut dropped = named.clone();
    dropped.hear(&parcel("d-1", Failed));
    let mut refused = paid();
    refused.call(Fault::Refused);
    let table = [
        (
            "no parcel was asked for",
            &pending,
            parcel("d-1", Initiated),
            "contradicts",
        ),
        (
            "asked and not answered",
            &asked,
            parcel("d-1", Delivered),
            "early",
        ),
        (
            "the courier refused it",
            &refused,
            parcel("d-1", InTransit),
            "contradicts",
        ),
        (
            "another parcel",
            &named,
            parcel("d-9", InTransit),
            "contradicts",
        ),
        (
            "where it is already",
            &named,
            parcel("d-1", Initiated),
            "known",
        ),
        ("on its way", &named, parcel("d-1", InTransit), "changed"),
        (
            "there, all at once",
            &named,
            parcel("d-1", Delivered),
            "changed",
        ),
        ("dropped", &named, parcel("d-1", Cancelled), "changed"),
        ("dropped before", &dropped, parcel("d-1", Failed), "known"),
        (
            "dropped, and on its way",
            &dropped,
            parcel("d-1", InTransit),
            "contradicts",
        ),
    ];
    walk(&table);
}

#[test]
fn a_parcel_that_is_there_all_at_once_passes_through_every_state_and_ships_once() {
    let mut world = paid();
    world.call(Fault::None);
    let before = world.story.len();
    world.hear(&parcel("d-1", Parcel::Delivered));
    let expected = [
        Kind::DeliveryInTransit,
        Kind::OrderShipped,
        Kind::DeliveryDelivered,
        Kind::OrderDelivered,
    ];
    assert_eq!(world.story[before..], expected);
    assert_eq!(world.stock.shipped, super::world::UNITS);
}

#[test]
fn a_refund_before_its_capture_is_an_event_behind_it() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::Slow);
    world.hear(&euros(Word::Refunded, "t-1", TOTAL));
    assert_eq!(
        (world.order.refunded(), world.order.status),
        (0, Status::Pending)
    );
    let before = world.story.len();
    world.hear(&euros(Word::Completed, "t-1", TOTAL));
    let expected = [Kind::PaymentCompleted, Kind::PaymentRefunded];
    assert_eq!(world.story[before..before + 2], expected);
    assert_eq!(world.order.refunded(), TOTAL);
    assert_eq!(
        world.order.amount_due(),
        TOTAL,
        "it is pending, and nothing is kept"
    );
    world.bank.charge = Some(super::world::Movement::done("t-1", TOTAL));
    world.bank.returned = TOTAL;
    world.heal();
    assert_eq!(
        (world.order.status, world.order.units),
        (Status::Cancelled, Units::Free)
    );
}

#[test]
fn early_news_have_the_provider_asked_even_of_an_order_that_has_ended() {
    let mut world = World::new(TOTAL, 0);
    world.call(Fault::Refused);
    assert_eq!(world.order.due(world.tries, 0), None);
    // The bank charged after all.
    world.bank.charge = Some(super::world::Movement::done("t-1", TOTAL));
    let late = euros(Word::Completed, "t-1", TOTAL);
    assert_eq!(heard(&world, &late), "early");
    let watched = watch(&world.order, world.now).expect("nobody is asking");
    assert!(watched.order.watched);
    assert_eq!(watch(&watched.order, world.now), None, "once");
    world.hear(&late);
    world.heal();
    assert_eq!(
        (world.order.payment.captured(), world.order.refunded()),
        (TOTAL, TOTAL)
    );
    assert_eq!(world.order.status, Status::Cancelled);
}

#[test]
fn an_order_that_nobody_could_place_is_never_asked_after() {
    let never = Order::never(&order_id("o-1"), money(0, "EUR").currency, NOW);
    let late = euros(Word::Completed, "t-1", TOTAL);
    assert_eq!(hear(&never, &late, false, NOW), Heard::Contradicts);
    assert_eq!(watch(&never, NOW), None);
}

#[test]
fn a_watched_order_that_is_live_is_still_tracked() {
    let mut world = paid();
    world.call(Fault::None);
    world.apply(watch(&world.order, world.now).expect("nobody is asking"));
    let first = world.order.due(world.tries, 0).expect("two things are due");
    assert_eq!(
        first.task,
        Task::AskDelivery,
        "it is due before the first minute is over"
    );
    world.heal();
    assert_eq!(world.order.status, Status::Delivered);
}
