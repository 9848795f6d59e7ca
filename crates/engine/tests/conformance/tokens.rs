//! Bearer tokens: found, revoked, and not remembered for too long.

use super::Fixture;
use super::world::{Shop, ask, put, token, until};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::Store;
use evenkeel_engine::token::hash;
use evenkeel_rules::token::{Rejection, Role};

fn create(id: &str, secret: &str) -> Command {
    Command::CreateToken {
        id: token(id),
        role: Role::Shop,
        customer: None,
        secret: hash(secret),
    }
}

fn revoke(id: &str) -> Command {
    Command::RevokeToken { id: token(id) }
}

async fn finds(shop: &Shop, secret: &str) -> bool {
    shop.engine.token(secret).await.expect("readable").is_some()
}

pub(crate) async fn a_token_is_found_until_it_is_revoked<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    assert!(!finds(&shop, "ek_one").await);
    shop.ok(ask(create("t-1", "ek_one"))).await;
    shop.ok(ask(create("t-2", "ek_two"))).await;
    for _ in 0..2 {
        assert!(finds(&shop, "ek_one").await);
    }
    assert!(!finds(&shop, "ek_One").await, "secrets are bytes");
    shop.ok(ask(revoke("t-1"))).await;
    assert!(!finds(&shop, "ek_one").await);
    assert!(finds(&shop, "ek_two").await);
    let head = shop.head().await;
    shop.ok(ask(revoke("t-1"))).await;
    assert_eq!(shop.head().await, head, "revoked is revoked");
    assert_eq!(
        shop.no(ask(revoke("t-9"))).await,
        Rejection::NotFound.into()
    );
    let row = shop
        .store
        .token(&hash("ek_one"))
        .await
        .expect("readable")
        .expect("it is kept");
    assert_eq!((row.version, row.token.id.as_str()), (2, "t-1"));
    assert!(row.token.revoked_at.is_some());
    shop.close().await;
}

pub(crate) async fn a_token_read_before_its_revocation_is_not_remembered_after_it<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    shop.ok(ask(create("t-1", "ek_one"))).await;
    shop.store.script.shut_token_door();
    let engine = shop.engine.clone();
    let slow = super::world::spawn(async move { engine.token("ek_one").await });
    until("the row is read", || shop.store.script.at_token_door()).await;
    shop.ok(ask(revoke("t-1"))).await;
    shop.store.script.open_token_door();
    let found = slow.await.expect("no panic").expect("readable");
    assert!(found.is_some(), "it was live when it was asked for");
    assert!(!finds(&shop, "ek_one").await, "but not a second time");
    shop.close().await;
}

pub(crate) async fn a_revocation_counts_even_if_its_caller_went_away<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    shop.ok(ask(create("t-1", "ek_one"))).await;
    assert!(finds(&shop, "ek_one").await);
    shop.store.script.shut_door();
    let head = shop.head().await;
    let caller = shop.send(ask(revoke("t-1")));
    until("it is in a batch", || shop.store.script.at_door()).await;
    caller.abort();
    assert!(caller.await.is_err(), "nobody hears of it");
    shop.store.script.open_door();
    let mut now = head;
    while now == head {
        now = shop.head().await;
        tokio::task::yield_now().await;
    }
    // It may be seen before its node knows that it is durable; the next batch begins after that.
    shop.ok(ask(put("lamp"))).await;
    assert!(!finds(&shop, "ek_one").await);
    shop.close().await;
}

pub(crate) async fn another_nodes_revocation_is_heard<F: Fixture>() {
    let fixture = F::empty().await;
    let (one, two) = (Shop::open(&fixture).await, Shop::open(&fixture).await);
    one.ok(ask(create("t-1", "ek_one"))).await;
    two.tick(100).await;
    assert!(finds(&two, "ek_one").await);
    one.ok(ask(revoke("t-1"))).await;
    two.tick(100).await;
    assert!(!finds(&two, "ek_one").await);
    two.engine.stop().await;
    one.close().await;
}
