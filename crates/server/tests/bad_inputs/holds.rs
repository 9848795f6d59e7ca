//! Requests that are well formed and must not be granted.

use crate::shop::{Ask, Reply, Shop, lamps};
use serde_json::json;

#[test]
fn more_than_there_is_is_sold_out_without_a_number() {
    let shop = Shop::open(1_234_567);
    shop.hold(1_234_560);
    let lines = [1_234_567_u64, 8].map(lamps);
    let twice = json!({"lines": [{"sku": "lamp", "quantity": 4}, {"sku": "lamp", "quantity": 4}]});
    for body in [&lines[0], &lines[1], &twice.to_string()] {
        let refused = shop.refuses(
            &Ask::post("/v1/holds", &shop.buyer, body),
            409,
            "stock.sold_out",
        );
        let document = refused.json();
        assert_eq!(document["retryable"], true);
        assert!(document["as_of"].is_string());
        let detail = document["detail"].as_str().expect("a sentence");
        assert!(
            !detail.contains(|one: char| one.is_ascii_digit()),
            "{detail}"
        );
    }
    let all = json!({"lines": [{"sku": "lamp", "quantity": 3}, {"sku": "lamp", "quantity": 4}]});
    let placed = shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &all.to_string()));
    assert_eq!(
        placed["lines"],
        json!([{"sku": "lamp", "quantity": 7, "location": "main"}])
    );
}

#[test]
fn unknown_skus_and_places_without_units_are_refused() {
    let shop = Shop::open(5);
    let unknown = json!({"lines": [{"sku": "lamp", "quantity": 1}, {"sku": "no", "quantity": 1}]});
    let ask = Ask::post("/v1/holds", &shop.buyer, &unknown.to_string());
    shop.refuses(&ask, 404, "sku_unknown");
    let units = "{\"quantity\":1,\"reference\":\"po-1\"}";
    shop.refuses(
        &Ask::post("/v1/skus/no/receive", &shop.staff, units),
        404,
        "sku_unknown",
    );
    shop.refuses(&Ask::get("/v1/skus/no", &shop.buyer), 404, "sku_unknown");
    let moon = json!({"lines": [{"sku": "lamp", "quantity": 1, "location": "moon"}]});
    let ask = Ask::post("/v1/holds", &shop.buyer, &moon.to_string());
    shop.refuses(&ask, 409, "stock.sold_out");
}

#[test]
fn the_limit_of_one_order_counts_all_its_lines() {
    let shop = Shop::open(100);
    let entry = json!({
        "name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}, "max_per_order": 5
    });
    shop.accepts(&Ask::put("/v1/skus/lamp", &shop.staff, &entry.to_string()));
    shop.refuses(
        &Ask::post("/v1/holds", &shop.buyer, &lamps(6)),
        422,
        "limit_exceeded",
    );
    let split = json!({"lines": [{"sku": "lamp", "quantity": 3}, {"sku": "lamp", "quantity": 3}]});
    let ask = Ask::post("/v1/holds", &shop.buyer, &split.to_string());
    shop.refuses(&ask, 422, "limit_exceeded");
    shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &lamps(5)));
}

#[test]
fn of_five_hundred_parallel_holds_of_one_buyer_ten_succeed() {
    let shop = Shop::open(1_000);
    let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1));
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let some = || (0..50).map(|_| shop.send(&ask)).collect::<Vec<Reply>>();
        let asked: Vec<_> = (0..10).map(|_| scope.spawn(some)).collect();
        let replies = asked.into_iter().map(|one| one.join().expect("no panic"));
        replies.flatten().collect()
    });
    let placed = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(placed, 10);
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        let document = refused.json();
        assert_eq!(
            (refused.status, &document["code"]),
            (409, &json!("limit.customer"))
        );
        assert_eq!(document["retryable"], true);
    }
    // Another customer has a limit of its own.
    shop.accepts(&Ask::post("/v1/holds", &shop.other_buyer, &lamps(1)));
}

#[test]
fn who_lets_five_holds_expire_is_to_wait() {
    let shop = Shop::open(1_000);
    let brief = json!({"lines": [{"sku": "lamp", "quantity": 1}], "ttl_ms": 1_000}).to_string();
    for _ in 0..5 {
        shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &brief));
    }
    let shown = || shop.accepts(&Ask::get("/v1/skus/lamp", &shop.staff));
    while shown()["stock"][0]["held"] != 0 {}
    // The node hears of the last expiry a moment after it can be seen.
    while shop
        .send(&Ask::post("/v1/holds", &shop.buyer, &brief))
        .status
        == 201
    {}
    let refused = shop.refuses(
        &Ask::post("/v1/holds", &shop.buyer, &brief),
        429,
        "rate_limited",
    );
    let wait = refused
        .header("retry-after")
        .and_then(|wait| wait.parse::<u64>().ok());
    assert!(
        wait.is_some_and(|wait| (1..=60).contains(&wait)),
        "{refused:?}"
    );
    assert_eq!(
        refused.header("ratelimit-policy").as_deref(),
        Some("\"abandon\";q=5;w=600")
    );
    assert!(
        refused
            .header("ratelimit")
            .is_some_and(|left| left.contains(";r=0;"))
    );
    shop.accepts(&Ask::post("/v1/holds", &shop.other_buyer, &lamps(1)));
}

/// The shop's lamps, of which one customer may have ten.
fn limited(shop: &Shop) {
    let entry = json!({
        "name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}, "max_per_customer": 10
    });
    let entry = shop.accepts(&Ask::put("/v1/skus/lamp", &shop.staff, &entry.to_string()));
    assert_eq!(entry["max_per_customer"], 10);
}

#[test]
fn of_fifty_parallel_holds_of_one_buyer_as_many_succeed_as_it_may_have() {
    let shop = Shop::unlimited(1_000);
    limited(&shop);
    let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1));
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..50).map(|_| scope.spawn(|| shop.send(&ask))).collect();
        let replies = asked.into_iter().map(|one| one.join().expect("no panic"));
        replies.collect()
    });
    let placed = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(placed, 10);
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        let document = refused.json();
        assert_eq!(refused.status, 409, "{document}");
        assert_eq!(document["code"], "limit.customer");
        assert_eq!(document["retryable"], true);
        let expected =
            "One customer may have 10 units of lamp, held and sold together; this one has 10.";
        assert_eq!(document["detail"], expected);
    }
}

#[test]
fn what_one_customer_may_have_counts_all_lines_and_comes_back() {
    let shop = Shop::open(1_000);
    limited(&shop);
    let place = |lines: &str| Ask::post("/v1/holds", &shop.buyer, lines);
    let split = json!({"lines": [{"sku": "lamp", "quantity": 6}, {"sku": "lamp", "quantity": 5}]});
    shop.refuses(&place(&split.to_string()), 409, "limit.customer");
    let placed = shop.accepts(&place(&lamps(6)));
    let hold = placed["id"].as_str().expect("an id");
    assert!(placed["lines"][0].get("counted").is_none(), "{placed}");
    let refused = shop.refuses(&place(&lamps(5)), 409, "limit.customer");
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("has 6."), "{detail}");
    shop.accepts(&place(&lamps(4)));
    let release = format!("/v1/holds/{hold}/release");
    shop.accepts(&Ask::post(&release, &shop.buyer, "{}"));
    shop.accepts(&place(&lamps(6)));
    shop.refuses(&place(&lamps(1)), 409, "limit.customer");
    // A shop has to say whose units they are.
    let anonymous = shop.refuses(
        &Ask::post("/v1/holds", &shop.shop, &lamps(1)),
        422,
        "schema",
    );
    let expected = json!([{"pointer": "/customer", "code": "required"}]);
    assert_eq!(anonymous.json()["violations"], expected);
    let named = json!({"customer": "c-9", "lines": [{"sku": "lamp", "quantity": 10}]});
    shop.accepts(&Ask::post("/v1/holds", &shop.shop, &named.to_string()));
}

#[test]
fn lives_that_are_too_short_or_too_long_are_refused() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    for ttl in [
        "0",
        "-1",
        "999",
        "3600001",
        "315360000000",
        "1.5",
        "\"60000\"",
        "null",
    ] {
        let body = format!("{{\"lines\":[{{\"sku\":\"lamp\",\"quantity\":1}}],\"ttl_ms\":{ttl}}}");
        shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &body), 422, "schema");
        let path = format!("/v1/holds/{hold}/extend");
        let body = format!("{{\"ttl_ms\":{ttl}}}");
        shop.refuses(&Ask::post(&path, &shop.buyer, &body), 422, "schema");
    }
}

#[test]
fn stock_can_neither_overflow_nor_be_written_off_below_what_is_available() {
    let shop = Shop::open(10);
    shop.hold(4);
    for (quantity, path) in [
        ("9007199254740982", "receive"),
        ("9007199254740991", "receive"),
    ] {
        let body = format!("{{\"quantity\":{quantity},\"reference\":\"po-1\"}}");
        let ask = Ask::post(&format!("/v1/skus/lamp/{path}"), &shop.staff, &body);
        shop.refuses(&ask, 409, "overflow");
    }
    let adjust = |quantity: &str| {
        let body = format!("{{\"quantity\":{quantity},\"reason\":\"damaged\"}}");
        Ask::post("/v1/skus/lamp/adjust", &shop.staff, &body)
    };
    shop.refuses(&adjust("9007199254740990"), 409, "overflow");
    shop.refuses(&adjust("-7"), 409, "stock.insufficient");
    let transfer = |quantity: u64, to: &str| {
        let body = json!({"quantity": quantity, "from": "main", "to": to, "reason": "web"});
        Ask::post("/v1/skus/lamp/transfer", &shop.staff, &body.to_string())
    };
    shop.refuses(&transfer(7, "web"), 409, "stock.insufficient");
    shop.refuses(&transfer(0, "web"), 422, "schema");
    shop.refuses(&transfer(1, "main"), 422, "schema");
    shop.refuses(&transfer(1, "w/1"), 422, "bad_id");
    let after = shop.accepts(&adjust("-6"));
    assert_eq!(
        (
            &after["stock"][0]["available"],
            &after["stock"][0]["written_off"]
        ),
        (&json!(0), &json!(6))
    );
}

#[test]
fn anothers_hold_is_not_found_by_any_verb() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    let path = format!("/v1/holds/{hold}");
    for ask in [
        Ask::get(&path, &shop.other_buyer),
        Ask::post(&format!("{path}/release"), &shop.other_buyer, "{}"),
        Ask::post(
            &format!("{path}/extend"),
            &shop.other_buyer,
            "{\"ttl_ms\":60000}",
        ),
    ] {
        shop.refuses(&ask, 404, "not_found");
    }
}

/// Looks again and again until the hold has ended; nothing is slept.
fn wait_until_expired(shop: &Shop, path: &str) {
    for _ in 0..200_000 {
        // A buyer may not ask that often.
        if shop.accepts(&Ask::get(path, &shop.auditor))["state"] == "expired" {
            return;
        }
    }
    panic!("the hold does not expire");
}

#[test]
fn an_ended_hold_says_how_it_ended() {
    let shop = Shop::open(10);
    let body = json!({"lines": [{"sku": "lamp", "quantity": 1}], "ttl_ms": 1000}).to_string();
    let short = shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &body));
    let expired = format!("/v1/holds/{}", short["id"].as_str().expect("an id"));
    let released = format!("/v1/holds/{}", shop.hold(1));
    shop.accepts(&Ask::post(
        &format!("{released}/release"),
        &shop.buyer,
        "{}",
    ));
    let confirmed = format!("/v1/holds/{}", shop.hold(1));
    shop.accepts(&Ask::post(
        &format!("{confirmed}/confirm"),
        &shop.shop,
        "{}",
    ));
    wait_until_expired(&shop, &expired);

    for (path, ending) in [
        (expired, "expired"),
        (released, "released"),
        (confirmed, "confirmed"),
    ] {
        let verbs = [
            ("confirm", &shop.shop, "{}", "confirmed"),
            ("release", &shop.buyer, "{}", "released"),
            ("extend", &shop.buyer, "{\"ttl_ms\":60000}", ""),
        ];
        for (verb, secret, body, same) in verbs {
            let ask = Ask::post(&format!("{path}/{verb}"), secret, body);
            if same == ending {
                assert_eq!(shop.accepts(&ask)["state"], ending, "{verb}");
                continue;
            }
            let ask = ask.with("idempotency-key", &format!("{ending}-{verb}"));
            let check = |refused: &Reply, replayed: Option<&str>| {
                assert_eq!(refused.json()["ended_as"], ending);
                assert!(refused.json()["ended_at"].is_string());
                assert_eq!(refused.json()["retryable"], false);
                assert_eq!(
                    refused.header("idempotency-replayed").as_deref(),
                    replayed,
                    "{verb}"
                );
            };
            let code = format!("hold.{ending}");
            check(&shop.refuses(&ask, 409, &code), None);
            check(&shop.refuses(&ask, 409, &code), Some("true"));
        }
    }
}

#[test]
fn a_key_is_one_intent() {
    let shop = Shop::open(10);
    let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1)).with("idempotency-key", "mine-1");
    let first = shop.send(&ask);
    let head = shop.head();
    let again = shop.send(&ask);
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(
        again.header("idempotency-replayed").as_deref(),
        Some("true")
    );
    assert_eq!(shop.head(), head);
    let other = Ask::post("/v1/holds", &shop.buyer, &lamps(2)).with("idempotency-key", "mine-1");
    let refused = shop.refuses(&other, 422, "key_reused");
    assert!(refused.json().get("violations").is_none());

    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/holds/{id}/confirm");
    let confirm = Ask::post(&path, &shop.shop, "{}").with("idempotency-key", "mine-2");
    let first = shop.send(&confirm);
    let again = shop.send(&confirm);
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(again.body, first.body);
    assert_eq!(
        again.header("idempotency-replayed").as_deref(),
        Some("true")
    );
}

#[test]
fn a_version_that_does_not_stand_is_refused() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    let path = |verb: &str| format!("/v1/holds/{hold}/{verb}");
    for ask in [
        Ask::post(&path("confirm"), &shop.shop, "{}"),
        Ask::post(&path("release"), &shop.buyer, "{}"),
        Ask::post(&path("extend"), &shop.buyer, "{\"ttl_ms\":60000}"),
        Ask::put(
            "/v1/skus/lamp",
            &shop.staff,
            "{\"name\":\"Lamp\",\"price\":{\"amount\":1,\"currency\":\"EUR\"}}",
        ),
    ] {
        shop.refuses(&ask.with("if-match", "\"9\""), 412, "version");
    }
    let new = Ask::put(
        "/v1/skus/desk",
        &shop.staff,
        "{\"name\":\"Desk\",\"price\":{\"amount\":1,\"currency\":\"EUR\"}}",
    );
    shop.refuses(&new.clone().with("if-match", "*"), 412, "version");
    shop.refuses(&new.with("if-match", "\"1\""), 412, "version");
    let extend = Ask::post(&path("extend"), &shop.buyer, "{\"ttl_ms\":60000}");
    assert_eq!(
        shop.accepts(&extend.with("if-match", "\"1\""))["version"],
        2
    );
}
