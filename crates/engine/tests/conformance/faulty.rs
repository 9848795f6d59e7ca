//! A store that fails when it is told to: another store stands behind it.

use async_trait::async_trait;
use evenkeel_engine::commit::Name;
use evenkeel_engine::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow, SegmentRow,
    Share, Store, SubscriptionRow, TokenRow, Touch, View, Writes,
};
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::watch;

/// What the next finish does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Writes nothing and says this.
    Refuse(Fault),
    /// Writes, and says that it does not know.
    ApplyUnknown,
    /// Writes nothing, and says that it does not know.
    LoseUnknown,
    /// Never answers, before writing.
    HangBefore,
    /// Never answers, after writing.
    HangAfter,
}

/// What the store is told to do.
pub(crate) struct Script {
    /// By the number of the finish.
    acts: Mutex<BTreeMap<usize, Act>>,
    /// Writes of this hold are refused as corrupt.
    poison: Mutex<Option<HoldId>>,
    /// Whether resolving is impossible.
    blind: AtomicBool,
    hung: AtomicUsize,
    /// Batches that were written or tried.
    finishes: AtomicUsize,
    locks: AtomicUsize,
    door: watch::Sender<bool>,
    at_door: AtomicUsize,
    token_door: watch::Sender<bool>,
    at_token_door: AtomicUsize,
}

impl Script {
    /// The next finish that nothing was said of does this.
    pub(crate) fn next(&self, act: Act) {
        let told = self.acts.lock();
        let next = (self.finishes()..).find(|number| !told.contains_key(number));
        drop(told);
        self.at(next.expect("numbers do not end"), act);
    }

    /// The finish of this number does this; the next one is [`Script::finishes`].
    pub(crate) fn at(&self, number: usize, act: Act) {
        self.acts.lock().insert(number, act);
    }

    pub(crate) fn poison(&self, id: HoldId) {
        *self.poison.lock() = Some(id);
    }

    pub(crate) fn blind(&self, blind: bool) {
        self.blind.store(blind, Ordering::Relaxed);
    }

    pub(crate) fn hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn finishes(&self) -> usize {
        self.finishes.load(Ordering::Relaxed)
    }

    /// How often the lock was asked for.
    pub(crate) fn locks(&self) -> usize {
        self.locks.load(Ordering::Relaxed)
    }

    /// Nobody gets the lock any more.
    pub(crate) fn shut_door(&self) {
        self.door.send_replace(false);
    }

    pub(crate) fn open_door(&self) {
        self.door.send_replace(true);
    }

    pub(crate) fn at_door(&self) -> bool {
        self.at_door.load(Ordering::Relaxed) > 0
    }

    /// Tokens are read, but not handed over yet.
    pub(crate) fn shut_token_door(&self) {
        self.token_door.send_replace(false);
    }

    pub(crate) fn open_token_door(&self) {
        self.token_door.send_replace(true);
    }

    pub(crate) fn at_token_door(&self) -> bool {
        self.at_token_door.load(Ordering::Relaxed) > 0
    }
}

async fn pass(door: &watch::Sender<bool>, waiting: &AtomicUsize) {
    waiting.fetch_add(1, Ordering::Relaxed);
    let opened = door.subscribe().wait_for(|open| *open).await.is_ok();
    assert!(opened, "the door outlives those who wait");
    waiting.fetch_sub(1, Ordering::Relaxed);
}

/// The store.
pub(crate) struct FaultStore {
    inner: Arc<dyn Store>,
    pub(crate) script: Arc<Script>,
}

impl FaultStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        let script = Arc::new(Script {
            acts: Mutex::default(),
            poison: Mutex::default(),
            blind: AtomicBool::new(false),
            hung: AtomicUsize::new(0),
            finishes: AtomicUsize::new(0),
            locks: AtomicUsize::new(0),
            door: watch::Sender::new(true),
            at_door: AtomicUsize::new(0),
            token_door: watch::Sender::new(true),
            at_token_door: AtomicUsize::new(0),
        });
        Arc::new(Self { inner, script })
    }
}

struct FaultLock {
    inner: Box<dyn Locked>,
    script: Arc<Script>,
}

impl Script {
    /// Never goes on: the test kills the engine here.
    async fn hang<T>(&self) -> T {
        self.hung.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[async_trait]
impl Locked for FaultLock {
    async fn finish(self: Box<Self>, writes: &Writes) -> Result<(), Fault> {
        let number = self.script.finishes.fetch_add(1, Ordering::Relaxed);
        let poison = self.script.poison.lock().clone();
        if let Some(id) = poison
            && writes.holds.iter().any(|write| write.row.hold.id == id)
        {
            return Err(Fault::Corrupt(format!("{id} is refused")));
        }
        let act = self.script.acts.lock().remove(&number);
        match act {
            None => self.inner.finish(writes).await,
            Some(Act::Refuse(fault)) => Err(fault),
            Some(Act::LoseUnknown) => Err(Fault::TimedOut),
            Some(Act::ApplyUnknown) => {
                self.inner.finish(writes).await?;
                Err(Fault::TimedOut)
            }
            Some(Act::HangBefore) => {
                let Self {
                    inner: _held,
                    script,
                } = *self;
                script.hang().await
            }
            Some(Act::HangAfter) => {
                let Self { inner, script } = *self;
                inner.finish(writes).await?;
                script.hang().await
            }
        }
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        self.script.locks.fetch_add(1, Ordering::Relaxed);
        pass(&self.script.door, &self.script.at_door).await;
        let (inner, view) = self.inner.lock(touch).await?;
        let script = Arc::clone(&self.script);
        Ok((Box::new(FaultLock { inner, script }), view))
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        if self.script.blind.load(Ordering::Relaxed) {
            return Err(Fault::Unavailable("nobody answers".to_owned()));
        }
        self.inner.resolve(batch).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        let row = self.inner.token(secret).await;
        pass(&self.script.token_door, &self.script.at_token_door).await;
        row
    }

    async fn head(&self) -> Result<Head, Fault> {
        self.inner.head().await
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        self.inner.log(from, limit).await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        self.inner.hold(id).await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.inner.holds(before, limit).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        self.inner.sku(id).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.inner.skus(before, limit).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.inner.tokens(before, limit).await
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.inner.due(until, limit).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.inner.order(id).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.inner.orders(before, limit).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.inner.callback(created).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.inner.saga(id).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.inner.sagas(before, limit).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.inner.cart(id).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.inner.carts(before, limit).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.inner.callbacks(before, limit).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.inner.flagged(before, limit).await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.inner.due_rows(until, limit).await
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        self.inner.subscription(id).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.inner.subscriptions(before, limit).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.inner.private(id).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        self.inner.private_of(customer, from, limit).await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        self.inner.names(names).await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.inner.refusals(from, limit).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        self.inner.shares(after, limit).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.inner.stray_balances().await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.inner.seals(upto, limit).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.inner.segments().await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        self.inner.reads_from().await
    }

    fn may_know(&self, name: &Name) -> bool {
        self.inner.may_know(name)
    }

    fn seems_new(&self, name: &Name) -> bool {
        self.inner.seems_new(name)
    }

    fn known_to(&self) -> u64 {
        self.inner.known_to()
    }

    async fn hear_names(&self, head: &Head) -> Result<(), Fault> {
        self.inner.hear_names(head).await
    }
}
