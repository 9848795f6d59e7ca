//! The catalogue: put an entry, show one, list them.

mod events;

use super::writer;
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::Fields;
use crate::http::head::Expected;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::wait;
use crate::http::refusal::Named;
use crate::http::render::Look;
use crate::http::route::{Doc, Route, STOCKING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::port::Projection;
use evenkeel_rules::ids::SkuId;
use evenkeel_rules::sku::{Terms, Window};
use evenkeel_rules::token::Role;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

/// Longest name of a SKU, in characters.
const NAME_MAX: usize = 200;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::PUT,
        pattern: "/v1/skus/{sku}",
        who: Who::Roles(STOCKING),
        prepare: put,
        doc: Doc {
            summary: "Lists a SKU, or replaces its whole entry.",
            request: Some(SchemaGenerator::subschema_for::<shapes::PutSku>),
            answers: &[
                (200, Some(SchemaGenerator::subschema_for::<shapes::Sku>)),
                (201, Some(SchemaGenerator::subschema_for::<shapes::Sku>)),
            ],
            query: &[],
            problems: &[Code::Version],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/skus/{sku}",
        who: Who::Roles(&Role::ALL),
        prepare: show,
        doc: Doc {
            summary: "Shows a SKU: price, limits, availability.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Sku>))],
            query: &[],
            problems: &[Code::NotFound, Code::SkuUnknown],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/skus/{sku}/events",
        who: Who::Roles(&Role::ALL),
        prepare: events::events,
        doc: Doc {
            summary: "Tells a SKU's availability as it changes, at most five times a second: \
                      server-sent events of type `availability`.",
            request: None,
            answers: &[(200, None)],
            query: &[],
            problems: &[Code::NotFound, Code::SkuUnknown],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/skus",
        who: Who::Roles(&Role::ALL),
        prepare: list,
        doc: Doc {
            summary: "Lists SKUs, newest first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Sku>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
];

fn window(fields: &mut Fields<'_, '_>) -> Option<Window> {
    let opens_at = fields.time_or_none("opens_at");
    let closes_at = fields.time_or_none("closes_at");
    let (opens_at, closes_at) = (opens_at?, closes_at?);
    if opens_at
        .zip(closes_at)
        .is_some_and(|(opens, closes)| closes <= opens)
    {
        fields.wrong("closes_at", "min");
    }
    Some(Window {
        opens_at,
        closes_at,
    })
}

pub(super) fn look(api: &Api, role: Role) -> Look {
    let numbers = match role {
        Role::Staff | Role::Operator | Role::Admin | Role::Auditor => true,
        Role::Buyer | Role::Shop => false,
    };
    Look {
        numbers,
        low_at: api.settings.low_at,
    }
}

fn put<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let sku = call.id(SkuId::new);
    let named = sku.clone();
    let read = call.read(|fields| {
        let name = fields.text("name", NAME_MAX);
        let price = fields.price("price");
        let max_per_order = fields.quantity_or_none("max_per_order");
        let max_per_customer = fields.quantity_or_none("max_per_customer");
        let sale = fields.object_or_none("sale", window);
        if named.is_err() {
            fields.wrong_path("bad_id");
        }
        Some(Terms {
            sku: named.ok()?,
            name: name?.to_owned(),
            price: price?,
            max_per_order: max_per_order?,
            max_per_customer: max_per_customer?,
            sale: sale?,
        })
    })?;
    let writer = writer(&call, &read.canonical)?;
    let (terms, look) = (read.value, look(api, call.caller.role));
    Ok(Box::pin(async move {
        let sku = terms.sku.clone();
        let listed = async || {
            let at = api.engine.store().sku(&sku).await;
            at.map(|at| at.rows)
                .map_err(|fault| refusal::of_read(&fault))
        };
        if writer.expected == Expected::Existing && listed().await?.is_none() {
            return Err(Problem::new(Code::Version));
        }
        let done = writer.ask(api, Command::PutSku { terms }).await;
        let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
        let Effect::Sku { row, created } = &done.effect else {
            return Err(Problem::new(Code::Internal));
        };
        let stock = listed().await?.map(|(_, stock)| stock).unwrap_or_default();
        let status = if *created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let answer = Answer::json(&render::sku(row, &stock, look)).version(row.version);
        Ok(api.wrote(answer.status(status), (done.position, done.replayed)))
    }))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let sku = call.known_id(SkuId::new);
    let look = look(api, call.caller.role);
    Ok(Box::pin(async move {
        let sku = sku?;
        let at = api.read(&wait, |store| store.sku(&sku)).await?;
        let (row, stock) = at.rows.ok_or_else(|| Problem::new(Code::SkuUnknown))?;
        let answer = Answer::json(&render::sku(&row, &stock, look)).version(row.version);
        Ok(api.at(answer, at.position))
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let limit = query.limit();
    let from = query.cursor("skus")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    let look = look(api, call.caller.role);
    Ok(Box::pin(async move {
        let before = from.map_or(u64::MAX, |spot| spot.position);
        let listed = api.listed(&wait, Projection::Stock, |views| {
            views.skus(before, limit + 1)
        });
        let mut at = match listed.await? {
            Some(at) => at,
            None => {
                let all = api.read(&wait, |store| store.skus(before, limit + 1));
                all.await?
            }
        };
        let more = at.rows.len() > limit;
        at.rows.truncate(limit);
        let last = at.rows.last().filter(|_| more).map(|(row, _)| row.created);
        let next_cursor = last.map(|created| cursor("skus", Spot::at(created)));
        let items = at
            .rows
            .iter()
            .map(|(row, stock)| render::sku(row, stock, look))
            .collect();
        Ok(api.at(
            Answer::json(&shapes::Page { items, next_cursor }),
            at.position,
        ))
    }))
}
