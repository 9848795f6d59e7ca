//! Sagas: begin one over anybody's services, look at them, and a person's word on one.
//!
//! An id with the prefix of one of the engine's own sagas names a saga of an order; every other one
//! a saga over somebody's services. They are listed together.

mod list;
mod of_order;
mod services;
mod start;

use super::orders::seen;
use crate::http::call::{Act, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::render::Which;
use crate::http::route::{CONFIRMING, Doc, OPERATING, Route, SEEING_SAGAS, Who};
use crate::http::{Api, shapes};
use evenkeel_rules::ids::{OrderId, SagaId};
use evenkeel_rules::saga::journey::is_reserved;
use http::Method;
use schemars::SchemaGenerator;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/sagas",
        who: Who::Roles(CONFIRMING),
        prepare: start::start,
        doc: Doc {
            summary: "Begins a saga over anybody's services: its steps are called one after the \
                      other, and undone in reverse if one of them is refused.",
            request: Some(SchemaGenerator::subschema_for::<shapes::StartSaga>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Saga>))],
            query: &[],
            problems: &[Code::AlreadyExists],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/sagas",
        who: Who::Roles(SEEING_SAGAS),
        prepare: list::list,
        doc: Doc {
            summary: "Lists sagas, the newest first; those of one order together.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Saga>>),
            )],
            query: &["state", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/sagas/{id}",
        who: Who::Roles(SEEING_SAGAS),
        prepare: show,
        doc: Doc {
            summary: "Shows a saga and where each of its steps is.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Saga>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/sagas/{id}/retry",
        who: Who::Roles(OPERATING),
        prepare: services::retry,
        doc: word("Lets a stuck saga try on where it stood."),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/sagas/{id}/compensate",
        who: Who::Roles(OPERATING),
        prepare: services::compensate,
        doc: word(
            "Has a saga undone that is not behind its pivot. An order's must be stuck, and is \
             called off; a stuck refund counts as given back by another way.",
        ),
    },
];

const fn word(summary: &'static str) -> Doc {
    Doc {
        summary,
        request: Some(SchemaGenerator::subschema_for::<shapes::Word>),
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Saga>))],
        query: &[],
        problems: &[Code::NotFound, Code::Version, Code::IllegalTransition],
    }
}

/// Which saga a path names.
enum Saga {
    /// One of an order's.
    Order(Which, OrderId),
    /// One over anybody's services.
    Services(SagaId),
}

/// The saga in the path.
fn named(call: &Call<'_>) -> Result<Saga, Problem> {
    let unknown = || Problem::new(Code::NotFound);
    let text = crate::http::query::decode(call.segment, false).ok_or_else(unknown)?;
    if !is_reserved(&text) {
        let id = SagaId::new(&text).map_err(|_| unknown())?;
        return Ok(Saga::Services(id));
    }
    let (which, order) = Which::split(&text).ok_or_else(unknown)?;
    let order = OrderId::new(order).map_err(|_| unknown())?;
    Ok(Saga::Order(which, order))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let named = named(&call);
    Ok(Box::pin(async move {
        let named = named?;
        let (answer, position) = match named {
            Saga::Order(which, id) => {
                let at = api.read(&wait, |store| store.order(&id)).await?;
                let (row, position) = seen(at, None)?;
                (of_order::shown(api, &row, which).await?, position)
            }
            Saga::Services(id) => {
                let at = api.read(&wait, |store| store.saga(&id)).await?;
                let row = at.rows.ok_or_else(|| Problem::new(Code::NotFound))?;
                (services::shown(api, &row).await?, at.position)
            }
        };
        Ok(api.at(answer, position))
    }))
}
