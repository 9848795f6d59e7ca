//! Copies of a store that may be behind: each read says by its position how far.

use super::sql;
use super::trading::{ALL, PATIENCE, ask, customer, engine, hold, lines, quiet, stock, trade};
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Fault, OrderFilter, Projection, Store, Views as _};
use evenkeel_engine::store::postgres::views::PostgresViews;
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
use evenkeel_rules::hold::Place;
use evenkeel_rules::time::Millis;
use std::sync::Arc;

async fn open(url: &str) -> Arc<dyn Store> {
    let store = PostgresStore::open(&PostgresOptions::new(url), &SystemIds).await;
    Arc::new(store.expect("the database can be opened"))
}

#[tokio::test]
async fn a_copy_answers_at_the_position_that_its_own_snapshot_has() {
    let url = sql::database().await;
    let store = open(&url).await;
    let options = PostgresOptions::new(&url);
    let head = store.head().await.expect("readable");
    let views = PostgresViews::open(&options, &head).await;
    let trader = engine(Arc::clone(&store)).await;
    trader.keep_views(Arc::new(views.expect("it can be written")));
    stock(&trader).await;
    trade(&trader, 0, 12).await;
    let at = quiet(&trader).await;
    let projector = trader.projector().expect("it was given");
    for of in Projection::ALL {
        assert!(projector.reach(of, at, PATIENCE).await);
    }
    trader.stop().await;
    drop(store);
    let copied = sql::copy_of(&url).await;
    let store = open(&url).await;
    let trader = engine(Arc::clone(&store)).await;
    let id = hold(99);
    let place = Place {
        id: id.clone(),
        customer: customer(1),
        lines: lines(1),
        ttl: Millis(600_000),
    };
    ask(&trader, Command::Place(place), "place-99").await;
    let head = store.head().await.expect("readable");
    assert!(head.position > at);

    let options = PostgresOptions::new(&copied);
    let copy = PostgresStore::replica(&options, &head).expect("a URL");
    assert_eq!(copy.head().await.expect("readable").position, at);
    let orders = copy.orders(u64::MAX, ALL).await.expect("readable");
    assert_eq!(orders.position, at);
    assert!(!orders.rows.is_empty());
    let views = PostgresViews::replica(&options, &head).expect("a URL");
    let listed = views.orders(&OrderFilter::default(), u64::MAX, ALL).await;
    let listed = listed.expect("readable");
    assert_eq!(listed.position, at);
    assert!(!listed.rows.is_empty());
    let gone = copy.hold(&id).await.expect("readable");
    assert_eq!((gone.position, gone.rows), (at, None), "it is behind");
    let locked = copy.lock(&evenkeel_engine::port::Touch::default()).await;
    assert!(
        matches!(locked, Err(Fault::Unavailable(_))),
        "nothing is decided on a copy"
    );
    trader.stop().await;
}

#[tokio::test]
async fn a_copy_ofanother_log_is_not_believed() {
    let (url, other) = (sql::database().await, sql::database().await);
    let (store, another) = (open(&url).await, open(&other).await);
    let head = store.head().await.expect("readable");
    let options = PostgresOptions::new(&other);
    let copy = PostgresStore::replica(&options, &head).expect("a URL");
    for told in [
        copy.head().await.map(drop),
        copy.skus(u64::MAX, 1).await.map(drop),
    ] {
        assert!(matches!(told, Err(Fault::Unavailable(_))), "{told:?}");
    }
    let other_head = another.head().await.expect("readable");
    let views = PostgresViews::open(&options, &other_head).await;
    drop(views.expect("it can be written"));
    let views = PostgresViews::replica(&options, &head).expect("a URL");
    let told = views.skus(u64::MAX, 1).await.map(drop);
    assert!(matches!(told, Err(Fault::Unavailable(_))), "{told:?}");
}
