//! The API document against the answers, and the pages.

use super::harness::{Ask, LAMP, Reply, Server};
use crate::http::manual;
use crate::http::problem::Code;
use crate::http::route::{Route, Who};
use crate::http::routes;
use evenkeel_rules::token::Role;
use serde_json::Value;
use std::collections::BTreeSet;

/// Says where a value does not fit a schema; knows the words that the document uses.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        let target = target.unwrap_or_else(|| panic!("{reference} leads nowhere"));
        misfits(document, target, value, at, out);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        out.push(format!("{at}: {value} is not {kinds:?}"));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        out.push(format!("{at}: {value} is none of {known:?}"));
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            let fits = choices.iter().any(|choice| {
                let mut inner = Vec::new();
                misfits(document, choice, value, at, &mut inner);
                inner.is_empty()
            });
            if !fits {
                out.push(format!("{at}: {value} fits none of {choices:?}"));
            }
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, item) in list.iter().enumerate() {
            misfits(document, items, item, &format!("{at}/{index}"), out);
        }
    }
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object())
    {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                out.push(format!("{at}/{name} is missing"));
            }
        }
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => misfits(document, schema, member, &format!("{at}/{name}"), out),
                None => out.push(format!("{at}/{name} is not in the document")),
            }
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the document uses the type {other}"),
    }
}

/// Holds an answer against what the document says of its route and status.
pub(super) fn check(document: &Value, (method, pattern): (&str, &str), reply: &Reply) {
    let operation = &document["paths"][pattern][method.to_ascii_lowercase()];
    let response = &operation["responses"][reply.status.to_string()];
    assert!(
        response.is_object(),
        "{method} {pattern} answers {reply:?} against the document"
    );
    let kind = reply
        .header("content-type")
        .expect("every answer has a type");
    let schema = &response["content"][kind]["schema"];
    assert!(
        schema.is_object(),
        "{method} {pattern} {}: no schema for {kind}",
        reply.status
    );
    let mut out = Vec::new();
    misfits(document, schema, &reply.json(), "", &mut out);
    assert!(
        out.is_empty(),
        "{method} {pattern} {}: {out:#?}",
        reply.status
    );
    if kind == "application/problem+json" {
        let code = reply.problem();
        let listed = response["description"].as_str().unwrap_or_default();
        assert!(
            listed.split(", ").any(|known| known == code),
            "{method} {pattern}: {code}"
        );
    }
}

const LINE: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}]}";
const FAR: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":99}]}";
const WHOLE: &str = "{\"name\":\"Desk\",\"price\":{\"amount\":1,\"currency\":\"EUR\"},\
    \"max_per_order\":1,\"max_per_customer\":1,\"sale\":{\"opens_at\":\"2999-01-01T00:00:00Z\"}}";
const RECEIVE: &str = "{\"quantity\":1,\"reference\":\"po-1\"}";
const FLOOD: &str = "{\"quantity\":9007199254740991,\"reference\":\"po-1\"}";
const DAMAGED: &str = "{\"quantity\":-1,\"reason\":\"damaged\"}";
const MOVED: &str = "{\"quantity\":1,\"from\":\"main\",\"to\":\"web\",\"reason\":\"a share\"}";
const RUINED: &str = "{\"quantity\":-999,\"reason\":\"damaged\"}";

const IMPORT: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1,\"reference\":\"po-1\"},\
    {\"sku\":\"sofa\",\"quantity\":-1,\"reason\":\"gone\"}]}";

const ORDER: &str = "{\"id\":\"o-1\",\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\
    \"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";
const PAY: &str = "{\"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";
const FAR_ORDER: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":99}],\
    \"payment\":{\"method\":\"card\",\"token\":\"tok_ok\"}}";
const SAGA: &str = "{\"id\":\"trip-7\",\"steps\":[{\"name\":\"a\",\"url\":\"http://a.example/\",\
    \"undo_url\":\"http://a.example/undo\",\"body\":[1]}]}";
const HOOK: &str = "{\"id\":\"s-1\",\"url\":\"http://a.example/\",\"types\":[\"order.*\"]}";
const WHY: &str = "{\"reason\":\"tried\"}";
const BACK: &str = "{\"lines\":[{\"sku\":\"lamp\",\"quantity\":1}],\"restock\":true}";

/// Method, pattern, what stands for the variable segment or the query, role, body.
type Try = (
    &'static str,
    &'static str,
    &'static str,
    Role,
    Option<&'static str>,
);

#[rustfmt::skip]
const TRIES: &[Try] = &[
    ("PUT", "/v1/skus/{sku}", "desk", Role::Staff, Some(WHOLE)),
    ("PUT", "/v1/skus/{sku}", "desk", Role::Staff, Some(LAMP)),
    ("PUT", "/v1/skus/{sku}", "-", Role::Staff, Some(LAMP)),
    ("PUT", "/v1/skus/{sku}", "desk", Role::Buyer, Some(LAMP)),
    ("GET", "/v1/skus/{sku}", "lamp", Role::Staff, None),
    ("GET", "/v1/skus/{sku}", "none", Role::Buyer, None),
    ("GET", "/v1/skus", "?limit=1", Role::Buyer, None),
    ("GET", "/v1/skus", "?cursor=x", Role::Buyer, None),
    ("POST", "/v1/skus/{sku}/receive", "lamp", Role::Staff, Some(RECEIVE)),
    ("POST", "/v1/skus/{sku}/receive", "lamp", Role::Staff, Some(FLOOD)),
    ("POST", "/v1/skus/{sku}/adjust", "lamp", Role::Staff, Some(DAMAGED)),
    ("POST", "/v1/skus/{sku}/adjust", "lamp", Role::Staff, Some(RUINED)),
    ("POST", "/v1/stock/import", "", Role::Staff, Some(IMPORT)),
    ("POST", "/v1/skus/{sku}/transfer", "lamp", Role::Staff, Some(MOVED)),
    ("POST", "/v1/holds", "", Role::Buyer, Some(LINE)),
    ("POST", "/v1/holds", "", Role::Buyer, Some(FAR)),
    ("POST", "/v1/holds", "", Role::Buyer, Some("{")),
    ("GET", "/v1/holds", "?limit=1", Role::Auditor, None),
    ("GET", "/v1/holds/{id}", "h-1", Role::Buyer, None),
    ("POST", "/v1/holds/{id}/extend", "h-1", Role::Buyer, Some("{\"ttl_ms\":60000}")),
    ("POST", "/v1/holds/{id}/confirm", "h-1", Role::Shop, Some(LINE)),
    ("POST", "/v1/holds/{id}/release", "h-1", Role::Buyer, Some("{}")),
    ("POST", "/v1/orders", "", Role::Buyer, Some(ORDER)),
    ("POST", "/v1/orders", "", Role::Buyer, Some(FAR_ORDER)),
    ("GET", "/v1/orders", "?limit=1", Role::Auditor, None),
    ("GET", "/v1/orders/{id}", "o-1", Role::Buyer, None),
    ("GET", "/v1/orders/{id}", "none", Role::Buyer, None),
    ("POST", "/v1/orders/{id}/refunds", "o-1", Role::Shop, Some(WHY)),
    ("POST", "/v1/orders/{id}/returns", "o-1", Role::Staff, Some(BACK)),
    ("POST", "/v1/orders/{id}/cancel", "o-1", Role::Buyer, Some("{}")),
    ("POST", "/v1/orders/{id}/cancel", "none", Role::Buyer, Some("{}")),
    ("POST", "/v1/carts", "", Role::Buyer, Some("{\"id\":\"c-7\"}")),
    ("PUT", "/v1/carts/{id}/lines/{sku}", "c-7", Role::Buyer, Some("{\"quantity\":1}")),
    ("GET", "/v1/carts/{id}", "c-7", Role::Buyer, None),
    ("POST", "/v1/carts/{id}/checkout", "c-7", Role::Buyer, Some(PAY)),
    ("DELETE", "/v1/carts/{id}/lines/{sku}", "c-7", Role::Buyer, None),
    ("GET", "/v1/payments", "", Role::Buyer, None),
    ("GET", "/v1/payments/{id}", "o-1", Role::Buyer, None),
    ("GET", "/v1/shipments", "", Role::Buyer, None),
    ("GET", "/v1/shipments/{id}", "o-1", Role::Buyer, None),
    ("POST", "/v1/sagas", "", Role::Shop, Some(SAGA)),
    ("POST", "/v1/sagas", "", Role::Shop, Some("{\"steps\":[]}")),
    ("GET", "/v1/sagas", "", Role::Auditor, None),
    ("GET", "/v1/sagas/{id}", "trip-7", Role::Shop, None),
    ("POST", "/v1/sagas/{id}/retry", "trip-7", Role::Operator, Some(WHY)),
    ("GET", "/v1/sagas/{id}", "order:o-1", Role::Auditor, None),
    ("GET", "/v1/sagas/{id}", "o-1", Role::Auditor, None),
    ("POST", "/v1/sagas/{id}/retry", "order:o-1", Role::Operator, Some(WHY)),
    ("POST", "/v1/sagas/{id}/compensate", "order:o-1", Role::Operator, Some(WHY)),
    ("GET", "/v1/reviews", "", Role::Staff, None),
    ("GET", "/v1/reviews/{id}", "o-1", Role::Staff, None),
    ("POST", "/v1/reviews/{id}/approve", "o-1", Role::Staff, Some(WHY)),
    ("POST", "/v1/reviews/{id}/reject", "o-1", Role::Staff, Some(WHY)),
    ("GET", "/v1/findings", "", Role::Operator, None),
    ("POST", "/v1/callbacks/payment/{provider}", "sandbox", Role::Admin, Some("{}")),
    ("POST", "/v1/callbacks/delivery/{provider}", "sandbox", Role::Admin, Some("{}")),
    ("DELETE", "/v1/private/{customer}", "c-9", Role::Operator, Some(WHY)),
    ("GET", "/v1/orders/{id}/events", "none", Role::Buyer, None),
    ("GET", "/v1/skus/{sku}/events", "none", Role::Buyer, None),
    ("POST", "/v1/subscriptions", "", Role::Operator, Some(HOOK)),
    ("POST", "/v1/subscriptions", "", Role::Operator, Some("{\"types\":[]}")),
    ("GET", "/v1/subscriptions", "", Role::Auditor, None),
    ("GET", "/v1/subscriptions/{id}", "s-1", Role::Auditor, None),
    ("POST", "/v1/subscriptions/{id}/replay", "s-1", Role::Operator, Some("{\"from\":1}")),
    ("POST", "/v1/subscriptions/{id}/rotate", "s-1", Role::Operator, Some("{}")),
    ("POST", "/v1/subscriptions/{id}/pause", "s-1", Role::Operator, Some(WHY)),
    ("POST", "/v1/subscriptions/{id}/resume", "s-1", Role::Operator, Some(WHY)),
    ("DELETE", "/v1/subscriptions/{id}", "s-1", Role::Operator, None),
    ("DELETE", "/v1/subscriptions/{id}", "none", Role::Operator, None),
    ("GET", "/v1/parked", "", Role::Auditor, None),
    ("GET", "/v1/parked/{id}", "1", Role::Auditor, None),
    ("POST", "/v1/parked/{id}/retry", "1", Role::Operator, Some(WHY)),
    ("POST", "/v1/parked/{id}/drop", "1", Role::Operator, Some(WHY)),
    ("GET", "/v1/explain/order/{id}", "o-1", Role::Auditor, None),
    ("GET", "/v1/explain/payment/{id}", "o-1", Role::Auditor, None),
    ("GET", "/v1/explain/shipment/{id}", "o-1", Role::Auditor, None),
    ("GET", "/v1/explain/saga/{id}", "order:o-1", Role::Auditor, None),
    ("GET", "/v1/explain/hold/{id}", "h-1", Role::Auditor, None),
    ("GET", "/v1/explain/cart/{id}", "c-7", Role::Auditor, None),
    ("GET", "/v1/explain/sku/{id}", "lamp", Role::Auditor, None),
    ("GET", "/v1/explain/{id}", "o-1", Role::Auditor, None),
    ("GET", "/v1/projections", "", Role::Auditor, None),
    ("POST", "/v1/projections/{name}/rebuild", "orders", Role::Operator, Some("{}")),
    ("POST", "/v1/projections/{name}/rebuild", "moods", Role::Operator, Some("{}")),
    ("GET", "/v1/audit", "?limit=2", Role::Auditor, None),
    ("GET", "/v1/log", "?limit=200", Role::Auditor, None),
    ("GET", "/v1/status", "", Role::Operator, None),
    ("GET", "/v1/verify", "", Role::Auditor, None),
    ("POST", "/v1/segments", "", Role::Operator, Some("{\"rows\": 5}")),
    ("GET", "/v1/segments", "", Role::Auditor, None),
    ("POST", "/v1/segments/{first}/restore", "1", Role::Operator, Some("{}")),
    ("POST", "/v1/segments/{first}/restore", "9", Role::Operator, Some("{}")),
    ("GET", "/v1/tokens", "?limit=2", Role::Admin, None),
    ("POST", "/v1/tokens", "", Role::Admin, Some("{\"role\":\"shop\"}")),
    ("DELETE", "/v1/tokens/{id}", "ek-other", Role::Admin, None),
    ("DELETE", "/v1/tokens/{id}", "none", Role::Admin, None),
    ("GET", "/readyz", "", Role::Admin, None),
];

#[tokio::test]
async fn answers_are_what_the_document_says() {
    let server = Server::start().await;
    super::projections::keep_views(&server).await;
    let document = server.send(&Ask::new("GET", "/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    server.stock("lamp", 20).await;
    let hold = LINE.replacen('{', "{\"id\":\"h-1\",", 1);
    let placed = server.post(Role::Buyer, "/v1/holds", &hold).await;
    check(&document, ("POST", "/v1/holds"), &placed);
    let mut seen = BTreeSet::new();
    for (method, pattern, variable, role, body) in TRIES {
        let path = match pattern.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}{variable}{after}").replace("{sku}", "lamp")
            }
            None => format!("{pattern}{variable}"),
        };
        let mut ask = Ask::new(method, &path).role(*role);
        ask.body = body.map(str::as_bytes);
        check(&document, (method, pattern), &server.send(&ask).await);
        seen.insert((*method, *pattern));
    }
    for route in routes::all().filter(|route| route.is_api()) {
        let route = (route.method.as_str(), route.pattern);
        assert!(seen.contains(&route), "{route:?} was not tried");
    }
}

#[test]
fn the_document_has_every_route_and_leads_nowhere_wrong() {
    let document = crate::http::openapi_document();
    for route in routes::all() {
        let operation = &document["paths"][route.pattern][route.method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{} {}", route.method, route.pattern);
        assert!(
            operation["responses"]
                .as_object()
                .is_some_and(|all| !all.is_empty())
        );
        assert_eq!(operation.get("requestBody").is_some(), route.has_body());
    }
    let text = document.to_string();
    for part in text.split("\"$ref\":\"").skip(1) {
        let reference = part.split('"').next().unwrap_or_default();
        assert!(
            document
                .pointer(reference.trim_start_matches('#'))
                .is_some(),
            "{reference}"
        );
    }
}

#[tokio::test]
async fn bodies_take_just_the_members_of_the_document() {
    let server = Server::start().await;
    let document = crate::http::openapi_document();
    server.stock("lamp", 9).await;
    let id = server.hold("lamp", 1).await;
    let signed = |route: &Route| matches!(route.who, Who::Signed(_));
    for route in routes::all().filter(|route| route.has_body() && !signed(route)) {
        let operation = &document["paths"][route.pattern][route.method.as_str().to_lowercase()];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(reference) => document
                .pointer(&reference[1..])
                .expect("it leads somewhere"),
            None => schema,
        };
        let none = serde_json::Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        // A member of an impossible type is known and does not fit; any other is unknown.
        let members: Vec<_> = properties
            .keys()
            .map(String::as_str)
            .chain(["status", "version", "user_id"])
            .collect();
        let wrong: Vec<_> = members
            .iter()
            .map(|name| format!("\"{name}\":{{\"?\":[]}}"))
            .collect();
        let path = route.pattern.replace("{sku}", "lamp").replace("{id}", &id);
        let body = format!("{{{}}}", wrong.join(","));
        let ask = Ask::new(route.method.as_str(), &path)
            .role(Role::Admin)
            .body(&body);
        let reply = server.send(&ask).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (422, "unknown_member")
        );
        let document = reply.json();
        let violations = document["violations"].as_array().expect("violations");
        let unknown: BTreeSet<_> = violations
            .iter()
            .filter(|one| one["code"] == "unknown_member")
            .filter_map(|one| one["pointer"].as_str())
            .filter(|pointer| pointer.matches('/').count() == 1)
            .collect();
        assert_eq!(
            unknown,
            BTreeSet::from(["/status", "/version", "/user_id"]),
            "{path}"
        );
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let empty = Ask::new(route.method.as_str(), &path)
            .role(Role::Admin)
            .body("{}");
        let missing = server.send(&empty).await;
        for name in required {
            let pointer = format!("/{name}");
            let named = missing.json()["violations"].as_array().is_some_and(|all| {
                all.iter()
                    .any(|one| one["pointer"] == pointer && one["code"] == "required")
            });
            assert!(named, "{path} does not ask for {name}: {missing:?}");
        }
    }
}

#[tokio::test]
async fn the_pages_list_every_route_and_every_problem_has_one() {
    let server = Server::start().await;
    let index = server.send(&Ask::new("GET", "/docs")).await;
    assert_eq!(
        index.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = String::from_utf8(index.body).expect("a page is UTF-8");
    for route in routes::all() {
        assert!(
            text.contains(&format!("{} {}<", route.method, route.pattern)),
            "{}",
            route.pattern
        );
    }
    assert!(
        !text.contains("http://") && !text.contains("https://"),
        "nothing is loaded"
    );
    for code in Code::ALL {
        let page = server
            .send(&Ask::new(
                "GET",
                &format!("/docs/errors/{}", code.meaning().code),
            ))
            .await;
        assert_eq!(page.status, 200);
        let text = String::from_utf8(page.body).expect("a page is UTF-8");
        for part in ["Cause.", "Client.", "Operator."] {
            let code = code.meaning().code;
            assert!(
                text.contains(&format!("<strong>{part}</strong>")),
                "{code}: {part}"
            );
        }
    }
    for document in manual::ALL {
        let path = format!("/docs/{}", document.name);
        let page = server.send(&Ask::new("GET", &path)).await;
        assert_eq!(page.status, 200, "{path}");
    }
    for unknown in ["/docs/none", "/docs/reference/none", "/docs/stories/none"] {
        assert_eq!(server.send(&Ask::new("GET", unknown)).await.status, 404);
    }
    assert_eq!(
        server
            .send(&Ask::new("GET", "/docs/errors/none"))
            .await
            .status,
        404
    );
    let refused = server.send(&Ask::new("POST", "/docs").body("{}")).await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD"))
    );
}
