//! Stock by hand: receive, adjust and transfer; many lines at once are `import`'s.

mod import;

use super::writer;
use crate::http::call::{Act, Answer, Call, Read};
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::route::{Doc, IMPORT, Route, STOCKING, Who};
use crate::http::shapes::REASON_MAX;
use crate::http::{Api, render, shapes};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_rules::ids::{LocationId, Reference, SkuId};
use evenkeel_rules::quantity::{MAX, Quantity};
use evenkeel_rules::stock::Change;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/skus/{sku}/receive",
        who: Who::Roles(STOCKING),
        prepare: receive,
        doc: Doc {
            summary: "Takes units in.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Receive>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Stock>))],
            query: &[],
            problems: &[Code::NotFound, Code::SkuUnknown, Code::Overflow],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/skus/{sku}/adjust",
        who: Who::Roles(STOCKING),
        prepare: adjust,
        doc: Doc {
            summary: "Corrects stock: found units (positive) or units written off (negative).",
            request: Some(SchemaGenerator::subschema_for::<shapes::Adjust>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Stock>))],
            query: &[],
            problems: &[
                Code::NotFound,
                Code::SkuUnknown,
                Code::Insufficient,
                Code::Overflow,
            ],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/skus/{sku}/transfer",
        who: Who::Roles(STOCKING),
        prepare: transfer,
        doc: Doc {
            summary: "Takes available units from one location to another, in one commit.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Transfer>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Stock>))],
            query: &[],
            problems: &[
                Code::NotFound,
                Code::SkuUnknown,
                Code::Insufficient,
                Code::Overflow,
            ],
        },
    },
    Route {
        method: Method::POST,
        pattern: IMPORT,
        who: Who::Roles(STOCKING),
        prepare: import::import,
        doc: Doc {
            summary: "Takes units in and corrects stock in bulk: JSON, NDJSON or CSV, at most \
                      1,000 lines, each under a key of its own and judged apart.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Import>),
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Imported>),
            )],
            query: &[],
            problems: &[],
        },
    },
];

/// A change of stock that was read from a body.
struct Wanted {
    location: Option<LocationId>,
    change: Change,
    reference: Option<Reference>,
    reason: Option<String>,
}

fn receive<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let quantity = fields.quantity("quantity");
        let location = fields.id_or_none("location", LocationId::new);
        let reference = fields.id("reference", Reference::new);
        Some(Wanted {
            location: location?,
            change: Change::Receive(quantity?),
            reference: Some(reference?),
            reason: None,
        })
    })?;
    act(api, &call, read)
}

fn adjust<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let most = i64::try_from(MAX).expect("2^53-1 fits");
    let read = call.read(|fields| {
        let quantity = fields.integer("quantity", -most, most);
        let location = fields.id_or_none("location", LocationId::new);
        let reason = fields.text("reason", REASON_MAX as usize);
        let quantity = quantity?;
        let Ok(units) = Quantity::new(quantity.unsigned_abs()) else {
            fields.wrong("quantity", "min");
            return None;
        };
        let change = if quantity > 0 {
            Change::Find(units)
        } else {
            Change::WriteOff(units)
        };
        let reason = Some(reason?.to_owned());
        Some(Wanted {
            location: location?,
            change,
            reference: None,
            reason,
        })
    })?;
    act(api, &call, read)
}

fn transfer<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let quantity = fields.quantity("quantity");
        let from = fields.id("from", LocationId::new);
        let to = fields.id("to", LocationId::new);
        let reason = fields.text("reason", REASON_MAX as usize);
        if from.is_some() && from == to {
            fields.wrong("to", "same");
        }
        Some(Wanted {
            location: Some(from?),
            change: Change::Transfer(quantity?, to?),
            reference: None,
            reason: Some(reason?.to_owned()),
        })
    })?;
    act(api, &call, read)
}

fn act<'a>(api: &'a Api, call: &Call<'a>, read: Read<Wanted>) -> Result<Act<'a>, Problem> {
    let writer = writer(call, &read.canonical)?;
    let sku = call.known_id(SkuId::new);
    let Wanted {
        location,
        change,
        reference,
        reason,
    } = read.value;
    Ok(Box::pin(async move {
        let sku = sku?;
        let location = location.unwrap_or_else(LocationId::main);
        let command = Command::ChangeStock {
            sku,
            location,
            change,
            reference,
            reason,
        };
        let done = writer.ask(api, command).await;
        let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
        let Effect::Stock { sku, stock } = &done.effect else {
            return Err(Problem::new(Code::Internal));
        };
        let (sku, stock) = (sku.as_str().to_owned(), render::balances(stock));
        let body = shapes::Stock {
            sku,
            position: done.position,
            stock,
        };
        Ok(api.wrote(
            Answer::json(&body).status(StatusCode::CREATED),
            (done.position, done.replayed),
        ))
    }))
}
