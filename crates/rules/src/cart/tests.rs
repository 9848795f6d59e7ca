//! Given / when / then. The refusals of each command are walked in declared order.

use super::*;
use crate::money::Currency;
use crate::sku::Terms;
use crate::stock::Operation;
use crate::tests::{
    assert_all_produced, assert_declared_order, at, customer, hold_id, order_id, sku, terms, units,
    variants,
};

variants!(
    NotFound,
    Version,
    AlreadyExists,
    CheckedOut,
    Full,
    Currency,
    Total,
    Empty,
    LineLost,
);

const TTL: Millis = Millis(10_000);
const LIFE: Millis = Millis(25_000);

fn cart_id(id: &str) -> CartId {
    CartId::new(id).expect("a well-formed cart id")
}

fn empty() -> Cart {
    begin(&cart_id("c-1"), &customer("ann"), false, at(0)).expect("a free id")
}

fn asked(cart: &Cart) -> Asked<'_> {
    Asked {
        cart: Some(cart),
        version: 1,
        customer: None,
        expected: None,
    }
}

fn wish(id: &str, quantity: u64) -> Set {
    Set {
        sku: sku(id),
        quantity: Quantity::new(quantity).ok(),
        ttl: TTL,
    }
}

fn supply(terms: &Terms, available: u64) -> Supply<'_> {
    let (terms, has) = (Some(terms), 0);
    Supply {
        terms,
        available,
        has,
    }
}

fn put(
    cart: &Cart,
    (id, quantity): (&str, u64),
    holds: Holds<'_>,
    now: LogTime,
) -> Result<Change, Refused> {
    let terms = terms(id);
    let supply = supply(&terms, 10);
    let change = set(
        asked(cart),
        &wish(id, quantity),
        holds,
        (&supply, LIFE),
        now,
    )?;
    Ok(change.expect("something changed"))
}

const NONE: Holds<'static> = Holds {
    own: None,
    others: &[],
};

fn of(hold: &Hold) -> Holds<'_> {
    Holds {
        own: Some(hold),
        others: &[],
    }
}

/// A cart with one line of two lamps, set at 1 s.
fn with_line() -> (Cart, Hold) {
    let change = put(&empty(), ("lamp", 2), NONE, at(1_000)).expect("there are ten");
    let placed = change.placed.expect("a new line is held");
    (change.cart, placed)
}

#[test]
fn a_line_is_held_under_an_id_made_of_cart_and_sku() {
    let (cart, hold) = with_line();
    assert_eq!(hold.id, hold_id("cart:c-1:lamp"));
    assert_eq!((hold.placed_at, hold.deadline), (at(1_000), at(11_000)));
    assert_eq!(cart.lines[0].quantity, units(2));
    assert_eq!(cart.total().map(|total| total.amount), Some(3_998));
    assert!(!cart.has_lost(&cart.lines[0], Some(&hold), at(10_999)));
}

#[test]
fn another_quantity_ends_the_hold_and_places_it_anew_in_one_change() {
    let (cart, hold) = with_line();
    let change = put(&cart, ("lamp", 5), of(&hold), at(2_000)).expect("there are ten");
    let (ended, how) = change.ended.expect("the old one ends");
    assert_eq!((ended.state, how), (hold::State::Released, Ending::Release));
    let placed = change.placed.expect("a new one is placed");
    assert_eq!((placed.id, placed.deadline), (hold.id, at(12_000)));
    let moved: Vec<_> = change
        .moves
        .iter()
        .map(|it| (it.operation, it.quantity))
        .collect();
    let expected = [(Operation::Release, units(2)), (Operation::Hold, units(5))];
    assert_eq!(moved, expected);
}

#[test]
fn the_same_quantity_again_only_moves_the_deadline() {
    let (cart, hold) = with_line();
    let change = put(&cart, ("lamp", 2), of(&hold), at(2_000)).expect("it is held");
    assert_eq!((change.ended, change.placed), (None, None));
    assert_eq!(change.extended[0].deadline, at(12_000));
    assert!(change.moves.is_empty());
}

#[test]
fn each_write_moves_all_deadlines_at_most_to_the_longest_life_after_the_first() {
    let (mut cart, lamp) = with_line();
    let mut lamp = lamp;
    for (now, deadline) in [(9_000, 19_000), (18_000, 26_000), (25_000, 26_000)] {
        let others = [&lamp];
        let holds = Holds {
            own: None,
            others: &others,
        };
        let change = put(&cart, ("chair", 1), holds, at(now)).expect("there are ten");
        assert_eq!(change.placed.map(|it| it.deadline), Some(at(deadline)));
        if let Some(later) = change.extended.into_iter().next() {
            lamp = later;
        }
        assert_eq!(lamp.deadline, at(deadline), "at {now}");
        cart = change.cart;
    }
    // All have ended by then: a new life begins.
    let others = [&lamp];
    let holds = Holds {
        own: None,
        others: &others,
    };
    let change = put(&cart, ("desk", 1), holds, at(26_000)).expect("there are ten");
    assert_eq!(change.cart.held_since, Some(at(26_000)));
    assert!(change.extended.is_empty());
}

#[test]
fn a_hold_extended_by_hand_does_not_give_its_cart_a_longer_life() {
    let (cart, hold) = with_line();
    let longer = Hold {
        deadline: at(90_000),
        ..hold
    };
    let refused = put(&cart, ("lamp", 3), of(&longer), at(26_000));
    let ended_at = at(26_000);
    let expected = hold::Rejection::Expired { ended_at };
    assert_eq!(refused, Err(Refused::Hold(expected)));
}

#[test]
fn a_hold_that_was_extended_by_hand_keeps_its_deadline_and_the_line_says_so() {
    let (cart, hold) = with_line();
    let longer = Hold {
        deadline: at(20_000),
        ..hold
    };
    let change = put(&cart, ("lamp", 2), of(&longer), at(2_000)).expect("it is held");
    assert!(change.extended.is_empty());
    assert_eq!(change.cart.lines[0].deadline, at(20_000));
}

#[test]
fn a_lost_line_is_held_again_when_it_is_set_again() {
    let (cart, hold) = with_line();
    let (expired, _) = hold::expire(Some(&hold), at(11_000)).expect("it is due");
    assert!(cart.has_lost(&cart.lines[0], Some(&expired), at(11_000)));
    let change = put(&cart, ("lamp", 2), of(&expired), at(12_000)).expect("there are ten");
    assert_eq!(change.ended, None);
    assert_eq!(change.placed.map(|it| it.deadline), Some(at(22_000)));
    // Nobody has swept this one yet: it ends in the same change.
    let change = put(&cart, ("lamp", 2), of(&hold), at(12_000)).expect("there are ten");
    assert_eq!(change.ended.map(|(_, how)| how), Some(Ending::Expire));
    assert!(change.placed.is_some());
}

#[test]
fn nothing_takes_the_line_out_and_gives_its_units_back() {
    let (cart, hold) = with_line();
    let change = put(&cart, ("lamp", 0), of(&hold), at(2_000)).expect("a live hold is released");
    assert!(change.cart.lines.is_empty() && change.cart.held_since.is_none());
    assert_eq!(change.ended.map(|(_, how)| how), Some(Ending::Release));
    let again = set(
        asked(&change.cart),
        &wish("lamp", 0),
        NONE,
        (&supply(&terms("lamp"), 0), LIFE),
        at(3_000),
    );
    assert_eq!(again, Ok(None));
}

#[test]
fn a_hold_that_is_somebody_elses_or_in_an_order_is_not_taken_for_the_lines() {
    let (cart, hold) = with_line();
    let foreign = Hold {
        customer: customer("bob"),
        ..hold.clone()
    };
    let refused = put(&cart, ("lamp", 3), of(&foreign), at(2_000));
    let expected = Refused::Hold(hold::Rejection::AlreadyExists);
    assert_eq!(refused, Err(expected));
    assert!(cart.has_lost(&cart.lines[0], Some(&foreign), at(2_000)));
    let ordered = Hold {
        state: hold::State::Confirming,
        ..hold
    };
    let refused = put(&cart, ("lamp", 3), of(&ordered), at(2_000));
    assert_eq!(refused, Err(Refused::Hold(hold::Rejection::Confirming)));
}

#[test]
fn own_units_do_not_count_twice_against_a_customers_limit() {
    let (cart, mut hold) = with_line();
    hold.lines[0].counted = true;
    let mut terms = terms("lamp");
    terms.max_per_customer = Some(units(3));
    let supply = Supply {
        terms: Some(&terms),
        available: 10,
        has: 2,
    };
    let to = |quantity| {
        let wish = wish("lamp", quantity);
        set(asked(&cart), &wish, of(&hold), (&supply, LIFE), at(2_000))
    };
    assert!(to(3).is_ok());
    assert!(matches!(
        to(4),
        Err(Refused::Hold(hold::Rejection::LimitCustomer { .. }))
    ));
}

#[test]
fn a_check_out_gathers_the_holds_and_happens_once() {
    let (cart, hold) = with_line();
    let order = order_id("o-1");
    let (after, holds) = check_out(asked(&cart), &order, |_| Some(hold.clone()), at(5_000))
        .expect("the line is held");
    assert_eq!(
        (after.state, &after.order),
        (State::CheckedOut, &Some(order))
    );
    let terms = terms("lamp");
    let (gathered, ended, moves) = hold::gather(
        &hold_id("order:o-1"),
        &holds.iter().collect::<Vec<_>>(),
        &[supply(&terms, 0)],
        at(5_000),
    )
    .expect("live holds are gathered though nothing else is available");
    assert_eq!(gathered.lines, hold.lines);
    assert_eq!(ended[0].state, hold::State::Released);
    let moved: Vec<_> = moves.iter().map(|it| it.operation).collect();
    assert_eq!(moved, [Operation::Release, Operation::Hold]);
}

#[test]
fn a_hold_that_ended_is_not_gathered() {
    let (_, hold) = with_line();
    let terms = terms("lamp");
    let supply = [supply(&terms, 10)];
    let gathered = hold::gather(&hold_id("order:o-1"), &[&hold], &supply, at(11_000));
    let ended_at = at(11_000);
    assert_eq!(gathered, Err(hold::Rejection::Expired { ended_at }));
}

fn refusal(refused: Result<Change, Refused>) -> Rejection {
    match refused {
        Err(Refused::Cart(rejection)) => rejection,
        other => panic!("it is refused for the cart's sake: {other:?}"),
    }
}

#[test]
fn refusals_come_in_declared_order_and_every_one_is_produced() {
    let (open, hold) = with_line();
    let done = Cart {
        state: State::CheckedOut,
        ..open.clone()
    };
    let order = order_id("o-1");
    let ask = |asked: Asked<'_>, now| {
        let made = check_out(asked, &order, |_| Some(hold.clone()), now);
        made.expect_err("it is refused")
    };
    let full = Cart {
        lines: (0..hold::LINES_MAX)
            .map(|nth| Line {
                sku: sku(&format!("s-{nth}")),
                ..open.lines[0].clone()
            })
            .collect(),
        ..open.clone()
    };
    let mut foreign = open.clone();
    foreign.lines[0].price.currency = Currency::new("USD").expect("the dollar is listed");
    let wealth = Quantity::new(crate::quantity::MAX).expect("in range").get();
    let stranger = customer("bob");
    let refusals = [
        ask(
            Asked {
                cart: None,
                ..asked(&done)
            },
            at(99_000),
        ),
        ask(
            Asked {
                customer: Some(&stranger),
                expected: Some(7),
                ..asked(&done)
            },
            at(99_000),
        ),
        ask(
            Asked {
                expected: Some(7),
                ..asked(&done)
            },
            at(99_000),
        ),
        begin(&open.id, &open.customer, true, at(0)).expect_err("the id is taken"),
        ask(asked(&done), at(99_000)),
        refusal(put(&full, ("lamp", 1), NONE, at(1_000))),
        refusal(put(&foreign, ("chair", 1), NONE, at(1_000))),
        refusal(put(&open, ("chair", wealth), NONE, at(1_000))),
        ask(asked(&empty()), at(99_000)),
        ask(asked(&open), hold.deadline),
    ];
    assert_declared_order(&refusals);
    assert_all_produced(ALL, &refusals.each_ref().map(name));
    let finals = refusals.iter().filter(|it| it.is_final()).count();
    assert_eq!(finals, 1);
}
