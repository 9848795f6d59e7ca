//! A store that cannot be written, and requests that arrive at the same time.

use crate::shop::{Ask, Shop, lamps};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_store_that_cannot_be_written_is_a_definite_no_and_comes_back() {
    let shop = Shop::open(10);
    let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1)).with("idempotency-key", "mine");
    let ready = || shop.send(&Ask::get("/readyz", ""));
    assert_eq!(ready().status, 200);
    shop.let_files_grow(false);
    for _ in 0..3 {
        let refused = shop.refuses(&ask, 503, "unavailable");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        assert_eq!(refused.json()["retryable"], true);
    }
    assert_eq!(
        ready().json(),
        json!({"ready": false, "failing": ["store"]})
    );
    let shown = shop.accepts(&Ask::get("/v1/skus/lamp", &shop.staff));
    assert_eq!(
        shown["stock"][0]["available"], 10,
        "reads go on, nothing was done"
    );

    shop.let_files_grow(true);
    let placed = shop.send(&ask);
    assert_eq!(placed.status, 201, "{placed:?}");
    assert!(
        placed.header("idempotency-replayed").is_none(),
        "{placed:?}"
    );
    assert_eq!(ready().status, 200);
}

#[test]
fn one_key_sent_at_the_same_time_makes_one_hold() {
    let shop = Shop::unlimited(1000);
    for round in 0..20 {
        let key = format!("click-{round}");
        let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1)).with("idempotency-key", &key);
        let ids: BTreeSet<String> = std::thread::scope(|scope| {
            let clicks: Vec<_> = (0..8).map(|_| scope.spawn(|| shop.send(&ask))).collect();
            let answers = clicks
                .into_iter()
                .map(|click| click.join().expect("an answer"));
            let told = answers.filter_map(|reply| {
                let document = reply.json();
                if reply.status == 409 {
                    assert_eq!(document["code"], "in_flight", "{reply:?}");
                    assert!(reply.header("retry-after").is_some(), "{reply:?}");
                    return None;
                }
                assert_eq!(reply.status, 201, "{reply:?}");
                document["id"].as_str().map(str::to_owned)
            });
            told.collect()
        });
        assert_eq!(ids.len(), 1, "{key} made {ids:?}");
    }
    let shown = shop.accepts(&Ask::get("/v1/skus/lamp", &shop.staff));
    assert_eq!(shown["stock"][0]["held"], 20);
}
