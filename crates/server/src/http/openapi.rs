//! The API document (OpenAPI 3.1), made from the route table, the shapes and the catalogue.

use super::problem::Code;
use super::route::{Route, Who};
use super::routes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Problems that any route of the API may answer with.
pub(super) const EVERYWHERE: &[Code] = &[
    Code::BadText,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotAcceptable,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::UriTooLong,
    Code::RateLimited,
    Code::HeadersTooLarge,
    Code::Schema,
    Code::Internal,
    Code::Unavailable,
    Code::DeadlinePassed,
];
/// Problems of requests with a body.
pub(super) const WITH_BODY: &[Code] = &[
    Code::MalformedJson,
    Code::DuplicateMember,
    Code::TooDeep,
    Code::MediaType,
    Code::UnknownMember,
    Code::BadId,
];
/// Problems of requests that carry a key.
pub(super) const WITH_KEY: &[Code] = &[
    Code::BadKey,
    Code::KeyMissing,
    Code::KeyReused,
    Code::InFlight,
    Code::OutcomeUnknown,
    Code::DiskFull,
];
/// Problems of writes without a key.
const STORING: &[Code] = &[Code::OutcomeUnknown, Code::DiskFull];
/// Problems of reads.
pub(super) const READS: &[Code] = &[Code::NotYet, Code::TokenUnknown];

/// The problems that a route may answer with.
pub(crate) fn problems(route: &Route) -> Vec<Code> {
    let mut codes = Vec::new();
    if route.is_api() {
        codes.extend_from_slice(EVERYWHERE);
        if route.has_body() {
            codes.extend_from_slice(WITH_BODY);
        }
        codes.extend_from_slice(if route.method == http::Method::GET {
            READS
        } else if route.is_keyed() {
            WITH_KEY
        } else {
            STORING
        });
    }
    codes.extend_from_slice(route.doc.problems);
    codes.sort_by_key(|code| (code.meaning().status, code.meaning().code));
    codes.dedup();
    codes
}

/// The whole document.
pub(crate) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.pattern).or_insert_with(|| json!({}));
        let method = route.method.as_str().to_ascii_lowercase();
        path[method] = operation(route, &mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Evenkeel",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sells exactly the stock there is.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "webhook": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks, over the bytes of the body",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": route.doc.summary,
        "parameters": parameters(route),
        "responses": responses(route, generator),
    });
    if let Who::Roles(roles) = route.who {
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        operation["security"] = json!([{ "token": [] }]);
        operation["x-roles"] = json!(names);
    }
    if let Who::Signed(_) = route.who {
        operation["security"] = json!([{ "webhook": [] }]);
    }
    if let Some(request) = route.doc.request {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": request(generator) } },
        });
        for kind in super::head::LINES.iter().filter(|_| route.takes_lines()) {
            operation["requestBody"]["content"][kind] = json!({ "schema": { "type": "string" } });
        }
    }
    operation
}

fn parameters(route: &Route) -> Value {
    let mut parameters = Vec::new();
    let mut add = |name: &str, place: &str, required: bool, schema: Value| {
        parameters.push(json!({
            "name": name, "in": place, "required": required, "schema": schema,
        }));
    };
    let text = || json!({ "type": "string" });
    for rest in route.pattern.split('{').skip(1) {
        let name = rest.split_once('}').map_or(rest, |(name, _)| name);
        add(name, "path", true, text());
    }
    for name in route.doc.query {
        let schema = match *name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }),
            "from" | "to" if route.doc.query.contains(&"to") => {
                json!({ "type": "string", "format": "date-time" })
            }
            "from" => json!({ "type": "integer", "minimum": 0 }),
            "proof" => json!({ "type": "boolean", "default": false }),
            _ => text(),
        };
        add(name, "query", false, schema);
    }
    if route.is_api() {
        let is_read = route.method == http::Method::GET;
        if is_read {
            let wait = json!({ "type": "integer", "minimum": 0, "maximum": 30_000 });
            let levels = ["eventual", "session", "monotonic", "causal", "immediate"];
            add("Evenkeel-Position", "header", false, text());
            add("Evenkeel-Wait", "header", false, wait);
            add(
                "Evenkeel-Consistency",
                "header",
                false,
                json!({ "enum": levels }),
            );
        } else if route.is_keyed() {
            let key = json!({ "type": "string", "minLength": 1, "maxLength": 257 });
            add("Idempotency-Key", "header", route.needs_key(), key);
        } else {
            for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
                add(name, "header", true, text());
            }
        }
        add(
            "Evenkeel-Deadline",
            "header",
            false,
            // Not as a date-time: generators of clients have no such headers.
            json!({ "type": "string" }),
        );
    }
    Value::Array(parameters)
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, shape) in route.doc.answers {
        let mut response = json!({ "description": "Done" });
        if let Some(shape) = shape {
            response["content"] = json!({ "application/json": { "schema": shape(generator) } });
        }
        responses.insert(status.to_string(), response);
    }
    for code in problems(route) {
        let meaning = code.meaning();
        let response = responses
            .entry(meaning.status.to_string())
            .or_insert_with(|| {
                json!({
                    "description": "",
                    "content": { "application/problem+json": {
                        "schema": { "$ref": "#/components/schemas/Problem" },
                    } },
                })
            });
        let known = response["description"].as_str().unwrap_or_default();
        let comma = if known.is_empty() { "" } else { ", " };
        response["description"] = json!(format!("{known}{comma}{}", meaning.code));
    }
    Value::Object(responses)
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.meaning().code).collect();
    let violation = json!({
        "type": "object",
        "properties": { "pointer": { "type": "string" }, "code": { "type": "string" } },
        "required": ["pointer", "code"],
    });
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "enum": codes },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "help": { "type": "string" },
            "retryable": { "type": "boolean" },
            "violations": { "type": "array", "items": violation },
            "as_of": { "type": "string" },
            "ended_as": { "type": "string" },
            "ended_at": { "type": "string", "format": "date-time" },
            "from": { "type": "string" },
            "to": { "type": "string" },
            "total": { "$ref": "#/components/schemas/Money" },
        },
        "required":
            ["type", "title", "status", "code", "detail", "instance", "help", "retryable"],
    })
}
