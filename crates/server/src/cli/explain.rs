//! `explain`: one ordered story, with the cause of each step and what should come next.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::door::Call;
use super::failure::{Failure, Verdict};
use super::operate::{self, Common, Operation, encode};

mod picture;

/// The flags of `explain`.
#[derive(Debug, Args)]
#[command(override_usage = "evenkeel explain [OPTIONS] [KIND] <ID>")]
pub(super) struct Explain {
    /// Which one; before it, what it is: order, hold, cart, sku, payment, shipment or saga. Without
    /// a kind it is whatever has that id, or the name that a provider gave, or a position or an
    /// event's id
    #[arg(value_name = "ID", num_args = 1..=2, required = true)]
    what: Vec<String>,
    /// Tell the story as of this position, or as of the position that a token names
    #[arg(long, value_name = "POSITION|TOKEN")]
    as_of: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What can be explained.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Order,
    Hold,
    Cart,
    Sku,
    Payment,
    Shipment,
    Saga,
}

/// What a word is that is no kind, with the nearest one that is.
fn no_kind(word: &str) -> Failure {
    let kinds = Kind::value_variants().iter();
    let names = kinds.filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned()));
    let like = |name: &String| strsim::jaro_winkler(word, name);
    let nearest = names.max_by(|one, other| like(one).total_cmp(&like(other)));
    Failure::Usage(format!(
        "{word} is no kind of thing; did you mean {}?\nsee evenkeel explain --help",
        nearest.unwrap_or_default()
    ))
}

/// Tells the story.
pub(super) fn run(explain: &Explain) -> Result<Verdict, Failure> {
    if let [kind, _] = explain.what.as_slice()
        && Kind::from_str(kind, false).is_err()
    {
        return Err(no_kind(kind));
    }
    operate::run(explain)
}

impl Operation for Explain {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        let parts: Vec<String> = self.what.iter().map(|part| encode(part)).collect();
        let as_of = self.as_of.as_ref();
        let query = as_of.map_or_else(String::new, |at| format!("?as_of={}", encode(at)));
        Call::get(format!("/v1/explain/{}{query}", parts.join("/")))
    }

    fn show(&self, answer: &Value) -> String {
        picture::story(answer, self.as_of.is_some())
    }
}
