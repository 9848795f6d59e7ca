//! What needs no token: health, the API document and the pages for people; and metrics.

use super::reviews::counted;
use crate::http::call::{Act, Answer, Call};
use crate::http::meter::Gauge;
use crate::http::problem::{Code, Problem};
use crate::http::route::{Doc, Prepare, Route, WATCHING, Who};
use crate::http::{Api, docs, manual, shapes};
use bytes::Bytes;
use evenkeel_engine::committer::Broken;
use evenkeel_engine::relay::Outbox;
use evenkeel_engine::worker::Pulse;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;
use std::time::Duration;

const fn doc(summary: &'static str, problems: &'static [Code]) -> Doc {
    Doc {
        summary,
        request: None,
        answers: &[(200, None)],
        query: &[],
        problems,
    }
}

const fn page(pattern: &'static str, prepare: Prepare, doc: Doc) -> Route {
    Route {
        method: Method::GET,
        pattern,
        who: Who::Anybody,
        prepare,
        doc,
    }
}

pub(super) const ROUTES: &[Route] = &[
    page("/livez", livez, doc("Says that the process runs.", &[])),
    Route {
        method: Method::GET,
        pattern: "/readyz",
        who: Who::Anybody,
        prepare: readyz,
        doc: Doc {
            summary: "Says whether requests are served, and what is missing if not.",
            request: None,
            answers: &[
                (200, Some(SchemaGenerator::subschema_for::<shapes::Ready>)),
                (503, Some(SchemaGenerator::subschema_for::<shapes::Ready>)),
            ],
            query: &[],
            problems: &[],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/metrics",
        who: Who::Roles(WATCHING),
        prepare: metrics,
        doc: doc(
            "Shows metrics in the text format of Prometheus.",
            &[Code::Unauthenticated, Code::Forbidden],
        ),
    },
    page("/openapi.json", openapi, doc("This document.", &[])),
    page(
        "/docs",
        index,
        doc("The page of all routes and problems.", &[]),
    ),
    page(
        "/docs/{page}",
        document,
        doc("A page of the manual.", &[Code::NotFound]),
    ),
    page(
        "/docs/reference/{page}",
        reference,
        doc("A page of the reference.", &[Code::NotFound]),
    ),
    page(
        "/docs/stories/{page}",
        story,
        doc("A story of the manual.", &[Code::NotFound]),
    ),
    page(
        "/docs/errors/{code}",
        error,
        doc("The page of one problem.", &[Code::NotFound]),
    ),
];

fn ready<'a>(answer: Result<Answer, Problem>) -> Result<Act<'a>, Problem> {
    Ok(Box::pin(std::future::ready(answer)))
}

fn livez<'a>(_: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    ready(Ok(Answer::text("ok")))
}

/// What is missing to serve, by name.
fn failing(api: &Api) -> Vec<String> {
    let failing = api.engine.failing().into_iter();
    failing
        .chain(api.engine.broken().map(Broken::name))
        .map(str::to_owned)
        .collect()
}

fn readyz<'a>(api: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    let failing = failing(api);
    let status = if failing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let failing = Some(failing).filter(|failing| !failing.is_empty());
    let body = shapes::Ready {
        ready: failing.is_none(),
        failing,
    };
    ready(Ok(Answer::json(&body).status(status)))
}

fn metrics<'a>(api: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    Ok(Box::pin(async move {
        // A store that cannot be read has nothing to show; the other figures stand.
        let read = Read {
            position: api.engine.head().await.ok().map(|head| head.position),
            outbox: api.engine.outbox().await.ok(),
            callbacks: counted(api).await.ok().map(|(_, callbacks)| callbacks),
        };
        Ok(Answer::metrics(api.meter.page(&gauges(api, &read))))
    }))
}

/// What the store was asked for the page of metrics; nothing where it did not answer.
struct Read {
    position: Option<u64>,
    outbox: Option<Outbox>,
    callbacks: Option<u64>,
}

/// What waits for subscribers, and for a person.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn waiting(read: &Read) -> [Gauge; 3] {
    let values = |value: Option<f64>| value.map(|value| (String::new(), value));
    let gauge = |name, value| Gauge {
        name,
        values: values(value).into_iter().collect(),
    };
    let parked = read.outbox.zip(read.callbacks);
    [
        gauge(
            "evenkeel_outbox_pending_positions",
            read.outbox.map(|outbox| outbox.pending as f64),
        ),
        gauge(
            "evenkeel_outbox_oldest_seconds",
            read.outbox.map(|outbox| outbox.oldest.as_secs_f64()),
        ),
        gauge(
            "evenkeel_parked",
            parked.map(|(outbox, callbacks)| outbox.parked as f64 + callbacks as f64),
        ),
    ]
}

/// What is looked at, not counted.
#[expect(clippy::cast_precision_loss, reason = "positions stay below 2^53")]
fn gauges(api: &Api, read: &Read) -> Vec<Gauge> {
    let plain = |value: f64| vec![(String::new(), value)];
    let mono = api.engine.clock().mono();
    let of_loop = |lag: fn(&Pulse, Duration) -> f64| {
        let pulses = api.engine.pulses().into_iter();
        let label = |pulse: &Pulse| format!("{{loop=\"{}\"}}", pulse.name);
        pulses
            .map(|pulse| (label(&pulse), lag(&pulse, mono)))
            .collect()
    };
    let uptime = mono.saturating_sub(api.started);
    let by_lane = api.engine.waiting_by_lane().into_iter();
    let by_lane = by_lane
        .map(|(lane, waiting)| (format!("{{lane=\"{}\"}}", lane.name()), waiting as f64))
        .collect();
    let gauge = |name, values| Gauge { name, values };
    let mut all = vec![
        gauge(
            "evenkeel_ready",
            plain(f64::from(u8::from(failing(api).is_empty()))),
        ),
        gauge("evenkeel_uptime_seconds", plain(uptime.as_secs_f64())),
        gauge(
            "evenkeel_log_position",
            read.position
                .map_or_else(Vec::new, |position| plain(position as f64)),
        ),
        gauge("evenkeel_waiting_commits", by_lane),
        gauge(
            "evenkeel_loop_lag_positions",
            of_loop(|pulse, _| pulse.behind() as f64),
        ),
        gauge(
            "evenkeel_loop_lag_seconds",
            of_loop(|pulse, mono| pulse.age_ms(mono) as f64 / 1000.0),
        ),
    ];
    all.extend(waiting(read));
    all
}

fn openapi<'a>(api: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    ready(Ok(Answer::written_json(api.openapi.clone())))
}

fn index<'a>(_: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    ready(Ok(Answer::html(Bytes::from(docs::index()))))
}

fn document<'a>(_: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    manual_page(call.segment)
}

fn reference<'a>(_: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    manual_page(&format!("reference/{}", call.segment))
}

fn story<'a>(_: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    manual_page(&format!("stories/{}", call.segment))
}

fn manual_page<'a>(name: &str) -> Result<Act<'a>, Problem> {
    let document = manual::document(name).ok_or_else(|| Problem::new(Code::NotFound));
    ready(document.map(|document| Answer::html(Bytes::from(docs::document(document)))))
}

fn error<'a>(_: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let code = Code::from_name(call.segment).ok_or_else(|| Problem::new(Code::NotFound));
    ready(code.map(|code| Answer::html(Bytes::from(docs::error(code)))))
}
