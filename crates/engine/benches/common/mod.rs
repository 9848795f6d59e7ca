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
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use std::path::Path;
use std::sync::Arc;

/// A number of the command line, behind its name.
pub(crate) fn argument(name: &str, or: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let whole = |text: String| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{name} wants a whole number, not {text}"))
    };
    arguments.nth(1).map_or(or, whole)
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

/// Lists a SKU that has more units than anybody asks for.
pub(crate) async fn list(engine: &Engine, number: u64) {
    ask(engine, put(sku(number), "Lamp"), &format!("put-{number}")).await;
    let receive = Command::ChangeStock {
        sku: sku(number),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(1 << 40).expect("units")),
        reference: None,
        reason: None,
    };
    ask(engine, receive, &format!("receive-{number}")).await;
}

/// The median of some figures, with the lowest and the highest.
pub(crate) fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    let last = figures.len() - 1;
    [figures[figures.len() / 2], figures[0], figures[last]]
}
