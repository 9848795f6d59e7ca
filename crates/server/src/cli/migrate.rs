//! `migrate`: the schema of the stores, brought up to this build's.
//!
//! It takes the lock like every writer, so it never runs beside a server. A store of a newer build
//! is refused and left as it is.
//!
//! New tables are one thing and what is written into the log another: until `--finish` every build
//! writes rows that the build before it can read. `--finish` ends that, once no node is alive that
//! would not understand; there is no way back.
//!
//! `--restored` is for whoever put a backup back: what followed the copy is lost, and nothing that
//! comes from there is to be believed. It gives the log the name of a new incarnation.
//!
//! `--from DIR --to URL` moves a ledger from a directory into a database server ([`moving`]).

mod moving;

use std::path::PathBuf;

use clap::Args;
use evenkeel_engine::Refusal;
use evenkeel_engine::port::Fault;

use super::door::lock_of;
use super::failure::{Failure, Verdict};
use super::{output, start, stores};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the stores [default: evenkeel-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Let the log have rows that only this build, or a newer one, can read
    #[arg(long)]
    finish: bool,
    /// Give the log a new name: its store was restored from a backup
    #[arg(long, conflicts_with = "finish")]
    restored: bool,
    /// The directory whose ledger is to be moved, at rest; it is no store afterwards
    #[arg(long, value_name = "DIR", requires = "to")]
    #[arg(conflicts_with_all = ["finish", "restored", "data"])]
    from: Option<PathBuf>,
    /// The empty database that it is moved to
    #[arg(long, value_name = "URL", requires = "from")]
    to: Option<String>,
}

pub(super) fn run(command: &Migrate) -> Result<Verdict, Failure> {
    let (file, data) = (command.config.as_deref(), command.data.as_deref());
    if let (Some(from), Some(to)) = (&command.from, &command.to) {
        return moving::run(file, from, to);
    }
    let config = start::configured(file, data, Vec::new())?.config;
    if command.restored {
        // Before one is made there.
        stores::is_there(&config)?;
    }
    let _lock = lock_of(&config.data)?;
    let runtime = start::runtime()?;
    match runtime.block_on(stores::migrate(&config))? {
        0 => output::line("The schema was this build's already.")?,
        1 => output::line("Applied 1 migration.")?,
        steps => output::line(&format!("Applied {steps} migrations."))?,
    };
    if command.restored {
        return runtime.block_on(restored(&config));
    }
    if !command.finish {
        return Ok(Verdict::True);
    }
    runtime.block_on(finish(&config))
}

/// Gives the log of a restored backup its new name.
async fn restored(config: &Config) -> Result<Verdict, Failure> {
    let open = stores::to_write(config, None).await?;
    let restored = open.engine.restored().await;
    open.engine.stop().await;
    let from = restored.map_err(|refusal| refused(config, refusal))?;
    output::line(&format!(
        "The log is {} now: the copy ends at position {}.\nTokens of what followed it are refused, \
         and leases of then are over.\nRead models are folded anew at the next start.",
        from.of(),
        from.position
    ))?;
    Ok(Verdict::True)
}

fn refused(config: &Config, refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(fault) => stores::told(config, &fault),
        Refusal::Rejected { rejection, .. } => Failure::Refused(rejection.to_string()),
    }
}

/// Lets writers use this build's format of log rows.
async fn finish(config: &Config) -> Result<Verdict, Failure> {
    let open = stores::to_write(config, None).await?;
    let raised = open.engine.raise_format().await;
    open.engine.stop().await;
    match raised {
        Ok(format) => {
            output::line(&format!("The log's format is {format}."))?;
            Ok(Verdict::True)
        }
        Err(Refusal::Failed(Fault::Fenced)) => Err(Failure::Refused(
            "a node of an older build is alive; stop it, or wait until its lease is over"
                .to_owned(),
        )),
        Err(refusal) => Err(refused(config, refusal)),
    }
}
