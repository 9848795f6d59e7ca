//! Subscriptions: make one, look at them, pause, replay, rotate, delete.

use super::{Writer, reason, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::{Fields, text};
use crate::http::json::Value;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::wait;
use crate::http::refusal::Named;
use crate::http::route::{Doc, OPERATING, Route, Shape, WATCHING, Who};
use crate::http::shapes::{self, REASON_MAX};
use crate::http::{Api, refusal, render};
use evenkeel_engine::commit::{Command, Effect, Key, Subscribing};
use evenkeel_engine::gateway::outbound::{Outbound, Why};
use evenkeel_engine::port::SubscriptionRow;
use evenkeel_engine::relay::SUBSCRIPTIONS_MAX;
use evenkeel_engine::relay::sign::{check_secret, secret_of};
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act as Change, Ask, FILTERS_MAX, Filter, State};
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

/// The highest position that a body may name.
const POSITION_MAX: i64 = (1 << 53) - 1;
/// Rows of one look at all of them.
pub(super) const ALL: usize = 10_000;

const SHOWN: Option<Shape> = Some(SchemaGenerator::subschema_for::<shapes::Subscription>);

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/subscriptions",
        who: Who::Roles(OPERATING),
        prepare: create,
        doc: Doc {
            summary: "Makes a subscription: events are posted to a URL as signed CloudEvents. \
                      Its secret is in this answer and in no other, not in a replay of it either.",
            request: Some(SchemaGenerator::subschema_for::<shapes::CreateSubscription>),
            answers: &[(201, SHOWN)],
            query: &[],
            problems: &[Code::AlreadyExists, Code::LimitExceeded],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/subscriptions",
        who: Who::Roles(WATCHING),
        prepare: list,
        doc: Doc {
            summary: "Lists subscriptions that are not deleted, newest first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Subscription>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/subscriptions/{id}",
        who: Who::Roles(WATCHING),
        prepare: show,
        doc: Doc {
            summary: "Shows a subscription and how far it has come.",
            request: None,
            answers: &[(200, SHOWN)],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::DELETE,
        pattern: "/v1/subscriptions/{id}",
        who: Who::Roles(OPERATING),
        prepare: delete,
        doc: change("Ends a subscription for good; its id stays taken.", None),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/subscriptions/{id}/replay",
        who: Who::Roles(OPERATING),
        prepare: replay,
        doc: change(
            "Tells everything from a position on again; each event says its version.",
            Some(SchemaGenerator::subschema_for::<shapes::Replay>),
        ),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/subscriptions/{id}/rotate",
        who: Who::Roles(OPERATING),
        prepare: rotate,
        doc: change(
            "Signs with another secret, which is in this answer and in no other; the one before \
             goes on to sign beside it for a day.",
            Some(SchemaGenerator::subschema_for::<shapes::Rotate>),
        ),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/subscriptions/{id}/pause",
        who: Who::Roles(OPERATING),
        prepare: pause,
        doc: change(
            "Delivers nothing until it is resumed; its checkpoint waits.",
            Some(SchemaGenerator::subschema_for::<shapes::Word>),
        ),
    },
    Route {
        method: Method::POST,
        pattern: "/v1/subscriptions/{id}/resume",
        who: Who::Roles(OPERATING),
        prepare: resume,
        doc: change(
            "Delivers again from the checkpoint on.",
            Some(SchemaGenerator::subschema_for::<shapes::Word>),
        ),
    },
];

const fn change(summary: &'static str, request: Option<Shape>) -> Doc {
    Doc {
        summary,
        request,
        answers: &[(200, SHOWN)],
        query: &[],
        problems: &[Code::NotFound, Code::Version],
    }
}

/// What a body asks for.
struct Wish {
    id: Option<SubscriptionId>,
    url: String,
    types: Vec<Filter>,
    secret: Option<String>,
    from: Option<u64>,
}

fn wish(fields: &mut Fields<'_, '_>, outbound: &Outbound) -> Option<Wish> {
    let id = fields.id_or_none("id", SubscriptionId::new);
    let url = fields.optional("url", |value| match outbound.check_url(text(value)?) {
        Ok(_) => Ok(text(value)?.to_owned()),
        Err(Why::Long) => Err("max"),
        Err(Why::Blocked(_)) => Err("blocked"),
        Err(Why::Syntax | Why::Scheme | Why::Credentials | Why::Host | Why::Port | Why::NoTls) => {
            Err("url")
        }
    });
    if url == Some(None) {
        fields.wrong("url", "required");
    }
    let types = fields.optional("types", filters);
    if types == Some(None) {
        fields.wrong("types", "required");
    }
    let secret = secret(fields);
    let from = fields.integer_or_none("from", 1, POSITION_MAX);
    Some(Wish {
        id: id?,
        url: url??,
        types: types??,
        secret: secret?,
        from: from?.map(i64::unsigned_abs),
    })
}

fn filters(value: &Value<'_>) -> Result<Vec<Filter>, &'static str> {
    let Value::List(items) = value else {
        return Err("type");
    };
    match items.len() {
        0 => return Err("min"),
        1..=FILTERS_MAX => {}
        _ => return Err("max"),
    }
    let filter = |item| Filter::new(text(item)?).map_err(|_| "enum");
    items.iter().map(filter).collect()
}

fn secret(fields: &mut Fields<'_, '_>) -> Option<Option<String>> {
    fields.optional("secret", |value| {
        let secret = text(value)?;
        check_secret(secret).map_err(|_| "secret")?;
        Ok(secret.to_owned())
    })
}

fn made(api: &Api) -> String {
    secret_of(&[api.ids.random(), api.ids.random()].concat())
}

fn create<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| wish(fields, &api.settings.outbound))?;
    let writer = writer(&call, &read.canonical)?;
    let wish = read.value;
    Ok(Box::pin(async move {
        room(api, &writer).await?;
        let id = wish
            .id
            .or(writer.key.as_ref().map(Key::made_subscription_id));
        let secret = wish.secret.unwrap_or_else(|| made(api));
        let ask = Box::new(Ask {
            id: id.ok_or_else(|| Problem::new(Code::KeyMissing))?,
            url: Some(wish.url),
            types: wish.types,
            from: wish.from,
        });
        let create = Subscribing::Create {
            ask,
            secret: secret.clone(),
        };
        let done = writer.ask(api, Command::Subscription(create)).await;
        let answer = told(api, done, Some(secret)).await?;
        Ok(answer.status(StatusCode::CREATED))
    }))
}

/// Refuses one more subscription than there may be; a repeat is answered all the same.
async fn room(api: &Api, writer: &Writer) -> Result<(), Problem> {
    let store = api.engine.store();
    if writer
        .key
        .as_ref()
        .is_some_and(|key| store.may_know(&key.name))
    {
        return Ok(());
    }
    let all = store.subscriptions(u64::MAX, ALL).await;
    let all = all.map_err(|fault| refusal::of_read(&fault))?.rows;
    let live = all.iter().filter(|row| row.body.state != State::Deleted);
    if live.count() < SUBSCRIPTIONS_MAX {
        return Ok(());
    }
    let detail = format!("There may be {SUBSCRIPTIONS_MAX} subscriptions; delete one first.");
    Err(Problem::violation("/url", Code::LimitExceeded.meaning().code).detail(detail))
}

/// The subscription that a write left.
pub(super) fn left(api: &Api, done: Result<Done, Refusal>) -> Result<Left, Problem> {
    let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
    let Effect::Subscription(row) = done.effect else {
        return Err(Problem::new(Code::Internal));
    };
    Ok(Left {
        row: *row,
        position: done.position,
        replayed: done.replayed,
    })
}

/// What a write left.
pub(super) struct Left {
    pub(super) row: SubscriptionRow,
    position: u64,
    pub(super) replayed: bool,
}

impl Left {
    /// An answer with the headers of one to a write.
    pub(super) fn headed(&self, api: &Api, answer: Answer) -> Answer {
        let answer = answer.version(self.row.version);
        api.wrote(answer, (self.position, self.replayed))
    }
}

async fn told(
    api: &Api,
    done: Result<Done, Refusal>,
    secret: Option<String>,
) -> Result<Answer, Problem> {
    let left = left(api, done)?;
    let secret = secret.filter(|_| !left.replayed);
    let row = &left.row;
    let updated = api.changed_at(row.last, (row.created, row.body.created_at));
    let at = (left.position, updated.await?);
    let shown = render::subscription(row, at, secret);
    Ok(left.headed(api, Answer::json(&shown)))
}

fn ask<'a>(
    api: &'a Api,
    call: &Call<'a>,
    writer: Writer,
    (act, private, secret): (Change, String, Option<String>),
) -> Act<'a> {
    let id = call.known_id(SubscriptionId::new);
    Box::pin(async move {
        let change = Subscribing::Change {
            id: id?,
            act,
            private,
            lease: None,
        };
        let done = writer.ask(api, Command::Subscription(change)).await;
        told(api, done, secret).await
    })
}

fn delete<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let writer = writer(&call, b"")?;
    Ok(ask(
        api,
        &call,
        writer,
        (Change::Delete, String::new(), None),
    ))
}

fn pause<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = reason(&call)?;
    let writer = writer(&call, &read.canonical)?;
    Ok(ask(api, &call, writer, (Change::Pause, read.value, None)))
}

fn resume<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = reason(&call)?;
    let writer = writer(&call, &read.canonical)?;
    Ok(ask(api, &call, writer, (Change::Resume, read.value, None)))
}

fn replay<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let from = fields.integer("from", 1, POSITION_MAX);
        let reason = fields.text_or_none("reason", REASON_MAX as usize);
        Some((from?.unsigned_abs(), reason?.unwrap_or_default().to_owned()))
    })?;
    let writer = writer(&call, &read.canonical)?;
    let (from, reason) = read.value;
    Ok(ask(
        api,
        &call,
        writer,
        (Change::Replay { from }, reason, None),
    ))
}

fn rotate<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(secret)?;
    let writer = writer(&call, &read.canonical)?;
    let secret = read.value.unwrap_or_else(|| made(api));
    let act = (Change::Rotate, secret.clone(), Some(secret));
    Ok(ask(api, &call, writer, act))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(SubscriptionId::new);
    Ok(Box::pin(async move {
        let id = id?;
        api.reach(&wait).await?;
        let at = api.engine.store().subscription(&id).await;
        let at = at.map_err(|fault| refusal::of_read(&fault))?;
        let row = at.rows.ok_or_else(|| Problem::new(Code::NotFound))?;
        let updated = api.changed_at(row.last, (row.created, row.body.created_at));
        let shown = render::subscription(&row, (at.position, updated.await?), None);
        Ok(api.at(Answer::json(&shown).version(row.version), at.position))
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let limit = query.limit();
    let from = query.cursor("subscriptions")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let before = from.map_or(u64::MAX, |spot| spot.position);
        let read = api.engine.store().subscriptions(before, ALL).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        let mut live = at.rows;
        live.retain(|row| row.body.state != State::Deleted);
        let more = live.len() > limit;
        live.truncate(limit);
        let mut items = Vec::with_capacity(live.len());
        for row in &live {
            let updated = api.changed_at(row.last, (row.created, row.body.created_at));
            items.push(render::subscription(
                row,
                (at.position, updated.await?),
                None,
            ));
        }
        let last = live.last().filter(|_| more).map(|row| row.created);
        let next_cursor = last.map(|created| cursor("subscriptions", Spot::at(created)));
        let page = shapes::Page { items, next_cursor };
        Ok(api.at(Answer::json(&page), at.position))
    }))
}
