//! Beginning a saga over anybody's services.

use super::services::Left;
use crate::http::Api;
use crate::http::call::{Act, Call};
use crate::http::fields::{Fields, text};
use crate::http::json::{self, Value};
use crate::http::problem::{Code, Problem};
use crate::http::routes::writer;
use crate::http::shapes::{GIVE_UP_MAX, GIVE_UP_MIN, TIMEOUT_MAX, TIMEOUT_MIN};
use evenkeel_engine::chain::hex;
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::gateway::outbound::{Outbound, Why};
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::Nature;
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, STEPS_MAX, Step, is_reserved, misplaced};
use evenkeel_rules::time::Millis;
use http::StatusCode;
use sha2::{Digest, Sha256};

/// Most bytes of a saga, written without spaces.
const SAGA_MAX: usize = 64 * 1024;
/// How long a call may take if the step does not say.
const TIMEOUT: Millis = Millis(2_000);

/// What a body asks for.
struct Wish {
    id: Option<SagaId>,
    steps: Vec<Step>,
    give_up_after: Millis,
    /// What the steps are sent, as JSON; empty if none has a body.
    bodies: String,
}

pub(super) fn start<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| wish(fields, &api.settings.outbound))?;
    if read.canonical.len() > SAGA_MAX {
        return Err(Problem::new(Code::TooLarge).detail("A saga has at most 64 KiB."));
    }
    let wish = read.value;
    let writer = writer(&call, &read.canonical)?;
    Ok(Box::pin(async move {
        let id = wish.id.or(writer.key.as_ref().map(Key::made_saga_id));
        let hash = || hex(&<[u8; 32]>::from(Sha256::digest(&wish.bodies)));
        let ask = Ask {
            id: id.ok_or_else(|| Problem::new(Code::KeyMissing))?,
            steps: wish.steps,
            give_up_after: wish.give_up_after,
            bodies: (!wish.bodies.is_empty()).then(hash),
        };
        let command = Command::StartSaga {
            ask: Box::new(ask),
            bodies: wish.bodies,
        };
        let left = Left::of(api, writer.ask(api, command).await)?;
        Ok(left.told(api).await?.status(StatusCode::CREATED))
    }))
}

fn wish(fields: &mut Fields<'_, '_>, outbound: &Outbound) -> Option<Wish> {
    let id = fields.id_or_none("id", SagaId::new);
    if let Some(Some(id)) = &id
        && is_reserved(id.as_str())
    {
        fields.wrong("id", "bad_id");
    }
    let steps = fields.list("steps", STEPS_MAX, |fields| step(fields, outbound));
    let give_up = fields.integer_or_none("give_up_after_ms", GIVE_UP_MIN, GIVE_UP_MAX);
    let (steps, bodies): (Vec<Step>, Vec<Option<String>>) = steps?.into_iter().unzip();
    fit_together(fields, &steps);
    let give_up_after = give_up?.map_or(GIVE_UP_AFTER, |ms| Millis(ms.unsigned_abs()));
    let any = bodies.iter().any(Option::is_some);
    let bodies: Vec<String> = bodies.into_iter().map(or_null).collect();
    Some(Wish {
        id: id?,
        steps,
        give_up_after,
        bodies: if any {
            format!("[{}]", bodies.join(","))
        } else {
            String::new()
        },
    })
}

fn or_null(body: Option<String>) -> String {
    body.unwrap_or_else(|| "null".to_owned())
}

/// Names are one saga's own, and natures stand in an order that makes sense.
fn fit_together(fields: &mut Fields<'_, '_>, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|other| other.name == step.name) {
            fields.wrong_item("steps", index, ("name", "duplicate"));
        }
    }
    let natures: Vec<Nature> = steps.iter().map(|step| step.nature).collect();
    if let Some(index) = misplaced(&natures) {
        fields.wrong_item("steps", index, ("nature", "order"));
    }
}

fn step(fields: &mut Fields<'_, '_>, outbound: &Outbound) -> Option<(Step, Option<String>)> {
    let place = |value| match outbound.check_url(text(value)?) {
        Ok(_) => Ok(text(value)?.to_owned()),
        Err(Why::Long) => Err("max"),
        Err(Why::Blocked(_)) => Err("blocked"),
        Err(Why::Syntax | Why::Scheme | Why::Credentials | Why::Host | Why::Port | Why::NoTls) => {
            Err("url")
        }
    };
    let name = fields.id("name", StepName::new);
    let url = fields.optional("url", place);
    if url == Some(None) {
        fields.wrong("url", "required");
    }
    let undo_url = fields.optional("undo_url", place);
    let nature = fields.optional("nature", |value| nature(text(value)?).ok_or("enum"));
    let timeout = fields.integer_or_none("timeout_ms", TIMEOUT_MIN, TIMEOUT_MAX);
    let body = fields.optional("body", |value| Ok(body(value)));
    let step = Step {
        name: name?,
        url: url??,
        undo_url: undo_url?,
        nature: nature?.unwrap_or(Nature::Compensatable),
        timeout: timeout?.map_or(TIMEOUT, |ms| Millis(ms.unsigned_abs())),
    };
    Some((step, body?.flatten()))
}

fn nature(text: &str) -> Option<Nature> {
    match text {
        "compensatable" => Some(Nature::Compensatable),
        "pivot" => Some(Nature::Pivot),
        "retriable" => Some(Nature::Retriable),
        _ => None,
    }
}

/// What a step is sent; nothing for null.
fn body(value: &Value<'_>) -> Option<String> {
    if *value == Value::Null {
        return None;
    }
    let mut bytes = Vec::new();
    json::canonical(value, &mut bytes);
    Some(String::from_utf8(bytes).expect("what was read as text is text"))
}
