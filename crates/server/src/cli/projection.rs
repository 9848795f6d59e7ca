//! `projection`: what is folded from the log, and folding it again.

use clap::Subcommand;
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode, items};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List projections: how far each is behind the log, and how it is
    #[command(after_help = "Example: evenkeel projection list")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Fold a projection again from the log, while the one that is there goes on serving
    #[command(after_help = "Example: evenkeel projection rebuild orders")]
    Rebuild {
        /// The projection: orders, holds, stock, audit or outbox
        name: String,
        /// The idempotency key [default: a new one]
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common } | Self::Rebuild { common, .. } => common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { .. } => Call::get("/v1/projections"),
            Self::Rebuild { name, key, .. } => {
                let path = format!("/v1/projections/{}/rebuild", encode(name));
                Call::post(path, key.clone(), json!({}))
            }
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => table(items(&answer["items"])),
            Self::Rebuild { .. } => table(std::slice::from_ref(answer)),
        }
    }
}

fn table(projections: &[Value]) -> String {
    let columns = [
        Column::Word("projection"),
        Column::Word("state"),
        Column::Number("checkpoint"),
        Column::Number("lag"),
        Column::Number("rebuilt to"),
        Column::Number("failed"),
    ];
    let members = [
        "name",
        "state",
        "checkpoint",
        "lag_positions",
        "building",
        "failed_events",
    ];
    let row = |one: &Value| members.map(|name| cell(&one[name])).to_vec();
    output::table(&columns, projections.iter().map(row).collect())
}
