//! A whole store copied into an empty one, of whatever kind: the same log, the same rows.
//!
//! The log is read from its first row, segments included, and written page by page with the names
//! that its rows made and the private texts beside them; then final refusals; then every state row
//! as it stands. Nothing is judged anew, so the chain stays what it was. Until the last write the
//! head of the copy says a format that no program knows: nobody serves a store that is half there.

use crate::chain::Entry;
use crate::commit::Timer;
use crate::port::{
    BalanceWrite, Fault, Head, HoldWrite, Ids, NameWrite, PrivateRow, Row, RowWrite, ShareWrite,
    SkuWrite, Store, SubscriptionWrite, TokenWrite, Touch, Writes,
};
use crate::verify::may_make_private;
use evenkeel_rules::hold::State;
use std::collections::VecDeque;

/// Rows of one write.
const PAGE: usize = 1_000;
/// The format that the head of a copy says as long as it is not whole.
pub const UNFINISHED: u32 = i32::MAX.cast_unsigned();

/// A copy that has everything but its head's true format.
#[derive(Debug)]
pub struct Filled {
    /// The head of the store that was copied.
    source: Head,
    /// The copy's, as it stands.
    head: Head,
}

/// Copies a store to which nobody writes meanwhile into an empty one with the identity of its log.
///
/// # Errors
/// [`Fault::Conflict`] if the other is not empty, or of another log; else a [`Fault`] of either.
/// What was written stays there, and is served by nobody.
pub async fn fill(from: &dyn Store, to: &dyn Store, ids: &dyn Ids) -> Result<Filled, Fault> {
    let (source, head) = (from.head().await?, to.head().await?);
    let of = |head: &Head| (head.log.clone(), head.salt, head.incarnation);
    if of(&source) != of(&head) || head.position > 0 || head.refusals > 0 {
        return Err(Fault::Conflict);
    }
    let mut copy = Copy {
        from,
        to,
        ids,
        head,
        floor: source.floor,
    };
    copy.log(source.position).await?;
    copy.refusals().await?;
    copy.skus().await?;
    copy.holds().await?;
    copy.orders().await?;
    copy.others().await?;
    copy.rest().await?;
    let head = copy.head;
    Ok(Filled { source, head })
}

impl Filled {
    /// The last write: from here on the copy can be served. The head of both.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn finish(self, to: &dyn Store, ids: &dyn Ids) -> Result<Head, Fault> {
        let mut writes = Writes::onto(self.head);
        writes.head = Head {
            batches: VecDeque::from([ids.random()]),
            ..self.source
        };
        let (lock, _) = to.lock(&Touch::default()).await?;
        lock.finish(&writes).await?;
        Ok(writes.head)
    }
}

struct Copy<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    ids: &'a dyn Ids,
    /// The copy's head.
    head: Head,
    /// Log rows below it stand in segments, which the copy shares.
    floor: u64,
}

impl Copy<'_> {
    async fn put(&mut self, edit: impl FnOnce(&mut Writes) + Send) -> Result<(), Fault> {
        let mut writes = Writes::onto(self.head.clone());
        writes.head.format = UNFINISHED;
        writes.head.batches = VecDeque::from([self.ids.random()]);
        edit(&mut writes);
        let (lock, _) = self.to.lock(&Touch::default()).await?;
        lock.finish(&writes).await?;
        self.head = writes.head;
        Ok(())
    }

    async fn log(&mut self, last: u64) -> Result<(), Fault> {
        while self.head.position < last {
            let mut rows = self.from.log(self.head.position + 1, PAGE).await?.rows;
            let (mut names, mut private) = (Vec::new(), Vec::new());
            let mut head = self.head.clone();
            for row in &rows {
                let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
                let made = entry.names();
                let made = made.map_err(|error| Fault::Corrupt(error.to_string()))?;
                names.extend(made.into_iter().map(|(name, fingerprint)| NameWrite {
                    name,
                    position: row.position,
                    fingerprint,
                }));
                if may_make_private(&entry.cause.kind) {
                    private.extend(self.texts(row.position).await?);
                }
                (head.position, head.hash, head.time) = (row.position, row.hash, entry.at);
            }
            if head.position == self.head.position {
                let gone = self.head.position + 1;
                return Err(Fault::Corrupt(format!("log row {gone} is gone")));
            }
            rows.retain(|row| row.position >= self.floor);
            let floor = self.floor;
            self.put(|writes| {
                (writes.log, writes.names, writes.private) = (rows, names, private);
                writes.head.floor = floor;
                (writes.head.position, writes.head.hash) = (head.position, head.hash);
                writes.head.time = head.time;
            })
            .await?;
        }
        Ok(())
    }

    /// The private texts that a row made.
    async fn texts(&self, position: u64) -> Result<Vec<PrivateRow>, Fault> {
        let mut texts = Vec::new();
        for part in 0..=u8::MAX {
            let Some(text) = self.from.private((position, part)).await?.rows else {
                break;
            };
            texts.push(text);
        }
        Ok(texts)
    }

    async fn refusals(&mut self) -> Result<(), Fault> {
        loop {
            let rows = self.from.refusals(self.head.refusals + 1, PAGE).await?.rows;
            let Some(last) = rows.last().map(|row| row.number) else {
                return Ok(());
            };
            self.put(|writes| {
                writes.refusals = rows;
                writes.head.refusals = last;
            })
            .await?;
        }
    }

    async fn skus(&mut self) -> Result<(), Fault> {
        let mut before = u64::MAX;
        loop {
            let rows = self.from.skus(before, PAGE).await?.rows;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            before = last.created;
            let (mut skus, mut balances) = (Vec::new(), Vec::new());
            for (row, stock) in rows {
                let sku = row.sku.terms.sku.clone();
                balances.extend(stock.into_iter().map(|(location, now)| BalanceWrite {
                    place: (sku.clone(), location),
                    was: None,
                    now,
                }));
                skus.push(SkuWrite { row, was: None });
            }
            self.put(|writes| (writes.skus, writes.balances) = (skus, balances))
                .await?;
        }
    }

    async fn holds(&mut self) -> Result<(), Fault> {
        let mut before = u64::MAX;
        loop {
            let rows = self.from.holds(before, PAGE).await?.rows;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            before = last.created;
            let live = rows.iter().filter(|row| row.hold.state == State::Held);
            let timers = live.map(|row| Timer {
                due: row.hold.deadline,
                created: row.created,
            });
            let timers = timers.collect();
            let holds = rows.into_iter().map(|row| HoldWrite {
                body: serde_json::to_vec(&row.hold).expect("a hold is plain JSON"),
                row,
                was: None,
            });
            let holds = holds.collect();
            self.put(|writes| (writes.holds, writes.timers) = (holds, timers))
                .await?;
        }
    }

    async fn orders(&mut self) -> Result<(), Fault> {
        let mut before = u64::MAX;
        loop {
            let rows = self.from.orders(before, PAGE).await?.rows;
            let Some((last, new, dues)) = parts(rows) else {
                return Ok(());
            };
            before = last;
            self.put(|writes| (writes.orders, writes.dues) = (new, dues))
                .await?;
        }
    }

    /// Sagas, carts and callbacks.
    async fn others(&mut self) -> Result<(), Fault> {
        let mut before = u64::MAX;
        while let Some((last, new, dues)) = parts(self.from.sagas(before, PAGE).await?.rows) {
            before = last;
            self.put(|writes| (writes.sagas, writes.dues) = (new, dues))
                .await?;
        }
        before = u64::MAX;
        while let Some((last, new, dues)) = parts(self.from.carts(before, PAGE).await?.rows) {
            before = last;
            self.put(|writes| (writes.carts, writes.dues) = (new, dues))
                .await?;
        }
        before = u64::MAX;
        while let Some((last, new, dues)) = parts(self.from.callbacks(before, PAGE).await?.rows) {
            before = last;
            self.put(|writes| (writes.callbacks, writes.dues) = (new, dues))
                .await?;
        }
        Ok(())
    }

    /// Tokens, subscriptions, shares, and what is known of segments.
    async fn rest(&mut self) -> Result<(), Fault> {
        let mut before = u64::MAX;
        loop {
            let rows = self.from.tokens(before, PAGE).await?.rows;
            let Some(last) = rows.last() else {
                break;
            };
            before = last.created;
            let new = rows.into_iter().map(|row| TokenWrite { row, was: None });
            let new = new.collect();
            self.put(|writes| writes.tokens = new).await?;
        }
        before = u64::MAX;
        loop {
            let rows = self.from.subscriptions(before, PAGE).await?.rows;
            let Some(last) = rows.last() else {
                break;
            };
            before = last.created;
            let new = rows.into_iter();
            let new = new.map(|row| SubscriptionWrite { row, was: None });
            let new = new.collect();
            self.put(|writes| writes.subscriptions = new).await?;
        }
        let mut after = None;
        loop {
            let rows = self.from.shares(after.as_ref(), PAGE).await?.rows;
            let Some((last, _)) = rows.last() else {
                break;
            };
            after = Some(last.clone());
            let new = rows.into_iter().map(|(share, now)| ShareWrite {
                share,
                was: None,
                now,
            });
            let new = new.collect();
            self.put(|writes| writes.shares = new).await?;
        }
        let segments = self.from.segments().await?.rows;
        self.put(|writes| writes.upkeep.segments = segments).await
    }
}

/// A page's oldest row, its rows as new ones, and when they are due; nothing of an empty page.
fn parts<T>(rows: Vec<Row<T>>) -> Option<(u64, Vec<RowWrite<T>>, Vec<Timer>)> {
    let last = rows.last()?.created;
    let due = |row: &Row<T>| {
        row.due.map(|due| Timer {
            due,
            created: row.created,
        })
    };
    let dues = rows.iter().filter_map(due).collect();
    let new = rows.into_iter().map(|row| RowWrite { row, was: None });
    Some((last, new.collect(), dues))
}
