//! A customer's share: what counts in it, what gives it back, what it refuses.

use super::*;
use crate::hold::{again, is_spare};
use crate::tests::order_id;

/// A SKU of which one customer may have so many.
fn most(sku: &str, most: Option<u64>) -> Terms {
    Terms {
        max_per_customer: most.map(units),
        ..terms(sku)
    }
}

fn place(lines: &[Wanted], supply: &[Supply<'_>]) -> Result<Hold, Rejection> {
    let place = Place {
        id: hold_id("h-1"),
        customer: customer("c-1"),
        lines: lines.to_vec(),
        ttl: Millis(10_000),
    };
    super::super::place(&place, false, supply, PLACED).map(|(hold, _)| hold)
}

const fn with(terms: &Terms, has: u64) -> Supply<'_> {
    Supply {
        terms: Some(terms),
        available: crate::quantity::MAX,
        has,
    }
}

#[test]
fn a_share_counts_all_lines_of_a_sku_together_and_no_other_sku() {
    let (lamp, chair) = (most("lamp", Some(5)), most("chair", None));
    let lines = [
        wanted("lamp", "main", 2),
        wanted("lamp", "east", 2),
        wanted("chair", "main", 9),
    ];
    for (has, refused) in [(0, false), (1, false), (2, true), (5, true)] {
        let supply = [with(&lamp, has), with(&lamp, has), with(&chair, 0)];
        let expected = refused.then(|| Rejection::LimitCustomer {
            sku: sku("lamp"),
            most: units(5),
            has,
        });
        assert_eq!(place(&lines, &supply).err(), expected, "has {has}");
    }
}

#[test]
fn units_count_only_if_their_sku_had_a_limit_when_they_were_placed() {
    let (lamp, chair) = (most("lamp", Some(5)), most("chair", None));
    let lines = [wanted("chair", "main", 1), wanted("lamp", "main", 1)];
    let hold = place(&lines, &[with(&chair, 0), with(&lamp, 0)]).expect("within the limit");
    let counted: Vec<bool> = hold.lines.iter().map(|line| line.counted).collect();
    assert_eq!(counted, [false, true]);
}

#[test]
fn a_share_that_no_number_holds_is_beyond_every_limit() {
    let all = crate::quantity::MAX;
    let lamp = most("lamp", Some(all));
    let lines = [wanted("lamp", "main", all), wanted("lamp", "east", all)];
    for has in [0, u64::MAX] {
        let judged = place(&lines, &[with(&lamp, has); 2]);
        assert!(
            matches!(judged, Err(Rejection::LimitCustomer { .. })),
            "has {has}"
        );
    }
}

#[test]
fn a_share_grows_by_what_is_held_and_shrinks_by_what_comes_back() {
    let five = units(5);
    for operation in Operation::ALL {
        let after = match operation {
            Operation::Hold => 12,
            Operation::Release | Operation::Expire | Operation::Unsell | Operation::Return => 2,
            Operation::Receive
            | Operation::Find
            | Operation::Confirm
            | Operation::Ship
            | Operation::Restock
            | Operation::ScrapAvailable
            | Operation::ScrapReturned
            | Operation::TransferOut
            | Operation::TransferIn => 7,
        };
        assert_eq!(
            share_after(7, operation, five),
            Some(after),
            "{operation:?}"
        );
    }
    assert_eq!(share_after(4, Operation::Release, five), None);
    assert_eq!(share_after(u64::MAX, Operation::Hold, five), None);
}

#[test]
fn an_expired_order_takes_its_units_again_only_within_the_limit() {
    let order = order_of(&[("lamp", 3), ("chair", 2)]);
    let (lamp, chair) = (most("lamp", Some(4)), most("chair", None));
    for (has, spare) in [(0, true), (1, true), (2, false)] {
        let supply = [with(&lamp, has), with(&chair, 0)];
        assert_eq!(is_spare(&order, &supply), spare, "has {has}");
    }
    let supply = [with(&lamp, 1), with(&chair, 0)];
    let ([placed, confirmed], _) = again(&hold_id("late:1"), &order, &supply, PLACED);
    for hold in [placed, confirmed] {
        let counted: Vec<bool> = hold.lines.iter().map(|line| line.counted).collect();
        assert_eq!(counted, [true, false]);
    }
}

/// An order that never was more than its lines.
fn order_of(lines: &[(&str, u64)]) -> crate::order::Order {
    let euro = terms("lamp").price.currency;
    let line = |(name, quantity): &(&str, u64)| crate::order::Line {
        sku: sku(name),
        location: location("main"),
        quantity: units(*quantity),
        price: 1_999,
        returned: 0,
    };
    crate::order::Order {
        lines: lines.iter().map(line).collect(),
        ..crate::order::Order::never(&order_id("o-1"), euro, PLACED)
    }
}
