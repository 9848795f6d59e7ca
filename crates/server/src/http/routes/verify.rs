//! Whether what the design promises holds, computed from the stores while they are written.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::Engine;
use evenkeel_engine::archive::{Archivable, Archive, Ask, NotDone, keep_seals};
use evenkeel_engine::chain::Hash;
use evenkeel_engine::port::{Fault, Projection};
use evenkeel_engine::verify::{Gate, Inputs, Running, verify};
use evenkeel_engine::worker::apart;
use evenkeel_rules::time::LogTime;
use http::Method;
use schemars::SchemaGenerator;
use std::sync::Arc;
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
                  it is checked instead. Goes on from the newest seal; with deep=true it reads the \
                  whole log, from segments too.",
        request: None,
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Verify>))],
        query: &["deep"],
        problems: &[],
    },
}];

fn report<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let deep = query.parameter("deep", "type", |text| text.parse().ok());
    query.finish()?;
    let deep = deep.unwrap_or(false);
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let _alone = api.verifying.lock().await;
        let known = anchors(api)?;
        let running = settled(api).await?;
        let (engine, mono) = (api.engine.clone(), api.engine.clock().mono());
        // It folds for seconds: other requests do not wait for that, only other verifications do.
        let report = apart(async move {
            let inputs = Inputs {
                deep,
                gate: Some(Gate {
                    gate: &**engine.gate(),
                    mono,
                }),
                ..inputs(&engine, (known, running))
            };
            verify(&**engine.store(), inputs).await
        });
        let report = report.await.map_err(|fault| refusal::of_read(&fault))?;
        let failed = |error: std::io::Error| broken(&error);
        api.settings.anchors.add_green(&report).map_err(failed)?;
        // Without its seal the next one only folds more.
        if let Err(refusal) = keep_seals(&api.engine, &report).await {
            tracing::warn!(?refusal, "no seal was kept");
        }
        Ok(api.at(Answer::json(&report), report.position))
    }))
}

type Known = (Vec<(u64, Hash)>, Running);

/// What is compared with beside the store and the gate.
fn inputs(engine: &Engine, (anchors, running): Known) -> Inputs<'_> {
    Inputs {
        running: Some(running),
        anchors,
        views: engine.projector().map(|projector| &**projector.views()),
        ..Inputs::default()
    }
}

fn broken(what: &dyn std::fmt::Display) -> Problem {
    tracing::error!("the anchors: {what}");
    Problem::new(Code::Internal)
}

fn anchors(api: &Api) -> Result<Vec<(u64, Hash)>, Problem> {
    let known = api.settings.anchors.read();
    known.map_err(|what| broken(&what))
}

/// Waits for the projections, but not for long; when that was.
async fn settled(api: &Api) -> Result<Running, Problem> {
    let clock = api.engine.clock();
    let (now, mono) = (clock.now(), clock.mono());
    let head = api.engine.head().await;
    let head = head.map_err(|fault| refusal::of_read(&fault))?.position;
    if let Some(projector) = api.engine.projector() {
        for projection in Projection::ALL {
            let _moves_on = projector.reach(projection, head, SETTLE).await;
        }
    }
    let since = began(now, mono.saturating_sub(api.started));
    Ok(Running { now, since })
}

/// Archives what may be archived; the caller has the lock of those who verify.
///
/// # Errors
/// Why it was not done.
pub(super) async fn archived(
    api: &Api,
    archive: &Arc<Archive>,
    ask: Ask,
) -> Result<Archivable, NotDone> {
    let unread = |_| Fault::Unavailable("the anchors cannot be read".to_owned());
    let known = anchors(api).map_err(unread)?;
    let running = settled(api).await.map_err(unread)?;
    let (engine, archive) = (api.engine.clone(), Arc::clone(archive));
    let done = apart(async move {
        let done = archive.run(ask, inputs(&engine, (known, running))).await;
        Ok(done)
    });
    let done = done.await??;
    if let Some(last) = done.segments.last()
        && let Err(error) = api.settings.anchors.add_start(last.last, &last.hash)
    {
        tracing::warn!(%error, "no anchor was written");
    }
    Ok(done)
}

/// When a server began that runs for so long.
fn began(now: LogTime, runs: Duration) -> LogTime {
    let micros = i64::try_from(runs.as_micros()).unwrap_or(i64::MAX);
    LogTime::from_micros(now.micros().saturating_sub(micros))
}
