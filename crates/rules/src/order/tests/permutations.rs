//! All 5,040 orders of seven callbacks end with the same amounts and units.
//!
//! The bank named a first attempt and said that it was pending; that attempt then failed, a second
//! one brought the money, and the bank gave some of it back by itself. Its callbacks arrive in any
//! order, one of them twice under its id and once more under another, one with a wrong amount;
//! whoever asks the bank by key is told the truth, but for one answer of before: the one that ends
//! the order EXPIRED.

use super::world::{Fault, Movement, World};
use super::*;
use crate::payment::Settled;
use crate::shipment::Status as Parcel;

const TOTAL: i64 = 1_000;
const RETURNED: i64 = 300;

/// Event ids and what the callbacks say.
fn callbacks() -> [(u8, News); 7] {
    let news = |word, transaction: &str, amount| News::Money {
        word,
        transaction: transaction.to_owned(),
        amount: money(amount, "EUR"),
    };
    [
        (1, news(Word::Failed, "t-1", TOTAL)),
        (2, news(Word::Completed, "t-2", TOTAL)),
        (2, news(Word::Completed, "t-2", TOTAL)),
        (3, news(Word::Completed, "t-2", TOTAL)),
        (4, news(Word::Refunded, "t-2", RETURNED)),
        (5, news(Word::Refunded, "t-2", RETURNED)),
        (6, news(Word::Completed, "t-2", TOTAL + 1)),
    ]
}

/// What happens between two callbacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    /// Only what a callback makes the engine ask.
    Questions,
    /// Everything that is due, until nothing is.
    Everything,
}

struct Walk {
    callbacks: [(u8, News); 7],
    /// Behind how many callbacks the order expires, if it does.
    expiry: Option<usize>,
    between: Between,
    spare: bool,
    ends: usize,
}

impl Walk {
    /// Every order of the callbacks that have not arrived yet.
    fn on(&mut self, world: &World, (arrived, ids): (u8, u8), count: usize) {
        let mut world = world.clone();
        if self.expiry == Some(count) {
            expire(&mut world);
            // Without spare units, others bought what the order gave back.
            world.stock.available *= u64::from(self.spare);
        }
        if count == self.callbacks.len() {
            self.ends += 1;
            return self.end(world);
        }
        for number in 0..self.callbacks.len() {
            if arrived & 1 << number != 0 {
                continue;
            }
            let mut next = world.clone();
            let (id, news) = &self.callbacks[number];
            // The same event again is not looked at.
            if ids & 1 << id == 0 {
                next.hear(news);
            }
            if self.between == Between::Everything {
                run(&mut next);
            }
            self.on(&next, (arrived | 1 << number, ids | 1 << id), count + 1);
        }
    }

    fn end(&self, mut world: World) {
        assert_eq!(world.aside, 1, "just the wrong amount is set aside");
        world.heal();
        let order = &world.order;
        let expired = world.story.contains(&Kind::OrderExpired);
        let (refunded, units, status) = if expired && !self.spare {
            (TOTAL, Units::Free, Status::Expired)
        } else {
            (RETURNED, Units::Left, Status::Delivered)
        };
        assert_eq!(order.payment.captured(), TOTAL);
        assert_eq!(order.refunded(), refunded, "{:?}", world.story);
        assert_eq!((order.units, order.status), (units, status));
        assert_eq!(
            order.payment.authorised(),
            TOTAL,
            "the first attempt failed"
        );
        assert!(order.review.is_none() && !world.story.contains(&Kind::OrderResolved));
    }
}

/// The order's limit has come, and an answer that the bank gave before the second attempt.
fn expire(world: &mut World) {
    world.now = world.now.max(world.order.limit);
    let told = Told::Money(Receipt {
        transaction: "t-1".to_owned(),
        status: Settled::Pending,
        amount: Some(TOTAL),
    });
    world.report(world.tries, Task::AskCharge, &told);
}

fn run(world: &mut World) {
    for _ in 0..60 {
        world.carry(false);
        world.post.clear();
        if !world.call(Fault::None) {
            return;
        }
    }
    panic!("it is never quiet: {world:#?}");
}

fn begin(spare: bool) -> World {
    let mut world = World::new(TOTAL, u64::from(spare));
    world.is_plain = true;
    world.call(Fault::Slow);
    let charge = world.bank.charge.as_mut().expect("it was asked for");
    assert_eq!(
        (charge.transaction.as_str(), charge.status),
        ("t-1", Settled::Pending)
    );
    world.bank.charge = Some(Movement::done("t-2", TOTAL));
    world.bank.returned = RETURNED;
    world
}

fn walk(expiry: Option<usize>, between: Between) {
    for spare in [false, true] {
        let mut walk = Walk {
            callbacks: callbacks(),
            expiry,
            between,
            spare,
            ends: 0,
        };
        walk.on(&begin(spare), (0, 0), 0);
        assert_eq!(walk.ends, 5_040);
    }
}

#[test]
fn all_orders_of_seven_callbacks_end_the_same_while_the_order_is_pending() {
    for between in [Between::Questions, Between::Everything] {
        walk(None, between);
    }
}

#[test]
fn all_orders_of_seven_callbacks_end_the_same_after_the_order_expired() {
    for between in [Between::Questions, Between::Everything] {
        walk(Some(0), between);
    }
}

#[test]
fn all_orders_of_seven_callbacks_end_the_same_wherever_the_expiry_falls() {
    for place in 1..=7 {
        walk(Some(place), Between::Questions);
    }
}

#[test]
fn an_order_that_expired_and_was_paid_then_ends_as_one_that_was_paid_in_time() {
    let mut ends = Vec::new();
    for expires in [false, true] {
        let mut world = begin(true);
        if expires {
            expire(&mut world);
            assert_eq!(world.order.status, Status::Expired);
        }
        for (_, news) in callbacks() {
            world.hear(&news);
        }
        world.heal();
        let order = world.order;
        assert_eq!(world.courier, Some(Parcel::Delivered));
        ends.push((
            order.status,
            order.units,
            order.refunds,
            order.payment.captured(),
        ));
    }
    assert_eq!(ends[0], ends[1]);
}
