//! What other threads are told while the writer works.

use super::{Adapter, BESIDE, Name, SMALL, Site, rows_between};
use crate::store::sqlite::names::NameFilter;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Has `ask` called on two threads with numbers of inserted names, while a writer inserts them all.
/// The other adapter, if there is one, writes a tenth of the batches.
fn ask_while_writing(
    seed: u64,
    other: bool,
    ask: impl Fn(&NameFilter, &Connection, &[&Name]) + Sync,
) {
    let mut site = Site::new(seed);
    let names = site.fresh_names(12_000);
    let mut adapter = site.open(BESIDE);
    let mut other = other.then(|| site.open(BESIDE));
    let filter = adapter.names.filter();
    let conns = [site.connect(), site.connect()];
    let (inserted, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for conn in conns {
            let (filter, names, inserted, done) = (filter.clone(), &names, &inserted, &done);
            let (mut rng, ask) = (site.rng.fork(), &ask);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let upto = inserted.load(Ordering::Acquire);
                    let some = (0..upto.min(50)).map(|_| &names[rng.usize(..upto)]);
                    ask(&filter, &conn, &some.collect::<Vec<_>>());
                }
            });
        }
        for (number, batch) in names.chunks(16).enumerate() {
            let writer = match &mut other {
                Some(other) if number % 10 == 0 => other,
                _ => &mut adapter,
            };
            writer.batch(&mut site.rng, batch, 4, true);
            // What the other one wrote is inserted here with this one's next batch.
            if number % 10 != 0 {
                inserted.store((number + 1) * 16, Ordering::Release);
            }
        }
        // The thread that merges may not have come to it yet.
        while !adapter.has_merged() {
            adapter.batch(&mut site.rng, &[], 4, true);
            if let Some(other) = &mut other {
                other.batch(&mut site.rng, &[], 4, true);
            }
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_filter_never_denies_a_name_while_runs_change() {
    ask_while_writing(1, false, |filter, _, names| {
        assert!(
            names.iter().all(|name| filter.may_know(name)),
            "a name was denied"
        );
    });
}

#[test]
fn a_reader_finds_every_name_while_runs_change() {
    for (seed, other) in [(2, false), (3, true)] {
        ask_while_writing(seed, other, |filter, conn, names| {
            let known = filter.known();
            let reader = filter.read(conn).expect("the runs are whole");
            assert!(reader.known().reaches(known));
            for name in names {
                let found = reader.get(name).expect("a block is whole");
                let entry = found.expect("an inserted name is found");
                let row: i64 = reader
                    .tx()
                    .query_row(
                        "SELECT at FROM row WHERE at = ?1 AND name = ?2
                         UNION ALL SELECT at FROM refusal WHERE at = ?1 AND name = ?2",
                        ((entry.at & !super::REFUSED).cast_signed(), *name),
                        |row| row.get(0),
                    )
                    .expect("the row is in the same snapshot");
                assert_eq!(row.cast_unsigned(), entry.at & !super::REFUSED);
            }
        });
    }
}

#[test]
fn a_reader_finds_names_whose_runs_another_adapter_has_merged() {
    let mut site = Site::new(4);
    let mut idle = site.open(SMALL);
    while idle.names.runs()[0] < 2 {
        site.commit(&mut idle, 20, 10);
    }
    let (filter, known) = (idle.names.filter(), site.model.clone());
    let mut other = site.open(SMALL);
    while idle_runs_left(&idle, &other) {
        site.commit(&mut other, 20, 10);
    }
    let reader = filter.read(&idle.conn).expect("the runs are whole");
    for (name, entry) in &known {
        assert_eq!(reader.get(name).expect("a block is whole"), Some(*entry));
    }
}

/// Whether a run that the idle adapter has loaded still has rows.
fn idle_runs_left(idle: &Adapter, other: &Adapter) -> bool {
    let rows = super::sql::runs_with_rows(&other.conn).expect("the tables are read");
    let loaded = &idle.names.views.view().runs;
    loaded
        .iter()
        .any(|run| rows.iter().any(|(_, id)| run.id == *id))
}

#[test]
#[should_panic(expected = "the view is taken before the database's snapshot")]
fn a_reader_begins_its_own_transaction() {
    let site = Site::new(5);
    let adapter = site.open(SMALL);
    let tx = adapter.conn.unchecked_transaction().expect("a read begins");
    let reader = adapter
        .names
        .filter()
        .read(&tx)
        .map(|reader| reader.known());
    assert_eq!(
        rows_between(adapter.names.known(), reader.expect("it never comes here")),
        0
    );
}
