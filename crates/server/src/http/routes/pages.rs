//! What needs no token: health, the API document and the pages for people; and metrics.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::route::{Doc, Prepare, Route, WATCHING, Who};
use crate::http::{Api, docs, shapes};
use bytes::Bytes;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

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
        doc: doc("Shows metrics in the text format of Prometheus.", &[]),
    },
    page("/openapi.json", openapi, doc("This document.", &[])),
    page(
        "/docs",
        index,
        doc("The page of all routes and problems.", &[]),
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

fn readyz<'a>(api: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut failing: Vec<String> = api
        .engine
        .failing()
        .into_iter()
        .map(str::to_owned)
        .collect();
    if api.engine.is_broken() {
        failing.push("disk".to_owned());
    }
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
    Ok(Box::pin(
        async move { Ok(Answer::metrics(api.meter.page())) },
    ))
}

fn openapi<'a>(api: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    ready(Ok(Answer::written_json(api.openapi.clone())))
}

fn index<'a>(_: &'a Api, _: Call<'a>) -> Result<Act<'a>, Problem> {
    ready(Ok(Answer::html(Bytes::from(docs::index()))))
}

fn error<'a>(_: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let code = Code::from_name(call.segment).ok_or_else(|| Problem::new(Code::NotFound));
    ready(code.map(|code| Answer::html(Bytes::from(docs::error(code)))))
}
