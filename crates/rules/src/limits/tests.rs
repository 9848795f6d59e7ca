use super::*;
use crate::tests::{assert_all_produced, assert_declared_order, at, variants};

variants!(Abandoned, Holds);

const BOTH: Limits = Limits {
    holds: 10,
    abandon: 5,
};
const MINUTE: i64 = 60_000;

/// Five holds that expire within five seconds, the last at this moment.
fn abandon(all: &mut Abandon, at_ms: i64) {
    for before in (0..5).rev() {
        all.expire(BOTH, at(at_ms - before * 1_000));
    }
}

#[test]
fn a_customer_may_have_so_many_live_holds_and_waits_after_so_many_expiries() {
    let none = Abandon::default();
    assert_eq!(place(BOTH, 9, &none, at(0)), Ok(()));
    assert_eq!(place(Limits::default(), 99, &none, at(0)), Ok(()));
    let mut many = Abandon::default();
    abandon(&mut many, 10_000);
    let only_holds = Limits { abandon: 0, ..BOTH };
    assert_eq!(place(only_holds, 9, &many, at(10_000)), Ok(()));
    let refusals = [
        place(BOTH, 10, &many, at(10_000)).expect_err("five expired"),
        place(BOTH, 10, &none, at(10_000)).expect_err("ten are live"),
    ];
    let wait = Millis(60_000);
    assert_eq!(refusals[0], Rejection::Abandoned { wait, most: 5 });
    assert_eq!(refusals[1], Rejection::Holds { most: 10 });
    assert_declared_order(&refusals);
    assert_all_produced(ALL, &refusals.each_ref().map(name));
}

#[test]
fn four_expiries_in_ten_minutes_are_no_reason_and_a_fifth_in_time_is() {
    let mut slow = Abandon::default();
    for number in 0..20 {
        slow.expire(BOTH, at(number * 150_000));
    }
    assert_eq!(slow.wait(at(20 * 150_000)), None, "four in any ten minutes");
    let mut quick = Abandon::default();
    for number in 0..5 {
        quick.expire(BOTH, at(number * 149_000));
    }
    assert_eq!(quick.wait(at(4 * 149_000)), Some(FIRST));
}

#[test]
fn each_refusal_in_a_row_is_twice_as_long_up_to_an_hour() {
    let mut all = Abandon::default();
    let mut now = 10_000;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        abandon(&mut all, now);
        let wait = Millis(minutes * 60_000);
        assert_eq!(all.wait(at(now)), Some(wait), "{minutes}");
        assert_eq!(all.wait(at(now + 1_000)), Some(Millis(wait.0 - 1_000)));
        now += i64::try_from(wait.0).expect("it fits");
        assert_eq!(all.wait(at(now)), None);
        assert!(!all.is_forgotten(at(now)), "the next is longer");
        now += 10_000;
    }
    let hour = 60 * MINUTE;
    assert!(all.is_forgotten(at(now + hour)));
    abandon(&mut all, now + hour);
    assert_eq!(all.wait(at(now + hour)), Some(FIRST), "it is forgotten");
}
