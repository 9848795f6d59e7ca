//! The log's old part: which segments there are, archiving, and bringing back.
//!
//! What cannot be done because something is damaged, or because another segment is in the way, is
//! an answer that says so, not a problem: nothing failed.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, OPERATING, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::archive::{Archive, Ask, Kept, NotDone, SEGMENT_ROWS};
use evenkeel_engine::chain::hex;
use evenkeel_engine::port::{Fault, SegmentRow};
use evenkeel_engine::store::segments::file_name;
use evenkeel_engine::verify::Report;
use http::Method;
use schemars::SchemaGenerator;
use std::sync::Arc;

/// The largest position that JSON carries exactly.
const POSITION_MAX: i64 = (1 << 53) - 1;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/segments",
        who: Who::Roles(WATCHING),
        prepare: list,
        doc: Doc {
            summary: "Lists the files that have the log below its floor, and how each is.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Segments>),
            )],
            query: &[],
            problems: &[],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/segments",
        who: Who::Roles(OPERATING),
        prepare: archive,
        doc: Doc {
            summary: "Moves the log's old part out of the database into files, a million \
                      positions each, as far as nobody needs it there. Verifies first, and \
                      archives nothing if something is damaged.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Archive>),
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Archived>),
            )],
            query: &[],
            problems: &[],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/segments/{first}/restore",
        who: Who::Roles(OPERATING),
        prepare: restore,
        doc: Doc {
            summary: "Brings the segment just below the floor back into the database, and removes \
                      its file.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Nothing>),
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Archived>),
            )],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
];

fn archive_of(api: &Api) -> Result<&Arc<Archive>, Problem> {
    let none = || Problem::new(Code::Unavailable).detail("Nothing is archived here.");
    api.settings.archive.as_ref().ok_or_else(none)
}

fn shown(row: &SegmentRow, damage: Option<String>) -> shapes::Segment {
    shapes::Segment {
        first: row.first,
        last: row.last,
        bytes: row.bytes,
        index: hex(&row.index),
        file: format!("segments/{}", file_name(row.name())),
        state: match damage {
            None => shapes::SegmentState::Whole,
            Some(_) => shapes::SegmentState::Damaged,
        },
        detail: damage,
    }
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let kept = archive_of(api)?.list().await;
        let head = api.engine.head().await;
        let (kept, head) = (
            kept.map_err(|fault| refusal::of_read(&fault))?,
            head.map_err(|fault| refusal::of_read(&fault))?,
        );
        let one = |Kept { row, damage }: Kept| shown(&row, damage);
        let list = shapes::Segments {
            floor: head.floor,
            head: head.position,
            items: kept.into_iter().map(one).collect(),
            next_cursor: None,
        };
        Ok(api.at(Answer::json(&list), head.position))
    }))
}

fn archive<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let before = fields.integer_or_none("before", 1, POSITION_MAX);
        let rows = fields.integer_or_none("rows", 1, POSITION_MAX);
        Some((before?, rows?))
    })?;
    let (before, rows) = read.value;
    let ask = Ask {
        before: before.map_or(u64::MAX, i64::unsigned_abs),
        rows: rows.map_or(SEGMENT_ROWS, i64::unsigned_abs),
    };
    let by = call.caller.id.clone();
    Ok(Box::pin(async move {
        let archive = archive_of(api)?;
        let _alone = api.verifying.lock().await;
        let done = super::verify::archived(api, archive, ask).await;
        tracing::info!(%by, ok = done.is_ok(), "the log was archived");
        let told = done.map(|done| {
            let segments = done.segments.iter().map(|row| shown(row, None)).collect();
            (Some(done.limit), segments)
        });
        answer(api, told).await
    }))
}

fn restore<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    call.read(|_| Some(()))?;
    let first: Option<u64> = call.segment.parse().ok();
    let by = call.caller.id.clone();
    Ok(Box::pin(async move {
        let archive = archive_of(api)?;
        let first = first.ok_or_else(|| Problem::new(Code::NotFound))?;
        let done = archive.bring_back(first).await;
        tracing::info!(%by, first, ok = done.is_ok(), "a segment was brought back");
        answer(api, done.map(|_| (None, Vec::new()))).await
    }))
}

type Done = (Option<(u64, &'static str)>, Vec<shapes::Segment>);

/// What was done, or why it was not.
async fn answer(api: &Api, done: Result<Done, NotDone>) -> Result<Answer, Problem> {
    let head = api.engine.head().await;
    let head = head.map_err(|fault| refusal::of_read(&fault))?;
    let mut told = shapes::Archived {
        ok: true,
        floor: head.floor,
        head: head.position,
        limit: None,
        needed_by: None,
        segments: Vec::new(),
        detail: None,
    };
    match done {
        Ok((limit, segments)) => {
            (told.limit, told.needed_by) = limit.map(|(at, who)| (at, who.to_owned())).unzip();
            told.segments = segments;
        }
        Err(NotDone::Unknown) => return Err(Problem::new(Code::NotFound)),
        Err(NotDone::Refused(evenkeel_engine::Refusal::Failed(Fault::Corrupt(what)))) => {
            (told.ok, told.detail) = (false, Some(what));
        }
        Err(NotDone::Refused(refusal)) => {
            return Err(api.refused(refusal, refusal::Named::default()));
        }
        Err(NotDone::Damaged(report)) => {
            (told.ok, told.detail) = (false, Some(found(&report)));
        }
        Err(not_done @ NotDone::NotBelow(_)) => {
            (told.ok, told.detail) = (false, Some(not_done.to_string()));
        }
    }
    Ok(api.at(Answer::json(&told), head.position))
}

/// The first finding of a report, and how many there are.
fn found(report: &Report) -> String {
    let all = report.findings().count();
    let first = report.findings().next();
    let first = first.map_or_else(String::new, |it| it.detail.clone());
    format!("verify has {all} findings, and nothing was archived: {first}")
}
