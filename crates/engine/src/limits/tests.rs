use super::*;
use crate::testing::{hold_id, sku, units};
use evenkeel_rules::hold::Line;
use evenkeel_rules::ids::{LocationId, OrderId};

const BOTH: Limits = Limits {
    holds: 2,
    abandon: 2,
};

fn at(ms: i64) -> LogTime {
    LogTime::from_micros(ms * 1_000)
}

fn ann() -> CustomerId {
    CustomerId::new("ann").expect("an id")
}

/// A lamp of Ann's until a minute has passed.
fn hold(id: &str, state: State) -> Hold {
    Hold {
        id: hold_id(id),
        customer: ann(),
        state,
        lines: vec![Line {
            sku: sku("lamp"),
            location: LocationId::main(),
            quantity: units(1),
            confirmed: None,
            released: None,
            counted: false,
        }],
        placed_at: at(0),
        deadline: at(60_000),
        changed_at: None,
        ended_at: None,
        order: None,
    }
}

fn hear(caps: &Caps, hold: &Hold) {
    caps.hear(hold);
}

fn admitted<'a>(caps: &'a Caps, group: &str, ms: i64) -> Result<Option<Permit<'a>>, Rejection> {
    caps.admit((ann(), group.to_owned()), at(ms))
}

#[test]
fn requests_on_their_way_count_until_they_are_answered_and_holds_until_they_end() {
    let caps = Caps::new(BOTH);
    let first = admitted(&caps, "h-1", 0).expect("the first");
    let second = admitted(&caps, "h-2", 0).expect("the second");
    let full = Rejection::Holds { most: 2 };
    assert_eq!(admitted(&caps, "h-3", 0).expect_err("a third"), full);
    assert!(admitted(&caps, "h-2", 0).is_ok(), "the same is not another");
    drop(second);
    // The first has become a hold before its answer is told: it is not counted twice.
    hear(&caps, &hold("h-1", State::Held));
    let again = admitted(&caps, "h-2", 0).expect("there is room");
    drop((first, again));
    hear(&caps, &hold("h-2", State::Confirming));
    assert_eq!(admitted(&caps, "h-3", 0).expect_err("two are live"), full);
    let other = caps.admit(
        (CustomerId::new("bob").expect("an id"), "h-3".to_owned()),
        at(0),
    );
    assert!(other.is_ok(), "a limit is one customer's own");
    // Past its deadline a hold is not live, swept or not; confirming it is, however long.
    assert!(admitted(&caps, "h-3", 60_000).is_ok());
    hear(&caps, &hold("h-2", State::Confirmed));
    assert!(admitted(&caps, "h-3", 0).is_ok());
}

#[test]
fn a_cart_and_an_order_are_one_each() {
    let caps = Caps::new(BOTH);
    for id in ["cart:c-1:lamp", "cart:c-1:x:lamp"] {
        hear(&caps, &hold(id, State::Held));
    }
    assert_eq!(group_of(&hold("cart:c-1:lamp", State::Held)), "cart:c-1");
    assert_eq!(group_of(&hold("h-1", State::Held)), "h-1");
    assert!(admitted(&caps, "cart:c-1", 0).is_ok(), "a line more");
    assert!(admitted(&caps, "h-1", 0).is_err());
}

#[test]
fn what_comes_to_nothing_makes_a_customer_wait_and_what_ends_well_does_not() {
    let caps = Caps::new(BOTH);
    let ended = |id: &str, state, ms| Hold {
        ended_at: Some(at(ms)),
        ..hold(id, state)
    };
    let unpaid = |ms| Hold {
        order: OrderId::new("o-1").ok(),
        ..ended("order:o-1", State::Released, ms)
    };
    let abandoned = |caps: &Caps| match admitted(caps, "h-9", 61_000) {
        Err(Rejection::Abandoned { wait, .. }) => Some(wait),
        Ok(_) | Err(Rejection::Holds { .. }) => None,
    };
    for (id, state) in [
        ("h-1", State::Confirmed),
        ("h-2", State::Released),
        ("h-3", State::Expired),
    ] {
        hear(&caps, &hold(id, State::Held));
        hear(&caps, &ended(id, state, 60_000));
    }
    for ms in [59_000, 61_000] {
        assert_eq!(abandoned(&caps), None, "one expired");
        hear(&caps, &hold("order:o-1", State::Confirming));
        hear(&caps, &unpaid(ms));
    }
    assert_eq!(
        abandoned(&caps),
        Some(Millis(60_000)),
        "an order was not paid"
    );
    // An end that was not seen to begin is nobody's fault here.
    let other = Caps::new(BOTH);
    for id in ["h-1", "h-2"] {
        hear(&other, &ended(id, State::Expired, 60_000));
    }
    assert_eq!(abandoned(&other), None);
}

#[test]
fn a_full_table_is_looked_through_once_a_second_and_not_for_every_newcomer() {
    let caps = Caps::new(BOTH);
    let customer = |number: usize| CustomerId::new(&format!("c-{number}")).expect("an id");
    let mut live = Vec::new();
    // Twice as many, so that each part is full.
    for number in 0..2 * CUSTOMERS_MAX {
        let admitted = caps.admit((customer(number), "h".to_owned()), at(0));
        live.extend(admitted.expect("a first hold"));
    }
    assert!(live.len() <= CUSTOMERS_MAX, "{} are counted", live.len());
    let counts = |ms| {
        let new = (customer(2 * CUSTOMERS_MAX), "h".to_owned());
        caps.admit(new, at(ms)).expect("it is let in").is_some()
    };
    assert!(!counts(0), "there is no room");
    drop(live);
    assert!(!counts(999), "nobody looked again");
    assert!(counts(1_000), "there is room");
}

#[test]
fn holds_that_nobody_told_the_end_of_are_forgotten_each_at_its_time() {
    let mut customer = Customer::default();
    for (id, deadline) in [
        ("late", Some(600_000)),
        ("early", Some(60_000)),
        ("paid", None),
    ] {
        let id = hold_id(id);
        customer.insert(id.to_string(), id, deadline.map(at));
    }
    let known = |customer: &mut Customer, ms| {
        customer.tidy(at(ms));
        let mut ids: Vec<String> = customer.live.keys().cloned().collect();
        ids.sort_unstable();
        ids
    };
    let grace = i64::try_from(GRACE.0).expect("a minute");
    assert_eq!(known(&mut customer, 60_000 + grace - 1).len(), 3);
    assert_eq!(known(&mut customer, 60_000 + grace), ["late", "paid"]);
    assert_eq!(known(&mut customer, 600_000 + grace - 1).len(), 2);
    assert_eq!(known(&mut customer, 600_000 + grace), ["paid"]);
}
