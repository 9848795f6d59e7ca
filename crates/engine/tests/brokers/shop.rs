//! A shop whose catalogue is the messages: the log as a topic.

use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Clock, Outlet, Store};
use evenkeel_engine::{Done, Engine, Options, Ports, Request, Threads};
use evenkeel_rules::ids::{SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::sku::Terms;
use std::sync::Arc;

pub(crate) async fn open(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    outlet: Option<Arc<dyn Outlet>>,
) -> Engine {
    let ports = Ports {
        outlet,
        store,
        gate: None,
        gateway: None,
        clock,
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        node: Some("a".to_owned()),
        threads: Threads::Shared,
        ..Options::default()
    };
    Engine::start(ports, options).await.expect("it starts")
}

pub(crate) async fn ask(engine: &Engine, command: Command) -> Done {
    let request = Request {
        command,
        key: None,
        actor: TokenId::new("t-1").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    };
    engine.execute(request).await.expect("it is allowed")
}

/// Puts a SKU: an event of its stream each time that the name is another.
pub(crate) async fn put(engine: &Engine, sku: &str, name: &str) -> Done {
    let terms = Terms {
        sku: SkuId::new(sku).expect("an id"),
        name: name.to_owned(),
        price: Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    ask(engine, Command::PutSku { terms }).await
}
