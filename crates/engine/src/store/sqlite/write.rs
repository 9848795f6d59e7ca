//! Writing a batch: the locked writer's half of the store.

use super::fault::{fault, of_commit};
use super::names;
use super::rows::{self, sql};
use super::squeeze::{plain, squeeze};
use super::{
    Inner, REFUSAL, Writer, balances, life, private, shares, subscriptions, timers, upkeep,
};
use crate::commit::{Name, Rejection, cart_name, hold_name, order_name, saga_name};
use crate::meter::{SPANS, timed};
use crate::port::{
    Fault, HoldWrite, KeyRow, Locked, Map, Mark, SkuWrite, TokenWrite, Touch, View, Writes,
};
use async_trait::async_trait;
use evenkeel_rules::ids::HoldId;
use rusqlite::{Connection, params};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OwnedMutexGuard;

/// What a batch did beside its rows; it counts once the batch is committed.
struct Staged {
    timers: timers::Staged,
    dues: timers::Staged,
    balances: balances::Staged,
}

/// The locked store. Dropped, it rolls back.
pub(super) struct SqliteLock {
    inner: Arc<Inner>,
    writer: OwnedMutexGuard<Writer>,
    open: bool,
    /// Names that were looked up and are not known, and whether this batch took them.
    absent: Map<Name, bool>,
}

impl Drop for SqliteLock {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.writer.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a batch could not be rolled back");
        }
    }
}

/// Locks the head, brings names up to it, and reads what the batch touches.
pub(super) fn lock(
    inner: Arc<Inner>,
    writer: OwnedMutexGuard<Writer>,
    touch: &Touch,
) -> Result<(SqliteLock, View), Fault> {
    if let Some(checkpoints) = &writer.checkpoints {
        checkpoints.between_batches(&writer.conn)?;
    }
    writer
        .conn
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(fault)?;
    let mut lock = SqliteLock {
        inner,
        writer,
        open: true,
        absent: Map::default(),
    };
    let view = lock.view(touch)?;
    Ok((lock, view))
}

/// What the name index says of a key.
pub(super) fn key_row(
    conn: &Connection,
    entry: Option<names::Entry>,
) -> Result<Option<KeyRow>, Fault> {
    let Some(names::Entry { at, fingerprint }) = entry else {
        return Ok(None);
    };
    if at & REFUSAL == 0 {
        return Ok(Some(KeyRow {
            mark: Mark::Position(at),
            fingerprint,
        }));
    }
    let number = at & !REFUSAL;
    let row = rows::refusals(conn, number, 1)?
        .into_iter()
        .find(|row| row.number == number);
    let row = row.ok_or_else(|| Fault::Corrupt(format!("refusal {number} is gone")))?;
    let said: Rejection = serde_json::from_str(&row.text)
        .map_err(|error| Fault::Corrupt(format!("refusal {number}: {error}")))?;
    Ok(Some(KeyRow {
        mark: Mark::Refusal(number, said),
        fingerprint,
    }))
}

/// The row of a hold found by name; a name whose row is another hold's is damage, not absence.
pub(super) fn hold_of(
    conn: &Connection,
    id: &HoldId,
    entry: Option<names::Entry>,
) -> Result<Option<crate::port::HoldRow>, Fault> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    match rows::hold(conn, entry.at)? {
        Some(row) if row.hold.id == *id => Ok(Some(row)),
        Some(_) | None => Err(Fault::Corrupt(format!("the row of hold {id} is gone"))),
    }
}

impl SqliteLock {
    fn view(&mut self, touch: &Touch) -> Result<View, Fault> {
        let Writer { conn, balances, .. } = &mut *self.writer;
        let mut view = View::new(rows::head(conn)?);
        balances.refresh(conn, view.head.position)?;
        let mut names = self.inner.names.lock();
        self.inner.catch_up(&mut names, conn)?;
        let mut look = |name: Name| {
            let entry = names.get(conn, &name).map_err(fault)?;
            if entry.is_none() {
                self.absent.insert(name, false);
            }
            Ok::<_, Fault>(entry)
        };
        for name in &touch.keys {
            let entry = look(*name)?;
            view.keys.insert(*name, key_row(conn, entry)?);
        }
        for id in &touch.holds {
            let entry = look(hold_name(id))?;
            view.holds.insert(id.clone(), hold_of(conn, id, entry)?);
        }
        for id in &touch.orders {
            let entry = look(order_name(id))?;
            let row = life::order_of(conn, id, entry)?;
            view.orders.insert(id.clone(), row);
        }
        for id in &touch.sagas {
            let entry = look(saga_name(id))?;
            let row = life::saga_of(conn, id, entry)?;
            view.sagas.insert(id.clone(), row);
        }
        for id in &touch.carts {
            let entry = look(cart_name(id))?;
            let row = life::cart_of(conn, id, entry)?;
            view.carts.insert(id.clone(), row);
        }
        drop(names);
        for created in &touch.callbacks {
            let row = life::row(conn, *created)?;
            view.callbacks.insert(*created, row);
        }
        for id in &touch.tokens {
            view.tokens.insert(id.clone(), rows::token(conn, id)?);
        }
        for id in &touch.subscriptions {
            let row = subscriptions::subscription(conn, id)?;
            view.subscriptions.insert(id.clone(), row);
        }
        for share in &touch.shares {
            let units = shares::share(conn, share)?;
            view.shares.insert(share.clone(), units);
        }
        let moved = !view.confirms(touch.exact_at);
        for wanted in [Some(&touch.rows), moved.then_some(&touch.cached)]
            .into_iter()
            .flatten()
        {
            for id in &wanted.skus {
                view.skus.insert(id.clone(), rows::sku(conn, id)?);
            }
            for place in &wanted.balances {
                let balances = balances.stands(conn, place)?;
                view.balances.insert(place.clone(), balances);
            }
        }
        if let Some(until) = touch.front {
            let mut timers = self.inner.timers.lock();
            let most = (until.max(view.head.time), touch.front_max());
            view.front = Some(timers.due(conn, most, |at| rows::due_hold(conn, at))?);
        }
        Ok(view)
    }

    /// A name is taken once: what is new now was not known when the batch was locked.
    fn take_names(&mut self, writes: &Writes) -> Result<(), Fault> {
        for (name, entry) in new_names(writes) {
            let taken = match self.absent.get(&name) {
                Some(taken) => *taken,
                None => {
                    let names = self.inner.names.lock();
                    names
                        .get(&self.writer.conn, &name)
                        .map_err(fault)?
                        .is_some()
                }
            };
            if taken {
                let what = format!("a name of {} is taken", entry.at & !REFUSAL);
                return Err(Fault::Corrupt(what));
            }
            self.absent.insert(name, true);
        }
        Ok(())
    }

    fn write(&mut self, writes: &Writes) -> Result<Staged, Fault> {
        self.take_names(writes)?;
        let writer = &mut *self.writer;
        let conn = &writer.conn;
        // Holds alone come in floods and are small; an order leaves many texts.
        let about_orders =
            !(writes.orders.is_empty() && writes.sagas.is_empty() && writes.callbacks.is_empty());
        let keep: Keep = if about_orders { squeeze } else { plain };
        {
            const INSERT: &str = "INSERT INTO log(position, hash, text) VALUES (?1, ?2, ?3)";
            let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
            for row in &writes.log {
                let text = &*keep(&row.text);
                let written = params![sql(row.position), &row.hash[..], text];
                insert.execute(written).map_err(fault)?;
            }
        }
        write_holds(conn, &writes.holds, keep)?;
        write_skus(conn, &writes.skus)?;
        shares::write(conn, &writes.shares)?;
        write_tokens(conn, &writes.tokens)?;
        {
            const INSERT: &str = "INSERT INTO refusal(number, name, fingerprint, text)
                VALUES (?1, ?2, ?3, ?4)";
            let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
            for row in &writes.refusals {
                let (name, fingerprint) = (&row.name[..], &row.fingerprint[..]);
                let written = params![sql(row.number), name, fingerprint, row.text];
                insert.execute(written).map_err(fault)?;
            }
        }
        life::write(conn, &writes.orders)?;
        life::write(conn, &writes.sagas)?;
        life::write(conn, &writes.carts)?;
        life::write(conn, &writes.callbacks)?;
        subscriptions::write(conn, &writes.subscriptions)?;
        let now = writes.head.time;
        private::write(conn, &writes.private)?;
        private::erase(conn, &writes.erased, now)?;
        let timers = self.inner.timers.lock().write(conn, now, &writes.timers)?;
        let dues = self.inner.dues.lock().write(conn, now, &writes.dues)?;
        let balances = &mut writer.balances;
        let balances = balances.write(conn, writes.head.position, &writes.balances)?;
        upkeep::write(conn, &writes.upkeep)?;
        write_head(conn, writes)?;
        let budget = (writes.log.len() / 10).max(8);
        self.inner
            .names
            .lock()
            .write_some(conn, budget)
            .map_err(fault)?;
        Ok(Staged {
            timers,
            dues,
            balances,
        })
    }

    /// What is done in memory once the batch is on disk.
    fn committed(&mut self, writes: &Writes, staged: Staged) -> Result<(), Fault> {
        let position = writes.head.position;
        self.writer.balances.committed(position, staged.balances);
        let mut names = self.inner.names.lock();
        names.committed();
        let (was, now) = marks(writes);
        if names.known() == was {
            names.insert(new_names(writes), now);
        } else if !names.known().reaches(now) {
            self.inner.catch_up(&mut names, &self.writer.conn)?;
        }
        drop(names);
        self.inner.known_to.fetch_max(position, Ordering::Release);
        let mut timers = self.inner.timers.lock();
        timers.committed(&writes.timers, staged.timers);
        timers.drop_ended(writes.holds.iter().filter_map(rows::ended_timer));
        drop(timers);
        self.inner.dues.lock().committed(&writes.dues, staged.dues);
        Ok(())
    }
}

fn marks(writes: &Writes) -> (names::Mark, names::Mark) {
    let refused = writes.refusals.len() as u64;
    let refusal = writes.head.refusals;
    let was = names::Mark {
        position: writes.was,
        refusal: refusal - refused,
    };
    (
        was,
        names::Mark {
            position: writes.head.position,
            refusal,
        },
    )
}

fn new_names(writes: &Writes) -> impl Iterator<Item = (names::Name, names::Entry)> {
    let of_log = writes.names.iter().map(|write| {
        let (at, fingerprint) = (write.position, write.fingerprint);
        (write.name, names::Entry { at, fingerprint })
    });
    let of_refusals = writes.refusals.iter().map(|row| {
        let (at, fingerprint) = (row.number | REFUSAL, row.fingerprint);
        (row.name, names::Entry { at, fingerprint })
    });
    of_log.chain(of_refusals)
}

/// One row must have changed: another count means that the row is not as it was read.
pub(super) fn one(count: usize, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if count == 1 {
        Ok(())
    } else {
        Err(Fault::Corrupt(what()))
    }
}

/// How texts are kept.
type Keep = fn(&[u8]) -> Cow<'_, [u8]>;

fn write_holds(conn: &Connection, holds: &[HoldWrite], keep: Keep) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO hold(created, last, version, body) VALUES (?1, ?2, ?3, ?4)";
    const UPDATE: &str = "UPDATE hold SET last = ?2, version = ?3, body = ?4
        WHERE created = ?1 AND version = ?5";
    let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
    let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
    for HoldWrite { row, body, was } in holds {
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let body = &*keep(body);
        let count = match was {
            None => insert.execute(params![created, last, version, body]),
            Some(was) => update.execute(params![created, last, version, body, sql(*was)]),
        };
        let what = || format!("hold {} has another version", row.hold.id);
        one(count.map_err(fault)?, what)?;
    }
    Ok(())
}

fn write_skus(conn: &Connection, skus: &[SkuWrite]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO sku(created, id, last, version, stock_last, stock_version,
        locations, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    const UPDATE: &str = "UPDATE sku SET last = ?3, version = ?4, stock_last = ?5,
        stock_version = ?6, locations = ?7, body = ?8
        WHERE created = ?1 AND id = ?2 AND version = ?9 AND stock_version = ?10";
    for SkuWrite { row, was } in skus {
        let id = row.sku.terms.sku.as_str();
        let locations = serde_json::to_string(&row.locations).expect("ids are plain JSON");
        let body = serde_json::to_vec(&row.sku).expect("an entry is plain JSON");
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let (stock_last, stock_version) = (sql(row.stock_last), sql(row.stock_version));
        let count = match was {
            None => conn.prepare_cached(INSERT).map_err(fault)?.execute(params![
                created,
                id,
                last,
                version,
                stock_last,
                stock_version,
                locations,
                body
            ]),
            Some((was, stock_was)) => conn.prepare_cached(UPDATE).map_err(fault)?.execute(params![
                created,
                id,
                last,
                version,
                stock_last,
                stock_version,
                locations,
                body,
                sql(*was),
                sql(*stock_was)
            ]),
        };
        one(count.map_err(fault)?, || {
            format!("{id} has another version")
        })?;
    }
    Ok(())
}

fn write_tokens(conn: &Connection, tokens: &[TokenWrite]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO token(created, id, secret, last, version, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    const UPDATE: &str = "UPDATE token SET last = ?2, version = ?3, body = ?4
        WHERE created = ?1 AND version = ?5";
    for TokenWrite { row, was } in tokens {
        let body = serde_json::to_vec(&row.token).expect("a token is plain JSON");
        let (created, last, version) = (sql(row.created), sql(row.last), sql(row.version));
        let count = match was {
            None => {
                let (id, secret) = (row.token.id.as_str(), &row.secret[..]);
                let mut insert = conn.prepare_cached(INSERT).map_err(fault)?;
                insert.execute(params![created, id, secret, last, version, body])
            }
            Some(was) => {
                let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
                update.execute(params![created, last, version, body, sql(*was)])
            }
        };
        let what = || format!("token {} has another version", row.token.id);
        one(count.map_err(fault)?, what)?;
    }
    Ok(())
}

fn write_head(conn: &Connection, writes: &Writes) -> Result<(), Fault> {
    const UPDATE: &str = "UPDATE head SET position = ?1, hash = ?2, time = ?3, refusals = ?4,
        batches = ?5, leases = ?7, format = ?8, floor = ?9, incarnation = ?10, ended = ?11
        WHERE id = 1 AND position = ?6";
    let head = &writes.head;
    let mut update = conn.prepare_cached(UPDATE).map_err(fault)?;
    let count = update
        .execute(params![
            sql(head.position),
            &head.hash[..],
            head.time.micros(),
            sql(head.refusals),
            crate::store::head::batches(&head.batches),
            sql(writes.was),
            crate::store::head::json(&head.leases),
            head.format,
            sql(head.floor),
            head.incarnation,
            crate::store::head::json(&head.ended)
        ])
        .map_err(fault)?;
    one(count, || {
        format!("the head does not stand at {}", writes.was)
    })
}

#[async_trait]
impl Locked for SqliteLock {
    async fn finish(mut self: Box<Self>, writes: &Writes) -> Result<(), Fault> {
        let staged = match self.write(writes) {
            Ok(staged) => staged,
            Err(fault) => {
                self.inner.names.lock().rolled_back();
                return Err(fault);
            }
        };
        let commit = || {
            let _span = tracing::trace_span!(target: SPANS, "sync").entered();
            self.writer.conn.execute_batch("COMMIT")
        };
        if let Err(error) = timed(&self.inner.syncs, commit) {
            self.inner.names.lock().rolled_back();
            return Err(of_commit(error));
        }
        self.open = false;
        // The batch is durable: what fails from here on is not the batch's failure.
        if let Err(fault) = self.committed(writes, staged) {
            tracing::error!(%fault, "a durable batch could not be noted in memory");
        }
        Ok(())
    }
}
