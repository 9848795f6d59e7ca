//! One seed, from its first unit to its last check.
//!
//! A world with two engines on one store is opened, buyers rush at it while faults fire; then the
//! faults heal, everybody gets the answer that is owed, every hold ends, a probe buyer buys each
//! unit that is left, and an idle hour passes. All of it runs on one thread in simulated time, so
//! a seed is its own proof: run again, it does the same to the last byte.

use crate::archive;
use crate::auditor::{MAX_LIFE_MS, Violation};
use crate::chaos;
use crate::client::Client;
use crate::clock;
use crate::faults::{FaultKind, FaultSet};
use crate::node::Node;
use crate::planted::Planted;
use crate::probe;
use crate::provider;
use crate::restored;
use crate::sessions;
use crate::subscriber;
use crate::workload::{
    Shop, administer, buy, keep_desk, keep_stock, keep_subscriptions, open_shop, travel,
};
use crate::world::World;
use evenkeel_engine::{OrderMode, Threads};
use evenkeel_rules::time::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How a seed is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which faults may fire.
    pub faults: FaultSet,
    /// The bug that is planted, if any.
    pub planted: Option<Planted>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: FaultSet::all(),
            planted: None,
        }
    }
}

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Everything that did not hold, in the order in which it was found.
    pub violations: Vec<Violation>,
    /// What happened just before the first of them.
    pub before: Vec<String>,
    /// Log rows, answers and faults.
    pub events: u64,
    /// A hash over all of them.
    pub trace_hash: [u8; 32],
    /// How often each fault fired.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Pairs of consecutive event types that some stream went through.
    pub transitions: BTreeSet<(Option<String>, String)>,
}

/// Runs one seed.
///
/// # Panics
/// If the machine cannot give a runtime, or an assertion of the engine does not hold.
#[must_use]
pub fn run_seed(seed: u64, options: &Options) -> SeedReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(simulate(seed, options))
}

/// Orders run on events in one of so many seeds.
const CHOREOGRAPHED_EVERY: u64 = 5;

/// Who makes the first calls of orders in a seed. The bugs that are planted are those of a runner
/// that makes them all.
fn mode(seed: u64, planted: Option<Planted>) -> OrderMode {
    if planted.is_none() && seed % CHOREOGRAPHED_EVERY == 1 {
        OrderMode::Choreographed
    } else {
        OrderMode::Orchestrated
    }
}

/// How the engines of a seed are started.
fn engine_options(
    rng: &mut fastrand::Rng,
    relay: bool,
    order_mode: OrderMode,
) -> evenkeel_engine::Options {
    // Drawn beside the others, so that worlds without subscribers are what they always were.
    let mut beside = rng.clone();
    let ms = |rng: &mut fastrand::Rng, from, to| Duration::from_millis(rng.u64(from..=to));
    evenkeel_engine::Options {
        threads: Threads::Shared,
        compare_clocks: true,
        sweep: true,
        sweep_every: ms(rng, 50, 400),
        tail_every: ms(rng, 20, 100),
        cache: rng.u8(0..5) > 0,
        queue_max: if rng.u8(0..5) > 0 { 1_024 } else { 3 },
        wait: ms(rng, 800, 3_000),
        max_life: Millis(MAX_LIFE_MS),
        allocation: Vec::new(),
        limits: evenkeel_rules::limits::Limits::default(),
        node: None,
        beat_every: ms(rng, 300, 1_000),
        saga: true,
        order_mode,
        saga_every: ms(rng, 20, 300),
        call_timeout: ms(rng, 100, 2_000),
        delivery_timeout: ms(rng, 100, 2_000),
        relay,
        relay_every: ms(&mut beside, 60, 400),
        post_timeout: ms(&mut beside, 200, 1_500),
        warn: Millis([0, 300, 1_500][beside.usize(0..3)]),
        queue_wait: ms(&mut beside, 50, 1_000),
    }
}

/// Begins what everybody asks of the shop.
fn everybody(
    client: &impl Fn(&mut fastrand::Rng) -> Client,
    shop: &Shop,
    rng: &mut fastrand::Rng,
    live: bool,
) -> Vec<JoinHandle<()>> {
    let mut work = vec![
        clock::spawn(keep_stock(client(rng), shop.clone(), rng.u32(10..25))),
        clock::spawn(keep_desk(client(rng), rng.u32(20..50))),
        clock::spawn(administer(client(rng), rng.u32(1..7))),
    ];
    for number in 0..rng.usize(3..8) {
        let buyer = buy(client(rng), shop.clone(), number, rng.u32(26..46));
        work.push(clock::spawn(buyer));
    }
    work.push(clock::spawn(travel(client(rng), rng.u32(3..9))));
    if live {
        let keeper = keep_subscriptions(client(rng), rng.u32(15..35));
        work.push(clock::spawn(keeper));
    }
    work
}

async fn simulate(seed: u64, options: &Options) -> SeedReport {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new(rng.u64(..), options.faults.clone(), options.planted);
    let world = Arc::new(world);
    let live = subscriber::live(seed, options.planted);
    let mode = mode(seed, options.planted);
    let node = |rng: &mut fastrand::Rng, name| {
        let options = engine_options(rng, live, mode);
        Arc::new(Node::new(name, rng.u64(..), &world, options))
    };
    let nodes = [node(&mut rng, "a"), node(&mut rng, "b")];
    for node in &nodes {
        node.start(&world).await;
    }
    let client = |rng: &mut fastrand::Rng| Client {
        world: Arc::clone(&world),
        nodes: nodes.clone(),
        rng: rng.fork(),
        probes: false,
    };
    let providers = clock::spawn(provider::run(Arc::clone(&world), nodes.clone()));
    let shop = Shop::new(&mut rng);
    open_shop(&mut client(&mut rng), &shop).await;

    world.dice(|dice| dice.switch(true));
    let chaos = clock::spawn(chaos::trouble(Arc::clone(&world), nodes.clone()));
    let operator = clock::spawn(chaos::operate(Arc::clone(&world), nodes.clone()));
    let mut keepers = Vec::new();
    let work = everybody(&client, &shop, &mut rng, live);
    if archive::archives(seed, options.planted) {
        let keeper = archive::keep(Arc::clone(&world), nodes.clone(), seed);
        keepers.push(clock::spawn(keeper));
    }
    if restored::happens(seed, options.planted) {
        let keeper = restored::keep(Arc::clone(&world), nodes.clone(), seed);
        keepers.push(clock::spawn(keeper));
    }
    let mut patience = Duration::from_secs(60);
    while work.iter().any(|task| !task.is_finished()) && patience > Duration::ZERO {
        clock::sleep(Duration::from_millis(100)).await;
        patience -= Duration::from_millis(100);
        // What comes after the first violation only hides it; the runtime ends what still runs.
        if world.audit(|auditor| !auditor.violations().is_empty()) {
            return report(seed, &world);
        }
    }

    heal(&world, &nodes).await;
    drop(chaos.await);
    let mut well = true;
    for keeper in keepers {
        well &= keeper.await.is_ok();
    }
    for task in work {
        well &= task.await.is_ok();
    }
    well &= world.join().await;
    if !well {
        world.audit(|auditor| auditor.report("panic", "a task panicked".to_owned()));
    }
    let mut last = client(&mut rng);
    probe::finish(&mut last, &shop, operator).await;
    probe::idle(&last).await;
    providers.abort();
    let whole = archive::whole(&world).await;
    world.audit(|auditor| auditor.end(&whole));
    if world.audit(|auditor| auditor.violations().is_empty())
        && let Some((invariant, what)) = sessions::play(seed, whole, options.planted).await
    {
        world.audit(|auditor| auditor.report(invariant, what));
    }
    report(seed, &world)
}

/// Switches the faults off and mends what they broke.
async fn heal(world: &Arc<World>, nodes: &[Arc<Node>; 2]) {
    world.dice(|dice| dice.switch(false));
    for node in nodes {
        node.spare();
        node.start(world).await;
    }
}

fn report(seed: u64, world: &World) -> SeedReport {
    let faults = world.dice(|dice| dice.counts().clone());
    world.audit(|auditor| {
        let (events, trace_hash) = auditor.trace_hash();
        SeedReport {
            seed,
            violations: auditor.violations().to_vec(),
            before: auditor.before(),
            events,
            trace_hash,
            faults,
            transitions: auditor.transitions().clone(),
        }
    })
}
