//! The SQLite site: its file is edited with plain SQL.

use super::site::{History, Site};
use async_trait::async_trait;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::{Name, cart_name, hold_name, order_name};
use evenkeel_engine::port::{
    CallbackRow, CartRow, Fault, HoldRow, LogRow, OrderRow, Row, Share, SkuRow, Store,
    SubscriptionRow, TokenRow,
};
use evenkeel_engine::store::sqlite::names::{Entry, Mark, Names, NamesOptions};
use evenkeel_engine::store::sqlite::{FILE, SqliteStore, text_of};
use evenkeel_rules::ids::{CartId, SkuId};
use evenkeel_rules::lease::Leases;
use evenkeel_rules::order::Tries;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;

/// So few names that most of them are in runs, where they can be damaged.
const NAMES: NamesOptions = NamesOptions {
    run_names: 4,
    tier: 2,
    background: false,
};

pub(crate) struct File {
    dir: tempfile::TempDir,
    names: NamesOptions,
}

impl File {
    /// A file with the usual history.
    pub(crate) async fn new() -> Self {
        Self::of(History::Holds).await
    }

    /// A file with one of the histories.
    pub(crate) async fn of(history: History) -> Self {
        Self::with(NAMES, history).await
    }

    /// A file none of whose names is in a run: the index is fed from the log at each opening.
    pub(crate) async fn fed_from_the_log(history: History) -> Self {
        Self::with(NamesOptions::default(), history).await
    }

    async fn with(names: NamesOptions, history: History) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = SqliteStore::open(dir.path(), &SystemIds, names).expect("a fresh store");
        history.write(&store).await;
        drop(store);
        Self { dir, names }
    }

    /// The store, opened for writing.
    pub(crate) fn reopen(&self) -> SqliteStore {
        SqliteStore::open(self.path(), &SystemIds, self.names).expect("the store opens again")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn sql(&self) -> Connection {
        Connection::open(self.dir.path().join(FILE)).expect("the file is there")
    }

    pub(crate) fn change(&self, sql: &str) {
        let changed = self.sql().execute(sql, []).expect("the statement is right");
        assert!(changed > 0, "nothing was damaged: {sql}");
    }
}

fn sql(number: u64) -> i64 {
    i64::try_from(number).expect("a small number")
}

fn zigzag(balances: Balances) -> Vec<u8> {
    let mut bytes = Vec::new();
    for account in balances.raw() {
        let mut rest = ((account << 1) ^ (account >> 63)).cast_unsigned();
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Changes an order's or a callback's row.
fn edit_life<T: serde::Serialize + serde::de::DeserializeOwned>(
    conn: &Connection,
    (table, created): (&str, u64),
    edit: &dyn Fn(&mut Row<T>),
) {
    let query = format!("SELECT last, version, due, flagged, body FROM {table} WHERE created = ?1");
    let row = conn.query_row(&query, [sql(created)], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (due, body): (Option<i64>, Vec<u8>) = (row.get(2)?, row.get(4)?);
        Ok(Row {
            created,
            last: number(0)?,
            version: number(1)?,
            body: serde_json::from_slice(&text_of(&body)).expect("a body"),
            tries: Tries::default(),
            due: due.map(LogTime::from_micros),
            flagged: row.get(3)?,
        })
    });
    let mut row = row.expect("the row is there");
    edit(&mut row);
    let update = format!(
        "UPDATE {table} SET created = ?2, last = ?3, version = ?4, due = ?5, flagged = ?6,
         body = ?7 WHERE created = ?1"
    );
    let due = row.due.map(LogTime::micros);
    let body = serde_json::to_vec(&row.body).expect("plain JSON");
    let (to, last, version) = (sql(row.created), sql(row.last), sql(row.version));
    let values = params![sql(created), to, last, version, due, row.flagged, body];
    conn.execute(&update, values).expect("updated");
}

#[async_trait]
impl Site for File {
    fn log(&self) -> Vec<LogRow> {
        let conn = self.sql();
        let mut all = conn
            .prepare("SELECT position, hash, text FROM log ORDER BY position")
            .expect("the table is there");
        let rows = all.query_map([], |row| {
            let position: i64 = row.get(0)?;
            Ok(LogRow {
                position: position.cast_unsigned(),
                hash: row.get(1)?,
                text: text_of(&row.get::<_, Vec<u8>>(2)?).into_owned(),
            })
        });
        rows.expect("rows")
            .collect::<Result<_, _>>()
            .expect("each row is read")
    }

    fn set_log(&mut self, log: Vec<LogRow>) {
        let conn = self.sql();
        conn.execute("DELETE FROM log", []).expect("deleted");
        for row in log {
            let values = params![sql(row.position), &row.hash[..], row.text];
            conn.execute("INSERT INTO log VALUES (?1, ?2, ?3)", values)
                .expect("inserted");
        }
    }

    fn head(&self) -> (u64, [u8; 32], u64) {
        let query = "SELECT position, hash, refusals FROM head";
        let head = self.sql().query_row(query, [], |row| {
            let (position, refusals): (i64, i64) = (row.get(0)?, row.get(2)?);
            Ok((
                position.cast_unsigned(),
                row.get(1)?,
                refusals.cast_unsigned(),
            ))
        });
        head.expect("the head is there")
    }

    fn set_head(&mut self, position: u64, hash: [u8; 32]) {
        let update = "UPDATE head SET position = ?1, hash = ?2";
        let done = self
            .sql()
            .execute(update, params![sql(position), &hash[..]]);
        done.expect("updated");
    }

    fn set_leases(&mut self, leases: Leases) {
        let text = serde_json::to_string(&leases).expect("plain JSON");
        let done = self.sql().execute("UPDATE head SET leases = ?1", [text]);
        done.expect("updated");
    }

    fn set_hold(&mut self, created: u64, row: Option<HoldRow>) {
        let conn = self.sql();
        let gone = conn.execute("DELETE FROM hold WHERE created = ?1", [sql(created)]);
        gone.expect("deleted");
        if let Some(row) = row {
            let body = serde_json::to_vec(&row.hold).expect("plain JSON");
            let (key, last, version) = (sql(row.created), sql(row.last), sql(row.version));
            let insert = "INSERT INTO hold(created, last, version, body) VALUES (?1, ?2, ?3, ?4)";
            conn.execute(insert, params![key, last, version, body])
                .expect("inserted");
        }
    }

    fn hold(&self, created: u64) -> HoldRow {
        let query = "SELECT last, version, body FROM hold WHERE created = ?1";
        let row = self.sql().query_row(query, [sql(created)], |row| {
            let (last, version): (i64, i64) = (row.get(0)?, row.get(1)?);
            let body: Vec<u8> = row.get(2)?;
            Ok(HoldRow {
                created,
                last: last.cast_unsigned(),
                version: version.cast_unsigned(),
                hold: serde_json::from_slice(&text_of(&body)).expect("a hold"),
            })
        });
        row.expect("the hold is there")
    }

    fn edit_sku(&mut self, id: &SkuId, edit: &dyn Fn(&mut SkuRow)) {
        let conn = self.sql();
        let query = "SELECT created, last, version, stock_last, stock_version, locations, body
            FROM sku WHERE id = ?1";
        let row = conn.query_row(query, [id.as_str()], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (locations, body): (String, Vec<u8>) = (row.get(5)?, row.get(6)?);
            Ok(SkuRow {
                created: number(0)?,
                last: number(1)?,
                version: number(2)?,
                stock_last: number(3)?,
                stock_version: number(4)?,
                locations: serde_json::from_str(&locations).expect("a list"),
                sku: serde_json::from_slice(&text_of(&body)).expect("an entry"),
            })
        });
        let mut row = row.expect("the SKU is there");
        edit(&mut row);
        let update = "UPDATE sku SET last = ?2, version = ?3, stock_last = ?4,
            stock_version = ?5, locations = ?6, body = ?7 WHERE id = ?1";
        let locations = serde_json::to_string(&row.locations).expect("plain JSON");
        let body = serde_json::to_vec(&row.sku).expect("plain JSON");
        let (last, version) = (sql(row.last), sql(row.version));
        let (stock_last, stock_version) = (sql(row.stock_last), sql(row.stock_version));
        let values = params![
            id.as_str(),
            last,
            version,
            stock_last,
            stock_version,
            locations,
            body
        ];
        conn.execute(update, values).expect("updated");
    }

    fn edit_token(&mut self, edit: &dyn Fn(&mut TokenRow)) {
        let conn = self.sql();
        let query = "SELECT created, last, version, secret, body FROM token";
        let row = conn.query_row(query, [], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let body: Vec<u8> = row.get(4)?;
            Ok(TokenRow {
                created: number(0)?,
                last: number(1)?,
                version: number(2)?,
                secret: row.get(3)?,
                token: serde_json::from_slice(&text_of(&body)).expect("a token"),
            })
        });
        let mut row = row.expect("a token is there");
        edit(&mut row);
        let body = serde_json::to_vec(&row.token).expect("plain JSON");
        let values = params![sql(row.last), sql(row.version), body];
        let update = "UPDATE token SET last = ?1, version = ?2, body = ?3";
        conn.execute(update, values).expect("updated");
    }

    fn set_balance(&mut self, sku: &SkuId, balances: Option<Balances>) {
        let conn = self.sql();
        let place = "(SELECT id FROM place WHERE sku = ?1 AND location = 'main')";
        let done = match balances {
            Some(balances) => {
                let update = format!("UPDATE balance SET accounts = ?2 WHERE place = {place}");
                conn.execute(&update, params![sku.as_str(), zigzag(balances)])
            }
            None => {
                let delete = format!("DELETE FROM balance WHERE place = {place}");
                conn.execute(&delete, [sku.as_str()])
            }
        };
        assert_eq!(done.expect("the statement is right"), 1);
    }

    fn set_share(&mut self, (sku, customer): &Share, units: Option<u64>) {
        let (sku, customer) = (sku.as_str(), customer.as_str());
        let done = match units {
            Some(units) => {
                let put = "INSERT OR REPLACE INTO share VALUES (?1, ?2, ?3)";
                self.sql().execute(put, params![sku, customer, sql(units)])
            }
            None => {
                let delete = "DELETE FROM share WHERE sku = ?1 AND customer = ?2";
                self.sql().execute(delete, [sku, customer])
            }
        };
        assert_eq!(done.expect("the statement is right"), 1);
    }

    fn balance(&self, sku: &SkuId) -> Balances {
        let query = "SELECT accounts FROM balance JOIN place ON place.id = place
            WHERE sku = ?1 AND location = 'main'";
        let bytes: Vec<u8> = self
            .sql()
            .query_row(query, [sku.as_str()], |row| row.get(0))
            .expect("the place has units");
        let mut accounts = [0_i64; 7];
        let mut rest = bytes.iter();
        for account in &mut accounts {
            let (mut value, mut shift) = (0_u64, 0);
            for byte in rest.by_ref() {
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            *account = (value >> 1).cast_signed() ^ -((value & 1).cast_signed());
        }
        Balances::from_raw(accounts)
    }

    /// Builds the index again without the name, all in runs, and puts it in place of the old one.
    fn remove_name(&mut self, name: Name) {
        let mut entries = self.names();
        let before = entries.len();
        entries.retain(|(each, _)| *each != name);
        assert_eq!(entries.len() + 1, before, "the name is there");
        let (position, _, refusal) = self.head();
        let fresh = self.path().join("fresh.db");
        let mut conn = Connection::open(&fresh).expect("a fresh file");
        conn.execute_batch(Names::SCHEMA)
            .expect("the tables are made");
        let mut names = Names::open(&conn, NAMES).expect("an empty index");
        let mark = Mark { position, refusal };
        names.insert(entries.into_iter(), mark);
        while names.covered() != mark {
            let tx = conn.transaction().expect("it begins");
            names.write_some(&tx, 100).expect("runs are written");
            tx.commit().expect("committed");
            names.committed();
        }
        drop(conn);
        let conn = self.sql();
        let attach = format!("ATTACH '{}' AS fresh", fresh.display());
        conn.execute_batch(&attach).expect("attached");
        for table in [
            "run_keeper",
            "run",
            "run_part",
            "run_0",
            "run_1",
            "run_2",
            "run_3",
            "run_4",
        ] {
            let copy = format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM fresh.{table};"
            );
            conn.execute_batch(&copy).expect("copied");
        }
    }

    fn remove_refusal(&mut self, number: u64) {
        self.change(&format!("DELETE FROM refusal WHERE number = {number}"));
    }

    fn edit_order(&mut self, created: u64, edit: &dyn Fn(&mut OrderRow)) {
        edit_life(&self.sql(), ("order_row", created), edit);
    }

    fn edit_callback(&mut self, created: u64, edit: &dyn Fn(&mut CallbackRow)) {
        edit_life(&self.sql(), ("callback", created), edit);
    }

    fn edit_cart(&mut self, created: u64, edit: &dyn Fn(&mut CartRow)) {
        edit_life(&self.sql(), ("cart", created), edit);
    }

    fn edit_subscription(
        &mut self,
        id: &str,
        edit: &dyn Fn(SubscriptionRow) -> Option<SubscriptionRow>,
    ) {
        let conn = self.sql();
        let query = "SELECT created, last, version, body, progress FROM subscription WHERE id = ?1";
        let row = conn.query_row(query, [id], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (body, progress): (Vec<u8>, Vec<u8>) = (row.get(3)?, row.get(4)?);
            Ok(SubscriptionRow {
                created: number(0)?,
                last: number(1)?,
                version: number(2)?,
                body: serde_json::from_slice(&text_of(&body)).expect("a subscription"),
                progress: serde_json::from_slice(&text_of(&progress)).expect("progress"),
            })
        });
        let row = edit(row.expect("the subscription is there"));
        let gone = conn.execute("DELETE FROM subscription WHERE id = ?1", [id]);
        gone.expect("deleted");
        if let Some(row) = row {
            let body = serde_json::to_vec(&row.body).expect("plain JSON");
            let progress = serde_json::to_vec(&row.progress).expect("plain JSON");
            let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
            let values = params![created, row.body.id.as_str(), last, version, body, progress];
            let insert = "INSERT INTO subscription VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            conn.execute(insert, values).expect("inserted");
        }
    }

    fn remove_life(&mut self, created: u64) {
        let gone = ["order_row", "cart", "callback"].map(|table| {
            let delete = format!("DELETE FROM {table} WHERE created = ?1");
            self.sql().execute(&delete, [sql(created)]).expect("done")
        });
        assert_eq!(gone.iter().sum::<usize>(), 1, "a row is there");
    }

    fn set_private(&mut self, position: u64, text: Option<&str>) {
        let id = sql(position * 256);
        let conn = self.sql();
        let done = match text {
            Some(text) => {
                let update = "UPDATE private SET text = ?2 WHERE id = ?1";
                conn.execute(update, params![id, text])
            }
            None => conn.execute("DELETE FROM private WHERE id = ?1", [id]),
        };
        assert_eq!(done.expect("done"), 1, "the text is there");
    }

    fn erase_private(&mut self, position: u64, at: LogTime) {
        let update = "UPDATE private SET text = '', erased_at = ?2 WHERE id = ?1";
        let values = params![sql(position * 256), at.micros()];
        let done = self.sql().execute(update, values);
        assert_eq!(done.expect("done"), 1, "the text is there");
    }

    fn open(&self) -> Result<Arc<dyn Store>, Fault> {
        Ok(Arc::new(SqliteStore::open_read_only(
            self.path(),
            self.names,
        )?))
    }
}

impl File {
    /// Every name that log and refusals make.
    fn names(&self) -> Vec<(Name, Entry)> {
        const REFUSAL: u64 = 1 << 63;
        let mut all = Vec::new();
        for row in self.log() {
            let entry = evenkeel_engine::chain::Entry::read(&row.text).expect("readable");
            let at = row.position;
            if let Some((name, fingerprint)) = entry.key() {
                all.push((name, Entry { at, fingerprint }));
            }
            for event in &entry.events {
                let name = match event.stream.split_once(':') {
                    Some(("hold", id)) => hold_name(&super::shop::hold(id)),
                    Some(("order", id)) => order_name(&super::trade::order(id)),
                    Some(("cart", id)) => cart_name(&CartId::new(id).expect("a well-formed id")),
                    _ => continue,
                };
                if event.version == 1 {
                    let fingerprint = [0; 16];
                    all.push((name, Entry { at, fingerprint }));
                }
            }
        }
        let conn = self.sql();
        let mut refusals = conn
            .prepare("SELECT number, name, fingerprint FROM refusal")
            .expect("the table is there");
        let rows = refusals.query_map([], |row| {
            let number: i64 = row.get(0)?;
            let at = number.cast_unsigned() | REFUSAL;
            let fingerprint = row.get(2)?;
            Ok((row.get(1)?, Entry { at, fingerprint }))
        });
        all.extend(
            rows.expect("rows")
                .map(|row| row.expect("each row is read")),
        );
        all
    }
}
