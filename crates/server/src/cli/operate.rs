//! The operator commands: one request, its answer, its picture.
//!
//! A command that operates on one thing is a row: which request it is (`Operation::call`), and how
//! its answer looks to a person (`Operation::show`). Sending, keys, paging, problem documents, JSON
//! and exit codes are written here, once for all of them.
//!
//! A list is followed to its end, or to the number that was asked for; with `--json` each page is
//! folded into one list, so that there is one object on standard output.

use clap::Args;
use serde_json::Value;

use super::door::{Answer, Call, Door, Where};
use super::failure::{Failure, Verdict};
use super::{output, start};

/// The flags that every operator command has.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Common {
    /// Print the answer as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) place: Where,
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
        let answer = whole(&door, &call, common.json).await;
        door.close().await;
        let answer = answer?;
        if common.json {
            output::line(&answer.to_string())?;
        } else {
            output::line(&operation.show(&answer))?;
        }
        Ok(operation.verdict(&answer))
    })
}

/// The answer to a request; a list with all the pages that follow.
async fn whole(door: &Door, call: &Call, json: bool) -> Result<Value, Failure> {
    let mut answer = good(door.ask(call).await?, json)?;
    while let Some(cursor) = answer["next_cursor"].as_str().map(encode) {
        let joint = if call.path.contains('?') { '&' } else { '?' };
        let next = Call::get(format!("{}{joint}cursor={cursor}", call.path));
        let mut page = good(door.ask(&next).await?, json)?;
        let items = page["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if let Some(all) = answer["items"].as_array_mut() {
            all.extend(items);
        }
        answer["next_cursor"] = page["next_cursor"].take();
    }
    Ok(answer)
}

/// The value of a good answer; a problem document becomes a failure with its exit code.
pub(super) fn good(answer: Answer, json: bool) -> Result<Value, Failure> {
    let parsed = serde_json::from_slice(&answer.body);
    if (200..300).contains(&answer.status) {
        // An empty body (204) is an answer too.
        return if answer.body.is_empty() {
            Ok(Value::Null)
        } else {
            parsed.map_err(|_| Failure::Unreachable("the answer is not JSON".to_owned()))
        };
    }
    let problem: Value = parsed.unwrap_or_default();
    if json && !problem.is_null() {
        output::line(&problem.to_string())?;
    }
    Err(refused(answer.status, &problem))
}

/// A problem document as a sentence, and the exit code that its status means.
fn refused(status: u16, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let (title, detail, code) = (text("title"), text("detail"), text("code"));
    let sentence = if detail.is_empty() { title } else { detail };
    let message = match code.as_str() {
        "" => format!("the server answered {status}"),
        code => format!("{sentence} ({status} {code})"),
    };
    match status {
        401 => Failure::Usage(format!(
            "{message}\ngive a token with --token or EVENKEEL_TOKEN, or --data DIR"
        )),
        400 | 403 | 413..=415 | 422 => Failure::Usage(message),
        502..=504 => Failure::Unreachable(message),
        _ => Failure::Refused(message),
    }
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

/// A member as the text that a table shows; nothing where it is missing or null.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
