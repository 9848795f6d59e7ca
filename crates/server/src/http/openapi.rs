//! The API document (OpenAPI 3.1), made from the route table, the shapes and the catalogue.

mod parameters;

use super::problem::Code;
use super::route::{Route, Who};
use super::{routes, shapes};
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
    schemas.values_mut().for_each(only_what_is_taken);
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

/// A request's body leaves out what it does not say: null is no value of its members. And no text
/// has a NUL.
fn only_what_is_taken(schema: &mut Value) {
    if schema["additionalProperties"] != false {
        return;
    }
    let members = schema["properties"].as_object_mut();
    let members = members.into_iter().flat_map(Map::values_mut);
    for member in members.filter_map(Value::as_object_mut) {
        let is_null = |kind: &Value| kind == "null" || kind["type"] == "null";
        if let Some(Value::Array(choices)) = member.get_mut("anyOf") {
            choices.retain(|choice| !is_null(choice));
            if let [Value::Object(only)] = &mut choices[..] {
                let only = std::mem::take(only);
                member.remove("anyOf");
                member.extend(only);
            }
        }
        if let Some(kind) = member.get_mut("type")
            && let Value::Array(kinds) = kind
        {
            kinds.retain(|kind| !is_null(kind));
            if let [only] = &mut kinds[..] {
                *kind = only.take();
            }
        }
        let formed = ["pattern", "format", "enum"];
        let is_formed = formed.iter().any(|word| member.contains_key(*word));
        if member.get("type").is_some_and(|kind| kind == "string") && !is_formed {
            member.insert("pattern".to_owned(), json!(shapes::ANY));
        }
    }
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": route.doc.summary,
        "parameters": parameters::parameters(route, generator),
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
