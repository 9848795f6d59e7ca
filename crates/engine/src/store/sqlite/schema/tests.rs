//! Stores of older schemas are migrated; of newer ones, refused.

use super::*;
use crate::clock::SystemIds;
use crate::port::{Store, Writes};
use crate::store::memory::MemoryStore;
use crate::store::sqlite::names::NamesOptions;
use crate::store::sqlite::{SqliteStore, codec};
use crate::testing::{
    NOW, ask, change, commit, hold_id, keyed, place_for, put, release, sku, units,
};
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use rusqlite::params;
use sha2::{Digest, Sha256};

/// Writes a batch as the program of schema 1 did: timers are numbered by position.
fn write_as_schema_1(conn: &Connection, writes: &Writes) {
    let number = |number: u64| i64::try_from(number).expect("small");
    let run = |query: &str, params: &[&dyn rusqlite::ToSql]| {
        conn.execute(query, params).expect("it fits");
    };
    for row in &writes.log {
        let query = "INSERT INTO log VALUES (?1, ?2, ?3)";
        run(query, params![number(row.position), row.hash, row.text]);
    }
    for write in &writes.holds {
        let (row, body) = (&write.row, &write.body);
        let query = "INSERT OR REPLACE INTO hold VALUES (?1, ?2, ?3, ?4)";
        let (created, last) = (number(row.created), number(row.last));
        run(query, params![created, last, number(row.version), body]);
    }
    for write in &writes.skus {
        let row = &write.row;
        let body = serde_json::to_vec(&row.sku).expect("plain JSON");
        let locations = serde_json::to_string(&row.locations).expect("plain JSON");
        let query = "INSERT OR REPLACE INTO sku VALUES (?1, 'lamp', ?2, ?3, ?4, ?5, ?6, ?7)";
        let (created, last, version) = (row.created, row.last, row.version);
        let numbers = [created, last, version, row.stock_last, row.stock_version].map(number);
        let [created, last, version, stock_last, stock_version] = numbers;
        let row = params![
            created,
            last,
            version,
            stock_last,
            stock_version,
            locations,
            body
        ];
        run(query, row);
    }
    for write in &writes.balances {
        run(
            "INSERT OR IGNORE INTO place VALUES (1, 'lamp', 'main')",
            &[],
        );
        let accounts = codec::balances(write.now);
        let query = "INSERT OR REPLACE INTO balance VALUES (1, ?1, ?2)";
        run(query, params![number(writes.head.position), accounts]);
    }
    let first = number(writes.was + 1);
    for timer in &writes.timers {
        let entries = codec::timers([timer].into_iter());
        if first % 2 == 0 {
            let query = "INSERT INTO timer_news VALUES (?1, ?2)";
            run(query, params![first, entries]);
        } else {
            let minute = timer.due.micros().div_euclid(60_000_000);
            let query = "INSERT INTO timer VALUES (?1, ?2, ?3)";
            run(query, params![minute, first, entries]);
        }
    }
    let query = "UPDATE head SET position = ?1, hash = ?2, time = ?3, batches = ?4";
    let (head, time) = (&writes.head, writes.head.time.micros());
    let batches = crate::store::head::batches(&head.batches);
    run(
        query,
        params![number(head.position), head.hash, time, batches],
    );
}

/// A store of schema 1 with ten holds, every other of which is released.
async fn schema_1(dir: &Path) {
    let conn = open_writer(dir).expect("it opens");
    conn.execute_batch(&migrations()[0]).expect("tables");
    conn.execute_batch("PRAGMA user_version = 1").expect("set");
    super::super::make_head(&conn, &SystemIds).expect("it is empty");
    let salt = conn.query_row("SELECT salt FROM head", [], |row| row.get(0));
    let memory = MemoryStore::new("main", salt.expect("it was made"));
    let mut commands = vec![
        ask(put("lamp")),
        ask(change("lamp", Change::Receive(units(100)))),
    ];
    for number in 0..10_u64 {
        let id = format!("h-{number}");
        let ttl = 1_000 + number * 13_000;
        commands.push(keyed(&id, place_for(&id, &[("lamp", 1)], ttl)));
        if number % 2 == 1 {
            commands.push(ask(release(&id)));
        }
    }
    for command in commands {
        let (told, writes) = commit(&memory, NOW, &command).await;
        let writes = writes.unwrap_or_else(|| panic!("{told:?}"));
        write_as_schema_1(&conn, &writes);
    }
}

fn open(dir: &Path) -> SqliteStore {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    store.expect("it is migrated")
}

async fn due(store: &SqliteStore) -> Vec<String> {
    let due = store.due(NOW.plus(Millis(600_000)), 99).await;
    let rows = due.expect("readable").rows;
    rows.iter().map(|row| row.hold.id.to_string()).collect()
}

/// Migrations that were released are never changed: stores have them.
#[test]
fn the_first_migration_is_as_it_was_released() {
    let text: [u8; 32] = Sha256::digest(&migrations()[0]).into();
    assert_eq!(
        crate::chain::hex(&text),
        "37566e5e166b659b686de8510f07723067a895cb61abac88e8b729eef1e44e44"
    );
}

#[tokio::test]
async fn a_store_of_schema_1_is_migrated_and_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    schema_1(dir.path()).await;
    let refused = SqliteStore::open_read_only(dir.path(), NamesOptions::default());
    let refused = refused.err().expect("it is older").to_string();
    assert!(refused.contains("schema 1 is older"), "{refused}");

    let applied = SqliteStore::migrate(dir.path(), &SystemIds);
    assert_eq!(applied, Ok(migrations().len() - 1));
    assert_eq!(SqliteStore::migrate(dir.path(), &SystemIds), Ok(0));
    let store = open(dir.path());
    let held = ["h-0", "h-2", "h-4", "h-6", "h-8"];
    assert_eq!(due(&store).await, held);
    let lamps = store.sku(&sku("lamp")).await.expect("readable").rows;
    let (_, stock) = lamps.expect("it is listed");
    assert_eq!(stock[0].0, LocationId::main());
    assert_eq!(stock[0].1.raw(), [-100, 95, 5, 0, 0, 0, 0]);
    assert_eq!(store.orders(99, 9).await.expect("readable").rows, []);

    // Batches are numbered on from where positions left off.
    let conn = open_reader(dir.path()).expect("it opens");
    let mark = conn.query_row("SELECT max(first) FROM timer_news", [], |row| row.get(0));
    assert_eq!(mark, Ok(18_i64));

    // New timers stand beside the old ones, and are seen by others.
    let other = open(dir.path());
    assert_eq!(due(&other).await, held);
    for number in 10..14 {
        let id = format!("h-{number}");
        let placed = keyed(&id, place_for(&id, &[("lamp", 1)], 14_000 * (number - 9)));
        let (_, writes) = commit(&store, NOW, &placed).await;
        assert!(writes.is_some());
    }
    let all = [
        "h-0", "h-10", "h-2", "h-11", "h-12", "h-4", "h-13", "h-6", "h-8",
    ];
    assert_eq!(due(&store).await, all);
    assert_eq!(due(&other).await, all);
    drop((store, other));
    let store = open(dir.path());
    assert_eq!(due(&store).await, all);
    let row = store.hold(&hold_id("h-3")).await.expect("readable").rows;
    assert_eq!(row.expect("it exists").version, 2);
    assert!(SqliteStore::open_read_only(dir.path(), NamesOptions::default()).is_ok());
}

#[tokio::test]
async fn a_store_of_a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let conn = open_writer(dir.path()).expect("it opens");
    let none = SqliteStore::open_read_only(dir.path(), NamesOptions::default());
    let none = none.err().expect("it has no tables").to_string();
    assert!(none.contains("never migrated"), "{none}");
    drop(open(dir.path()));
    let newer = migrations().len() + 1;
    conn.execute_batch(&format!("PRAGMA user_version = {newer}"))
        .expect("set");
    let write = SqliteStore::open(dir.path(), &SystemIds, NamesOptions::default());
    let read = SqliteStore::open_read_only(dir.path(), NamesOptions::default());
    for refused in [write.err(), read.err()] {
        let refused = refused.expect("it is newer").to_string();
        assert!(refused.contains("newer than this program"), "{refused}");
    }
}
