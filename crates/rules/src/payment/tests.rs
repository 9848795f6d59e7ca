//! The machine of payments, and sums that do not depend on the order of the news.

use super::*;
use proptest::prelude::*;

#[test]
fn the_legal_pairs_are_those_of_the_machine() {
    let legal = [
        (Status::Pending, Status::Completed),
        (Status::Pending, Status::Failed),
        (Status::Completed, Status::Refunded),
        (Status::Failed, Status::Completed),
    ];
    for from in Status::ALL {
        for to in Status::ALL {
            let expected = legal.contains(&(from, to));
            assert_eq!(from.may_become(to), expected, "{from:?} {to:?}");
        }
    }
}

#[test]
fn a_payment_is_found_by_its_status_and_by_no_other_word() {
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
        let text = serde_json::to_string(&status).expect("a status is a string");
        assert_eq!(text, format!("\"{}\"", status.name()));
    }
    assert_eq!(Status::from_name("PAID"), None);
}

fn learned(news: &[(&str, Settled, i64)]) -> Payment {
    let mut payment = Payment::default();
    for (transaction, status, amount) in news {
        payment.learn(transaction, *status, *amount);
    }
    payment
}

#[test]
fn money_that_came_beats_every_attempt_that_failed() {
    let news = [
        ("t-1", Settled::Pending, 100),
        ("t-1", Settled::Completed, 100),
        ("t-1", Settled::Failed, 100),
        ("t-2", Settled::Failed, 100),
    ];
    let payment = learned(&news);
    assert_eq!((payment.captured(), payment.authorised()), (100, 100));
    assert!(payment.failed && payment.is_named() && !payment.is_pending());
}

#[test]
fn the_amount_that_was_answered_first_stands() {
    let news = [
        ("t-1", Settled::Pending, 100),
        ("t-1", Settled::Completed, 999),
    ];
    assert_eq!(learned(&news).captured(), 100);
}

#[test]
fn what_is_known_already_is_no_news() {
    let mut payment = learned(&[("t-1", Settled::Completed, 100)]);
    for status in [Settled::Completed, Settled::Pending] {
        assert!(!payment.learn("t-1", status, 100), "{status:?}");
    }
    assert!(
        payment.learn("t-1", Settled::Failed, 100),
        "a failure is noted"
    );
    assert!(!payment.learn("t-1", Settled::Failed, 100), "once");
}

#[test]
fn a_transaction_that_failed_is_no_longer_on_its_way() {
    let mut payment = learned(&[("t-1", Settled::Pending, 100)]);
    assert_eq!((payment.authorised(), payment.captured()), (100, 0));
    assert!(payment.is_pending());
    payment.learn("t-1", Settled::Failed, 100);
    assert_eq!((payment.authorised(), payment.captured()), (0, 0));
    assert!(!payment.is_pending() && !payment.is_named());
}

fn news() -> impl Strategy<Value = Vec<(&'static str, Settled, i64)>> {
    let one = (0..3_usize, 0..3_usize).prop_map(|(transaction, status)| {
        let known = [("t-1", 100), ("t-2", 250), ("t-3", 7)][transaction];
        let statuses = [Settled::Pending, Settled::Completed, Settled::Failed];
        (known.0, statuses[status], known.1)
    });
    prop::collection::vec(one, 0..8)
}

proptest! {
    #[test]
    fn amounts_do_not_depend_on_the_order_of_the_news(
        (news, shuffled) in news().prop_flat_map(|news| {
            let shuffled = Just(news.clone()).prop_shuffle();
            (Just(news), shuffled)
        })
    ) {
        let (one, other) = (learned(&news), learned(&shuffled));
        prop_assert_eq!(one.captured(), other.captured());
        prop_assert_eq!(one.authorised(), other.authorised());
        prop_assert_eq!(one.failed, other.failed);
        prop_assert!(one.captured() <= one.authorised());
    }
}
