//! What waits for a person: reviews, with a person's word on them, and all findings.
//!
//! A review is an order whose money is not known when it had to be there, or that has a stuck saga;
//! its id is the order's.

use super::orders::{Left, one};
use super::{reason, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::refusal::Named;
use crate::http::route::{Doc, REVIEWING, Route, SEEING_REVIEWS, WATCHING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::DueRow;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::ReviewState;
use http::Method;
use schemars::SchemaGenerator;

/// Rows that one answer looks at.
const SCAN_MAX: usize = 2_000;
/// Rows that are read at once.
const SCAN_STEP: usize = 200;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/reviews",
        who: Who::Roles(SEEING_REVIEWS),
        prepare: list,
        doc: Doc {
            summary: "Lists what waits for a person, newest order first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Review>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/reviews/{id}",
        who: Who::Roles(SEEING_REVIEWS),
        prepare: show,
        doc: Doc {
            summary: "Shows a review: the evidence, and what a person may do.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Review>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/reviews/{id}/approve",
        who: Who::Roles(REVIEWING),
        prepare: approve,
        doc: word("Lets the order wait and try on."),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/reviews/{id}/reject",
        who: Who::Roles(REVIEWING),
        prepare: reject,
        doc: word("Ends the order; what turns up of its money goes back."),
    },
    Route {
        method: Method::GET,
        pattern: "/v1/findings",
        who: Who::Roles(WATCHING),
        prepare: findings,
        doc: Doc {
            summary: "Lists what does not end by itself: open reviews, stuck sagas, callbacks \
                      that were set aside or wait too long.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::OpenFinding>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
];

const fn word(summary: &'static str) -> Doc {
    Doc {
        summary,
        request: Some(SchemaGenerator::subschema_for::<shapes::Word>),
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Review>))],
        query: &[],
        problems: &[Code::NotFound, Code::Version],
    }
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(OrderId::new);
    Ok(Box::pin(async move {
        let id = id?;
        api.reach(&wait).await?;
        let (row, position) = one(api, &id, None).await?;
        let review = render::review(&row, None);
        let review = review.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(api.at(Answer::json(&review).version(row.version), position))
    }))
}

fn approve<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    resolve(api, &call, ReviewState::Approved)
}

fn reject<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    resolve(api, &call, ReviewState::Rejected)
}

fn resolve<'a>(api: &'a Api, call: &Call<'a>, word: ReviewState) -> Result<Act<'a>, Problem> {
    let read = reason(call)?;
    let writer = writer(call, &read.canonical)?;
    let id = call.known_id(OrderId::new);
    let why = Some(read.value);
    Ok(Box::pin(async move {
        let command = Command::ResolveOrder {
            id: id?,
            go_on: word == ReviewState::Approved,
            confirming: api.settings.confirming,
            reason: why,
        };
        let left = Left::of(api, writer.ask(api, command).await, Named::default())?;
        let review = render::review(&left.row, Some(word));
        let review = review.ok_or_else(|| Problem::new(Code::Internal))?;
        Ok(left.told(api, Answer::json(&review)))
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    flagged(api, &call, "reviews", |row| match row {
        DueRow::Order(row) => render::review(row, None).into_iter().collect(),
        DueRow::Saga(_) | DueRow::Callback(_) => Vec::new(),
    })
}

fn findings<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    flagged(api, &call, "findings", |row| match row {
        DueRow::Order(row) => render::of_order(row),
        DueRow::Saga(row) => vec![render::of_saga(row)],
        DueRow::Callback(row) => vec![render::of_callback(row)],
    })
}

/// Lists what rows that wait for a person show.
fn flagged<'a, T: serde::Serialize + Send + 'a>(
    api: &'a Api,
    call: &Call<'a>,
    of: &'static str,
    show: fn(&DueRow) -> Vec<T>,
) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let limit = query.limit();
    let spot = query.cursor(of)?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        let (items, next, position) = walk(api, &wait, (spot, limit), show).await?;
        let next_cursor = next.map(|next| cursor(of, next));
        Ok(api.at(Answer::json(&shapes::Page { items, next_cursor }), position))
    }))
}

/// What a walk shows, the place where the next goes on, and the position it was read at.
type Walked<T> = (Vec<T>, Option<Spot>, u64);

/// Walks rows from a place on; what one row shows is never cut in two, so that an answer may have
/// two items more than its limit.
async fn walk<T>(
    api: &Api,
    wait: &Wait,
    (from, limit): (Option<Spot>, usize),
    show: fn(&DueRow) -> Vec<T>,
) -> Result<Walked<T>, Problem> {
    api.reach(wait).await?;
    let mut before = from.map_or(u64::MAX, |spot| spot.position);
    let (mut items, mut scanned, mut position) = (Vec::new(), 0, None);
    loop {
        let read = api.engine.store().flagged(before, SCAN_STEP).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        let position = *position.get_or_insert(at.position);
        let last = at.rows.len() < SCAN_STEP;
        let count = at.rows.len();
        for (number, row) in at.rows.iter().enumerate() {
            items.extend(show(row));
            (before, scanned) = (row.created(), scanned + 1);
            let end = last && number + 1 == count;
            if !end && (items.len() >= limit || scanned >= SCAN_MAX) {
                return Ok((items, Some(Spot::at(before)), position));
            }
        }
        if last {
            return Ok((items, None, position));
        }
    }
}

/// Orders and callbacks that wait for a person, each counted up to [`SCAN_MAX`].
///
/// # Errors
/// What a read that failed is told as.
pub(super) async fn counted(api: &Api) -> Result<(u64, u64), Problem> {
    let at = api.engine.store().flagged(u64::MAX, SCAN_MAX).await;
    let at = at.map_err(|fault| refusal::of_read(&fault))?;
    let orders = at.rows.iter();
    let orders = orders.filter(|row| matches!(row, DueRow::Order(_))).count();
    let callbacks = at.rows.iter();
    let callbacks = callbacks.filter(|row| matches!(row, DueRow::Callback(_)));
    let callbacks = callbacks.count();
    Ok((orders as u64, callbacks as u64))
}
