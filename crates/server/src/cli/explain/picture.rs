//! A story as a person reads it: at most 100 columns, one paragraph a row of the log.
//!
//! What became so at one position became so at once, so it stands together under one line that
//! says when, who or what brought it about, and which earlier row it follows from. A finding stands
//! where it began. Last, where the eye is, comes what is waited for: who has to act, and by when.

use serde_json::Value;

use crate::cli::operate::{cell, items, when};
use crate::columns;

/// Where the text of a paragraph begins.
const INDENT: usize = 4;

/// The whole story; `past` says that it was asked for as of an earlier position.
pub(super) fn story(story: &Value, past: bool) -> String {
    let mut lines = vec![format!(
        "{} {}: {} (as of {})",
        cell(&story["kind"]),
        cell(&story["id"]),
        cell(&story["state"]),
        cell(&story["as_of"])
    )];
    let findings = items(&story["findings"]);
    if !findings.is_empty() {
        lines.push(format!("A person is needed: see {}", places(findings)));
    }
    lines.extend(rows(items(&story["entries"]), findings));
    lines.push(String::new());
    lines.extend(waits(items(&story["next"]), past));
    for also in items(&story["also"]) {
        let (kind, id) = (cell(&also["kind"]), cell(&also["id"]));
        lines.push(format!(
            "The id is also of a {kind}: evenkeel explain {kind} {id}"
        ));
    }
    let wrapped = lines.iter().flat_map(|line| wrapped(line));
    wrapped.collect::<Vec<_>>().join("\n")
}

fn places(findings: &[Value]) -> String {
    let one = |finding: &Value| {
        format!(
            "!! {} at {}",
            cell(&finding["kind"]),
            cell(&finding["position"])
        )
    };
    findings.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The steps, those of one position together, with the findings that began there.
fn rows(entries: &[Value], findings: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut day = String::new();
    let together = |one: &Value, other: &Value| {
        one["position"] == other["position"] && one["by"] == other["by"]
    };
    let mut told: Vec<&Value> = Vec::new();
    for row in entries.chunk_by(together) {
        let Some(first) = row.first() else { continue };
        let at = cell(&first["at"]);
        let (date, time) = at.split_once('T').unwrap_or(("", &at));
        lines.push(String::new());
        if date != day {
            lines.push(format!("{date} (UTC)"));
            date.clone_into(&mut day);
        }
        lines.push(heading(first, time.trim_end_matches('Z')));
        lines.extend(row.iter().map(|entry| indented(&cell(&entry["what"]))));
        let here = findings
            .iter()
            .filter(|it| it["position"] == first["position"]);
        for finding in here.filter(|it| !told.contains(it)).collect::<Vec<_>>() {
            lines.push(flagged(finding));
            told.push(finding);
        }
    }
    let left = findings.iter().filter(|finding| !told.contains(finding));
    lines.extend(left.map(flagged));
    lines
}

fn indented(text: &str) -> String {
    format!("{:INDENT$}{text}", "")
}

fn flagged(finding: &Value) -> String {
    let (kind, detail) = (cell(&finding["kind"]), cell(&finding["detail"]));
    indented(&format!("!! {kind}: {detail}"))
}

/// When, where in the log, who or what, and what it follows from.
fn heading(entry: &Value, time: &str) -> String {
    let (position, by) = (cell(&entry["position"]), cell(&entry["by"]));
    let follows = cell(&entry["follows"]);
    match follows.as_str() {
        "" => format!("{time}  [{position}] {by}"),
        follows => format!("{time}  [{position}] <- [{follows}] {by}"),
    }
}

fn waits(next: &[Value], past: bool) -> Vec<String> {
    if past {
        return vec!["This is the past: what came next is not told.".to_owned()];
    }
    if next.is_empty() {
        return vec!["Nothing is waited for.".to_owned()];
    }
    let mut lines = Vec::new();
    for next in next {
        let by = when(&next["by"]);
        let by = match by.as_str() {
            "" => String::new(),
            by => format!(", until {by}"),
        };
        lines.push(format!("Waits for {}{by}", cell(&next["who"])));
        lines.push(indented(&cell(&next["expected"])));
        lines.push(indented(&format!("else: {}", cell(&next["else"]))));
    }
    lines
}

/// A line as lines that fit; what follows the first stands below its text.
fn wrapped(line: &str) -> Vec<String> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let hang = if indent == 0 { INDENT } else { indent + 2 };
    columns::wrapped(&line[..indent], hang, text)
}

#[cfg(test)]
mod tests;
