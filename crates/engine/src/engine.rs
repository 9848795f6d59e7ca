//! The engine as others use it: start, ask, read, stop.
//!
//! An [`Engine`] is cheap to clone and safe to share. Writing goes through [`Engine::execute`] and
//! nowhere else; reading goes to the store and sees every commit that was answered before.

use crate::clock::AGREE_FOR;
use crate::commit::{Command, KeepUp, Lane};
use crate::committer::{Broken, Committer, Delivery, Health, Parts, Unresolved};
use crate::consumer::{Consumer, Reading};
use crate::execute::{self, Done, Refusal, Request};
use crate::gate::memory::MemoryGate;
use crate::gateway::Gateway;
use crate::handle::{self, Handle};
use crate::lease::Held;
use crate::limits::Caps;
use crate::lineage::Lineage;
use crate::meter::AtDoor;
use crate::port::{Clock, Fault, Head, Ids, Outlet, StockGate, Store, Views};
use crate::project::{Inline, Project, Projector};
use crate::queue::Queue;
use crate::relay::{self, Outbox, Relay};
use crate::saga::{Fresh, Runner};
use crate::sweep::Sweep;
use crate::tail::Tail;
use crate::token::{Position, Tokens};
use crate::worker::{Pulse, Workers};
use evenkeel_rules::order::Handler;
use evenkeel_rules::token::Token;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

mod options;
mod shards;

pub use options::{Options, OrderMode, Threads};

/// How often the projections look for new rows, unless a reader waits for some. Each look is a
/// transaction of its own: under load many commits share one.
const PROJECT_EVERY: Duration = Duration::from_millis(20);

/// What all parts of one engine share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gate: Arc<dyn StockGate>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) unresolved: Arc<Unresolved>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) options: Options,
    gateway: Option<Arc<dyn Gateway>>,
    outlet: Option<Arc<dyn Outlet>>,
    pub(crate) held: Held,
    pub(crate) caps: Arc<Caps>,
    pub(crate) at_door: AtDoor,
    health: Arc<Health>,
    pub(crate) workers: Workers,
    projector: OnceLock<Arc<Projector>>,
    lineage: Lineage,
}

impl Shared {
    /// The read models, if this node keeps any.
    pub(crate) fn projector(&self) -> Option<&Arc<Projector>> {
        self.projector.get()
    }
}

/// The engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What an engine is started on.
pub struct Ports {
    /// Where the truth is kept.
    pub store: Arc<dyn Store>,
    /// The gate; the board in memory if missing.
    pub gate: Option<Arc<dyn StockGate>>,
    /// The providers; without them no order gets further than its first commit.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Where events are posted to subscribers; without it nobody is told.
    pub outlet: Option<Arc<dyn Outlet>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
}

impl Shared {
    pub(crate) fn pulse(&self, name: &'static str) -> Arc<Pulse> {
        self.workers.pulse(name)
    }

    /// How the log's positions are called.
    pub(crate) const fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(crate) fn workers_ids(&self) -> Arc<dyn Ids> {
        self.workers.ids()
    }
}

impl Engine {
    /// Starts an engine: committer, sweep and tail run from here on.
    ///
    /// # Errors
    /// A [`Fault`] of the store, or [`Fault::Corrupt`] for a log of a newer format.
    pub async fn start(ports: Ports, options: Options) -> Result<Self, Fault> {
        let engine = Self::build(ports, options).await?;
        engine.run();
        engine.open_handlers().await;
        Ok(engine)
    }

    /// An engine that only reads: nothing runs, and every write is refused as unavailable.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn read_only(ports: Ports, options: Options) -> Result<Self, Fault> {
        let engine = Self::build(ports, options).await?;
        engine.shared.queue.close();
        Ok(engine)
    }

    async fn build(ports: Ports, options: Options) -> Result<Self, Fault> {
        let Ports {
            store,
            gate,
            gateway,
            outlet,
            clock,
            ids,
        } = ports;
        let head = store.head().await?;
        if head.format > evenkeel_rules::event::FORMAT {
            let format = head.format;
            return Err(Fault::Corrupt(format!(
                "log format {format} is newer than this program"
            )));
        }
        let gate = gate.unwrap_or_else(|| Arc::new(MemoryGate::new(head.position)));
        let shared = Shared {
            workers: Workers::new(Arc::clone(&clock), ids),
            queue: Arc::new(Queue::new(options.queue_max)),
            unresolved: Arc::default(),
            projector: OnceLock::new(),
            tokens: Arc::default(),
            health: Arc::default(),
            store,
            gate,
            gateway,
            outlet,
            held: Held::default(),
            caps: Arc::new(Caps::new(options.limits)),
            at_door: AtDoor::new(),
            clock,
            options,
            lineage: Lineage::of(&head),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn run(&self) {
        let shared = &self.shared;
        let (answers, mut deliveries) = mpsc::unbounded_channel::<Delivery>();
        let committer = Committer::new(Parts {
            store: Arc::clone(&shared.store),
            gate: Arc::clone(&shared.gate),
            clock: Arc::clone(&shared.clock),
            ids: shared.workers.ids(),
            queue: Arc::clone(&shared.queue),
            incarnation: shared.lineage.incarnation(),
            unresolved: Arc::clone(&shared.unresolved),
            tokens: Arc::clone(&shared.tokens),
            health: Arc::clone(&shared.health),
            answers,
            max_life: shared.options.max_life,
            warn: shared.options.warn,
            allocation: shared.options.allocation.clone(),
            cache: shared.options.cache,
            compare_clocks: shared.options.compare_clocks,
        });
        let hears = self.run_sagas();
        self.run_relay();
        let beats = self.run_beat();
        // Answers are sent from the callers' runtime: waking them is not the committer's work.
        let (gate, caps) = (Arc::clone(&shared.gate), Arc::clone(&shared.caps));
        shared.workers.task(async move {
            while let Some(delivery) = deliveries.recv().await {
                if let Some(writes) = delivery.writes() {
                    caps.absorb(writes);
                }
                delivery.deliver(&*gate, hears.as_ref());
            }
        });
        match shared.options.threads {
            Threads::Own => shared.workers.thread("committer", committer.run()),
            Threads::Shared => shared.workers.task(committer.run()),
        }
        if shared.options.sweep {
            let (store, clock) = (Arc::clone(&shared.store), Arc::clone(&shared.clock));
            let sweep = Sweep::new(store, clock, Arc::clone(&shared.queue), self.sweeps(beats));
            shared
                .workers
                .run(sweep, shared.options.sweep_every, Arc::new(Notify::new()));
        }
        let tail = Tail {
            store: Arc::clone(&shared.store),
            gate: Arc::clone(&shared.gate),
            tokens: Arc::clone(&shared.tokens),
            clock: Arc::clone(&shared.clock),
        };
        shared
            .workers
            .run(tail, shared.options.tail_every, Arc::new(Notify::new()));
    }

    /// Begins to fold the log into read models; from here on [`Engine::projector`] has them.
    /// Whoever does not call it has none, and reads the store. Only the first call counts.
    pub fn keep_views(&self, views: Arc<dyn Views>) {
        let shared = &self.shared;
        let projector = Projector::new(views, Arc::clone(&shared.clock));
        if shared.projector.set(Arc::clone(&projector)).is_err() {
            return;
        }
        let inline = match shared.options.threads {
            Threads::Own => Inline::No,
            Threads::Shared => Inline::Yes,
        };
        let nudge = Arc::clone(projector.nudge());
        let project = Project::new(Arc::clone(&shared.store), projector, inline);
        shared.workers.run(project, PROJECT_EVERY, nudge);
    }

    /// The read models, if this node keeps any.
    #[must_use]
    pub fn projector(&self) -> Option<&Arc<Projector>> {
        self.shared.projector()
    }

    /// Starts the runner, if this node is to make calls; where it is told of fresh rows.
    fn run_sagas(&self) -> Option<mpsc::UnboundedSender<Fresh>> {
        let shared = &self.shared;
        let gateway = shared.gateway.as_ref().filter(|_| shared.options.saga)?;
        let (hears, fresh) = mpsc::unbounded_channel();
        let handlers = self.run_handlers(gateway);
        let runner = Runner::new(Arc::clone(shared), Arc::clone(gateway), fresh, handlers);
        shared.workers.task(runner.run(shared.workers.stopping()));
        Some(hears)
    }

    /// Whether handlers on events make the first calls of orders here.
    fn is_choreographed(&self) -> bool {
        let shared = &self.shared;
        let calls = shared.gateway.is_some() && shared.options.saga;
        calls && shared.options.order_mode == OrderMode::Choreographed
    }

    /// Starts the handlers, if there are to be any; how each is told that there is news.
    fn run_handlers(&self, gateway: &Arc<dyn Gateway>) -> Vec<Arc<Notify>> {
        let shared = &self.shared;
        let mut nudges = Vec::new();
        if !self.is_choreographed() {
            return nudges;
        }
        for handler in Handler::ALL {
            let handle = Handle {
                shared: Arc::clone(shared),
                gateway: Arc::clone(gateway),
                handler,
                reader: None,
            };
            let nudge = Arc::new(Notify::new());
            nudges.push(Arc::clone(&nudge));
            shared.workers.run(handle, shared.options.saga_every, nudge);
        }
        nudges
    }

    /// Makes the handlers' subscriptions, so that they read of every order taken from here on. One
    /// that cannot be made now is made by its handler; orders taken before that wait for their due
    /// times.
    async fn open_handlers(&self) {
        if !self.is_choreographed() {
            return;
        }
        for handler in Handler::ALL {
            if let Err(fault) = handle::open(&self.shared, handler).await {
                tracing::warn!(%fault, handler = handler.name(), "a handler begins later");
            }
        }
    }

    /// Starts the relay, if this node is to post events.
    fn run_relay(&self) {
        let shared = &self.shared;
        if let Some(outlet) = shared.outlet.as_ref().filter(|_| shared.options.relay) {
            let relay = Relay::new(Arc::clone(shared), Arc::clone(outlet));
            let every = shared.options.relay_every;
            shared.workers.run(relay, every, Arc::new(Notify::new()));
        }
    }

    /// Asks for a change, and waits until its outcome is durable.
    ///
    /// # Errors
    /// A [`Refusal`]: the rules' or the machinery's.
    pub fn execute(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send + '_ {
        execute::execute(&self.shared, request)
    }

    /// The live token with this secret.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn token(&self, secret: &str) -> Result<Option<Arc<Token>>, Fault> {
        self.shared.tokens.find(&*self.shared.store, secret).await
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The node's gate, for comparing it with the store.
    #[must_use]
    pub fn gate(&self) -> &Arc<dyn StockGate> {
        &self.shared.gate
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The head.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn head(&self) -> Result<Head, Fault> {
        self.shared.store.head().await
    }

    /// Lets writers use the newest format of log rows that this program knows, and says which that
    /// is: the end of a rolling upgrade.
    ///
    /// # Errors
    /// A [`Refusal`]: [`Fault::Fenced`] while a node is alive that knows less.
    pub async fn raise_format(&self) -> Result<u32, Refusal> {
        execute::engine_asks(&self.shared, Command::RaiseFormat).await?;
        Ok(self.head().await?.format)
    }

    /// Randomness.
    pub(crate) fn ids(&self) -> Arc<dyn Ids> {
        self.shared.workers_ids()
    }

    /// Does something with the log's old part.
    pub(crate) async fn keep_up(&self, asked: KeepUp) -> Result<(), Refusal> {
        let command = Command::Upkeep(Box::new(asked));
        execute::engine_asks(&self.shared, command).await.map(drop)
    }

    /// Says that the store is a restored backup, so that nothing is believed that comes from the
    /// future that was lost; the position that it begins from, under its new name. This engine is
    /// still of the old one, and is to be stopped.
    ///
    /// # Errors
    /// A [`Refusal`]: the machinery failed.
    pub async fn restored(&self) -> Result<Position, Refusal> {
        execute::engine_asks(&self.shared, Command::Restored).await?;
        let head = self.head().await?;
        Ok(Lineage::of(&head).position(head.position))
    }

    /// Names a position of this log.
    #[must_use]
    pub fn position(&self, position: u64) -> Position {
        self.shared.lineage.position(position)
    }

    /// How the log's positions are called.
    #[must_use]
    pub fn lineage(&self) -> &Lineage {
        &self.shared.lineage
    }

    /// Reads the log in process, from a subscription of this id on.
    ///
    /// # Errors
    /// A [`Refusal`]: the id is another kind of subscription's, or the machinery failed.
    pub async fn subscribe(&self, ask: Reading) -> Result<Consumer, Refusal> {
        Consumer::open(Arc::clone(&self.shared), ask).await
    }

    /// How far subscribers are behind.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn outbox(&self) -> Result<Outbox, Fault> {
        relay::outbox(&self.shared).await
    }

    /// What is not ready, by name; empty when the node serves.
    #[must_use]
    pub fn failing(&self) -> Vec<&'static str> {
        let health = &self.shared.health;
        let clock = &self.shared.clock;
        health.clocks_agree(clock.now(), clock.mono());
        let checks = [
            ("store", health.store_down.load(Ordering::Acquire)),
            ("clock", health.clock_off.load(Ordering::Acquire)),
            ("committer", health.stopped.load(Ordering::Acquire)),
        ];
        checks
            .into_iter()
            .filter(|(_, failing)| *failing)
            .map(|(name, _)| name)
            .collect()
    }

    /// Why the process must end and start again, if it must.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.shared.health.broken()
    }

    /// Nodes on this store, as of this one's last heartbeat; 1 while it has no lease itself.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.held.nodes()
    }

    /// How the loops are.
    #[must_use]
    pub fn pulses(&self) -> Vec<Arc<Pulse>> {
        self.shared.workers.pulses()
    }

    /// Commits that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    /// Commits that wait in each lane.
    #[must_use]
    pub fn waiting_by_lane(&self) -> [(Lane, usize); Lane::ALL.len()] {
        let waiting = self.shared.queue.waiting();
        std::array::from_fn(|at| (Lane::ALL[at], waiting[at]))
    }

    /// When to ask again what was refused because of the state of this node: after what waits, and
    /// not before the clocks have agreed for as long as they must.
    #[must_use]
    pub fn ask_again_after(&self) -> Duration {
        let clock_off = self.shared.health.clock_off.load(Ordering::Acquire);
        let clocks = if clock_off { AGREE_FOR } else { Duration::ZERO };
        self.shared.queue.backlog().max(clocks)
    }

    /// Takes no more work, finishes what waits, and ends.
    pub async fn stop(&self) {
        self.shared.workers.stop();
        self.shared.queue.close();
        self.shared.workers.ended().await;
    }

    /// Ends everything where it stands, as a killed process would. Only with [`Threads::Shared`].
    pub fn kill(&self) {
        self.shared.workers.kill();
    }
}
