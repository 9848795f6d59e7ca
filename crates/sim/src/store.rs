//! The simulated store, as one node sees it.
//!
//! Every call takes simulated time and can meet a fault on its way: the node dies or stands still
//! at each stage of a batch, the store crashes, says no, or does not say. What the rows are is the
//! memory store's affair; when they become durable, and who learns of it, is decided here. Lies of
//! a planted bug come in at named places (see `planted`) and nowhere else.

use crate::clock;
use crate::faults::FaultKind;
use crate::head::Held;
use crate::node::{Node, Stage};
use crate::planted::{self, Part, Planted};
use crate::world::World;
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
use std::sync::Arc;
use std::time::Duration;

/// A node's connection to the store.
pub(crate) struct NodeStore {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
}

/// The head lock in a node's hands.
struct NodeLock {
    world: Arc<World>,
    node: Arc<Node>,
    ticket: u64,
    epoch: u64,
    /// What the server was told to commit and has not yet synced.
    written: Option<(Part, Writes)>,
}

impl Drop for NodeLock {
    /// The client is gone. A COMMIT that was under way may still be carried out.
    fn drop(&mut self) {
        if self.written.is_some() && self.world.dice(|dice| dice.chance(500)) {
            drop(self.sync());
        }
        self.world.head.release(self.ticket);
    }
}

impl NodeLock {
    /// Carries out what the server was told to commit, unless it has crashed since.
    fn sync(&mut self) -> Result<(), Fault> {
        let Some((part, writes)) = self.written.take() else {
            return Ok(());
        };
        if self.epoch != self.world.epoch() {
            return Err(Fault::TimedOut);
        }
        self.world.sync(self.node.name, part, &writes)
    }

    /// What can go wrong before anything is written: every fault here is a definite no.
    fn begin(&self, writes: &Writes) -> Result<(), Fault> {
        let world = &self.world;
        if self.epoch != world.epoch() {
            return Err(Fault::Unavailable("the connection was lost".to_owned()));
        }
        let locks = world.planted != Some(Planted::NoLock);
        let lost = locks && world.head.commit(self.ticket) == Held::Lost;
        if lost && planted::fences(world) {
            if world.dice(|dice| dice.is_on()) {
                world.count(FaultKind::WokeTooLate);
            }
            return Err(Fault::Conflict);
        }
        if world.fires(FaultKind::DiskFull) {
            return Err(Fault::DiskFull);
        }
        if world.fires(FaultKind::Conflict) || planted::starves(world, writes) {
            return Err(Fault::Conflict);
        }
        Ok(())
    }

    /// Leaves the COMMIT to the server, which carries it out later.
    fn leave(mut self: Box<Self>, writes: &Writes, later: Duration) {
        self.written = Some((Part::All, writes.clone()));
        let world = Arc::clone(&self.world);
        world.spawn(async move {
            clock::sleep(later).await;
            drop(self.sync());
        });
    }

    /// The outcome is not told: lost, done, or done later while the lock is still held.
    fn unknown(mut self: Box<Self>, writes: &Writes) {
        match self.world.dice(|dice| dice.range(0, 2)) {
            0 => {}
            1 => {
                self.written = Some((Part::All, writes.clone()));
                drop(self.sync());
            }
            _ => {
                let ms = self.world.dice(|dice| dice.range(5, 400));
                self.leave(writes, Duration::from_millis(ms));
            }
        }
    }
}

#[async_trait]
impl Locked for NodeLock {
    async fn finish(mut self: Box<Self>, writes: &Writes) -> Result<(), Fault> {
        let (world, node) = (Arc::clone(&self.world), Arc::clone(&self.node));
        node.reach(&world, Stage::Locked).await;
        world.latency(3).await;
        self.begin(writes)?;
        if world.is_poisoned(writes) {
            return planted::poisoned(&world);
        }
        if world.fires(FaultKind::CommitUnknown) {
            self.unknown(writes);
            node.awake().await;
            return Err(Fault::TimedOut);
        }
        if world.planted == Some(Planted::EarlyAnswer) {
            let ms = world.dice(|dice| dice.range(10, 150));
            self.leave(writes, Duration::from_millis(ms));
            return Ok(());
        }
        if planted::drops(&world, writes) {
            return Ok(());
        }
        for part in planted::parts(world.planted) {
            self.written = Some((*part, writes.clone()));
            if world.fires(FaultKind::SlowCommit) {
                let ms = world.dice(|dice| dice.range(1_000, 3_000));
                clock::sleep(Duration::from_millis(ms)).await;
            } else {
                world.latency(5).await;
            }
            node.reach(&world, Stage::Written).await;
            if world.fires(FaultKind::SyncFailed) {
                let synced = world.dice(|dice| dice.chance(500));
                if synced {
                    drop(self.sync());
                }
                self.written = None;
                return Err(Fault::Sync("the disk did not answer".to_owned()));
            }
            self.sync()?;
        }
        world.head.release(self.ticket);
        node.reach(&world, Stage::Synced).await;
        world.latency(2).await;
        node.awake().await;
        if self.epoch != world.epoch() {
            return Err(Fault::TimedOut);
        }
        planted::answer(&world)
    }
}

impl NodeStore {
    /// The way to the store and back, for a read.
    async fn read(&self) -> Result<(), Fault> {
        self.node.awake().await;
        self.world.latency(2).await;
        self.node.awake().await;
        self.world.up()
    }
}

#[async_trait]
impl Store for NodeStore {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        let (world, node) = (&self.world, &self.node);
        node.reach(world, Stage::Begun).await;
        world.latency(2).await;
        world.up()?;
        if world.fires(FaultKind::StoreUnavailable) || planted::cuts(world) {
            return Err(Fault::Unavailable("no connection".to_owned()));
        }
        let ticket = match world.planted {
            Some(Planted::NoLock) => world.head.seize(),
            _ => world.head.acquire().await,
        };
        let locked = Box::new(NodeLock {
            world: Arc::clone(world),
            node: Arc::clone(node),
            ticket,
            epoch: world.epoch(),
            written: None,
        });
        world.up()?;
        let view = planted::view(world, node, touch).await?;
        world.latency(2).await;
        node.awake().await;
        Ok((locked, view))
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        self.node.awake().await;
        self.world.latency(5).await;
        self.world.up()?;
        if self.world.is_blind() {
            return Err(Fault::Unavailable("no connection".to_owned()));
        }
        let ticket = planted::ticket(&self.world).await;
        let locked = NodeLock {
            world: Arc::clone(&self.world),
            node: Arc::clone(&self.node),
            ticket,
            epoch: self.world.epoch(),
            written: None,
        };
        self.world.up()?;
        let known = self.world.store.resolve(batch).await;
        drop(locked);
        self.node.awake().await;
        planted::resolved(&self.world, known)
    }

    async fn head(&self) -> Result<Head, Fault> {
        self.read().await?;
        self.world.store.head().await
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        self.read().await?;
        planted::log(&self.world, from, limit).await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        self.read().await?;
        self.world.store.hold(id).await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.read().await?;
        self.world.store.holds(before, limit).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        self.read().await?;
        self.world.store.sku(id).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.read().await?;
        self.world.store.skus(before, limit).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.read().await?;
        self.world.store.tokens(before, limit).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        self.read().await?;
        self.world.store.token(secret).await
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.read().await?;
        planted::due(&self.world, until, limit).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.read().await?;
        self.world.store.order(id).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.read().await?;
        self.world.store.orders(before, limit).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.read().await?;
        self.world.store.callback(created).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.read().await?;
        self.world.store.saga(id).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.read().await?;
        self.world.store.sagas(before, limit).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.read().await?;
        self.world.store.cart(id).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.read().await?;
        self.world.store.carts(before, limit).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.read().await?;
        self.world.store.callbacks(before, limit).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.read().await?;
        self.world.store.flagged(before, limit).await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.read().await?;
        planted::due_rows(&self.world, until, limit).await
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        self.read().await?;
        self.world.store.subscription(id).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.read().await?;
        self.world.store.subscriptions(before, limit).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.read().await?;
        self.world.store.private(id).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        self.read().await?;
        self.world.store.private_of(customer, from, limit).await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        self.read().await?;
        self.world.store.names(names).await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.read().await?;
        self.world.store.refusals(from, limit).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        self.read().await?;
        self.world.store.shares(after, limit).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.read().await?;
        self.world.store.stray_balances().await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.read().await?;
        self.world.store.seals(upto, limit).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.read().await?;
        self.world.store.segments().await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        self.world.store.reads_from().await
    }

    fn may_know(&self, name: &Name) -> bool {
        planted::may_know(&self.world, name)
    }

    fn seems_new(&self, name: &Name) -> bool {
        planted::seems_new(&self.world, name)
    }

    fn known_to(&self) -> u64 {
        self.world.store.known_to()
    }

    async fn hear_names(&self, head: &Head) -> Result<(), Fault> {
        self.world.store.hear_names(head).await
    }
}
