//! Payments and shipments: parts of an order, each under the order's id.

use super::orders::{own, part, shown};
use crate::http::call::{Act, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, READING, Route, Who};
use crate::http::{Api, render, shapes};
use evenkeel_engine::port::{OrderFilter, OrderRow};
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::time::LogTime;
use evenkeel_rules::{payment, shipment};
use http::Method;
use schemars::SchemaGenerator;
use serde::Serialize;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/payments",
        who: Who::Roles(READING),
        prepare: payments,
        doc: Doc {
            summary: "Lists payments, newest order first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Payment>>),
            )],
            query: &["customer", "status", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/payments/{id}",
        who: Who::Roles(READING),
        prepare: payment,
        doc: Doc {
            summary: "Shows the payment of an order: its amounts, transactions and refunds.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Payment>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/shipments",
        who: Who::Roles(READING),
        prepare: shipments,
        doc: Doc {
            summary: "Lists shipments, newest order first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Shipment>>),
            )],
            query: &["customer", "status", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/shipments/{id}",
        who: Who::Roles(READING),
        prepare: shipment,
        doc: Doc {
            summary: "Shows the shipment of an order.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Shipment>),
            )],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
];

/// Lists a part of each order that has it in the status that is asked for.
fn list<'a, S, T>(
    api: &'a Api,
    call: &Call<'a>,
    (of, named): (&'static str, fn(&str) -> Option<S>),
    filter: fn(Option<S>) -> OrderFilter,
    show: fn(&OrderRow, LogTime) -> Option<T>,
) -> Result<Act<'a>, Problem>
where
    S: Copy + Send + Sync + 'a,
    T: Serialize + Send + 'a,
{
    let mut query = Query::new(call.query, call.route.doc.query);
    let customer = query.parameter("customer", "bad_id", |text| CustomerId::new(text).ok());
    let status = query.parameter("status", "enum", named);
    let limit = query.limit();
    let spot = query.cursor(of)?;
    query.finish()?;
    let wait = wait(call.headers)?;
    let caller = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let filter = OrderFilter {
            customer: own(caller, customer)?,
            ..filter(status)
        };
        shown(api, &wait, (of, spot, limit), &filter, show).await
    }))
}

fn of_payment(row: &OrderRow, updated: LogTime) -> Option<shapes::Payment> {
    Some(render::payment(row, updated))
}

fn payments<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let filter = |payment: Option<payment::Status>| OrderFilter {
        payment,
        ..OrderFilter::default()
    };
    let named = ("payments", payment::Status::from_name as fn(&str) -> _);
    list(api, &call, named, filter, of_payment)
}

fn payment<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    part(api, &call, of_payment)
}

fn shipments<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let filter = |shipment: Option<shipment::Status>| OrderFilter {
        shipped: true,
        shipment,
        ..OrderFilter::default()
    };
    let named = ("shipments", shipment::Status::from_name as fn(&str) -> _);
    list(api, &call, named, filter, render::shipment)
}

fn shipment<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    part(api, &call, render::shipment)
}
