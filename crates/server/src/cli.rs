//! The commands: what a user types, and what each one starts.
//!
//! Each command is a file below; here is the list of them, and the one place where an outcome
//! becomes an exit code: 0 done and true, 1 done and false, 2 wrong usage or configuration, 3 a
//! back end is unreachable or the data directory is held by another process.
//!
//! A command never prints but through `output`, never decides anything that a rule decides, and
//! reaches stores through the HTTP API only, be it over the network or called in process.

mod config;
#[cfg(feature = "postgres")]
mod database;
mod door;
mod explain;
mod failure;
mod log;
mod migrate;
mod mistake;
mod operate;
mod order;
mod output;
mod parked;
mod privacy;
mod process;
mod projection;
mod providers;
mod review;
mod saga;
mod sandbox;
mod serve;
mod simulate;
mod start;
mod status;
mod stock;
mod stores;
mod subscription;
mod token;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;

/// Sells exactly the stock there is: holds, durable before they are answered, and provable.
#[derive(Debug, Parser)]
#[command(
    name = "evenkeel",
    version = VERSION.as_str(),
    max_term_width = crate::columns::WIDTH,
    arg_required_else_help = true
)]
#[command(after_help = "Example: evenkeel serve")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API until SIGTERM or SIGINT
    #[command(after_help = "Example: evenkeel serve --data evenkeel-data")]
    Serve(serve::Serve),
    /// Stand in for the payment, delivery and product services, and misbehave on request
    #[command(after_help = "Example: evenkeel sandbox --listen 127.0.0.1:7412")]
    Sandbox(sandbox::Sandbox),
    /// Drive a server with buyers, measure it, and check that no more was sold than there was
    Load(crate::load::LoadArgs),
    /// Run a whole flash sale on this machine, crash it on the way, and prove the end
    Demo(crate::demo::DemoArgs),
    /// Show stock and change it by hand
    #[command(subcommand, after_help = "Example: evenkeel stock show")]
    Stock(stock::Command),
    /// List orders, show one, call it off, give money back
    #[command(subcommand, after_help = "Example: evenkeel order show o-1")]
    Order(order::Command),
    /// List sagas, show one, let a stuck one go on or back
    #[command(subcommand, after_help = "Example: evenkeel saga list --state stuck")]
    Saga(saga::Command),
    /// List and decide the cases that wait for a person
    #[command(subcommand, after_help = "Example: evenkeel review list")]
    Review(review::Command),
    /// Show how far subscribers are, and tell one everything again
    #[command(subcommand, after_help = "Example: evenkeel outbox status")]
    Outbox(subscription::Outbox),
    /// List and decide what subscribers refused
    #[command(subcommand, after_help = "Example: evenkeel parked list")]
    Parked(parked::Command),
    /// List subscriptions, add one, remove one
    #[command(subcommand, after_help = "Example: evenkeel subscription list")]
    Subscription(subscription::Command),
    /// Tell the story of one thing: what happened, why, and what comes next
    #[command(after_help = "Example: evenkeel explain o-17")]
    Explain(explain::Explain),
    /// Erase personal data
    #[command(
        subcommand,
        after_help = "Example: evenkeel privacy erase c-1 --reason asked"
    )]
    Privacy(privacy::Command),
    /// Read the log
    #[command(subcommand, after_help = "Example: evenkeel log tail")]
    Log(log::Command),
    /// List what is folded from the log, and fold it again
    #[command(subcommand, after_help = "Example: evenkeel projection list")]
    Projection(projection::Command),
    /// Make, list and revoke access tokens
    #[command(subcommand, after_help = "Example: evenkeel token list")]
    Token(token::Command),
    /// Show how the engine is: head, loops and how far they are behind
    #[command(after_help = "Example: evenkeel status")]
    Status(status::Status),
    /// Check every invariant against the stores; exit code 1 if one is violated
    #[command(after_help = "Example: evenkeel verify --data evenkeel-data")]
    Verify(verify::Verify),
    /// Try the engine in a simulated world where everything fails that can
    Simulate(simulate::Simulate),
    /// Check the configuration, or show it with where each value came from
    #[command(subcommand, after_help = "Example: evenkeel config show")]
    Config(config::Command),
    /// Bring the stores to this build's schema; `serve` does it too
    #[command(after_help = "Example: evenkeel migrate --data evenkeel-data")]
    Migrate(migrate::Migrate),
    /// Print the OpenAPI document of this build's API
    #[command(after_help = "Example: evenkeel openapi > openapi.json")]
    Openapi,
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example: evenkeel completions bash > evenkeel.bash")]
    Completions {
        /// The shell that reads the script
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example: evenkeel man > evenkeel.1")]
    Man {
        /// Write a page for every command into this directory instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What `--version` says: the release, and the commit that `EVENKEEL_COMMIT` named when it was
/// built. Nothing of the machine or the moment: the same sources make the same program.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let release = env!("CARGO_PKG_VERSION");
    match option_env!("EVENKEEL_COMMIT") {
        None | Some("") => release.to_owned(),
        Some(commit) => format!("{release} ({commit})"),
    }
});

/// The manual pages: the first one printed, or all of them written.
fn man(out: Option<&Path>) -> Result<failure::Verdict, Failure> {
    let mut command = Cli::command();
    command.build();
    let failed = |error: std::io::Error| Failure::Refused(format!("manual page: {error}"));
    if let Some(out) = out {
        std::fs::create_dir_all(out).map_err(failed)?;
        clap_mangen::generate_to(command, out).map_err(failed)?;
        return Ok(failure::Verdict::True);
    }
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command);
    man.render(&mut page).map_err(failed)?;
    output::raw(&page)
}

/// Reads the command line, runs the command, and ends with its exit code.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        mistake::taught(error, &Cli::command(), &words.collect::<Vec<_>>()).exit()
    });
    cli.command.run().unwrap_or_else(|failure| {
        failure.tell();
        failure.exit_code()
    })
}

/// A command that makes its own report and knows its own exit code.
fn reporting(command: impl Future<Output = anyhow::Result<ExitCode>>) -> Result<ExitCode, Failure> {
    let ended = start::runtime()?.block_on(command);
    ended.map_err(|error| Failure::Refused(format!("{error:#}")))
}

impl Command {
    fn run(self) -> Result<ExitCode, Failure> {
        let verdict = match self {
            Self::Load(mut args) => {
                args.token = args.token.or_else(|| door::token_of_own_server(&args.url));
                return reporting(crate::load::run(args));
            }
            Self::Demo(args) => return reporting(crate::demo::run(args)),
            Self::Serve(command) => serve::run(&command),
            Self::Sandbox(command) => sandbox::run(&command),
            Self::Stock(command) => stock::run(&command),
            Self::Order(command) => operate::run(&command),
            Self::Saga(command) => operate::run(&command),
            Self::Review(command) => operate::run(&command),
            Self::Outbox(command) => operate::run(&command),
            Self::Parked(command) => operate::run(&command),
            Self::Subscription(command) => operate::run(&command),
            Self::Explain(command) => explain::run(&command),
            Self::Privacy(command) => operate::run(&command),
            Self::Log(command) => log::run(&command),
            Self::Projection(command) => operate::run(&command),
            Self::Token(command) => operate::run(&command),
            Self::Status(command) => operate::run(&command),
            Self::Verify(command) => verify::run(&command),
            Self::Simulate(command) => simulate::run(&command),
            Self::Config(command) => config::run(&command),
            Self::Migrate(command) => migrate::run(&command),
            Self::Openapi => output::line(&crate::http::openapi_document().to_string()),
            Self::Completions { shell } => {
                let mut script = Vec::new();
                let name = "evenkeel";
                clap_complete::generate(shell, &mut Cli::command(), name, &mut script);
                output::raw(&script)
            }
            Self::Man { out } => man(out.as_deref()),
        };
        Ok(verdict?.exit_code())
    }
}

#[cfg(test)]
mod tests;
