//! The legal moves, the guards at their limits, and the changes made by hand.

use super::*;
use crate::tests::{assert_all_produced, assert_declared_order, location, sku, units, variants};
use std::collections::BTreeSet;

variants!(SkuUnknown, Insufficient, Overflow);

const LIMIT: i64 = 9_007_199_254_740_991;

/// Balances with these units, and as many in the supply as make the sum zero.
fn standing(available: i64, held: i64, returned: i64) -> Balances {
    let supply = -(available + held + returned);
    Balances::from_raw([supply, available, held, 0, 0, returned, 0])
}

#[test]
fn every_legal_move_has_its_two_accounts_and_its_word() {
    use Account as A;
    use Operation as O;
    let table = [
        (O::Receive, A::Supply, A::Available, "receive"),
        (O::Find, A::Supply, A::Available, "find"),
        (O::Hold, A::Available, A::Held, "hold"),
        (O::Release, A::Held, A::Available, "release"),
        (O::Expire, A::Held, A::Available, "expire"),
        (O::Confirm, A::Held, A::Sold, "confirm"),
        (O::Unsell, A::Sold, A::Available, "unsell"),
        (O::Ship, A::Sold, A::Shipped, "ship"),
        (O::Return, A::Shipped, A::Returned, "return"),
        (O::Restock, A::Returned, A::Available, "restock"),
        (O::ScrapAvailable, A::Available, A::WrittenOff, "scrap"),
        (O::ScrapReturned, A::Returned, A::WrittenOff, "scrap"),
        (O::TransferOut, A::Available, A::Supply, "transfer_out"),
        (O::TransferIn, A::Supply, A::Available, "transfer_in"),
    ];
    assert_eq!(table.map(|(operation, ..)| operation), Operation::ALL);
    for (operation, from, to, word) in table {
        assert_eq!(operation.accounts(), (from, to), "{operation:?}");
        assert_eq!(operation.word(), word, "{operation:?}");
    }
}

#[test]
fn an_operation_comes_back_from_its_own_text() {
    let mut texts = BTreeSet::new();
    for operation in Operation::ALL {
        let text = serde_json::to_string(&operation).expect("an operation is a string");
        let back: Operation = serde_json::from_str(&text).expect("it was written by us");
        assert_eq!(back, operation);
        texts.insert(text);
    }
    assert_eq!(texts.len(), Operation::ALL.len());
}

#[test]
fn a_move_is_written_with_its_reference_as_ref() {
    let made = Move {
        operation: Operation::Receive,
        sku: sku("lamp"),
        location: location("main"),
        quantity: units(7),
        reference: Reference::new("po-17").expect("a well-formed reference"),
    };
    let text = serde_json::to_string(&made).expect("a move is data");
    let expected = "{\"operation\":\"receive\",\"sku\":\"lamp\",\"location\":\"main\",\
        \"quantity\":7,\"ref\":\"po-17\"}";
    assert_eq!(text, expected);
    let back: Move = serde_json::from_str(&text).expect("it was written by us");
    assert_eq!(back, made);
}

#[test]
fn an_account_stands_where_its_order_says_and_has_its_own_name() {
    let balances = Balances::from_raw([-21, 1, 2, 3, 4, 5, 6]);
    assert_eq!(balances.raw().iter().sum::<i64>(), 0);
    for (account, units) in Account::ALL.into_iter().zip(balances.raw()) {
        assert_eq!(balances.get(account), units, "{account:?}");
    }
    let names = [
        "supply",
        "available",
        "held",
        "sold",
        "shipped",
        "returned",
        "written_off",
    ];
    assert_eq!(Account::ALL.map(Account::name), names);
    assert_eq!((balances.available(), balances.received()), (1, 21));
}

#[test]
fn a_negative_balance_offers_nothing() {
    assert_eq!(Balances::from_raw([1, -1, 0, 0, 0, 0, 0]).available(), 0);
}

#[test]
fn a_move_takes_from_one_account_gives_to_one_and_touches_no_other() {
    for operation in Operation::ALL {
        let before = Balances::from_raw([-600, 100, 100, 100, 100, 100, 100]);
        let after = before
            .after(operation, units(7))
            .expect("every account has enough");
        let (from, to) = operation.accounts();
        for account in Account::ALL {
            let given = if account == from { 7 } else { 0 };
            let taken = if account == to { 7 } else { 0 };
            let expected = before.get(account) - given + taken;
            assert_eq!(after.get(account), expected, "{operation:?} {account:?}");
        }
    }
}

#[test]
fn an_account_gives_its_last_unit_and_not_one_more_but_supply_gives_always() {
    for operation in Operation::ALL {
        let (from, _) = operation.accounts();
        let mut raw = [0; 7];
        raw[from.index()] = 3;
        raw[Account::Supply.index()] -= 3;
        let three = Balances::from_raw(raw);
        assert!(three.after(operation, units(3)).is_ok(), "{operation:?}");
        let expected = match from {
            Account::Supply => None,
            Account::Available
            | Account::Held
            | Account::Sold
            | Account::Shipped
            | Account::Returned
            | Account::WrittenOff => Some(Short::Units),
        };
        assert_eq!(
            three.after(operation, units(4)).err(),
            expected,
            "{operation:?}"
        );
    }
}

/// A move against balances that stand at a limit.
struct Guard {
    case: &'static str,
    given: Balances,
    when: (Operation, u64),
    then: Option<Short>,
}

fn check(table: [Guard; 5]) {
    for row in table {
        let (operation, quantity) = row.when;
        let after = row.given.after(operation, units(quantity));
        assert_eq!(after.err(), row.then, "{}", row.case);
    }
}

#[test]
fn no_account_passes_the_largest_exact_number_on_either_side() {
    use Operation as O;
    check([
        Guard {
            case: "all at once",
            given: Balances::default(),
            when: (O::Receive, MAX),
            then: None,
        },
        Guard {
            case: "the last unit that fits",
            given: standing(LIMIT - 1, 0, 0),
            when: (O::Receive, 1),
            then: None,
        },
        Guard {
            case: "the first that does not",
            given: standing(LIMIT, 0, 0),
            when: (O::Receive, 1),
            then: Some(Short::Room),
        },
        Guard {
            case: "the supply is full though the taking account is not",
            given: standing(0, LIMIT, 0),
            when: (O::Find, 1),
            then: Some(Short::Room),
        },
        Guard {
            case: "twice the limit",
            given: standing(LIMIT, 0, 0),
            when: (O::Receive, MAX),
            then: Some(Short::Room),
        },
    ]);
}

#[test]
fn a_balance_that_no_history_makes_is_refused_and_never_wraps() {
    use Operation as O;
    check([
        Guard {
            case: "the taking account is full in a store that does not balance",
            given: Balances::from_raw([0, 1, LIMIT, 0, 0, 0, 0]),
            when: (O::Hold, 1),
            then: Some(Short::Room),
        },
        Guard {
            case: "too few units before too little room",
            given: Balances::from_raw([0, 1, LIMIT, 0, 0, 0, 0]),
            when: (O::Hold, 2),
            then: Some(Short::Units),
        },
        Guard {
            case: "an account far below any number of ours",
            given: Balances::from_raw([0, i64::MIN, 0, 0, 0, 0, 0]),
            when: (O::Hold, MAX),
            then: Some(Short::Units),
        },
        Guard {
            case: "an account far above any number of ours",
            given: Balances::from_raw([0, 1, i64::MAX, 0, 0, 0, 0]),
            when: (O::Hold, 1),
            then: Some(Short::Room),
        },
        Guard {
            case: "a supply far below any number of ours",
            given: Balances::from_raw([i64::MIN, 0, 0, 0, 0, 0, 0]),
            when: (O::Receive, MAX),
            then: Some(Short::Room),
        },
    ]);
}

struct Row {
    case: &'static str,
    listed: bool,
    given: Balances,
    when: Change,
    then: Result<[i64; 7], Rejection>,
}

fn judge(row: Row) -> Option<Rejection> {
    let judged = change(row.listed, row.given, &row.when);
    assert_eq!(
        judged.as_ref().map(Balances::raw),
        row.then.as_ref().copied(),
        "{}",
        row.case
    );
    judged.err()
}

#[test]
fn a_change_of_stock_is_refused_in_declared_order_and_every_refusal_is_produced() {
    // Of a store that does not balance, so that too few units and too little room meet.
    let both = Balances::from_raw([0, 1, 0, 0, 0, 0, LIMIT]);
    let table = [
        Row {
            case: "unlisted, too few, no room",
            listed: false,
            given: both,
            when: Change::WriteOff(units(2)),
            then: Err(Rejection::SkuUnknown),
        },
        Row {
            case: "unlisted, no room",
            listed: false,
            given: standing(LIMIT, 0, 0),
            when: Change::Receive(units(1)),
            then: Err(Rejection::SkuUnknown),
        },
        Row {
            case: "too few, no room",
            listed: true,
            given: both,
            when: Change::WriteOff(units(2)),
            then: Err(Rejection::Insufficient),
        },
        Row {
            case: "units that are held or returned are not written off",
            listed: true,
            given: standing(1, 5, 5),
            when: Change::WriteOff(units(2)),
            then: Err(Rejection::Insufficient),
        },
        Row {
            case: "no room for what was received",
            listed: true,
            given: standing(LIMIT, 0, 0),
            when: Change::Receive(units(1)),
            then: Err(Rejection::Overflow),
        },
        Row {
            case: "no room for what was found",
            listed: true,
            given: standing(1, LIMIT - 1, 0),
            when: Change::Find(units(MAX)),
            then: Err(Rejection::Overflow),
        },
    ];
    let refusals: Vec<Rejection> = table.into_iter().filter_map(judge).collect();
    assert_declared_order(&refusals);
    let names: Vec<&str> = refusals.iter().map(name).collect();
    assert_all_produced(ALL, &names);
    for rejection in refusals {
        let text = serde_json::to_string(&rejection).expect("a rejection is data");
        let code = match rejection {
            Rejection::SkuUnknown => "sku_unknown",
            Rejection::Insufficient => "stock.insufficient",
            Rejection::Overflow => "overflow",
        };
        assert_eq!(text, format!("{{\"code\":\"{code}\"}}"));
    }
}

#[test]
fn what_leaves_for_another_location_arrives_there() {
    let web = Change::Transfer(units(2), location("web"));
    assert_eq!(web.arrives(), Some(&location("web")));
    let left = change(true, standing(3, 1, 0), &web).expect("there are three");
    assert_eq!(left.raw(), [-2, 1, 1, 0, 0, 0, 0]);
    let there = arrive(Balances::default(), units(2)).expect("there is room");
    assert_eq!(there.raw(), [-2, 2, 0, 0, 0, 0, 0]);
    let short = change(true, standing(1, 5, 5), &web);
    assert_eq!(short, Err(Rejection::Insufficient));
    let full = arrive(standing(LIMIT, 0, 0), units(1));
    assert_eq!(full, Err(Rejection::Overflow));
}

#[test]
fn units_come_in_are_found_and_are_written_off() {
    let table = [
        Row {
            case: "first units",
            listed: true,
            given: Balances::default(),
            when: Change::Receive(units(5)),
            then: Ok([-5, 5, 0, 0, 0, 0, 0]),
        },
        Row {
            case: "found units count as received",
            listed: true,
            given: standing(5, 1, 0),
            when: Change::Find(units(2)),
            then: Ok([-8, 7, 1, 0, 0, 0, 0]),
        },
        Row {
            case: "the last available unit",
            listed: true,
            given: standing(2, 1, 0),
            when: Change::WriteOff(units(2)),
            then: Ok([-3, 0, 1, 0, 0, 0, 2]),
        },
    ];
    for row in table {
        assert_eq!(judge(row), None);
    }
}

#[test]
fn a_change_by_hand_is_one_of_four_moves() {
    let two = units(2);
    let table = [
        (Change::Receive(two), Operation::Receive),
        (Change::Find(two), Operation::Find),
        (Change::WriteOff(two), Operation::ScrapAvailable),
        (
            Change::Transfer(two, location("web")),
            Operation::TransferOut,
        ),
    ];
    for (change, operation) in table {
        assert_eq!(change.operation(), (operation, two));
    }
}
