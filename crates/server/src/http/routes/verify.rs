//! Whether what the design promises holds, computed from the stores while they are written.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::port::Projection;
use evenkeel_engine::verify::{Gate, Inputs, Running, verify};
use evenkeel_engine::worker::apart;
use evenkeel_rules::time::LogTime;
use http::Method;
use schemars::SchemaGenerator;
use std::time::Duration;

/// How long the projections get to come to the head.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::GET,
    pattern: "/v1/verify",
    who: Who::Roles(WATCHING),
    prepare: report,
    doc: Doc {
        summary: "Computes every invariant from the stores: held, violated and by what, or where \
                  it is checked instead. Reads the whole log.",
        request: None,
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Verify>))],
        query: &[],
        problems: &[],
    },
}];

fn report<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let _alone = api.verifying.lock().await;
        let failed = |what: &dyn std::fmt::Display| {
            tracing::error!("the anchors: {what}");
            Problem::new(Code::Internal)
        };
        let anchors = &api.settings.anchors;
        let known = anchors.read().map_err(|what| failed(&what))?;
        let clock = api.engine.clock();
        let (now, mono) = (clock.now(), clock.mono());
        let views = api.engine.projector();
        let head = api.engine.head().await;
        let head = head.map_err(|fault| refusal::of_read(&fault))?.position;
        if let Some(projector) = views {
            for projection in Projection::ALL {
                let _moves_on = projector.reach(projection, head, SETTLE).await;
            }
        }
        let since = began(now, mono.saturating_sub(api.started));
        let engine = api.engine.clone();
        // It folds for seconds: other requests do not wait for that, only other verifications do.
        let report = apart(async move {
            let gate = &**engine.gate();
            let inputs = Inputs {
                running: Some(Running { now, since }),
                acks: None,
                anchors: known,
                gate: Some(Gate { gate, mono }),
                views: engine.projector().map(|projector| &**projector.views()),
            };
            verify(&**engine.store(), inputs).await
        });
        let report = report.await.map_err(|fault| refusal::of_read(&fault))?;
        anchors.add_green(&report).map_err(|error| failed(&error))?;
        Ok(api.at(Answer::json(&report), report.position))
    }))
}

/// When a server began that runs for so long.
fn began(now: LogTime, runs: Duration) -> LogTime {
    let micros = i64::try_from(runs.as_micros()).unwrap_or(i64::MAX);
    LogTime::from_micros(now.micros().saturating_sub(micros))
}
