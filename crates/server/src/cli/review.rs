//! `review`: cases that wait for a person, with evidence and safe actions only.

use clap::Subcommand;
use serde_json::Value;

use super::door::Call;
use super::operate::{Common, Operation, Word, cell, encode, items};
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
    Approve {
        /// The case, as `review list` names it
        id: String,
        #[command(flatten)]
        word: Word,
    },
    /// End it: units go back on sale, what turns up of its money goes back
    #[command(after_help = "Example: evenkeel review reject o-1 --reason uncharged")]
    Reject {
        /// The case, as `review list` names it
        id: String,
        #[command(flatten)]
        word: Word,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common } | Self::Show { common, .. } => common,
            Self::Approve { word, .. } | Self::Reject { word, .. } => &word.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { .. } => Call::get("/v1/reviews?limit=200"),
            Self::Show { id, .. } => Call::get(format!("/v1/reviews/{}", encode(id))),
            Self::Approve { id, word } => word.post(format!("/v1/reviews/{}/approve", encode(id))),
            Self::Reject { id, word } => word.post(format!("/v1/reviews/{}/reject", encode(id))),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } | Self::Approve { .. } | Self::Reject { .. } => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = items(&answer["items"]);
    if items.is_empty() {
        return "Nothing waits for a person.".to_owned();
    }
    let columns = [
        Column::Word("case"),
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
