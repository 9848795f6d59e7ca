//! Requests whose head is wrong: framing, sizes, routes, types, keys, tokens, queries.

use crate::shop::{Ask, Shop, lamps};
use serde_json::json;

#[test]
fn a_body_one_byte_over_the_cap_is_too_large() {
    let shop = Shop::open(10);
    let mut body = lamps(1).into_bytes();
    body.resize(1024 * 1024, b' ');
    let fits = Ask::new("POST", "/v1/holds", &shop.buyer).json(&body);
    shop.accepts(&fits);
    body.push(b' ');
    for path in ["/v1/holds", "/v1/nothing", "/v1/skus/lamp/receive"] {
        for secret in [shop.buyer.as_str(), ""] {
            let ask = Ask::new("POST", path, secret).json(&body);
            let refused = shop.refuses(&ask, 413, "too_large");
            assert_eq!(refused.header("connection").as_deref(), Some("close"));
        }
    }
}

#[test]
fn two_framings_of_one_body_are_unreadable_and_close_the_connection() {
    let shop = Shop::open(10);
    for headers in [
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ntransfer-encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
    ] {
        let request = format!(
            "POST /v1/holds HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\nidempotency-key: k\r\n{headers}\r\n\r\n0\r\n\r\n",
            shop.buyer
        );
        let refused = shop.refuses_bytes(request.as_bytes(), (400, "bad_text"), headers);
        assert_eq!(refused.header("connection").as_deref(), Some("close"));
    }
}

#[test]
fn heads_and_uris_beyond_their_limits_are_refused() {
    let shop = Shop::open(10);
    let large = Ask::get("/v1/skus", &shop.buyer).with("a", &"v".repeat(1024 * 1024));
    shop.refuses(&large, 431, "headers_too_large");
    let mut many = Ask::get("/v1/skus", &shop.buyer);
    for number in 0..1000 {
        many = many.and(&format!("a-{number}"), b"v");
    }
    shop.refuses(&many, 431, "headers_too_large");
    for length in [8 * 1024, 64 * 1000, 64 * 1024] {
        let uri = format!("/v1/skus/{}", "a".repeat(length));
        shop.refuses(&Ask::get(&uri, &shop.buyer), 414, "uri_too_long");
        let query = format!("/v1/skus?{}", "a".repeat(length));
        shop.refuses(&Ask::get(&query, &shop.buyer), 414, "uri_too_long");
    }
}

#[test]
fn routes_methods_and_types_that_are_not_there_are_refused() {
    let shop = Shop::open(10);
    for path in [
        "/",
        "/v1",
        "/v2/holds",
        "/v1/holds/h-1/steal",
        "/v1/holds/a/b/c",
        "/v1//holds",
    ] {
        shop.refuses(&Ask::get(path, &shop.buyer), 404, "not_found");
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/holds", "get, head, post"),
        ("PATCH", "/v1/skus/lamp", "get, head, put"),
        ("OPTIONS", "/v1/log", "get, head"),
        ("GET", "/v1/holds/h-1/confirm", "post"),
        ("BREW", "/v1/tokens", "get, head, post"),
    ] {
        let refused = shop.refuses(
            &Ask::new(method, path, &shop.buyer),
            405,
            "method_not_allowed",
        );
        assert_eq!(refused.header("allow").as_deref(), Some(allow));
    }
    for kind in [
        "text/plain",
        "none",
        "application/xml",
        "application/json; charset=utf-16",
    ] {
        let ask = Ask::post("/v1/holds", &shop.buyer, &lamps(1)).with("content-type", kind);
        shop.refuses(&ask, 415, "media_type");
    }
    let html = Ask::get("/v1/skus", &shop.buyer).with("accept", "text/html");
    shop.refuses(&html, 406, "not_acceptable");
}

#[test]
fn keys_that_are_missing_or_malformed_are_refused() {
    let shop = Shop::open(10);
    let ask = || Ask::post("/v1/holds", &shop.buyer, &lamps(1));
    let missing = shop.refuses(&ask().with("idempotency-key", "none"), 400, "key_missing");
    let help = missing.json()["help"].as_str().expect("a link").to_owned();
    assert_eq!(shop.send(&Ask::get(&help, "")).status, 200);
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"abc", "abc\"", "a b", "a\tb", "\"", &long] {
        shop.refuses(&ask().with("idempotency-key", key), 400, "bad_key");
    }
    for key in [b"caf\xc3\xa9".as_slice(), b"\xff"] {
        shop.refuses(&ask().and("idempotency-key", key), 400, "bad_key");
    }
    let twice = ask()
        .and("idempotency-key", b"a")
        .and("idempotency-key", b"a");
    shop.refuses(&twice, 400, "bad_key");
    let right = ask().with("idempotency-key", &"k".repeat(255));
    let placed = shop.accepts(&right);
    let quoted = ask().with("idempotency-key", &format!("\"{}\"", "k".repeat(255)));
    assert_eq!(
        shop.accepts(&quoted),
        placed,
        "quoted and unquoted are the same key"
    );
}

#[test]
fn tokens_that_are_missing_malformed_changed_or_revoked_are_refused() {
    let shop = Shop::open(10);
    let mut changed = shop.buyer.clone();
    let last = changed.pop().expect("a secret has characters");
    changed.push(if last == '0' { '1' } else { '0' });
    let refused = |ask: &Ask| {
        let refused = shop.refuses(ask, 401, "unauthenticated");
        assert!(refused.header("www-authenticate").is_some());
    };
    for path in [
        "/v1/skus",
        "/v1/holds",
        "/v1/tokens",
        "/v1/nothing",
        "/metrics",
    ] {
        refused(&Ask::get(path, ""));
        refused(&Ask::get(path, &changed));
        let basic = format!("Basic {}", shop.buyer);
        let malformed = [
            "Bearer",
            "Bearer ",
            "Bearer  x y",
            &basic,
            &shop.buyer,
            "bearer \u{e9}",
        ];
        for value in malformed {
            refused(&Ask::get(path, "").and("authorization", value.as_bytes()));
        }
        let twice = Ask::get(path, &shop.buyer).and("authorization", b"Bearer x");
        refused(&twice);
    }
    refused(&Ask::post("/v1/holds", &changed, &lamps(1)));
    let made = Ask::post("/v1/tokens", shop.admin(), "{\"role\":\"staff\"}");
    let made = shop.accepts(&made);
    let secret = made["token"].as_str().expect("a secret");
    shop.accepts(&Ask::get("/v1/skus", secret));
    shop.revoke(made["id"].as_str().expect("an id"));
    refused(&Ask::get("/v1/skus", secret));
    refused(&Ask::get("/v1/skus", secret));
}

#[test]
fn roles_keep_to_their_routes() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    let confirm = format!("/v1/holds/{hold}/confirm");
    let units = "{\"quantity\":1,\"reference\":\"po-1\"}";
    for ask in [
        Ask::post(&confirm, &shop.buyer, "{}"),
        Ask::get("/v1/status", &shop.buyer),
        Ask::get("/v1/log", &shop.shop),
        Ask::get("/v1/audit", &shop.staff),
        Ask::post("/v1/skus/lamp/receive", &shop.buyer, units),
        Ask::post("/v1/skus/lamp/receive", &shop.auditor, units),
        Ask::post("/v1/holds", &shop.auditor, &lamps(1)),
        Ask::post("/v1/holds", &shop.staff, &lamps(1)),
        Ask::get("/v1/tokens", &shop.auditor),
        Ask::post("/v1/tokens", &shop.shop, "{\"role\":\"admin\"}"),
        Ask::new("DELETE", "/v1/tokens/t-1", &shop.staff),
    ] {
        shop.refuses(&ask, 403, "forbidden");
    }
    let customer = json!({"customer": "c-1", "lines": [{"sku": "lamp", "quantity": 1}]});
    let ask = Ask::post("/v1/holds", &shop.buyer, &customer.to_string());
    shop.refuses(&ask, 403, "forbidden");
    shop.refuses(
        &Ask::post("/v1/holds", &shop.shop, &lamps(1)),
        422,
        "schema",
    );
}

#[test]
fn pages_and_cursors_outside_the_list_are_refused() {
    let shop = Shop::open(10);
    for _ in 0..3 {
        shop.hold(1);
    }
    let page = shop.accepts(&Ask::get("/v1/holds?limit=1", &shop.buyer));
    let cursor = page["next_cursor"].as_str().expect("more holds").to_owned();
    for list in [
        "/v1/holds",
        "/v1/skus",
        "/v1/log",
        "/v1/audit",
        "/v1/tokens",
    ] {
        for limit in ["-1", "0", "201", "1000000000", "x", "", "1.0"] {
            let ask = Ask::get(&format!("{list}?limit={limit}"), shop.admin());
            shop.refuses(&ask, 422, "schema");
        }
        let truncated = &cursor[..cursor.len() - 1];
        for bad in [
            "x",
            "",
            "%00",
            "..",
            "0",
            truncated,
            "ffffffffffffffffff.0.00000000",
        ] {
            let ask = Ask::get(&format!("{list}?cursor={bad}"), shop.admin());
            shop.refuses(&ask, 400, "bad_cursor");
        }
        let unknown = Ask::get(&format!("{list}?colour=red"), shop.admin());
        shop.refuses(&unknown, 422, "unknown_member");
    }
    let elsewhere = Ask::get(&format!("/v1/skus?cursor={cursor}"), &shop.buyer);
    shop.refuses(&elsewhere, 400, "bad_cursor");
    for query in ["from=-1", "from=x", "from=1&from=2", "sku=a%20b", "sku=%ff"] {
        shop.refuses(
            &Ask::get(&format!("/v1/audit?{query}"), &shop.auditor),
            422,
            match query {
                "sku=a%20b" => "bad_id",
                _ => "schema",
            },
        );
    }
}

#[test]
fn headers_of_consistency_and_deadlines_that_are_none_are_refused() {
    let shop = Shop::open(10);
    for (name, value) in [
        ("evenkeel-wait", "-1"),
        ("evenkeel-wait", "30001"),
        ("evenkeel-wait", "soon"),
        ("evenkeel-position", "nonsense"),
        ("evenkeel-position", "main.1:1,"),
        ("evenkeel-consistency", "strong"),
        ("evenkeel-deadline", "tomorrow"),
    ] {
        shop.refuses(
            &Ask::get("/v1/skus", &shop.buyer).with(name, value),
            422,
            "schema",
        );
    }
    let elsewhere = Ask::get("/v1/skus", &shop.buyer).with("evenkeel-position", "other.1:1");
    shop.refuses(&elsewhere, 409, "token_unknown");
    let late = Ask::post("/v1/holds", &shop.buyer, &lamps(1));
    let late = late.with("evenkeel-deadline", "2020-01-01T00:00:00Z");
    shop.refuses(&late, 504, "deadline_passed");
    for tag in ["3", "\"x\"", "W/\"1\"", "\"1\",\"2\""] {
        let hold = Ask::post("/v1/holds/h-1/release", &shop.buyer, "{}").with("if-match", tag);
        shop.refuses(&hold, 422, "schema");
    }
}
