//! What the document says of paths, queries and heads.

use super::problems;
use crate::http::problem::Code;
use crate::http::route::Route;
use crate::http::shapes::{self, HoldState, OrderStatus, PaymentStatus, SagaState, ShipmentStatus};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

fn formed(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn flag() -> Value {
    json!({ "type": "boolean", "default": false })
}

/// All parameters of a route.
pub(super) fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = Vec::new();
    let mut add = |(name, place): (&str, &str), required: bool, schema: Value| {
        parameters.push(json!({
            "name": name, "in": place, "required": required, "schema": schema,
        }));
    };
    for rest in route.pattern.split('{').skip(1) {
        let name = rest.split_once('}').map_or(rest, |(name, _)| name);
        let schema = match name {
            "sku" => formed(&shapes::sku()),
            _ => json!({ "type": "string" }),
        };
        add((name, "path"), true, schema);
    }
    for name in route.doc.query {
        add((name, "query"), false, of_query(route, name, generator));
    }
    if !route.is_api() {
        return Value::Array(parameters);
    }
    if route.method == http::Method::GET {
        let levels = ["eventual", "session", "monotonic", "causal", "immediate"];
        let wait = json!({ "type": "integer", "minimum": 0, "maximum": 30_000 });
        add(
            ("Evenkeel-Position", "header"),
            false,
            formed(shapes::POSITIONS),
        );
        add(("Evenkeel-Wait", "header"), false, wait);
        add(
            ("Evenkeel-Consistency", "header"),
            false,
            json!({ "enum": levels }),
        );
    } else if route.is_keyed() {
        add(
            ("Idempotency-Key", "header"),
            route.needs_key(),
            formed(&shapes::key()),
        );
        if problems(route).contains(&Code::Version) {
            add(("If-Match", "header"), false, formed(shapes::TAG));
        }
    } else {
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            add((name, "header"), true, json!({ "type": "string" }));
        }
    }
    let mut time = formed(shapes::TIME);
    time["minLength"] = json!("2999-01-01T00:00:00Z".len());
    add(("Evenkeel-Deadline", "header"), false, time);
    Value::Array(parameters)
}

fn of_query(route: &Route, name: &str, generator: &mut SchemaGenerator) -> Value {
    let state: Option<fn(&mut SchemaGenerator) -> Schema> = match (route.pattern, name) {
        ("/v1/holds", "state") => Some(SchemaGenerator::subschema_for::<HoldState>),
        ("/v1/sagas", "state") => Some(SchemaGenerator::subschema_for::<SagaState>),
        ("/v1/orders", "status") => Some(SchemaGenerator::subschema_for::<OrderStatus>),
        ("/v1/payments", "status") => Some(SchemaGenerator::subschema_for::<PaymentStatus>),
        ("/v1/shipments", "status") => Some(SchemaGenerator::subschema_for::<ShipmentStatus>),
        _ => None,
    };
    if let Some(state) = state {
        return state(generator).to_value();
    }
    let is_range = route.doc.query.contains(&"to");
    match name {
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }),
        "from" | "to" if is_range => json!({ "type": "string", "format": "date-time" }),
        "from" => json!({ "type": "integer", "minimum": 0, "maximum": shapes::EXACT_MAX }),
        "proof" | "deep" => flag(),
        "sku" => formed(&shapes::sku()),
        "customer" | "ref" => formed(&shapes::id()),
        "as_of" => formed(shapes::POSITION),
        _ => json!({ "type": "string" }),
    }
}
