//! `saga`: journeys of several steps; a stuck one goes on, or back.

use clap::Subcommand;
use serde_json::Value;

use super::door::Call;
use super::operate::{Common, Operation, Word, cell, encode, items, when};
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
    Retry {
        /// The saga
        id: String,
        #[command(flatten)]
        word: Word,
    },
    /// Undo what a saga has done: one of an order must be stuck, another not at its pivot yet
    #[command(after_help = "Example: evenkeel saga compensate order:o-1 --reason unsold")]
    Compensate {
        /// The saga
        id: String,
        #[command(flatten)]
        word: Word,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common, .. } | Self::Show { common, .. } => common,
            Self::Retry { word, .. } | Self::Compensate { word, .. } => &word.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { state, .. } => match state {
                Some(state) => Call::get(format!("/v1/sagas?limit=200&state={}", encode(state))),
                None => Call::get("/v1/sagas?limit=200"),
            },
            Self::Show { id, .. } => Call::get(format!("/v1/sagas/{}", encode(id))),
            Self::Retry { id, word } => word.post(format!("/v1/sagas/{}/retry", encode(id))),
            Self::Compensate { id, word } => {
                word.post(format!("/v1/sagas/{}/compensate", encode(id)))
            }
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } | Self::Retry { .. } | Self::Compensate { .. } => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = items(&answer["items"]);
    if items.is_empty() {
        return "There is no such saga.".to_owned();
    }
    let columns = [
        Column::Word("saga"),
        Column::Word("state"),
        Column::Word("step"),
        Column::Word("since"),
        Column::Word("next_due"),
    ];
    let row = |saga: &Value| {
        let words = ["id", "state", "step"].map(|name| cell(&saga[name]));
        let times = ["since", "next_due"].map(|name| when(&saga[name]));
        words.into_iter().chain(times).collect()
    };
    output::table(&columns, items.iter().map(row).collect())
}

fn one(saga: &Value) -> String {
    let head = format!(
        "Saga {}: {}, since {}",
        cell(&saga["id"]),
        cell(&saga["state"]),
        when(&saga["since"])
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
    let steps = items(&saga["steps"]).iter();
    let table = output::table(&columns, steps.map(row).collect());
    format!("{head}\n{table}")
}
