//! A shop that trades: holds that end in every way, orders that are carried out or called off.

use super::asked::request;
use async_trait::async_trait;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::Command;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use evenkeel_engine::port::Store;
use evenkeel_engine::{Engine, Options, Ports};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, OrderId, SkuId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{Ask, Order};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use std::time::Duration;

/// Rows that are more than any test has.
pub(crate) const ALL: usize = 10_000;
/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the payment provider gives for a card that it takes no money from.
const DECLINED: &str = "tok_declined";

/// Providers that do everything at once, but for cards that are declined.
struct Providers(InstantGateway);

#[async_trait]
impl Gateway for Providers {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        match call {
            Call::Charge { token, .. } if token == DECLINED => Reply::Refused { code: None },
            _ => self.0.call(call, timeout).await,
        }
    }
}

pub(crate) async fn engine(store: Arc<dyn Store>) -> Engine {
    let ports = Ports {
        store,
        gate: None,
        gateway: Some(Arc::new(Providers(InstantGateway::new()))),
        outlet: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    Engine::start(ports, Options::default())
        .await
        .expect("the store answers")
}

pub(crate) async fn ask(engine: &Engine, command: Command, key: &str) {
    let asked = engine.execute(request(command, key)).await;
    asked.expect("accepted");
}

pub(crate) fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number}")).expect("an id")
}

pub(crate) fn lines(number: u64) -> Vec<Wanted> {
    let line = |location: &str, sku| Wanted {
        sku,
        location: LocationId::new(location).expect("an id"),
        quantity: Quantity::new(1 + number % 3).expect("units"),
    };
    vec![
        line("main", sku(number % 4)),
        line("depot", sku(number % 4)),
        line("main", sku(4)),
    ]
}

pub(crate) async fn stock(engine: &Engine) {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    for number in 0..5 {
        let terms = Terms {
            sku: sku(number),
            name: "Lamp".to_owned(),
            price,
            max_per_order: None,
            max_per_customer: None,
            sale: None,
        };
        ask(engine, Command::PutSku { terms }, &format!("put-{number}")).await;
        for location in ["main", "depot"] {
            let receive = Command::ChangeStock {
                sku: sku(number),
                location: LocationId::new(location).expect("an id"),
                change: Change::Receive(Quantity::new(100_000).expect("units")),
                reference: None,
                reason: None,
            };
            ask(engine, receive, &format!("receive-{number}-{location}")).await;
        }
    }
}

pub(crate) fn hold(number: u64) -> HoldId {
    HoldId::new(&format!("h-{number}")).expect("an id")
}

pub(crate) fn customer(number: u64) -> CustomerId {
    CustomerId::new(&format!("c-{}", number % 7)).expect("an id")
}

/// Holds that end in every way, and orders that are carried out or called off.
pub(crate) async fn trade(engine: &Engine, from: u64, to: u64) {
    for number in from..to {
        let id = hold(number);
        let place = Place {
            id: id.clone(),
            customer: customer(number),
            lines: lines(number),
            ttl: Millis(600_000),
        };
        ask(engine, Command::Place(place), &format!("place-{number}")).await;
        match number % 3 {
            0 => {
                ask(
                    engine,
                    Command::Confirm { id, lines: None },
                    &format!("c-{number}"),
                )
                .await
            }
            1 => ask(engine, Command::Release { id }, &format!("r-{number}")).await,
            _ => {}
        }
        let id = OrderId::new(&format!("o-{number}")).expect("an id");
        let order = Ask {
            id: id.clone(),
            customer: customer(number),
            lines: lines(number),
            hold: None,
            method: "card".to_owned(),
            expected_total: None,
            adjustments: Vec::new(),
            confirming: Millis(900_000),
        };
        // Who cancels may be too late to stop a shipment; some orders surely have none.
        let token = if number % 20 == 5 { DECLINED } else { "tok_ok" };
        let private = format!(r#"{{"token":"{token}"}}"#);
        let take = Command::TakeOrder {
            ask: Box::new(order),
            private,
        };
        ask(engine, take, &format!("take-{number}")).await;
        if number % 4 == 0 {
            let reason = Some("another colour".to_owned());
            ask(
                engine,
                Command::CancelOrder { id, reason },
                &format!("cancel-{number}"),
            )
            .await;
        }
    }
    // An id that is refused for ever is no order that anybody sees.
    let id = OrderId::new(&format!("never-{from}")).expect("an id");
    let reason = Some("early".to_owned());
    let never = request(
        Command::CancelOrder { id, reason },
        &format!("never-{from}"),
    );
    assert!(
        engine.execute(never).await.is_err(),
        "there is no such order"
    );
}

/// Whether nothing goes on by itself: a shipment that nobody calls off is on its way for ever.
fn is_at_rest(order: &Order) -> bool {
    let shipped = order.shipment.as_ref();
    let is_on_its_way = shipped.is_some_and(|it| it.delivery.is_some());
    let mut refunds = order.refunds.iter();
    let is_called_off = order.is_cancelling() || !refunds.all(|it| it.run.state.is_ended());
    order.is_quiet() || (is_on_its_way && !is_called_off)
}

/// Waits until nothing goes on by itself, and says where the log then stands.
pub(crate) async fn quiet(engine: &Engine) -> u64 {
    let read = async || {
        let orders = engine.store().orders(u64::MAX, ALL).await;
        orders.expect("readable")
    };
    let still = async {
        loop {
            let orders = read().await;
            if orders.rows.iter().all(|row| is_at_rest(&row.body)) {
                return orders.position;
            }
            tokio::task::yield_now().await;
        }
    };
    let Ok(at) = tokio::time::timeout(PATIENCE, still).await else {
        let mut orders = read().await.rows;
        orders.retain(|row| !is_at_rest(&row.body));
        panic!("these do not come to rest: {orders:#?}");
    };
    at
}
