//! Tables, indexes and SQL views of the read models.
//!
//! Each projection's tables carry the number of their set, so that two sets stand side by side
//! while one is built; the SQL views that people read are made over the live ones in the same
//! transaction that makes them live. There are no migrations: rows of another shape or of another
//! log are deleted and folded again.

use crate::port::{Fault, Head, Projection};
use crate::store::postgres::fault::fault;
use crate::store::postgres::rows::{get, small, sql};
use crate::store::postgres::session::Session;
use crate::store::reports::{Dialect, sql_views};

/// The shape that this build reads and writes.
const SHAPE: i64 = 2;
/// The advisory lock of those who make these tables: "evenkvws" in ASCII.
const MAKING: i64 = 0x6576_656e_6b76_7773;

const BASE: &str = r#"
CREATE TABLE view_meta(id smallint PRIMARY KEY CHECK (id = 1), shape bigint NOT NULL,
  log text NOT NULL, salt bytea NOT NULL, incarnation bigint NOT NULL, sets bigint NOT NULL,
  passed bigint);
CREATE TABLE lineage(incarnation bigint PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE projection(name text PRIMARY KEY, live bigint NOT NULL, checkpoint bigint NOT NULL,
  building bigint, built bigint NOT NULL) WITH (fillfactor = 30);
CREATE TABLE set_aside(projection text NOT NULL, number bigint NOT NULL, position bigint NOT NULL,
  idx bigint NOT NULL, why text NOT NULL, PRIMARY KEY (projection, number, position, idx));
CREATE TABLE parked(id text COLLATE "C" NOT NULL, position bigint NOT NULL,
  attempts bigint NOT NULL, cause text NOT NULL, PRIMARY KEY (id, position));
CREATE TABLE passage(position bigint PRIMARY KEY, at bigint);
"#;

/// The tables and indexes of a projection; `{n}` is the number of the set.
const fn tables(projection: Projection) -> &'static str {
    match projection {
        Projection::Orders => {
            r#"CREATE TABLE order_row_{n}(created bigint PRIMARY KEY,
                 id text COLLATE "C" NOT NULL UNIQUE, last bigint NOT NULL,
                 version bigint NOT NULL, updated bigint NOT NULL, paid_at bigint, due bigint,
                 customer text COLLATE "C" NOT NULL, status text COLLATE "C" NOT NULL,
                 payment text COLLATE "C" NOT NULL, shipment text COLLATE "C",
                 at bigint NOT NULL, total bigint NOT NULL, currency text NOT NULL,
                 transaction_id text, amount bigint NOT NULL, body text NOT NULL)
                 WITH (fillfactor = 70);
               CREATE TABLE order_line_{n}(sku text COLLATE "C" NOT NULL, created bigint NOT NULL,
                 line bigint NOT NULL, again boolean NOT NULL, quantity bigint NOT NULL,
                 price bigint NOT NULL, PRIMARY KEY (created, line));
               CREATE INDEX order_sku_{n} ON order_line_{n}(sku, created) WHERE NOT again;
               CREATE INDEX order_at_{n} ON order_row_{n}(at);
               CREATE INDEX order_customer_{n} ON order_row_{n}(customer, created);
               CREATE INDEX order_status_{n} ON order_row_{n}(status, created);
               CREATE INDEX order_payment_{n} ON order_row_{n}(payment, created);
               CREATE INDEX order_shipment_{n} ON order_row_{n}(shipment, created)
                 WHERE shipment IS NOT NULL;"#
        }
        Projection::Holds => {
            r#"CREATE TABLE hold_row_{n}(created bigint PRIMARY KEY,
                 id text COLLATE "C" NOT NULL UNIQUE, last bigint NOT NULL,
                 version bigint NOT NULL, customer text COLLATE "C" NOT NULL,
                 state text COLLATE "C" NOT NULL, body text NOT NULL) WITH (fillfactor = 70);
               CREATE TABLE hold_line_{n}(sku text COLLATE "C" NOT NULL, created bigint NOT NULL,
                 PRIMARY KEY (created, sku));
               CREATE INDEX hold_sku_{n} ON hold_line_{n}(sku, created);
               CREATE INDEX hold_customer_{n} ON hold_row_{n}(customer, created);
               CREATE INDEX hold_state_{n} ON hold_row_{n}(state, created);"#
        }
        Projection::Stock => {
            r#"CREATE TABLE sku_row_{n}(created bigint PRIMARY KEY,
                 id text COLLATE "C" NOT NULL UNIQUE, last bigint NOT NULL,
                 version bigint NOT NULL, stock_last bigint NOT NULL,
                 stock_version bigint NOT NULL, locations text NOT NULL, body text NOT NULL)
                 WITH (fillfactor = 50);
               CREATE TABLE balance_{n}(sku text COLLATE "C" NOT NULL,
                 location text COLLATE "C" NOT NULL, supply bigint NOT NULL,
                 available bigint NOT NULL, held bigint NOT NULL, sold bigint NOT NULL,
                 shipped bigint NOT NULL, returned bigint NOT NULL, written_off bigint NOT NULL,
                 PRIMARY KEY (sku, location)) WITH (fillfactor = 50);"#
        }
        Projection::Audit => {
            r#"CREATE TABLE audit_{n}(position bigint NOT NULL, idx bigint NOT NULL,
                 at bigint NOT NULL, sku text COLLATE "C" NOT NULL,
                 location text COLLATE "C" NOT NULL, operation text NOT NULL, word text NOT NULL,
                 quantity bigint NOT NULL, ref text COLLATE "C" NOT NULL,
                 PRIMARY KEY (position, idx));
               CREATE INDEX audit_sku_{n} ON audit_{n}(sku, position, idx);
               CREATE INDEX audit_ref_{n} ON audit_{n}(ref, position, idx);"#
        }
        Projection::Outbox => {
            r#"CREATE TABLE outbox_{n}(position bigint NOT NULL, idx bigint NOT NULL,
                 at bigint NOT NULL, id text COLLATE "C" NOT NULL, type text NOT NULL,
                 payload text NOT NULL, PRIMARY KEY (position, idx));"#
        }
    }
}

/// What deletes a set; the SQL views over it go too.
const fn drops(projection: Projection) -> &'static str {
    match projection {
        Projection::Orders => "DROP TABLE IF EXISTS order_row_{n}, order_line_{n} CASCADE;",
        Projection::Holds => "DROP TABLE IF EXISTS hold_row_{n}, hold_line_{n} CASCADE;",
        Projection::Stock => "DROP TABLE IF EXISTS sku_row_{n}, balance_{n} CASCADE;",
        Projection::Audit => "DROP TABLE IF EXISTS audit_{n} CASCADE;",
        Projection::Outbox => "DROP TABLE IF EXISTS outbox_{n} CASCADE;",
    }
}

const DIALECT: Dialect = Dialect {
    time: r#"to_char(to_timestamp({t} / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
        || '.' || lpad((({t} / 1000) % 1000)::text, 3, '0') || 'Z'"#,
    meta: "view_meta",
};

/// Runs statements about one set.
async fn run(session: &Session, statements: &str, number: i64) -> Result<(), Fault> {
    let statements = statements.replace("{n}", &number.to_string());
    session.run(&statements).await
}

/// Makes the tables of a set.
pub(super) async fn make(session: &Session, of: Projection, number: i64) -> Result<(), Fault> {
    run(session, tables(of), number).await
}

/// Makes the SQL views over a set.
pub(super) async fn show(session: &Session, of: Projection, number: i64) -> Result<(), Fault> {
    run(session, &sql_views(of, &DIALECT), number).await
}

/// Deletes a set with what was set aside for it.
pub(super) async fn delete(session: &Session, of: Projection, number: i64) -> Result<(), Fault> {
    run(session, drops(of), number).await?;
    const QUERY: &str = "DELETE FROM set_aside WHERE projection = $1 AND number = $2";
    let deleted = session
        .client()
        .execute(QUERY, &[&of.name(), &number])
        .await;
    deleted.map_err(|error| fault(&error))?;
    Ok(())
}

/// Whether the tables have this build's shape and belong to this log.
pub(super) async fn is_ours(session: &Session, head: &Head) -> Result<bool, Fault> {
    const THERE: &str = "SELECT to_regclass('view_meta') IS NOT NULL";
    const QUERY: &str = "SELECT shape, log, salt, incarnation FROM view_meta WHERE id = 1";
    let row = session.client().query_one(THERE, &[]).await;
    if !get::<bool>(&row.map_err(|error| fault(&error))?, 0)? {
        return Ok(false);
    }
    let row = session.client().query_opt(QUERY, &[]).await;
    let Some(row) = row.map_err(|error| fault(&error))? else {
        return Ok(false);
    };
    Ok(get::<i64>(&row, 0)? == SHAPE
        && get::<&str>(&row, 1)? == head.log
        && get::<&[u8]>(&row, 2)? == head.salt
        && small(&row, 3)? == head.incarnation)
}

/// Makes all tables, empty, unless they are there; of nodes that start at once, one does.
pub(super) async fn found(session: &Session, head: &Head) -> Result<(), Fault> {
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({MAKING})");
    session.run(&begin).await?;
    let made = found_locked(session, head).await;
    let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
    session.run(end).await?;
    made
}

async fn found_locked(session: &Session, head: &Head) -> Result<(), Fault> {
    if is_ours(session, head).await? {
        return Ok(());
    }
    forget(session).await?;
    session.run(BASE).await?;
    const META: &str = "INSERT INTO view_meta(id, shape, log, salt, incarnation, sets)
        VALUES (1, $1, $2, $3, $4, 1)";
    let incarnation = i64::from(head.incarnation);
    let written = session
        .client()
        .execute(META, &[&SHAPE, &head.log, &&head.salt[..], &incarnation])
        .await;
    written.map_err(|error| fault(&error))?;
    for ended in &head.ended {
        const QUERY: &str = "INSERT INTO lineage(incarnation, last) VALUES ($1, $2)";
        let row = (i64::from(ended.incarnation), sql(ended.last));
        let added = session.client().execute(QUERY, &[&row.0, &row.1]).await;
        added.map_err(|error| fault(&error))?;
    }
    for projection in Projection::ALL {
        make(session, projection, 1).await?;
        show(session, projection, 1).await?;
        const QUERY: &str = "INSERT INTO projection(name, live, checkpoint, built)
            VALUES ($1, 1, 0, 0)";
        let name = projection.name();
        let added = session.client().execute(QUERY, &[&name]).await;
        added.map_err(|error| fault(&error))?;
    }
    Ok(())
}

/// Deletes what another build or another log left.
async fn forget(session: &Session) -> Result<(), Fault> {
    const SETS: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()
        AND tablename ~ ('^(order_row|order_line|hold_row|hold_line|sku_row|balance|audit|outbox)'
          || '_[0-9]+$')";
    let sets = session.client().query(SETS, &[]).await;
    for row in sets.map_err(|error| fault(&error))? {
        let table: String = get(&row, 0)?;
        session.run(&format!("DROP TABLE {table} CASCADE")).await?;
    }
    session
        .run(
            "DROP TABLE IF EXISTS view_meta, lineage, projection, set_aside, parked, passage
               CASCADE",
        )
        .await
}
