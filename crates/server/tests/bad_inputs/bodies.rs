//! Bodies that are no JSON, not this JSON, or say what no client may say.

use crate::shop::{Ask, Shop, lamps};
use serde_json::json;

const ENTRY: &str = "{\"name\":\"Lamp\",\"price\":{\"amount\":1,\"currency\":\"EUR\"}}";

/// Every route that takes a body, with one that fits.
fn writes(shop: &Shop, hold: &str) -> Vec<Ask> {
    let at = |verb: &str| format!("/v1/holds/{hold}/{verb}");
    vec![
        Ask::post("/v1/holds", &shop.buyer, &lamps(1)),
        Ask::post(&at("confirm"), &shop.shop, "{}"),
        Ask::post(&at("release"), &shop.buyer, "{}"),
        Ask::post(&at("extend"), &shop.buyer, "{\"ttl_ms\":60000}"),
        Ask::post(
            "/v1/skus/lamp/receive",
            &shop.staff,
            "{\"quantity\":1,\"reference\":\"po\"}",
        ),
        Ask::post(
            "/v1/skus/lamp/adjust",
            &shop.staff,
            "{\"quantity\":1,\"reason\":\"found\"}",
        ),
        Ask::put("/v1/skus/lamp", &shop.staff, ENTRY),
        Ask::post("/v1/tokens", shop.admin(), "{\"role\":\"shop\"}"),
    ]
}

fn sent(ask: &Ask, body: &[u8]) -> Ask {
    ask.clone().without("content-type").json(body)
}

#[test]
fn a_body_that_is_not_one_json_object_is_refused_on_every_route() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    for ask in writes(&shop, &hold) {
        for body in [
            "{",
            "{\"a\":NaN}",
            "{\"a\":1,}",
            "{}{}",
            "nonsense",
            "'{}'",
            " ",
        ] {
            shop.refuses(&sent(&ask, body.as_bytes()), 400, "malformed_json");
        }
        shop.refuses(&sent(&ask, b""), 400, "malformed_json");
        for body in ["[]", "\"x\"", "null", "1", "true"] {
            shop.refuses(&sent(&ask, body.as_bytes()), 422, "schema");
        }
        shop.refuses(
            &sent(&ask, b"{\"quantity\":1,\"quantity\":100}"),
            400,
            "duplicate_member",
        );
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
        shop.refuses(&sent(&ask, deep.as_bytes()), 400, "too_deep");
        let bottomless = "[".repeat(1_000_000);
        shop.refuses(&sent(&ask, bottomless.as_bytes()), 400, "too_deep");
    }
    assert!(shop.is_quiet());
}

#[test]
fn text_that_has_no_one_meaning_is_refused_on_every_route() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    let bodies: [&[u8]; 6] = [
        b"{\"id\":\"\xff\"}",
        b"{\"id\":\"\xc0\xaf\"}",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":\"\\udc00\\ud800\"}",
        b"{\"id\":\"a\\u0000\"}",
        b"{\"\\u0000\":1}",
    ];
    for ask in writes(&shop, &hold) {
        for body in bodies {
            shop.refuses(&sent(&ask, body), 400, "bad_text");
        }
    }
}

#[test]
fn members_that_no_client_may_set_are_refused() {
    let shop = Shop::open(10);
    let hold = shop.hold(1);
    for ask in writes(&shop, &hold) {
        let body: serde_json::Value = serde_json::from_slice(&ask.body).expect("it is JSON");
        for name in [
            "status",
            "state",
            "user_id",
            "version",
            "position",
            "created_at",
            "$gt",
        ] {
            let mut body = body.clone();
            body[name] = json!("x");
            shop.refuses(
                &sent(&ask, body.to_string().as_bytes()),
                422,
                "unknown_member",
            );
        }
    }
    let line = json!({"lines": [{"sku": "lamp", "quantity": 1, "price": 1}]}).to_string();
    let refused = shop.refuses(
        &Ask::post("/v1/holds", &shop.buyer, &line),
        422,
        "unknown_member",
    );
    assert_eq!(refused.json()["violations"][0]["pointer"], "/lines/0/price");
}

#[test]
fn quantities_are_whole_and_at_least_one() {
    let shop = Shop::open(10);
    let hold = shop.hold(2);
    let beyond = "9007199254740992";
    let huge = "1".repeat(400);
    for quantity in [
        "0", "-1", "1.5", "\"1\"", "1e2", "true", "null", "[1]", beyond, &huge,
    ] {
        let lines = format!("{{\"lines\":[{{\"sku\":\"lamp\",\"quantity\":{quantity}}}]}}");
        shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &lines), 422, "schema");
        let path = format!("/v1/holds/{hold}/confirm");
        shop.refuses(&Ask::post(&path, &shop.shop, &lines), 422, "schema");
        let received = format!("{{\"quantity\":{quantity},\"reference\":\"po-1\"}}");
        shop.refuses(
            &Ask::post("/v1/skus/lamp/receive", &shop.staff, &received),
            422,
            "schema",
        );
        if quantity != "-1" {
            let adjusted = format!("{{\"quantity\":{quantity},\"reason\":\"x\"}}");
            shop.refuses(
                &Ask::post("/v1/skus/lamp/adjust", &shop.staff, &adjusted),
                422,
                "schema",
            );
        }
    }
    let line = "{\"sku\":\"lamp\",\"quantity\":1}";
    let many = format!("{{\"lines\":[{}]}}", vec![line; 101].join(","));
    shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &many), 422, "schema");
    shop.refuses(
        &Ask::post("/v1/holds", &shop.buyer, "{\"lines\":[]}"),
        422,
        "schema",
    );
    let sums = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":9007199254740991},\
        {\"sku\":\"lamp\",\"quantity\":9007199254740991}]}";
    shop.refuses(&Ask::post("/v1/holds", &shop.buyer, sums), 422, "schema");
}

#[test]
fn prices_are_whole_minor_units_of_a_known_currency() {
    let shop = Shop::open(10);
    for price in [
        "{\"amount\":10.001,\"currency\":\"EUR\"}",
        "{\"amount\":1.5,\"currency\":\"JPY\"}",
        "{\"amount\":-1,\"currency\":\"EUR\"}",
        "{\"amount\":1,\"currency\":\"eur\"}",
        "{\"amount\":1,\"currency\":\"XXX\"}",
        "{\"amount\":1}",
        "{\"amount\":9007199254740992,\"currency\":\"EUR\"}",
        "19.99",
        "null",
    ] {
        let body = format!("{{\"name\":\"Lamp\",\"price\":{price}}}");
        shop.refuses(
            &Ask::put("/v1/skus/lamp", &shop.staff, &body),
            422,
            "schema",
        );
    }
    for member in [
        "\"name\":\"\"",
        "\"name\":1",
        "\"max_per_order\":0",
        "\"sale\":{\"opens_at\":\"x\"}",
    ] {
        let body = format!("{{\"price\":{{\"amount\":1,\"currency\":\"EUR\"}},{member}}}");
        shop.refuses(
            &Ask::put("/v1/skus/lamp", &shop.staff, &body),
            422,
            "schema",
        );
    }
}

#[test]
fn ids_of_another_alphabet_are_bad_in_bodies_and_unknown_in_paths() {
    let shop = Shop::open(10);
    let long = "i".repeat(129);
    let sku_too_long = "s".repeat(61);
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    for id in [
        "a/b",
        "a\nb",
        "\u{202e}abc",
        "a b",
        "lamp ",
        "é",
        "-a",
        ".",
        "a@b.example",
        &long,
    ] {
        let body = json!({"id": id, "lines": [{"sku": "lamp", "quantity": 1}]}).to_string();
        shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &body), 422, "bad_id");
        let body = json!({"lines": [{"sku": id, "quantity": 1}]}).to_string();
        shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &body), 422, "bad_id");
        let customer = json!({"customer": id, "lines": [{"sku": "lamp", "quantity": 1}]});
        let customer = customer.to_string();
        shop.refuses(
            &Ask::post("/v1/holds", &shop.shop, &customer),
            422,
            "bad_id",
        );
        let path = encoded(id);
        shop.refuses(
            &Ask::put(&format!("/v1/skus/{path}"), &shop.staff, ENTRY),
            422,
            "bad_id",
        );
        let show = Ask::get(&format!("/v1/holds/{path}"), &shop.buyer);
        shop.refuses(&show, 404, "not_found");
        let release = Ask::post(&format!("/v1/holds/{path}/release"), &shop.buyer, "{}");
        shop.refuses(&release, 404, "not_found");
        shop.refuses(
            &Ask::get(&format!("/v1/skus/{path}"), &shop.buyer),
            404,
            "not_found",
        );
    }
    shop.refuses(&Ask::put("/v1/skus/", &shop.staff, ENTRY), 422, "bad_id");
    shop.refuses(&Ask::put("/v1/skus/%zz", &shop.staff, ENTRY), 422, "bad_id");
    shop.refuses(&Ask::get("/v1/skus/", &shop.staff), 404, "not_found");
    let body = json!({"id": "", "lines": [{"sku": "lamp", "quantity": 1}]}).to_string();
    shop.refuses(&Ask::post("/v1/holds", &shop.buyer, &body), 422, "bad_id");
    let path = format!("/v1/skus/{sku_too_long}");
    shop.refuses(&Ask::put(&path, &shop.staff, ENTRY), 422, "bad_id");

    let right = json!({"id": "i".repeat(128), "lines": [{"sku": "lamp", "quantity": 1}]});
    shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &right.to_string()));
    let path = format!("/v1/skus/{}", "s".repeat(60));
    shop.accepts(&Ask::put(&path, &shop.staff, ENTRY));
}

#[test]
fn ids_that_differ_in_case_are_different_ids() {
    let shop = Shop::open(10);
    shop.refuses(&Ask::get("/v1/skus/LAMP", &shop.buyer), 404, "sku_unknown");
    shop.refuses(&Ask::get("/v1/skus/lamp%20", &shop.buyer), 404, "not_found");
    shop.refuses(
        &Ask::get("/v1/skus/l%C3%A0mp", &shop.buyer),
        404,
        "not_found",
    );
    let body = json!({"lines": [{"sku": "Lamp", "quantity": 1}]}).to_string();
    shop.refuses(
        &Ask::post("/v1/holds", &shop.buyer, &body),
        404,
        "sku_unknown",
    );
    for id in ["h-1", "H-1"] {
        let body = json!({"id": id, "lines": [{"sku": "lamp", "quantity": 1}]}).to_string();
        let placed = shop.accepts(&Ask::post("/v1/holds", &shop.buyer, &body));
        assert_eq!(placed["id"], id);
    }
}
