//! The thinnest whole path: a request in, a commit on disk, an answer, and all of it after a
//! restart.

mod asked;

use asked::request;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Effect, Rejection};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::{Done, Engine, Options, Ports, Refusal, Request};
use evenkeel_rules::hold::{self, Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;

async fn open(dir: &Path) -> Engine {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    let ports = Ports {
        outlet: None,
        store: Arc::new(store.expect("a fresh directory can be opened")),
        gate: None,
        gateway: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    Engine::start(ports, Options::default())
        .await
        .expect("the store answers")
}

fn sku() -> SkuId {
    SkuId::new("lamp").expect("an id")
}

fn place(number: u32) -> Request {
    let line = Wanted {
        sku: sku(),
        location: LocationId::main(),
        quantity: Quantity::ONE,
    };
    let place = Place {
        id: HoldId::new(&format!("h-{number}")).expect("an id"),
        customer: CustomerId::new("c-1").expect("an id"),
        lines: vec![line],
        ttl: Millis(60_000),
    };
    request(Command::Place(place), &format!("k-{number}"))
}

/// Lists a lamp, and receives five.
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
    engine
        .execute(request(Command::PutSku { terms }, "put"))
        .await
        .expect("listed");
    let receive = Command::ChangeStock {
        sku: sku(),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(5).expect("five")),
        reference: None,
        reason: None,
    };
    engine
        .execute(request(receive, "receive"))
        .await
        .expect("received");
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    list(&engine).await;
    let mut placed: Vec<Done> = Vec::new();
    for number in 0..10 {
        match engine.execute(place(number)).await {
            Ok(done) => placed.push(done),
            Err(Refusal::Rejected {
                rejection: Rejection::Hold(no),
                ..
            }) => {
                assert!(matches!(no, hold::Rejection::SoldOut { .. }), "{no:?}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(placed.len(), 5);
    engine.stop().await;
    drop(engine);

    let engine = open(dir.path()).await;
    for (number, first) in placed.iter().enumerate() {
        let again = engine
            .execute(place(u32::try_from(number).expect("small")))
            .await;
        let again = again.expect("the key replays");
        assert!(again.replayed);
        assert_eq!(again.position, first.position);
        let (Effect::Hold(then), Effect::Hold(now)) = (&first.effect, &again.effect) else {
            panic!("a place leaves a hold");
        };
        assert_eq!(then.hold, now.hold);
    }
    let release = Command::Release {
        id: HoldId::new("h-0").expect("an id"),
    };
    engine
        .execute(request(release, "release"))
        .await
        .expect("released");
    assert!(
        engine.execute(place(77)).await.is_ok(),
        "the unit is sold again"
    );
    assert_eq!(
        engine.head().await.expect("the head").position,
        2 + 5 + 1 + 1
    );
    engine.stop().await;
}
