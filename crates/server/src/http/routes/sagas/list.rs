//! Listing sagas: those of orders and those over anybody's services, newest first.
//!
//! The two are walked side by side; each walk looks at a bounded number of rows, so what is shown
//! ends where the walk ends that came less far.

use super::services;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::Problem;
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::render::Which;
use crate::http::routes::orders::{Fit, found};
use crate::http::{Api, render, shapes};
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::order::Status;
use evenkeel_rules::saga::State;

pub(super) fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
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
    let (services, behind) = services::walk(api, (from, limit), state).await?;
    let mut items = Vec::new();
    for row in &found.rows {
        let updated = api.updated(row).await?;
        for (index, which) in fitting(row, state, number(row)) {
            let saga = render::saga(row, which, updated);
            items.extend(saga.map(|saga| (row.created, index, saga)));
        }
    }
    for row in &services {
        let updated = api.changed_at(row.last, (row.created, row.body.created_at));
        items.push((row.created, 0, render::journey(row, updated.await?)));
    }
    items.sort_by_key(|(created, index, _)| (std::cmp::Reverse(*created), *index));
    // What lies behind the end of one walk is left to the next page.
    let ends = found.next.map(|spot| spot.position);
    let end = ends.max(behind);
    items.retain(|(created, ..)| end.is_none_or(|end| *created >= end));
    let mut next = end.map(Spot::at);
    if let Some((position, index, _)) = items.get(limit) {
        let (position, index) = (*position, *index);
        // Before its first saga an order is named by the place behind it.
        next = Some(if index == 0 {
            Spot::at(position + 1)
        } else {
            Spot { position, index }
        });
    }
    items.truncate(limit);
    let items = items.into_iter().map(|(.., saga)| saga).collect();
    let next_cursor = next.map(|next| cursor("sagas", next));
    let page = shapes::Page { items, next_cursor };
    Ok(api.at(Answer::json(&page), found.position))
}
