//! How the node is.

use super::projections::failed;
use super::reviews::counted;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::worker::PulseState;
use http::Method;
use schemars::SchemaGenerator;
use std::collections::BTreeMap;

pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::GET,
    pattern: "/v1/status",
    who: Who::Roles(WATCHING),
    prepare: status,
    doc: Doc {
        summary: "Shows the head, the loops and what waits.",
        request: None,
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Status>))],
        query: &[],
        problems: &[],
    },
}];

fn status<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let head = api
            .engine
            .head()
            .await
            .map_err(|fault| refusal::of_read(&fault))?;
        let (reviews_open, callbacks) = counted(api).await?;
        let outbox = api.engine.outbox().await;
        let outbox = outbox.map_err(|fault| refusal::of_read(&fault))?;
        let oldest = u64::try_from(outbox.oldest.as_millis()).unwrap_or(u64::MAX);
        let failed_events = failed(api).await?;
        let mono = api.engine.clock().mono();
        let loops = api.engine.pulses().into_iter().map(|pulse| shapes::Loop {
            name: pulse.name,
            lag_positions: pulse.behind(),
            lag_ms: pulse.age_ms(mono),
            state: match pulse.state() {
                PulseState::Healthy => shapes::LoopState::Healthy,
                PulseState::Degraded => shapes::LoopState::Degraded,
                PulseState::Failed => shapes::LoopState::Failed,
            },
        });
        let body = shapes::Status {
            version: env!("CARGO_PKG_VERSION"),
            head: api.engine.position(head.position).to_string(),
            uptime_s: mono.saturating_sub(api.started).as_secs(),
            nodes: api.engine.nodes() as u64,
            loops: loops.collect(),
            outbox_pending: outbox.pending,
            outbox_oldest_ms: oldest,
            parked: callbacks + outbox.parked as u64,
            reviews_open,
            failed_events,
            breakers: BTreeMap::new(),
            reconciliation: None,
            gate: shapes::Gate { unsure_skus: 0 },
            alerts: Vec::new(),
        };
        Ok(api.at(Answer::json(&body), head.position))
    }))
}
