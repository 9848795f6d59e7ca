//! `review`: cases that wait for a person, with evidence and safe actions only.

use clap::Subcommand;
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what waits for a person
    #[command(after_help = "Example: evenkeel review list")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show a case with its evidence and what can be done
    #[command(after_help = "Example: evenkeel review show o-1")]
    Show {
        /// The case, as `review list` names it
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Let it wait and try on
    #[command(after_help = "Example: evenkeel review approve o-1 --reason back")]
    Approve(Act),
    /// End it: units go back on sale, what turns up of its money goes back
    #[command(after_help = "Example: evenkeel review reject o-1 --reason uncharged")]
    Reject(Act),
}

/// What the two decisions have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// The case, as `review list` names it
    id: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// The idempotency key: the same key again changes nothing [default: a new one]
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Act {
    fn call(&self, verb: &str) -> Call {
        Call::post(
            format!("/v1/reviews/{}/{verb}", encode(&self.id)),
            self.key.clone(),
            json!({"reason": self.reason}),
        )
    }
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common } | Self::Show { common, .. } => common,
            Self::Approve(act) | Self::Reject(act) => &act.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { .. } => Call::get("/v1/reviews?limit=200"),
            Self::Show { id, .. } => Call::get(format!("/v1/reviews/{}", encode(id))),
            Self::Approve(act) => act.call("approve"),
            Self::Reject(act) => act.call("reject"),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } => one(answer),
            Self::Approve(_) | Self::Reject(_) => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = answer["items"].as_array();
    let items = items.map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "Nothing waits for a person.".to_owned();
    }
    let columns = [
        Column::Text("case"),
        Column::Text("about"),
        Column::Word("state"),
        Column::Text("reason"),
        Column::Text("actions"),
    ];
    let row = |case: &Value| {
        vec![
            cell(&case["id"]),
            subject(case),
            cell(&case["state"]),
            cell(&case["reason"]),
            actions(case),
        ]
    };
    output::table(&columns, items.iter().map(row).collect())
}

fn subject(case: &Value) -> String {
    let subject = &case["subject"];
    format!("{} {}", cell(&subject["kind"]), cell(&subject["id"]))
}

fn actions(case: &Value) -> String {
    let actions = case["actions"].as_array().into_iter().flatten();
    actions.map(cell).collect::<Vec<_>>().join(", ")
}

fn one(case: &Value) -> String {
    let mut lines = vec![format!(
        "Case {} about {}: {}",
        cell(&case["id"]),
        subject(case),
        cell(&case["state"])
    )];
    let reason = cell(&case["reason"]);
    if !reason.is_empty() {
        lines.push(format!("Reason    {reason}"));
    }
    for (name, value) in case["evidence"].as_object().into_iter().flatten() {
        lines.push(format!("{name:<9} {}", cell(value)));
    }
    let actions = actions(case);
    if !actions.is_empty() {
        lines.push(format!("Actions   {actions}"));
    }
    lines.join("\n")
}
