use super::*;
use evenkeel_rules::ids::{LocationId, SkuId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::Millis;

const NOW: LogTime = LogTime::from_micros(1_800_000_000_000_000);

fn at(id: &str) -> Place {
    let sku = SkuId::new(id).expect("a well-formed id");
    (sku, LocationId::main())
}

fn lines(wanted: &[(&str, u64)]) -> Vec<Wanted> {
    let line = |(id, count): &(&str, u64)| Wanted {
        sku: at(id).0,
        location: LocationId::main(),
        quantity: Quantity::new(*count).expect("a quantity"),
    };
    wanted.iter().map(line).collect()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// News of the batch at a position, judged at the same moment of both clocks.
fn news(position: u64, mono_ms: u64) -> News {
    News {
        after: position - 1,
        position,
        time: NOW.plus(Millis(mono_ms)),
        mono: ms(mono_ms),
        ..News::default()
    }
}

/// A board that stands at 1 and was told that there is no lamp left, and nothing overdue.
fn sold_out() -> MemoryGate {
    let gate = MemoryGate::new(0);
    gate.absorb(&News {
        available: vec![(at("lamp"), 0)],
        searched: vec![at("lamp")],
        ..news(1, 0)
    });
    gate.seen(1, ms(0));
    gate
}

/// Whether the board refuses one lamp, so many ms after it was told.
fn refuses(gate: &MemoryGate, mono_ms: u64) -> Option<u64> {
    let now = NOW.plus(Millis(mono_ms));
    gate.refuses(&lines(&[("lamp", 1)]), now, ms(mono_ms))
}

#[test]
fn a_no_carries_the_position_at_which_it_is_so() {
    assert_eq!(refuses(&sold_out(), 1), Some(1));
}

#[test]
fn a_place_that_the_board_does_not_know_goes_to_the_ledger() {
    let gate = sold_out();
    let now = NOW.plus(Millis(1));
    for wanted in [[("chair", 1)], [("Lamp", 1)]] {
        assert_eq!(
            gate.refuses(&lines(&wanted), now, ms(1)),
            None,
            "{wanted:?}"
        );
    }
    assert_eq!(gate.refuses(&[], now, ms(1)), None);
    let both = lines(&[("chair", 1), ("lamp", 1)]);
    assert_eq!(
        gate.refuses(&both, now, ms(1)),
        Some(1),
        "one short line is enough"
    );
}

#[test]
fn enough_units_are_never_refused() {
    let gate = MemoryGate::new(0);
    let available = vec![(at("lamp"), 3)];
    let searched = vec![at("lamp")];
    gate.absorb(&News {
        available,
        searched,
        ..news(1, 0)
    });
    gate.seen(1, ms(0));
    for (count, no) in [(1, None), (3, None), (4, Some(1))] {
        assert_eq!(
            gate.refuses(&lines(&[("lamp", count)]), NOW, ms(1)),
            no,
            "{count}"
        );
    }
}

#[test]
fn a_balance_that_the_ledger_did_not_search_for_is_no_reason_to_refuse() {
    let gate = MemoryGate::new(0);
    let available = vec![(at("lamp"), 0)];
    gate.absorb(&News {
        available,
        ..news(1, 0)
    });
    gate.seen(1, ms(0));
    assert_eq!(refuses(&gate, 1), None);
}

#[test]
fn a_board_that_is_older_than_a_second_goes_to_the_ledger() {
    let gate = sold_out();
    assert_eq!(refuses(&gate, 1), Some(1));
    // One caller is sent to search again after 100 ms; the next is refused.
    assert_eq!(refuses(&gate, 1_000), None);
    assert_eq!(refuses(&gate, 1_000), Some(1));
    assert_eq!(refuses(&gate, 1_001), None);
    assert_eq!(refuses(&gate, 1_002), None, "not only one caller");
    gate.seen(2, ms(1_003));
    assert_eq!(refuses(&gate, 1_003), None, "the head is elsewhere");
    gate.seen(1, ms(1_004));
    assert_eq!(refuses(&gate, 1_004), Some(1));
}

#[test]
fn one_caller_searches_again_every_100_ms_and_the_others_are_refused() {
    let gate = sold_out();
    assert_eq!(refuses(&gate, 99), Some(1));
    let told: Vec<Option<u64>> = (0..5).map(|_| refuses(&gate, 100)).collect();
    assert_eq!(told, [None, Some(1), Some(1), Some(1), Some(1)]);
    assert_eq!(refuses(&gate, 199), Some(1));
    assert_eq!(refuses(&gate, 200), None);
    // The ledger's answer to it counts from when it was judged.
    gate.absorb(&News {
        after: 1,
        searched: vec![at("lamp")],
        available: vec![(at("lamp"), 0)],
        ..news(1, 250)
    });
    assert_eq!(refuses(&gate, 349), Some(1));
    assert_eq!(refuses(&gate, 350), None);
}

#[test]
fn a_hold_that_may_be_due_sends_to_the_ledger() {
    let gate = sold_out();
    let due = NOW.plus(Millis(60));
    gate.absorb(&News {
        placed: vec![(at("lamp"), due), (at("lamp"), due)],
        ..news(2, 10)
    });
    gate.seen(2, ms(10));
    assert_eq!(refuses(&gate, 59), Some(2));
    assert_eq!(refuses(&gate, 60), None, "from the deadline on");
    // One of the two ended: the other is still due.
    gate.absorb(&News {
        ended: vec![(at("lamp"), due)],
        ..news(3, 61)
    });
    gate.seen(3, ms(61));
    assert_eq!(refuses(&gate, 62), None);
    gate.absorb(&News {
        ended: vec![(at("lamp"), due)],
        ..news(4, 63)
    });
    gate.seen(4, ms(63));
    assert_eq!(refuses(&gate, 64), Some(4));
}

#[test]
fn a_search_forgets_deadlines_of_holds_that_have_ended() {
    let gate = sold_out();
    gate.absorb(&News {
        placed: vec![(at("lamp"), NOW.plus(Millis(20)))],
        ..news(2, 10)
    });
    gate.seen(2, ms(30));
    assert_eq!(refuses(&gate, 30), None);
    gate.absorb(&News {
        after: 2,
        searched: vec![at("lamp")],
        available: vec![(at("lamp"), 0)],
        ..news(2, 40)
    });
    assert_eq!(refuses(&gate, 41), Some(2));
}

#[test]
fn a_clock_set_back_makes_nothing_less_due() {
    let gate = sold_out();
    gate.absorb(&News {
        placed: vec![(at("lamp"), NOW.plus(Millis(20)))],
        ..news(2, 10)
    });
    gate.absorb(&news(3, 30));
    gate.seen(3, ms(30));
    let earlier = LogTime::from_micros(NOW.micros() - 4_000_000);
    assert_eq!(gate.refuses(&lines(&[("lamp", 1)]), earlier, ms(31)), None);
}

#[test]
fn a_release_clears_the_no_at_once() {
    let gate = sold_out();
    gate.absorb(&News {
        available: vec![(at("lamp"), 1)],
        ..news(2, 5)
    });
    gate.seen(2, ms(5));
    assert_eq!(refuses(&gate, 6), None);
}

#[test]
fn the_logs_tail_tells_changes_and_not_balances() {
    let gate = sold_out();
    let tail = |position: u64, delta: i64| News {
        deltas: vec![(at("lamp"), delta), (at("chair"), 5)],
        ..news(position, position)
    };
    gate.absorb(&tail(2, 2));
    gate.seen(2, ms(2));
    let two = lines(&[("lamp", 2)]);
    let three = lines(&[("lamp", 3)]);
    assert_eq!(gate.refuses(&two, NOW, ms(3)), None);
    assert_eq!(gate.refuses(&three, NOW, ms(3)), Some(2));
    gate.absorb(&tail(3, -1));
    gate.seen(3, ms(3));
    assert_eq!(gate.refuses(&two, NOW, ms(4)), Some(3));
    let chairs = lines(&[("chair", 9)]);
    assert_eq!(
        gate.refuses(&chairs, NOW, ms(4)),
        None,
        "its balance is not known"
    );
}

#[test]
fn news_that_does_not_fit_the_boards_position_is_passed_over() {
    let gate = sold_out();
    for (after, position) in [(0, 1), (0, 2), (2, 3), (5, 9)] {
        gate.absorb(&News {
            after,
            position,
            available: vec![(at("lamp"), 7)],
            ..news(1, 1)
        });
        assert_eq!(gate.position(), 1);
        assert_eq!(refuses(&gate, 2), Some(1), "{after} to {position}");
    }
}
