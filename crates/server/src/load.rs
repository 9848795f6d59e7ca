//! `evenkeel load`: a load generator that also checks what it was told.
//!
//! It makes a SKU and buyers of its own, sends them at the server for a while, and then compares
//! its own book of answers with what the server shows: nothing sold that was not there
//! (`oversold`), no acknowledged hold missing (`lost`), no key with two effects (`double`), and
//! no unit left that nobody can buy.
//!
//! The generator runs on one thread of its own with one task a connection, because on a small
//! machine it shares the processors with the server that it measures. It touches nothing but the
//! HTTP routes, and takes back the tokens that it made.

pub(crate) mod acks;
pub(crate) mod ask;
pub(crate) mod book;
mod drop;
mod fleet;
pub(crate) mod histogram;
mod last_unit;
pub(crate) mod look;
mod orders;
pub(crate) mod probe;
mod progress;
mod report;
mod rounds;
mod stage;
pub(crate) mod tally;

pub(crate) use stage::{Unready, encode_hold, make_token};

use crate::client::outside;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Drive a running server and check that no more was sold than there was
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example: evenkeel load --url http://127.0.0.1:7411 --scenario last-unit --seconds 10

Exit codes: 0 the check is green, 1 it is not, 2 wrong usage or token, 3 no server")]
pub(crate) struct LoadArgs {
    /// The server
    #[arg(long, env = "EVENKEEL_URL", hide_env_values = true)]
    #[arg(default_value = "http://127.0.0.1:7411")]
    pub(crate) url: String,
    /// A token of the role admin (or operator: then one token asks for all buyers)
    #[arg(long, env = "EVENKEEL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// What the buyers do
    #[arg(long, value_enum)]
    pub(crate) scenario: Scenario,
    /// How long to drive it (and the other server as long again)
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1500))]
    pub(crate) seconds: u32,
    /// Connections kept open, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) connections: u32,
    /// Units for sale in `drop` and `mixed` [default: 20000]; `last-unit` has one
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) units: Option<u64>,
    /// Another server, sent the same requests in turn; reports the ratio of the two
    #[arg(long, value_name = "URL")]
    pub(crate) bare: Option<String>,
    /// Write each answer as a JSON line, for `verify --acks`
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// One JSON object on standard output and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the buyers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Everybody wants the one unit there is, again and again
    LastUnit,
    /// Many units: buyers confirm, release, repeat, abandon, until all is sold and beyond
    Drop,
    /// The same, and every third buyer orders and pays
    Mixed,
}

/// Runs the command: prints its report and answers its exit code.
///
/// # Errors
/// The acks file cannot be written, or the runtime cannot be made.
pub(crate) async fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    outside::aside(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(drive(&args))
    })
    .await?
}

async fn drive(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let outcome = match args.scenario {
        Scenario::LastUnit => last_unit::run(args).await,
        Scenario::Drop | Scenario::Mixed => drop::run(args).await,
    };
    match outcome {
        Ok(report) => {
            report.print(args.json)?;
            Ok(ExitCode::from(u8::from(!report.ok)))
        }
        Err(error) => match error.downcast::<Unready>() {
            Ok(unready) => Ok(unready.tell()),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests;
