//! The test's own clock, dice and shop.

use super::Fixture;
use super::faulty::FaultStore;
use async_trait::async_trait;
use evenkeel_engine::commit::{Command, Effect, Key, Rejection};
use evenkeel_engine::port::{Clock, Fault, HoldRow, Ids, Store};
use evenkeel_engine::{Done, Engine, Options, Ports, Refusal, Request, Threads};
use evenkeel_rules::hold::{Place, State, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::{Balances, Change};
use evenkeel_rules::time::{LogTime, Millis};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where every test's wall clock begins.
pub(crate) const START: LogTime = LogTime::from_micros(1_800_000_000_000_000);

/// A clock that only the test moves.
pub(crate) struct TestClock {
    mono: watch::Sender<Duration>,
    offset: Mutex<i64>,
    sleepers: Arc<Mutex<BTreeMap<Duration, usize>>>,
}

/// One sleeper's place in the list; it leaves by being dropped.
struct Bed(Arc<Mutex<BTreeMap<Duration, usize>>>, Duration);

impl Drop for Bed {
    fn drop(&mut self) {
        let mut sleepers = self.0.lock();
        let count = sleepers.get_mut(&self.1).expect("it is in the list");
        *count -= 1;
        if *count == 0 {
            sleepers.remove(&self.1);
        }
    }
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            mono: watch::Sender::new(Duration::ZERO),
            offset: Mutex::new(START.micros()),
            sleepers: Arc::default(),
        })
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, ms: u64) {
        self.mono
            .send_modify(|mono| *mono += Duration::from_millis(ms));
    }

    /// Sets the wall clock, as somebody who types a wrong date does.
    pub(crate) fn step(&self, ms: i64) {
        *self.offset.lock() += ms * 1000;
    }

    /// How many sleep beyond this moment.
    pub(crate) fn asleep(&self) -> usize {
        let mono = *self.mono.borrow();
        let sleepers = self.sleepers.lock();
        let later = sleepers.iter().filter(|(until, _)| **until > mono);
        later.map(|(_, count)| count).sum()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> LogTime {
        let mono = i64::try_from(self.mono().as_micros()).expect("a test is short");
        LogTime::from_micros(*self.offset.lock() + mono)
    }

    fn mono(&self) -> Duration {
        *self.mono.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.mono() + duration;
        *self.sleepers.lock().entry(until).or_default() += 1;
        let _bed = Bed(Arc::clone(&self.sleepers), until);
        let mut mono = self.mono.subscribe();
        let waited = mono.wait_for(|mono| *mono >= until).await;
        drop(waited.expect("the clock outlives its sleepers"));
    }
}

/// Dice that show 1, 2, 3 ... with a name of their own.
pub(crate) struct TestIds(AtomicU64, u64);

impl TestIds {
    pub(crate) fn new(name: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1), name))
    }
}

impl Ids for TestIds {
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes[8..].copy_from_slice(&self.1.to_be_bytes());
        bytes
    }
}

/// Runs something beside the test.
#[expect(clippy::disallowed_methods, reason = "callers of a test")]
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// Lets everybody else work until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..20_000_000_u32 {
        if so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never came: {what}");
}

/// Options under which nothing happens by itself but the tail.
pub(crate) fn options() -> Options {
    Options {
        threads: Threads::Shared,
        sweep: false,
        compare_clocks: false,
        ..Options::default()
    }
}

pub(crate) fn sku(id: &str) -> SkuId {
    SkuId::new(id).expect("a well-formed id")
}

pub(crate) fn hold(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed id")
}

pub(crate) fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

pub(crate) fn customer(id: &str) -> CustomerId {
    CustomerId::new(id).expect("a well-formed id")
}

pub(crate) fn token(id: &str) -> TokenId {
    TokenId::new(id).expect("a well-formed id")
}

pub(crate) fn wanted(lines: &[(&str, u64)]) -> Vec<Wanted> {
    let line = |(id, count): &(&str, u64)| Wanted {
        sku: sku(id),
        location: LocationId::main(),
        quantity: units(*count),
    };
    lines.iter().map(line).collect()
}

/// A command without key.
pub(crate) fn ask(command: Command) -> Request {
    Request {
        command,
        key: None,
        actor: token("t-shop"),
        owner: None,
        expected: None,
        deadline: None,
    }
}

/// A command with a key; the intent is the command itself.
pub(crate) fn keyed(key: &str, command: Command) -> Request {
    let intent = format!("{command:?}");
    Request {
        key: Some(Key::new(None, key, &[intent.as_bytes()])),
        ..ask(command)
    }
}

pub(crate) fn put(id: &str) -> Command {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    let terms = Terms {
        sku: sku(id),
        name: format!("The {id}"),
        price: Money::price(1999, currency).expect("a price"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

pub(crate) fn receive(id: &str, count: u64) -> Command {
    Command::ChangeStock {
        sku: sku(id),
        location: LocationId::main(),
        change: Change::Receive(units(count)),
        reference: None,
        reason: None,
    }
}

/// A place that lives ten minutes.
pub(crate) fn place(id: &str, lines: &[(&str, u64)]) -> Command {
    place_for(id, lines, 600_000)
}

pub(crate) fn place_for(id: &str, lines: &[(&str, u64)], ttl_ms: u64) -> Command {
    Command::Place(Place {
        id: hold(id),
        customer: customer("c-1"),
        lines: wanted(lines),
        ttl: Millis(ttl_ms),
    })
}

pub(crate) fn confirm(id: &str) -> Command {
    let (id, lines) = (hold(id), None);
    Command::Confirm { id, lines }
}

pub(crate) fn release(id: &str) -> Command {
    Command::Release { id: hold(id) }
}

pub(crate) fn extend(id: &str, ttl_ms: u64) -> Command {
    let (id, ttl) = (hold(id), Millis(ttl_ms));
    Command::Extend { id, ttl }
}

/// An engine on a store that can be told to fail, with the test's own clock.
pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<FaultStore>,
    pub(crate) clock: Arc<TestClock>,
}

impl Shop {
    pub(crate) async fn open<F: Fixture>(fixture: &F) -> Self {
        Self::open_with(fixture.store().await, TestClock::new(), options()).await
    }

    pub(crate) async fn open_with(
        store: Arc<dyn Store>,
        clock: Arc<TestClock>,
        options: Options,
    ) -> Self {
        let store = FaultStore::over(store);
        // Two engines are two nodes: their batches have names of their own.
        let node = Arc::as_ptr(&store).addr() as u64;
        let engine = Engine::start(
            Ports {
                outlet: None,
                store: Arc::clone(&store) as Arc<dyn Store>,
                gate: None,
                gateway: None,
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                ids: TestIds::new(node),
            },
            options,
        );
        let engine = engine.await.expect("an engine starts on a sound store");
        Self {
            engine,
            store,
            clock,
        }
    }

    /// A shop with one SKU, `lamp`, of which so many units were received.
    pub(crate) async fn with_lamps<F: Fixture>(fixture: &F, count: u64) -> Self {
        let shop = Self::open(fixture).await;
        shop.stock("lamp", count).await;
        shop
    }

    pub(crate) async fn stock(&self, id: &str, count: u64) {
        self.ok(ask(put(id))).await;
        self.ok(ask(receive(id, count))).await;
    }

    pub(crate) async fn ok(&self, request: Request) -> Done {
        let asked = format!("{:?}", request.command);
        match self.engine.execute(request).await {
            Ok(done) => done,
            Err(refusal) => panic!("{asked} was refused: {refusal:?}"),
        }
    }

    pub(crate) async fn hold(&self, request: Request) -> HoldRow {
        hold_of(self.ok(request).await)
    }

    pub(crate) async fn no(&self, request: Request) -> Rejection {
        let asked = format!("{:?}", request.command);
        match self.engine.execute(request).await {
            Err(Refusal::Rejected { rejection, .. }) => rejection,
            other => panic!("{asked} was not refused: {other:?}"),
        }
    }

    pub(crate) async fn fault(&self, request: Request) -> Fault {
        let asked = format!("{:?}", request.command);
        match self.engine.execute(request).await {
            Err(Refusal::Failed(fault)) => fault,
            other => panic!("{asked} did not fail: {other:?}"),
        }
    }

    /// Asks beside the test.
    pub(crate) fn send(&self, request: Request) -> JoinHandle<Result<Done, Refusal>> {
        let engine = self.engine.clone();
        spawn(async move { engine.execute(request).await })
    }

    /// Asks all of it at once, so that it is judged in one batch, and in this order.
    pub(crate) async fn in_one_batch(&self, asked: Vec<Request>) -> Vec<Result<Done, Refusal>> {
        self.store.script.shut_door();
        let (before, count) = (self.engine.waiting(), asked.len());
        // The committer takes this one and stands before the door; the rest is one batch.
        let first = self.send(ask(put("decoy")));
        until("a batch stands before the door", || {
            self.store.script.at_door()
        })
        .await;
        let mut answers = Vec::with_capacity(count);
        for request in asked {
            let waiting = self.engine.waiting();
            answers.push(self.send(request));
            until("it waits", || self.engine.waiting() > waiting).await;
        }
        assert_eq!(self.engine.waiting(), before + count, "all of them wait");
        self.store.script.open_door();
        first
            .await
            .expect("no panic")
            .expect("listing a SKU is possible");
        let mut told = Vec::with_capacity(count);
        for answer in answers {
            told.push(answer.await.expect("no panic"));
        }
        told
    }

    /// Lets time pass, and waits until the loops have done their rounds and sleep again.
    pub(crate) async fn tick(&self, ms: u64) {
        let loops = self.engine.pulses().len();
        until("the loops sleep", || self.clock.asleep() >= loops).await;
        self.clock.advance(ms);
        until("the loops sleep again", || self.clock.asleep() >= loops).await;
    }

    pub(crate) async fn balances(&self, id: &str) -> Balances {
        let listed = self.store.sku(&sku(id)).await.expect("readable").rows;
        let (_, stock) = listed.expect("it is listed");
        stock.first().expect("it has units").1
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        let row = self.store.hold(&hold(id)).await.expect("readable").rows;
        row.expect("the hold exists").hold.state
    }

    pub(crate) async fn head(&self) -> u64 {
        self.engine.head().await.expect("readable").position
    }

    /// Ends it, and looks at all that was written.
    pub(crate) async fn close(self) {
        self.engine.stop().await;
        super::audit::whole(&*self.store).await;
    }
}

pub(crate) fn hold_of(done: Done) -> HoldRow {
    match done.effect {
        Effect::Hold(row) => row,
        other => panic!("not a hold: {other:?}"),
    }
}
