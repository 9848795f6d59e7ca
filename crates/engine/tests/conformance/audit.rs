//! Looks at everything that a store holds, with folds of its own.

use evenkeel_engine::callback::{Callback, State, Turn};
use evenkeel_engine::chain::{Entry, EntryEvent, Hash, link, origin};
use evenkeel_engine::port::{HoldRow, LogRow, Place, Share, Store};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::order::{Order, Patch};
use evenkeel_rules::saga::journey::{self, Journey};
use evenkeel_rules::stock::{Account, Balances, Move, Operation};
use std::collections::BTreeMap;

const PAGE: usize = 700;

/// The last event of a stream.
struct Last {
    kind: Kind,
    version: u64,
    position: u64,
}

/// All rows of the log.
pub(crate) async fn log(store: &dyn Store) -> Vec<LogRow> {
    let mut rows: Vec<LogRow> = Vec::new();
    loop {
        let from = rows.last().map_or(1, |row| row.position + 1);
        let more = store.log(from, PAGE).await.expect("the log is readable");
        if more.rows.is_empty() {
            return rows;
        }
        rows.extend(more.rows);
    }
}

/// The texts of the log, for comparing two stores.
pub(crate) async fn texts(store: &dyn Store) -> Vec<String> {
    let text = |row: LogRow| String::from_utf8(row.text).expect("a text is text");
    log(store).await.into_iter().map(text).collect()
}

/// Positions are dense, the chain is whole, log time never falls, every stream is legal and has
/// no gaps, no account falls below zero, and state rows and balances equal the fold.
pub(crate) async fn whole(store: &dyn Store) {
    let head = store.head().await.expect("the head is readable");
    let mut hash: Hash = origin(&head.log, &head.salt);
    let (mut position, mut time) = (0, i64::MIN);
    let mut streams: BTreeMap<String, Last> = BTreeMap::new();
    let mut holds: BTreeMap<String, HoldRow> = BTreeMap::new();
    let mut lives = Lives::default();
    let mut balances: BTreeMap<Place, Balances> = BTreeMap::new();
    let mut shares: BTreeMap<Share, u64> = BTreeMap::new();
    for row in log(store).await {
        assert_eq!(row.position, position + 1, "positions are dense");
        position = row.position;
        hash = link(&hash, &row.text);
        assert_eq!(row.hash, hash, "the chain is whole at {position}");
        let entry = Entry::read(&row.text).expect("a text is readable");
        assert_eq!(entry.position, position, "a text says its position");
        assert!(entry.at.micros() >= time, "log time falls at {position}");
        time = entry.at.micros();
        fold_events(&entry, &mut streams, &mut holds);
        entry
            .events
            .iter()
            .for_each(|event| lives.take_in(position, event));
        for moved in &entry.moves {
            let at = (moved.sku.clone(), moved.location.clone());
            let stands = balances.entry(at).or_default();
            let next = stands.after(moved.operation, moved.quantity);
            *stands = next.unwrap_or_else(|short| panic!("{short} at {position}: {moved:?}"));
            fold_share(moved, &holds, &mut shares);
        }
    }
    assert_eq!(head.position, position, "the head is the log's end");
    assert_eq!(head.hash, hash, "the head has the last hash");
    assert!(
        head.time.micros() >= time,
        "the head's log time is the last"
    );
    compare_holds(store, holds).await;
    compare_orders(store, lives.orders).await;
    compare_sagas(store, lives.sagas).await;
    compare_callbacks(store, lives.callbacks).await;
    compare_balances(store, balances).await;
    let kept = store.shares(None, 9_999).await.expect("readable").rows;
    assert!(kept.into_iter().eq(shares), "shares equal the fold");
    let stray = store.stray_balances().await.expect("readable").rows;
    assert_eq!(stray, Vec::new(), "every balance is listed");
}

/// Counted units come to their customer and leave it.
fn fold_share(moved: &Move, holds: &BTreeMap<String, HoldRow>, shares: &mut BTreeMap<Share, u64>) {
    let Some(row) = holds.get(&format!("hold:{}", moved.reference)) else {
        return;
    };
    let mut lines = row.hold.lines.iter();
    let counts =
        lines.any(|it| (&it.sku, &it.location, it.counted) == (&moved.sku, &moved.location, true));
    if !counts {
        return;
    }
    let share = (moved.sku.clone(), row.hold.customer.clone());
    let units = shares.entry(share).or_default();
    match moved.operation {
        Operation::Hold => *units += moved.quantity.get(),
        Operation::Release | Operation::Expire | Operation::Unsell | Operation::Return => {
            *units -= moved.quantity.get();
        }
        _ => {}
    }
}

fn fold_events(
    entry: &Entry,
    streams: &mut BTreeMap<String, Last>,
    holds: &mut BTreeMap<String, HoldRow>,
) {
    let position = entry.position;
    for event in &entry.events {
        let before = streams.get(&event.stream);
        let was = before.map(|last| last.kind);
        assert!(
            Kind::may_follow(was, event.kind),
            "{was:?} then {:?} at {position}",
            event.kind
        );
        assert_eq!(event.version, before.map_or(0, |last| last.version) + 1);
        assert_eq!(event.previous, before.map_or(0, |last| last.position));
        let aggregate = Aggregate::split(&event.stream)
            .expect("a stream has a name")
            .0;
        if aggregate == Aggregate::Hold {
            let created = holds.get(&event.stream).map_or(position, |row| row.created);
            let hold: Hold = event.data().expect("a hold's event has a hold");
            let (last, version) = (position, event.version);
            let row = HoldRow {
                created,
                last,
                version,
                hold,
            };
            holds.insert(event.stream.clone(), row);
        }
        let last = Last {
            kind: event.kind,
            version: event.version,
            position,
        };
        streams.insert(event.stream.clone(), last);
    }
}

/// A row as its stream leaves it: created, last, version, body.
type Life<T> = (u64, u64, u64, T);

/// Orders and callbacks as the log tells of them.
#[derive(Default)]
struct Lives {
    orders: BTreeMap<String, Life<Order>>,
    sagas: BTreeMap<String, Life<Journey>>,
    callbacks: BTreeMap<String, Life<Callback>>,
}

impl Lives {
    fn take_in(&mut self, position: u64, event: &EntryEvent) {
        let (stream, version) = (event.stream.clone(), event.version);
        match (event.kind.aggregate(), event.kind.begins()) {
            (Aggregate::Order, true) => {
                let order: Order = event.data().expect("an order's first event has it whole");
                let life = (position, position, version, order);
                self.orders.insert(stream, life);
            }
            (Aggregate::Order, false) => {
                let patch: Patch = event.data().expect("what changed");
                let known = self.orders.remove(&stream);
                let (created, _, _, order) = known.expect("it began");
                let life = (created, position, version, patch.apply(order));
                self.orders.insert(stream, life);
            }
            (Aggregate::Saga, true) => {
                let saga: Journey = event.data().expect("a saga's first event has it whole");
                let life = (position, position, version, saga);
                self.sagas.insert(stream, life);
            }
            (Aggregate::Saga, false) => {
                let patch: journey::Patch = event.data().expect("what changed");
                let known = self.sagas.remove(&stream);
                let (created, _, _, saga) = known.expect("it began");
                let saga = patch.apply(saga).expect("one of its steps");
                self.sagas
                    .insert(stream, (created, position, version, saga));
            }
            (Aggregate::Callback, true) => {
                let callback: Callback = event.data().expect("a callback");
                let life = (position, position, version, callback);
                self.callbacks.insert(stream, life);
            }
            (Aggregate::Callback, false) => {
                let turn: Turn = event.data().expect("a turn");
                let life = self.callbacks.get_mut(&stream).expect("it began");
                (life.1, life.2) = (position, version);
                (life.3.state, life.3.why) = (turn.state, turn.why);
            }
            _ => {}
        }
    }
}

/// Rows equal their fold, wait for a person if they should, and are looked at again if they should.
async fn compare_orders(store: &dyn Store, folded: BTreeMap<String, Life<Order>>) {
    let kept = store
        .orders(u64::MAX >> 1, 9_999)
        .await
        .expect("readable")
        .rows;
    assert_eq!(kept.len(), folded.len(), "as many orders as the fold has");
    for row in kept {
        assert_eq!(row.flagged, row.body.is_flagged(), "{row:?}");
        let needs = row.body.due(row.tries, 0).is_some();
        assert_eq!(row.due.is_some(), needs, "{row:?}");
        let life = (row.created, row.last, row.version, row.body);
        let stream = format!("order:{}", life.3.id);
        assert_eq!(folded.get(&stream), Some(&life), "an order equals its fold");
    }
}

async fn compare_sagas(store: &dyn Store, folded: BTreeMap<String, Life<Journey>>) {
    let kept = store.sagas(u64::MAX >> 1, 9_999).await;
    let kept = kept.expect("readable").rows;
    assert_eq!(kept.len(), folded.len(), "as many sagas as the fold has");
    for row in kept {
        assert_eq!(row.flagged, row.body.is_flagged(), "{row:?}");
        assert_eq!(row.due.is_some(), row.body.turn().is_some(), "{row:?}");
        let life = (row.created, row.last, row.version, row.body);
        let stream = format!("saga:{}", life.3.id);
        assert_eq!(folded.get(&stream), Some(&life), "a saga equals its fold");
    }
}

async fn compare_callbacks(store: &dyn Store, folded: BTreeMap<String, Life<Callback>>) {
    let kept = store
        .callbacks(u64::MAX >> 1, 9_999)
        .await
        .expect("readable")
        .rows;
    assert_eq!(
        kept.len(),
        folded.len(),
        "as many callbacks as the fold has"
    );
    for row in kept {
        let waits = row.body.state == State::Stored;
        assert_eq!(row.due.is_some(), waits, "{row:?}");
        let life = (row.created, row.last, row.version, row.body);
        let stream = format!("callback:{}", row.created);
        assert_eq!(
            folded.get(&stream),
            Some(&life),
            "a callback equals its fold"
        );
    }
}

async fn compare_holds(store: &dyn Store, folded: BTreeMap<String, HoldRow>) {
    let mut kept: BTreeMap<String, HoldRow> = BTreeMap::new();
    let mut before = u64::MAX >> 1;
    loop {
        let page = store.holds(before, PAGE).await.expect("readable").rows;
        let Some(last) = page.last() else { break };
        before = last.created;
        kept.extend(
            page.into_iter()
                .map(|row| (format!("hold:{}", row.hold.id), row)),
        );
    }
    assert_eq!(kept.len(), folded.len(), "as many holds as the fold has");
    for (stream, row) in &folded {
        assert_eq!(kept.get(stream), Some(row), "a state row equals its fold");
    }
}

async fn compare_balances(store: &dyn Store, folded: BTreeMap<Place, Balances>) {
    let mut kept: BTreeMap<Place, Balances> = BTreeMap::new();
    let mut before = u64::MAX >> 1;
    loop {
        let page = store.skus(before, PAGE).await.expect("readable").rows;
        let Some((last, _)) = page.last() else { break };
        before = last.created;
        for (row, stock) in page {
            let at = |(location, at)| ((row.sku.terms.sku.clone(), location), at);
            kept.extend(stock.into_iter().map(at));
        }
    }
    assert_eq!(kept, folded, "balances equal the fold");
    for (place, at) in &kept {
        let sum: i64 = Account::ALL.iter().map(|account| at.get(*account)).sum();
        assert_eq!(sum, 0, "{place:?} sums to zero");
    }
}
