//! A node: a process that runs an engine, and dies, stands still and starts again.
//!
//! A killed process takes everything with it that was not durable: its queue, its cache, its gate
//! and the requests that it was working on. What starts afterwards is another engine on the same
//! store. A frozen process makes no step, and does not know that it was frozen.

use crate::archive;
use crate::clock::{self, Freezer, SimClock, SimIds};
use crate::faults::FaultKind;
use crate::planted::{DeafGate, Planted};
use crate::provider::SimGateway;
use crate::subscriber::SimOutlet;
use crate::world::World;
use evenkeel_engine::gate::memory::MemoryGate;
use evenkeel_engine::port::{StockGate, Store};
use evenkeel_engine::{Engine, Options, Ports};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How far a batch has come when its node passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is locked.
    Begun,
    /// The head is locked and the rows are read; nothing is written.
    Locked,
    /// The COMMIT is under way.
    Written,
    /// The batch is durable; nobody was told.
    Synced,
}

/// What is to befall a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blow {
    /// It dies, by this fault.
    Kill(FaultKind),
    /// It stands still for so long.
    Freeze(Duration),
}

#[derive(Default)]
struct Process {
    engine: Option<Engine>,
    gate: Option<Arc<dyn StockGate>>,
    /// Counts deaths: what belongs to an earlier life is gone.
    life: u64,
    starting: bool,
    /// It was killed while it was starting.
    struck: bool,
}

impl Process {
    fn set(&mut self, engine: Engine, gate: Arc<dyn StockGate>) {
        self.engine = Some(engine);
        self.gate = Some(gate);
    }
}

/// One of the two nodes.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) clock: Arc<SimClock>,
    ids: Arc<SimIds>,
    options: Mutex<Options>,
    freezer: Arc<Freezer>,
    process: Mutex<Process>,
    died: Notify,
    awaits: Mutex<Option<(Stage, Blow)>>,
}

impl Node {
    pub(crate) fn new(name: &'static str, seed: u64, world: &World, options: Options) -> Self {
        let freezer = Arc::new(Freezer::default());
        Self {
            name,
            clock: Arc::new(SimClock::new(world.start(), Arc::clone(&freezer))),
            ids: Arc::new(SimIds::new(seed)),
            options: Mutex::new(Options {
                node: Some(name.to_owned()),
                ..options
            }),
            freezer,
            process: Mutex::default(),
            died: Notify::new(),
            awaits: Mutex::new(None),
        }
    }

    /// The running engine and the life that it belongs to.
    pub(crate) fn engine(&self) -> Option<(Engine, u64)> {
        let process = self.process.lock();
        let engine = process.engine.clone()?;
        Some((engine, process.life))
    }

    /// The gate of the process that was started last.
    pub(crate) fn gate(&self) -> Option<Arc<dyn StockGate>> {
        self.process.lock().gate.clone()
    }

    /// Returns once this life is over.
    pub(crate) async fn died(&self, life: u64) {
        while self.process.lock().life == life {
            self.died.notified().await;
        }
    }

    /// What comes of some work, unless this life is over before.
    pub(crate) async fn alive<T>(&self, life: u64, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died(life) => None,
            done = work => Some(done),
        }
    }

    /// Returns once the node is not frozen.
    pub(crate) async fn awake(&self) {
        self.freezer.awake().await;
    }

    /// Prepares a blow for when the node reaches a stage.
    pub(crate) fn await_stage(&self, stage: Stage, blow: Blow) {
        *self.awaits.lock() = Some((stage, blow));
    }

    /// Cancels a blow that did not fall.
    pub(crate) fn spare(&self) {
        *self.awaits.lock() = None;
    }

    /// The node passes a stage of a batch: it may die here or stand still.
    pub(crate) async fn reach(self: &Arc<Self>, world: &Arc<World>, stage: Stage) {
        let blow = {
            let mut awaits = self.awaits.lock();
            let falls = awaits.is_some_and(|(at, _)| at == stage);
            if falls { awaits.take() } else { None }
        };
        match blow {
            Some((_, Blow::Kill(kind))) if world.dice(|dice| dice.may(kind)) => {
                world.count(kind);
                self.kill(world);
                std::future::pending().await
            }
            Some((_, Blow::Freeze(span))) => self.freeze(world, span),
            Some(_) | None => {}
        }
        self.awake().await;
    }

    /// The node is about to speak to somebody outside, or has just done so: it may die here, or
    /// stand still.
    pub(crate) async fn meet(
        self: &Arc<Self>,
        world: &Arc<World>,
        pause: FaultKind,
        kill: FaultKind,
    ) {
        if world.fires(kill) {
            self.kill(world);
            std::future::pending::<()>().await;
        }
        if world.fires(pause) {
            let span = Duration::from_millis(world.dice(|dice| dice.range(50, 4_000)));
            self.freeze(world, span);
        }
        self.awake().await;
    }

    /// The node stands still for so long.
    pub(crate) fn freeze(self: &Arc<Self>, world: &World, span: Duration) {
        self.freezer.freeze();
        let node = Arc::clone(self);
        world.spawn(async move {
            clock::sleep(span).await;
            node.freezer.thaw();
        });
    }

    /// The process dies where it stands, and is started again after a while.
    pub(crate) fn kill(self: &Arc<Self>, world: &Arc<World>) {
        if self.end() {
            let ms = world.dice(|dice| dice.range(10, 600));
            let (node, world2) = (Arc::clone(self), Arc::clone(world));
            world.spawn(async move {
                clock::sleep(Duration::from_millis(ms)).await;
                node.start(&world2).await;
            });
        }
    }

    /// The process dies where it stands; whether it was alive. One that is starting is found dead
    /// by whoever starts it, and started again.
    fn end(&self) -> bool {
        let mut process = self.process.lock();
        let Some(engine) = process.engine.take() else {
            process.struck |= process.starting;
            return false;
        };
        process.life += 1;
        drop(process);
        engine.kill();
        self.freezer.thaw();
        self.died.notify_waiters();
        true
    }

    /// Starts the process, however often that needs to be tried.
    pub(crate) async fn start(self: &Arc<Self>, world: &Arc<World>) {
        if std::mem::replace(&mut self.process.lock().starting, true) {
            return;
        }
        while self.process.lock().engine.is_none() {
            let store = archive::through(world, self);
            let Ok(head) = store.head().await else {
                clock::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let gate: Arc<dyn StockGate> = match world.planted {
                Some(Planted::DeafGate) => Arc::new(DeafGate::new(head.position)),
                _ => Arc::new(MemoryGate::new(head.position)),
            };
            let ports = Ports {
                outlet: Some(Arc::new(SimOutlet {
                    world: Arc::clone(world),
                    node: Arc::clone(self),
                })),
                store,
                gate: Some(Arc::clone(&gate)),
                gateway: Some(Arc::new(SimGateway {
                    world: Arc::clone(world),
                    node: Arc::clone(self),
                })),
                clock: Arc::clone(&self.clock) as _,
                ids: Arc::clone(&self.ids) as _,
            };
            let options = self.options.lock().clone();
            match Engine::start(ports, options).await {
                Ok(engine) if std::mem::take(&mut self.process.lock().struck) => engine.kill(),
                Ok(engine) => self.process.lock().set(engine, gate),
                Err(_) => clock::sleep(Duration::from_millis(50)).await,
            }
        }
        self.process.lock().starting = false;
    }

    /// Stops the process as an operator would: what waits is finished.
    pub(crate) async fn stop(&self) {
        let engine = self.process.lock().engine.clone();
        if let Some(engine) = engine {
            engine.stop().await;
        }
        let mut process = self.process.lock();
        process.engine = None;
        process.life += 1;
        drop(process);
        self.died.notify_waiters();
    }

    /// Changes how the engine is started next.
    pub(crate) fn set_options(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.options.lock());
    }

    /// Whether it runs and nothing is wrong with its clock or its disk.
    pub(crate) fn is_well(&self) -> bool {
        self.engine().is_some() && self.is_ill() == (false, false)
    }

    /// What is not ready, and whether the disk failed.
    pub(crate) fn is_ill(&self) -> (bool, bool) {
        self.engine().map_or((false, false), |(engine, _)| {
            (
                engine.failing().contains(&"clock"),
                engine.broken().is_some(),
            )
        })
    }
}
