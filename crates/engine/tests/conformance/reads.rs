//! Reads: pages, order, absence.

use super::Fixture;
use super::world::{
    START, Shop, TestClock, ask, confirm, hold, keyed, options, place, place_for, put, release,
    sku, token,
};
use evenkeel_engine::commit::{Command, Rejection, hold_name};
use evenkeel_engine::port::{Mark, Store};
use evenkeel_rules::hold;
use evenkeel_rules::time::Millis;
use evenkeel_rules::token::Role;

const ALL: u64 = u64::MAX >> 1;

/// 25 SKUs, holds and tokens, in turn.
async fn filled<F: Fixture>(fixture: &F) -> Shop {
    let shop = Shop::open(fixture).await;
    for number in 0..25_u8 {
        shop.stock(&format!("sku-{number}"), 3).await;
        let line = format!("sku-{number}");
        shop.ok(ask(place(&format!("h-{number}"), &[(&line, 1)])))
            .await;
        shop.ok(ask(Command::CreateToken {
            id: token(&format!("t-{number}")),
            role: Role::Staff,
            customer: None,
            secret: [number; 32],
        }))
        .await;
    }
    shop
}

pub(crate) async fn pages_are_newest_first_and_miss_nothing<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = filled(&fixture).await;
    let newest_first = |prefix: &str| -> Vec<String> {
        (0..25)
            .rev()
            .map(|number| format!("{prefix}-{number}"))
            .collect()
    };
    let (mut holds, mut skus, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = [ALL; 3];
    for _ in 0..4 {
        let page = shop.store.holds(before[0], 7).await.expect("readable");
        assert_eq!(page.position, shop.head().await);
        before[0] = page.rows.last().expect("a page is not empty").created;
        holds.extend(page.rows.into_iter().map(|row| row.hold.id.to_string()));
        let page = shop.store.skus(before[1], 7).await.expect("readable");
        before[1] = page.rows.last().expect("a page is not empty").0.created;
        for (row, stock) in page.rows {
            assert_eq!(stock.len(), 1);
            assert_eq!(stock[0].1.raw()[..3], [-3, 2, 1]);
            skus.push(row.sku.terms.sku.to_string());
        }
        let page = shop.store.tokens(before[2], 7).await.expect("readable");
        before[2] = page.rows.last().expect("a page is not empty").created;
        tokens.extend(page.rows.into_iter().map(|row| row.token.id.to_string()));
    }
    assert_eq!(holds, newest_first("h"));
    assert_eq!(skus, newest_first("sku"));
    assert_eq!(tokens, newest_first("t"));
    assert!(
        shop.store
            .holds(before[0], 7)
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    assert!(
        shop.store
            .skus(before[1], 7)
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    assert!(
        shop.store
            .tokens(before[2], 7)
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    shop.close().await;
}

pub(crate) async fn the_log_is_read_upwards_from_any_position<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = filled(&fixture).await;
    for (from, limit, expected) in [
        (0, 3, 1..4),
        (1, 3, 1..4),
        (50, 4, 50..54),
        (99, 9, 99..101),
    ] {
        let page = shop.store.log(from, limit).await.expect("readable");
        let positions: Vec<u64> = page.rows.iter().map(|row| row.position).collect();
        assert_eq!(positions, expected.collect::<Vec<u64>>(), "{from} {limit}");
        assert_eq!(page.position, 100);
    }
    assert!(
        shop.store
            .log(101, 9)
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    shop.close().await;
}

pub(crate) async fn due_holds_come_oldest_deadline_first<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 100).await;
    let ttls = [
        90_000_u64, 5_000, 61_000, 1_000, 600_000, 60_000, 5_000, 59_999, 120_000,
    ];
    for (number, ttl_ms) in ttls.into_iter().enumerate() {
        shop.ok(ask(place_for(
            &format!("h-{number}"),
            &[("lamp", 1)],
            ttl_ms,
        )))
        .await;
    }
    shop.ok(ask(release("h-2"))).await;
    shop.ok(ask(confirm("h-7"))).await;
    let due = async |ms: u64, limit: usize| -> Vec<String> {
        let rows = shop
            .store
            .due(START.plus(Millis(ms)), limit)
            .await
            .expect("readable")
            .rows;
        rows.iter().map(|row| row.hold.id.to_string()).collect()
    };
    assert_eq!(due(999, 9).await, Vec::<String>::new());
    assert_eq!(due(1_000, 9).await, ["h-3"]);
    assert_eq!(due(90_000, 9).await, ["h-3", "h-1", "h-6", "h-5", "h-0"]);
    assert_eq!(due(90_000, 3).await, ["h-3", "h-1", "h-6"]);
    assert_eq!(due(999_000, 9).await.len(), 7);
    shop.close().await;
}

pub(crate) async fn names_say_position_refusal_or_nothing<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let placed = keyed("k-1", place("h-1", &[("lamp", 1)]));
    let refused = keyed("k-2", place("h-1", &[("lamp", 1)]));
    let position = shop.ok(placed.clone()).await.position;
    let no = shop.no(refused.clone()).await;
    let (first, second) = (placed.key.expect("a key"), refused.key.expect("a key"));
    let names = [hold_name(&hold("h-1")), second.name, [1; 16], first.name];
    let rows = shop.store.names(&names).await.expect("readable").rows;
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| row.map(|it| (it.mark, it.fingerprint)))
        .collect();
    assert_eq!(
        rows,
        [
            Some((Mark::Position(position), [0; 16])),
            Some((Mark::Refusal(1, no.clone()), second.fingerprint)),
            None,
            Some((Mark::Position(position), first.fingerprint)),
        ]
    );
    for name in [names[0], names[1], names[3]] {
        assert!(shop.store.may_know(&name), "a known name is never unknown");
    }
    assert!(shop.store.known_to() >= position);
    let kept = shop.store.refusals(0, 9).await.expect("readable").rows;
    assert_eq!(kept.len(), 1);
    let said: Rejection = serde_json::from_str(&kept[0].text).expect("it is JSON");
    assert_eq!((kept[0].number, kept[0].name, said), (1, second.name, no));
    shop.no(keyed("k-3", place("h-1", &[("lamp", 1)]))).await;
    let later = shop.store.refusals(2, 9).await.expect("readable").rows;
    assert_eq!(later.iter().map(|row| row.number).collect::<Vec<_>>(), [2]);
    assert_eq!(
        shop.store.refusals(1, 1).await.expect("readable").rows,
        kept
    );
    shop.close().await;
}

pub(crate) async fn rows_that_do_not_exist_are_absent<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::open(&fixture).await;
    let store = &shop.store;
    let head = shop.engine.head().await.expect("readable");
    assert_eq!(
        (head.position, head.refusals, head.batches.len()),
        (0, 0, 0)
    );
    assert_eq!(store.hold(&hold("h-1")).await.expect("readable").rows, None);
    assert_eq!(store.sku(&sku("lamp")).await.expect("readable").rows, None);
    assert_eq!(store.token(&[1; 32]).await.expect("readable"), None);
    assert_eq!(
        store.names(&[[1; 16]]).await.expect("readable").rows,
        [None]
    );
    assert!(store.log(1, 9).await.expect("readable").rows.is_empty());
    assert!(
        store
            .refusals(1, 9)
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    assert!(store.due(START, 9).await.expect("readable").rows.is_empty());
    let no = shop.no(ask(confirm("h-1"))).await;
    assert_eq!(no, hold::Rejection::NotFound.into());
    shop.ok(ask(put("lamp"))).await;
    let (_, stock) = store
        .sku(&sku("lamp"))
        .await
        .expect("readable")
        .rows
        .expect("listed");
    assert!(stock.is_empty(), "listed, without units");
    shop.close().await;
}

pub(crate) async fn balances_without_a_listed_place_are_stray<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    assert!(
        shop.store
            .stray_balances()
            .await
            .expect("readable")
            .rows
            .is_empty()
    );
    shop.close().await;
}

pub(crate) async fn everything_is_there_after_reopening<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = filled(&fixture).await;
    let refused = keyed("k-1", place("h-1", &[("sku-1", 1)]));
    let no = shop.no(refused.clone()).await;
    let placed = keyed("k-2", place("h-99", &[("sku-1", 1)]));
    let first = shop.ok(placed.clone()).await;
    let (head, texts) = (
        shop.engine.head().await.expect("readable"),
        super::audit::texts(&*shop.store).await,
    );
    shop.close().await;

    let shop = Shop::open_with(fixture.reopen().await, TestClock::new(), options()).await;
    assert_eq!(shop.engine.head().await.expect("readable"), head);
    assert_eq!(super::audit::texts(&*shop.store).await, texts);
    assert_eq!(shop.no(refused).await, no);
    let again = shop.ok(placed).await;
    assert_eq!((again.replayed, again.effect), (true, first.effect));
    assert_eq!(shop.engine.head().await.expect("readable"), head);
    assert!(
        shop.engine
            .token("no such secret")
            .await
            .expect("readable")
            .is_none()
    );
    shop.close().await;
}
