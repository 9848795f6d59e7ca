//! Stores that are written while they are verified: nothing is missed, nobody is blamed.

use super::clean::live;
use super::shop::{Shop, hold, place, put, receive, release, sku, units};
use super::site::findings;
use super::trade::{PRICE, Trade, cancel, money_news};
use async_trait::async_trait;
use evenkeel_engine::commit::{Command, Name};
use evenkeel_engine::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow, SegmentRow,
    Share, Store, SubscriptionRow, TokenRow, Touch, View,
};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_rules::cart::Set;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::order::Word;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::{LogTime, Millis};

/// A store on which somebody writes between any two reads.
pub(crate) struct Busy {
    store: MemoryStore,
    every: u64,
    reads: std::sync::atomic::AtomicU64,
    first: u64,
    /// What is done again and again to something old.
    again: Vec<Command>,
}

impl Busy {
    pub(crate) fn new(store: MemoryStore, every: u64) -> Self {
        let first = store.tables().head.position;
        let reads = std::sync::atomic::AtomicU64::new(0);
        Self {
            store,
            every,
            reads,
            first,
            again: Vec::new(),
        }
    }

    fn wrote(&self) -> u64 {
        self.store.tables().head.position - self.first
    }

    async fn write(&self) {
        let turn = self
            .reads
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if !turn.is_multiple_of(self.every) {
            return;
        }
        let mut shop = Shop::new(&self.store);
        shop.now = self.store.tables().head.time.micros();
        let at = self.store.tables().head.position;
        let id = format!("busy-{at}");
        shop.run("", receive("lamp", 2)).await;
        shop.run(&format!("busy-{at}"), place(&id, &[("lamp", 1)], 600_000))
            .await;
        shop.run("", release(&id)).await;
        for command in &self.again {
            shop.run("", command.clone()).await;
        }
        let mut trade = Trade { shop };
        let id = format!("busy-o-{at}");
        trade.sold(&id, 1).await;
        trade.shop.run("", cancel(&id)).await;
        trade
            .heard(&id, &id, money_news(&id, Word::Completed, PRICE))
            .await;
    }
}

#[async_trait]
impl Store for Busy {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        self.write().await;
        self.store.lock(touch).await
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        self.write().await;
        self.store.resolve(batch).await
    }

    async fn head(&self) -> Result<Head, Fault> {
        self.write().await;
        self.store.head().await
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        self.write().await;
        self.store.log(from, limit).await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        self.write().await;
        self.store.hold(id).await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.write().await;
        self.store.holds(before, limit).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        self.write().await;
        self.store.sku(id).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.write().await;
        self.store.skus(before, limit).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.write().await;
        self.store.tokens(before, limit).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        self.write().await;
        self.store.token(secret).await
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.write().await;
        self.store.due(until, limit).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.write().await;
        self.store.order(id).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.write().await;
        self.store.orders(before, limit).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.write().await;
        self.store.callback(created).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.write().await;
        self.store.saga(id).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.write().await;
        self.store.sagas(before, limit).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.write().await;
        self.store.cart(id).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.write().await;
        self.store.carts(before, limit).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.write().await;
        self.store.callbacks(before, limit).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.write().await;
        self.store.flagged(before, limit).await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.write().await;
        self.store.due_rows(until, limit).await
    }

    /// Nobody writes here: every write makes texts, each of which is read.
    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        self.write().await;
        self.store.subscription(id).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.write().await;
        self.store.subscriptions(before, limit).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.store.private(id).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        self.write().await;
        self.store.private_of(customer, from, limit).await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        self.write().await;
        self.store.names(names).await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.write().await;
        self.store.refusals(from, limit).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        self.write().await;
        self.store.shares(after, limit).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.write().await;
        self.store.stray_balances().await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.store.seals(upto, limit).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.store.segments().await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        self.store.reads_from().await
    }

    fn may_know(&self, name: &Name) -> bool {
        self.store.may_know(name)
    }

    fn known_to(&self) -> u64 {
        self.store.known_to()
    }
}

#[tokio::test]
async fn writes_that_go_on_meanwhile_are_neither_missed_nor_blamed() {
    let store = MemoryStore::new("main", [3; 16]);
    let mut shop = Shop::new(&store);
    live(&mut shop, &mut fastrand::Rng::with_seed(1), 200).await;
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let busy = Busy::new(store.clone(), rng.u64(1..6));
        let report = verify(&busy, Inputs::default()).await;
        let report = report.expect("the store answers");
        assert!(report.ok, "{:#?}", findings(&report));
        assert!(busy.wrote() > 0, "somebody wrote meanwhile");
    }
}

#[tokio::test]
async fn a_row_of_an_earlier_page_that_changes_meanwhile_is_not_missed() {
    let store = MemoryStore::new("main", [3; 16]);
    let mut shop = Shop::new(&store);
    shop.run("", put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 5_000)).await;
    // Two pages of each.
    for number in 0..=1_000 {
        let hold = place(&format!("h-{number}"), &[("lamp", 1)], 600_000);
        shop.run(&format!("h-{number}"), hold).await;
        let cart = Command::BeginCart {
            id: CartId::new(&format!("c-{number}")).expect("a well-formed id"),
            customer: CustomerId::new("ann").expect("a well-formed id"),
        };
        shop.run(&format!("c-{number}"), cart).await;
    }
    let set = |quantity| Command::SetLine {
        id: CartId::new("c-1000").expect("a well-formed id"),
        line: Set {
            sku: sku("lamp"),
            quantity: Some(units(quantity)),
            ttl: Millis(60_000),
        },
    };
    let extend = Command::Extend {
        id: hold("h-1000"),
        ttl: Millis(600_000),
    };
    let busy = Busy {
        again: vec![extend, set(2), set(3)],
        ..Busy::new(store.clone(), 1)
    };
    let report = verify(&busy, Inputs::default()).await;
    let report = report.expect("the store answers");
    assert!(report.ok, "{:#?}", findings(&report));
}

#[cfg(feature = "sqlite")]
mod two_engines {
    //! Two engines on one file, and a third that reads it.

    use super::super::shop::{confirm, place, put, receive, release};
    use super::super::site::findings;
    use evenkeel_engine::clock::{SystemClock, SystemIds};
    use evenkeel_engine::commit::{Command, Key};
    use evenkeel_engine::port::Store;
    use evenkeel_engine::store::sqlite::SqliteStore;
    use evenkeel_engine::store::sqlite::names::NamesOptions;
    use evenkeel_engine::verify::{Inputs, verify};
    use evenkeel_engine::{Engine, Options, Ports, Refusal, Request};
    use evenkeel_rules::ids::TokenId;
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::Arc;

    const NAMES: NamesOptions = NamesOptions {
        run_names: 64,
        tier: 2,
        background: true,
    };

    async fn engine(dir: &Path) -> Engine {
        let store = SqliteStore::open(dir, &SystemIds, NAMES).expect("the store opens");
        let ports = Ports {
            outlet: None,
            store: Arc::new(store),
            gate: None,
            gateway: None,
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
        };
        let started = Engine::start(ports, Options::default()).await;
        started.expect("the store answers")
    }

    async fn ask(engine: &Engine, key: &str, command: Command) {
        let intent = format!("{command:?}");
        let request = Request {
            command,
            key: Some(Key::new(None, key, &[intent.as_bytes()])),
            actor: TokenId::new("t-1").expect("an id"),
            owner: None,
            expected: None,
            deadline: None,
        };
        match engine.execute(request).await {
            Ok(_) | Err(Refusal::Rejected { .. }) => (),
            Err(Refusal::Failed(fault)) => panic!("{fault}"),
        }
    }

    /// Rounds of a writer that the verifier waits for.
    const ROUNDS: u64 = 40;

    async fn sell(engine: &Engine, name: &str, (rounds, over): (&Cell<u64>, &Cell<bool>)) {
        while !over.get() {
            let sold = rounds.get();
            let id = format!("{name}-{sold}");
            let step = |what: &str| format!("{what}-{id}");
            ask(engine, &step("p"), place(&id, &[("lamp", 2)], 1_000)).await;
            let end = match sold % 4 {
                0 => confirm(&id, None),
                1 => confirm(&id, Some(&[("lamp", 1)])),
                2 => release(&id),
                _ => receive("lamp", 8),
            };
            ask(engine, &step("e"), end).await;
            rounds.set(sold + 1);
        }
    }

    #[tokio::test]
    async fn a_file_that_two_engines_write_meanwhile_is_held() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (engine(dir.path()).await, engine(dir.path()).await);
        ask(&one, "put", put("lamp", "Lamp")).await;
        ask(&one, "rec", receive("lamp", 100)).await;
        let over = Cell::new(false);
        let rounds = [Cell::new(0), Cell::new(0)];
        let verified = async {
            let beside = SqliteStore::open_read_only(dir.path(), NAMES);
            let beside = beside.expect("the store opens beside its writers");
            let stores: [&dyn Store; 2] = [&beside, &**two.store()];
            let (mut last, mut turn) = (0, 0);
            while turn < 24 || rounds.iter().any(|of_one| of_one.get() < ROUNDS) {
                let report = verify(stores[turn % 2], Inputs::default()).await;
                let report = report.expect("the store answers");
                assert!(report.ok, "{:#?}", findings(&report));
                assert!(report.position >= last, "the log never falls");
                (last, turn) = (report.position, turn + 1);
            }
            over.set(true);
            last
        };
        let first = sell(&one, "one", (&rounds[0], &over));
        let second = sell(&two, "two", (&rounds[1], &over));
        let (last, (), ()) = tokio::join!(verified, first, second);
        assert!(last > 2 * ROUNDS, "what they wrote was verified");
        one.stop().await;
        two.stop().await;
    }
}
