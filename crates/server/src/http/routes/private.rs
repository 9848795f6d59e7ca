//! Erasing what is personal: the texts that are kept apart from the log for one customer.

use super::{reason, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::route::{Doc, OPERATING, Route, Who};
use crate::http::{Api, refusal, shapes};
use evenkeel_engine::commit::Command;
use evenkeel_rules::ids::CustomerId;
use http::Method;
use schemars::SchemaGenerator;

/// Texts that are erased by one commit.
const SLICE: usize = 500;

pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::DELETE,
    pattern: "/v1/private/{customer}",
    who: Who::Roles(OPERATING),
    prepare: erase,
    doc: Doc {
        summary: "Erases a customer's addresses, payment tokens and reasons; the log and its \
                  hashes stay as they are.",
        request: Some(SchemaGenerator::subschema_for::<shapes::Erase>),
        answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Erased>))],
        query: &[],
        problems: &[Code::NotFound],
    },
}];

fn erase<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = reason(&call)?;
    // Saying it again erases what came since: it is idempotent by itself and needs no key.
    let writer = writer(&call, &read.canonical)?.keyless();
    let why = read.value;
    let customer = call.known_id(CustomerId::new);
    Ok(Box::pin(async move {
        let customer = customer?;
        let (mut from, mut erased) = ((0, 0), 0);
        let mut position = None;
        loop {
            let store = api.engine.store();
            let at = store.private_of(&customer, from, SLICE).await;
            let at = at.map_err(|fault| refusal::of_read(&fault))?;
            let texts: Vec<_> = at.rows.iter().map(|row| row.id).collect();
            let Some((last, place)) = texts.last().copied() else {
                let answer = Answer::json(&shapes::Erased {
                    customer: customer.as_str().to_owned(),
                    erased,
                });
                return Ok(api.at(answer, position.unwrap_or(at.position)));
            };
            let next = place.checked_add(1);
            from = next.map_or((last + 1, 0), |place| (last, place));
            erased += texts.len();
            let customer = customer.clone();
            let command = Command::Erase {
                customer,
                texts,
                reason: why.clone(),
            };
            let done = writer.ask(api, command).await;
            let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
            position = Some(done.position);
        }
    }))
}
