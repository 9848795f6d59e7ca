//! One run: an order on a store, engines that live one after the other, and what must be so at
//! the end.

use crate::bank::{Bank, Effect, Stop};
use crate::conformance::audit;
use crate::conformance::faulty::{Act, FaultStore};
use crate::conformance::hand::order;
use crate::conformance::orders::{cancel, refund, take};
use crate::conformance::world::{
    TestClock, TestIds, ask, keyed, options, put, receive, sku, spawn,
};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Clock, OrderRow, Store};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::verify::{Inputs, Invariant, Outcome, verify};
use evenkeel_engine::{Done, Engine, Options, OrderMode, Ports, Refusal};
use evenkeel_rules::order::{Status, Units};
use evenkeel_rules::saga::{Run, State};
use evenkeel_rules::stock::Account;
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Lamps in the shop, and in the order.
const STOCK: i64 = 5;
const ORDERED: u64 = 2;
/// What the shop gives back where only a part goes back.
const PART: i64 = 700;
/// Everybody has had their turn when nothing moved for so many turns.
const STILL: usize = 40;
/// The least step of the clock: as often as the runner looks.
const STEP_MS: u64 = 50;
/// A saga that is not over after so many steps of the clock never will be.
const STEPS_MAX: usize = 2_000;
/// What is asked for a day is asked this seldom, once it was asked so many times.
const LONG_MS: u64 = 600_000;
const OFTEN: usize = 30;
const ASKED: u32 = 5;
/// What was due before it was written is looked at so soon.
const SOON_MS: u64 = 1_000;

/// One of the registered sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saga {
    Order,
    Cancel,
    Refund,
}

impl Saga {
    /// The saga of a name of the registry.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "order" => Self::Order,
            "cancel" => Self::Cancel,
            "refund" => Self::Refund,
            other => panic!("the saga {other} is registered and has no battery"),
        }
    }

    /// What a client asks for to begin it.
    fn begins(self) -> Command {
        match self {
            Self::Order => taken(),
            Self::Cancel => cancel("o-1"),
            Self::Refund => refund("o-1", PART, 1),
        }
    }

    /// Where it stands.
    fn run(self, row: &OrderRow) -> Option<Run> {
        let body = &row.body;
        match self {
            Self::Order => Some(body.saga),
            Self::Cancel => body.cancel.as_ref().map(|cancel| cancel.run),
            Self::Refund => body.refunds.first().map(|refund| refund.run),
        }
    }
}

fn taken() -> Command {
    take("o-1", &[("lamp", ORDERED)], None)
}

/// Where everything stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before the write of this number.
    BeforeWrite(usize),
    /// After it, and before anybody is told.
    AfterWrite(usize),
    /// Before the provider hears the call of this number.
    BeforeCall(usize),
    /// When it has answered.
    AfterCall(usize),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Compensated,
    /// A person has to look, and can see that.
    Flagged,
}

/// An engine, and the store as it sees it.
pub(crate) struct Life {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<FaultStore>,
}

pub(crate) struct Play {
    saga: Saga,
    mode: OrderMode,
    pub(crate) bank: Arc<Bank>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) tables: MemoryStore,
    pub(crate) life: Life,
    lives: u64,
    asked: Option<JoinHandle<Result<Done, Refusal>>>,
    answered: bool,
}

/// Opens an engine on a store, under the name of a node.
async fn open(
    (tables, bank): (&MemoryStore, &Arc<Bank>),
    clock: &Arc<TestClock>,
    (mode, node, life): (OrderMode, u64, u64),
) -> Life {
    let store = FaultStore::over(Arc::new(tables.clone()));
    let ports = Ports {
        outlet: None,
        store: Arc::clone(&store) as Arc<dyn Store>,
        gate: None,
        gateway: Some(Arc::clone(bank) as _),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        ids: TestIds::new(life),
    };
    let options = Options {
        node: Some(format!("node-{node}")),
        order_mode: mode,
        ..options()
    };
    let engine = Engine::start(ports, options).await;
    let engine = engine.expect("an engine starts on a sound store");
    Life { engine, store }
}

impl Play {
    /// A shop with a few lamps, in which nobody has ordered yet.
    pub(crate) async fn shop(mode: OrderMode, saga: Saga) -> Self {
        let (bank, clock) = (Arc::new(Bank::new()), TestClock::new());
        let tables = MemoryStore::new("main", [7; 16]);
        let life = open((&tables, &bank), &clock, (mode, 0, 0)).await;
        let play = Self {
            saga,
            mode,
            bank,
            clock,
            tables,
            life,
            lives: 0,
            asked: None,
            answered: false,
        };
        for command in [put("lamp"), receive("lamp", STOCK.unsigned_abs())] {
            let done = play.life.engine.execute(ask(command)).await;
            done.expect("the shop opens");
        }
        play.still().await;
        play
    }

    /// A shop in which the saga was asked for; before one that comes later in an order's life, the
    /// order is there.
    pub(crate) async fn begin(mode: OrderMode, saga: Saga) -> Self {
        let mut play = Self::shop(mode, saga).await;
        if saga != Saga::Order {
            play.asked = Some(play.ask(taken()));
            let confirmed = |row: &OrderRow| row.body.saga.state == State::Completed;
            while !play.row().await.is_some_and(|row| confirmed(&row)) {
                play.step(STEP_MS).await;
            }
        }
        play.hear().await;
        play.answered = false;
        play.asked = Some(play.ask(saga.begins()));
        play
    }

    fn ask(&self, command: Command) -> JoinHandle<Result<Done, Refusal>> {
        let engine = self.life.engine.clone();
        let request = keyed(command.name(), command);
        spawn(async move { engine.execute(request).await })
    }

    pub(crate) async fn row(&self) -> Option<OrderRow> {
        let row = self.tables.order(&order("o-1")).await;
        row.expect("readable").rows
    }

    /// What shows that somebody did something.
    fn pulse(&self) -> (usize, usize, usize) {
        let script = &self.life.store.script;
        (script.finishes(), script.locks(), self.bank.calls())
    }

    /// Writes so far of the present life.
    pub(crate) fn writes(&self) -> usize {
        self.life.store.script.finishes()
    }

    /// Sees to it that everything stops at the point.
    fn arm(&self, point: Point) {
        let script = &self.life.store.script;
        match point {
            Point::BeforeWrite(number) => script.at(number, Act::HangBefore),
            Point::AfterWrite(number) => script.at(number, Act::HangAfter),
            Point::BeforeCall(call) => self.bank.stop(call, Stop::Before),
            Point::AfterCall(call) => self.bank.stop(call, Stop::After),
        }
    }

    fn is_reached(&self, point: Point) -> bool {
        match point {
            Point::BeforeWrite(_) | Point::AfterWrite(_) => self.life.store.script.hung(),
            Point::BeforeCall(call) | Point::AfterCall(call) => self.bank.is_stopped(call),
        }
    }

    /// Lets everybody work until nothing moves.
    pub(crate) async fn still(&self) {
        let (mut seen, mut turns) = (self.pulse(), 0);
        while turns < STILL {
            tokio::task::yield_now().await;
            let now = self.pulse();
            turns = if now == seen { turns + 1 } else { 0 };
            seen = now;
        }
    }

    /// Lets time pass until somebody has to look, and lets them work.
    pub(crate) async fn step(&self, least_ms: u64) {
        let now = self.clock.now();
        let due = self.row().await.and_then(|row| row.due);
        let ms = due.map_or(0, |due| now.until(due).0);
        self.pass(ms.max(least_ms)).await;
    }

    /// Lets so much time pass, the end of it in parts: a node whose lease was not renewed for long
    /// begins no call before it is.
    pub(crate) async fn pass(&self, ms: u64) {
        let parts = [
            ms.saturating_sub(500),
            ms.min(500) / 2,
            ms.min(500).div_ceil(2),
        ];
        for part in parts {
            self.clock.advance(part);
            self.still().await;
        }
    }

    /// Runs until the point is reached, or the saga is over; whether the point was reached.
    pub(crate) async fn until(&mut self, point: Option<Point>) -> bool {
        if let Some(point) = point {
            self.arm(point);
        }
        self.still().await;
        let mut steps = 0;
        loop {
            if point.is_some_and(|point| self.is_reached(point)) {
                return true;
            }
            if self.is_over().await {
                return false;
            }
            // A node that slept for so long beats first, and looks in the next step.
            let long = steps > OFTEN && steps % 2 == 0 && self.is_asked_often().await;
            self.step(if long { LONG_MS } else { STEP_MS }).await;
            steps += 1;
            assert!(steps < STEPS_MAX, "it never ends: {:?}", self.row().await);
        }
    }

    async fn is_asked_often(&self) -> bool {
        let row = self.row().await;
        row.is_some_and(|row| row.tries.calls > ASKED)
    }

    /// The process dies, and another begins elsewhere on what was kept. The client asks again.
    pub(crate) async fn crash(&mut self) {
        self.restart_as(self.lives + 1).await;
        self.hear().await;
        if !self.answered {
            self.asked = Some(self.ask(self.saga.begins()));
        }
    }

    /// The process dies, and begins again under a node's name on what was kept.
    pub(crate) async fn restart_as(&mut self, node: u64) {
        self.life.engine.kill();
        self.lives += 1;
        self.tables = MemoryStore::from_tables(self.tables.tables());
        let named = self.named(node);
        self.life = open((&self.tables, &self.bank), &self.clock, named).await;
    }

    fn named(&self, node: u64) -> (OrderMode, u64, u64) {
        (self.mode, node, self.lives)
    }

    /// What the client was told, if it waits for an answer.
    async fn hear(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.answered |= matches!(asked.await, Ok(Ok(_)));
        }
    }

    /// The process stands still while time goes on, and another one begins beside it.
    pub(crate) async fn stall(&mut self) -> Life {
        let clock = TestClock::new();
        let past = self.clock.mono().as_millis();
        clock.advance(u64::try_from(past).expect("a test is short"));
        self.lives += 1;
        let life = open((&self.tables, &self.bank), &clock, self.named(self.lives)).await;
        self.clock = clock;
        std::mem::replace(&mut self.life, life)
    }

    pub(crate) async fn head(&self) -> u64 {
        self.tables.head().await.expect("readable").position
    }

    /// Whether nothing more happens by itself but waiting for a parcel.
    async fn is_over(&self) -> bool {
        let Some(row) = self.row().await else {
            return false;
        };
        let Some(run) = self.saga.run(&row) else {
            return false;
        };
        let body = &row.body;
        let refunds = body.refunds.iter().map(|refund| refund.run);
        let goes = refunds.chain(body.cancel.as_ref().map(|cancel| cancel.run));
        let going = goes
            .chain([run, body.saga])
            .any(|run| matches!(run.state, State::Running | State::Compensating));
        // One who waits for a person, or a parcel, may be looked at once more in a moment.
        let soon = self.clock.now().plus(Millis(SOON_MS));
        let looked = row.due.is_none_or(|due| due > soon);
        looked && (row.flagged || !going && !body.watched)
    }

    /// Looks at everything, and says how it ended.
    pub(crate) async fn end(mut self) -> End {
        self.until(None).await;
        let row = self.row().await.expect("the order was taken");
        self.hear().await;
        assert!(self.answered, "the client was told that it was taken on");
        let run = self.saga.run(&row).expect("the saga began");
        let end = match run.state {
            _ if row.flagged => End::Flagged,
            State::Completed => End::Completed,
            State::Compensated => End::Compensated,
            state => panic!("nobody will look at a saga that is {state:?}: {row:?}"),
        };
        assert_eq!(row.flagged, row.body.is_flagged());
        self.money(&row, end);
        self.units(&row).await;
        self.life.engine.stop().await;
        let store = &self.tables;
        audit::whole(store).await;
        let report = verify(store, Inputs::default())
            .await
            .expect("the store answers");
        let findings: Vec<_> = report.findings().collect();
        assert!(report.ok, "{findings:#?}");
        for invariant in [
            Invariant::I10,
            Invariant::I11,
            Invariant::I12,
            Invariant::I13,
        ] {
            let check = report.check(invariant);
            assert_eq!(check.result, Outcome::Held, "{check:?}");
            assert!(check.checked > 0, "{check:?}");
        }
        end
    }

    /// No effect was had twice; and what we say of the money is what the provider says, unless a
    /// person has to find that out.
    fn money(&self, row: &OrderRow, end: End) {
        let (bank, body) = (&self.bank, &row.body);
        for effect in [Effect::Charge, Effect::Deliver, Effect::Recall] {
            assert!(bank.times(effect) <= 1, "{effect:?} twice: {row:?}");
        }
        assert!(bank.times(Effect::Refund) <= body.refunds.len());
        let (took, gave) = (bank.moved(Effect::Charge), bank.moved(Effect::Refund));
        assert!(gave <= took, "{gave} of {took} went back: {row:?}");
        if end == End::Flagged {
            return;
        }
        let payment = body.payment.captured();
        assert_eq!((payment, body.refunded()), (took, gave), "{row:?}");
        assert_eq!(took - gave, body.amount_due(), "{row:?}");
    }

    /// The units are where the order is.
    async fn units(&self, row: &OrderRow) {
        let listed = self.tables.sku(&sku("lamp")).await.expect("readable").rows;
        let stock = listed.expect("listed").1;
        let stands = |account| stock[0].1.get(account);
        let ordered = ORDERED.cast_signed();
        let (held, sold) = match row.body.units {
            Units::Held => (ordered, 0),
            Units::Sold => (0, ordered),
            Units::Free => (0, 0),
            Units::Left => panic!("nothing left the shop"),
        };
        let found = [Account::Held, Account::Sold, Account::Available].map(stands);
        assert_eq!(found, [held, sold, STOCK - held - sold], "{row:?}");
        let owned = match row.body.status {
            Status::Pending => Units::Held,
            // They are back on sale, and the money is stuck on its way.
            Status::Confirmed if row.body.is_cancelling() && row.flagged => row.body.units,
            Status::Confirmed => Units::Sold,
            Status::Cancelled | Status::Expired => Units::Free,
            other => panic!("a saga does not end {other:?}"),
        };
        assert_eq!(row.body.units, owned, "{row:?}");
    }
}
