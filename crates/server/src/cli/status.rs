//! `status` and `verify`: how the engine is, and whether what it promises holds.
//!
//! `verify` asks for every invariant of the design and says of each `held`, `violated` with the
//! exact subjects, or `not_checkable` with where it is checked instead. It ends with exit code 1
//! if one is violated. It writes nothing.

use clap::Args;
use serde_json::Value;

use super::door::Call;
use super::failure::Verdict;
use super::operate::{Common, Operation, cell};
use super::output::{self, Column, Tone, toned};

/// The most findings that are printed for one invariant; `--json` has all that were answered.
const FINDINGS_SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    common: Common,
}

impl Operation for Status {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        Call::get("/v1/status")
    }

    fn show(&self, answer: &Value) -> String {
        let mut rows = Vec::new();
        for (name, value) in answer.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("loops", Value::Array(loops)) => rows.extend(loops.iter().map(one_loop)),
                (_, Value::Object(members)) => rows.extend(
                    members
                        .iter()
                        .map(|(inner, value)| vec![format!("{name}.{inner}"), cell(value)]),
                ),
                (_, Value::Array(items)) if items.is_empty() => {
                    rows.push(vec![name.clone(), "none".to_owned()]);
                }
                (_, value) => rows.push(vec![name.clone(), cell(value)]),
            }
        }
        output::table(&[Column::Text("what"), Column::Text("value")], rows)
    }
}

/// A loop's row: its state, and how far it is behind.
fn one_loop(of: &Value) -> Vec<String> {
    let lag = format!(
        "{} positions, {} ms behind",
        cell(&of["lag_positions"]),
        cell(&of["lag_ms"])
    );
    vec![
        format!("loop {}", cell(&of["name"])),
        format!("{}, {lag}", cell(&of["state"])),
    ]
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    common: Common,
}

impl Operation for Verify {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        Call::get("/v1/verify")
    }

    fn show(&self, answer: &Value) -> String {
        picture(answer)
    }

    fn verdict(&self, answer: &Value) -> Verdict {
        Verdict::of(answer["ok"] == Value::Bool(true))
    }
}

/// A VERIFY object for people: a line for each invariant, the findings under it.
pub(crate) fn picture(answer: &Value) -> String {
    let checks = answer["checks"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut lines: Vec<String> = checks.iter().flat_map(one_check).collect();
    let whole = if answer["ok"] == Value::Bool(true) {
        toned("Nothing is violated", Tone::Good)
    } else {
        toned("Violated", Tone::Bad)
    };
    lines.push(format!(
        "{whole}, at position {}.",
        cell(&answer["position"])
    ));
    lines.join("\n")
}

fn one_check(check: &Value) -> Vec<String> {
    let result = cell(&check["result"]);
    let tone = match result.as_str() {
        "held" => Tone::Good,
        "violated" => Tone::Bad,
        _ => Tone::Faint,
    };
    let beside = match result.as_str() {
        "not_checkable" => cell(&check["where"]),
        _ => format!("{} checked", cell(&check["checked"])),
    };
    let (id, name) = (cell(&check["id"]), cell(&check["name"]));
    // The tone is put around the padded word, so that the columns stay where they are.
    let result = toned(&format!("{result:<13}"), tone);
    let mut lines = vec![format!("{id:<4}{result}  {name} ({beside})")];
    let findings = check["findings"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    lines.extend(findings.iter().take(FINDINGS_SHOWN).map(one_finding));
    lines
}

fn one_finding(finding: &Value) -> String {
    let subject = &finding["subject"];
    format!(
        "      {} of {} {}: {}",
        cell(&finding["kind"]),
        cell(&subject["kind"]),
        cell(&subject["id"]),
        cell(&finding["detail"])
    )
}
