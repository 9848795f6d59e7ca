//! What the benchmarks share: an engine on a SQLite store in a directory, what is asked of it, and
//! the services that it calls.
//!
//! The store, the clock and the disk are the real ones. Each benchmark takes what it needs of this.
#![allow(dead_code, reason = "no benchmark needs all of it")]

use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::port::Store;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::{Engine, Options, Ports, Request};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, OrderId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::Ask;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What stands behind a name on the command line.
pub(crate) fn word(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

/// A number of the command line, behind its name.
pub(crate) fn argument(name: &str, or: u64) -> u64 {
    let whole = |text: String| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{name} wants a whole number, not {text}"))
    };
    word(name).map_or(or, whole)
}

/// The store of a directory.
pub(crate) fn store(dir: &Path) -> Arc<dyn Store> {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    Arc::new(store.expect("the directory can be opened"))
}

/// The ports of an engine on a store that calls nobody.
pub(crate) fn ports(store: Arc<dyn Store>) -> Ports {
    Ports {
        store,
        gate: None,
        gateway: None,
        outlet: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    }
}

pub(crate) async fn start(ports: Ports) -> Engine {
    let engine = Engine::start(ports, Options::default()).await;
    engine.expect("the store answers")
}

/// A request, under a key if one is given.
pub(crate) fn request(command: Command, key: &str) -> Request {
    let key = (!key.is_empty()).then(|| Key::new(None, key, &[key.as_bytes()]));
    Request {
        command,
        key,
        actor: TokenId::new("t-bench").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    }
}

pub(crate) async fn ask(engine: &Engine, command: Command, key: &str) {
    let asked = engine.execute(request(command, key)).await;
    asked.expect("accepted");
}

pub(crate) fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number}")).expect("an id")
}

/// One unit of a SKU.
pub(crate) fn unit(sku: SkuId) -> Wanted {
    Wanted {
        sku,
        location: LocationId::main(),
        quantity: Quantity::ONE,
    }
}

pub(crate) fn put(sku: SkuId, name: &str) -> Command {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku,
        name: name.to_owned(),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

/// More units of a SKU than anybody asks for.
pub(crate) fn receive(sku: SkuId) -> Command {
    Command::ChangeStock {
        sku,
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(1 << 40).expect("units")),
        reference: None,
        reason: None,
    }
}

/// Lists a SKU that has more units than anybody asks for.
pub(crate) async fn list(engine: &Engine, number: u64) {
    ask(engine, put(sku(number), "Lamp"), &format!("put-{number}")).await;
    ask(engine, receive(sku(number)), &format!("receive-{number}")).await;
}

/// One of a million customers.
fn customer(number: u128) -> CustomerId {
    CustomerId::new(&format!("c-{}", number % 1_000_000)).expect("an id")
}

/// A hold of one unit, named by a number.
pub(crate) fn place(number: u128, sku: SkuId, ttl: Millis) -> Place {
    Place {
        id: HoldId::new(&format!("h-{number:032x}")).expect("an id"),
        customer: customer(number),
        lines: vec![unit(sku)],
        ttl,
    }
}

/// An order of one unit, named by a number.
pub(crate) fn take(number: u128, sku: SkuId) -> Command {
    let ask = Ask {
        id: OrderId::new(&format!("o-{number:032x}")).expect("an id"),
        customer: customer(number),
        lines: vec![unit(sku)],
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: Millis(900_000),
    };
    Command::TakeOrder {
        ask: Box::new(ask),
        private: r#"{"token":"tok_ok"}"#.to_owned(),
    }
}

/// A hold on one of so many SKUs that is confirmed or released, as chance has it.
pub(crate) async fn hold_and_end(engine: &Engine, dice: &mut fastrand::Rng, skus: u64) {
    let number = dice.u128(..);
    let ttl = Millis(dice.u64(600_000..900_000));
    let place = place(number, sku(dice.u64(..skus)), ttl);
    let id = place.id.clone();
    ask(engine, Command::Place(place), &format!("p-{number:032x}")).await;
    let end = match number % 2 {
        0 => Command::Confirm { id, lines: None },
        _ => Command::Release { id },
    };
    ask(engine, end, &format!("e-{number:032x}")).await;
}

/// The median of some figures, with the lowest and the highest.
pub(crate) fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    let last = figures.len() - 1;
    [figures[figures.len() / 2], figures[0], figures[last]]
}

/// Does something `count` times, so many callers at a time.
#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark has callers of its own"
)]
pub(crate) async fn times<F, Done>(count: u64, callers: u64, once: F)
where
    F: Fn() -> Done + Clone + Send + 'static,
    Done: Future<Output = ()> + Send,
{
    let left = Arc::new(AtomicU64::new(count));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (once, left) = (once.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            let take =
                || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            while take().is_ok() {
                once().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no caller panics");
    }
}
