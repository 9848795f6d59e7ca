//! `evenkeel demo`: a flash sale from nothing to proof, in one command.
//!
//! It plays the providers itself, starts `serve` as a child of its own on an empty directory, puts
//! lamps on sale, and sends thousands of buyers at it over HTTP, each with a token of its own: some
//! never give up, some click twice, some walk away from their hold, some call their order off or
//! want money back. The bank declines, is late, calls back twice or never; delivery goes down;
//! the child is killed with -9 and started again, and buyers keep their keys over it. In the end
//! exactly min(units, willing) are sold, the money agrees with the bank's own ledger to the cent, a
//! probe buyer can buy what is left, and `verify` answers for each invariant.
//!
//! The demo sees the server as any client does: over HTTP, and by what its processes print.

mod after;
mod bank;
mod blows;
mod buyer;
mod cast;
mod ground;
mod orders;
mod report;
mod sale;
mod scene;
mod server;
mod stage;
mod tab;
mod view;

use bank::Bank;
use clap::{Args, ValueEnum};
use ground::Ground;
use report::Report;
use sale::Servers;
use server::Server;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run a whole flash sale on this machine, crash it on the way, and prove the end
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example: evenkeel demo --buyers 5000 --units 250 --faults many

Exit codes: 0 sold = min(units, willing), the money agrees with the bank's ledger, and every
            invariant holds; 1 otherwise")]
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
    /// What goes wrong in mid-sale
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

/// What goes wrong in mid-sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Nothing: every card is good, nothing is killed
    None,
    /// The bank misbehaves, delivery goes down, the server is killed once
    Some,
    /// The server is killed three times, and the bank is restarted
    Many,
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
            anyhow::bail!("interrupted; the servers were ended and their data removed");
        }
        done = play(&args) => {
            let (grounds, report) = done?;
            finish(&args, grounds, report).await
        }
    }
}

/// The sale and everything after it, up to the report.
async fn play(args: &DemoArgs) -> anyhow::Result<((Ground, Bank), Report)> {
    let ground = Ground::make(args.acks.as_deref())?;
    let live = view::View::new(args);
    live.say("starting the servers");
    let bank = Bank::open(&ground).await?;
    let engine = Server::start(&ground).await?;
    live.say(&format!("making tokens for {} buyers", args.buyers));
    let (stage, acks) = Stage::set(args, &ground).await?;
    let servers = Servers { engine, bank };
    let (Servers { engine, bank }, sold) =
        sale::hold(args, &stage, (&ground, servers), &live).await?;
    live.say("waiting until all is quiet, and probing what is left");
    let settled = after::settle(args, (&stage, &bank), &sold).await?;
    stage.recorder.stop_acks();
    acks.finish().await?;
    engine.stop().await?;
    live.say("verifying");
    let verify = after::verify(&ground).await?;
    live.end();
    let report = Report::new(args, &stage.parts, sold, settled, verify);
    Ok(((ground, bank), report))
}

/// Prints the report; with `--keep`, serves on, the bank included.
async fn finish(
    args: &DemoArgs,
    (mut ground, _bank): (Ground, Bank),
    mut report: Report,
) -> anyhow::Result<ExitCode> {
    if args.keep || !report.ok {
        ground.keep();
    }
    report.suggest(args, &ground);
    if !args.keep {
        report.print(args, &ground)?;
        return Ok(ExitCode::from(u8::from(!report.ok)));
    }
    let server = Server::start(&ground).await?;
    report.print(args, &ground)?;
    let (url, bank) = (ground.url(), ground.bank_url());
    eprintln!("serving on {url} until ctrl-c, its providers on {bank}");
    tokio::signal::ctrl_c().await?;
    server.stop().await?;
    Ok(ExitCode::from(u8::from(!report.ok)))
}
