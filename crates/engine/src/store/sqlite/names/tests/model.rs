//! Random histories: every name committed is found with its entry, and nothing else is.

use super::{Adapter, BESIDE, NamesOptions, SMALL, Site, rows_between};
use crate::store::sqlite::names::Mark;

/// Hundreds of batches, some rolled back, with a crash now and then.
fn live_through(seed: u64, options: NamesOptions) {
    let mut site = Site::new(seed);
    let mut adapter = site.open(options);
    for batch in 0..500 {
        let (count, budget) = (site.rng.usize(..30), site.rng.usize(..6));
        match site.rng.u8(..100) {
            0..80 => site.commit(&mut adapter, count, budget),
            80..97 => site.roll_back(&mut adapter, count, budget),
            _ => adapter = crash(&mut site, adapter, options),
        }
        if batch % 100 == 99 {
            site.check(&mut adapter);
        }
    }
    while !adapter.has_merged() {
        site.commit(&mut adapter, 20, 4);
    }
    site.check(&mut adapter);
}

/// Ends an adapter in the middle of a transaction, and opens another one.
fn crash(site: &mut Site, mut adapter: Adapter, options: NamesOptions) -> Adapter {
    let tx = adapter.conn.transaction().expect("a transaction begins");
    adapter.names.write_some(&tx, 5).expect("runs are written");
    drop(tx);
    drop(adapter);
    site.open(options)
}

#[test]
fn every_name_is_found_through_rollbacks_and_crashes() {
    for seed in 0..4 {
        live_through(seed, SMALL);
    }
}

#[test]
fn every_name_is_found_when_a_thread_sorts_and_merges() {
    for seed in 10..14 {
        live_through(seed, BESIDE);
    }
}

#[test]
fn every_name_is_found_by_two_adapters_on_one_file() {
    for (seed, second) in [
        (20, SMALL),
        (21, BESIDE),
        (22, NamesOptions { tier: 2, ..BESIDE }),
    ] {
        let mut site = Site::new(seed);
        let mut adapters = [site.open(BESIDE), site.open(second)];
        for batch in 0..700 {
            // Now one does all the work and now the other, so that both are keepers in turn.
            let busy = batch / 60 % 3;
            let who = if busy < 2 { busy } else { site.rng.usize(..2) };
            let (count, budget) = (site.rng.usize(..30), site.rng.usize(..6));
            match site.rng.u8(..100) {
                0..80 => site.commit(&mut adapters[who], count, budget),
                80..98 => site.roll_back(&mut adapters[who], count, budget),
                _ => adapters[who] = site.open(BESIDE),
            }
            if batch % 100 == 99 {
                site.check(&mut adapters[0]);
                site.check(&mut adapters[1]);
            }
        }
    }
}

#[test]
fn a_start_feeds_a_bounded_tail() {
    let mut site = Site::new(30);
    let mut adapter = site.open(SMALL);
    for _ in 0..300 {
        site.commit(&mut adapter, 20, 4);
        let tail = rows_between(adapter.names.covered(), adapter.names.known());
        assert!(tail < 4 * 64, "{tail} rows would be fed again");
    }
    let reopened = site.open(SMALL);
    assert_eq!(reopened.names.covered(), adapter.names.covered());
    assert_eq!(reopened.names.known(), reopened.names.covered());
}

#[test]
fn the_tail_is_bounded_when_rows_have_no_names() {
    let mut site = Site::new(31);
    let mut adapter = site.open(SMALL);
    site.commit(&mut adapter, 10, 4);
    for position in 100..3_000 {
        adapter.batch(&mut site.rng, &[], 4, true);
        let refusal = adapter.names.known().refusal;
        adapter
            .names
            .insert(std::iter::empty(), Mark { position, refusal });
    }
    let tail = rows_between(adapter.names.covered(), adapter.names.known());
    assert!(tail < 3 * 4 * 64, "{tail} rows would be fed again");
    site.check(&mut adapter);
}

#[test]
fn the_same_calls_write_the_same_bytes_without_a_thread() {
    let contents = || {
        let mut site = Site::new(40);
        let mut adapter = site.open(SMALL);
        for _ in 0..200 {
            site.commit(&mut adapter, 20, 3);
        }
        let sql = "SELECT id, data FROM run_0 UNION ALL SELECT id, data FROM run_1
                   UNION ALL SELECT id, filter FROM run_part ORDER BY id";
        let mut statement = adapter.conn.prepare(sql).expect("the statement is right");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: rusqlite::Result<Vec<(i64, Vec<u8>)>> = rows.expect("rows are read").collect();
        rows.expect("rows are read")
    };
    let first = contents();
    assert!(first.len() > 20);
    assert!(first == contents());
}
