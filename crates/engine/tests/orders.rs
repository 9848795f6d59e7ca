//! The thinnest whole path of an order: a request in, the charge, the units, the parcel, and back.

mod asked;

use asked::request;
use async_trait::async_trait;
use evenkeel_engine::callback::Sender;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Effect, Received};
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::{Call, Gateway, Reply};
use evenkeel_engine::port::{Clock, Fault, Ids, OrderRow};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::{Done, Engine, Options, OrderMode, Ports, Refusal, Request};
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{CustomerId, LocationId, OrderId, SkuId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{Ask, News, Status, Task, Told, Units};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::shipment;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::{Account, Change};
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

async fn open(dir: &Path, gateway: &Arc<InstantGateway>, order_mode: OrderMode) -> Engine {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    let ports = Ports {
        outlet: None,
        store: Arc::new(store.expect("a fresh directory can be opened")),
        gate: None,
        gateway: Some(Arc::clone(gateway) as _),
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        order_mode,
        ..Options::default()
    };
    let engine = Engine::start(ports, options).await;
    engine.expect("the store answers")
}

fn sku() -> SkuId {
    SkuId::new("lamp").expect("an id")
}

async fn list(engine: &Engine) {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: sku(),
        name: "Lamp".to_owned(),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    let put = request(Command::PutSku { terms }, "put");
    engine.execute(put).await.expect("listed");
    let receive = Command::ChangeStock {
        sku: sku(),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(5).expect("five")),
        reference: None,
        reason: None,
    };
    let receive = request(receive, "receive");
    engine.execute(receive).await.expect("received");
}

fn take(id: &str) -> Request {
    let ask = Ask {
        id: OrderId::new(id).expect("an id"),
        customer: CustomerId::new("c-1").expect("an id"),
        lines: vec![Wanted {
            sku: sku(),
            location: LocationId::main(),
            quantity: Quantity::new(2).expect("two"),
        }],
        hold: None,
        method: "card".to_owned(),
        expected_total: None,
        adjustments: Vec::new(),
        confirming: Millis(900_000),
    };
    let private = r#"{"token":"tok_ok"}"#.to_owned();
    let ask = Box::new(ask);
    request(Command::TakeOrder { ask, private }, id)
}

async fn until(engine: &Engine, id: &str, stands: impl Fn(&OrderRow) -> bool) -> OrderRow {
    let id = OrderId::new(id).expect("an id");
    loop {
        let row = engine.store().order(&id).await.expect("readable").rows;
        if let Some(row) = row
            && stands(&row)
        {
            return row;
        }
        tokio::task::yield_now().await;
    }
}

async fn account(engine: &Engine, account: Account) -> i64 {
    let listed = engine.store().sku(&sku()).await.expect("readable").rows;
    listed.expect("listed").1[0].1.get(account)
}

async fn parcel(engine: &Engine, row: &OrderRow, status: shipment::Status) -> Done {
    let shipment = row.body.shipment.as_ref().expect("asked for");
    let received = Received {
        sender: Sender::Delivery,
        provider: "sandbox".to_owned(),
        event: format!("{}-{}", row.body.id, status.name()),
        order: row.body.id.clone(),
        news: News::Parcel {
            delivery: shipment.delivery.clone().expect("named"),
            status,
        },
        raw: status.name().to_owned(),
    };
    let store = Request {
        key: None,
        ..request(Command::StoreCallback(Box::new(received)), "")
    };
    engine.execute(store).await.expect("stored")
}

fn order_of(done: &Done) -> &OrderRow {
    match &done.effect {
        Effect::Order(row) => row,
        other => panic!("not an order: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_from_click_to_delivery_and_its_first_answer_replays() {
    for mode in OrderMode::ALL {
        goes_from_click_to_delivery(mode).await;
    }
}

async fn goes_from_click_to_delivery(mode: OrderMode) {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = Arc::new(InstantGateway::new());
    let engine = open(dir.path(), &gateway, mode).await;
    list(&engine).await;
    let taken = engine.execute(take("o-1")).await.expect("taken");
    assert_eq!(order_of(&taken).body.status, Status::Pending);
    assert_eq!(order_of(&taken).body.total.amount, 3_998);
    let named = |row: &OrderRow| {
        let shipment = row.body.shipment.as_ref();
        shipment.is_some_and(|it| it.delivery.is_some())
    };
    let row = until(&engine, "o-1", named).await;
    assert_eq!(
        (row.body.status, row.body.units),
        (Status::Confirmed, Units::Sold)
    );
    assert_eq!(row.body.payment.captured(), 3_998);
    parcel(&engine, &row, shipment::Status::InTransit).await;
    until(&engine, "o-1", |row| row.body.status == Status::Shipped).await;
    assert_eq!(account(&engine, Account::Shipped).await, 2);
    parcel(&engine, &row, shipment::Status::Delivered).await;
    let again = parcel(&engine, &row, shipment::Status::Delivered).await;
    assert!(again.replayed, "the provider's id names the callback");
    let end = until(&engine, "o-1", |row| row.body.is_quiet()).await;
    assert_eq!(end.body.status, Status::Delivered);
    assert_eq!(gateway.counts().charges, 1);
    let replay = engine.execute(take("o-1")).await.expect("replayed");
    assert!(replay.replayed);
    assert_eq!(order_of(&replay).body, order_of(&taken).body);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_before_shipping_gives_units_and_money_back_and_replays_as_it_was() {
    for mode in OrderMode::ALL {
        is_cancelled_before_shipping(mode).await;
    }
}

async fn is_cancelled_before_shipping(mode: OrderMode) {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = Arc::new(InstantGateway::new());
    let engine = open(dir.path(), &gateway, mode).await;
    list(&engine).await;
    engine.execute(take("o-1")).await.expect("taken");
    until(&engine, "o-1", |row| row.body.status == Status::Confirmed).await;
    let cancel = || {
        let id = OrderId::new("o-1").expect("an id");
        let reason = Some("another colour".to_owned());
        request(Command::CancelOrder { id, reason }, "cancel")
    };
    let asked = engine.execute(cancel()).await.expect("taken on");
    assert!(order_of(&asked).body.is_cancelling());
    let end = until(&engine, "o-1", |row| row.body.is_quiet()).await;
    assert_eq!(
        (end.body.status, end.body.units),
        (Status::Cancelled, Units::Free)
    );
    assert_eq!(end.body.refunded(), 3_998);
    assert_eq!(account(&engine, Account::Available).await, 5);
    assert_eq!(gateway.counts().refunds, 1);
    let replay = engine.execute(cancel()).await.expect("replayed");
    assert!(replay.replayed);
    assert_eq!(order_of(&replay).body, order_of(&asked).body);
    engine.stop().await;
}

/// Two nodes on one store, with names of their own.
async fn two_nodes(gateway: &Arc<InstantGateway>, order_mode: OrderMode) -> [Engine; 2] {
    let store = MemoryStore::new("main", [7; 16]);
    let start = async |name: &str| {
        let ports = Ports {
            outlet: None,
            store: Arc::new(store.clone()),
            gate: None,
            gateway: Some(Arc::clone(gateway) as _),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds),
        };
        let options = Options {
            node: Some(name.to_owned()),
            order_mode,
            ..Options::default()
        };
        Engine::start(ports, options).await.expect("it starts")
    };
    [start("a").await, start("b").await]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_orders_and_each_is_charged_and_delivered_once() {
    for mode in OrderMode::ALL {
        two_nodes_share_the_orders(mode).await;
    }
}

async fn two_nodes_share_the_orders(mode: OrderMode) {
    let gateway = Arc::new(InstantGateway::new());
    let [one, other] = two_nodes(&gateway, mode).await;
    list(&one).await;
    for id in ["o-1", "o-2"] {
        one.execute(take(id)).await.expect("taken");
    }
    for id in ["o-1", "o-2"] {
        until(&other, id, |row| row.body.status == Status::Confirmed).await;
    }
    // A call that began under a lease that was gone when it ended is made again under its key.
    assert_eq!(gateway.counts().charges, 2);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_under_another_token_than_the_owners_is_fenced() {
    let gateway = Arc::new(InstantGateway::new());
    let [one, other] = two_nodes(&gateway, OrderMode::Orchestrated).await;
    list(&one).await;
    one.execute(take("o-1")).await.expect("taken");
    let row = until(&one, "o-1", |row| row.body.status == Status::Confirmed).await;
    for lease in [0, 77] {
        let report = Command::Report {
            id: row.body.id.clone(),
            task: Task::AskDelivery,
            told: Told::Refused,
            seen: row.version,
            random: 0,
            lease: Some(lease),
        };
        let refused = one.execute(request(report, "report")).await;
        assert_eq!(
            refused,
            Err(Refusal::Failed(Fault::Fenced)),
            "token {lease}"
        );
    }
    one.stop().await;
    other.stop().await;
}

/// Whoever asks it hears nothing.
struct Silent;

#[async_trait]
impl Gateway for Silent {
    async fn call(&self, _call: &Call, _timeout: Duration) -> Reply {
        Reply::Unknown
    }
}

/// The longest delays that can be drawn.
struct Longest;

impl Ids for Longest {
    fn random(&self) -> [u8; 16] {
        [u8::MAX; 16]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_came_to_nothing_waits_for_its_delay_before_it_is_made_again() {
    for mode in OrderMode::ALL {
        waits_before_it_calls_again(mode).await;
    }
}

async fn waits_before_it_calls_again(order_mode: OrderMode) {
    let clock = Arc::new(SystemClock::new());
    let ports = Ports {
        outlet: None,
        store: Arc::new(MemoryStore::new("main", [7; 16])),
        gate: None,
        gateway: Some(Arc::new(Silent)),
        clock: Arc::clone(&clock) as _,
        ids: Arc::new(Longest),
    };
    let options = Options {
        order_mode,
        ..Options::default()
    };
    let engine = Engine::start(ports, options).await;
    let engine = engine.expect("the store answers");
    list(&engine).await;
    let begun = clock.mono();
    engine.execute(take("o-1")).await.expect("taken");
    until(&engine, "o-1", |row| row.tries.calls >= 3).await;
    let waited = clock.mono() - begun;
    assert!(waited >= Duration::from_millis(200 + 400), "{waited:?}");
    engine.stop().await;
}
