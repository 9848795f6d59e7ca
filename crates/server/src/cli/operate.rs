//! The operator commands: one request, its answer, its picture.
//!
//! A command that operates on one thing is a row: which request it is (`Operation::call`), and how
//! its answer looks to a person (`Operation::show`). Sending, keys, paging, problem documents, JSON
//! and exit codes are written here, once for all of them.
//!
//! A list is followed to its end, or to the number that was asked for; with `--json` each page is
//! folded into one list, so that there is one object on standard output.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::door::{Answer, Call, Door, Where};
use super::failure::{Failure, Verdict};
use super::{output, start};
use crate::client::outside;

/// How long nothing is shown of work that goes on.
const PATIENCE: Duration = Duration::from_secs(2);

/// The flags that every operator command has.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Common {
    /// Print the answer as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: Where,
}

/// What every change by a person's word has: why, and the flags of a change.
#[derive(Clone, Debug, Args)]
pub(super) struct Word {
    /// Why
    #[arg(long)]
    pub(super) reason: String,
    /// The idempotency key: the same key again changes nothing [default: a new one]
    #[arg(long)]
    pub(super) key: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Word {
    /// The word as a request.
    pub(super) fn post(&self, path: String) -> Call {
        let body = serde_json::json!({"reason": self.reason});
        Call::post(path, self.key.clone(), body)
    }
}

/// A command that is one request.
pub(super) trait Operation {
    /// Where to send it and how to print it.
    fn common(&self) -> &Common;
    /// The request.
    fn call(&self) -> Call;
    /// What a person sees of a good answer.
    fn show(&self, answer: &Value) -> String;
    /// Whether a good answer says yes: all of them, unless the command asks something.
    fn verdict(&self, _answer: &Value) -> Verdict {
        Verdict::True
    }
}

/// Sends the request of an operation and prints its answer.
pub(super) fn run(operation: &impl Operation) -> Result<Verdict, Failure> {
    let common = operation.common();
    start::runtime()?.block_on(async {
        let call = operation.call();
        let door = Door::open(&common.place, &call).await?;
        let whole = watched(whole(&door, &call, common.json)).await;
        door.close().await;
        let whole = whole?;
        if common.json {
            output::line(&whole.text)?;
        } else {
            output::line(&operation.show(&whole.value))?;
        }
        Ok(operation.verdict(&whole.value))
    })
}

/// Shows that work goes on when it takes long and a person watches.
pub(super) async fn watched<F: Future>(work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    if let Some(done) = outside::within(PATIENCE, work.as_mut()).await {
        return done;
    }
    let bar = output::busy();
    let done = work.await;
    bar.finish_and_clear();
    done
}

/// A good answer: its value, and the text that `--json` prints.
struct Whole {
    value: Value,
    text: String,
}

/// The answer to a request; a list with all the pages that follow folded into one.
async fn whole(door: &Door, call: &Call, json: bool) -> Result<Whole, Failure> {
    let first = good(call, door.ask(call).await?, json)?;
    let mut value = parsed(&first)?;
    if !value["next_cursor"].is_string() {
        // One page is printed as it came.
        return Ok(Whole { value, text: first });
    }
    while let Some(cursor) = value["next_cursor"].as_str().map(encode) {
        let joint = if call.path.contains('?') { '&' } else { '?' };
        let next = Call::get(format!("{}{joint}cursor={cursor}", call.path));
        let mut page = parsed(&good(&next, door.ask(&next).await?, json)?)?;
        let items = page["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if let Some(all) = value["items"].as_array_mut() {
            all.extend(items);
        }
        value["next_cursor"] = page["next_cursor"].take();
    }
    let text = value.to_string();
    Ok(Whole { value, text })
}

/// The text of a good answer; a problem document becomes a failure with its exit code.
pub(super) fn good(call: &Call, answer: Answer, json: bool) -> Result<String, Failure> {
    let text = String::from_utf8(answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        return Ok(text);
    }
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    if json && !problem.is_null() {
        output::line(&text)?;
    }
    Err(refused(call, answer.status, &problem))
}

/// The value of an answer's text; that of an empty one (204) is null.
pub(super) fn parsed(text: &str) -> Result<Value, Failure> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text)
        .map_err(|_| Failure::Unreachable("the answer is not JSON".to_owned()))
}

/// A problem document as a sentence with what to do next, and the exit code that its status means.
fn refused(call: &Call, status: u16, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let (title, detail, code) = (text("title"), text("detail"), text("code"));
    let sentence = if detail.is_empty() { title } else { detail };
    let mut message = match code.as_str() {
        "" => format!("the server answered {status}, and no problem document"),
        code => format!("{sentence} ({status} {code})"),
    };
    for one in problem["violations"].as_array().into_iter().flatten() {
        let line = format!("\n{}: {}", cell(&one["pointer"]), cell(&one["code"]));
        message.push_str(&line);
    }
    if let Some(near) = near(problem) {
        message = format!("{message}\n{near}");
    }
    if let Some(next) = next_step(call, &code) {
        message = format!("{message}\n{next}");
    }
    match status {
        401 => Failure::Usage(message),
        400 | 403 | 413..=415 | 422 => Failure::Usage(message),
        502..=504 => Failure::Unreachable(message),
        _ => Failure::Refused(message),
    }
}

/// The ids that the server says are near the one that was asked for.
fn near(problem: &Value) -> Option<String> {
    let one = |near: &Value| format!("{} {}", cell(&near["kind"]), cell(&near["id"]));
    let near: Vec<String> = problem["near"].as_array()?.iter().map(one).collect();
    Some(match near.as_slice() {
        [] => "nothing has an id like it".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    })
}

/// What a person can do about a refusal, where its own sentence does not say so.
fn next_step(call: &Call, code: &str) -> Option<String> {
    let path = call.path.split('?').next().unwrap_or_default();
    Some(match code {
        "" => "is it an Evenkeel server? name another with --url".to_owned(),
        "unauthenticated" => {
            "give a token with --token or EVENKEEL_TOKEN, or open the stores with --data DIR"
                .to_owned()
        }
        "forbidden" => "ask with a token of another role: evenkeel token create --help".to_owned(),
        "sku_unknown" => {
            let sku = path.split('/').nth(3).unwrap_or("SKU");
            format!(
                "see what there is: evenkeel stock show; list a new one: PUT /v1/skus/{sku} \
                 (the server's page /docs)"
            )
        }
        "not_found" => format!("asked for {path}"),
        _ => return None,
    })
}

/// A piece of text as one path segment or query value.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The members of a list; none where it is missing.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time for people, to the second: `2026-11-21 21:42:47`, in UTC.
pub(super) fn when(value: &Value) -> String {
    let text = cell(value);
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.get(..8).unwrap_or(time)),
        None => text,
    }
}

/// A member as the text that a table shows; nothing where it is missing or null.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
