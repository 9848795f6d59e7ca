//! Sagas of orders: look at them, and a person's word on those that are stuck.
//!
//! A word is given on the order whose saga it is, since its sagas are one aggregate with it; it is
//! taken only while the saga that is named is stuck.

use super::orders::{Fit, Left, found, one};
use super::{Writer, reason, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::refusal::{Named, illegal};
use crate::http::render::Which;
use crate::http::route::{Doc, OPERATING, Route, WATCHING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order;
use evenkeel_rules::order::Status;
use evenkeel_rules::saga::State;
use http::Method;
use schemars::SchemaGenerator;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/sagas",
        who: Who::Roles(WATCHING),
        prepare: list,
        doc: Doc {
            summary: "Lists sagas, those of the newest order first.",
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
        who: Who::Roles(WATCHING),
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
        prepare: retry,
        doc: word("Lets a stuck saga try on where it stood."),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/sagas/{id}/compensate",
        who: Who::Roles(OPERATING),
        prepare: compensate,
        doc: word(
            "Ends a stuck saga: an order's is called off, and a stuck refund counts as given back \
             by another way.",
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

/// The saga in the path.
fn named(call: &Call<'_>) -> Result<(Which, OrderId), Problem> {
    let unknown = || Problem::new(Code::NotFound);
    let text = crate::http::query::decode(call.segment, false).ok_or_else(unknown)?;
    let (which, order) = Which::split(&text).ok_or_else(unknown)?;
    let order = OrderId::new(order).map_err(|_| unknown())?;
    Ok((which, order))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let named = named(&call);
    Ok(Box::pin(async move {
        let (which, id) = named?;
        api.reach(&wait).await?;
        let (row, position) = one(api, &id, None).await?;
        Ok(api.at(shown(api, &row, which).await?, position))
    }))
}

async fn shown(api: &Api, row: &OrderRow, which: Which) -> Result<Answer, Problem> {
    let updated = api.updated(row).await?;
    let saga = render::saga(row, which, updated);
    let saga = saga.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Answer::json(&saga).version(row.version))
}

fn retry<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    resolve(api, &call, true)
}

fn compensate<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    resolve(api, &call, false)
}

fn resolve<'a>(api: &'a Api, call: &Call<'a>, go_on: bool) -> Result<Act<'a>, Problem> {
    let read = reason(call)?;
    let writer = writer(call, &read.canonical)?;
    let named = named(call);
    let why = Some(read.value);
    Ok(Box::pin(async move {
        let (which, id) = named?;
        if writer.is_new(api).await? {
            stuck(api, (which, &id), go_on).await?;
        }
        let command = Command::ResolveOrder {
            id: id.clone(),
            go_on,
            confirming: api.settings.confirming,
            reason: why,
        };
        match writer.ask(api, command).await {
            // Somebody else gave a word in between.
            Err(Refusal::Rejected {
                rejection: Rejection::Order(order::Rejection::NoReview),
                ..
            }) => Err(stuck(api, (which, &id), go_on)
                .await
                .err()
                .unwrap_or_else(|| Problem::new(Code::Unavailable))),
            done => {
                let left = Left::of(api, done, Named::default())?;
                Ok(left.told(api, shown(api, &left.row, which).await?))
            }
        }
    }))
}

/// Makes sure that a saga is stuck.
async fn stuck(api: &Api, (which, id): (Which, &OrderId), go_on: bool) -> Result<(), Problem> {
    let (row, _) = one(api, id, None).await?;
    let run = which.run(&row);
    let run = run.ok_or_else(|| Problem::new(Code::NotFound))?;
    let to = if go_on {
        State::Running
    } else {
        State::Compensating
    };
    match run.state {
        State::Stuck => Ok(()),
        State::Running | State::Compensating | State::Completed | State::Compensated => {
            Err(illegal(run.state.name(), to.name()))
        }
    }
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let named = |text: &str| State::ALL.into_iter().find(|state| state.name() == text);
    let state = query.parameter("state", "enum", named);
    let limit = query.limit();
    let spot = query.cursor("sagas")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        page(api, &wait, state, (spot, limit)).await
    }))
}

/// The sagas of an order that a list shows, from a number on.
fn fitting(row: &OrderRow, state: Option<State>, from: u64) -> impl Iterator<Item = (u64, Which)> {
    let all = (0_u64..).zip(Which::ALL).filter(move |(at, _)| *at >= from);
    let fits = move |which: Which| {
        let run = which.run(row);
        run.is_some_and(|run| state.is_none_or(|state| state == run.state))
    };
    let known = row.body.status != Status::Rejected;
    all.filter(move |(_, which)| known && fits(*which))
}

async fn page(
    api: &Api,
    wait: &Wait,
    state: Option<State>,
    (spot, limit): (Option<Spot>, usize),
) -> Result<Answer, Problem> {
    // A place within an order's sagas is that order and the number of the next of them.
    let begun = spot.filter(|spot| spot.index > 0);
    let from = begun.map_or(spot, |spot| Some(Spot::at(spot.position + 1)));
    let number = |row: &OrderRow| match begun {
        Some(spot) if spot.position == row.created => spot.index,
        Some(_) | None => 0,
    };
    let fit = |row: &OrderRow| match fitting(row, state, number(row)).next() {
        Some(_) => Fit::Yes,
        None => Fit::No,
    };
    let found = found(api, wait, (from, limit), fit).await?;
    let (mut items, mut next) = (Vec::new(), found.next);
    'rows: for row in &found.rows {
        let updated = api.updated(row).await?;
        for (index, which) in fitting(row, state, number(row)) {
            if items.len() == limit {
                let position = row.created;
                let inside = Spot { position, index };
                // Before its first saga an order is named by the place behind it.
                next = Some(if index == 0 {
                    Spot::at(position + 1)
                } else {
                    inside
                });
                break 'rows;
            }
            items.extend(render::saga(row, which, updated));
        }
    }
    let next_cursor = next.map(|next| cursor("sagas", next));
    let page = shapes::Page { items, next_cursor };
    Ok(api.at(Answer::json(&page), found.position))
}

impl Writer {
    /// Whether nothing was asked under this key before.
    ///
    /// # Errors
    /// What a read that failed is told as.
    pub(super) async fn is_new(&self, api: &Api) -> Result<bool, Problem> {
        let Some(key) = &self.key else {
            return Ok(true);
        };
        let known = api.engine.store().names(&[key.name]).await;
        let known = known.map_err(|fault| refusal::of_read(&fault))?;
        Ok(known.rows.iter().all(Option::is_none))
    }
}
