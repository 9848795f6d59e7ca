//! `config check` and `config show`: the configuration without starting anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, Verdict};
use super::output::{self, Column};
use crate::config::{KEYS, Loaded, Value, load};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say whether the configuration is right; exit code 2 and one line for each mistake if not
    #[command(after_help = "Example: evenkeel config check --config evenkeel.toml --connect")]
    Check {
        #[command(flatten)]
        which: Which,
        /// Ask the back ends that it names, too: version, rights, settings that lose data; exit
        /// code 1 if something would not work or may lose an order
        #[arg(long)]
        connect: bool,
    },
    /// Print the value that each key has, and where it came from
    #[command(after_help = "Example: evenkeel config show --config evenkeel.toml --json")]
    Show {
        #[command(flatten)]
        which: Which,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration file; without it, defaults and EVENKEEL_SECTION__KEY variables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    fn load(&self) -> Result<Loaded, Failure> {
        Ok(load(
            self.config.as_deref(),
            super::start::variables(),
            Vec::new(),
        )?)
    }
}

pub(super) fn run(command: &Command) -> Result<Verdict, Failure> {
    match command {
        Command::Check { which, connect } => {
            let config = which.load()?.config;
            output::line("The configuration is right.")?;
            match connect {
                true => super::start::runtime()?.block_on(super::stores::connect(&config)),
                false => Ok(Verdict::True),
            }
        }
        Command::Show { which, json: true } => output::line(&as_json(&which.load()?)),
        Command::Show { which, json: false } => output::line(&as_table(&which.load()?)),
    }
}

fn as_table(loaded: &Loaded) -> String {
    let rows = KEYS.iter().map(|key| {
        let value = (key.show)(&loaded.config);
        let value = value.map_or("none".to_owned(), |value| value.to_string());
        vec![
            key.path.to_owned(),
            value,
            loaded.origin(key.path).to_string(),
        ]
    });
    let columns = [
        Column::Word("key"),
        Column::Text("value"),
        Column::Text("from"),
    ];
    output::table(&columns, rows.collect())
}

fn as_json(loaded: &Loaded) -> String {
    let keys = KEYS.iter().map(|key| {
        let value = match (key.show)(&loaded.config) {
            Some(Value::Text(text)) => json!(text),
            Some(Value::Integer(number)) => json!(number),
            Some(Value::List(list)) => json!(list),
            Some(Value::Other(_)) | None => json!(null),
        };
        json!({
            "key": key.path,
            "value": value,
            "from": loaded.origin(key.path).to_string(),
            "variable": key.variable(),
            "may_be": key.range,
            "meaning": key.meaning,
        })
    });
    json!({"keys": keys.collect::<Vec<_>>()}).to_string()
}
