//! Bytes on disk of a hold, by table.

use evenkeel_engine::store::sqlite::FILE;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Tables below this share of all are one line.
const SMALL: f64 = 0.01;

/// Prints what each table of a store has for each of so many holds.
pub(crate) fn print(dir: &Path, holds: u64) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = Connection::open_with_flags(dir.join(FILE), flags).expect("the store opens");
    let mut query = conn
        .prepare("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE ORDER BY pgsize DESC")
        .expect("the SQLite that is built in counts its pages");
    let tables = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let tables: Result<Vec<(String, i64)>, _> = tables.expect("a query").collect();
    let tables = tables.expect("readable");
    let all: i64 = tables.iter().map(|it| it.1).sum();
    let each = |bytes: i64| bytes as f64 / holds as f64;
    let (large, small): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .partition(|it| it.1 as f64 > all as f64 * SMALL);
    let rest = small.iter().map(|it| it.1).sum();
    let lines = large.iter().map(|it| format!("{} {:.0}", it.0, each(it.1)));
    println!(
        "{:.0} bytes on disk a hold: {}, other {:.0}",
        each(all),
        lines.collect::<Vec<_>>().join(", "),
        each(rest)
    );
}
