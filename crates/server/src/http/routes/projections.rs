//! Projections: where they stand, and folding one again.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, OPERATING, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::port::{Projection, Standing};
use evenkeel_engine::project::Projector;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;
use std::sync::Arc;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/projections",
        who: Who::Roles(WATCHING),
        prepare: list,
        doc: Doc {
            summary: "Lists what is folded from the log: how far each is, and how it is.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Projection>>),
            )],
            query: &[],
            problems: &[],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/projections/{name}/rebuild",
        who: Who::Roles(OPERATING),
        prepare: rebuild,
        doc: Doc {
            summary: "Folds a projection again from the log's beginning, beside the rows that are \
                      there, which are read until it has caught up. Asked again, it begins again.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Nothing>),
            answers: &[(
                202,
                Some(SchemaGenerator::subschema_for::<shapes::Projection>),
            )],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
];

/// The projections of this server.
fn projector(api: &Api) -> Result<&Arc<Projector>, Problem> {
    let none = || {
        Problem::new(Code::Unavailable)
            .detail("Nothing keeps projections here: ask a running server.")
    };
    api.engine.projector().ok_or_else(none)
}

/// Where all projections stand, and the position of the head.
async fn standing(api: &Api) -> Result<(Vec<Standing>, u64), Problem> {
    let standing = projector(api)?.views().standing().await;
    let head = api.engine.head().await;
    let (standing, head) = (
        standing.map_err(|fault| refusal::of_read(&fault))?,
        head.map_err(|fault| refusal::of_read(&fault))?,
    );
    Ok((standing, head.position))
}

fn shown(one: &Standing, head: u64) -> shapes::Projection {
    shapes::Projection {
        name: one.projection.name(),
        checkpoint: one.checkpoint,
        lag_positions: head.saturating_sub(one.checkpoint),
        state: match one.building {
            Some(_) => shapes::ProjectionState::Rebuilding,
            None if one.checkpoint > head => shapes::ProjectionState::Ahead,
            None => shapes::ProjectionState::Live,
        },
        building: one.building,
        failed_events: one.failed,
    }
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let (standing, head) = standing(api).await?;
        let items: Vec<_> = standing.iter().map(|one| shown(one, head)).collect();
        let next_cursor = None;
        Ok(api.at(Answer::json(&shapes::Page { items, next_cursor }), head))
    }))
}

fn rebuild<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    call.read(|_| Some(()))?;
    let named = Projection::from_name(call.segment);
    let by = call.caller.id.clone();
    Ok(Box::pin(async move {
        let projection = named.ok_or_else(|| Problem::new(Code::NotFound))?;
        let begun = projector(api)?.rebuild(projection).await;
        begun.map_err(|fault| refusal::of_read(&fault))?;
        tracing::info!(projection = projection.name(), %by, "a projection is folded again");
        let (standing, head) = standing(api).await?;
        let one = standing.iter().find(|one| one.projection == projection);
        let one = one.ok_or_else(|| Problem::new(Code::Internal))?;
        let answer = Answer::json(&shown(one, head)).status(StatusCode::ACCEPTED);
        Ok(api.at(answer, head))
    }))
}

/// Events that could not be folded into what readers see.
///
/// # Errors
/// What a read that failed is told as.
pub(super) async fn failed(api: &Api) -> Result<u64, Problem> {
    if api.engine.projector().is_none() {
        return Ok(0);
    }
    let (standing, _) = standing(api).await?;
    Ok(standing.iter().map(|one| one.failed).sum())
}
