//! Stories: what became of one thing, why, and what should come next.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, Prepare, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes, time};
use evenkeel_engine::explain::{Step, Story, Subject, explain};
use evenkeel_engine::token::Position;
use evenkeel_rules::ids::{BadId, CartId, HoldId, OrderId, SagaId, SkuId};
use evenkeel_rules::saga::journey::is_reserved;
use http::Method;
use schemars::SchemaGenerator;
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[
    route("/v1/explain/order/{id}", order),
    route("/v1/explain/payment/{id}", payment),
    route("/v1/explain/shipment/{id}", shipment),
    route("/v1/explain/saga/{id}", saga),
    route("/v1/explain/hold/{id}", hold),
    route("/v1/explain/cart/{id}", cart),
    route("/v1/explain/sku/{id}", sku),
];

const fn route(pattern: &'static str, prepare: Prepare) -> Route {
    Route {
        method: Method::GET,
        pattern,
        who: Who::Roles(WATCHING),
        prepare,
        doc: Doc {
            summary: "Tells what became of one thing, step by step, why, and what comes next.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Story>))],
            query: &["as_of"],
            problems: &[Code::NotFound, Code::TokenUnknown],
        },
    }
}

fn order<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| OrderId::new(text).map(Subject::Order))
}

fn payment<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| OrderId::new(text).map(Subject::Payment))
}

fn shipment<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| OrderId::new(text).map(Subject::Shipment))
}

fn saga<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| {
        if !is_reserved(text) {
            return SagaId::new(text).map(Subject::Journey);
        }
        let (_, id) = text.split_once(':').ok_or(BadId::Character)?;
        Ok(Subject::Saga(text.to_owned(), OrderId::new(id)?))
    })
}

fn hold<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| HoldId::new(text).map(Subject::Hold))
}

fn cart<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| CartId::new(text).map(Subject::Cart))
}

fn sku<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    told(api, &call, |text| SkuId::new(text).map(Subject::Sku))
}

/// A position as a number of this log, or as the token that an answer carried.
fn position(api: &Api, text: &str) -> Option<u64> {
    if let Ok(position) = text.parse::<u64>() {
        return Some(position);
    }
    let named: Position = text.parse().ok()?;
    let own = api.engine.position(named.position);
    (named.log == own.log && named.incarnation == own.incarnation).then_some(named.position)
}

fn told<'a>(
    api: &'a Api,
    call: &Call<'_>,
    subject: fn(&str) -> Result<Subject, BadId>,
) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let as_of = query.parameter("as_of", "position", |text| position(api, text));
    query.finish()?;
    let wait = wait(call.headers)?;
    let subject = call.known_id(subject);
    Ok(Box::pin(async move {
        let subject = subject?;
        api.reach(&wait).await?;
        let story = explain(&**api.engine.store(), &subject, as_of).await;
        let story = story.map_err(|fault| refusal::of_read(&fault))?;
        let story = story.ok_or_else(|| Problem::new(Code::NotFound))?;
        let position = story.as_of;
        Ok(api.at(Answer::json(&shape(api, story)), position))
    }))
}

fn shape(api: &Api, story: Story) -> shapes::Story {
    let as_of = story.as_of;
    let finding =
        |(number, (kind, detail)): (usize, (&'static str, String))| shapes::StoryFinding {
            id: format!("{}-{}", story.id, number + 1),
            kind,
            subject: json!({"kind": story.kind, "id": story.id}),
            class: "divergent",
            expected: serde_json::Value::Null,
            found: serde_json::Value::Null,
            position: as_of,
            detail,
        };
    shapes::Story {
        findings: story
            .findings
            .into_iter()
            .enumerate()
            .map(finding)
            .collect(),
        kind: story.kind,
        state: story.state,
        as_of: api.engine.position(as_of).to_string(),
        entries: story.steps.into_iter().map(entry).collect(),
        next: story
            .next
            .into_iter()
            .map(|next| shapes::StoryNext {
                expected: next.expected,
                by: next.by.map(time::text),
                otherwise: next.otherwise,
            })
            .collect(),
        id: story.id,
    }
}

fn entry(step: Step) -> shapes::StoryEntry {
    shapes::StoryEntry {
        position: step.position,
        at: time::text(step.at),
        component: step.component.word(),
        what: step.what,
        detail: step.detail,
        cause: step.cause.map(|(kind, id)| shapes::StoryCause { kind, id }),
    }
}
