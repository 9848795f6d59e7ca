//! `evenkeel demo`: a flash sale from nothing to proof, in one command.
//!
//! It starts `serve` as a child of its own on an empty directory, puts lamps on sale, and sends
//! thousands of buyers at it over HTTP, each with a token of its own: some never give up, some
//! click twice, some walk away from their hold, some give it back. In mid-sale the child is
//! killed with -9 and started again; buyers keep their keys over it. In the end exactly
//! min(units, willing) are sold, the book of answers agrees with the server, a probe buyer can
//! buy what is left, and `verify` answers for each invariant.
//!
//! The demo sees the server as any client does: over HTTP, and by what its processes print.

mod after;
mod buyer;
mod cast;
mod ground;
mod report;
mod sale;
mod server;
mod stage;
mod view;

use clap::{Args, ValueEnum};
use ground::Ground;
use report::Report;
use server::Server;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run a whole flash sale on this machine, crash it on the way, and prove the end
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example: evenkeel demo --buyers 5000 --units 250 --faults many

Exit codes: 0 sold = min(units, willing) and every invariant holds, 1 otherwise")]
pub(crate) struct DemoArgs {
    /// Buyers, each with a token and a customer of its own
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) buyers: u32,
    /// Units for sale
    #[arg(long, default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) units: u32,
    /// About how long the sale lasts; buyers arrive during its first half
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// How often the server is killed with -9 in mid-sale: never, once, three times
    #[arg(long, value_enum, default_value_t = Faults::Some)]
    pub(crate) faults: Faults,
    /// Serve on afterwards, until ctrl-c, and keep the data
    #[arg(long)]
    pub(crate) keep: bool,
    /// Write each answer as a JSON line, for `verify --acks`
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// One JSON object on standard output and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// How often the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    None,
    Some,
    Many,
}

impl Faults {
    /// When, as shares of the time in which buyers arrive.
    fn kills(self) -> &'static [f64] {
        match self {
            Self::None => &[],
            Self::Some => &[0.4],
            Self::Many => &[0.2, 0.5, 0.8],
        }
    }
}

impl DemoArgs {
    /// The time in which buyers arrive.
    fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.into()) / 2
    }
}

/// Runs the command: prints its report and answers its exit code.
///
/// # Errors
/// The server could not be started or set up, or ctrl-c; what was started is ended then, and the
/// data removed.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    tokio::select! {
        biased;
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted");
        }
        done = play(&args) => {
            let (ground, report) = done?;
            finish(&args, ground, &report).await
        }
    }
}

/// The sale and everything after it, up to the report.
async fn play(args: &DemoArgs) -> anyhow::Result<(Ground, Report)> {
    let ground = Ground::make(args.acks.as_deref())?;
    let live = view::View::new(args);
    live.say("starting the server");
    let server = Server::start(&ground).await?;
    live.say(&format!("making tokens for {} buyers", args.buyers));
    let (stage, acks) = Stage::set(args, &ground).await?;
    let (server, sold) = sale::hold(args, &stage, (&ground, server), &live).await?;
    live.say("waiting until all is quiet, and probing what is left");
    let settled = after::settle(args, &stage, &sold).await?;
    stage.recorder.stop_acks();
    acks.finish().await?;
    server.stop().await?;
    live.say("verifying");
    let verify = after::verify(&ground).await?;
    live.end();
    let report = Report::new(args, &stage.parts, sold, settled, verify);
    Ok((ground, report))
}

/// Prints the report; with `--keep`, serves on.
async fn finish(args: &DemoArgs, mut ground: Ground, report: &Report) -> anyhow::Result<ExitCode> {
    if args.keep || !report.ok {
        ground.keep();
    }
    report.print(args, &ground)?;
    if args.keep {
        let server = Server::start(&ground).await?;
        let (url, token) = (ground.url(), ground.token_file());
        eprintln!(
            "serving on {url} until ctrl-c; admin token in {}",
            token.display()
        );
        tokio::signal::ctrl_c().await?;
        server.stop().await?;
    }
    Ok(ExitCode::from(u8::from(!report.ok)))
}
