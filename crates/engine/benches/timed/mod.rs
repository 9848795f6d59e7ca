//! A store that remembers how long its longest read took.

use async_trait::async_trait;
use evenkeel_engine::commit::Name;
use evenkeel_engine::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow, SegmentRow,
    Share, Store, SubscriptionRow, TokenRow, Touch, View,
};
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The store, and its longest read in microseconds.
pub(crate) struct Timed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) longest: AtomicU64,
}

impl Timed {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let longest = AtomicU64::new(0);
        Self { store, longest }
    }

    async fn timed<T>(&self, read: impl Future<Output = T>) -> T {
        #[expect(clippy::disallowed_methods, reason = "the bench's stopwatch")]
        let begun = Instant::now();
        let read = read.await;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.longest.fetch_max(took, Ordering::Relaxed);
        read
    }
}

#[async_trait]
impl Store for Timed {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        self.store.lock(touch).await
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        self.timed(self.store.resolve(batch)).await
    }

    async fn head(&self) -> Result<Head, Fault> {
        self.timed(self.store.head()).await
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        self.timed(self.store.log(from, limit)).await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        self.timed(self.store.hold(id)).await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.timed(self.store.holds(before, limit)).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        self.timed(self.store.sku(id)).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.timed(self.store.skus(before, limit)).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.timed(self.store.tokens(before, limit)).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        self.timed(self.store.token(secret)).await
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.timed(self.store.due(until, limit)).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.timed(self.store.order(id)).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.timed(self.store.orders(before, limit)).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.timed(self.store.saga(id)).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.timed(self.store.sagas(before, limit)).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.timed(self.store.cart(id)).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.timed(self.store.carts(before, limit)).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.timed(self.store.callback(created)).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.timed(self.store.callbacks(before, limit)).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.timed(self.store.flagged(before, limit)).await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.timed(self.store.due_rows(until, limit)).await
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        self.timed(self.store.subscription(id)).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.timed(self.store.subscriptions(before, limit)).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.timed(self.store.private(id)).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        self.timed(self.store.private_of(customer, from, limit))
            .await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        self.timed(self.store.names(names)).await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.timed(self.store.refusals(from, limit)).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        self.timed(self.store.shares(after, limit)).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.timed(self.store.stray_balances()).await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.timed(self.store.seals(upto, limit)).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.timed(self.store.segments()).await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        self.timed(self.store.reads_from()).await
    }

    fn may_know(&self, name: &Name) -> bool {
        self.store.may_know(name)
    }

    fn seems_new(&self, name: &Name) -> bool {
        self.store.seems_new(name)
    }

    fn known_to(&self) -> u64 {
        self.store.known_to()
    }

    async fn hear_names(&self, head: &Head) -> Result<(), Fault> {
        self.store.hear_names(head).await
    }
}
