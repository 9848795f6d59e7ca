//! A store in memory, for tests, the simulator and embedding.
//!
//! It keeps every promise of the port but durability: batches are serial under one lock, guards
//! are checked before anything is written, and a dropped lock leaves no trace. Clones share their
//! rows, so that several engines can stand on one store, and a copy of the rows can be taken to
//! play a crash. Nothing survives the process.

use crate::chain;
use crate::commit::Name;
use crate::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, Map, NameWrite, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow,
    SegmentRow, Share, SkuRow, Store, SubscriptionRow, TokenRow, Touch, View, Writes,
};
use async_trait::async_trait;
use evenkeel_rules::ids::{
    CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId, TokenId,
};
use evenkeel_rules::lease::Leases;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

mod view;
mod write;

/// Everything that the store knows.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The head row.
    pub head: Head,
    /// The log, lowest position first: the floor's, once its rows below were taken out.
    pub log: Vec<LogRow>,
    /// Holds by the position that created them.
    pub holds: BTreeMap<u64, HoldRow>,
    /// Holds by id.
    pub hold_ids: Map<HoldId, u64>,
    /// SKUs.
    pub skus: BTreeMap<SkuId, SkuRow>,
    /// Balances.
    pub balances: Map<Place, Balances>,
    /// Customers' shares.
    pub shares: BTreeMap<Share, u64>,
    /// Tokens.
    pub tokens: BTreeMap<TokenId, TokenRow>,
    /// Subscriptions.
    pub subscriptions: BTreeMap<SubscriptionId, SubscriptionRow>,
    /// Names of keys and ids.
    pub names: Map<Name, NameWrite>,
    /// Final refusals, number 1 first.
    pub refusals: Vec<RefusalRow>,
    /// Names of final refusals.
    pub refused: Map<Name, u64>,
    /// Timers: when, and the position that created the hold.
    pub timers: BTreeSet<(LogTime, u64)>,
    /// Orders by the position that created them.
    pub orders: BTreeMap<u64, OrderRow>,
    /// Orders by id.
    pub order_ids: Map<OrderId, u64>,
    /// Sagas over anybody's services by the position that created them.
    pub sagas: BTreeMap<u64, SagaRow>,
    /// Those sagas by id.
    pub saga_ids: Map<SagaId, u64>,
    /// Carts by the position that created them.
    pub carts: BTreeMap<u64, CartRow>,
    /// Carts by id.
    pub cart_ids: Map<CartId, u64>,
    /// Callbacks by the position that stored them.
    pub callbacks: BTreeMap<u64, CallbackRow>,
    /// Timers of orders, sagas and callbacks: when, and the position that created the row.
    pub dues: BTreeSet<(LogTime, u64)>,
    /// Private texts.
    pub private: BTreeMap<PrivateId, PrivateRow>,
    /// Seals by their position.
    pub seals: BTreeMap<u64, SealRow>,
    /// Segments by their first position.
    pub segments: BTreeMap<u64, SegmentRow>,
}

/// A store in memory. Clones share their rows.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    writer: Arc<Mutex<()>>,
    tables: Arc<RwLock<Tables>>,
    is_rash: bool,
}

impl MemoryStore {
    /// An empty store whose log has this id and salt.
    #[must_use]
    pub fn new(log: &str, salt: [u8; 16]) -> Self {
        let head = Head {
            log: log.to_owned(),
            salt,
            incarnation: 1,
            ended: Vec::new(),
            position: 0,
            hash: chain::origin(log, &salt),
            time: LogTime::default(),
            format: evenkeel_rules::event::FORMAT,
            refusals: 0,
            floor: 1,
            leases: Leases::default(),
            batches: VecDeque::new(),
        };
        Self::from_tables(Tables {
            head,
            log: Vec::new(),
            holds: BTreeMap::new(),
            hold_ids: Map::default(),
            skus: BTreeMap::new(),
            balances: Map::default(),
            shares: BTreeMap::new(),
            tokens: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            names: Map::default(),
            refusals: Vec::new(),
            refused: Map::default(),
            timers: BTreeSet::new(),
            orders: BTreeMap::new(),
            order_ids: Map::default(),
            sagas: BTreeMap::new(),
            saga_ids: Map::default(),
            carts: BTreeMap::new(),
            cart_ids: Map::default(),
            callbacks: BTreeMap::new(),
            dues: BTreeSet::new(),
            private: BTreeMap::new(),
            seals: BTreeMap::new(),
            segments: BTreeMap::new(),
        })
    }

    /// A store with these rows.
    #[must_use]
    pub fn from_tables(tables: Tables) -> Self {
        Self {
            writer: Arc::default(),
            tables: Arc::new(RwLock::new(tables)),
            is_rash: false,
        }
    }

    /// The same rows under a store that takes every name for new, as one does that has not heard
    /// of the last ones: for tests of what then happens.
    #[must_use]
    pub fn rash(self) -> Self {
        Self {
            is_rash: true,
            ..self
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

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        Ok(self.read(|tables| tables.order(id)))
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.orders.range(..before).rev();
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        }))
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        Ok(self.read(|tables| tables.saga(id)))
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.sagas.range(..before).rev();
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        }))
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        Ok(self.read(|tables| tables.cart(id)))
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.carts.range(..before).rev();
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        }))
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        Ok(self.read(|tables| tables.callbacks.get(&created).cloned()))
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.callbacks.range(..before).rev();
            rows.take(limit).map(|(_, row)| row.clone()).collect()
        }))
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        Ok(self.read(|tables| tables.flagged(before, limit)))
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        Ok(self.read(|tables| tables.due_rows(until.max(tables.head.time), limit)))
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        Ok(self.read(|tables| tables.subscriptions.get(id).cloned()))
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        Ok(self.read(|tables| {
            let rows = tables.subscriptions.values();
            let mut rows: Vec<_> = rows.filter(|row| row.created < before).collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.created));
            rows.into_iter().take(limit).cloned().collect()
        }))
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        Ok(self.read(|tables| tables.private.get(&id).cloned()))
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        Ok(self.read(|tables| tables.private_of(customer, from, limit)))
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

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        Ok(self.read(|tables| tables.shares_after(after, limit)))
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

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        Ok(self.read(|tables| {
            let seals = tables.seals.range(..=upto).rev();
            seals.take(limit).map(|(_, seal)| seal.clone()).collect()
        }))
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        Ok(self.read(|tables| tables.segments.values().cloned().collect()))
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        Ok(u64::MAX)
    }

    fn may_know(&self, name: &Name) -> bool {
        self.tables.read().knows(name)
    }

    fn seems_new(&self, _name: &Name) -> bool {
        self.is_rash
    }

    fn known_to(&self) -> u64 {
        self.tables.read().head.position
    }
}
