//! A VERIFY object for people: a line for each invariant, then the findings with what to do next.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::operate::{cell, items};
use super::super::output::{Tone, toned};
use crate::columns::{self, WIDTH, cut};

/// The whole picture.
pub(super) fn of(answer: &Value) -> String {
    let checks = items(&answer["checks"]);
    let mut lines: Vec<String> = checks.iter().map(one_check).collect();
    for check in checks {
        lines.extend(items(&check["findings"]).iter().flat_map(one_finding));
    }
    let findings = checks.iter().flat_map(|check| items(&check["findings"]));
    let next: BTreeSet<&str> = findings
        .map(|finding| next(&cell(&finding["kind"])))
        .collect();
    lines.extend(next.iter().flat_map(|text| wrapped("next: ", text)));
    for check in checks.iter().filter(|check| check["note"].is_string()) {
        let note = format!("{}: {}", cell(&check["id"]), cell(&check["note"]));
        lines.extend(wrapped("note: ", &note));
    }
    let whole = if answer["ok"] == Value::Bool(true) {
        toned("Nothing is violated", Tone::Good)
    } else {
        toned("Violated", Tone::Bad)
    };
    let position = cell(&answer["position"]);
    let sealed = match answer["folded_from"].as_u64() {
        Some(from) if from > 0 => format!(", from the seal at {from} on"),
        _ => String::new(),
    };
    lines.push(format!("{whole}, at position {position}{sealed}."));
    lines.join("\n")
}

fn one_check(check: &Value) -> String {
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
    let id = format!("{:<4}", cell(&check["id"]));
    let result = format!("{result:<13}");
    let rest = format!("  {} ({beside})", cell(&check["name"]));
    let rest = cut(&rest, WIDTH - id.len() - result.len());
    // The tone is put around the padded word, so that the columns stay where they are.
    format!("{id}{}{rest}", toned(&result, tone))
}

fn one_finding(finding: &Value) -> Vec<String> {
    let subject = &finding["subject"];
    let mut text = format!(
        "{} of {} {} at {}: {}",
        cell(&finding["kind"]),
        cell(&subject["kind"]),
        cell(&subject["id"]),
        cell(&finding["position"]),
        cell(&finding["detail"])
    );
    for member in ["expected", "found"] {
        if !finding[member].is_null() {
            text = format!("{text}; {member} {}", finding[member]);
        }
    }
    wrapped(&format!("{} ", cell(&finding["id"])), &text)
}

/// What to do about a finding of this kind.
fn next(kind: &str) -> &'static str {
    match kind {
        "balance_edited" | "state_edited" | "hold_missing" | "key_missing" => {
            "the log is whole and says what should stand there: stop the server, copy the \
             directory, and look with `evenkeel log show POSITION`"
        }
        "entry_edited" | "entry_inserted" | "entry_removed" | "tail_cut" | "checkpoint_ahead" => {
            "the log itself was changed: stop the server, copy the directory, and restore the \
             newest copy that verifies"
        }
        "segment_damaged" => {
            "a file of the log's old part is lost: put it back from a copy with `evenkeel log \
             restore FIRST --from FILE`"
        }
        "seal_edited" => {
            "the store is whole and a seal is not: `evenkeel verify --deep` makes a new one"
        }
        "view_differs" => {
            "a list shows what the log does not say: fold it again with `evenkeel projection \
             rebuild NAME`, and report it if it comes back"
        }
        "effect_lost" | "effect_of_refusal" | "false_sold_out" => {
            "clients were told what is not so: keep the acks file and the directory, and report \
             both with this output"
        }
        _ => {
            "a rule was broken by who wrote the log: stop the server, keep the directory, and \
             report this output"
        }
    }
}

/// A paragraph: all lines but the first are set in as far as the head is long.
fn wrapped(head: &str, text: &str) -> Vec<String> {
    let head = format!("  {head}");
    columns::wrapped(&head, columns::columns(&head), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({"ok": false, "position": 19, "checks": [
            {"id": "I8", "name": "balances equal the fold", "result": "violated", "checked": 2,
                "note": "the gate was not asked: that needs the running server, which was not \
                    there; it is compared when the server itself is asked",
                "findings": [{"id": "I8-1", "kind": "balance_edited",
                    "subject": {"kind": "sku", "id": "x".repeat(128)}, "class": "divergent",
                    "expected": {"available": 3, "held": 1, "sold": 2, "supply": -6},
                    "found": {"available": 4, "held": 1, "sold": 2, "supply": -6},
                    "position": 19, "detail": "the balances are not what the log adds up to"}]},
            {"id": "I21", "name": "privacy", "result": "not_checkable", "checked": 0,
                "where": "in a place ".repeat(20), "findings": []}]})
    }

    #[test]
    fn every_line_fits_and_a_finding_says_what_to_do_next() {
        let picture = of(&report());
        for line in picture.lines() {
            // The longest id there is stands alone: what is cut cannot be asked for.
            let is_id = line.trim() == "x".repeat(128);
            assert!(is_id || line.chars().count() <= WIDTH, "{line}");
        }
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[0].starts_with("I8  violated"), "{picture}");
        assert!(lines[1].starts_with("I21 not_checkable"), "{picture}");
        assert!(picture.contains("I8-1 balance_edited of sku"), "{picture}");
        assert!(picture.contains("next: the log is whole"), "{picture}");
        assert!(picture.contains("note: I8: the gate"), "{picture}");
        assert!(picture.ends_with("Violated, at position 19."), "{picture}");
    }
}
