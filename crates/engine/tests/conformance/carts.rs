//! Carts: a line and its hold together, deadlines that move together, and one commit to an order.

use super::hand::{batch, finish};
use super::world::{Shop, ask, customer, hold, keyed, release, sku, units};
use super::{Fixture, audit};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::port::{CartRow, Fault, HoldRow, RowWrite, Store};
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_engine::{Done, Request};
use evenkeel_rules::cart::{self, Set, State};
use evenkeel_rules::hold;
use evenkeel_rules::ids::{CartId, OrderId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::{LogTime, Millis};

fn id(text: &str) -> CartId {
    CartId::new(text).expect("a well-formed id")
}

fn begin(name: &str) -> Command {
    Command::BeginCart {
        id: id(name),
        customer: customer("ann"),
    }
}

/// A line that is kept for a minute; no units take it out.
fn set(name: &str, (sku_id, quantity): (&str, u64)) -> Command {
    let line = Set {
        sku: sku(sku_id),
        quantity: Quantity::new(quantity).ok(),
        ttl: Millis(60_000),
    };
    Command::SetLine { id: id(name), line }
}

fn check_out(name: &str, order: &str) -> Command {
    Command::CheckOut {
        id: id(name),
        order: OrderId::new(order).expect("a well-formed id"),
        method: "card".to_owned(),
        confirming: Millis(900_000),
        private: "{\"address\":\"Harbour 1\"}".to_owned(),
    }
}

fn cart_of(done: Done) -> CartRow {
    match done.effect {
        Effect::Cart(row) => *row,
        other => panic!("not a cart: {other:?}"),
    }
}

async fn row(store: &dyn Store, name: &str) -> Option<CartRow> {
    store.cart(&id(name)).await.expect("readable").rows
}

async fn held(shop: &Shop, name: &str) -> HoldRow {
    let row = shop.store.hold(&hold(name)).await.expect("readable").rows;
    row.expect("the hold is there")
}

async fn deadline(shop: &Shop, name: &str) -> LogTime {
    held(shop, name).await.hold.deadline
}

/// A cart `c-1` with two lamps and a chair, of ten each.
async fn full<F: Fixture>(fixture: &F) -> Shop {
    let shop = Shop::with_lamps(fixture, 10).await;
    shop.stock("chair", 10).await;
    shop.ok(ask(begin("c-1"))).await;
    shop.ok(ask(set("c-1", ("lamp", 2)))).await;
    shop.ok(ask(set("c-1", ("chair", 1)))).await;
    shop
}

/// Ends the shop, and has `verify` look at what it wrote.
async fn proven(shop: Shop) {
    let report = verify(&*shop.store, Inputs::default()).await;
    let report = report.expect("the store answers");
    let found: Vec<_> = report.checks.iter().flat_map(|it| &it.findings).collect();
    assert!(found.is_empty(), "{found:#?}");
    shop.close().await;
}

pub(crate) async fn a_line_and_its_hold_succeed_together_or_not_at_all<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = full(&fixture).await;
    let store = &*shop.store;
    assert_eq!(shop.balances("lamp").await.available(), 8);
    let before = (shop.head().await, row(store, "c-1").await);
    let no = shop.no(keyed("k-1", set("c-1", ("lamp", 11)))).await;
    let sold_out = hold::Rejection::SoldOut { sku: sku("lamp") };
    assert_eq!(no, sold_out.into());
    assert_eq!((shop.head().await, row(store, "c-1").await), before);
    // Its own two count as there.
    let asked = keyed("k-2", set("c-1", ("lamp", 10)));
    let first = cart_of(shop.ok(asked.clone()).await);
    assert_eq!(shop.balances("lamp").await.available(), 0);
    assert_eq!(row(store, "c-1").await, Some(first.clone()));
    shop.ok(ask(set("c-1", ("chair", 0)))).await;
    let again = shop.ok(asked).await;
    assert!(again.replayed);
    assert_eq!(cart_of(again).body, first.body, "as the first time");
    let now = row(store, "c-1").await.expect("it is there").body;
    assert_eq!(now.lines.len(), 1);
    assert_eq!(shop.state("cart:c-1:chair").await, hold::State::Released);
    assert_eq!(
        shop.no(ask(begin("c-1"))).await,
        cart::Rejection::AlreadyExists.into()
    );
    let listed = store.carts(u64::MAX >> 1, 9).await.expect("readable").rows;
    assert_eq!(listed.len(), 1);
    proven(shop).await;
}

pub(crate) async fn each_write_moves_all_deadlines_and_a_lost_line_is_held_again<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = full(&fixture).await;
    let first = deadline(&shop, "cart:c-1:lamp").await;
    shop.tick(30_000).await;
    shop.ok(ask(set("c-1", ("chair", 3)))).await;
    let second = deadline(&shop, "cart:c-1:lamp").await;
    assert_eq!(second, first.plus(Millis(30_000)));
    assert_eq!(deadline(&shop, "cart:c-1:chair").await, second);
    shop.ok(ask(release("cart:c-1:lamp"))).await;
    let no = shop.no(ask(check_out("c-1", "o-1"))).await;
    assert_eq!(no, cart::Rejection::LineLost { sku: sku("lamp") }.into());
    let after = cart_of(shop.ok(ask(set("c-1", ("chair", 4)))).await).body;
    assert_eq!((after.lines[0].lost, after.lines[1].lost), (true, false));
    let again = cart_of(shop.ok(ask(set("c-1", ("lamp", 5)))).await).body;
    assert!(!again.lines[0].lost);
    assert_eq!(
        held(&shop, "cart:c-1:lamp").await.hold.lines[0].quantity,
        units(5)
    );
    // All of them run out: the next line ends what nobody has swept, and is held anew.
    shop.tick(61_000).await;
    let late = cart_of(shop.ok(ask(set("c-1", ("lamp", 10)))).await).body;
    assert_eq!((late.lines[0].lost, late.lines[1].lost), (false, true));
    shop.ok(ask(set("c-1", ("chair", 0)))).await;
    assert_eq!(shop.state("cart:c-1:chair").await, hold::State::Expired);
    assert_eq!(shop.balances("chair").await.available(), 10);
    proven(shop).await;
}

pub(crate) async fn a_cart_becomes_an_order_in_one_commit<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = full(&fixture).await;
    let store = &*shop.store;
    let before = shop.head().await;
    let asked = keyed("k-1", check_out("c-1", "o-1"));
    let done = shop.ok(asked.clone()).await;
    assert_eq!(shop.head().await, before + 1, "one commit");
    let Effect::Order(order) = done.effect else {
        panic!("not an order: {:?}", done.effect);
    };
    assert_eq!(order.body.total.amount, 3 * 1_999);
    assert_eq!(order.body.lines.len(), 2);
    let gathered = held(&shop, "order:o-1").await.hold;
    assert_eq!(gathered.state, hold::State::Confirming);
    assert_eq!(gathered.lines.len(), 2);
    assert_eq!(shop.state("cart:c-1:lamp").await, hold::State::Released);
    assert_eq!(shop.balances("lamp").await.available(), 8, "as before");
    let cart = row(store, "c-1").await.expect("it is there").body;
    assert_eq!(
        (cart.state, cart.order),
        (State::CheckedOut, Some(order.body.id))
    );
    let again = shop.ok(asked).await;
    assert!(again.replayed && matches!(again.effect, Effect::Order(_)));
    let no: Vec<Request> = vec![ask(set("c-1", ("lamp", 1))), ask(check_out("c-1", "o-2"))];
    for asked in no {
        assert_eq!(shop.no(asked).await, cart::Rejection::CheckedOut.into());
    }
    let logged = audit::texts(store).await.concat();
    assert!(!logged.contains("Harbour"), "the address is never logged");
    let cancel = Command::CancelOrder {
        id: OrderId::new("o-1").expect("a well-formed id"),
        reason: None,
    };
    shop.ok(ask(cancel)).await;
    proven(shop).await;
}

pub(crate) async fn a_check_out_is_refused_whole<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = full(&fixture).await;
    shop.ok(ask(begin("c-2"))).await;
    let empty = shop.no(ask(check_out("c-2", "o-1"))).await;
    assert_eq!(empty, cart::Rejection::Empty.into());
    let absent = shop.no(ask(check_out("c-3", "o-1"))).await;
    assert_eq!(absent, cart::Rejection::NotFound.into());
    let stranger = Request {
        owner: Some(customer("bob")),
        ..ask(check_out("c-1", "o-1"))
    };
    assert_eq!(shop.no(stranger).await, cart::Rejection::NotFound.into());
    let stale = Request {
        expected: Some(1),
        ..ask(set("c-1", ("lamp", 1)))
    };
    assert_eq!(shop.no(stale).await, cart::Rejection::Version.into());
    // A deadline that has passed is a lost line, swept or not.
    shop.tick(60_000).await;
    let lost = shop.no(ask(check_out("c-1", "o-1"))).await;
    assert_eq!(lost, cart::Rejection::LineLost { sku: sku("lamp") }.into());
    proven(shop).await;
}

pub(crate) async fn a_cart_row_is_guarded_and_there_after_reopening<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = full(&fixture).await;
    let known = row(&*shop.store, "c-1").await;
    shop.close().await;
    let store = fixture.reopen().await;
    assert_eq!(row(&*store, "c-1").await, known);
    let row = known.expect("it is there");
    let mut writes = batch(&*store).await;
    let was = Some(row.version + 1);
    writes.carts.push(RowWrite { row, was });
    let refused = finish(&*store, &writes).await;
    assert!(matches!(refused, Err(Fault::Corrupt(_))), "{refused:?}");
}
