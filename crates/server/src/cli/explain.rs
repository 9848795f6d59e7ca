//! `explain`: one ordered story, with the cause of each step and what should come next.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::door::Call;
use super::failure::Verdict;
use super::operate::{Common, Operation, cell, encode};

/// The flags of `explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// What it is
    #[arg(value_enum)]
    kind: Kind,
    /// Which one
    id: String,
    /// Tell the story as of this position, or as of the position that a token names
    #[arg(long, value_name = "POSITION|TOKEN")]
    as_of: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What can be explained.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// An order, from click to delivery
    Order,
    /// A hold
    Hold,
    /// A cart, with the holds of its lines
    Cart,
    /// A SKU
    Sku,
    /// An order's payment
    Payment,
    /// An order's shipment
    Shipment,
    /// A saga, as in order:o-1
    Saga,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Hold => "hold",
            Self::Cart => "cart",
            Self::Sku => "sku",
            Self::Payment => "payment",
            Self::Shipment => "shipment",
            Self::Saga => "saga",
        }
    }
}

impl Operation for Explain {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        let (kind, id) = (self.kind.word(), encode(&self.id));
        let as_of = self.as_of.as_ref();
        let query = as_of.map_or_else(String::new, |at| format!("?as_of={}", encode(at)));
        Call::get(format!("/v1/explain/{kind}/{id}{query}"))
    }

    fn show(&self, answer: &Value) -> String {
        let mut lines = vec![format!(
            "{} {}: {} (as of {})",
            cell(&answer["kind"]),
            cell(&answer["id"]),
            cell(&answer["state"]),
            cell(&answer["as_of"])
        )];
        for entry in answer["entries"].as_array().into_iter().flatten() {
            lines.push(step(entry));
        }
        for next in answer["next"].as_array().into_iter().flatten() {
            let by = cell(&next["by"]);
            let by = if by.is_empty() {
                String::new()
            } else {
                format!(" by {by}")
            };
            lines.push(format!("next: {}{by}", cell(&next["expected"])));
            lines.push(format!("      else {}", cell(&next["else"])));
        }
        for finding in answer["findings"].as_array().into_iter().flatten() {
            let (kind, detail) = (cell(&finding["kind"]), cell(&finding["detail"]));
            lines.push(format!("finding: {kind}: {detail}"));
        }
        let wrapped = lines.iter().flat_map(|line| wrapped(line));
        wrapped.collect::<Vec<_>>().join("\n")
    }

    fn verdict(&self, _answer: &Value) -> Verdict {
        Verdict::True
    }
}

fn step(entry: &Value) -> String {
    let cause = &entry["cause"];
    let cause = if cause.is_null() {
        String::new()
    } else {
        format!(
            "  <- {} {}",
            cell(&cause["kind"]),
            short(&cell(&cause["id"]))
        )
    };
    let at = cell(&entry["at"]);
    let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time);
    format!(
        "{:>8}  {}  {:<8}  {}{cause}",
        cell(&entry["position"]),
        time.trim_end_matches('Z'),
        cell(&entry["component"]),
        cell(&entry["what"]),
    )
}

/// The beginning of a key's hash, which is enough to find it by; any other id as it is.
fn short(id: &str) -> &str {
    let is_hash = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { &id[..12] } else { id }
}

/// A line broken at spaces so that none is wider than 100 columns.
fn wrapped(line: &str) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines = Vec::new();
    let mut rest = line.to_owned();
    while rest.chars().count() > WIDTH {
        let head: String = rest.chars().take(WIDTH).collect();
        let cut = head
            .rfind(' ')
            .filter(|cut| *cut > 34)
            .unwrap_or(head.len());
        lines.push(rest[..cut].trim_end().to_owned());
        rest = format!("{:34}{}", "", rest[cut..].trim_start());
    }
    lines.push(rest);
    lines
}
