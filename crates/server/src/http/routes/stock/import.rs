//! Stock in bulk: many changes in one request, each a commit under a key of its own.
//!
//! A request is read whole before anything is done: a line that does not fit refuses all of them.
//! From there on every line is judged apart, so an import that broke off is sent again as it is,
//! and what had taken effect is replayed. Lines are queued in order and share the writes of their
//! batches; how many there are costs time, not fsyncs.

use super::Wanted;
use crate::csv::{self, Broken};
use crate::http::Api;
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::{self, Fields};
use crate::http::head::{self, Expected};
use crate::http::json::{self, Value};
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::routes::{Writer, writer};
use crate::http::shapes::{FailedLine, Imported, REASON_MAX};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::ids::{LocationId, Reference, SkuId};
use evenkeel_rules::quantity::{MAX, Quantity};
use evenkeel_rules::stock::Change;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Most lines of one request.
const LINES_MAX: usize = 1_000;

/// A line that was read.
struct Line {
    key: Option<String>,
    sku: SkuId,
    wanted: Wanted,
}

pub(super) fn import<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let tree = tree(&call)?;
    let lines = fields::read(&tree, |fields| fields.list("lines", LINES_MAX, line))?;
    let mut canonical = Vec::with_capacity(call.body.len());
    json::canonical(&tree, &mut canonical);
    let asker = writer(&call, &canonical)?;
    let request = call.key.unwrap_or_default();
    let customer = call.caller.customer.as_ref();
    let keyed = |(number, line): (usize, Line)| {
        let made = || format!("{request}:{number}");
        let key = line.key.clone().unwrap_or_else(made);
        let command = command(line);
        let intent = intent(&command);
        let parts = [b"import".as_slice(), intent.as_bytes()];
        let writer = Writer {
            key: Some(Key::new(customer, &key, &parts)),
            caller: Arc::clone(&asker.caller),
            expected: Expected::Anything,
            deadline: asker.deadline,
        };
        (writer, command)
    };
    let asked: Vec<(Writer, Command)> = lines.into_iter().enumerate().map(keyed).collect();
    Ok(Box::pin(async move {
        let works = asked
            .iter()
            .map(|(writer, command)| -> Work<'_> { Box::pin(writer.ask(api, command.clone())) });
        let told = all(works.collect()).await;
        Ok(answer(api, told))
    }))
}

type Told = Result<Done, Refusal>;
type Work<'w> = Pin<Box<dyn Future<Output = Told> + Send + 'w>>;

/// The body as the one tree that its three kinds share.
fn tree<'a>(call: &Call<'a>) -> Result<Value<'a>, Problem> {
    let body: &'a [u8] = call.body;
    if head::is_json(call.headers) {
        return json::parse(body);
    }
    let text = std::str::from_utf8(body).map_err(|_| Problem::new(Code::BadText))?;
    if text.contains('\0') {
        return Err(Problem::new(Code::BadText));
    }
    if text.trim().is_empty() {
        return Err(Problem::new(Code::MalformedJson));
    }
    let lines = if head::is_kind(call.headers, &[head::CSV]) {
        of_csv(text)?
    } else {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let parsed = lines.map(|line| json::parse(line.as_bytes()));
        parsed.collect::<Result<_, _>>()?
    };
    Ok(Value::Object(vec![("lines".into(), Value::List(lines))]))
}

fn of_csv(text: &str) -> Result<Vec<Value<'static>>, Problem> {
    let table = csv::read(text).map_err(|Broken(at)| match at {
        Some(record) => Problem::violation(&format!("/lines/{record}"), "csv"),
        None => Problem::violation("/lines", "csv"),
    })?;
    let columns = &table.columns;
    let object = |record: Vec<String>| {
        let named = columns.iter().cloned().zip(record);
        let there = named.filter(|(_, value)| !value.is_empty());
        let members = there.map(|(name, value)| {
            let value = match value.parse::<i128>() {
                Ok(number) if name == "quantity" => Value::Integer(number),
                _ => Value::Text(value.into()),
            };
            (name.into(), value)
        });
        Value::Object(members.collect())
    };
    Ok(table.records.into_iter().map(object).collect())
}

fn line(line: &mut Fields<'_, '_>) -> Option<Line> {
    let most = i64::try_from(MAX).expect("2^53-1 fits");
    let key = line.optional("key", |value| {
        let text = fields::text(value)?;
        let key = head::is_key(text).then(|| text.to_owned());
        key.ok_or("bad_key")
    });
    let sku = line.id("sku", SkuId::new);
    let quantity = line.integer("quantity", -most, most);
    let location = line.id_or_none("location", LocationId::new);
    let reference = line.id_or_none("reference", Reference::new);
    let reason = line.text_or_none("reason", REASON_MAX as usize);
    let (quantity, reference, reason) = (quantity?, reference?, reason?);
    let change = match (&reference, reason, Quantity::new(quantity.unsigned_abs())) {
        (None, None, _) => Err(("reference", "required")),
        (Some(_), Some(_), _) => Err(("reason", "both")),
        (_, _, Err(_)) => Err(("quantity", "min")),
        (Some(_), None, Ok(units)) if quantity > 0 => Ok(Change::Receive(units)),
        (Some(_), None, Ok(_)) => Err(("quantity", "min")),
        (None, Some(_), Ok(units)) if quantity > 0 => Ok(Change::Find(units)),
        (None, Some(_), Ok(units)) => Ok(Change::WriteOff(units)),
    };
    let change = change.map_err(|(name, code)| line.wrong(name, code)).ok()?;
    let wanted = Wanted {
        location: location?,
        change,
        reference,
        reason: reason.map(str::to_owned),
    };
    Some(Line {
        key: key?,
        sku: sku?,
        wanted,
    })
}

fn command(line: Line) -> Command {
    let Line { sku, wanted, .. } = line;
    Command::ChangeStock {
        sku,
        location: wanted.location.unwrap_or_else(LocationId::main),
        change: wanted.change,
        reference: wanted.reference,
        reason: wanted.reason,
    }
}

/// What a line means, however it was spelt and in whichever kind of body it came.
fn intent(command: &Command) -> String {
    let Command::ChangeStock {
        sku,
        location,
        change,
        reference,
        reason,
    } = command
    else {
        unreachable!("a line changes stock");
    };
    let (operation, quantity) = change.operation();
    let about = reference.as_ref().map_or("", Reference::as_str);
    let reason = reason.as_deref().unwrap_or_default();
    let (operation, quantity) = (operation.word(), quantity.get());
    format!("{operation}\0{sku}\0{location}\0{quantity}\0{about}\0{reason}")
}

/// Lets all go on side by side, each begun in its order; what came of each.
async fn all(works: Vec<Work<'_>>) -> Vec<Told> {
    let mut told: Vec<Option<Told>> = works.iter().map(|_| None).collect();
    let mut works: Vec<(usize, Work<'_>)> = works.into_iter().enumerate().collect();
    std::future::poll_fn(|context| {
        works.retain_mut(|(at, work)| match work.as_mut().poll(context) {
            Poll::Ready(done) => {
                told[*at] = Some(done);
                false
            }
            Poll::Pending => true,
        });
        if works.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    told.into_iter().flatten().collect()
}

fn answer(api: &Api, told: Vec<Told>) -> Answer {
    let mut sum = Imported {
        lines: told.len() as u64,
        applied: 0,
        replayed: 0,
        failed: Vec::new(),
        position: 0,
    };
    for (line, told) in (0_u64..).zip(told) {
        match told {
            Ok(done) => {
                sum.position = sum.position.max(done.position);
                let count = if done.replayed {
                    &mut sum.replayed
                } else {
                    &mut sum.applied
                };
                *count += 1;
            }
            Err(refusal) => {
                let meaning = api.refused(refusal, Named::default()).code().meaning();
                sum.failed.push(FailedLine {
                    line,
                    code: meaning.code,
                    retryable: meaning.retryable,
                });
            }
        }
    }
    let position = sum.position;
    api.at(Answer::json(&sum), position)
}
