//! `stock`: what there is of each SKU, units coming in, corrections by hand, all of it in bulk.

mod bulk;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::door::Call;
use super::failure::{Failure, Verdict};
use super::operate::{self, Common, Operation, cell, encode, items};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    One(One),
    /// Take units in, or correct stock, by the lines of a file; the same again changes nothing
    #[command(after_help = "Example: evenkeel stock import stock.csv --reference po-17")]
    Import(bulk::Import),
    /// Write what there is of every SKU, one line for each location
    #[command(after_help = "Example: evenkeel stock export --out stock.csv")]
    #[command(mut_arg("json", |json| json.help("Write each line as JSON instead of CSV")))]
    Export(bulk::Export),
}

pub(super) fn run(command: &Command) -> Result<Verdict, Failure> {
    match command {
        Command::One(one) => operate::run(one),
        Command::Import(import) => bulk::import(import),
        Command::Export(export) => bulk::export(export),
    }
}

/// The commands that are one request.
#[derive(Debug, Subcommand)]
pub(super) enum One {
    /// Record units that have come in
    #[command(after_help = "Example: evenkeel stock receive lamp 100 --reference po-17")]
    Receive {
        /// The SKU
        sku: String,
        /// How many units
        quantity: u64,
        /// What they came with: an order number, a delivery note
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        common: Common,
    },
    /// Correct the count by hand: fewer units are written off, more are found
    #[command(after_help = "Example: evenkeel stock adjust lamp -3 --reason damaged")]
    Adjust {
        /// The SKU
        sku: String,
        /// How many units more, or with a minus fewer
        #[arg(allow_negative_numbers = true)]
        quantity: i64,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        common: Common,
    },
    /// Show one SKU, or all of them
    #[command(after_help = "Example: evenkeel stock show lamp")]
    Show {
        /// The SKU; all of them when left out
        sku: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// The accounts as tables and files show them.
const COUNTS: [&str; 7] = [
    "received",
    "available",
    "held",
    "sold",
    "shipped",
    "returned",
    "written_off",
];

/// What the two changes have in common.
#[derive(Debug, Args)]
pub(super) struct At {
    /// The location [default: main]
    #[arg(long)]
    location: Option<String>,
    /// The idempotency key: the same key again changes nothing [default: a new one]
    #[arg(long)]
    key: Option<String>,
}

impl At {
    fn body(&self, quantity: impl Into<Value>, name: &str, text: &str) -> Value {
        let mut body = Map::new();
        body.insert("quantity".to_owned(), quantity.into());
        body.insert(name.to_owned(), json!(text));
        if let Some(location) = &self.location {
            body.insert("location".to_owned(), json!(location));
        }
        Value::Object(body)
    }
}

impl Operation for One {
    fn common(&self) -> &Common {
        match self {
            Self::Receive { common, .. }
            | Self::Adjust { common, .. }
            | Self::Show { common, .. } => common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::Receive {
                sku,
                quantity,
                reference,
                at,
                ..
            } => Call::post(
                format!("/v1/skus/{}/receive", encode(sku)),
                at.key.clone(),
                at.body(*quantity, "reference", reference),
            ),
            Self::Adjust {
                sku,
                quantity,
                reason,
                at,
                ..
            } => Call::post(
                format!("/v1/skus/{}/adjust", encode(sku)),
                at.key.clone(),
                at.body(*quantity, "reason", reason),
            ),
            Self::Show { sku: Some(sku), .. } => Call::get(format!("/v1/skus/{}", encode(sku))),
            Self::Show { sku: None, .. } => Call::get("/v1/skus?limit=200"),
        }
    }

    fn show(&self, answer: &Value) -> String {
        let skus = answer["items"].as_array();
        let skus = skus.map_or_else(|| vec![answer], |items| items.iter().collect());
        if skus.is_empty() {
            return "There is no SKU yet.".to_owned();
        }
        table(&skus)
    }
}

/// One row for each SKU and location.
fn table(skus: &[&Value]) -> String {
    let counts = COUNTS;
    let mut columns = vec![Column::Text("sku"), Column::Text("location")];
    columns.extend(counts.map(Column::Number));
    let mut rows = Vec::new();
    for sku in skus {
        let places = items(&sku["stock"]);
        if places.is_empty() {
            let none = std::iter::repeat_n("0".to_owned(), counts.len());
            let row = [cell(&sku["sku"]), "none yet".to_owned()];
            rows.push(row.into_iter().chain(none).collect());
        }
        for place in places {
            let mut row = vec![cell(&sku["sku"]), cell(&place["location"])];
            row.extend(counts.map(|count| cell(&place[count])));
            rows.push(row);
        }
    }
    output::table(&columns, rows)
}
