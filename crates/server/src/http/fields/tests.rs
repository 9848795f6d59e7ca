use super::*;
use crate::http::json::parse;
use crate::http::problem::Code;
use evenkeel_rules::ids::{CustomerId, SkuId};

type Order = (Option<CustomerId>, Vec<(SkuId, Quantity)>, Option<i64>);

fn lines(body: &str) -> Result<Order, Problem> {
    let value = parse(body.as_bytes())?;
    read(&value, |fields| {
        let customer = fields.id_or_none("customer", CustomerId::new);
        let lines = fields.list("lines", 3, |line| {
            let sku = line.id("sku", SkuId::new);
            let quantity = line.quantity("quantity");
            Some((sku?, quantity?))
        });
        let ttl = fields.integer_or_none("ttl_ms", 1000, 5000);
        Some((customer?, lines?, ttl?))
    })
}

fn mistakes(body: &str) -> (Code, Vec<(String, String)>) {
    let problem = lines(body).expect_err("the body has a mistake");
    let document: serde_json::Value =
        serde_json::from_slice(&problem.document("/")).expect("a document is JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let violations = document["violations"]
        .as_array()
        .expect("a list of violations");
    let list = violations
        .iter()
        .map(|one| (text(&one["pointer"]), text(&one["code"])));
    (problem.code(), list.collect())
}

fn one(body: &str) -> (Code, String, String) {
    let (code, mut list) = mistakes(body);
    assert_eq!(list.len(), 1, "{body}: {list:?}");
    let (pointer, violation) = list.remove(0);
    (code, pointer, violation)
}

#[test]
fn a_body_that_fits_is_read() {
    let read = lines("{\"lines\":[{\"sku\":\"lamp\",\"quantity\":2}],\"ttl_ms\":1000}");
    let (customer, lines, ttl) = read.expect("the body fits");
    assert_eq!((customer, lines.len(), ttl), (None, 1, Some(1000)));
}

#[test]
fn another_top_level_type_is_one_mistake_at_the_root() {
    for body in ["[]", "\"x\"", "null", "1", "true"] {
        assert_eq!(
            one(body),
            (Code::Schema, String::new(), "type".to_owned()),
            "{body}"
        );
    }
}

#[test]
fn a_quantity_is_a_whole_number_of_at_least_one() {
    for (quantity, expected) in [
        ("0", "min"),
        ("-1", "min"),
        ("1.5", "type"),
        ("\"1\"", "type"),
        ("1e2", "type"),
        ("true", "type"),
        ("null", "type"),
        ("9007199254740992", "max"),
        ("99999999999999999999999999999999999999999999", "max"),
        ("-99999999999999999999999999999999999999999999", "min"),
    ] {
        let body = format!("{{\"lines\":[{{\"sku\":\"lamp\",\"quantity\":{quantity}}}]}}");
        let expected = (
            Code::Schema,
            "/lines/0/quantity".to_owned(),
            expected.to_owned(),
        );
        assert_eq!(one(&body), expected, "{quantity}");
    }
}

#[test]
fn every_mistake_is_named_at_once_with_its_pointer() {
    let (code, list) = mistakes(
        "{\"lines\":[{\"sku\":\"la/mp\",\"quantity\":1},{\"quantity\":0}],\"ttl_ms\":1,\
         \"customer\":\"a@b.c\",\"a/b~c\":1}",
    );
    assert_eq!(code, Code::UnknownMember);
    let expected = [
        ("/customer", "bad_id"),
        ("/lines/0/sku", "bad_id"),
        ("/lines/1/sku", "required"),
        ("/lines/1/quantity", "min"),
        ("/ttl_ms", "min"),
        ("/a~1b~0c", "unknown_member"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
        .collect();
    assert_eq!(list, expected);
}

#[test]
fn lists_have_bounds_and_members_that_nobody_knows_are_refused() {
    assert_eq!(one("{\"lines\":[]}").2, "min");
    let line = "{\"sku\":\"lamp\",\"quantity\":1}";
    assert_eq!(
        one(&format!("{{\"lines\":[{line},{line},{line},{line}]}}")).2,
        "max"
    );
    assert_eq!(
        one("{}"),
        (Code::Schema, "/lines".to_owned(), "required".to_owned())
    );
    let body = format!("{{\"lines\":[{line}],\"status\":\"held\"}}");
    let expected = (
        Code::UnknownMember,
        "/status".to_owned(),
        "unknown_member".to_owned(),
    );
    assert_eq!(one(&body), expected);
}

#[test]
fn the_list_of_mistakes_is_bounded() {
    let members: Vec<_> = (0..1000).map(|n| format!("\"m{n}\":1")).collect();
    let (_, list) = mistakes(&format!("{{{}}}", members.join(",")));
    assert_eq!(list.len(), VIOLATIONS_MAX);
}

#[test]
fn a_price_has_a_known_currency_and_whole_minor_units() {
    let price = |text: &str| {
        let body = format!("{{\"price\":{text}}}");
        let value = parse(body.as_bytes()).expect("JSON");
        read(&value, |fields| fields.price("price")).map_err(|problem| problem.code())
    };
    assert!(price("{\"amount\":1999,\"currency\":\"EUR\"}").is_ok());
    for text in [
        "{\"amount\":10.001,\"currency\":\"EUR\"}",
        "{\"amount\":1.5,\"currency\":\"JPY\"}",
        "{\"amount\":-1,\"currency\":\"EUR\"}",
        "{\"amount\":1,\"currency\":\"XXX\"}",
        "{\"amount\":1}",
        "19.99",
    ] {
        assert_eq!(price(text), Err(Code::Schema), "{text}");
    }
}
