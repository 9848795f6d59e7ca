//! `migrate`: the schema of the stores, brought up to this build's.
//!
//! It takes the lock like every writer, so it never runs beside a server. A store of a newer build
//! is refused and left as it is.

use std::path::PathBuf;

use clap::Args;

use super::door::lock_of;
use super::failure::{Failure, Verdict};
use super::{output, start, stores};

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the stores [default: evenkeel-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(command: &Migrate) -> Result<Verdict, Failure> {
    let (file, data) = (command.config.as_deref(), command.data.as_deref());
    let config = start::configured(file, data, Vec::new())?.config;
    let _lock = lock_of(&config.data)?;
    match stores::migrate(&config)? {
        0 => output::line("The schema was this build's already."),
        1 => output::line("Applied 1 migration."),
        steps => output::line(&format!("Applied {steps} migrations.")),
    }
}
