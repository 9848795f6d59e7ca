//! Rows of orders and callbacks: found, listed, guarded.

use super::Fixture;
use super::hand::{arm, at, batch, call, finish, order, take, taken, word};
use super::world::customer;
use evenkeel_engine::callback::State;
use evenkeel_engine::commit::order_name;
use evenkeel_engine::port::{Fault, Mark, PrivateRow, RowWrite, Store, Touch, Writes};
use evenkeel_rules::order::Tries;

const ALL: u64 = u64::MAX >> 1;

type Wrong = (&'static str, fn(&mut Writes));

/// Each belt: a value that is not the one that stands. Rows 0 are new, rows 1 stand.
fn wrongs() -> Vec<Wrong> {
    vec![
        ("order version", |it| it.orders[1].was = Some(7)),
        ("order that exists", |it| it.orders[1].was = None),
        ("order that does not exist", |it| {
            it.orders[0].was = Some(1);
        }),
        ("callback version", |it| it.callbacks[1].was = Some(7)),
        ("callback that exists", |it| it.callbacks[1].was = None),
        ("callback that does not exist", |it| {
            it.callbacks[0].was = Some(1);
        }),
        ("id that is taken", |it| {
            it.names[0].name = order_name(&order("o-1"));
        }),
        ("private text that exists", |it| it.private[0].id = (1, 0)),
        ("private text that does not exist", |it| {
            it.erased[0] = (1, 1);
        }),
    ]
}

fn text(id: (u64, u8), of: &str, text: &str) -> PrivateRow {
    PrivateRow {
        id,
        customer: (!of.is_empty()).then(|| customer(of)),
        text: text.to_owned(),
        erased_at: None,
    }
}

/// An order at 1 and a callback at 2.
async fn one_of_each(store: &dyn Store) {
    let mut writes = batch(store).await;
    take(&mut writes, "o-1");
    call(&mut writes, "o-1");
    writes.private.push(text((1, 0), "c-1", "where c-1 lives"));
    finish(store, &writes).await.expect("it fits");
}

/// A batch that makes one of each and changes one of each.
async fn changes(store: &dyn Store) -> Writes {
    let mut writes = batch(store).await;
    take(&mut writes, "o-2").due = Some(at(5));
    call(&mut writes, "o-2").due = Some(at(6));
    let row = store.order(&order("o-1")).await.expect("readable").rows;
    let mut row = row.expect("it exists");
    (row.version, row.last, row.flagged) = (3, 4, true);
    let was = Some(1);
    writes.orders.push(RowWrite { row, was });
    let row = store.callback(2).await.expect("readable").rows;
    let mut row = row.expect("it exists");
    (row.version, row.last, row.body.state) = (2, 4, State::Applied);
    writes.callbacks.push(RowWrite { row, was });
    writes.private.push(text((3, 0), "c-1", "another"));
    writes.erased.push((1, 0));
    arm(&mut writes);
    writes
}

pub(crate) async fn a_row_of_another_version_is_corrupt_and_nothing_is_written<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    one_of_each(&*store).await;
    let right = changes(&*store).await;
    let before = store.head().await.expect("readable");
    for (what, make_wrong) in wrongs() {
        let mut wrong = right.clone();
        make_wrong(&mut wrong);
        let told = finish(&*store, &wrong).await;
        assert!(matches!(told, Err(Fault::Corrupt(_))), "{what}: {told:?}");
        assert_eq!(store.head().await.expect("readable"), before, "{what}");
        let orders = store.orders(ALL, 9).await.expect("readable").rows;
        let callbacks = store.callbacks(ALL, 9).await.expect("readable").rows;
        let versions = (orders.len(), callbacks.len(), orders[0].version);
        assert_eq!(versions, (1, 1, 1), "{what}");
        let kept = store.private((1, 0)).await.expect("readable").rows;
        assert_eq!(kept, Some(text((1, 0), "c-1", "where c-1 lives")), "{what}");
        assert!(
            store
                .due_rows(at(9), 9)
                .await
                .expect("readable")
                .rows
                .is_empty(),
            "{what}"
        );
    }
    finish(&*store, &right).await.expect("it fits");
    let orders = store.orders(ALL, 9).await.expect("readable").rows;
    let versions: Vec<u64> = orders.iter().map(|row| row.version).collect();
    assert_eq!(versions, [1, 3]);
}

pub(crate) async fn a_view_has_orders_and_callbacks_or_says_absent<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    let row = take(&mut writes, "o-1");
    (row.due, row.flagged, row.version) = (Some(at(7)), true, 4);
    row.tries = Tries {
        calls: 3,
        sent: 2,
        sent_at: at(4),
        again: true,
        last: at(5),
    };
    let row = row.clone();
    call(&mut writes, "o-9").due = Some(at(8));
    let callback = writes.callbacks[0].row.clone();
    arm(&mut writes);
    finish(&*store, &writes).await.expect("it fits");
    let wants = Touch {
        orders: vec![order("o-1"), order("o-2"), order("o-1")],
        callbacks: vec![2, 1, 77],
        ..Touch::default()
    };
    let (locked, view) = store.lock(&wants).await.expect("lockable");
    drop(locked);
    assert_eq!((view.orders.len(), view.callbacks.len()), (2, 3));
    assert_eq!(view.orders[&order("o-1")], Some(row.clone()));
    assert_eq!(view.orders[&order("o-2")], None);
    assert_eq!(view.callbacks[&2], Some(callback.clone()));
    assert_eq!((&view.callbacks[&1], &view.callbacks[&77]), (&None, &None));
    assert!(
        !view.orders.contains_key(&order("o-3")),
        "nobody asked for it"
    );
    let id = order("o-1");
    assert_eq!(store.order(&id).await.expect("readable").rows, Some(row));
    let read = store.callback(2).await.expect("readable");
    assert_eq!((read.position, read.rows), (2, Some(callback)));
    let id = order("o-2");
    assert_eq!(store.order(&id).await.expect("readable").rows, None);
    assert_eq!(store.callback(1).await.expect("readable").rows, None);
}

pub(crate) async fn orders_are_named_and_ids_that_differ_in_case_are_two<F: Fixture>() {
    let fixture = F::empty().await;
    let (store, other) = (fixture.store().await, fixture.store().await);
    let ids = ["o-1", "O-1", "o-1~", "hold"];
    for (number, id) in ids.into_iter().enumerate() {
        assert!(!store.may_know(&order_name(&order(id))), "{id}");
        let created = taken(&*store, id, None).await;
        assert_eq!(created, number as u64 + 1);
    }
    for store in [store, other, fixture.reopen().await] {
        let names: Vec<_> = ids.iter().map(|id| order_name(&order(id))).collect();
        let rows = store.names(&names).await.expect("readable").rows;
        for (number, (id, row)) in ids.iter().zip(rows).enumerate() {
            let row = row.expect("it is known");
            let position = number as u64 + 1;
            assert_eq!(
                (row.mark, row.fingerprint),
                (Mark::Position(position), [0; 16])
            );
            let row = store.order(&order(id)).await.expect("readable").rows;
            let row = row.expect("it exists");
            assert_eq!((row.created, row.body.id.as_str()), (position, *id));
            assert!(store.may_know(&order_name(&order(id))));
        }
        let absent = store.order(&order("HOLD")).await.expect("readable").rows;
        assert_eq!(absent, None);
    }
}

pub(crate) async fn pages_of_orders_and_callbacks_are_newest_first<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    for number in 0..25 {
        take(&mut writes, &format!("o-{number}"));
        call(&mut writes, &format!("o-{number}"));
    }
    finish(&*store, &writes).await.expect("it fits");
    let (mut orders, mut callbacks) = (Vec::new(), Vec::new());
    let mut before = [ALL; 2];
    for _ in 0..4 {
        let page = store.orders(before[0], 7).await.expect("readable");
        assert_eq!(page.position, 50);
        orders.extend(page.rows.into_iter().map(|row| row.created));
        let page = store.callbacks(before[1], 7).await.expect("readable");
        callbacks.extend(page.rows.into_iter().map(|row| row.created));
        before = [orders[orders.len() - 1], callbacks[callbacks.len() - 1]];
    }
    let expected = |first: u64| (0..25).rev().map(move |number| number * 2 + first);
    assert_eq!(orders, expected(1).collect::<Vec<_>>());
    assert_eq!(callbacks, expected(2).collect::<Vec<_>>());
    for before in [1, 0] {
        let none = store.orders(before, 7).await.expect("readable").rows;
        assert!(none.is_empty());
    }
}

pub(crate) async fn rows_that_wait_for_a_person_are_listed_until_they_do_not<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    for number in 0..20_u32 {
        take(&mut writes, &format!("o-{number}")).flagged = number.is_multiple_of(5);
        call(&mut writes, "o-1").flagged = number == 7 || number == 10;
    }
    finish(&*store, &writes).await.expect("it fits");
    let flagged = async |before: u64, limit: usize| -> Vec<String> {
        let page = store.flagged(before, limit).await.expect("readable");
        page.rows.iter().map(word).collect()
    };
    let all = ["o-15", "#22", "o-10", "#16", "o-5", "o-0"];
    assert_eq!(flagged(ALL, 9).await, all);
    assert_eq!(flagged(ALL, 2).await, all[..2]);
    assert_eq!(flagged(22, 3).await, all[2..5]);
    assert_eq!(flagged(1, 3).await, [""; 0]);

    let mut writes = batch(&*store).await;
    let row = store.order(&order("o-10")).await.expect("readable").rows;
    let mut row = row.expect("it exists");
    row.flagged = false;
    let was = Some(row.version);
    writes.orders.push(RowWrite { row, was });
    let row = store.callback(2).await.expect("readable").rows;
    let mut row = row.expect("it exists");
    row.flagged = true;
    writes.callbacks.push(RowWrite { row, was });
    finish(&*store, &writes).await.expect("it fits");
    let now = ["o-15", "#22", "#16", "o-5", "#2", "o-0"];
    assert_eq!(flagged(ALL, 9).await, now);
}

pub(crate) async fn a_private_text_is_read_until_it_is_erased<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let long = "é\"\\\0".repeat(4_000);
    let mut writes = batch(&*store).await;
    for (id, of, said) in [
        ((1, 0), "c-1", "one"),
        ((1, 1), "c-2", "two"),
        ((2, 0), "", "nobody's"),
        ((2, 255), "C-1", "three"),
        ((3, 0), "c-1", &long),
    ] {
        writes.private.push(text(id, of, said));
    }
    finish(&*store, &writes).await.expect("it fits");
    let read = async |id| store.private(id).await.expect("readable").rows;
    assert_eq!(read((1, 1)).await, Some(text((1, 1), "c-2", "two")));
    assert_eq!(read((2, 0)).await, Some(text((2, 0), "", "nobody's")));
    assert_eq!(read((2, 255)).await, Some(text((2, 255), "C-1", "three")));
    assert_eq!(read((3, 0)).await, Some(text((3, 0), "c-1", &long)));
    assert_eq!((read((2, 1)).await, read((4, 0)).await), (None, None));

    for (ms, ids) in [
        (10, vec![(1, 0), (2, 0), (1, 0)]),
        (20, vec![(1, 0), (3, 0)]),
    ] {
        let mut writes = batch(&*store).await;
        writes.head.time = at(ms);
        writes.erased = ids;
        finish(&*store, &writes).await.expect("it fits");
    }
    for (id, of, ms) in [((1, 0), "c-1", 10), ((2, 0), "", 10), ((3, 0), "c-1", 20)] {
        let gone = PrivateRow {
            erased_at: Some(at(ms)),
            ..text(id, of, "")
        };
        assert_eq!(
            read(id).await,
            Some(gone),
            "it says when it was erased first"
        );
    }
    assert_eq!(read((1, 1)).await, Some(text((1, 1), "c-2", "two")));
}

pub(crate) async fn a_customers_texts_are_paged_upwards<F: Fixture>() {
    let fixture = F::empty().await;
    let store = fixture.store().await;
    let mut writes = batch(&*store).await;
    for position in 1..=30_u64 {
        let of = ["c-1", "c-2", ""][usize::try_from(position % 3).expect("small")];
        writes.private.push(text((position, 0), of, "a"));
        writes.private.push(text((position, 7), "c-1", "b"));
    }
    writes.private.reverse();
    finish(&*store, &writes).await.expect("it fits");
    let mut writes = batch(&*store).await;
    writes.erased = (1..=30).step_by(2).map(|position| (position, 7)).collect();
    finish(&*store, &writes).await.expect("it fits");
    let (who, mut from) = (customer("c-1"), (0, 0));
    let mut found = Vec::new();
    loop {
        let page = store
            .private_of(&who, from, 4)
            .await
            .expect("readable")
            .rows;
        let Some(last) = page.last() else { break };
        from = (last.id.0, last.id.1 + 1);
        found.extend(page.iter().map(|row| row.id));
    }
    let theirs = (1..=30_u64).flat_map(|position| {
        let first = (position % 3 == 0).then_some((position, 0));
        let second = (position % 2 == 0).then_some((position, 7));
        first.into_iter().chain(second)
    });
    assert_eq!(found, theirs.collect::<Vec<_>>());
    let from = store
        .private_of(&who, (6, 7), 1)
        .await
        .expect("readable")
        .rows;
    assert_eq!(from[0].id, (6, 7), "its own id is the first");
}
