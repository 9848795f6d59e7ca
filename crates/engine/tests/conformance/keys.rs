//! One key, one intent, one effect.

use super::Fixture;
use super::engines::sold_out;
use super::world::{
    START, Shop, ask, confirm, customer, extend, hold, hold_of, keyed, place, put, receive,
    release, sku, token,
};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::{Command, Effect, Key, Rejection};
use evenkeel_engine::port::{HoldRow, Store};
use evenkeel_rules::hold::{self, State};
use evenkeel_rules::idempotency::Rejection::KeyReused;
use evenkeel_rules::token::Role;

pub(crate) async fn the_same_key_and_intent_is_answered_as_the_first_time<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let request = keyed("k-1", place("h-1", &[("lamp", 2)]));
    let first = shop.ok(request.clone()).await;
    assert!(!first.replayed);
    shop.clock.advance(1_000);
    shop.ok(ask(release("h-1"))).await;
    let head = shop.head().await;
    for _ in 0..3 {
        let again = shop.ok(request.clone()).await;
        assert!(again.replayed);
        assert_eq!(
            (again.position, &again.effect),
            (first.position, &first.effect)
        );
    }
    assert_eq!(shop.head().await, head);
    shop.close().await;
}

/// What an answer shows: the place of a state row is the store's affair.
fn shown(effect: Effect) -> String {
    match effect {
        Effect::Hold(HoldRow {
            last,
            version,
            hold,
            ..
        }) => format!("{last} {version} {hold:?}"),
        Effect::Sku { row, created } => {
            format!("{} {} {created} {:?}", row.last, row.version, row.sku)
        }
        Effect::Stock { sku, stock } => format!("{sku} {stock:?}"),
        Effect::Token(row) => format!("{} {} {:?}", row.last, row.version, row.token),
        Effect::Order(row) => format!("{} {} {:?}", row.last, row.version, row.body),
        Effect::Cart(row) => format!("{} {} {:?}", row.last, row.version, row.body),
        Effect::Saga(row) => format!("{} {} {:?}", row.last, row.version, row.body),
        Effect::Callback { row, parked } => {
            format!("{} {} {parked} {:?}", row.last, row.version, row.body)
        }
        Effect::Subscription(row) => format!("{} {} {:?}", row.last, row.version, row.body),
        Effect::Erased(count) => format!("{count} erased"),
        Effect::Tried | Effect::Lease { .. } => "tried".to_owned(),
    }
}

pub(crate) async fn every_kind_of_answer_is_replayed<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 9).await;
    let Command::PutSku { mut terms } = put("lamp") else {
        panic!("a put");
    };
    terms.name = "Another \"name\"\n\u{e9}".to_owned();
    let secret = [1; 32];
    let commands = [
        put("chair"),
        Command::PutSku { terms },
        receive("chair", 4),
        Command::ChangeStock {
            sku: sku("lamp"),
            location: evenkeel_rules::ids::LocationId::new("north").expect("an id"),
            change: evenkeel_rules::stock::Change::Find(super::world::units(3)),
            reference: None,
            reason: Some("found \"behind\" \\ the shelf".to_owned()),
        },
        place("h-1", &[("lamp", 2), ("chair", 1)]),
        extend("h-1", 700_000),
        confirm("h-1"),
        place("h-2", &[("lamp", 2)]),
        release("h-2"),
        Command::CreateToken {
            id: token("t-1"),
            role: Role::Buyer,
            customer: Some(customer("c-1")),
            secret,
        },
        Command::RevokeToken { id: token("t-1") },
    ];
    let mut first = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        shop.clock.advance(10);
        let request = keyed(&format!("k-{number}"), command.clone());
        first.push(shop.ok(request).await);
    }
    for (number, (command, first)) in commands.iter().zip(first).enumerate() {
        let again = shop
            .ok(keyed(&format!("k-{number}"), command.clone()))
            .await;
        assert!(again.replayed, "{command:?}");
        assert_eq!(again.position, first.position, "{command:?}");
        assert_eq!(shown(again.effect), shown(first.effect), "{command:?}");
    }
    shop.close().await;
}

pub(crate) async fn the_same_key_in_one_batch_takes_effect_once<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let lamp = place("h-1", &[("lamp", 1)]);
    let other = place("h-2", &[("lamp", 1)]);
    let asked = vec![
        keyed("k-1", lamp.clone()),
        keyed("k-1", lamp.clone()),
        keyed("k-1", other),
        keyed("k-2", lamp.clone()),
        keyed("k-2", lamp.clone()),
        keyed("k-1", lamp),
    ];
    let batches = shop.store.script.finishes();
    let told = shop.in_one_batch(asked).await;
    // Whose names were taken for new and who was refused is judged once more.
    let again = usize::from(shop.store.seems_new(&[7; 16]));
    assert_eq!(
        shop.store.script.finishes(),
        batches + 2 + again,
        "the decoy and one batch"
    );
    let first = told[0].clone().expect("there are units");
    for (number, replayed) in [(0, false), (1, true), (5, true)] {
        let done = told[number].clone().expect("the same intent");
        assert_eq!(
            (done.position, done.replayed),
            (first.position, replayed),
            "{number}"
        );
        assert_eq!(hold_of(done), hold_of(first.clone()), "{number}");
    }
    let refused = |number: usize| match &told[number] {
        Err(Refusal::Rejected {
            rejection,
            replayed,
            ..
        }) => (rejection.clone(), *replayed),
        other => panic!("{number}: {other:?}"),
    };
    assert_eq!(refused(2), (KeyReused.into(), false));
    assert_eq!(refused(3), (hold::Rejection::AlreadyExists.into(), false));
    assert_eq!(refused(4), (hold::Rejection::AlreadyExists.into(), true));
    assert_eq!(shop.balances("lamp").await.raw()[1..3], [4, 1]);
    shop.close().await;
}

pub(crate) async fn the_same_key_with_another_intent_is_refused<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.ok(keyed("k-1", place("h-1", &[("lamp", 1)]))).await;
    let head = shop.engine.head().await.expect("readable");
    for other in [
        place("h-1", &[("lamp", 2)]),
        place("h-2", &[("lamp", 1)]),
        confirm("h-1"),
        put("lamp"),
    ] {
        let no = shop.no(keyed("k-1", other.clone())).await;
        assert_eq!(no, KeyReused.into(), "{other:?}");
    }
    // A refusal about the key is momentary, and takes nothing from the first intent.
    assert_eq!(shop.engine.head().await.expect("readable"), head);
    assert!(
        shop.ok(keyed("k-1", place("h-1", &[("lamp", 1)])))
            .await
            .replayed
    );
    shop.close().await;
}

pub(crate) async fn keys_and_ids_are_compared_as_bytes<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 20).await;
    let keys = [
        "key-a",
        "Key-a",
        "KEY-A",
        "key-a ",
        " key-a",
        "k\u{e9}y-a",
        "ke\u{301}y-a",
        "kéy-A",
    ];
    for (number, key) in keys.iter().enumerate() {
        let id = format!("h-{number}");
        let done = shop.ok(keyed(key, place(&id, &[("lamp", 1)]))).await;
        assert!(!done.replayed, "{key:?} is a key of its own");
    }
    for id in ["Hold", "hold", "HOLD", "hold.", "hold-", "hold~"] {
        let row = shop.hold(ask(place(id, &[("lamp", 1)]))).await;
        assert_eq!(row.hold.id.as_str(), id);
        let twice = shop.no(ask(place(id, &[("lamp", 1)]))).await;
        assert_eq!(twice, hold::Rejection::AlreadyExists.into());
    }
    shop.ok(ask(release("Hold"))).await;
    assert_eq!(shop.state("hold").await, State::Held);
    for id in ["Lamp", "LAMP", "lamp."] {
        shop.stock(id, 1).await;
        assert_eq!(shop.balances(id).await.available(), 1);
    }
    assert_eq!(shop.balances("lamp").await.available(), 7);
    let stored = shop.store.hold(&hold("hOLD")).await.expect("readable").rows;
    assert_eq!(stored, None);
    shop.close().await;
}

pub(crate) async fn a_key_is_its_customers_own<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let scopes = [None, Some("c-1"), Some("c-2"), Some("C-1")];
    for (number, scope) in scopes.into_iter().enumerate() {
        let scope = scope.map(customer);
        let mut request = ask(place(&format!("h-{number}"), &[("lamp", 1)]));
        request.key = Some(Key::new(scope.as_ref(), "k-1", &[b"the same intent"]));
        assert!(!shop.ok(request.clone()).await.replayed, "{scope:?}");
        assert!(shop.ok(request).await.replayed, "{scope:?}");
    }
    shop.close().await;
}

pub(crate) async fn a_final_refusal_is_replayed<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    shop.ok(ask(release("h-1"))).await;
    let before = shop.engine.head().await.expect("readable");
    let late = keyed("k-1", confirm("h-1"));
    let ended_at = START;
    let released: Rejection = hold::Rejection::Released { ended_at }.into();
    assert_eq!(shop.no(late.clone()).await, released);
    let after = shop.engine.head().await.expect("readable");
    assert_eq!(
        after.position, before.position,
        "a refusal takes no position"
    );
    assert_eq!(after.refusals, before.refusals + 1);
    for _ in 0..2 {
        match shop.engine.execute(late.clone()).await {
            Err(Refusal::Rejected {
                rejection,
                replayed: true,
                ..
            }) => {
                assert_eq!(rejection, released);
            }
            other => panic!("{other:?}"),
        }
    }
    let reused = shop.no(keyed("k-1", release("h-1"))).await;
    assert_eq!(reused, KeyReused.into());
    assert_eq!(shop.engine.head().await.expect("readable"), after);
    // Without a key there is nothing to replay, and nothing is written.
    assert_eq!(shop.no(ask(confirm("h-1"))).await, released);
    assert_eq!(shop.engine.head().await.expect("readable"), after);
    shop.close().await;
}

pub(crate) async fn a_momentary_refusal_leaves_the_key_free<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 1).await;
    let head = shop.engine.head().await.expect("readable");
    let greedy = keyed("k-1", place("h-1", &[("lamp", 2)]));
    assert_eq!(shop.no(greedy.clone()).await, sold_out("lamp"));
    assert_eq!(shop.no(greedy.clone()).await, sold_out("lamp"));
    assert_eq!(shop.engine.head().await.expect("readable"), head);
    shop.ok(ask(receive("lamp", 1))).await;
    let done = shop.ok(greedy).await;
    assert!(!done.replayed, "it takes effect now");
    let unknown = keyed("k-2", place("h-2", &[("chair", 1)]));
    let no = shop.no(unknown.clone()).await;
    assert_eq!(no, hold::Rejection::SkuUnknown { sku: sku("chair") }.into());
    shop.stock("chair", 1).await;
    assert!(!shop.ok(unknown).await.replayed);
    shop.close().await;
}
