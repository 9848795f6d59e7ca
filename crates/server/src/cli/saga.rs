//! `saga`: journeys of several steps; a stuck one goes on, or back.

use clap::Subcommand;
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List sagas, newest first
    #[command(after_help = "Example: evenkeel saga list --state stuck")]
    List {
        /// Only sagas in this state, as in running or stuck
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show a saga with its steps
    #[command(after_help = "Example: evenkeel saga show order:o-1")]
    Show {
        /// The saga
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Let a stuck saga try its step again
    #[command(after_help = "Example: evenkeel saga retry order:o-1 --reason mended")]
    Retry(Act),
    /// Undo what a stuck saga has done
    #[command(after_help = "Example: evenkeel saga compensate order:o-1 --reason unsold")]
    Compensate(Act),
}

/// What the two changes have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// The saga
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
            format!("/v1/sagas/{}/{verb}", encode(&self.id)),
            self.key.clone(),
            json!({"reason": self.reason}),
        )
    }
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common, .. } | Self::Show { common, .. } => common,
            Self::Retry(act) | Self::Compensate(act) => &act.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { state, .. } => match state {
                Some(state) => Call::get(format!("/v1/sagas?limit=200&state={}", encode(state))),
                None => Call::get("/v1/sagas?limit=200"),
            },
            Self::Show { id, .. } => Call::get(format!("/v1/sagas/{}", encode(id))),
            Self::Retry(act) => act.call("retry"),
            Self::Compensate(act) => act.call("compensate"),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } | Self::Retry(_) | Self::Compensate(_) => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = answer["items"].as_array();
    let items = items.map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "There is no such saga.".to_owned();
    }
    let columns = [
        Column::Text("saga"),
        Column::Word("state"),
        Column::Word("step"),
        Column::Word("since"),
        Column::Word("next_due"),
    ];
    let row = |saga: &Value| {
        ["id", "state", "step", "since", "next_due"]
            .map(|name| cell(&saga[name]))
            .to_vec()
    };
    output::table(&columns, items.iter().map(row).collect())
}

fn one(saga: &Value) -> String {
    let head = format!(
        "Saga {}: {}, since {}",
        cell(&saga["id"]),
        cell(&saga["state"]),
        cell(&saga["since"])
    );
    let columns = [
        Column::Word("step"),
        Column::Word("kind"),
        Column::Word("state"),
    ];
    let row = |step: &Value| {
        ["name", "kind", "state"]
            .map(|name| cell(&step[name]))
            .to_vec()
    };
    let steps = saga["steps"].as_array();
    let steps = steps.map(Vec::as_slice).unwrap_or_default();
    let table = output::table(&columns, steps.iter().map(row).collect());
    format!("{head}\n{table}")
}
