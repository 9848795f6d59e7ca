//! What subscribers refused: list it, look at it, have it tried again or given up.
//!
//! A parked stream is named by the position of the fact that parked it, so its name is good for
//! ever: the log says which subscription it is of.

use super::subscriptions::{ALL, left};
use super::{reason, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor, decode};
use crate::http::reads::wait;
use crate::http::route::{Doc, OPERATING, Route, WATCHING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::story::entry_at;
use evenkeel_rules::event::Kind;
use evenkeel_rules::subscription::{Act as Change, Parked, Subscription};
use http::Method;
use schemars::SchemaGenerator;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/parked",
        who: Who::Roles(WATCHING),
        prepare: list,
        doc: Doc {
            summary: "Lists streams that wait for a person because a subscriber refused an event \
                      of theirs, newest first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Parked>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/parked/{id}",
        who: Who::Roles(WATCHING),
        prepare: show,
        doc: Doc {
            summary: "Shows a parked stream.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Parked>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/parked/{id}/retry",
        who: Who::Roles(OPERATING),
        prepare: retry,
        doc: word("Has a parked stream delivered again from where it was refused, in order."),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/parked/{id}/drop",
        who: Who::Roles(OPERATING),
        prepare: give_up,
        doc: word("Gives up what waits of a parked stream; its later events are delivered."),
    },
];

const fn word(summary: &'static str) -> Doc {
    Doc {
        summary,
        request: Some(SchemaGenerator::subschema_for::<shapes::Word>),
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Parked>))],
        query: &[],
        problems: &[Code::NotFound, Code::Version],
    }
}

/// The position that a path names.
fn named(call: &Call<'_>) -> Result<u64, Problem> {
    let unknown = || Problem::new(Code::NotFound);
    let text = decode(call.segment, false).ok_or_else(unknown)?;
    let position: u64 = text.parse().map_err(|_| unknown())?;
    // One spelling only, and a position that the store can hold.
    let plain = position.to_string() == *text && i64::try_from(position).is_ok();
    if plain { Ok(position) } else { Err(unknown()) }
}

/// What was parked at a position, and by which subscription.
async fn parked_at(api: &Api, position: u64) -> Result<(Subscription, Parked), Problem> {
    let unknown = || Problem::new(Code::NotFound);
    let head = api.engine.head().await;
    let head = head.map_err(|fault| refusal::of_read(&fault))?.position;
    if !(1..=head).contains(&position) {
        return Err(unknown());
    }
    let entry = entry_at(&**api.engine.store(), position).await;
    let entry = entry.map_err(|fault| refusal::of_read(&fault))?;
    let event = entry.events.iter().find(|event| event.kind == Kind::Parked);
    let data = event.and_then(|event| event.data::<Subscription>().ok());
    let body = data.ok_or_else(unknown)?;
    let parked = body.parked.iter().find(|parked| parked.id == position);
    let parked = parked.cloned().ok_or_else(unknown)?;
    Ok((body, parked))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let named = named(&call);
    Ok(Box::pin(async move {
        let named = named?;
        api.reach(&wait).await?;
        let (body, then) = parked_at(api, named).await?;
        let at = api.engine.store().subscription(&body.id).await;
        let at = at.map_err(|fault| refusal::of_read(&fault))?;
        let row = at.rows.ok_or_else(|| Problem::new(Code::NotFound))?;
        let now = row.body.parked.iter().find(|parked| parked.id == named);
        let shown = render::parked(&row, now.unwrap_or(&then));
        Ok(api.at(Answer::json(&shown).version(row.version), at.position))
    }))
}

fn retry<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    change(api, &call, |parked| Change::Retry { parked })
}

fn give_up<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    change(api, &call, |parked| Change::Drop { parked })
}

fn change<'a>(api: &'a Api, call: &Call<'a>, act: fn(u64) -> Change) -> Result<Act<'a>, Problem> {
    let read = reason(call)?;
    let writer = writer(call, &read.canonical)?;
    let named = named(call);
    Ok(Box::pin(async move {
        let named = named?;
        let (body, then) = parked_at(api, named).await?;
        let change = Subscribing::Change {
            id: body.id,
            act: act(named),
            private: read.value,
            lease: None,
        };
        let done = writer.ask(api, Command::Subscription(change)).await;
        let left = left(api, done)?;
        let now = left
            .row
            .body
            .parked
            .iter()
            .find(|parked| parked.id == named);
        let shown = render::parked(&left.row, now.unwrap_or(&then));
        Ok(left.headed(api, Answer::json(&shown)))
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let limit = query.limit();
    let from = query.cursor("parked")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let before = from.map_or(u64::MAX, |spot| spot.position);
        let read = api.engine.store().subscriptions(u64::MAX, ALL).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        let mut all: Vec<_> = at
            .rows
            .iter()
            .flat_map(|row| row.body.parked.iter().map(move |parked| (row, parked)))
            .filter(|(_, parked)| parked.id < before)
            .collect();
        all.sort_by_key(|(_, parked)| std::cmp::Reverse(parked.id));
        let more = all.len() > limit;
        all.truncate(limit);
        let last = all.last().filter(|_| more).map(|(_, parked)| parked.id);
        let next_cursor = last.map(|id| cursor("parked", Spot::at(id)));
        let items = all.iter().map(|(row, parked)| render::parked(row, parked));
        let items = items.collect();
        let page = shapes::Page { items, next_cursor };
        Ok(api.at(Answer::json(&page), at.position))
    }))
}
