//! A history of an order whose customer is told that its time runs out, of each of two limits.

use super::orders::{id, take};
use crate::commit::{Command, Commit};
use crate::testing::{ask, change, keyed, put, units};
use evenkeel_rules::event::Kind;
use evenkeel_rules::order::{Task, Told};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;

/// How long before its limit.
const WARN: Millis = Millis(60_000);

/// What is asked, and how many ms after the one before.
fn asked() -> Vec<(u64, Commit)> {
    let warn = || {
        ask(Command::WarnOrder {
            id: id(1),
            random: 1,
            lease: None,
        })
    };
    let unknown = Command::Report {
        id: id(1),
        task: Task::Charge,
        told: Told::Unknown,
        seen: 2,
        random: 1,
        lease: None,
    };
    let go_on = Command::ResolveOrder {
        id: id(1),
        go_on: true,
        confirming: Millis(100_000),
        reason: None,
    };
    vec![
        (0, ask(put("lamp"))),
        (0, ask(change("lamp", Change::Receive(units(5))))),
        (0, keyed("k-1", take(1, None))),
        (840_000, warn()),
        (60_000, ask(unknown)),
        (1, ask(go_on)),
        (40_000, warn()),
    ]
}

/// The rows, hash and text, and what happened in them.
pub(super) async fn history() -> (String, Vec<Kind>) {
    super::rows_on(super::released(4), WARN, asked()).await
}
