//! Steps in words, for whoever looks at a failure.

use super::answers::Answer;
use super::model::{number, text};
use evenkeel_engine::Refusal;
use serde_json::Value;

/// An answer in a few words.
pub(super) fn answer(command: &str, answer: &Answer) -> String {
    match answer {
        Ok(done) => {
            let again = if done.replayed { ", as before" } else { "" };
            format!("{command}: yes at {}{again}", done.position)
        }
        Err(Refusal::Rejected {
            rejection,
            position,
            ..
        }) => format!("{command}: {rejection}, as of {position}"),
        Err(Refusal::Failed(fault)) => format!("{command}: {fault}"),
    }
}

/// A step as one sentence.
pub(super) fn step(kind: &str, shown: &[u8]) -> String {
    let said = match kind {
        "row" => row(shown),
        _ => String::from_utf8_lossy(shown).into_owned(),
    };
    format!("{kind} {said}")
}

/// A log row: where, when, why, what happened and what moved.
fn row(bytes: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return "that cannot be read".to_owned();
    };
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let events = list("events").into_iter();
    let events = events.map(|event| {
        let (kind, stream) = (text(&event, "type"), text(&event, "stream"));
        format!("{kind} of {stream}")
    });
    let moves = list("moves").into_iter();
    let moves = moves.map(|entry| {
        let (operation, quantity) = (text(&entry, "operation"), number(&entry, "quantity"));
        let (sku, location) = (text(&entry, "sku"), text(&entry, "location"));
        format!("{operation} {quantity} {sku} at {location}")
    });
    let what: Vec<String> = events.chain(moves).collect();
    let (position, at) = (number(&body, "position"), number(&body, "at"));
    let cause = text(&body["cause"], "kind");
    format!("{position} at {at} by {cause}: {}", what.join("; "))
}
