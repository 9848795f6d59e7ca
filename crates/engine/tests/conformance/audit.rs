//! Looks at everything that a store holds, with folds of its own.

use evenkeel_engine::chain::{Entry, Hash, link, origin};
use evenkeel_engine::port::{HoldRow, LogRow, Place, Store};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::stock::{Account, Balances};
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
    let mut balances: BTreeMap<Place, Balances> = BTreeMap::new();
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
        for moved in &entry.moves {
            let at = (moved.sku.clone(), moved.location.clone());
            let stands = balances.entry(at).or_default();
            let next = stands.after(moved.operation, moved.quantity);
            *stands = next.unwrap_or_else(|short| panic!("{short} at {position}: {moved:?}"));
        }
    }
    assert_eq!(head.position, position, "the head is the log's end");
    assert_eq!(head.hash, hash, "the head has the last hash");
    assert!(
        head.time.micros() >= time,
        "the head's log time is the last"
    );
    compare_holds(store, holds).await;
    compare_balances(store, balances).await;
    let stray = store.stray_balances().await.expect("readable").rows;
    assert_eq!(stray, Vec::new(), "every balance is listed");
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
