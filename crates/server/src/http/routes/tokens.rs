//! Tokens: make one and show its secret this once, list them, revoke one.

use super::writer;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::wait;
use crate::http::refusal::Named;
use crate::http::route::{Doc, KEEPING_TOKENS, Route, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::Done;
use evenkeel_engine::chain::hex;
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::token::{SECRET_PREFIX, hash};
use evenkeel_rules::ids::{CustomerId, TokenId};
use evenkeel_rules::token::Role;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/tokens",
        who: Who::Roles(KEEPING_TOKENS),
        prepare: create,
        doc: Doc {
            summary: "Makes a token. Its secret is in this answer and in no other, not in a \
                      replay of it either.",
            request: Some(SchemaGenerator::subschema_for::<shapes::CreateToken>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Token>))],
            query: &[],
            problems: &[],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/tokens",
        who: Who::Roles(KEEPING_TOKENS),
        prepare: list,
        doc: Doc {
            summary: "Lists tokens without their secrets, newest first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Token>>),
            )],
            query: &["limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::DELETE,
        pattern: "/v1/tokens/{id}",
        who: Who::Roles(KEEPING_TOKENS),
        prepare: revoke,
        doc: Doc {
            summary: "Revokes a token: it is refused from now on.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Token>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
];

fn create<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let role = fields.name("role", Role::from_name);
        let customer = fields.id_or_none("customer", CustomerId::new);
        match (role, &customer) {
            (Some(Role::Buyer), Some(None)) => fields.wrong("customer", "required"),
            (Some(role), Some(Some(_))) if role != Role::Buyer => fields.wrong("customer", "role"),
            _ => {}
        }
        Some((role?, customer?))
    })?;
    let writer = writer(&call, &read.canonical)?;
    let (role, customer) = read.value;
    Ok(Box::pin(async move {
        let random = || hex(&api.ids.random());
        let secret = format!("{SECRET_PREFIX}{}{}", random(), random());
        let id = TokenId::new(&format!("t-{}", &random()[..16]));
        let id = id.expect("hexadecimal digits are an id");
        let command = Command::CreateToken {
            id,
            role,
            customer,
            secret: hash(&secret),
        };
        let done = writer.ask(api, command).await;
        let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
        let secret = Some(secret).filter(|_| !done.replayed);
        answer(api, &done, secret).map(|answer| answer.status(StatusCode::CREATED))
    }))
}

fn answer(api: &Api, done: &Done, secret: Option<String>) -> Result<Answer, Problem> {
    let Effect::Token(row) = &done.effect else {
        return Err(Problem::new(Code::Internal));
    };
    Ok(api.wrote(
        Answer::json(&render::token(row, secret)),
        (done.position, done.replayed),
    ))
}

fn revoke<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let writer = writer(&call, b"")?;
    let id = call.known_id(TokenId::new);
    Ok(Box::pin(async move {
        let done = writer.ask(api, Command::RevokeToken { id: id? }).await;
        answer(
            api,
            &done.map_err(|refusal| api.refused(refusal, Named::default()))?,
            None,
        )
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let limit = query.limit();
    let from = query.cursor("tokens")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let before = from.map_or(u64::MAX, |spot| spot.position);
        let read = api.engine.store().tokens(before, limit + 1).await;
        let mut at = read.map_err(|fault| refusal::of_read(&fault))?;
        let more = at.rows.len() > limit;
        at.rows.truncate(limit);
        let last = at.rows.last().filter(|_| more).map(|row| row.created);
        let next_cursor = last.map(|created| cursor("tokens", Spot::at(created)));
        let items = at.rows.iter().map(|row| render::token(row, None)).collect();
        Ok(api.at(
            Answer::json(&shapes::Page { items, next_cursor }),
            at.position,
        ))
    }))
}
