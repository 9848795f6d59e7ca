//! What is damaged is an error, and what looks alike is told apart.

use super::{Adapter, SMALL, Site};
use crate::store::sqlite::names::block::BLOCK_NAMES;
use crate::store::sqlite::names::check::{CHECK_LEN, Kind, seal};
use crate::store::sqlite::names::part::Part;
use crate::store::sqlite::names::{Entry, Mark, Name, Names, NamesOptions};
use rusqlite::{Connection, ErrorCode};

/// An index whose every name is in one run of several blocks and parts.
fn one_run(seed: u64) -> (Site, Adapter) {
    let mut site = Site::new(seed);
    let mut adapter = site.open(NamesOptions {
        tier: 100,
        run_names: 700,
        ..SMALL
    });
    for _ in 0..2 {
        site.commit(&mut adapter, 700, 100);
    }
    while adapter.names.runs()[0] < 2 {
        site.commit(&mut adapter, 0, 100);
    }
    (site, adapter)
}

/// Looks every name up; counts those found and those that were an error.
fn look_up_all(site: &Site, adapter: &Adapter) -> (usize, usize) {
    let (mut found, mut errors) = (0, 0);
    for (name, entry) in &site.model {
        match adapter.names.get(&adapter.conn, name) {
            Ok(answer) => {
                assert_eq!(
                    answer,
                    Some(*entry),
                    "a damaged block is never read as absent"
                );
                found += 1;
            }
            Err(error) => {
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt));
                errors += 1;
            }
        }
    }
    (found, errors)
}

fn damage(adapter: &Adapter, sql: &str) {
    let changed = adapter
        .conn
        .execute(sql, [])
        .expect("the statement is right");
    assert!(changed > 0, "nothing was damaged");
}

/// How opening the index fails.
fn open_error(conn: &Connection) -> Option<ErrorCode> {
    Names::open(conn, SMALL)
        .err()
        .and_then(|error| error.sqlite_error_code())
}

#[test]
fn a_changed_block_is_an_error() {
    let (mut site, adapter) = one_run(1);
    let sql = "SELECT id, data FROM run_0 ORDER BY id LIMIT 1 OFFSET 3";
    let (id, data): (i64, Vec<u8>) = adapter
        .conn
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("there is a block");
    for _ in 0..20 {
        let mut changed = data.clone();
        changed[site.rng.usize(..data.len())] ^= 1 << site.rng.u8(..8);
        let update = adapter
            .conn
            .execute("UPDATE run_0 SET data = ?2 WHERE id = ?1", (id, changed));
        update.expect("the block is there");
        let (found, errors) = look_up_all(&site, &adapter);
        assert_eq!(
            (found, errors),
            (site.model.len() - BLOCK_NAMES, BLOCK_NAMES)
        );
    }
}

#[test]
fn a_cut_empty_missing_or_misplaced_block_is_an_error() {
    let second = "(SELECT id FROM run_0 ORDER BY id LIMIT 1 OFFSET 1)";
    let third = "(SELECT data FROM run_0 ORDER BY id LIMIT 1 OFFSET 2)";
    for sql in [
        format!("UPDATE run_0 SET data = substr(data, 1, 2008) WHERE id = {second}"),
        format!("UPDATE run_0 SET data = x'' WHERE id = {second}"),
        format!("DELETE FROM run_0 WHERE id = {second}"),
        format!("UPDATE run_0 SET data = {third} WHERE id = {second}"),
    ] {
        let (site, adapter) = one_run(2);
        damage(&adapter, &sql);
        let (found, errors) = look_up_all(&site, &adapter);
        assert_eq!(
            (found, errors),
            (site.model.len() - BLOCK_NAMES, BLOCK_NAMES),
            "{sql}"
        );
    }
}

#[test]
fn a_damaged_part_is_an_error_when_the_index_is_opened() {
    for sql in [
        "UPDATE run_part SET filter = zeroblob(length(filter))",
        "UPDATE run_part SET filter = x''",
        "UPDATE run_part SET first_keys = substr(first_keys, 17)",
        "UPDATE run_part SET first_keys = filter",
        "UPDATE run_part SET names = names + 1",
        "UPDATE run_part SET id = id + 1",
        "UPDATE run SET level = 7",
        "UPDATE run SET names = names - 1",
        "DELETE FROM run_part WHERE id = (SELECT min(id) FROM run_part)",
        "DELETE FROM run_part WHERE id = (SELECT max(id) FROM run_part)",
    ] {
        let (_site, adapter) = one_run(3);
        assert_eq!(open_error(&adapter.conn), None);
        damage(&adapter, sql);
        assert_eq!(
            open_error(&adapter.conn),
            Some(ErrorCode::DatabaseCorrupt),
            "{sql}"
        );
    }
}

#[test]
fn a_changed_part_is_an_error_when_the_index_is_opened() {
    let (mut site, adapter) = one_run(9);
    for column in ["first_keys", "filter"] {
        let sql = format!("SELECT id, {column} FROM run_part ORDER BY id LIMIT 1");
        let (id, data): (i64, Vec<u8>) = adapter
            .conn
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("there is a part");
        let sql = format!("UPDATE run_part SET {column} = ?2 WHERE id = ?1");
        for _ in 0..20 {
            let mut changed = data.clone();
            changed[site.rng.usize(..data.len())] ^= 1 << site.rng.u8(..8);
            adapter
                .conn
                .execute(&sql, (id, changed))
                .expect("the part is there");
            assert_eq!(
                open_error(&adapter.conn),
                Some(ErrorCode::DatabaseCorrupt),
                "{column}"
            );
        }
        adapter
            .conn
            .execute(&sql, (id, data))
            .expect("the part is there");
        assert_eq!(open_error(&adapter.conn), None);
    }
}

#[test]
fn a_filter_whose_measures_reach_outside_of_it_is_an_error() {
    let names: Vec<u128> = (0..1000u128).map(|high| high << 64).collect();
    let part = Part::build(5, &names, vec![0]).expect("the names are distinct");
    let (keys, filter) = part.blobs();
    assert!(Part::load(5, 1000, &keys, &filter).is_ok());
    let content = &filter[..filter.len() - CHECK_LEN];
    // The lengths of a segment, of its mask, of all segments; and an end that is too near.
    for damaged in [
        (16, content.len()),
        (20, content.len()),
        (24, content.len()),
        (0, content.len() - 1),
        (0, 27),
    ] {
        let mut bytes = content[..damaged.1].to_vec();
        bytes[damaged.0] ^= 1;
        seal(Kind::Filter, 5, &mut bytes);
        let error = Part::load(5, 1000, &keys, &bytes).err();
        let code = error.and_then(|error| error.sqlite_error_code());
        assert_eq!(code, Some(ErrorCode::DatabaseCorrupt), "{damaged:?}");
    }
}

#[test]
fn a_merge_stops_at_a_damaged_block_and_names_stay_where_they_are() {
    let zeroed = "UPDATE run_0 SET data = zeroblob(4008)";
    for (background, sql) in [
        (false, zeroed),
        (true, zeroed),
        (false, "DELETE FROM run_0"),
    ] {
        let mut site = Site::new(4);
        let mut adapter = site.open(NamesOptions {
            background,
            ..SMALL
        });
        while adapter.names.runs()[0] < 2 {
            site.commit(&mut adapter, 20, 10);
        }
        damage(&adapter, sql);
        let error = loop {
            let mut upto = adapter.names.known();
            upto.position += 20;
            let more = site.fresh_names(20).into_iter();
            let entry = Entry {
                at: upto.position,
                fingerprint: [0; 16],
            };
            adapter.names.insert(more.map(|name| (name, entry)), upto);
            let tx = adapter.conn.transaction().expect("a transaction begins");
            match adapter.names.write_some(&tx, 10) {
                Ok(()) => {
                    tx.commit().expect("the batch is committed");
                    adapter.names.committed();
                }
                Err(error) => break error,
            }
        };
        adapter.names.rolled_back();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt));
        assert_eq!(adapter.names.runs()[1], 0, "nothing was merged");
    }
}

#[test]
fn one_name_with_two_entries_is_an_error_when_runs_are_merged() {
    let site = Site::new(5);
    let mut adapter = site.open(NamesOptions {
        run_names: 1,
        tier: 2,
        ..SMALL
    });
    let name: Name = [7; 16];
    let mut outcome = Ok(());
    for at in 1..40 {
        let mark = Mark {
            position: at,
            refusal: 0,
        };
        let entry = Entry {
            at,
            fingerprint: [0; 16],
        };
        adapter.names.insert([(name, entry)].into_iter(), mark);
        let tx = adapter.conn.transaction().expect("a transaction begins");
        outcome = adapter.names.write_some(&tx, 10);
        if outcome.is_err() {
            break;
        }
        tx.commit().expect("the batch is committed");
        adapter.names.committed();
    }
    let code = outcome
        .expect_err("two entries were merged")
        .sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::DatabaseCorrupt));
}

#[test]
#[should_panic(expected = "a name is inserted once")]
fn inserting_a_name_again_is_a_bug() {
    let site = Site::new(6);
    let mut adapter = site.open(SMALL);
    let entry = Entry {
        at: 1,
        fingerprint: [0; 16],
    };
    let twice = [([1; 16], entry), ([1; 16], entry)];
    adapter.names.insert(
        twice.into_iter(),
        Mark {
            position: 1,
            refusal: 0,
        },
    );
}

#[test]
fn names_with_equal_beginnings_are_told_apart() {
    let mut site = Site::new(7);
    let mut adapter = site.open(SMALL);
    // Two blocks and more of names that differ in the second half alone.
    let names: Vec<Name> = (0..500u128)
        .map(|low| ((9u128 << 64) + low * 2).to_be_bytes())
        .collect();
    for batch in names.chunks(25) {
        let entries = adapter.batch(&mut site.rng, batch, 10, true);
        site.model.extend(entries);
    }
    assert!(adapter.names.runs()[1] > 0, "runs were merged");
    site.check(&mut adapter);
    for low in 0..500u128 {
        let between: Name = ((9u128 << 64) + low * 2 + 1).to_be_bytes();
        assert_eq!(
            adapter
                .names
                .get(&adapter.conn, &between)
                .expect("blocks are whole"),
            None
        );
    }
}

/// The filter's own hash, with the seed that it tries first.
fn slot_hash(prefix: u64) -> u64 {
    let seed = xorf::splitmix64(&mut 1);
    let mut hash = prefix.wrapping_add(seed);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[test]
fn keys_aimed_at_one_slot_of_a_filter_do_not_break_it() {
    let mut site = Site::new(8);
    let mut adapter = site.open(SMALL);
    // Slots are chosen by the highest bits; a filter counts the names of a slot in six bits.
    let aimed = std::iter::repeat_with(|| site.rng.u128(..).to_be_bytes()).filter(|name: &Name| {
        slot_hash(u64::from_be_bytes(name[..8].try_into().expect("8"))) >> 50 == 0
    });
    let names: Vec<Name> = aimed.take(200).collect();
    for _ in 0..3 {
        site.commit(&mut adapter, 20, 10);
    }
    let entries = adapter.batch(&mut site.rng, &names, 10, true);
    site.model.extend(entries);
    for _ in 0..30 {
        site.commit(&mut adapter, 20, 10);
    }
    site.check(&mut adapter);
}
