//! A store in memory, for tests, the simulator and embedding.
//!
//! It keeps every promise of the port but durability: batches are serial under one lock, guards
//! are checked before anything is written, and a dropped lock leaves no trace. Clones share their
//! rows, so that several engines can stand on one store, and a copy of the rows can be taken to
//! play a crash. Nothing survives the process.

use crate::chain;
use crate::commit::{Name, Rejection};
use crate::port::{
    At, BatchId, FRONT_MAX, Fault, Head, HoldRow, KeyRow, Listed, Locked, LogRow, Map, Mark,
    NameWrite, Place, RefusalRow, SkuRow, Store, TokenRow, Touch, View, Writes,
};
use async_trait::async_trait;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{HoldId, SkuId, TokenId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Everything that the store knows.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The head row.
    pub head: Head,
    /// The log, position 1 first.
    pub log: Vec<LogRow>,
    /// Holds by the position that created them.
    pub holds: BTreeMap<u64, HoldRow>,
    /// Holds by id.
    pub hold_ids: Map<HoldId, u64>,
    /// SKUs.
    pub skus: BTreeMap<SkuId, SkuRow>,
    /// Balances.
    pub balances: Map<Place, Balances>,
    /// Tokens.
    pub tokens: BTreeMap<TokenId, TokenRow>,
    /// Names of keys and ids.
    pub names: Map<Name, NameWrite>,
    /// Final refusals, number 1 first.
    pub refusals: Vec<RefusalRow>,
    /// Names of final refusals.
    pub refused: Map<Name, u64>,
    /// Timers: when, and the position that created the hold.
    pub timers: BTreeSet<(LogTime, u64)>,
}

/// A store in memory. Clones share their rows.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    writer: Arc<Mutex<()>>,
    tables: Arc<RwLock<Tables>>,
}

impl MemoryStore {
    /// An empty store whose log has this id and salt.
    #[must_use]
    pub fn new(log: &str, salt: [u8; 16]) -> Self {
        let head = Head {
            log: log.to_owned(),
            salt,
            incarnation: 1,
            position: 0,
            hash: chain::origin(log, &salt),
            time: LogTime::default(),
            format: evenkeel_rules::event::FORMAT,
            refusals: 0,
            batches: VecDeque::new(),
        };
        Self::from_tables(Tables {
            head,
            log: Vec::new(),
            holds: BTreeMap::new(),
            hold_ids: Map::default(),
            skus: BTreeMap::new(),
            balances: Map::default(),
            tokens: BTreeMap::new(),
            names: Map::default(),
            refusals: Vec::new(),
            refused: Map::default(),
            timers: BTreeSet::new(),
        })
    }

    /// A store with these rows.
    #[must_use]
    pub fn from_tables(tables: Tables) -> Self {
        Self {
            writer: Arc::default(),
            tables: Arc::new(RwLock::new(tables)),
        }
    }

    /// A copy of all rows as they stand.
    #[must_use]
    pub fn tables(&self) -> Tables {
        self.tables.read().clone()
    }

    /// Changes rows behind the engine's back, for tests of what must then be noticed.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Tables) -> T) -> T {
        edit(&mut self.tables.write())
    }

    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> At<T> {
        let tables = self.tables.read();
        At {
            position: tables.head.position,
            rows: read(&tables),
        }
    }
}

impl Tables {
    fn key(&self, name: &Name) -> Option<KeyRow> {
        if let Some(write) = self.names.get(name) {
            let mark = Mark::Position(write.position);
            return Some(KeyRow {
                mark,
                fingerprint: write.fingerprint,
            });
        }
        let number = *self.refused.get(name)?;
        let row = self.refusals.iter().find(|row| row.number == number)?;
        let said: Rejection = serde_json::from_str(&row.text).ok()?;
        Some(KeyRow {
            mark: Mark::Refusal(number, said),
            fingerprint: row.fingerprint,
        })
    }

    fn hold(&self, id: &HoldId) -> Option<HoldRow> {
        self.holds.get(self.hold_ids.get(id)?).cloned()
    }

    fn due(&self, until: LogTime, limit: usize) -> impl Iterator<Item = &HoldRow> {
        let timers = self.timers.range(..=(until, u64::MAX));
        let rows = timers.filter_map(|(due, created)| {
            let row = self.holds.get(created)?;
            (row.hold.state == State::Held && row.hold.deadline == *due).then_some(row)
        });
        rows.take(limit)
    }

    fn listed(&self, row: &SkuRow) -> Listed {
        let stock = row.locations.iter().map(|location| {
            let place = (row.sku.terms.sku.clone(), location.clone());
            (
                location.clone(),
                self.balances.get(&place).copied().unwrap_or_default(),
            )
        });
        (row.clone(), stock.collect())
    }

    fn view(&self, touch: &Touch) -> View {
        let mut view = View::new(self.head.clone());
        view.keys
            .extend(touch.keys.iter().map(|name| (*name, self.key(name))));
        view.holds
            .extend(touch.holds.iter().map(|id| (id.clone(), self.hold(id))));
        let tokens = touch.tokens.iter();
        view.tokens
            .extend(tokens.map(|id| (id.clone(), self.tokens.get(id).cloned())));
        let moved = !view.confirms(touch.exact_at);
        for rows in [Some(&touch.rows), moved.then_some(&touch.cached)]
            .into_iter()
            .flatten()
        {
            let skus = rows.skus.iter();
            view.skus
                .extend(skus.map(|id| (id.clone(), self.skus.get(id).cloned())));
            let places = rows.balances.iter();
            view.balances
                .extend(places.map(|at| (at.clone(), self.balances.get(at).copied())));
        }
        view.front = touch.front.map(|until| {
            self.due(until.max(self.head.time), FRONT_MAX)
                .cloned()
                .collect()
        });
        view
    }

    /// Checks every guard before anything is written.
    fn check(&self, writes: &Writes) -> Result<(), Fault> {
        let corrupt = |what: String| Err(Fault::Corrupt(what));
        if self.head.position != writes.was {
            return corrupt(format!("the head stands at {}", self.head.position));
        }
        for write in &writes.holds {
            let stands = self.holds.get(&write.row.created).map(|row| row.version);
            if stands != write.was {
                return corrupt(format!("hold {} has another version", write.row.hold.id));
            }
        }
        for write in &writes.balances {
            if self.balances.get(&write.place).copied() != write.was {
                return corrupt(format!("{} has other balances", write.place.0));
            }
        }
        for write in &writes.skus {
            let row = self.skus.get(&write.row.sku.terms.sku);
            if row.map(|row| (row.version, row.stock_version)) != write.was {
                return corrupt(format!("{} has another version", write.row.sku.terms.sku));
            }
        }
        for write in &writes.tokens {
            let stands = self.tokens.get(&write.row.token.id).map(|row| row.version);
            if stands != write.was {
                return corrupt(format!("token {} has another version", write.row.token.id));
            }
        }
        match writes
            .names
            .iter()
            .find(|write| self.names.contains_key(&write.name))
        {
            Some(write) => corrupt(format!("name {} is taken", chain::hex(&write.name))),
            None => Ok(()),
        }
    }

    fn write(&mut self, writes: &Writes) {
        self.log.extend(writes.log.iter().cloned());
        self.names
            .extend(writes.names.iter().map(|write| (write.name, *write)));
        self.refused
            .extend(writes.refusals.iter().map(|row| (row.name, row.number)));
        self.refusals.extend(writes.refusals.iter().cloned());
        for write in &writes.holds {
            self.hold_ids
                .insert(write.row.hold.id.clone(), write.row.created);
            self.holds.insert(write.row.created, write.row.clone());
        }
        for write in &writes.skus {
            self.skus
                .insert(write.row.sku.terms.sku.clone(), write.row.clone());
        }
        for write in &writes.balances {
            self.balances.insert(write.place.clone(), write.now);
        }
        for write in &writes.tokens {
            self.tokens
                .insert(write.row.token.id.clone(), write.row.clone());
        }
        self.timers
            .extend(writes.timers.iter().map(|timer| (timer.due, timer.created)));
        self.head = writes.head.clone();
    }
}

struct MemoryLock {
    tables: Arc<RwLock<Tables>>,
    _writer: OwnedMutexGuard<()>,
}

#[async_trait]
impl Locked for MemoryLock {
    async fn finish(self: Box<Self>, writes: &Writes) -> Result<(), Fault> {
        let mut tables = self.tables.write();
        tables.check(writes)?;
        tables.write(writes);
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        let view = self.tables.read().view(touch);
        let tables = Arc::clone(&self.tables);
        Ok((
            Box::new(MemoryLock {
                tables,
                _writer: writer,
            }),
            view,
        ))
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        let _writer = self.writer.lock().await;
        Ok(self.tables.read().head.batches.contains(&batch))
    }

    async fn head(&self) -> Result<Head, Fault> {
        Ok(self.tables.read().head.clone())
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        Ok(self.read(|tables| {
            let start = tables.log.partition_point(|row| row.position < from);
            tables.log[start..].iter().take(limit).cloned().collect()
        }))
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        Ok(self.read(|tables| tables.hold(id)))
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.holds.range(..before).rev();
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        }))
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        Ok(self.read(|tables| tables.skus.get(id).map(|row| tables.listed(row))))
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        Ok(self.read(|tables| {
            let mut rows: Vec<&SkuRow> = tables
                .skus
                .values()
                .filter(|row| row.created < before)
                .collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.created));
            rows.into_iter()
                .take(limit)
                .map(|row| tables.listed(row))
                .collect()
        }))
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        Ok(self.read(|tables| {
            let mut rows: Vec<&TokenRow> = tables
                .tokens
                .values()
                .filter(|row| row.created < before)
                .collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.created));
            rows.into_iter().take(limit).cloned().collect()
        }))
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        let tables = self.tables.read();
        Ok(tables
            .tokens
            .values()
            .find(|row| row.secret == *secret)
            .cloned())
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        Ok(self.read(|tables| {
            let until = until.max(tables.head.time);
            tables.due(until, limit).cloned().collect()
        }))
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        Ok(self.read(|tables| names.iter().map(|name| tables.key(name)).collect()))
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.refusals.iter().filter(|row| row.number >= from);
            rows.take(limit).cloned().collect()
        }))
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        Ok(self.read(|tables| {
            let stray = tables.balances.iter().filter(|((sku, location), _)| {
                let row = tables.skus.get(sku);
                row.is_none_or(|row| !row.locations.contains(location))
            });
            let mut stray: Vec<_> = stray.map(|(place, at)| (place.clone(), *at)).collect();
            stray.sort_by(|a, b| a.0.cmp(&b.0));
            stray
        }))
    }

    fn may_know(&self, name: &Name) -> bool {
        let tables = self.tables.read();
        tables.names.contains_key(name) || tables.refused.contains_key(name)
    }

    fn known_to(&self) -> u64 {
        self.tables.read().head.position
    }
}
