//! `subscription` and `outbox`: who is told of events, and how far.

use clap::Subcommand;
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode, items};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List subscriptions, newest first
    #[command(after_help = "Example: evenkeel subscription list")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Post events to a URL, signed; the secret is shown this once
    #[command(
        after_help = "Example: evenkeel subscription add https://shop.example/hook --type order.*"
    )]
    Add {
        /// Where events are posted
        #[arg(value_name = "URL")]
        to: String,
        /// A type as in order.paid, the beginning of types as in order.*, or *; may be repeated
        #[arg(long = "type", value_name = "TYPE", required = true)]
        types: Vec<String>,
        /// The subscription's id [default: a made one]
        #[arg(long)]
        id: Option<String>,
        /// The first position that it is told of [default: what comes next]
        #[arg(long)]
        from: Option<u64>,
        /// The idempotency key: the same key again changes nothing [default: a new one]
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// End a subscription for good
    #[command(after_help = "Example: evenkeel subscription remove s-1")]
    Remove {
        /// The subscription
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common } | Self::Add { common, .. } | Self::Remove { common, .. } => {
                common
            }
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List { .. } => Call::get("/v1/subscriptions?limit=200"),
            Self::Add {
                to,
                types,
                id,
                from,
                key,
                ..
            } => {
                let mut body = json!({"url": to, "types": types});
                if let Some(id) = id {
                    body["id"] = json!(id);
                }
                if let Some(from) = from {
                    body["from"] = json!(from);
                }
                Call::post("/v1/subscriptions", key.clone(), body)
            }
            Self::Remove { id, .. } => Call::delete(format!("/v1/subscriptions/{}", encode(id))),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Add { .. } | Self::Remove { .. } => one(answer),
        }
    }
}

/// The commands of the outbox.
#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// Show how far each subscriber is
    #[command(after_help = "Example: evenkeel outbox status")]
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// Tell a subscriber everything from a position on again
    #[command(after_help = "Example: evenkeel outbox replay --from 812 --subscriber s-1")]
    Replay {
        /// The first position
        #[arg(long)]
        from: u64,
        /// The subscription
        #[arg(long)]
        subscriber: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        /// The idempotency key: the same key again changes nothing [default: a new one]
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

impl Operation for Outbox {
    fn common(&self) -> &Common {
        match self {
            Self::Status { common } | Self::Replay { common, .. } => common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::Status { .. } => Call::get("/v1/subscriptions?limit=200"),
            Self::Replay {
                from,
                subscriber,
                reason,
                key,
                ..
            } => {
                let mut body = json!({"from": from});
                if let Some(reason) = reason {
                    body["reason"] = json!(reason);
                }
                let path = format!("/v1/subscriptions/{}/replay", encode(subscriber));
                Call::post(path, key.clone(), body)
            }
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::Status { .. } => list(answer),
            Self::Replay { .. } => one(answer),
        }
    }
}

fn list(answer: &Value) -> String {
    let items = items(&answer["items"]);
    if items.is_empty() {
        return "Nobody is told of events.".to_owned();
    }
    let columns = [
        Column::Word("subscription"),
        Column::Word("state"),
        Column::Word("checkpoint"),
        Column::Word("pending"),
        Column::Word("parked"),
        Column::Word("attempts"),
        Column::Text("last error"),
        Column::Text("url"),
    ];
    let names = ["id", "state", "checkpoint", "pending", "parked", "attempts"];
    let row = |one: &Value| {
        let mut cells = names.map(|name| cell(&one[name])).to_vec();
        cells.extend(["last_error", "url"].map(|name| cell(&one[name])));
        cells
    };
    output::table(&columns, items.iter().map(row).collect())
}

fn one(answer: &Value) -> String {
    let mut lines = vec![format!(
        "Subscription {}: {}, told up to position {}",
        cell(&answer["id"]),
        cell(&answer["state"]),
        cell(&answer["checkpoint"])
    )];
    let secret = cell(&answer["secret"]);
    if !secret.is_empty() {
        lines.push(format!("Secret    {secret}\nIt is not shown again."));
    }
    lines.join("\n")
}
