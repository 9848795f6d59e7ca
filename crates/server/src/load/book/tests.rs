use super::*;
use crate::client::outside;
use std::time::Duration;

fn entry(id: &str, units: u64, ending: Ending, span: (u64, Option<u64>)) -> Entry {
    thread_local!(static START: Instant = outside::now());
    let at = |millis| START.with(|start| *start + Duration::from_millis(millis));
    Entry {
        id: id.into(),
        units,
        granted: at(span.0),
        until: span.1.map(at),
        ending,
    }
}

/// Ten units: three sold, two abandoned, one released and sold again.
fn honest() -> (Book, Shown) {
    let entries = vec![
        entry("a", 3, Ending::Confirmed, (0, None)),
        entry("b", 2, Ending::Abandoned, (1, Some(1001))),
        entry("c", 1, Ending::Released, (1, Some(5))),
        entry("d", 5, Ending::Confirmed, (5, None)),
    ];
    let holds = entries
        .iter()
        .map(|entry| (entry.id.clone(), Some(entry.ending.states()[0].to_owned())))
        .collect();
    let balances = Balances {
        received: 10,
        available: 2,
        sold: 8,
        ..Balances::default()
    };
    (
        Book {
            entries,
            ..Book::default()
        },
        Shown { balances, holds },
    )
}

#[test]
fn an_honest_server_has_no_finding() {
    let (book, shown) = honest();
    assert_eq!(book.peak(), 10);
    assert_eq!(book.units(Ending::Confirmed), 8);
    assert_eq!(book.judge(10, &shown), Verdict::default());
}

#[test]
fn an_oversell_is_found_by_the_answers_alone() {
    let (mut book, shown) = honest();
    book.entries
        .push(entry("e", 3, Ending::Released, (6, Some(7))));
    let verdict = book.judge(10, &shown);
    assert_eq!((verdict.oversold, verdict.lost, verdict.double), (3, 0, 0));
    assert_eq!(
        verdict.notes,
        ["13 units were given out at one moment, there were 10"]
    );
}

#[test]
fn holds_that_only_touch_are_no_oversell() {
    let (mut book, _) = honest();
    book.entries
        .push(entry("e", 2, Ending::Released, (1001, Some(1002))));
    assert_eq!(book.peak(), 10);
    book.entries
        .push(entry("f", 2, Ending::Released, (2000, Some(1999))));
    assert_eq!(
        book.peak(),
        10,
        "an answer that came after its deadline proves nothing"
    );
}

#[test]
fn an_oversell_is_found_by_the_balances_alone() {
    let (book, mut shown) = honest();
    shown.balances.held = 4;
    assert_eq!(book.judge(10, &shown).oversold, 2);
    shown.balances = Balances {
        available: -3,
        ..honest().1.balances
    };
    assert_eq!(book.judge(10, &shown).oversold, 3);
}

#[test]
fn an_acknowledged_hold_that_is_gone_is_lost() {
    let (book, mut shown) = honest();
    shown.holds.insert("c".into(), None);
    shown.holds.insert("a".into(), Some("expired".to_owned()));
    let verdict = book.judge(10, &shown);
    assert_eq!((verdict.oversold, verdict.lost, verdict.double), (0, 2, 0));
    assert_eq!(
        verdict.notes[0],
        "hold a was confirmed by its answers, is expired"
    );
    assert_eq!(
        verdict.notes[1],
        "hold c was released by its answers, is unknown"
    );
}

#[test]
fn what_never_came_to_an_answer_may_have_become_so_or_not() {
    let (mut book, mut shown) = honest();
    (book.entries[0].ending, book.undecided) = (Ending::AskedToConfirm, 1);
    let lost = |book: &Book, shown: &mut Shown, state: &str| {
        shown.holds.insert("a".into(), Some(state.to_owned()));
        book.judge(10, shown).lost
    };
    for state in ["confirmed", "held", "expired"] {
        assert_eq!(lost(&book, &mut shown, state), 0, "{state}");
    }
    assert_eq!(
        lost(&book, &mut shown, "released"),
        1,
        "nobody asked for it"
    );
    book.entries[0].ending = Ending::AskedToRelease;
    for state in ["released", "held", "expired"] {
        assert_eq!(lost(&book, &mut shown, state), 0, "{state}");
    }
    assert_eq!(lost(&book, &mut shown, "confirmed"), 1);
    shown.holds.insert("a".into(), None);
    assert_eq!(book.judge(10, &shown).lost, 1, "it was acknowledged");
}

#[test]
fn units_confirmed_but_not_sold_are_lost() {
    let (book, mut shown) = honest();
    shown.balances.sold = 7;
    shown.balances.available = 3;
    assert_eq!(book.judge(10, &shown).lost, 1);
}

#[test]
fn stock_received_but_not_there_is_lost_and_too_much_is_double() {
    let (book, mut shown) = honest();
    shown.balances.received = 9;
    assert_eq!(book.judge(10, &shown).lost, 1);
    shown.balances.received = 20;
    assert_eq!(book.judge(10, &shown).double, 10);
}

#[test]
fn a_second_effect_of_one_key_is_double() {
    let (mut book, mut shown) = honest();
    shown.balances.sold = 9;
    assert_eq!(
        book.judge(10, &shown).double,
        1,
        "a sale that nobody confirmed"
    );
    book.undecided = 1;
    let verdict = book.judge(10, &shown);
    assert_eq!(verdict.double, 0, "it may be the one without an answer");
    assert_eq!(verdict.notes, ["1 requests never came to an answer"]);

    let (mut book, shown) = honest();
    book.twofold = 2;
    assert_eq!(book.judge(10, &shown).double, 2);
    let again = book.entries[2].clone();
    book.entries.push(again);
    assert_eq!(
        book.judge(10, &shown).double,
        3,
        "one hold given to two buyers"
    );
}

#[test]
fn parts_of_a_book_add_up() {
    let mut whole = Book::default();
    whole.absorb(honest().0);
    whole.absorb(Book {
        undecided: 2,
        twofold: 1,
        ..Book::default()
    });
    whole.absorb(Book {
        surprises: vec!["500".to_owned()],
        ..Book::default()
    });
    assert_eq!(
        (whole.entries.len(), whole.undecided, whole.twofold),
        (4, 2, 1)
    );
    assert_eq!(whole.surprises, ["500"]);
}
