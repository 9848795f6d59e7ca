//! `parked`: streams that a subscriber refused an event of.

use clap::Subcommand;
use serde_json::Value;

use super::door::Call;
use super::operate::{Common, Operation, Word, cell, encode, items, when};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List parked streams, newest first
    #[command(after_help = "Example: evenkeel parked list")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show a parked stream
    #[command(after_help = "Example: evenkeel parked show 812")]
    Show {
        /// The parked stream, as `parked list` names it
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Deliver it again, from the event that was refused on
    #[command(after_help = "Example: evenkeel parked retry 812 --reason mended")]
    Retry {
        /// The parked stream, as `parked list` names it
        id: String,
        #[command(flatten)]
        word: Word,
    },
    /// Give up what waits of it; its later events are delivered
    #[command(after_help = "Example: evenkeel parked drop 812 --reason obsolete")]
    Drop {
        /// The parked stream, as `parked list` names it
        id: String,
        #[command(flatten)]
        word: Word,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common } | Self::Show { common, .. } => common,
            Self::Retry { word, .. } | Self::Drop { word, .. } => &word.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { .. } => Call::get("/v1/parked?limit=200"),
            Self::Show { id, .. } => Call::get(format!("/v1/parked/{}", encode(id))),
            Self::Retry { id, word } => word.post(format!("/v1/parked/{}/retry", encode(id))),
            Self::Drop { id, word } => word.post(format!("/v1/parked/{}/drop", encode(id))),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } | Self::Retry { .. } | Self::Drop { .. } => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = items(&answer["items"]);
    if items.is_empty() {
        return "Nothing is parked.".to_owned();
    }
    let columns = [
        Column::Word("parked"),
        Column::Word("subscriber"),
        Column::Word("stream"),
        Column::Word("state"),
        Column::Word("events"),
        Column::Text("cause"),
        Column::Word("since"),
    ];
    let row = |parked: &Value| {
        let names = ["id", "subscriber", "stream", "state", "count", "cause"];
        let mut cells = names.map(|name| cell(&parked[name])).to_vec();
        cells.push(when(&parked["since"]));
        cells
    };
    output::table(&columns, items.iter().map(row).collect())
}

fn one(parked: &Value) -> String {
    format!(
        "{} of {}: {}\nRefused   at position {}: {}\nWaiting   {} events since {}",
        cell(&parked["stream"]),
        cell(&parked["subscriber"]),
        cell(&parked["state"]),
        cell(&parked["from"]),
        cell(&parked["cause"]),
        cell(&parked["count"]),
        when(&parked["since"]),
    )
}
