//! What is erased is in the file no more.

use super::super::schema;
use super::*;
use crate::port::PrivateRow;

fn file_has(dir: &std::path::Path, text: &str) -> bool {
    let bytes = std::fs::read(dir.join(schema::FILE)).expect("a file");
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn the_file_has_no_byte_of_an_erased_text() {
    let dir = tempfile::tempdir().expect("a directory");
    let conn = schema::open_writer(dir.path()).expect("it opens");
    schema::migrate(&conn).expect("it is empty");
    let now = LogTime::from_micros(1_800_000_000_000_000);
    // One within a page, one that takes pages of its own.
    let short = "Ada Example, 12 Some Street".to_owned();
    let long = format!("{}Grace Example, 34 Other Street", "x".repeat(9_000));
    let rows: Vec<PrivateRow> = [&short, &long]
        .into_iter()
        .zip(1..)
        .map(|(text, position)| PrivateRow {
            id: (position, 0),
            customer: None,
            text: text.clone(),
            erased_at: None,
        })
        .collect();
    let file = || {
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .expect("nobody reads");
        ["Ada Example", "Grace Example"].map(|text| file_has(dir.path(), text))
    };
    schema::locked(&conn, || write(&conn, &rows)).expect("it fits");
    assert_eq!(file(), [true, true]);
    schema::locked(&conn, || erase(&conn, &[(1, 0), (2, 0)], now)).expect("they exist");
    assert_eq!(file(), [false, false]);
    let on: i64 = conn
        .query_row("PRAGMA secure_delete", [], |row| row.get(0))
        .expect("a setting");
    assert_eq!(on, 0, "other batches do not pay for it");
}
