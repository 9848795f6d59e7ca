//! Stories: what became of one thing, why, and what should come next.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::route::{Doc, Prepare, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes, time};
use evenkeel_engine::explain::{Finding, Step, Story, Subject, explain};
use evenkeel_engine::token::Position;
use evenkeel_rules::ids::{BadId, CartId, HoldId, OrderId, SagaId, SkuId};
use evenkeel_rules::saga::journey::is_reserved;
use guess::Named;
use http::Method;
use schemars::SchemaGenerator;
use serde_json::json;

mod guess;

pub(super) const ROUTES: &[Route] = &[
    route("/v1/explain/order/{id}", order),
    route("/v1/explain/payment/{id}", payment),
    route("/v1/explain/shipment/{id}", shipment),
    route("/v1/explain/saga/{id}", saga),
    route("/v1/explain/hold/{id}", hold),
    route("/v1/explain/cart/{id}", cart),
    route("/v1/explain/sku/{id}", sku),
    route("/v1/explain/{id}", any),
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
        guess::own_saga(text).ok_or(BadId::Character)
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
    let lineage = api.engine.lineage();
    lineage.knows(&named).then_some(named.position)
}

/// An id of whatever kind, a name that a provider gave, or a place in the log.
fn any<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let as_of = query.parameter("as_of", "position", |text| position(api, text));
    query.finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(|text| Ok(text.to_owned()))?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let store = &**api.engine.store();
        let of_read = |fault| refusal::of_read(&fault);
        let mut found = guess::of_id(store, &id).await.map_err(of_read)?;
        // An event's id is a token with the event's place in the row.
        let place = id.split_once('/').map_or(&*id, |(place, _)| place);
        if let (true, Some(at)) = (found.is_empty(), position(api, place)) {
            found.extend(guess::at(store, at).await.map_err(of_read)?);
        }
        if found.is_empty() {
            return Err(unknown(api, (None, &id)).await);
        }
        let first = found.remove(0);
        let story = explain(store, &first, as_of).await.map_err(of_read)?;
        let story = story.ok_or_else(|| Problem::new(Code::NotFound))?;
        let also = found.iter().map(named).collect();
        let position = story.as_of;
        Ok(api.at(Answer::json(&shape(api, story, also)), position))
    }))
}

/// The kind and id of a subject, as its path names them.
fn named(subject: &Subject) -> Named {
    match subject {
        Subject::Order(id) => ("order", id.to_string()),
        Subject::Payment(id) => ("payment", id.to_string()),
        Subject::Shipment(id) => ("shipment", id.to_string()),
        Subject::Saga(saga, _) => ("saga", saga.clone()),
        Subject::Journey(id) => ("saga", id.to_string()),
        Subject::Hold(id) => ("hold", id.to_string()),
        Subject::Cart(id) => ("cart", id.to_string()),
        Subject::Sku(id) => ("sku", id.to_string()),
    }
}

fn subject((kind, id): Named) -> shapes::StorySubject {
    shapes::StorySubject { kind, id }
}

/// That there is no such thing, and which ids are near.
async fn unknown(api: &Api, (kind, id): (Option<&str>, &str)) -> Problem {
    let near = guess::near(&**api.engine.store(), kind, id).await;
    match near {
        Ok(near) => {
            let near = near
                .into_iter()
                .map(|(kind, id)| json!({"kind": kind, "id": id}));
            let near: Vec<serde_json::Value> = near.collect();
            Problem::new(Code::NotFound).member("near", near)
        }
        Err(fault) => refusal::of_read(&fault),
    }
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
        let Some(story) = story.map_err(|fault| refusal::of_read(&fault))? else {
            let (kind, id) = named(&subject);
            return Err(unknown(api, (Some(kind), &id)).await);
        };
        let position = story.as_of;
        Ok(api.at(Answer::json(&shape(api, story, Vec::new())), position))
    }))
}

fn shape(api: &Api, story: Story, also: Vec<Named>) -> shapes::Story {
    let as_of = story.as_of;
    let finding = |(number, finding): (usize, Finding)| shapes::StoryFinding {
        id: format!("{}-{}", story.id, number + 1),
        kind: finding.kind,
        subject: subject((story.kind, story.id.clone())),
        class: "divergent",
        expected: serde_json::Value::Null,
        found: serde_json::Value::Null,
        position: finding.position,
        detail: finding.what,
    };
    shapes::Story {
        findings: story
            .findings
            .into_iter()
            .enumerate()
            .map(finding)
            .collect(),
        also: also.into_iter().map(subject).collect(),
        kind: story.kind,
        state: story.state,
        as_of: api.engine.position(as_of).to_string(),
        entries: story.steps.into_iter().map(entry).collect(),
        next: story
            .next
            .into_iter()
            .map(|next| shapes::StoryNext {
                who: next.who,
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
        by: step.by,
        follows: step.follows,
    }
}
